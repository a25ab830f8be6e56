/*
 * test_http_load.c - ten thousand POSTs from 64 connections, the host killed in the middle: every
 * 202 is a stored event that is handled once.
 *
 * ctest: busy timeout=240
 */
#include "chance.h"

#include "base/json.h"
#include "stage.h"
#include "script.h"
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 64, POSTS = 10048, EACH = POSTS / CLIENTS, ANSWER_BYTES = 4096, GIVE_UP_S = 60 };

/* One connection and the thread behind it. */
struct client {
    pthread_t thread;
    struct load *load;
    int number, fd;
    char ids[EACH][37]; /* of the jobs that were taken; "" = none yet */
    int32_t took_us[EACH];
};

struct load {
    uint16_t port;
    pthread_mutex_t mutex;
    size_t taken; /* jobs answered with 202 */
    struct client clients[CLIENTS];
};

static int64_t now_us(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- a client; it runs in a thread of its own and asserts nothing ---- */

static bool connected(struct client *c) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(c->load->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    if (c->fd >= 0) {
        return true;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        c->fd = fd;
        return true;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return false;
}

static void hang_up(struct client *c) {
    (void)close(c->fd);
    c->fd = -1;
}

/* Reads a whole answer; false when the connection ends first. */
static bool read_answer(int fd, char answer[ANSWER_BYTES]) {
    size_t len = 0;
    for (;;) {
        ssize_t got = recv(fd, answer + len, ANSWER_BYTES - 1 - len, 0);
        if (got <= 0) {
            return false;
        }
        len += (size_t)got;
        answer[len] = '\0';
        const char *body = strstr(answer, "\r\n\r\n");
        const char *length = strcasestr(answer, "Content-Length: ");
        if (body != NULL && length != NULL &&
            len >= (size_t)(body + 4 - answer) + strtoul(length + 16, NULL, 10)) {
            return true;
        }
        if (len == ANSWER_BYTES - 1) {
            return false;
        }
    }
}

/* One POST; true when it was answered with 202. */
static bool post(struct client *c, int i) {
    char request[512];
    char body[64];
    char answer[ANSWER_BYTES];
    int body_len =
        snprintf(body, sizeof body, "{\"id\":\"%d-%d\",\"key\":\"k%d\"}", c->number, i, i % 7);
    int len = snprintf(request, sizeof request,
                       "POST /api/job HTTP/1.1\r\nHost: localhost\r\n"
                       "Content-Type: application/json\r\nIdempotency-Key: %d-%d\r\n"
                       "Content-Length: %d\r\n\r\n%s",
                       c->number, i, body_len, body);
    if (send(c->fd, request, (size_t)len, MSG_NOSIGNAL) != len || !read_answer(c->fd, answer)) {
        hang_up(c);
        return false;
    }
    const char *id = strstr(answer, "\"id\":\"");
    if (strncmp(answer, "HTTP/1.1 202", 12) == 0 && id != NULL && strlen(id) > 42) {
        (void)snprintf(c->ids[i], sizeof c->ids[i], "%.36s", id + 6);
        return true;
    }
    return false;
}

/* Each job until it is taken: whoever got no answer asks again, under the same key. */
static void *client_main(void *arg) {
    struct client *c = arg;
    for (int i = 0; i < EACH; i++) {
        struct wait again = wait_of(GIVE_UP_S);
        int64_t begin_us = now_us();
        while (!connected(c) || !post(c, i)) {
            if (!wait_more(&again)) {
                return NULL;
            }
            begin_us = now_us();
        }
        c->took_us[i] = (int32_t)(now_us() - begin_us);
        (void)pthread_mutex_lock(&c->load->mutex);
        c->load->taken++;
        (void)pthread_mutex_unlock(&c->load->mutex);
    }
    hang_up(c);
    return NULL;
}

static size_t taken(struct load *load) {
    (void)pthread_mutex_lock(&load->mutex);
    size_t count = load->taken;
    (void)pthread_mutex_unlock(&load->mutex);
    return count;
}

static struct load *load_start(uint16_t port) {
    struct load *load = calloc(1, sizeof *load);
    assert_non_null(load);
    load->port = port;
    assert_int_equal(pthread_mutex_init(&load->mutex, NULL), 0);
    for (int i = 0; i < CLIENTS; i++) {
        struct client *c = &load->clients[i];
        c->load = load;
        c->number = i;
        c->fd = -1;
        assert_int_equal(pthread_create(&c->thread, NULL, client_main, c), 0);
    }
    return load;
}

static void load_join(struct load *load) {
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_join(load->clients[i].thread, NULL), 0);
    }
}

