/* test_ask.c - requests between hosts, with two of them and a broker that is a list of messages. */

#include "peers/impl.h"
#include "base/limits.h"

#include "test.h"

#include <stdlib.h>
#include <string.h>

enum { MESSAGES_MAX = 2000, HOSTS = 2 };

/* What was published, as link-time fakes of io/mqtt/mqtt.h saw it. */
struct message {
    char topic[128], response_topic[128];
    char correlation[CORRELATION_BYTES];
    size_t correlation_len;
    struct buf payload;
};

static struct {
    struct message messages[MESSAGES_MAX];
    size_t count;
    int code;     /* of the next publishes */
    int last_mid; /* given out */
    size_t watched;
    uint16_t receive_maximum;
} wire;

int mqtt_publish(struct mqtt *m, const struct mqtt_publish *publish, int *mid, struct report *r) {
    (void)m;
    (void)r;
    if (wire.code != 0) {
        return wire.code;
    }
    assert_true(wire.count < MESSAGES_MAX);
    struct message *message = &wire.messages[wire.count++];
    (void)snprintf(message->topic, sizeof message->topic, "%s", publish->topic);
    (void)snprintf(message->response_topic, sizeof message->response_topic, "%.*s",
                   (int)publish->response_topic.len, publish->response_topic.data);
    message->correlation_len = publish->correlation.len;
    memcpy(message->correlation, publish->correlation.data, publish->correlation.len);
    buf_init(&message->payload, 64 << 20);
    buf_add_slice(&message->payload, publish->payload);
    *mid = ++wire.last_mid;
    return 0;
}

const struct mqtt_session *mqtt_session(const struct mqtt *m) {
    (void)m;
    static struct mqtt_session session;
    session.receive_maximum = wire.receive_maximum;
    return &session;
}

int mqtt_watch(struct mqtt *m, const char *filter, uint32_t id) {
    (void)m;
    (void)filter;
    (void)id;
    wire.watched++;
    return 0;
}

/* Two hosts and what became of their requests. */
struct world {
    uv_loop_t loop;
    struct conf confs[HOSTS];
    struct ask *hosts[HOSTS];
    struct gateway_request *kept[MESSAGES_MAX]; /* requests served and not answered */
    size_t kept_count;
    bool keep, away;
    size_t body_bytes; /* of answers; 0 = a few */
    size_t ends;
    enum ask_end end;
    int status;
    char text[256]; /* the body of the last answer, or why there was none */
};

static void serve(void *ctx, struct gateway_request *request) {
    struct world *w = ctx;
    assert_true(gateway_is_final(request));
    if (w->keep) {
        w->kept[w->kept_count++] = request;
        return;
    }
    char *large = calloc(1, w->body_bytes + 1);
    assert_non_null(large);
    struct slice body = {large, w->body_bytes};
    gateway_answer(request, 200, NULL, "Zingq-Next: 1\n",
                   w->body_bytes > 0 ? body : slice_of(gateway_path(request)));
    free(large);
}

static bool is_away(void *ctx, uint16_t place) {
    const struct world *w = ctx;
    return w->away && place == 2;
}

static void wake(void *ctx) {
    (void)ctx;
}

static void on_end(void *ctx, uint64_t id, const struct ask_outcome *outcome) {
    struct world *w = ctx;
    assert_true(id > 0);
    w->ends++;
    w->end = outcome->end;
    w->status = outcome->end == ASK_ANSWERED ? outcome->reply->status : 0;
    struct slice text =
        outcome->end == ASK_ANSWERED ? outcome->reply->body : slice_of(outcome->why);
    (void)snprintf(w->text, sizeof w->text, "%.*s", (int)(text.len < 200 ? text.len : 200),
                   text.data);
}

/* As after an earlier request to host 2. */
static void learn_ticket(struct world *w) {
    memcpy(w->hosts[0]->tickets[1], w->hosts[1]->ticket, ASK_TICKET_BYTES);
}

static int set_up(void **state) {
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    memset(&wire, 0, sizeof wire);
    wire.receive_maximum = UINT16_MAX;
    for (uint16_t i = 0; i < HOSTS; i++) {
        w->confs[i].hosts.group = strdup("default");
        w->confs[i].hosts.share = (struct division){HOSTS, (uint16_t)(i + 1)};
        const struct ask_options options = {.loop = &w->loop,
                                            .conf = &w->confs[i],
                                            .ctx = w,
                                            .serve = serve,
                                            .is_away = is_away,
                                            .wake = wake};
        assert_int_equal(ask_new(&w->hosts[i], &options), 0);
        ask_up(w->hosts[i]);
    }
    learn_ticket(w);
    *state = w;
    return 0;
}

