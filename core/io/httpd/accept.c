/*
 * accept.c - who may connect, and what happens when there is no room.
 *
 * libmicrohttpd's own listening stops for good when descriptors run out: it sets a flag that only
 * the end of one of its connections clears, and there may be none. So connections are accepted
 * here, a bounded number per wake-up, and passed to it. Whatever MHD_add_connection returns, the
 * socket belongs to libmicrohttpd from then on.
 *
 * The door takes no more than a share of the process's descriptors: the store, the broker and the
 * handlers' calls need the others. When all its places are taken, the client whose request has been
 * incomplete longest is closed to make room. When the process has no descriptor left:
 *
 *   1. idle outgoing connections are closed (make_room);
 *   2. the client that has been idle longest is closed;
 *   3. accepting pauses, first for GATEWAY_PAUSE_MS_MIN, then twice as long each time; it resumes
 *      as soon as a connection ends;
 *   4. if that has not helped for a while, the reserved descriptor is used to accept each waiting
 *      client, answer 503 and close: so a load balancer turns to another host instead of running
 *      into its timeout. The store and files do not get the reserve: they can wait, and they do.
 */
#include "io/httpd/impl.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    REFUSE_FROM_MS = 1600, /* a pause this long means that the shortage is not temporary */
    SAY_AGAIN_MS = 60000,
};

static void on_listen(uv_poll_t *poll, int status, int events);

static void open_reserve(struct gateway *g) {
    if (g->reserve < 0) {
        g->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
}

static bool is_shortage(int error) {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* How many connections this door may have. A client may fill what libmicrohttpd has for the head of its
 * request. */
static size_t share_of_memory(const struct gateway *g) {
    const struct memory *memory = g->callbacks.memory;
    return memory == NULL ? GATEWAY_CONNECTIONS_MAX
                          : memory->limit / GATEWAY_OPEN_PARTS / GATEWAY_HEAD_BYTES;
}

static size_t share_of_descriptors(const struct gateway *g) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
        return GATEWAY_CONNECTIONS_MAX;
    }
    /* The number of one that was just opened is roughly how many are in use; -1: there is none left. */
    uint64_t free_now = g->reserve >= 0 && limit.rlim_cur > (rlim_t)g->reserve
                            ? limit.rlim_cur - (rlim_t)g->reserve
                            : 0;
    uint64_t share = free_now / (g->unix_path == NULL ? 2 : 4);
    share = share < GATEWAY_CONNECTIONS_LEAST ? GATEWAY_CONNECTIONS_LEAST : share;
    return share > GATEWAY_CONNECTIONS_MAX ? GATEWAY_CONNECTIONS_MAX : (size_t)share;
}

/* ---- pauses ---- */

static void listen_again(struct gateway *g) {
    if (g->closing || g->held || !g->paused) {
        return;
    }
    g->paused = false;
    (void)uv_timer_stop(&g->accept_timer);
    int started = uv_poll_start(&g->listen_poll, UV_READABLE, on_listen);
    assert(started == 0);
}

static void on_accept_timer(uv_timer_t *timer) {
    listen_again(timer->data);
}

static void pause_listening(struct gateway *g) {
    g->paused = true;
    int code = uv_poll_stop(&g->listen_poll);
    assert(code == 0);
    code = uv_timer_start(&g->accept_timer, on_accept_timer, g->pause_ms, 0);
    assert(code == 0);
    g->pause_ms = 2 * g->pause_ms > GATEWAY_PAUSE_MS_MAX ? GATEWAY_PAUSE_MS_MAX : 2 * g->pause_ms;
}

/* ---- shortage ---- */

static void say_short(struct gateway *g, int error) {
    uint64_t now = (uint64_t)clock_monotonic_ms();
    if (g->shortage == 0) {
        g->shortages++;
    }
    g->shortage = error;
    if (g->said_short_ms == 0 || now - g->said_short_ms >= SAY_AGAIN_MS) {
        g->said_short_ms = now;
        g->short_said = true;
        log_error("http", "cannot accept connections: %s connections=%zu refused=%" PRIu64,
                  strerror(error), g->connections, g->refused);
    }
}

/* Logs the end of a shortage only if its beginning was logged: with a few clients too many,
 * shortages come and go many times a second. */
static void say_over(struct gateway *g) {
    g->shortage = 0;
    if (g->short_said) {
        g->short_said = false;
        log_info("http", "accepts connections again connections=%zu refused=%" PRIu64,
                 g->connections, g->refused);
    }
}

/* Answers 503 and closes. What the client has sent is read first: closing a socket with unread
 * bytes resets the connection, and the client would not see the answer. */