static int by_size(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a;
    int32_t y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

static void tell_times(const struct load *load, const char *what) {
    int32_t *all = calloc(POSTS, sizeof *all);
    assert_non_null(all);
    for (size_t i = 0; i < CLIENTS; i++) {
        memcpy(all + i * EACH, load->clients[i].took_us, sizeof load->clients[i].took_us);
    }
    qsort(all, POSTS, sizeof *all, by_size);
    size_t p50 = POSTS / 2;
    size_t p99 = POSTS * 99 / 100;
    print_message("%s: p50 %.1f ms, p99 %.1f ms\n", what, all[p50] / 1000.0, all[p99] / 1000.0);
    free(all);
}

/* ---- the host ---- */

static const char conf[] = "service \"jobs\" { subscribe = {\"job\"} handler = \"jobs.lua\"\n"
                           "  key = \"json:/key\" crashes = 0 }\n"
                           "endpoint \"/api/job\" { publish = \"job\" required = {\"id\"} }\n";

/* The stage's topics.conf has no front door; the environment wins. */
static void play(struct stage *s, uint16_t port) {
    char listen[32];
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%u", port);
    assert_int_equal(setenv("ZINGQ_HTTP_LISTEN", listen, 1), 0);
    stage_play(s, conf, "scripts/jobs.lua", LUA(script));
}

/* Every job that was taken is in the file its handler writes, once, and no other. */
static void assert_each_once(const struct stage *s, const struct load *load) {
    char *written = program_read(&s->host, "data/files/jobs");
    json_t *lines = json_object();
    size_t count = 0;
    for (char *line = written; *line != '\0'; count++) {
        char *end = strchr(line, '\n');
        assert_non_null(end);
        *end = '\0';
        assert_null(json_object_get(lines, line));
        (void)json_object_set_new(lines, line, json_true());
        line = end + 1;
    }
    for (size_t c = 0; c < CLIENTS; c++) {
        for (size_t i = 0; i < EACH; i++) {
            assert_non_null(json_object_get(lines, load->clients[c].ids[i]));
        }
    }
    assert_int_equal(count, POSTS);
    json_decref(lines);
    free(written);
}

static void load_free(struct load *load) {
    (void)pthread_mutex_destroy(&load->mutex);
    free(load);
}

static void every_202_is_handled_once(void **state) {
    struct stage *s = *state;
    uint16_t port = free_port();
    play(s, port);
    struct load *load = load_start(port);
    load_join(load);
    assert_int_equal(taken(load), POSTS);
    tell_times(load, "202 under load");
    WAIT_FOR(s, program_service(&s->host, "jobs", "done") == POSTS);
    WAIT_FOR(s, program_engine(&s->host, "waiting") == 0);
    assert_int_equal(program_stop(&s->host), 0);
    assert_each_once(s, load);
    load_free(load);
}

static void a_kill_in_the_middle_loses_none(void **state) {
    struct stage *s = *state;
    struct chance chance = chance_of_run();
    uint16_t port = free_port();
    play(s, port);
    struct load *load = load_start(port);
    for (int kill = 1; kill <= 3; kill++) {
        size_t mark = (size_t)(kill - 1) * POSTS / 4 + 1 + chance_next(&chance, POSTS / 8);
        WAIT_FOR(s, taken(load) >= mark);
        program_kill(&s->host);
        program_start(&s->host);
    }
    load_join(load);
    assert_int_equal(taken(load), POSTS);
    WAIT_FOR(s, program_service(&s->host, "jobs", "done") == POSTS);
    assert_int_equal(program_stop(&s->host), 0);
    assert_each_once(s, load);
    load_free(load);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_STAGE(every_202_is_handled_once),
        TEST_ON_STAGE(a_kill_in_the_middle_loses_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
