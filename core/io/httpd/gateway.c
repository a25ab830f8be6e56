/*
 * gateway.c - the HTTP door: libmicrohttpd, driven from the loop.
 *
 * A complete request is passed to on_request. If it is not answered immediately, its connection is
 * suspended: libmicrohttpd neither reads from it nor times it out nor frees it until it is resumed.
 * So a request stays valid for as many turns as the answer takes, even if the client has gone; then
 * sending the answer fails, and it is dropped. Whatever the daemon does with a connection
 * afterwards ends in on_completed, the only place that frees a request.
 *
 * Slow or incomplete requests never block anything: until they are complete they are bytes in a
 * buffer. A connection on which nothing moves for GATEWAY_IDLE_S is closed; io/httpd/slow.c closes
 * the others.
 *
 *   io/httpd/daemon.c   libmicrohttpd on the loop
 *   io/httpd/answer.c   answers, streams     io/httpd/listen.c   sockets
 *   io/httpd/slow.c     slow clients         io/httpd/accept.c   who is let in
 *   io/httpd/tls.c      the certificate      io/httpd/head.c     heads that are refused
 *   io/httpd/request.c  the contents of a request, and where it comes from
 *   io/httpd/guest.c    requests that did not come over a socket
 *   io/httpd/ask.c      the other side, for the commands
 *
 * Left out on purpose: WebSockets, streaming request bodies.
 */
#include "io/httpd/impl.h"

#include "base/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- requests ---- */

static enum MHD_Result too_large(struct gateway_request *request) {
    request->answered = true;
    struct slice text = slice_of("{\"error\":\"the request body is too large\"}\n");
    return gateway_queue(request->gateway, request->connection, MHD_HTTP_CONTENT_TOO_LARGE, NULL,
                         NULL, text);
}

/* The rest of its input is not read: nobody knows where this request ends. */
static enum MHD_Result bad_head(struct gateway_request *request, const char *text) {
    request->answered = true;
    return gateway_queue(request->gateway, request->connection, MHD_HTTP_BAD_REQUEST, NULL,
                         "Connection: close\n", slice_of(text));
}

static enum MHD_Result no_place(struct gateway_request *request) {
    request->answered = true;
    struct slice text = slice_of("{\"error\":\"all places are taken: try again\"}\n");
    return gateway_queue(request->gateway, request->connection, MHD_HTTP_SERVICE_UNAVAILABLE, NULL,
                         "Retry-After: 5\nConnection: close\n", text);
}

static enum MHD_Result too_many(struct gateway_request *request) {
    request->answered = true;
    struct slice text = slice_of("{\"error\":\"too many large requests at once: try again\"}\n");
    return gateway_queue(request->gateway, request->connection, MHD_HTTP_SERVICE_UNAVAILABLE, NULL,
                         "Retry-After: 5\n", text);
}

/* True if the request should be refused before its body: because the client waits for permission to
 * send it, or because reading such a large body only to refuse it would help an attacker. */
static bool refuse_unread(const struct gateway_request *request) {
    const char *length = gateway_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    size_t bytes = length != NULL ? strtoull(length, NULL, 10) : 0;
    size_t body_max = request->body_max > 0 ? request->body_max : request->gateway->body_max;
    return bytes > body_max && (bytes - body_max > GATEWAY_DISCARD_BYTES_MAX ||
                                gateway_header(request, MHD_HTTP_HEADER_EXPECT) != NULL);
}

/* The head of a request has arrived. */
static enum MHD_Result begin(struct gateway *g, struct MHD_Connection *connection,
                             const char *method, const char *path, struct gateway_request **out) {
    struct gateway_request *request = calloc(1, sizeof *request);
    if (request == NULL) {
        return MHD_NO;
    }
    request->gateway = g;
    request->connection = connection;
    request->method = method;
    request->path = path;
    *out = request;
    const char *bad = gateway_check_head(connection, path);
    if (bad != NULL) {
        return bad_head(request, bad);
    }
    struct gateway_welcome welcome = {g->body_max, PURSE_KNOWN, false};
    if (g->callbacks.welcome != NULL) {
        welcome = g->callbacks.welcome(g->callbacks.ctx, request);
    }
    request->body_max = welcome.body_max;
    request->purse = welcome.purse;
    buf_init(&request->body, welcome.body_max);
    if (gateway_client_is_spare(connection) && !welcome.vital) {
        return no_place(request);
    }
    return refuse_unread(request) ? too_large(request) : MHD_YES;
}

