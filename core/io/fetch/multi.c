/*
 * multi.c - connects curl's sockets and its timer to the loop.
 *
 * curl's multi handle is driven by events (curl_multi_socket_action). It names the sockets to
 * watch, each of which gets a uv_poll, and the next time to call it, which a uv_timer takes care
 * of. So a waiting call costs an easy handle and a socket, but no thread.
 *
 * curl keeps finished connections for later calls, and cannot close them except by ending its multi
 * handle. So that handle is replaced by a new one as soon as no transfer uses it. While there are
 * always calls under way, the limit of the pool, a share of the descriptors, must be enough.
 */
#include "io/fetch/impl.h"

#include "base/limits.h"

#include <assert.h>
#include <stdlib.h>

/* A socket of curl's. It exists until libuv has closed the handle, even if curl no longer needs
 * it. */
struct watch {
    uv_poll_t poll;
    struct fetch *fetch;
    curl_socket_t fd;
};

void fetch_handle_closed(struct fetch *f) {
    assert(f->handles > 0);
    if (--f->handles > 0) {
        return;
    }
    assert(f->closing);
    curl_global_cleanup();
    free(f);
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

/* Concludes every transfer that curl has finished, or that cannot go on, then delivers the finished calls. */
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
    struct transfer *unwatched;
    while ((unwatched = LIST_FIRST(&f->unwatched)) != NULL) {
        unwatched->on_complete(unwatched, CURLE_OUT_OF_MEMORY);
        assert(LIST_FIRST(&f->unwatched) != unwatched);
    }
    fetch_hand_over(f);
    (void)fetch_multi_renew(f);
}

static void on_curl_timer(uv_timer_t *timer);

static void act(struct fetch *f, curl_socket_t fd, int what) {
    int running;
    CURLMcode code = curl_multi_socket_action(f->multi, fd, what, &running);
    assert(code == CURLM_OK || code == CURLM_BAD_SOCKET || code == CURLM_OUT_OF_MEMORY);
    if (code == CURLM_OUT_OF_MEMORY && !uv_is_active((uv_handle_t *)&f->curl_timer)) {
        (void)uv_timer_start(&f->curl_timer, on_curl_timer, CALL_AGAIN_MS,
                             0); /* it did not get through */
    }
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

/* The transfer ends as soon as curl is not on the stack. To tell curl instead would end all others as well, and its multi
 * handle. A handle of curl's own, which has no transfer, waits for its timeout. */
static int give_up(struct fetch *f, CURL *easy) {
    char *private = NULL;
    CURLcode found = curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    assert(found == CURLE_OK);
    struct transfer *transfer = (struct transfer *)(void *)private;
    if (transfer != NULL && !transfer->unwatched) {
        transfer->unwatched = true;
        LIST_INSERT_HEAD(&f->unwatched, transfer, link);
    }
    return 0;
}

/* curl: watch this socket for `what` from now on. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *assigned) {
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
            return give_up(f, easy);
        }
        CURLMcode code = curl_multi_assign(f->multi, fd, watch);
        assert(code == CURLM_OK); /* it knows the socket */
    }
    int events = (what & CURL_POLL_IN) != 0 ? UV_READABLE : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0;
    return uv_poll_start(&watch->poll, events, on_socket) == 0 ? 0 : give_up(f, easy);
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
    /* A transfer that ends does not wait for the name server: the thread that asks it is left to
     * itself, and frees what it has once there is an answer. */
    code = code ? code : curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    return code == CURLE_OK ? 0 : ERR_MEMORY;
}

void fetch_easy_remove(struct fetch *f, CURL *easy, struct transfer *transfer) {
    if (transfer->unwatched) {
        LIST_REMOVE(transfer, link);
        transfer->unwatched = false;
    }
    CURLMcode removed = curl_multi_remove_handle(f->multi, easy);
    assert(removed == CURLM_OK);
}

/* ---- its life ---- */

static CURLM *multi_new(struct fetch *f) {
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

int fetch_multi_open(struct fetch *f) {
    f->multi = multi_new(f);
    return f->multi == NULL ? ERR_MEMORY : 0;
}

bool fetch_multi_renew(struct fetch *f) {
    if (!f->renew || f->http_running > 0 || f->mail_session_count > 0) {
        return false;
    }
    f->renew = false;
    CURLM *fresh = multi_new(f);
    if (fresh == NULL) {
        return false; /* the next shortage asks again */
    }
    CURLMcode code = curl_multi_cleanup(f->multi);
    assert(code == CURLM_OK);
    f->multi = fresh;
    f->pooled = false;
    (void)uv_timer_stop(&f->curl_timer);
    return true;
}
