/*
 * mqtt_guard.c - read and SSL_read, as libmosquitto finds them.
 *
 * A function of the program stands before one of the same name in any library, for every library.
 * So these two are called by all of them, from every thread, also in signal handlers: they look at
 * one thread-local pointer, and unless a guard was entered they do nothing but call on. With TLS
 * OpenSSL's own reads of the same descriptor pass by, too.
 *
 * EAGAIN is told only when the guard is empty: what it holds wakes no poll.
 *
 * The two are declared under names of their own and given the others as symbols, so that what
 * <unistd.h> makes of read under _FORTIFY_SOURCE does not matter.
 *
 * Left out: write. What libmosquitto sends is well formed, and the cork gathers it.
 */
#include "mqtt_guard.h"

#include "limits.h"
#include "mqtt_frame.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

struct mqtt_guard {
    struct mqtt_frame frame;
    int fd;
    bool tls;
};

static _Thread_local struct mqtt_guard *entered;

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
        guard->fd = -1;
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
    entered = NULL;
}

bool mqtt_guard_pending(struct mqtt_guard *guard) {
    return mqtt_frame_pending(&guard->frame);
}

const char *mqtt_guard_failure(const struct mqtt_guard *guard) {
    return guard->frame.failed ? guard->frame.failure.text : NULL;
}

#ifdef ZINGQ_WIRE_GUARD

struct ssl_st;

ssize_t mqtt_guard_read(int fd, void *buf, size_t len) __asm__("read");
int mqtt_guard_ssl_read(struct ssl_st *ssl, void *buf, int len) __asm__("SSL_read");

static ssize_t (*next_read)(int fd, void *buf, size_t len);
static int (*next_ssl_read)(struct ssl_st *ssl, void *buf, int len);

__attribute__((constructor)) static void find_next_functions(void) {
    *(void **)&next_read = dlsym(RTLD_NEXT, "read");
    *(void **)&next_ssl_read = dlsym(RTLD_NEXT, "SSL_read");
}

/* Constructors of libraries run before ours. */
static ssize_t plain_read(int fd, void *buf, size_t len) {
    return next_read != NULL ? next_read(fd, buf, len) : syscall(SYS_read, fd, buf, len);
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
            errno = EPROTO;
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

#endif
