/*
 * guard.c - replaces read, SSL_read, write, connect and socketpair for libmosquitto.
 *
 * A function of the program takes precedence over one of the same name in any library, for all
 * libraries. So all of them call these, from every thread, also in signal handlers: they read one
 * thread-local pointer, and unless a guard was entered, they only call the original. With TLS,
 * OpenSSL's own reads of the same descriptor come through here, too.
 *
 * EAGAIN is reported only when the guard is empty: buffered bytes do not wake a poll. Without TLS it
 * is reported without asking the socket when the last read took all there was.
 *
 * libmosquitto writes each packet by itself, and for each a byte into a socket pair that would wake
 * a thread of its own, which we do not have. The packets are collected, and that byte is dropped.
 *
 * connect: libmosquitto tries the addresses of a name in turn, and waits for a silent one until the
 * kernel gives up after two minutes. Here each address has a deadline; TLS still verifies the name.
 *
 * The functions are declared under other C names and given the real ones as symbols, so that it
 * does not matter what <unistd.h> makes of read under _FORTIFY_SOURCE.
 */
#include "io/mqtt/guard.h"

#include "base/limits.h"
#include "io/mqtt/frame.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WRITE_BYTES = 64 << 10 }; /* collected at most */

struct mqtt_guard {
    struct mqtt_frame frame;
    int fd;
    int idle; /* the end of the socket pair that is written, or -1 */
    bool tls;
    bool drained;  /* the last read of the socket took all there was */
    bool collects; /* what is written to fd is collected */
    size_t out_len;
    uint8_t out[WRITE_BYTES];
    uint16_t port;
    unsigned skip, tried;    /* addresses, in the order of the name lookup */
    _Atomic unsigned silent; /* up to and including the last one that did not answer in time */
};

static _Thread_local struct mqtt_guard *entered;
static _Thread_local struct mqtt_guard *connecting;

static char mark[MQTT_MARK_BYTES + 1];

static void make_mark(void) {
    uint8_t bytes[MQTT_MARK_BYTES / 2];
    randombytes_buf(bytes, sizeof bytes);
    (void)sodium_bin2hex(mark, sizeof mark, bytes, sizeof bytes);
}

const char *mqtt_guard_mark(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int failed = pthread_once(&once, make_mark);
    assert(failed == 0);
    return mark;
}

struct mqtt_guard *mqtt_guard_new(uint64_t bytes_max, bool tls) {
    struct mqtt_guard *guard = calloc(1, sizeof *guard);
    if (guard != NULL) {
        guard->fd = guard->idle = -1;
        guard->tls = tls;
        mqtt_frame_init(&guard->frame, bytes_max, mqtt_guard_mark());
    }
    return guard;
}

void mqtt_guard_free(struct mqtt_guard *guard) {
    if (guard != NULL) {
        assert(entered != guard);
        mqtt_frame_clear(&guard->frame);
        free(guard);
    }
}

void mqtt_guard_enter(struct mqtt_guard *guard, int fd) {
    assert(entered == NULL);
    guard->fd = fd;
    entered = guard;
}

void mqtt_guard_leave(void) {
    assert(entered != NULL);
    entered->collects = false;
    entered = NULL;
}

void mqtt_guard_collect(void) {
    assert(entered != NULL);
    entered->collects = true;
}

void mqtt_guard_look(struct mqtt_guard *guard) {
    guard->drained = false;
}

bool mqtt_guard_unsent(const struct mqtt_guard *guard) {
    return guard->out_len > 0;
}

void mqtt_guard_connect_begin(struct mqtt_guard *guard, uint16_t port, unsigned skip) {
    assert(connecting == NULL);
    guard->port = port;
    guard->skip = skip;
    connecting = guard;
}

void mqtt_guard_connect_end(void) {
    assert(connecting != NULL);
    connecting = NULL;
}

unsigned mqtt_guard_silent(struct mqtt_guard *guard) {
    return atomic_load(&guard->silent);
}

unsigned mqtt_guard_tried(const struct mqtt_guard *guard) {
    return guard->tried;
}

bool mqtt_guard_pending(struct mqtt_guard *guard) {
    return mqtt_frame_pending(&guard->frame);
}

const char *mqtt_guard_failure(const struct mqtt_guard *guard) {
    return guard->frame.failed && !guard->frame.ended ? guard->frame.failure.text : NULL;
}

