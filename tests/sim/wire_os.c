/*
 * wire_os.c - see wire_os.h.
 *
 * Before wire_os_begin, and for every descriptor that is no connection of the door's, each function
 * does what the system's does: constructors of libraries come by here before main.
 */
#include "wire_os.h"

#include "wire_net.h"
#include "wire_plant.h"
#include "wire_random.h"
#include "wire_tell.h"
#include "wrap.h"

#include <arpa/inet.h>
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

enum { WRITE_BYTES_MAX = 1 << 16 }; /* as the guard collects */
enum { THREADS_MAX = 64, MS_PER_S = 1000, NS_PER_MS = 1000000, ADDRESSES = 3 };

/* Loops begin some time after the machine did; a wall clock is not monotonic's. */
enum { BOOTED_MS = 1000000, WALL_S = 1700000000 };
enum { FIRST_ADDRESS = 0x7f000001 };

struct thread {
    void *(*main)(void *);
    void *arg;
    int64_t due_ms;
};

static struct {
    bool begun;
    int64_t now_ms;
    struct wire_random random;
    struct thread threads[THREADS_MAX];
    size_t thread_count;
} os;

/* ---- clocks ---- */

int64_t wire_clock_ms(void) {
    return os.now_ms;
}

void wire_clock_move(int64_t to_ms) {
    assert(to_ms >= os.now_ms);
    os.now_ms = to_ms;
}

void wire_os_begin(uint64_t seed) {
    os.begun = true;
    os.now_ms = 0;
    os.random = wire_random_stream(seed, 1000);
    os.thread_count = 0;
}

void wire_os_end(void) {
    assert(os.thread_count == 0);
    os.begun = false;
}

static int real_clock(clockid_t id, struct timespec *out) {
    return (int)syscall(SYS_clock_gettime, id, out);
}

int64_t wire_real_ms(void) {
    struct timespec t = {0};
    (void)real_clock(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * MS_PER_S + t.tv_nsec / NS_PER_MS;
}

int clock_gettime(clockid_t id, struct timespec *out) {
    if (!os.begun || id == CLOCK_PROCESS_CPUTIME_ID || id == CLOCK_THREAD_CPUTIME_ID) {
        return real_clock(id, out);
    }
    int64_t ms = BOOTED_MS + os.now_ms;
    out->tv_sec = ms / MS_PER_S;
    out->tv_nsec = ms % MS_PER_S * NS_PER_MS;
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) {
        out->tv_sec += WALL_S;
    }
    return 0;
}

/* ---- descriptors ---- */

WRAPPED(poll);

bool wire_os_readable(int fd) {
    struct pollfd one = {.fd = fd, .events = POLLIN};
    return __real_poll(&one, 1, 0) > 0;
}

/* The door waits: the network goes on, and time. */
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms) {
    int64_t end_ms = os.now_ms + timeout_ms;
    for (;;) {
        int ready = __real_poll(fds, count, 0);
        if (ready != 0 || os.now_ms >= end_ms) {
            return ready;
        }
        if (!wire_net_pump()) {
            int64_t next_ms = wire_net_next_ms();
            next_ms = next_ms <= os.now_ms ? os.now_ms + 1 : next_ms;
            wire_clock_move(next_ms < end_ms ? next_ms : end_ms);
        }
    }
}

static ssize_t door_read(int fd, void *buf, size_t len) {
    struct wire_link *link = os.begun ? wire_net_find(fd) : NULL;
    if (link != NULL) {
        int err = wire_net_may_read(link, &len);
        if (err != 0) {
            errno = err;
            return -1;
        }
    }
    return syscall(SYS_read, fd, buf, len);
}

static ssize_t door_write(int fd, const void *buf, size_t len) {
    static uint8_t packets[WRITE_BYTES_MAX];
    struct wire_link *link = os.begun ? wire_net_find(fd) : NULL;
    if (link == NULL) {
        return syscall(SYS_write, fd, buf, len);
    }
    if (len <= sizeof packets) {
        memcpy(packets, buf, len);
        wire_plant_pubacks(packets, len);
        buf = packets;
    }
    int err = wire_net_may_write(link, &len);
    if (err != 0) {
        errno = err;
        return -1;
    }
    return send(fd, buf, len, MSG_NOSIGNAL);
}