static void forget_messages(void) {
    for (size_t i = 0; i < wire.count; i++) {
        buf_clear(&wire.messages[i].payload);
    }
    wire.count = 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    for (size_t i = 0; i < HOSTS; i++) {
        ask_free(w->hosts[i]);
        free(w->confs[i].hosts.group);
    }
    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    forget_messages();
    free(w);
    return 0;
}

static void start(struct world *w, const char *path) {
    const struct gateway_words words = {.method = "GET", .path = path};
    uint64_t id = 0;
    struct report r = {""};
    assert_int_equal(ask_start(w->hosts[0], 2, &words, w, on_end, &id, &r), 0);
    assert_true(id > 0);
}

/* The message reaches both hosts; whose it is not does not take it. */
static bool deliver(struct world *w, const struct message *message, bool retain) {
    const struct mqtt_message m = {.topic = slice_of(message->topic),
                                   .response_topic = slice_of(message->response_topic),
                                   .correlation = {message->correlation, message->correlation_len},
                                   .payload = buf_slice(&message->payload),
                                   .retain = retain};
    bool first = ask_note(w->hosts[0], &m);
    bool second = ask_note(w->hosts[1], &m);
    assert_false(first && second);
    return first || second;
}

/* Everything that can move does, until nothing is left. */
static void settle(struct world *w) {
    for (int round = 0; round < 4; round++) {
        size_t before = wire.count;
        for (size_t i = 0; i < HOSTS; i++) {
            (void)ask_send(w->hosts[i], NULL);
        }
        for (size_t i = before; i < wire.count; i++) {
            assert_true(deliver(w, &wire.messages[i], false));
        }
        for (size_t i = 0; i < HOSTS; i++) {
            ask_work(w->hosts[i]);
        }
    }
}

static void let_time_pass(struct world *w) {
    w->loop.time += ASK_ANSWER_MS + 1; /* time is given, not slept */
    ask_work(w->hosts[0]);
}

static void a_request_is_answered_by_the_other_host(void **state) {
    struct world *w = *state;
    start(w, "/api/status");
    settle(w);
    assert_int_equal(w->ends, 1);
    assert_int_equal(w->end, ASK_ANSWERED);
    assert_int_equal(w->status, 200);
    assert_string_equal(w->text, "/api/status");
    assert_string_equal(wire.messages[0].topic, "zingq/ask/default/2");
    assert_string_equal(wire.messages[0].response_topic, "zingq/answer/default/1");
    assert_string_equal(wire.messages[1].topic, "zingq/answer/default/1");
    assert_int_equal(wire.watched, 4);
}

static void a_silent_host_is_told_after_the_deadline_and_its_late_answer_is_nobodys(void **state) {
    struct world *w = *state;
    w->keep = true;
    start(w, "/api/status");
    settle(w);
    assert_int_equal(w->ends, 0);
    let_time_pass(w);
    assert_int_equal(w->ends, 1);
    assert_int_equal(w->end, ASK_SILENT);
    assert_string_equal(w->text, "host 2 did not answer within 5 s");
    gateway_answer(w->kept[0], 200, NULL, NULL, slice_of("{}"));
    settle(w);
    assert_int_equal(w->ends, 1);
}

static void what_did_not_leave_is_told_apart_and_never_leaves(void **state) {
    struct world *w = *state;
    ask_down(w->hosts[0]);
    start(w, "/api/status");
    settle(w);
    let_time_pass(w);
    assert_int_equal(w->end, ASK_UNSENT);
    assert_non_null(strstr(w->text, "no connection to the broker"));
    ask_up(w->hosts[0]);
    settle(w);
    assert_int_equal(wire.count, 0);
    start(w, "/api/status");
    wire.code = ERR_BUSY;
    settle(w);
    let_time_pass(w);
    assert_int_equal(w->ends, 2);
    assert_int_equal(w->end, ASK_UNSENT);
}

static void a_host_that_is_not_connected_is_known_at_once(void **state) {
    struct world *w = *state;
    start(w, "/api/status");
    (void)ask_send(w->hosts[0], NULL);
    assert_false(ask_is_proven(w->hosts[0]));
    assert_true(ask_published(w->hosts[0], wire.last_mid, 0x10));
    assert_false(ask_published(w->hosts[0], wire.last_mid, 0x10));
    assert_true(ask_due(w->hosts[0]));
    ask_work(w->hosts[0]);
    assert_int_equal(w->end, ASK_UNSENT);
    assert_string_equal(w->text, "host 2 is not connected to the broker");
}

