/*
 * test_mqtt_patience.c - brokers that do not answer: how long the MQTT door waits, and what it does
 * then. The clock is ours: uv_now, the time a connect may take (poll) and the addresses of a name
 * (getaddrinfo) are what the tests say they are.
 *
 * ctest: label=torture
 */
#include "base/limits.h"
#include "mqtt_world.h"
#include "test.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- the fakes ---- */

static uint64_t ahead_ms;             /* of the loop's clock */
static _Atomic int address_deadlines; /* waits of MQTT_ADDRESS_MS, which end sooner here */

uint64_t uv_now(const uv_loop_t *loop) {
    return uv_hrtime() / 1000000 + ahead_ms + (loop == NULL ? 1 : 0);
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms) {
    if (timeout_ms == MQTT_ADDRESS_MS) {
        atomic_fetch_add(&address_deadlines, 1);
        timeout_ms = 200;
    }
    struct timespec time = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L};
    return (int)syscall(SYS_ppoll, fds, count, timeout_ms < 0 ? NULL : &time, NULL, 0);
}

struct address {
    struct addrinfo info;
    struct sockaddr_in in;
};

static struct addrinfo *make_address(const char *ip, const char *port, struct addrinfo *next) {
    struct address *a = calloc(1, sizeof *a);
    assert_non_null(a);
    a->in.sin_family = AF_INET;
    a->in.sin_port = htons((uint16_t)strtoul(port == NULL ? "0" : port, NULL, 10));
    assert_int_equal(inet_pton(AF_INET, ip, &a->in.sin_addr), 1);
    a->info = (struct addrinfo){.ai_family = AF_INET,
                                .ai_socktype = SOCK_STREAM,
                                .ai_addrlen = sizeof a->in,
                                .ai_addr = (struct sockaddr *)(void *)&a->in,
                                .ai_next = next};
    return &a->info;
}

/* "two.test" has two addresses, the first of which is the silent one's. */
int getaddrinfo(const char *name, const char *port, const struct addrinfo *hints,
                struct addrinfo **out) {
    (void)hints;
    *out = make_address("127.0.0.1", port, NULL);
    if (name != NULL && strcmp(name, "two.test") == 0) {
        *out = make_address("127.0.0.2", port, *out);
    }
    return 0;
}

void freeaddrinfo(struct addrinfo *list) {
    while (list != NULL) {
        struct addrinfo *next = list->ai_next;
        free(list); /* the first part of its struct address */
        list = next;
    }
}

/* A port of 127.0.0.2 whose queue is full: what connects gets no answer. */
struct hole {
    int listener, fill[4];
};

static struct hole dig(uint16_t port) {
    struct hole h = {.listener = socket(AF_INET, SOCK_STREAM, 0)};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET, "127.0.0.2", &in.sin_addr), 1);
    assert_int_equal(bind(h.listener, (struct sockaddr *)(void *)&in, sizeof in), 0);
    assert_int_equal(listen(h.listener, 0), 0);
    for (size_t i = 0; i < sizeof h.fill / sizeof *h.fill; i++) {
        h.fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(h.fill[i], (struct sockaddr *)(void *)&in, sizeof in);
    }
    return h;
}

static void fill_in(struct hole *h) {
    for (size_t i = 0; i < sizeof h->fill / sizeof *h->fill; i++) {
        (void)close(h->fill[i]);
    }
    (void)close(h->listener);
}

/* ---- the tests ---- */

#define CONNACK "\x20\x03\x00\x00\x00"

/* A client at a broker that says CONNACK and no more. */
static struct client *up_at_a_mute(struct bench *b, const char *filter) {
    struct client *worker = &b->clients[0];
    ahead_ms = 0;
    fake_start(b, CONNACK, 5);
    client_make(b, worker, "worker", NULL);
    if (filter != NULL) {
        assert_int_equal(mqtt_subscribe(worker->mqtt, NULL, filter, 7), 0);
    }
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->ups, 1);
    return worker;
}

static void a_publish_unanswered_for_a_minute_costs_the_connection(void **state) {
    struct bench *b = *state;
    struct client *worker = up_at_a_mute(b, NULL);
    (void)client_publish(worker, "t", "x", 1);
    bench_wait(b, &b->fake->publishes, 1);
    assert_int_equal(worker->downs, 0);

    ahead_ms = (MQTT_ANSWER_S + 2) * 1000;
    bench_wait(b, &worker->downs, 1);

    assert_int_equal(worker->why, MQTT_DOWN_LOST); /* a reconnect is scheduled */
    assert_non_null(strstr(worker->text, "has not acknowledged a publish for 60 s"));
}

static void on_time(uv_timer_t *timer) {
    *(int *)timer->data = 1;
    uv_close((uv_handle_t *)timer, NULL);
}

/* Until the door has looked at its clock again, which it does each second. */
static void let_it_look(struct bench *b) {
    int looked = 0;
    uv_timer_t timer = {.data = &looked};
    assert_int_equal(uv_timer_init(&b->loop, &timer), 0);
    assert_int_equal(uv_timer_start(&timer, on_time, 2500, 0), 0);
    bench_wait(b, &looked, 1);
    (void)uv_run(&b->loop, UV_RUN_NOWAIT); /* it is closed */
}

