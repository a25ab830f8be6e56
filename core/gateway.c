/*
 * gateway.c - the HTTP door: libmicrohttpd, driven from the loop.
 *
 * The daemon runs without threads. Its epoll descriptor is watched by a uv_poll; MHD_run then does
 * what is due, without ever waiting. The moment it wants to be called at besides is a uv_timer.
 *
 * A complete request goes to on_request. Unless it is answered there and then, its connection is
 * suspended: libmicrohttpd neither reads from it nor times it out nor frees it until it is resumed,
 * so a request stays valid for as many turns as the answer takes, also when the client has gone;
 * the answer then fails on the socket and is dropped. What the daemon does with a connection
 * afterwards ends in on_completed, the only place that frees a request.
 *
 * Slow or half requests never stall anything: they are bytes in a buffer until complete, and a
 * connection on which nothing moves for GATEWAY_IDLE_S is closed.
 *
 * Left out on purpose: TLS (a reverse proxy does it better), WebSockets, streaming bodies.
 */
#include "gateway.h"

#include "limits.h"
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct gateway_request {
    struct gateway *gateway;
    struct MHD_Connection *connection;
    const char *method, *path; /* libmicrohttpd's, valid as long as the request */
    struct buf body;
    size_t discarded; /* bytes of a body that is too large */
    bool handed_up;   /* on_request has it */
    bool in_callback; /* on_request is running for it: an answer needs no resume */
    bool answered;
    bool suspended; /* in gateway->waiting */
    TAILQ_ENTRY(gateway_request) link;
};

TAILQ_HEAD(request_list, gateway_request);

struct gateway {
    struct gateway_callbacks callbacks;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    size_t handles; /* libuv handles not yet closed; the last one frees the struct */
    bool closing;
    size_t body_max;
    uint16_t port;               /* 0: a unix socket */
    char *unix_path;             /* removed at the end; owned, NULL for TCP */
    struct request_list waiting; /* suspended requests */
};

static void on_timer(uv_timer_t *timer);

/* ---- answers ---- */

static bool add_header_line(struct MHD_Response *response, const char *line, size_t len) {
    char text[1024];
    const char *colon = memchr(line, ':', len);
    if (colon == NULL || len >= sizeof text) {
        return false;
    }
    memcpy(text, line, len);
    text[len] = '\0';
    size_t name_len = (size_t)(colon - line);
    text[name_len] = '\0';
    const char *value = text + name_len + 1;
    value += strspn(value, " ");
    return MHD_add_response_header(response, text, value) == MHD_YES;
}

/* NULL when out of memory. */
static struct MHD_Response *response_new(const char *content_type, const char *headers,
                                         struct slice body) {
    void *data = (void *)(uintptr_t)body.data; /* copied, in spite of the missing const */
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body.len, data, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) {
        return NULL;
    }
    const char *type = content_type != NULL ? content_type : "application/json";
    bool ok = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES;
    while (ok && headers != NULL && headers[0] != '\0') {
        size_t len = strcspn(headers, "\n");
        ok = add_header_line(response, headers, len);
        headers += len + (headers[len] == '\n' ? 1 : 0);
    }
    if (!ok) {
        MHD_destroy_response(response);
        return NULL;
    }
    return response;
}

static enum MHD_Result queue(struct MHD_Connection *connection, int status,
                             const char *content_type, const char *headers, struct slice body) {
    struct MHD_Response *response = response_new(content_type, headers, body);
    if (response == NULL) {
        return MHD_NO;
    }
    enum MHD_Result queued = MHD_queue_response(connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return queued;
}

void gateway_answer(struct gateway_request *request, int status, const char *content_type,
                    const char *headers, struct slice body) {
    assert(request->handed_up && !request->answered);
    request->answered = true;
    if (queue(request->connection, status, content_type, headers, body) != MHD_YES) {
        /* Without a response the daemon asks on_access again, which then closes the connection. */
        log_warn("http", "an answer could not be made, the connection is closed status=%d", status);
    }
    if (request->suspended) {
        TAILQ_REMOVE(&request->gateway->waiting, request, link);
        request->suspended = false;
        MHD_resume_connection(request->connection); /* takes effect in the next MHD_run */
        int started = uv_timer_start(&request->gateway->timer, on_timer, 0, 0);
        assert(started == 0);
    }
}

/* ---- requests ---- */

static enum MHD_Result too_large(struct gateway_request *request) {
    request->answered = true;
    struct slice text = slice_of("{\"error\":\"the request body is too large\"}\n");
    return queue(request->connection, MHD_HTTP_CONTENT_TOO_LARGE, NULL, NULL, text);
}

/* Whether to refuse before the body comes: if the client waits for leave to send it, or if it is so
 * large that reading it only to refuse it would be a favour to an attacker. */
static bool refuse_unread(const struct gateway_request *request) {
    const char *length = gateway_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    size_t bytes = length != NULL ? strtoull(length, NULL, 10) : 0;
    size_t body_max = request->gateway->body_max;
    return bytes > body_max && (bytes - body_max > GATEWAY_DISCARD_BYTES_MAX ||
                                gateway_header(request, MHD_HTTP_HEADER_EXPECT) != NULL);
}

/* The head has come. */
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
    buf_init(&request->body, g->body_max);
    *out = request;
    return refuse_unread(request) ? too_large(request) : MHD_YES;
}

