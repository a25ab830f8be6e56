/*
 * fetch.c - the outgoing calls: their table, curl's sockets and timer on the loop, the hand-over.
 *
 * curl's multi handle is driven by events (curl_multi_socket_action): it names the sockets it wants
 * watched, each gets a uv_poll, and the one moment it wants to be called at, which is a uv_timer. A
 * waiting call therefore costs an easy handle and a socket, no thread.
 *
 * A finished call goes to a list first and is handed over when curl is off the stack, because
 * on_done may well start or cancel calls.
 *
 * HTTP connections to one host are not bounded here: a service's `concurrency` is that bound, and a
 * queue inside curl would count towards the timeouts of the calls in it. SMTP sessions are bounded,
 * see io/fetch/mail.c. What happens without descriptors is in io/fetch/short.c.
 *
 * Left out on purpose: redirects (a handler that wants one sees the 3xx and decides), cookies,
 * netrc, compression, HTTP/2 (one call a connection, so that a lost connection speaks of one call).
 */
#include "io/fetch/impl.h"

#include "base/limits.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A socket of curl's. It outlives curl's interest until libuv has closed the handle. */
struct watch {
    uv_poll_t poll;
    struct fetch *fetch;
    curl_socket_t fd;
};

/* ---- the table of calls ---- */

static struct call **bucket_of(struct fetch *f, uint64_t id) {
    return &f->buckets[(id ^ id >> 32) & (FETCH_BUCKETS - 1)];
}

static struct call *find(struct fetch *f, uint64_t id) {
    struct call *call = *bucket_of(f, id);
    while (call != NULL && call->id != id) {
        call = call->bucket_next;
    }
    return call;
}

static struct call *call_new(struct fetch *f, uint64_t id, const struct call_request *request) {
    struct call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return NULL;
    }
    call->fetch = f;
    call->id = id;
    call->request = request;
    call->deadline_ms = uv_now(f->loop) + (uint64_t)request->timeout_ms;
    buf_init(&call->result.headers, CALL_BYTES_MAX);
    buf_init(&call->result.body, CALL_BYTES_MAX);
    struct call **bucket = bucket_of(f, id);
    call->bucket_next = *bucket;
    *bucket = call;
    f->running++;
    return call;
}

static void call_free(struct call *call) {
    struct fetch *f = call->fetch;
    struct call **at = bucket_of(f, call->id);
    while (*at != call) {
        assert(*at != NULL);
        at = &(*at)->bucket_next;
    }
    *at = call->bucket_next;
    assert(f->running > 0);
    f->running--;
    call_result_clear(&call->result);
    free(call);
}

static void on_hand_over(uv_timer_t *timer) {
    fetch_hand_over(timer->data);
}

void fetch_finish(struct call *call, int code, const char *error) {
    struct fetch *f = call->fetch;
    assert(call->place != CALL_FINISHED);
    call->result.code = code;
    if (error != NULL) {
        (void)snprintf(call->result.error, sizeof call->result.error, "%s", error);
    }
    call->place = CALL_FINISHED;
    TAILQ_INSERT_TAIL(&f->finished, call, link);
    int started = uv_timer_start(&f->hand_over, on_hand_over, 0, 0);
    assert(started == 0);
}

void fetch_hand_over(struct fetch *f) {
    if (f->handing_over) {
        return;
    }
    f->handing_over = true;
    struct call *call;
    while ((call = TAILQ_FIRST(&f->finished)) != NULL) {
        TAILQ_REMOVE(&f->finished, call, link);
        struct call_result result = call->result;
        uint64_t id = call->id;
        buf_init(&call->result.headers, CALL_BYTES_MAX);
        buf_init(&call->result.body, CALL_BYTES_MAX);
        call_free(call);
        f->on_done(f->ctx, id, &result);
        call_result_clear(&result);
    }
    f->handing_over = false;
    (void)uv_timer_stop(&f->hand_over);
}

/* ---- curl on the loop ---- */