/* Counts the bytes of a body that are kept from now on, or no longer. */
static void count_body(struct gateway_request *request, size_t before) {
    struct gateway *g = request->gateway;
    size_t after = request->body.len;
    if (request->purse != PURSE_SMALL) {
        memory_take(g->callbacks.memory, MEMORY_BODIES, after);
        memory_give(g->callbacks.memory, MEMORY_BODIES, before);
    }
    if (request->purse == PURSE_OPEN) {
        assert(g->open_bytes + after >= before);
        g->open_bytes = g->open_bytes + after - before;
    }
}

static void forget_body(struct gateway_request *request) {
    size_t before = request->body.len;
    buf_clear(&request->body);
    count_body(request, before);
}

/* True if there is room for this many more bytes besides what others have sent. */
static bool has_room(const struct gateway_request *request, size_t len) {
    const struct gateway *g = request->gateway;
    const struct memory *memory = g->callbacks.memory;
    bool stranger = request->purse == PURSE_OPEN && memory != NULL;
    return request->purse == PURSE_SMALL ||
           (len <= memory_room(memory, MEMORY_BODIES) &&
            (!stranger || g->open_bytes + len <= memory->limit / GATEWAY_OPEN_PARTS));
}

/* False when the body cannot be kept. */
static bool keep_piece(struct gateway_request *request, const char *data, size_t len) {
    if (request->body_max == 0 || request->discarded > 0) {
        return false;
    }
    size_t before = request->body.len;
    request->crowded = !has_room(request, len);
    if (!request->crowded) {
        buf_add(&request->body, data, len);
        count_body(request, before);
    }
    return !request->crowded && !request->body.failed;
}

/* A body that is not kept is still read and dropped, up to a limit: closing the connection while
 * the client is still sending would reset it, and the client would see that instead of the
 * answer. */
static enum MHD_Result take_body(struct gateway_request *request, const char *data, size_t *len) {
    if (!keep_piece(request, data, *len)) {
        forget_body(request);
        request->discarded += *len;
    }
    *len = 0;
    return request->discarded <= GATEWAY_DISCARD_BYTES_MAX ? MHD_YES : MHD_NO;
}

static enum MHD_Result hand_up(struct gateway_request *request) {
    struct gateway *g = request->gateway;
    gateway_client_owes(request->connection, false);
    request->handed_up = true;
    request->in_callback = true;
    g->callbacks.on_request(g->callbacks.ctx, request);
    request->in_callback = false;
    if (!request->answered) {
        request->suspended = true;
        TAILQ_INSERT_TAIL(&g->waiting, request, link);
        MHD_suspend_connection(request->connection);
    }
    return MHD_YES;
}

/* libmicrohttpd: called once with the head, once for each piece of the body, once at its end. */
static enum MHD_Result on_access(void *ctx, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *len, void **own) {
    (void)version;
    struct gateway *g = ctx;
    struct gateway_request *request = *own;
    if (g->closing) {
        return MHD_NO;
    }
    if (request == NULL) {
        gateway_client_begins(connection);
        enum MHD_Result result = begin(g, connection, method, url, &request);
        *own = request;
        return result;
    }
    if (request->answered) { /* its answer could not be created */
        return MHD_NO;
    }
    if (*len > 0) {
        return take_body(request, data, len);
    }
    if (request->crowded) {
        return too_many(request);
    }
    return request->discarded > 0 && request->body_max > 0 ? too_large(request) : hand_up(request);
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **own,
                         enum MHD_RequestTerminationCode why) {
    (void)ctx;
    (void)why;
    struct gateway_request *request = *own;
    if (request == NULL) {
        return;
    }
    gateway_client_owes(connection, true);
    assert(!request->suspended && !request->in_callback);
    forget_body(request);
    gateway_forget_set(request);
    free(request);
    *own = NULL;
}

/* ---- life ---- */

static int watch(struct gateway *g, uv_loop_t *loop) {
    int code = gateway_watch_daemon(g, loop);
    code = code == 0 ? gateway_watch_listener(g, loop) : code;
    return code == 0 ? gateway_watch_slow(g, loop) : code;
}