static void acknowledge(struct bench *b, struct client *worker, int mid) {
    const char puback[] = {0x40, 2, (char)(mid >> 8), (char)mid};
    int count = worker->published + 1;
    fake_say(b->fake, puback, sizeof puback);
    bench_wait(b, &worker->published, count);
}

static void a_broker_that_is_slow_keeps_the_connection_while_it_acknowledges(void **state) {
    struct bench *b = *state;
    struct client *worker = up_at_a_mute(b, NULL);
    int first = client_publish(worker, "t", "x", 1);
    (void)client_publish(worker, "t", "x", 1);
    bench_wait(b, &b->fake->publishes, 2);
    ahead_ms = (MQTT_ANSWER_S - 5) * 1000;
    acknowledge(b, worker, first);

    ahead_ms = (MQTT_ANSWER_S + 10) * 1000;
    let_it_look(b);
    assert_int_equal(worker->downs, 0);

    ahead_ms = 2 * MQTT_ANSWER_S * 1000; /* nothing more has come */
    bench_wait(b, &worker->downs, 1);
}

static void a_publish_that_was_passed_over_costs_the_connection_all_the_same(void **state) {
    struct bench *b = *state;
    struct client *worker = up_at_a_mute(b, NULL);
    (void)client_publish(worker, "t", "x", 1);
    ahead_ms = 5000;
    int later = client_publish(worker, "t", "x", 1);
    bench_wait(b, &b->fake->publishes, 2);
    ahead_ms = (MQTT_ANSWER_S - 5) * 1000;
    acknowledge(b, worker, later);
    assert_int_equal(worker->downs, 0);

    ahead_ms = (MQTT_ANSWER_S + 2) * 1000;
    bench_wait(b, &worker->downs, 1);

    assert_non_null(strstr(worker->text, "has not acknowledged a publish for 60 s"));
}

static void a_subscription_unanswered_for_a_minute_costs_the_connection(void **state) {
    struct bench *b = *state;
    struct client *worker = up_at_a_mute(b, "orders/+");
    assert_int_equal(worker->downs, 0);

    ahead_ms = (MQTT_ANSWER_S + 2) * 1000;
    bench_wait(b, &worker->downs, 1);

    assert_int_equal(worker->why, MQTT_DOWN_LOST);
    assert_non_null(strstr(worker->text, "has not answered the subscription orders/+ for 60 s"));
}

/* Held, we read nothing: the answer may be there. */
static void what_waits_unread_here_is_no_fault_of_the_brokers(void **state) {
    struct bench *b = *state;
    struct client *worker = up_at_a_mute(b, NULL);
    (void)client_publish(worker, "t", "x", 1);
    mqtt_hold(worker->mqtt, true);

    ahead_ms = (MQTT_ANSWER_S + 2) * 1000;
    bench_wait(b, &b->fake->unsubscribes, 1); /* the sign of life a tick gives instead */

    assert_int_equal(worker->downs, 0);
}

/* One PUBACK never comes, all others do. */
static void no_packet_id_is_given_out_while_it_is_in_use(void **state) {
    struct bench *b = *state;
    enum { AT_ONCE = 500 };
    struct client *worker = up_at_a_mute(b, NULL);
    struct mqtt_publish p = {.topic = "t", .payload = slice_of("x"), .qos = 1};
    struct report r = {""};
    b->fake->forgets_one = true;
    int first = client_publish(worker, "t", "x", 1);
    int count = 0;
    int mid = 0;
    int code = 0;
    while ((code = mqtt_publish(worker->mqtt, &p, &mid, &r)) == 0) {
        assert_int_not_equal(mid, first);
        if (++count % AT_ONCE == 0) {
            mqtt_flush(worker->mqtt);
            bench_wait(b, &worker->published, count);
        }
    }

    assert_int_equal(code, ERR_BUSY);
    assert_in_range(count, 65000, MQTT_PACKET_IDS - 2);
    mqtt_flush(worker->mqtt);
    assert_int_equal(worker->downs, 1);
    assert_non_null(strstr(worker->text, "left a publish unanswered"));
}

static void a_silent_address_is_given_up_in_time_for_the_next(void **state) {
    struct bench *b = *state;
    ahead_ms = 0;
    address_deadlines = 0;
    broker_start(&b->broker, NULL);
    struct hole hole = dig(b->broker.port);
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    worker->conf.host = (char *)"two.test";
    mqtt_start(worker->mqtt);

    bench_wait(b, &worker->ups, 1);

    assert_int_equal(worker->downs, 0);
    assert_int_equal(address_deadlines, 2); /* the second one answers at once */
    fill_in(&hole);
}