static const struct {
    CURLcode curl;
    int code;
} code_rows[] = {
    {CURLE_OK, 0},
    {CURLE_OPERATION_TIMEDOUT, ERR_TIMEOUT},
    {CURLE_URL_MALFORMAT, ERR_INVALID},
    {CURLE_UNSUPPORTED_PROTOCOL, ERR_INVALID},
    {CURLE_OUT_OF_MEMORY, ERR_MEMORY},
    {CURLE_FILESIZE_EXCEEDED, ERR_LIMIT},
    {CURLE_WRITE_ERROR, ERR_LIMIT}, /* our own write callback refused: too large */
};

int fetch_code_of(CURLcode code) {
    for (size_t i = 0; i < sizeof code_rows / sizeof *code_rows; i++) {
        if (code_rows[i].curl == code) {
            return code_rows[i].code;
        }
    }
    return ERR_NETWORK;
}

/* Tells every transfer that curl is done with, then hands over what that finished. */
static void collect(struct fetch *f) {
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(f->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        CURLcode code = message->data.result;
        char *private = NULL;
        CURLcode found = curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        assert(found == CURLE_OK && private != NULL);
        struct transfer *transfer = (struct transfer *)(void *)private;
        transfer->on_complete(transfer, code);
    }
    fetch_hand_over(f);
    (void)fetch_renew(f);
}

static void act(struct fetch *f, curl_socket_t fd, int what) {
    int running;
    CURLMcode code = curl_multi_socket_action(f->multi, fd, what, &running);
    assert(code == CURLM_OK || code == CURLM_BAD_SOCKET);
    collect(f);
}

static void on_socket(uv_poll_t *poll, int status, int events) {
    struct watch *watch = poll->data;
    int what = status < 0 ? CURL_CSELECT_ERR : 0;
    what |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    what |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    act(watch->fetch, watch->fd, what);
}

static void on_curl_timer(uv_timer_t *timer) {
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void on_watch_closed(uv_handle_t *handle) {
    struct watch *watch = handle->data;
    fetch_handle_closed(watch->fetch);
    free(watch);
}

static struct watch *watch_new(struct fetch *f, curl_socket_t fd) {
    struct watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) {
        return NULL;
    }
    watch->fetch = f;
    watch->fd = fd;
    if (uv_poll_init_socket(f->loop, &watch->poll, fd) != 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    f->handles++;
    return watch;
}

/* curl: watch this socket for `what` from now on. An answer of -1 makes curl fail its transfers. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *assigned) {
    (void)easy;
    struct fetch *f = ctx;
    struct watch *watch = assigned;
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL) {
            uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
            (void)curl_multi_assign(f->multi, fd, NULL);
        }
        return 0;
    }
    if (watch == NULL) {
        watch = watch_new(f, fd);
        if (watch == NULL) {
            return -1;
        }
        (void)curl_multi_assign(f->multi, fd, watch);
    }
    int events = (what & CURL_POLL_IN) != 0 ? UV_READABLE : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0;
    return uv_poll_start(&watch->poll, events, on_socket) == 0 ? 0 : -1;
}

/* curl: call me in timeout_ms, or never (-1). */
static int set_timer(CURLM *multi, long timeout_ms, void *ctx) {
    (void)multi;
    struct fetch *f = ctx;
    if (f->closing) {
        return 0;
    }
    int code = timeout_ms < 0
                   ? uv_timer_stop(&f->curl_timer)
                   : uv_timer_start(&f->curl_timer, on_curl_timer, (uint64_t)timeout_ms, 0);
    return code == 0 ? 0 : -1;
}

int fetch_easy_setup(CURL *easy, struct transfer *transfer, const char *protocols) {
    CURLcode code = curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *)(void *)transfer);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, protocols);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    return code == CURLE_OK ? 0 : ERR_MEMORY;
}

/* ---- life ---- */

void fetch_handle_closed(struct fetch *f) {
    assert(f->handles > 0);
    if (--f->handles > 0) {
        return;
    }
    assert(f->closing);
    curl_global_cleanup();
    free(f);
}

static void on_timer_closed(uv_handle_t *handle) {
    fetch_handle_closed(handle->data);
}

