/*
 * bench_http.c - requests that are answered 202, over CONNECTIONS that are kept alive.
 *
 *   bench_http bare
 *   bench_http PORT PID PORT PID SECONDS ROUNDS
 *
 * bare: a libmicrohttpd that answers each POST at once and keeps nothing; it prints its port first.
 * Otherwise both servers are measured turn about: the first is the bare one, the second zingq with
 * an endpoint "/in", whose events are on disk before it answers. Each connection has one request on
 * its way. The ratios are medians of the rounds'.
 */
#include "figures.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 64, BODY_BYTES = 200, ANSWER_BYTES = 4096, TIMES_MAX = 1 << 20 };

__attribute__((noreturn)) static void die(const char *what) {
    perror(what);
    exit(3);
}

static double now_s(void) {
    struct timespec t;
    if (clock_gettime(CLOCK_MONOTONIC, &t) != 0) {
        die("bench_http: clock");
    }
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- the bare server ---- */

static const char accepted[] = "{\"id\":\"01a22bc3-7975-70d9-ab91-286cc2c0fc4c\"}";

static enum MHD_Result answer(void *ctx, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *len, void **seen) {
    static int begun;
    (void)ctx;
    (void)url;
    (void)method;
    (void)version;
    (void)data;
    if (*seen == NULL || *len > 0) {
        *seen = &begun;
        *len = 0;
        return MHD_YES;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(
        sizeof accepted - 1, (void *)accepted, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result =
        response == NULL ? MHD_NO : MHD_queue_response(connection, MHD_HTTP_ACCEPTED, response);
    if (response != NULL) {
        MHD_destroy_response(response);
    }
    return result;
}

static int serve_bare(void) {
    sigset_t ends;
    int number;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL);
    struct sockaddr_in loopback = {.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer, NULL,
                         MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&loopback, MHD_OPTION_END);
    if (daemon == NULL) {
        die("bench_http: libmicrohttpd");
    }
    printf("%u\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    (void)fflush(stdout);
    (void)sigwait(&ends, &number);
    MHD_stop_daemon(daemon);
    return 0;
}

/* ---- the clients ---- */

struct client {
    double sent_s;
    char answer[ANSWER_BYTES];
    size_t len;
};

struct server {
    unsigned port;
    long pid;
    struct pollfd fds[CONNECTIONS];
    struct client clients[CONNECTIONS];
    struct figures rate, p50_ms, p99_ms, cpu_us;
};

static double times_ms[TIMES_MAX];
static size_t time_count;

static void make_request(char *out, size_t size, size_t *len) {
    char body[BODY_BYTES + 1];
    int n = snprintf(body, sizeof body, "{\"key\":\"k%ld\",\"pad\":\"", random() % 1000);
    memset(body + n, 'x', (size_t)(BODY_BYTES - n - 2));
    memcpy(body + BODY_BYTES - 2, "\"}", 3);
    int all = snprintf(out, size,
                       "POST /in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                       "Content-Length: %d\r\n\r\n%s",
                       BODY_BYTES, body);
    *len = (size_t)all;
}

static void ask(struct server *s, size_t i) {
    char request[ANSWER_BYTES];
    size_t len;
    make_request(request, sizeof request, &len);
    s->clients[i].sent_s = now_s();
    s->clients[i].len = 0;
    if (send(s->fds[i].fd, request, len, MSG_NOSIGNAL) != (ssize_t)len) {
        die("bench_http: send");
    }
}

static void connect_all(struct server *s) {
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)s->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int one = 1;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0 ||
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0) {
            die("bench_http: connect");
        }
        s->fds[i] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
}

/* Whether the answer is there. Any other than 202 ends the program. */
static bool take(struct server *s, size_t i) {
    struct client *c = &s->clients[i];
    ssize_t got = recv(s->fds[i].fd, c->answer + c->len, sizeof c->answer - 1 - c->len, 0);
    if (got <= 0) {
        die("bench_http: the server closed a connection");
    }
    c->len += (size_t)got;
    c->answer[c->len] = '\0';
    const char *body = strstr(c->answer, "\r\n\r\n");
    const char *length = strcasestr(c->answer, "\r\nContent-Length:");
    if (body == NULL || length == NULL) {
        return false;
    }
    if (strncmp(c->answer, "HTTP/1.1 202", 12) != 0) {
        (void)fprintf(stderr, "bench_http: %s\n", c->answer);
        exit(1);
    }
    size_t want = strtoul(length + sizeof "\r\nContent-Length:" - 1, NULL, 10);
    return c->len >= (size_t)(body + 4 - c->answer) + want;
}

static int compare_times(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void finish(struct server *s, double seconds, double cpu_s) {
    if (time_count == 0) {
        (void)fprintf(stderr, "bench_http: no answer within %.1f s\n", seconds);
        exit(1);
    }
    qsort(times_ms, time_count, sizeof *times_ms, compare_times);
    figures_note(&s->rate, (double)time_count / seconds);
    figures_note(&s->p50_ms, times_ms[time_count / 2]);
    figures_note(&s->p99_ms, times_ms[time_count * 99 / 100]);
    figures_note(&s->cpu_us, cpu_s * 1e6 / (double)time_count);
}

static void run(struct server *s, double seconds) {
    double cpu_s = figures_cpu_s(s->pid);
    double begun_s = now_s();
    time_count = 0;
    connect_all(s);
    for (size_t i = 0; i < CONNECTIONS; i++) {
        ask(s, i);
    }
    for (size_t open = CONNECTIONS; open > 0;) {
        if (poll(s->fds, CONNECTIONS, 10000) <= 0) {
            die("bench_http: no answer within 10 s");
        }
        for (size_t i = 0; i < CONNECTIONS; i++) {
            if (s->fds[i].fd < 0 || s->fds[i].revents == 0 || !take(s, i)) {
                continue;
            }
            times_ms[time_count % TIMES_MAX] = (now_s() - s->clients[i].sent_s) * 1e3;
            time_count += time_count < TIMES_MAX - 1 ? 1 : 0;
            if (now_s() - begun_s < seconds) {
                ask(s, i);
                continue;
            }
            (void)close(s->fds[i].fd);
            s->fds[i].fd = -1;
            open--;
        }
    }
    finish(s, now_s() - begun_s, figures_cpu_s(s->pid) - cpu_s);
}

static void print(const char *name, const struct server *s) {
    printf("%-20s %7.0f 202s/s   p50 %.2f ms   p99 %.2f ms   %.0f us of processor time each\n",
           name, figures_median(&s->rate), figures_median(&s->p50_ms), figures_median(&s->p99_ms),
           figures_median(&s->cpu_us));
}

int main(int argc, char **argv) {
    static struct server bare;
    static struct server zingq;
    struct figures rate = {.count = 0};
    struct figures p99 = {.count = 0};
    if (argc == 2 && strcmp(argv[1], "bare") == 0) {
        return serve_bare();
    }
    if (argc != 7) {
        (void)fprintf(stderr, "usage: bench_http bare | PORT PID PORT PID SECONDS ROUNDS\n");
        return 2;
    }
    bare.port = (unsigned)strtoul(argv[1], NULL, 10);
    bare.pid = strtol(argv[2], NULL, 10);
    zingq.port = (unsigned)strtoul(argv[3], NULL, 10);
    zingq.pid = strtol(argv[4], NULL, 10);
    double seconds = strtod(argv[5], NULL);
    long rounds = strtol(argv[6], NULL, 10);
    for (long round = 0; round < rounds; round++) {
        run(&bare, seconds);
        run(&zingq, seconds);
        figures_note(&rate, zingq.rate.values[round] / bare.rate.values[round]);
        figures_note(&p99, zingq.p99_ms.values[round] / bare.p99_ms.values[round]);
    }
    print("bare libmicrohttpd", &bare);
    print("zingq", &zingq);
    printf("%d connections: %.2f of its 202s, %.1f times its p99\n", CONNECTIONS,
           figures_median(&rate), figures_median(&p99));
    return 0;
}
