/* silent.c - a TCP server that says the same to everybody. */
#include "silent.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEERS_MAX = 64, READ_BYTES = 4096 };

struct silent {
    pthread_t thread;
    int stop[2];                      /* a pipe; closing its writing end ends the thread */
    struct pollfd fds[PEERS_MAX + 2]; /* the pipe, the listener, the peers */
    bool answered[PEERS_MAX + 2];
    size_t count;
    const char *answer;
    size_t len;
};

static void hear(struct silent *s, size_t i) {
    char bytes[READ_BYTES];
    ssize_t n = read(s->fds[i].fd, bytes, sizeof bytes);
    if (n <= 0) {
        (void)close(s->fds[i].fd);
        s->fds[i].fd = -1; /* poll passes over it */
        return;
    }
    if (s->answer != NULL && !s->answered[i]) {
        s->answered[i] = send(s->fds[i].fd, s->answer, s->len, MSG_NOSIGNAL) > 0;
    }
}

static void *serve(void *ctx) {
    struct silent *s = ctx;
    while (poll(s->fds, s->count, -1) > 0 && s->fds[0].revents == 0) {
        for (size_t i = 2; i < s->count; i++) {
            if (s->fds[i].revents != 0) {
                hear(s, i);
            }
        }
        int peer = s->fds[1].revents == 0 ? -1 : accept(s->fds[1].fd, NULL, NULL);
        if (peer >= 0 && s->count < PEERS_MAX + 2) {
            s->fds[s->count++] = (struct pollfd){.fd = peer, .events = POLLIN};
        } else if (peer >= 0) {
            (void)close(peer);
        }
    }
    return NULL;
}

struct silent *silent_new(const char *answer, size_t len, uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct silent *s = calloc(1, sizeof *s);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s == NULL || listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 ||
        listen(listener, 16) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0 ||
        pipe2(s->stop, O_CLOEXEC) != 0) {
        perror("test server");
        abort();
    }
    *port = ntohs(address.sin_port);
    s->answer = answer;
    s->len = len;
    s->count = 2;
    s->fds[0] = (struct pollfd){.fd = s->stop[0], .events = POLLIN};
    s->fds[1] = (struct pollfd){.fd = listener, .events = POLLIN};
    if (pthread_create(&s->thread, NULL, serve, s) != 0) {
        abort();
    }
    return s;
}

void silent_free(struct silent *s) {
    if (s == NULL) {
        return;
    }
    (void)close(s->stop[1]);
    (void)pthread_join(s->thread, NULL);
    for (size_t i = 0; i < s->count; i++) {
        if (s->fds[i].fd >= 0) {
            (void)close(s->fds[i].fd);
        }
    }
    free(s);
}