CURLM *fetch_multi_new(struct fetch *f) {
    CURLM *multi = curl_multi_init();
    if (multi == NULL) {
        return NULL;
    }
    CURLMcode code = curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    code = code ? code : curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, f);
    code = code ? code : curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer);
    code = code ? code : curl_multi_setopt(multi, CURLMOPT_TIMERDATA, f);
    code = code ? code : curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, fetch_pool_size());
    if (code != CURLM_OK) {
        (void)curl_multi_cleanup(multi);
        return NULL;
    }
    return multi;
}

static void timer_setup(struct fetch *f, uv_timer_t *timer) {
    int code = uv_timer_init(f->loop, timer);
    assert(code == 0); /* libuv documents no failure */
    timer->data = f;
    f->handles++;
}

int fetch_new(struct fetch **out, uv_loop_t *loop, void *ctx,
              void (*on_done)(void *ctx, uint64_t id, struct call_result *result)) {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return ERR_MEMORY;
    }
    struct fetch *f = calloc(1, sizeof *f);
    if (f == NULL) {
        goto no_fetch;
    }
    f->loop = loop;
    f->ctx = ctx;
    f->on_done = on_done;
    TAILQ_INIT(&f->finished);
    TAILQ_INIT(&f->mail_waiting);
    TAILQ_INIT(&f->mail_sessions);
    TAILQ_INIT(&f->put_off);
    f->multi = fetch_multi_new(f);
    if (f->multi == NULL) {
        goto no_multi;
    }
    timer_setup(f, &f->curl_timer);
    timer_setup(f, &f->hand_over);
    timer_setup(f, &f->mail_timer);
    timer_setup(f, &f->put_off_timer);
    *out = f;
    return 0;

no_multi:
    free(f);
no_fetch:
    curl_global_cleanup();
    return ERR_MEMORY;
}

static void stop(struct call *call) {
    switch (call->place) {
    case CALL_HTTP:
        http_stop(call);
        break;
    case CALL_MAIL_WAITING:
    case CALL_MAIL_SESSION:
        mail_stop(call);
        break;
    case CALL_PUT_OFF:
        fetch_take_back(call);
        break;
    case CALL_FINISHED:
        TAILQ_REMOVE(&call->fetch->finished, call, link);
        break;
    case CALL_NOWHERE:
        break;
    }
    call_free(call);
}

void fetch_free(struct fetch *f) {
    if (f == NULL) {
        return;
    }
    assert(!f->handing_over && !f->closing);
    f->closing = true;
    for (size_t i = 0; i < FETCH_BUCKETS; i++) {
        while (f->buckets[i] != NULL) {
            stop(f->buckets[i]);
        }
    }
    assert(f->running == 0);
    mail_close_all(f);
    for (size_t i = 0; i < f->spare_count; i++) {
        curl_easy_cleanup(f->spares[i]);
    }
    CURLMcode code = curl_multi_cleanup(f->multi);
    assert(code == CURLM_OK);
    uv_close((uv_handle_t *)&f->curl_timer, on_timer_closed);
    uv_close((uv_handle_t *)&f->hand_over, on_timer_closed);
    uv_close((uv_handle_t *)&f->mail_timer, on_timer_closed);
    uv_close((uv_handle_t *)&f->put_off_timer, on_timer_closed);
}

int fetch_start(struct fetch *f, uint64_t id, const struct call_request *request) {
    assert(find(f, id) == NULL);
    assert(request->url != NULL && request->timeout_ms > 0);
    if (f->running >= CALLS_MAX) {
        return ERR_LIMIT;
    }
    struct call *call = call_new(f, id, request);
    if (call == NULL) {
        return ERR_MEMORY;
    }
    if (request->kind == CALL_KIND_MAIL) {
        mail_start(call);
        return 0;
    }
    int code = http_start(call);
    if (code != 0) {
        call_free(call);
    }
    return code;
}

void fetch_cancel(struct fetch *f, uint64_t id) {
    struct call *call = find(f, id);
    if (call != NULL) {
        stop(call);
    }
}

size_t fetch_running(const struct fetch *f) {
    return f->running;
}