bool mqtt_guard_ended(const struct mqtt_guard *guard, uint8_t *reason) {
    *reason = guard->frame.reason;
    return guard->frame.ended;
}

#ifdef ZINGQ_WIRE_GUARD

struct ssl_st;

ssize_t mqtt_guard_read(int fd, void *buf, size_t len) __asm__("read");
int mqtt_guard_ssl_read(struct ssl_st *ssl, void *buf, int len) __asm__("SSL_read");
ssize_t mqtt_guard_write(int fd, const void *buf, size_t len) __asm__("write");
int mqtt_guard_socketpair(int domain, int type, int protocol, int pair[2]) __asm__("socketpair");
int mqtt_guard_tcp_connect(int fd, const struct sockaddr *address,
                           socklen_t len) __asm__("connect");

static ssize_t (*next_read)(int fd, void *buf, size_t len);
static ssize_t (*next_write)(int fd, const void *buf, size_t len);
static int (*next_socketpair)(int domain, int type, int protocol, int pair[2]);
static int (*next_connect)(int fd, const struct sockaddr *address, socklen_t len);
static int (*next_ssl_read)(struct ssl_st *ssl, void *buf, int len);

__attribute__((constructor)) static void find_next_functions(void) {
    *(void **)&next_read = dlsym(RTLD_NEXT, "read");
    *(void **)&next_write = dlsym(RTLD_NEXT, "write");
    *(void **)&next_socketpair = dlsym(RTLD_NEXT, "socketpair");
    *(void **)&next_connect = dlsym(RTLD_NEXT, "connect");
    *(void **)&next_ssl_read = dlsym(RTLD_NEXT, "SSL_read");
}

/* Constructors of libraries run before ours. */
static ssize_t plain_read(int fd, void *buf, size_t len) {
    return next_read != NULL ? next_read(fd, buf, len) : syscall(SYS_read, fd, buf, len);
}

static ssize_t plain_write(int fd, const void *buf, size_t len) {
    return next_write != NULL ? next_write(fd, buf, len) : syscall(SYS_write, fd, buf, len);
}

/* One read of the socket. A TLS record has 16 KiB, so len fits an int. */
static ssize_t fill(struct mqtt_guard *guard, struct ssl_st *ssl) {
    size_t len = 0;
    uint8_t *space = mqtt_frame_space(&guard->frame, &len);
    if (space == NULL) {
        errno = EPROTO;
        return -1;
    }
    len = len < MQTT_FRAME_READ_BYTES ? len : MQTT_FRAME_READ_BYTES;
    ssize_t n =
        ssl != NULL ? next_ssl_read(ssl, space, (int)len) : plain_read(guard->fd, space, len);
    if (n > 0) {
        mqtt_frame_add(&guard->frame, (size_t)n);
        guard->drained = ssl == NULL && (size_t)n < len;
    }
    return n;
}

static ssize_t guarded_read(struct mqtt_guard *guard, struct ssl_st *ssl, void *buf, size_t len) {
    for (;;) {
        size_t taken = mqtt_frame_take(&guard->frame, buf, len);
        if (taken > 0) {
            errno = 0;
            return (ssize_t)taken;
        }
        if (guard->frame.failed) {
            errno = guard->frame.ended ? ECONNRESET : EPROTO;
            return -1;
        }
        if (guard->drained) {
            errno = EAGAIN;
            return -1;
        }
        ssize_t n = fill(guard, ssl);
        if (n <= 0) {
            return n;
        }
    }
}

__attribute__((visibility("default"))) ssize_t mqtt_guard_read(int fd, void *buf, size_t len) {
    struct mqtt_guard *guard = entered;
    if (guard == NULL || guard->tls || guard->fd != fd || len == 0) {
        return plain_read(fd, buf, len);
    }
    return guarded_read(guard, NULL, buf, len);
}

__attribute__((visibility("default"))) int mqtt_guard_ssl_read(struct ssl_st *ssl, void *buf,
                                                               int len) {
    struct mqtt_guard *guard = entered;
    if (guard == NULL || !guard->tls || len <= 0) {
        return next_ssl_read(ssl, buf, len);
    }
    return (int)guarded_read(guard, ssl, buf, (size_t)len);
}