/* A body that is too large is read on and forgotten, within reason: a connection closed on a client
 * that is still sending is reset, and the client would see that instead of the answer. */
static enum MHD_Result take_body(struct gateway_request *request, const char *data, size_t *len) {
    if (request->discarded == 0) {
        buf_add(&request->body, data, *len);
    }
    if (request->body.failed) {
        request->discarded += *len;
    }
    *len = 0;
    return request->discarded <= GATEWAY_DISCARD_BYTES_MAX ? MHD_YES : MHD_NO;
}

static enum MHD_Result hand_up(struct gateway_request *request) {
    struct gateway *g = request->gateway;
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

/* libmicrohttpd: once with the head, once for each piece of the body, once at its end. */
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
        enum MHD_Result result = begin(g, connection, method, url, &request);
        *own = request;
        return result;
    }
    if (request->answered) { /* an answer that could not be made */
        return MHD_NO;
    }
    if (*len > 0) {
        return take_body(request, data, len);
    }
    return request->discarded > 0 ? too_large(request) : hand_up(request);
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **own,
                         enum MHD_RequestTerminationCode why) {
    (void)ctx;
    (void)connection;
    (void)why;
    struct gateway_request *request = *own;
    if (request == NULL) {
        return;
    }
    assert(!request->suspended && !request->in_callback);
    buf_clear(&request->body);
    free(request);
    *own = NULL;
}

const char *gateway_method(const struct gateway_request *request) {
    return request->method;
}

const char *gateway_path(const struct gateway_request *request) {
    return request->path;
}

