/*
 * accept.c - who is let in, and what happens when there is no room.
 *
 * libmicrohttpd's own listening gives up for good when descriptors run out: it sets a mark that
 * only the end of one of its own connections clears, and there may be none. So the sockets are
 * accepted here, a bounded number a wake-up, and handed over. Whatever MHD_add_connection answers,
 * the socket is libmicrohttpd's from then on.
 *
 * The door takes no more than a share of the descriptors the process may have: the store, the
 * broker and the handlers' calls need the others. When its places are taken, the client whose request
 * is not whole for longest makes room. When the process has no descriptor left:
 *
 *   1. whoever owns idle outgoing connections closes them (make_room);
 *   2. the client that has been idle for longest is closed;
 *   3. accepting pauses, from GATEWAY_PAUSE_MS_MIN on, twice as long each time, and goes on as soon
 * as a connection ends;
 *   4. when that has not helped for a while, the descriptor in reserve is used to take in who
 * waits, tell him 503 and close: a load balancer then turns to another host, instead of running
 * into its timeout. The reserve is not given to the store or to files: they can wait, and do.
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

/* How many connections this door may have. */
/* A client may fill what libmicrohttpd has for the head of its request. */
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
    /* The number of the listening socket is about how many are in use already. */
    uint64_t free_now =
        limit.rlim_cur > (rlim_t)g->listener ? limit.rlim_cur - (rlim_t)g->listener : 0;
    uint64_t share = free_now / (g->unix_path == NULL ? 2 : 4);
    share = share < GATEWAY_CONNECTIONS_LEAST ? GATEWAY_CONNECTIONS_LEAST : share;
    return share > GATEWAY_CONNECTIONS_MAX ? GATEWAY_CONNECTIONS_MAX : (size_t)share;
}

/* ---- pauses ---- */

static void listen_again(struct gateway *g) {
    if (g->closing || !g->paused) {
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

/* Of a shortage that was not told the end is none either: with some clients too many it comes and
 * goes many times a second. */
static void say_over(struct gateway *g) {
    g->shortage = 0;
    if (g->short_said) {
        g->short_said = false;
        log_info("http", "accepts connections again connections=%zu refused=%" PRIu64,
                 g->connections, g->refused);
    }
}

/* A word and good-bye. What the client has sent is read first: a socket closed on unread bytes is
 * reset, and the client would not see the answer. */
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

/* True: it is worth trying again at once. */
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

/* The share of the places that one client may have; a local client or a proxy represents many. */
static size_t share_of(const struct gateway *g, const struct address *from) {
    bool many = g->unix_path != NULL || address_is_near(from) || gateway_is_proxy(g, from);
    size_t share = g->connections_max / GATEWAY_CLIENT_PARTS;
    return many || share == 0 ? SIZE_MAX : share;
}

static size_t spares_of(const struct gateway *g) {
    size_t part = g->connections_max / 8;
    return part == 0 ? 1 : part > GATEWAY_SPARES ? GATEWAY_SPARES : part;
}

/* Whether somebody who is waiting may come in. When all places are taken, the client whose request is
 * not whole for longest makes room; if there is none, there are a few places beyond the last, where
 * only what is vital is answered. */
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

/* False: no more for now. */
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
        if (!again && !g->paused) { /* what was closed did not help */
            pause_listening(g);
        }
        *may_make_room = false;
        return again;
    }
    return true; /* that connection has failed already (accept(2) passes such errors on) */
}

static void on_listen(uv_poll_t *poll, int status, int events) {
    struct gateway *g = poll->data;
    (void)status; /* accept gives the error */
    (void)events;
    bool may_make_room = true;
    open_reserve(g);
    for (size_t i = 0; i < GATEWAY_ACCEPTS_MAX; i++) {
        if (!accept_one(g, &may_make_room)) {
            break;
        }
    }
    gateway_run(g);
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