static struct MHD_Daemon *start(struct gateway *g) {
    /* Excludes old versions and ciphers; without TLS the list ends before these. */
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)gateway_tls_certificate},
        {MHD_OPTION_HTTPS_PRIORITIES, 0,
         (void *)(uintptr_t) "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
        {MHD_OPTION_END, 0, NULL},
    };
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET;
    return MHD_start_daemon(
        flags | (g->tls ? MHD_USE_TLS : 0u), 0, NULL, NULL, on_access, g, MHD_OPTION_ARRAY,
        g->tls ? &tls[0] : &tls[2], MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)GATEWAY_HEAD_BYTES,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)(GATEWAY_CONNECTIONS_MAX + GATEWAY_SPARES),
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)GATEWAY_IDLE_S, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, g, MHD_OPTION_NOTIFY_CONNECTION, gateway_on_connection, g,
        MHD_OPTION_UNESCAPE_CALLBACK, gateway_unescape, NULL, MHD_OPTION_END);
}

int gateway_reload_tls(const struct gateway *g, struct report *r) {
    return g->tls ? gateway_tls_load(g->callbacks.cert_file, g->callbacks.key_file, r) : 0;
}

bool gateway_is_tls(const struct gateway *g) {
    return g->tls;
}

int gateway_new(struct gateway **out, uv_loop_t *loop, const char *listen_on, size_t body_max,
                const struct gateway_callbacks *callbacks, struct report *r) {
    struct gateway *g = calloc(1, sizeof *g);
    if (g == NULL) {
        return report(r, ERR_MEMORY, "%s", error_text(ERR_MEMORY));
    }
    g->callbacks = *callbacks;
    g->body_max = body_max;
    TAILQ_INIT(&g->waiting);
    TAILQ_INIT(&g->streams);
    TAILQ_INIT(&g->clients);
    g->reserve = -1;
    g->listener = callbacks->listener > 0 ? callbacks->listener : -1;
    g->tls = callbacks->cert_file != NULL && callbacks->cert_file[0] != '\0';
    int code = gateway_reload_tls(g, r);
    code = code == 0 ? gateway_open_socket(g, listen_on, r) : code;
    if (code == 0) {
        g->daemon = start(g);
        code = g->daemon != NULL ? watch(g, loop) : ERR_SYSTEM;
        if (code != 0) {
            (void)report(r, code, "cannot start the HTTP server on %s", listen_on);
        }
    }
    if (code == 0) {
        gateway_run(g);
        *out = g;
        return 0;
    }
    gateway_free(g);
    return code;
}

/* Suspended connections must be resumed before the daemon may stop; on_access then refuses them. */
static void stop_daemon(struct gateway *g) {
    struct gateway_request *request;
    while ((request = TAILQ_FIRST(&g->waiting)) != NULL) {
        TAILQ_REMOVE(&g->waiting, request, link);
        request->suspended = false;
        MHD_resume_connection(request->connection);
    }
    gateway_end_streams(g);
    (void)MHD_run(g->daemon);
    MHD_stop_daemon(g->daemon);
}

void gateway_free(struct gateway *g) {
    if (g == NULL) {
        return;
    }
    assert(!g->closing);
    g->closing = true;
    if (g->poll.data != NULL) { /* before the daemon closes its descriptor */
        uv_close((uv_handle_t *)&g->poll, gateway_on_closed);
        uv_close((uv_handle_t *)&g->timer, gateway_on_closed);
        if (g->listen_poll.data != NULL) {
            uv_close((uv_handle_t *)&g->listen_poll, gateway_on_closed);
        }
        if (g->accept_timer.data != NULL) {
            uv_close((uv_handle_t *)&g->accept_timer, gateway_on_closed);
        }
        if (g->slow_timer.data != NULL) {
            uv_close((uv_handle_t *)&g->slow_timer, gateway_on_closed);
        }
    }
    if (g->daemon != NULL) {
        stop_daemon(g);
    }
    if (g->tls) {
        gateway_tls_forget();
    }
    gateway_close_listener(g);
    if (g->unix_path != NULL && g->callbacks.listener == 0) {
        (void)unlink(g->unix_path);
    }
    free(g->unix_path);
    if (g->handles == 0) {
        free(g);
    }
}

uint16_t gateway_port(const struct gateway *g) {
    return g->port;
}