static void a_host_whose_presence_is_gone_is_not_asked(void **state) {
    struct world *w = *state;
    w->away = true;
    start(w, "/api/status");
    (void)ask_send(w->hosts[0], NULL);
    ask_work(w->hosts[0]);
    assert_int_equal(wire.count, 0);
    assert_int_equal(w->end, ASK_UNSENT);
    assert_string_equal(w->text, "host 2 is not connected to the broker");
}

static void a_broker_that_refuses_is_named(void **state) {
    struct world *w = *state;
    struct report r;
    start(w, "/api/status");
    (void)ask_send(w->hosts[0], NULL);
    assert_true(ask_published(w->hosts[0], wire.last_mid, 0x87));
    ask_work(w->hosts[0]);
    assert_int_equal(w->end, ASK_UNSENT);
    assert_non_null(strstr(w->text, "0x87"));
    assert_false(ask_warning(w->hosts[0], &r));
    assert_false(ask_subscribed(w->hosts[0], "zingq/ask/default/2", 0x87));
    assert_true(ask_subscribed(w->hosts[0], "zingq/ask/default/1", 0x87));
    assert_true(ask_warning(w->hosts[0], &r));
}

static void an_answer_that_is_too_large_is_an_error_and_not_silence(void **state) {
    struct world *w = *state;
    w->body_bytes = MQTT_PACKET_BYTES_LEAST;
    start(w, "/api/events");
    settle(w);
    assert_int_equal(w->end, ASK_ANSWERED);
    assert_int_equal(w->status, 507);
}

static void an_answer_larger_than_the_brokers_packets_is_an_error_too(void **state) {
    struct world *w = *state;
    w->body_bytes = 1000;
    start(w, "/api/events");
    (void)ask_send(w->hosts[0], NULL);
    assert_true(deliver(w, &wire.messages[0], false));
    ask_work(w->hosts[1]);
    wire.code = ERR_INVALID;
    (void)ask_send(w->hosts[1], NULL); /* replaced, and refused again: given up */
    wire.code = 0;
    start(w, "/api/events");
    settle(w);
    assert_int_equal(w->end, ASK_ANSWERED);
    assert_int_equal(w->status, 200);
}

static void a_request_that_is_too_large_is_refused_at_once(void **state) {
    struct world *w = *state;
    char *large = calloc(1, MQTT_PACKET_BYTES_LEAST);
    const struct gateway_words words = {
        .method = "POST", .path = "/api/publish", .body = {large, MQTT_PACKET_BYTES_LEAST}};
    uint64_t id = 0;
    struct report r = {""};
    assert_int_equal(ask_start(w->hosts[0], 2, &words, w, on_end, &id, &r), ERR_INVALID);
    assert_non_null(strstr(r.text, "limits.payload"));
    free(large);
}

static void requests_under_way_have_a_limit(void **state) {
    struct world *w = *state;
    const struct gateway_words words = {.method = "GET", .path = "/api/status"};
    uint64_t id = 0;
    struct report r = {""};
    for (int i = 0; i < ASKS_MAX; i++) {
        start(w, "/api/status");
    }
    assert_int_equal(ask_start(w->hosts[0], 2, &words, w, on_end, &id, &r), ERR_LIMIT);
    let_time_pass(w);
    assert_int_equal(w->ends, ASKS_MAX);
}

/* A request as its own host would send it, for others to spoil. */
static struct message *a_request(struct world *w) {
    start(w, "/api/status");
    (void)ask_send(w->hosts[0], NULL);
    return &wire.messages[wire.count - 1];
}

static void a_host_that_is_asked_too_much_says_so(void **state) {
    struct world *w = *state;
    w->keep = true;
    struct message *message = a_request(w);
    struct message other = *message;
    for (int i = 0; i < ASKED_MAX; i++) { /* more than one host of ours would ask at once */
        memcpy(&other.correlation[ASK_TICKET_BYTES], &i, sizeof i);
        assert_true(deliver(w, &other, false));
    }
    ask_work(w->hosts[1]);
    assert_int_equal(w->kept_count, ASKED_MAX);
    assert_true(deliver(w, message, false));
    settle(w);
    assert_int_equal(w->ends, 1);
    assert_int_equal(w->status, 503);
}

