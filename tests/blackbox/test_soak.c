/*
 * test_soak.c - brokers that come and go under load: the host is never over, and everything it
 * accepted comes out once. ZINGQ_SOAK_S in the environment is how long the broker closes at random;
 * a few seconds by default, an hour with `./dev soak`.
 *
 * ctest: long disk label=torture timeout=300
 */
#include "chance.h"

#include "base/json.h"
#include "relay.h"
#include "stage.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOAK_S = 15, RESTARTS = 50, MOMENT_MS = 400, AT_ONCE = 10, SETTLE_S = 120 };

/* Two services, so that what one publishes is handed to the next inside the host as well as sent;
 * the second also writes a line, which no broker can double. Not shared: Mosquitto 2.0 restores a
 * shared subscription only when its member comes back, and loses what is published before. */
static const char conf[] =
    "service \"first\" { subscribe = {\"in/+\"} handler = \"first.lua\"\n"
    "  key = \"json:/key\" idempotency = \"json:/id\" share = no }\n"
    "service \"second\" { subscribe = {\"mid/+\"} handler = \"second.lua\" key = \"json:/key\" }\n";

static void play(struct stage *s) {
    stage_conf(s, &s->host, conf);
    program_file(&s->host, "scripts/first.lua",
                 "return function(event) zing.publish('mid/' .. event.key, event.payload) end\n");
    program_file(&s->host, "scripts/second.lua", LUA(play));
    program_start(&s->host);
}

static void publish(struct stage *s, int count, int *sent) {
    for (int i = 0; i < count; i++) {
        char topic[32];
        char payload[64];
        (void)snprintf(topic, sizeof topic, "in/k%d", *sent % 7);
        (void)snprintf(payload, sizeof payload, "{\"id\":\"m%d\",\"key\":\"k%d\"}", *sent,
                       *sent % 7);
        peer_publish(&s->publisher, topic, payload, NULL);
        ++*sent;
    }
}

/* m0 to m<count - 1> stand in the file, each once, and those of one key in order. */
static void assert_lines(const struct stage *s, int count) {
    char *text = program_read(&s->host, "data/files/lines");
    int last[7] = {-1, -1, -1, -1, -1, -1, -1};
    int lines = 0;
    for (const char *line = text; *line != '\0'; lines++) {
        assert_int_equal(*line, 'm');
        int number = (int)strtol(line + 1, NULL, 10);
        assert_int_equal(number, last[number % 7] < 0 ? number % 7 : last[number % 7] + 7);
        last[number % 7] = number;
        line += strcspn(line, "\n");
        line += *line == '\n' ? 1 : 0;
    }
    free(text);
    assert_int_equal(lines, count);
}

/* Every payload came, under one zingq-id each: a publish may come twice, but never as two. */
static void assert_out_once(struct stage *s, int count) {
    json_t *ids = json_object();
    for (size_t i = 0; i < peer_count(&s->observer); i++) {
        const struct note *note = peer_note(&s->observer, i);
        const char *id = note_property(note, "zingq-id");
        const char *known = json_string_value(json_object_get(ids, note->payload));
        assert_true(known == NULL || strcmp(known, id) == 0);
        assert_int_equal(json_object_set_new(ids, note->payload, json_string(id)), 0);
    }
    assert_int_equal(json_object_size(ids), count);
    json_decref(ids);
}

static void assert_all_came_out_once(struct stage *s, int sent) {
    WAIT_LONG(s, program_service(&s->host, "first", "done") == sent, SETTLE_S);
    WAIT_LONG(s, program_service(&s->host, "second", "done") == sent, SETTLE_S);
    WAIT_LONG(s, program_engine(&s->host, "outbox") == 0, SETTLE_S);
    WAIT_LONG(s, (int)peer_distinct(&s->observer) == sent, SETTLE_S);
    assert_lines(s, sent);
    assert_out_once(s, sent);
    assert_int_equal(program_engine(&s->host, "waiting"), 0);
    assert_int_equal(program_engine(&s->host, "outbox_refused"), 0);
}

static void a_broker_restarted_fifty_times_under_load_costs_nothing(void **state) {
    struct stage *s = *state;
    struct chance chance = chance_of_run();
    int sent = 0;
    broker_stop(&s->broker);
    broker_start(&s->broker, STAGE_BROKER_KEEPS);
    play(s);
    stage_peers(s, "out/#");
    pid_t pid = s->host.pid;

    for (int i = 0; i < RESTARTS; i++) {
        publish(s, AT_ONCE, &sent);
        if (i % 10 == 0) {
            WAIT_FOR(s, program_ready(&s->host));
        }
        publish(s, AT_ONCE, &sent);
        for (struct wait w = wait_of_ms((int64_t)chance_next(&chance, MOMENT_MS)); wait_more(&w);) {
        }
        broker_stop(&s->broker);
        publish(s, AT_ONCE, &sent);
        broker_start(&s->broker, STAGE_BROKER_KEEPS);
    }

    assert_all_came_out_once(s, sent);
    assert_int_equal(program_says(&s->host, "the broker has lost our session"), 0);
    assert_int_equal(s->host.pid, pid);
    assert_int_equal(program_stop(&s->host), 0);
}

static int64_t soak_ms(void) {
    const char *wish = getenv("ZINGQ_SOAK_S");
    long seconds = wish == NULL ? SOAK_S : strtol(wish, NULL, 10);
    return (seconds > 0 ? seconds : SOAK_S) * 1000;
}

/* The host is at a relay that tears its connections; publisher and observer are at the broker
 * itself, so that what is missing or doubled in the end is the host's doing. */
static void a_broker_that_closes_at_random_costs_nothing(void **state) {
    struct stage *s = *state;
    int sent = 0;
    uint16_t port = 0;
    uint16_t broker_port = s->broker.port;
    struct relay *relay = relay_new(broker_port, 1, &port);
    (void)snprintf(s->broker.url, sizeof s->broker.url, "mqtt://127.0.0.1:%u", port);
    play(s);
    stage_peers(s, "out/#");

    relay_cut(relay, 100, 5000);
    for (struct wait w = wait_of_ms(soak_ms()); wait_more(&w);) {
        publish(s, AT_ONCE, &sent);
    }
    relay_cut(relay, 0, 0);

    assert_all_came_out_once(s, sent);
    print_message("%zu cuts, %zu connections, %d messages, %lld connects of the host\n",
                  relay_cuts(relay), relay_connections(relay), sent,
                  (long long)program_host(&s->host, "connects"));
    assert_int_equal(program_stop(&s->host), 0);
    relay_free(relay);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_STAGE(a_broker_restarted_fifty_times_under_load_costs_nothing),
        TEST_ON_STAGE(a_broker_that_closes_at_random_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