const char *gateway_query(const struct gateway_request *request, const char *name) {
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *gateway_header(const struct gateway_request *request, const char *name) {
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

struct slice gateway_body(const struct gateway_request *request) {
    return buf_slice(&request->body);
}

/* ---- the daemon on the loop ---- */

/* Does what is due, then sets the timer for what will be. A bounded piece of work: MHD_run accepts
 * a few connections at most and never waits; what is left comes with a timer of zero. */
static void run(struct gateway *g) {
    enum MHD_Result ran = MHD_run(g->daemon);
    assert(ran == MHD_YES);
    MHD_UNSIGNED_LONG_LONG due_ms;
    if (MHD_get_timeout(g->daemon, &due_ms) == MHD_YES) {
        int started = uv_timer_start(&g->timer, on_timer, due_ms, 0);
        assert(started == 0);
    } else {
        (void)uv_timer_stop(&g->timer);
    }
}

static void on_timer(uv_timer_t *timer) {
    run(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    (void)events;
    if (status == 0) {
        run(poll->data);
    }
}

static void on_closed(uv_handle_t *handle) {
    struct gateway *g = handle->data;
    assert(g->handles > 0);
    if (--g->handles == 0) {
        free(g);
    }
}

static int watch(struct gateway *g, uv_loop_t *loop) {
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(g->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL || uv_poll_init(loop, &g->poll, info->epoll_fd) != 0) {
        return ERR_SYSTEM;
    }
    g->poll.data = g;
    g->handles++;
    int code = uv_timer_init(loop, &g->timer);
    assert(code == 0); /* libuv documents no failure */
    g->timer.data = g;
    g->handles++;
    return uv_poll_start(&g->poll, UV_READABLE, on_poll) == 0 ? 0 : ERR_SYSTEM;
}

/* ---- listening ---- */

static int refuse(struct report *r, const char *listen, int error) {
    if (error == EADDRINUSE) {
        return report(r, ERR_BUSY, "%s is in use by another program: stop it or choose another",
                      listen);
    }
    return report(r, ERR_SYSTEM, "cannot listen on %s: %s", listen, strerror(error));
}

/* Whether somebody answers on the unix socket; a file without a listener may be replaced. */
static int unix_check(const struct sockaddr_un *address, const char *listen, struct report *r) {
    struct stat info;
    if (lstat(address->sun_path, &info) != 0) {
        return errno == ENOENT ? 0 : refuse(r, listen, errno);
    }
    if (!S_ISSOCK(info.st_mode)) {
        return report(r, ERR_INVALID, "%s exists and is not a socket: move it away",
                      address->sun_path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return refuse(r, listen, errno);
    }
    int connected = connect(fd, (const struct sockaddr *)address, sizeof *address);
    int error = errno;
    (void)close(fd);
    if (connected == 0 || error != ECONNREFUSED) {
        return refuse(r, listen, connected == 0 || error == EAGAIN ? EADDRINUSE : error);
    }
    return unlink(address->sun_path) == 0 ? 0 : refuse(r, listen, errno);
}

static int unix_listen(struct gateway *g, const char *listen_on, int *out, struct report *r) {
    const char *path = listen_on + strlen("unix:");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof address.sun_path) {
        return report(r, ERR_INVALID, "the socket path \"%s\" must have 1 to %zu bytes", path,
                      sizeof address.sun_path - 1);
    }
    memcpy(address.sun_path, path, len + 1);
    int code = unix_check(&address, listen_on, r);
    if (code != 0) {
        return code;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return refuse(r, listen_on, errno);
    }
    *out = fd;
    mode_t before = umask(0177); /* the file never exists with more than 0600 */
    int bound = bind(fd, (const struct sockaddr *)&address, sizeof address);
    int error = errno;
    (void)umask(before);
    if (bound != 0) {
        return refuse(r, listen_on, error);
    }
    g->unix_path = slice_dup(slice_of(path));
    return g->unix_path != NULL ? 0 : refuse(r, listen_on, ENOMEM);
}

/* "host:port" or "[host]:port" into `host`; the port's place, or NULL. */
static const char *split_address(const char *listen_on, char host[256]) {
    const char *colon = strrchr(listen_on, ':');
    if (colon == NULL) {
        return NULL;
    }
    size_t len = (size_t)(colon - listen_on);
    if (len >= 2 && listen_on[0] == '[' && listen_on[len - 1] == ']') {
        listen_on++;
        len -= 2;
    } else if (memchr(listen_on, ':', len) != NULL) {
        return NULL;
    }
    if (len == 0 || len >= 256) {
        return NULL;
    }
    memcpy(host, listen_on, len);
    host[len] = '\0';
    return colon + 1;
}

static int tcp_listen(struct gateway *g, const char *listen_on, int *out, struct report *r) {
    char host[256];
    const char *port = split_address(listen_on, host);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (port == NULL || getaddrinfo(host, port, &hints, &found) != 0) {
        return report(r, ERR_INVALID,
                      "cannot listen on \"%s\": write an address and a port, like 127.0.0.1:8080, "
                      "[::1]:8080 or unix:/path",
                      listen_on);
    }
    int on = 1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage bound = {0};
    socklen_t bound_len = sizeof bound;
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
              bind(fd, found->ai_addr, found->ai_addrlen) == 0 &&
              getsockname(fd, (struct sockaddr *)&bound, &bound_len) == 0;
    int error = errno;
    freeaddrinfo(found);
    *out = fd;
    if (!ok) {
        return refuse(r, listen_on, error);
    }
    char number[NI_MAXSERV] = "0";
    (void)getnameinfo((struct sockaddr *)&bound, bound_len, NULL, 0, number, sizeof number,
                      NI_NUMERICSERV);
    g->port = (uint16_t)strtoul(number, NULL, 10);
    return 0;
}

/* A listening socket in *out; on failure it may be one to close, or -1. */
static int open_socket(struct gateway *g, const char *listen_on, int *out, struct report *r) {
    *out = -1;
    bool is_unix = strncmp(listen_on, "unix:", 5) == 0;
    int code = is_unix ? unix_listen(g, listen_on, out, r) : tcp_listen(g, listen_on, out, r);
    if (code == 0 && listen(*out, SOMAXCONN) != 0) {
        code = refuse(r, listen_on, errno);
    }
    return code;
}

/* ---- life ---- */

static struct MHD_Daemon *start(struct gateway *g, int fd) {
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_access, g,
                            MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                            (unsigned)GATEWAY_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                            (unsigned)GATEWAY_IDLE_S, MHD_OPTION_NOTIFY_COMPLETED, on_completed, g,
                            MHD_OPTION_END);
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
    int fd;
    int code = open_socket(g, listen_on, &fd, r);
    if (code == 0) {
        g->daemon = start(g, fd);
        code = g->daemon != NULL ? watch(g, loop) : ERR_SYSTEM;
        if (code != 0) {
            (void)report(r, code, "cannot start the HTTP server on %s", listen_on);
        }
    }
    if (code == 0) {
        run(g);
        *out = g;
        return 0;
    }
    if (g->daemon == NULL && fd >= 0) {
        (void)close(fd); /* afterwards it is the daemon's */
    }
    gateway_free(g);
    return code;
}

/* Suspended connections must be resumed before the daemon may end; on_access refuses them then. */
static void stop_daemon(struct gateway *g) {
    struct gateway_request *request;
    while ((request = TAILQ_FIRST(&g->waiting)) != NULL) {
        TAILQ_REMOVE(&g->waiting, request, link);
        request->suspended = false;
        MHD_resume_connection(request->connection);
    }
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
        uv_close((uv_handle_t *)&g->poll, on_closed);
        uv_close((uv_handle_t *)&g->timer, on_closed);
    }
    if (g->daemon != NULL) {
        stop_daemon(g);
    }
    if (g->unix_path != NULL) {
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
