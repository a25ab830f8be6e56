/*
 * bench_smtp.c - takes mail as fast as it comes and throws it away: the measure is the sender. It
 * prints its port first and, when SIGTERM comes, how many mails it took.
 *
 * No more of SMTP than an honest client needs: every command but QUIT is agreed to, a body ends at
 * the line that is a single dot.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS_MAX = 256, LINE_MAX_BYTES = 4096 };

struct client {
    char line[LINE_MAX_BYTES];
    size_t len;
    bool in_body;
};

struct server {
    struct pollfd fds[CLIENTS_MAX + 1]; /* [0] listens; fd -1 = free */
    struct client clients[CLIENTS_MAX + 1];
    unsigned long mails;
};

static volatile sig_atomic_t stopped;

static void on_signal(int number) {
    (void)number;
    stopped = 1;
}

static int listen_anywhere(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sock < 0 || bind(sock, (struct sockaddr *)&address, len) != 0 || listen(sock, 128) != 0 ||
        getsockname(sock, (struct sockaddr *)&address, &len) != 0) {
        return -1;
    }
    printf("%u\n", ntohs(address.sin_port));
    (void)fflush(stdout);
    return sock;
}

/* Replies are short and a client waits for them: a send that does not fit is a broken client. */
static bool reply(int sock, const char *text) {
    size_t len = strlen(text);
    return send(sock, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool answer_body(struct server *s, struct client *c, int sock) {
    if (strcmp(c->line, ".") != 0) {
        return true;
    }
    c->in_body = false;
    s->mails++;
    return reply(sock, "250 taken\r\n");
}

static bool answer_command(struct client *c, int sock) {
    if (strncasecmp(c->line, "DATA", 4) == 0) {
        c->in_body = true;
        return reply(sock, "354 go on\r\n");
    }
    if (strncasecmp(c->line, "QUIT", 4) == 0) {
        (void)reply(sock, "221 bye\r\n");
        return false;
    }
    return reply(sock, "250 fine\r\n");
}

static bool answer_line(struct server *s, struct client *c, int sock) {
    if (c->len > 0 && c->line[c->len - 1] == '\r') {
        c->len--;
    }
    c->line[c->len] = '\0';
    c->len = 0;
    return c->in_body ? answer_body(s, c, sock) : answer_command(c, sock);
}

static bool serve(struct server *s, size_t i) {
    char bytes[16384];
    struct client *c = &s->clients[i];
    int sock = s->fds[i].fd;
    ssize_t got = recv(sock, bytes, sizeof bytes, 0);
    for (ssize_t k = 0; k < got; k++) {
        if (bytes[k] == '\n') {
            if (!answer_line(s, c, sock)) {
                return false;
            }
        } else if (c->len + 1 < sizeof c->line) {
            c->line[c->len++] = bytes[k];
        }
    }
    return got > 0;
}

static void take_in(struct server *s) {
    int sock = accept(s->fds[0].fd, NULL, NULL);
    for (size_t i = 1; sock >= 0 && i <= CLIENTS_MAX; i++) {
        if (s->fds[i].fd < 0) {
            int on = 1;
            (void)setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            s->fds[i] = (struct pollfd){.fd = sock, .events = POLLIN};
            s->clients[i] = (struct client){.len = 0};
            if (reply(sock, "220 bench\r\n")) {
                return;
            }
            s->fds[i].fd = -1;
        }
    }
    (void)close(sock);
}

int main(void) {
    static struct server s;
    struct sigaction action = {.sa_handler = on_signal}; /* poll is interrupted */
    int sock = listen_anywhere();
    if (sock < 0 || sigaction(SIGTERM, &action, NULL) != 0) {
        perror("bench_smtp");
        return 3;
    }
    for (size_t i = 0; i <= CLIENTS_MAX; i++) {
        s.fds[i] = (struct pollfd){.fd = i == 0 ? sock : -1, .events = POLLIN};
    }
    while (!stopped) {
        int ready = poll(s.fds, CLIENTS_MAX + 1, 100);
        for (size_t i = 1; ready > 0 && i <= CLIENTS_MAX; i++) {
            if (s.fds[i].fd >= 0 && s.fds[i].revents != 0 && !serve(&s, i)) {
                (void)close(s.fds[i].fd);
                s.fds[i].fd = -1;
            }
        }
        if (ready > 0 && s.fds[0].revents != 0) {
            take_in(&s);
        }
    }
    printf("%lu\n", s.mails);
    return 0;
}
