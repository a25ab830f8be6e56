/*
 * daemon.c - libmicrohttpd on the loop.
 *
 * The daemon runs without threads. A uv_poll watches its epoll descriptor; MHD_run then does what
 * is due, without waiting. A uv_timer calls it when time alone makes something due.
 */
#include "io/httpd/impl.h"

#include <assert.h>
#include <stdlib.h>

static void on_timer(uv_timer_t *timer);

/* Does what is due, then sets the timer for what is next. The work is bounded: MHD_run never waits,
 * and if something is left, the timer is set to zero. */
void gateway_run(struct gateway *g) {
    gateway_tls_run_begins();
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
    gateway_run(timer->data);
}

void gateway_wake(struct gateway *g) {
    if (!g->closing) {
        int started = uv_timer_start(&g->timer, on_timer, 0, 0);
        assert(started == 0);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    (void)events;
    if (status == 0) {
        gateway_run(poll->data);
    }
}

int gateway_watch_daemon(struct gateway *g, uv_loop_t *loop) {
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

void gateway_on_closed(uv_handle_t *handle) {
    struct gateway *g = handle->data;
    assert(g->handles > 0);
    if (--g->handles == 0) {
        free(g);
    }
}