static void what_a_broker_lacked_is_asked_for_again_after_a_connection_that_stood(void **state) {
    struct bench *b = *state;
    struct client *worker = &b->clients[0];
    ahead_ms = 0;
    fake_start(b, CONNACK "\xe0\x01\xa2", 8); /* Wildcard Subscriptions not supported */
    client_make(b, worker, "worker", NULL);
    assert_int_equal(mqtt_subscribe(worker->mqtt, NULL, "a/#", 7), 0);
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->downs, 1);
    fake_end(b);
    fake_start(b, CONNACK, 5);
    bench_wait(b, &worker->ups, 2);
    assert_false(mqtt_session(worker->mqtt)->wildcard_available);
    fake_end(b);
    bench_wait(b, &worker->downs, 2);
    fake_start(b, CONNACK, 5);
    bench_wait(b, &worker->ups, 3); /* the last one had not stood */
    assert_false(mqtt_session(worker->mqtt)->wildcard_available);

    ahead_ms = 10000;
    fake_end(b);
    bench_wait(b, &worker->downs, 3);
    fake_start(b, CONNACK, 5);
    bench_wait(b, &worker->ups, 4);

    assert_true(mqtt_session(worker->mqtt)->wildcard_available);
    bench_wait(b, &b->fake->subscribes, 1);
}

/* Takes every connection on 127.0.0.2 and answers CONNECT with the bytes, or by closing. */
struct stranger {
    uv_tcp_t server, peers[8];
    size_t count;
    struct bench *b;
    const char *answer;
};

static void on_stranger_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
    struct stranger *s = stream->data;
    (void)buf;
    if (n > 0 && s->answer != NULL) {
        uv_buf_t out = uv_buf_init((char *)(uintptr_t)s->answer, (unsigned)strlen(s->answer));
        assert_int_equal(uv_try_write(stream, &out, 1), (int)strlen(s->answer));
    }
    uv_close((uv_handle_t *)stream, NULL);
}

static void on_stranger_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
    static char bytes[1024];
    (void)handle;
    (void)size;
    *buf = uv_buf_init(bytes, sizeof bytes);
}

static void on_stranger_called(uv_stream_t *server, int status) {
    struct stranger *s = server->data;
    assert_int_equal(status, 0);
    assert_true(s->count < sizeof s->peers / sizeof *s->peers);
    uv_tcp_t *peer = &s->peers[s->count++];
    peer->data = s;
    assert_int_equal(uv_tcp_init(&s->b->loop, peer), 0);
    assert_int_equal(uv_accept(server, (uv_stream_t *)peer), 0);
    assert_int_equal(uv_read_start((uv_stream_t *)peer, on_stranger_alloc, on_stranger_read), 0);
}

static void stranger_listen(struct stranger *s, struct bench *b, const char *answer) {
    *s = (struct stranger){.b = b, .answer = answer};
    struct sockaddr_in in;
    assert_int_equal(uv_ip4_addr("127.0.0.2", b->broker.port, &in), 0);
    assert_int_equal(uv_tcp_init(&b->loop, &s->server), 0);
    s->server.data = s;
    assert_int_equal(uv_tcp_bind(&s->server, (const struct sockaddr *)(void *)&in, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&s->server, 8, on_stranger_called), 0);
}

/* With a broker at the second address: comes there, and back there after a loss. */
static void passes_over(struct bench *b, const char *answer) {
    struct stranger s;
    ahead_ms = 0;
    stranger_listen(&s, b, answer);
    fake_start(b, CONNACK, 5);
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    worker->conf.host = (char *)"two.test";
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->ups, 1);
    assert_int_equal(worker->downs, 1);
    assert_int_equal(s.count, 1);

    fake_end(b); /* at once: this address has not served either, so the first one is tried again */
    bench_wait(b, &worker->downs, 2);
    fake_start(b, CONNACK, 5);
    bench_wait(b, &worker->ups, 2);
    assert_int_equal(s.count, 2);
    client_end(worker);
    fake_end(b);
    uv_close((uv_handle_t *)&s.server, NULL);
    (void)uv_run(&b->loop, UV_RUN_NOWAIT);
}

static void an_address_that_hangs_up_is_passed_over(void **state) {
    passes_over(*state, NULL);
}

static void an_address_that_is_no_broker_is_passed_over(void **state) {
    passes_over(*state, "HTTP/1.1 400 Bad Request\r\n\r\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BENCH_TEST(a_publish_unanswered_for_a_minute_costs_the_connection),
        BENCH_TEST(a_broker_that_is_slow_keeps_the_connection_while_it_acknowledges),
        BENCH_TEST(a_publish_that_was_passed_over_costs_the_connection_all_the_same),
        BENCH_TEST(a_subscription_unanswered_for_a_minute_costs_the_connection),
        BENCH_TEST(what_waits_unread_here_is_no_fault_of_the_brokers),
        BENCH_TEST(no_packet_id_is_given_out_while_it_is_in_use),
        BENCH_TEST(a_silent_address_is_given_up_in_time_for_the_next),
        BENCH_TEST(what_a_broker_lacked_is_asked_for_again_after_a_connection_that_stood),
        BENCH_TEST(an_address_that_hangs_up_is_passed_over),
        BENCH_TEST(an_address_that_is_no_broker_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
