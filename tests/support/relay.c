/* relay.c - one thread, one poll; what the other side does not take at once is waited for. */
#include "relay.h"

#include "wait.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAIRS_MAX = 32, READ_BYTES = 16384, ROUND_MS = 10 };

struct relay {
    pthread_t thread;
    int listener;
    uint16_t to;
    unsigned seed;
    struct pollfd fds[2 * PAIRS_MAX + 1]; /* the pairs, then the listener; -1 = free */
    int64_t cut_ms;                       /* monotonic, of the next cut; 0 = to be chosen */
    _Atomic unsigned min_ms, max_ms;
    _Atomic size_t cuts, connections;
    _Atomic bool stop;
};

static void end_pair(struct relay *r, size_t pair) {
    for (size_t i = 2 * pair; i < 2 * pair + 2; i++) {
        (void)close(r->fds[i].fd);
        r->fds[i].fd = -1;
    }
}

static bool is_open(const struct relay *r, size_t pair) {
    return r->fds[2 * pair].fd >= 0;
}

/* Blocking: brokers and hosts read what they are sent. */
static bool pass(int from, int to) {
    char bytes[READ_BYTES];
    ssize_t n = recv(from, bytes, sizeof bytes, 0);
    for (ssize_t at = 0; n > 0 && at < n;) {
        ssize_t sent = send(to, bytes + at, (size_t)(n - at), MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        at += sent;
    }
    return n > 0;
}

static void take(struct relay *r) {
    struct sockaddr_in broker = {
        .sin_family = AF_INET, .sin_port = htons(r->to), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int peer = accept(r->listener, NULL, NULL);
    int out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t pair = 0;
    while (pair < PAIRS_MAX && is_open(r, pair)) {
        pair++;
    }
    if (peer < 0 || out < 0 || pair == PAIRS_MAX ||
        connect(out, (struct sockaddr *)(void *)&broker, sizeof broker) != 0) {
        (void)close(peer);
        (void)close(out);
        return;
    }
    r->fds[2 * pair] = (struct pollfd){.fd = peer, .events = POLLIN};
    r->fds[2 * pair + 1] = (struct pollfd){.fd = out, .events = POLLIN};
    r->connections++;
}

/* Whatever is under way is torn, wherever it stands. */
static void cut_when_due(struct relay *r) {
    unsigned min_ms = r->min_ms;
    unsigned max_ms = r->max_ms;
    int64_t now_ms = monotonic_ms();
    if (max_ms == 0 || (r->cut_ms != 0 && now_ms < r->cut_ms)) {
        return;
    }
    bool due = r->cut_ms != 0;
    for (size_t pair = 0; due && pair < PAIRS_MAX; pair++) {
        if (is_open(r, pair)) {
            end_pair(r, pair);
        }
    }
    r->cuts += due ? 1 : 0;
    r->cut_ms = now_ms + min_ms + (unsigned)rand_r(&r->seed) % (max_ms - min_ms + 1);
}

static void *serve(void *ctx) {
    struct relay *r = ctx;
    while (!r->stop) {
        (void)poll(r->fds, 2 * PAIRS_MAX + 1, ROUND_MS);
        for (size_t i = 0; i < 2 * PAIRS_MAX; i++) {
            if (r->fds[i].fd >= 0 && r->fds[i].revents != 0 &&
                !pass(r->fds[i].fd, r->fds[i ^ 1].fd)) {
                end_pair(r, i / 2);
            }
        }
        if (r->fds[2 * PAIRS_MAX].revents != 0) {
            take(r);
        }
        cut_when_due(r);
    }
    return NULL;
}

struct relay *relay_new(uint16_t to, unsigned seed, uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct relay *r = calloc(1, sizeof *r);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (r == NULL || listener < 0 ||
        bind(listener, (struct sockaddr *)(void *)&address, size) != 0 ||
        listen(listener, 16) != 0 ||
        getsockname(listener, (struct sockaddr *)(void *)&address, &size) != 0) {
        perror("test relay");
        abort();
    }
    for (size_t i = 0; i < 2 * PAIRS_MAX; i++) {
        r->fds[i].fd = -1;
    }
    r->fds[2 * PAIRS_MAX] = (struct pollfd){.fd = listener, .events = POLLIN};
    r->listener = listener;
    r->to = to;
    r->seed = seed;
    *port = ntohs(address.sin_port);
    if (pthread_create(&r->thread, NULL, serve, r) != 0) {
        abort();
    }
    return r;
}

void relay_cut(struct relay *r, unsigned min_ms, unsigned max_ms) {
    r->min_ms = min_ms;
    r->max_ms = max_ms;
}

size_t relay_cuts(struct relay *r) {
    return r->cuts;
}

size_t relay_connections(struct relay *r) {
    return r->connections;
}

void relay_free(struct relay *r) {
    if (r == NULL) {
        return;
    }
    r->stop = true;
    (void)pthread_join(r->thread, NULL);
    for (size_t i = 0; i < 2 * PAIRS_MAX; i++) {
        if (r->fds[i].fd >= 0) {
            (void)close(r->fds[i].fd);
        }
    }
    (void)close(r->listener);
    free(r);
}