int close(int fd) {
    if (os.begun) {
        wire_net_closed(fd);
    }
    return (int)syscall(SYS_close, fd);
}

static int door_connect(int fd, const struct sockaddr *address, socklen_t len) {
    if (!os.begun || address->sa_family != AF_INET) {
        return (int)syscall(SYS_connect, fd, address, len);
    }
    const struct sockaddr_in *inet = (const struct sockaddr_in *)(const void *)address;
    int err = wire_net_connect(fd, ntohl(inet->sin_addr.s_addr) - FIRST_ADDRESS);
    errno = err;
    return err == 0 ? 0 : -1;
}

/* The guard's next read, write and connect are ours. */
WRAPPED(dlsym);

void *__wrap_dlsym(void *handle, const char *name) {
    void *function = NULL;
    if (strcmp(name, "read") == 0) {
        *(ssize_t(**)(int, void *, size_t)) & function = door_read;
    } else if (strcmp(name, "write") == 0) {
        *(ssize_t(**)(int, const void *, size_t)) & function = door_write;
    } else if (strcmp(name, "connect") == 0) {
        *(int (**)(int, const struct sockaddr *, socklen_t)) & function = door_connect;
    } else {
        function = __real_dlsym(handle, name);
    }
    return function;
}

/* ---- names: every one has three addresses ---- */

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out) {
    (void)name;
    (void)service;
    (void)hints;
    struct {
        struct addrinfo info[ADDRESSES];
        struct sockaddr_in address[ADDRESSES];
    } *all = calloc(1, sizeof *all);
    if (all == NULL) {
        return EAI_MEMORY;
    }
    for (int i = 0; i < ADDRESSES; i++) {
        all->address[i].sin_family = AF_INET;
        all->address[i].sin_addr.s_addr = htonl(FIRST_ADDRESS + (unsigned)i);
        all->info[i].ai_family = AF_INET;
        all->info[i].ai_socktype = SOCK_STREAM;
        all->info[i].ai_addrlen = sizeof all->address[i];
        all->info[i].ai_addr = (struct sockaddr *)&all->address[i];
        all->info[i].ai_next = i + 1 < ADDRESSES ? &all->info[i + 1] : NULL;
    }
    *out = all->info;
    return 0;
}

void freeaddrinfo(struct addrinfo *info) {
    free(info);
}

/* ---- threads: the one that connects ---- */

WRAPPED(pthread_create);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*thread_main)(void *), void *arg) {
    (void)attr;
    if (os.thread_count == THREADS_MAX) {
        return EAGAIN;
    }
    *thread = pthread_self();
    int64_t due_ms = os.now_ms + wire_net_connect_delay_ms();
    size_t at = os.thread_count++;
    for (; at > 0 && os.threads[at - 1].due_ms > due_ms; at--) {
        os.threads[at] = os.threads[at - 1];
    }
    os.threads[at] = (struct thread){thread_main, arg, due_ms};
    return 0;
}

int64_t wire_os_thread_ms(void) {
    return os.thread_count == 0 ? INT64_MAX : os.threads[0].due_ms;
}

void wire_os_run_thread(void) {
    assert(os.thread_count > 0);
    struct thread thread = os.threads[0];
    os.thread_count--;
    memmove(os.threads, os.threads + 1, os.thread_count * sizeof thread);
    (void)thread.main(thread.arg);
}

/* ---- chance ---- */

WRAPPED(uv_random);
WRAPPED(randombytes_buf);

/* The guard's mark: made once in the life of a process, so it must not come from the seed. */
void __wrap_randombytes_buf(void *buf, size_t len) {
    memset(buf, 0x5a, len);
}

int __wrap_uv_random(uv_loop_t *loop, uv_random_t *req, void *buf, size_t len, unsigned flags,
                     uv_random_cb on_random) {
    (void)loop;
    (void)req;
    (void)flags;
    (void)on_random;
    uint8_t *at = buf;
    for (size_t i = 0; i < len; i++) {
        at[i] = (uint8_t)wire_random_next(&os.random);
    }
    return 0;
}