int mqtt_guard_flush(struct mqtt_guard *guard) {
    while (guard->out_len > 0) {
        ssize_t n = plain_write(guard->fd, guard->out, guard->out_len);
        if (n <= 0) {
            return n == 0 || errno == EAGAIN || errno == EINTR ? 0 : errno;
        }
        guard->out_len -= (size_t)n;
        memmove(guard->out, guard->out + n, guard->out_len);
    }
    return 0;
}

/* Also what OpenSSL writes while it reads: nothing may overtake what was collected. */
static ssize_t guarded_write(struct mqtt_guard *guard, const void *buf, size_t len) {
    if (len > WRITE_BYTES - guard->out_len) {
        int err = mqtt_guard_flush(guard);
        if (err != 0 || guard->out_len > 0) {
            errno = err != 0 ? err : EAGAIN;
            return -1;
        }
    }
    if (len > WRITE_BYTES || (!guard->collects && guard->out_len == 0)) {
        return plain_write(guard->fd, buf, len);
    }
    memcpy(guard->out + guard->out_len, buf, len);
    guard->out_len += len;
    return (ssize_t)len;
}

__attribute__((visibility("default"))) ssize_t mqtt_guard_write(int fd, const void *buf,
                                                                size_t len) {
    struct mqtt_guard *guard = entered;
    if (guard == NULL || (fd != guard->fd && fd != guard->idle)) {
        return plain_write(fd, buf, len);
    }
    return fd == guard->idle ? (ssize_t)len : guarded_write(guard, buf, len);
}

/* libmosquitto makes its pair in mosquitto_new. */
__attribute__((visibility("default"))) int mqtt_guard_socketpair(int domain, int type, int protocol,
                                                                 int pair[2]) {
    int rc = next_socketpair != NULL ? next_socketpair(domain, type, protocol, pair)
                                     : (int)syscall(SYS_socketpair, domain, type, protocol, pair);
    if (rc == 0 && entered != NULL) {
        entered->idle = pair[1];
    }
    return rc;
}

/* Name services also connect on this thread: only a TCP connect to the broker's port counts. */
static bool is_broker(const struct mqtt_guard *guard, int fd, const struct sockaddr *address) {
    in_port_t port = 0;
    if (address->sa_family == AF_INET) {
        port = ((const struct sockaddr_in *)(const void *)address)->sin_port;
    } else if (address->sa_family == AF_INET6) {
        port = ((const struct sockaddr_in6 *)(const void *)address)->sin6_port;
    }
    int type = 0;
    socklen_t len = sizeof type;
    return port == htons(guard->port) && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
           type == SOCK_STREAM;
}

static int plain_connect(int fd, const struct sockaddr *address, socklen_t len) {
    return next_connect != NULL ? next_connect(fd, address, len)
                                : (int)syscall(SYS_connect, fd, address, len);
}

/* 0 or errno. */
static int await_connected(int fd) {
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    int ready = poll(&wait, 1, MQTT_ADDRESS_MS); /* signals are blocked on this thread */
    if (ready <= 0) {
        return ready == 0 ? ETIMEDOUT : errno;
    }
    int err = 0;
    socklen_t len = sizeof err;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) == 0 ? err : errno;
}

static int connect_in_time(int fd, const struct sockaddr *address, socklen_t len) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        return errno;
    }
    int err = plain_connect(fd, address, len) == 0 ? 0 : errno;
    if (err == EINPROGRESS) {
        err = await_connected(fd);
    }
    return err == 0 && fcntl(fd, F_SETFL, flags) != 0 ? errno : err;
}

__attribute__((visibility("default"))) int
mqtt_guard_tcp_connect(int fd, const struct sockaddr *address, socklen_t len) {
    struct mqtt_guard *guard = connecting;
    if (guard == NULL || !is_broker(guard, fd, address)) {
        return plain_connect(fd, address, len);
    }
    bool skipped = guard->tried++ < guard->skip;
    int err = skipped ? ETIMEDOUT : connect_in_time(fd, address, len);
    if (err == ETIMEDOUT) {
        atomic_store(&guard->silent, guard->tried);
    }
    errno = err;
    return err == 0 ? 0 : -1;
}

#else

int mqtt_guard_flush(struct mqtt_guard *guard) {
    assert(guard->out_len == 0);
    return 0;
}

#endif