static void refuse_client(int fd) {
    static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n"
                                 "Content-Type: application/json\r\nContent-Length: 49\r\n"
                                 "Connection: close\r\n\r\n"
                                 "{\"error\":\"the host has no file descriptor left\"}\n";
    char bytes[4096];
    (void)recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    (void)send(fd, answer, sizeof answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    (void)close(fd);
}

static void refuse_waiting(struct gateway *g) {
    for (int i = 0; i < GATEWAY_ACCEPTS_MAX && g->reserve >= 0; i++) {
        (void)close(g->reserve);
        g->reserve = -1;
        int fd = accept4(g->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            refuse_client(fd);
            g->refused++;
        }
        open_reserve(g);
        if (fd < 0) {
            return;
        }
    }
}

/* True: trying again immediately is worthwhile. */
static bool make_room(struct gateway *g, int error) {
    say_short(g, error);
    if (g->callbacks.make_room != NULL && g->callbacks.make_room(g->callbacks.ctx)) {
        return true;
    }
    if (!gateway_drop_idle(g) && g->pause_ms >= REFUSE_FROM_MS) {
        refuse_waiting(g);
    }
    pause_listening(g);
    return false;
}

/* ---- accepting ---- */

/* The share of the places for one client; a local client or a proxy stands for many. */
static size_t share_of(const struct gateway *g, const struct address *from) {
    bool many = g->unix_path != NULL || address_is_near(from) || gateway_is_proxy(g, from);
    size_t share = g->connections_max / GATEWAY_CLIENT_PARTS;
    return many || share == 0 ? SIZE_MAX : share;
}

static size_t spares_of(const struct gateway *g) {
    size_t part = g->connections_max / 8;
    return part == 0 ? 1 : part > GATEWAY_SPARES ? GATEWAY_SPARES : part;
}

/* True if a waiting client may come in. When all places are taken, the client whose request has
 * been incomplete longest is closed. If there is none, a few extra places remain, in which only
 * vital requests are answered. */
static bool has_place(struct gateway *g, const struct address *from) {
    size_t share = share_of(g, from);
    if (g->connections >= share && gateway_count_of(g, from) >= share) {
        return gateway_drop_oldest(g, from); /* a client beyond its share makes room for itself */
    }
    if (g->connections >= g->connections_max && gateway_drop_oldest(g, NULL)) {
        gateway_run(g);
    }
    return g->connections < g->connections_max + spares_of(g);
}

static void let_in(struct gateway *g, int fd, const struct sockaddr_storage *address,
                   socklen_t len) {
    struct address from = address_of((const struct sockaddr *)address);
    if (has_place(g, &from)) {
        (void)MHD_add_connection(g->daemon, fd, (const struct sockaddr *)address, len);
    } else {
        (void)close(fd);
    }
}

/* False: accept no more for now. */
static bool accept_one(struct gateway *g, bool *may_make_room) {
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    int fd = accept4(g->listener, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        say_over(g);
        g->pause_ms = GATEWAY_PAUSE_MS_MIN;
        let_in(g, fd, &address, len);
        return true;
    }
    int error = errno;
    if (error == EAGAIN || error == EWOULDBLOCK) {
        return false;
    }
    if (is_shortage(error)) {
        bool again = *may_make_room && make_room(g, error);
        if (!again && !g->paused) { /* closing connections did not help */
            pause_listening(g);
        }
        *may_make_room = false;
        return again;
    }
    return true; /* that connection had already failed (accept(2) reports such errors) */
}

static void on_listen(uv_poll_t *poll, int status, int events) {
    struct gateway *g = poll->data;
    (void)status; /* accept returns the error */
    (void)events;
    bool may_make_room = true;
    size_t accepted = 0;
    open_reserve(g);
    while (accepted < GATEWAY_ACCEPTS_MAX && accept_one(g, &may_make_room)) {
        accepted++;
    }
    if (accepted > 0) { /* else another process was faster */
        gateway_run(g);
    }
}

int gateway_watch_listener(struct gateway *g, uv_loop_t *loop) {
    open_reserve(g);
    g->pause_ms = GATEWAY_PAUSE_MS_MIN;
    g->on_place_free = listen_again;
    size_t most = share_of_memory(g);
    g->connections_max = share_of_descriptors(g);
    g->connections_max = g->connections_max < most ? g->connections_max : most;
    if (uv_poll_init(loop, &g->listen_poll, g->listener) != 0) {
        return ERR_SYSTEM;
    }
    g->listen_poll.data = g;
    g->handles++;
    int code = uv_timer_init(loop, &g->accept_timer);
    assert(code == 0); /* libuv documents no failure */
    g->accept_timer.data = g;
    g->handles++;
    return uv_poll_start(&g->listen_poll, UV_READABLE, on_listen) == 0 ? 0 : ERR_SYSTEM;
}

int gateway_listener(const struct gateway *g) {
    return g->listener;
}

void gateway_hold(struct gateway *g, bool held) {
    if (g->held == held) {
        return;
    }
    g->held = held;
    g->paused = true;
    if (held) {
        (void)uv_timer_stop(&g->accept_timer);
        (void)uv_poll_stop(&g->listen_poll);
    } else {
        listen_again(g);
    }
}

void gateway_close_listener(struct gateway *g) {
    if (g->listener >= 0) {
        (void)close(g->listener);
    }
    if (g->reserve >= 0) {
        (void)close(g->reserve);
    }
}

void gateway_look(const struct gateway *g, struct gateway_state *out) {
    *out = (struct gateway_state){.connections = g->connections,
                                  .connections_max = g->connections_max,
                                  .shortage = g->shortage,
                                  .shortages = g->shortages,
                                  .refused = g->refused};
}