/* ---- repetitions ---- */

static void a_request_that_comes_again_is_served_once(void **state) {
    struct world *w = *state;
    w->keep = true;
    struct message *message = a_request(w);
    for (int i = 0; i < 3; i++) {
        assert_true(deliver(w, message, false));
    }
    ask_work(w->hosts[1]);
    assert_int_equal(w->kept_count, 1);
    gateway_answer(w->kept[0], 200, NULL, NULL, slice_of("{}"));
    assert_true(deliver(w, message, false));
    settle(w);
    assert_int_equal(w->kept_count, 1);
    assert_int_equal(w->ends, 1);
    assert_int_equal(w->status, 200);
}

static void replace_host_2(struct world *w) {
    const struct ask_options options = w->hosts[1]->options;
    ask_free(w->hosts[1]);
    assert_int_equal(ask_new(&w->hosts[1], &options), 0);
    ask_up(w->hosts[1]);
}

static void a_request_recorded_before_a_restart_is_not_served(void **state) {
    struct world *w = *state;
    struct message *recorded = a_request(w);
    w->keep = true;
    replace_host_2(w);
    assert_true(deliver(w, recorded, false));
    ask_work(w->hosts[1]);
    assert_int_equal(w->kept_count, 0);
}

static void who_asks_learns_the_new_ticket_and_asks_again(void **state) {
    struct world *w = *state;
    replace_host_2(w);
    start(w, "/api/status");
    settle(w);
    assert_int_equal(w->end, ASK_ANSWERED);
    assert_int_equal(w->status, 200);
    assert_string_equal(w->text, "/api/status");
    forget_messages();
    start(w, "/api/events"); /* known from now on */
    settle(w);
    assert_int_equal(w->ends, 2);
    assert_int_equal(wire.count, 2);
}

static void when_too_many_are_remembered_all_need_a_new_ticket(void **state) {
    struct world *w = *state;
    struct message recorded = *a_request(w);
    struct message other = recorded;
    assert_true(deliver(w, &recorded, false));
    for (int i = 1; i < ASK_SEEN_MAX; i++) {
        memcpy(&other.correlation[ASK_TICKET_BYTES], &i, sizeof i);
        assert_true(deliver(w, &other, false));
        ask_work(w->hosts[1]);
        ask_forget_visits(w->hosts[1]); /* nobody waits for these answers */
        w->hosts[1]->reply_count = w->hosts[1]->reply_bytes = 0;
    }
    w->keep = true;
    assert_true(deliver(w, &recorded, false));
    ask_work(w->hosts[1]);
    assert_int_equal(w->kept_count, 0);
    w->keep = false;
    settle(w);
    assert_int_equal(w->end, ASK_ANSWERED); /* under the new one */
    assert_string_equal(w->text, "/api/status");
}

static void a_host_that_always_has_another_ticket_is_given_up(void **state) {
    struct world *w = *state;
    start(w, "/api/status");
    for (int i = 0; i < ASK_SENDS_MAX; i++) {
        assert_int_equal(w->ends, 0);
        (void)ask_send(w->hosts[0], NULL);
        ask_ticket_renew(w->hosts[1]);
        assert_true(deliver(w, &wire.messages[wire.count - 1], false));
        (void)ask_send(w->hosts[1], NULL);
        assert_true(deliver(w, &wire.messages[wire.count - 1], false));
        ask_work(w->hosts[0]);
    }
    assert_int_equal(w->ends, 1);
    assert_int_equal(w->end, ASK_SILENT);
    assert_non_null(strstr(w->text, "repetitions"));
}

static void half_of_the_brokers_window_is_left_to_others(void **state) {
    struct world *w = *state;
    wire.receive_maximum = 20;
    for (int i = 0; i < 15; i++) {
        start(w, "/api/status");
    }
    (void)ask_send(w->hosts[0], NULL);
    assert_int_equal(wire.count, 10);
    assert_true(ask_published(w->hosts[0], 1, 0));
    (void)ask_send(w->hosts[0], NULL);
    assert_int_equal(wire.count, 11);
}

static void nobody_waits_for_a_cancelled_request(void **state) {
    struct world *w = *state;
    const struct gateway_words words = {.method = "GET", .path = "/api/status"};
    uint64_t id = 0;
    struct report r = {""};
    assert_int_equal(ask_start(w->hosts[0], 2, &words, w, on_end, &id, &r), 0);
    ask_cancel(w->hosts[0], id);
    ask_cancel(w->hosts[0], id);
    settle(w);
    let_time_pass(w);
    assert_int_equal(w->ends, 0);
    assert_int_equal(wire.count, 0);
}

static void strangers_messages_do_no_harm(void **state) {
    struct world *w = *state;
    w->keep = true;
    struct message *message = a_request(w);
    assert_true(deliver(w, message, true)); /* retained */
    ask_work(w->hosts[1]);
    assert_int_equal(w->kept_count, 0);
    static const char *const topics[] = {"", "zingq/answer/default/3", "zingq/answer/other/1",
                                         "zingq/answer/default/01", "bank/transfer"};
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        (void)snprintf(message->response_topic, sizeof message->response_topic, "%s", topics[i]);
        assert_true(deliver(w, message, false));
    }
    (void)snprintf(message->response_topic, sizeof message->response_topic,
                   "zingq/answer/default/1");
    message->correlation_len = CORRELATION_BYTES - 1;
    assert_true(deliver(w, message, false));
    ask_work(w->hosts[1]);
    assert_int_equal(w->kept_count, 0);
    message->correlation_len = CORRELATION_BYTES;
    buf_reset(&message->payload);
    buf_add_str(&message->payload, "rubbish");
    assert_true(deliver(w, message, false));
    ask_work(w->hosts[1]);
    settle(w);
    assert_int_equal(w->kept_count, 0);
    assert_int_equal(w->ends, 1); /* it named a request of ours, so we are told */
    assert_int_equal(w->status, 501);
}

static void a_spoiled_answer_ends_the_request_in_words(void **state) {
    struct world *w = *state;
    struct message *message = a_request(w);
    (void)snprintf(message->topic, sizeof message->topic, "zingq/answer/default/1");
    assert_true(deliver(w, message, false)); /* a request where an answer belongs */
    ask_work(w->hosts[0]);
    assert_int_equal(w->end, ASK_SILENT);
    assert_non_null(strstr(w->text, "cannot be read"));
}

static void a_broker_that_hangs_up_is_left_alone_for_a_while(void **state) {
    struct world *w = *state;
    for (int i = 0; i < 5; i++) {
        (void)ask_send(w->hosts[0], NULL);
        ask_down(w->hosts[0]);
        ask_up(w->hosts[0]);
    }
    assert_int_equal(wire.watched, 2 * ASK_BEATEN_MAX);
    w->loop.time += ASK_REST_MS;
    (void)ask_send(w->hosts[0], NULL);
    assert_int_equal(wire.watched, 2 * ASK_BEATEN_MAX + 2);
}

static void what_is_under_way_is_forgotten_at_the_end(void **state) {
    struct world *w = *state;
    w->keep = true;
    start(w, "/api/status");
    settle(w);
    start(w, "/api/status");
    assert_int_equal(w->kept_count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_answered_by_the_other_host),
        TEST(a_silent_host_is_told_after_the_deadline_and_its_late_answer_is_nobodys),
        TEST(what_did_not_leave_is_told_apart_and_never_leaves),
        TEST(a_host_that_is_not_connected_is_known_at_once),
        TEST(a_host_whose_presence_is_gone_is_not_asked),
        TEST(a_broker_that_refuses_is_named),
        TEST(an_answer_that_is_too_large_is_an_error_and_not_silence),
        TEST(an_answer_larger_than_the_brokers_packets_is_an_error_too),
        TEST(a_request_that_is_too_large_is_refused_at_once),
        TEST(requests_under_way_have_a_limit),
        TEST(a_host_that_is_asked_too_much_says_so),
        TEST(a_request_that_comes_again_is_served_once),
        TEST(a_request_recorded_before_a_restart_is_not_served),
        TEST(who_asks_learns_the_new_ticket_and_asks_again),
        TEST(when_too_many_are_remembered_all_need_a_new_ticket),
        TEST(a_host_that_always_has_another_ticket_is_given_up),
        TEST(half_of_the_brokers_window_is_left_to_others),
        TEST(nobody_waits_for_a_cancelled_request),
        TEST(strangers_messages_do_no_harm),
        TEST(a_spoiled_answer_ends_the_request_in_words),
        TEST(a_broker_that_hangs_up_is_left_alone_for_a_while),
        TEST(what_is_under_way_is_forgotten_at_the_end),
    };
    return cmocka_run_group_tests_name("ask", tests, NULL, NULL);
}
