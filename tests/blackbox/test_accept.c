/*
 * test_accept.c - what comes from the broker is on disk before it is acknowledged, and is handled
 * once: QoS 1 of MQTT 5 and 3.1.1, QoS 0, retained messages, duplicates by each of their names.
 */
#include "stage.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char count_conf[] = "service \"count\" {\n"
                                 "  subscribe = {\"in/#\"}\n"
                                 "  handler = \"count.lua\"\n"
                                 "  key = \"json:/key\"\n"
                                 "  idempotency = \"json:/id\"\n"
                                 "}\n";

static void play_count(struct stage *s) {
    stage_play(s, count_conf, "scripts/count.lua", LUA(count_script));
    stage_peers(s, "out/#");
}

static void publish_numbered(struct stage *s, int first, int last) {
    for (int i = first; i < last; i++) {
        char payload[64];
        (void)snprintf(payload, sizeof payload, "{\"id\":\"m%d\",\"key\":\"k%d\"}", i, i % 7);
        peer_publish(&s->publisher, "in/x", payload, NULL);
    }
}

static void a_message_is_handled_and_its_publish_leaves(void **state) {
    struct stage *s = *state;
    play_count(s);

    publish_numbered(s, 0, 1);

    WAIT_FOR(s, peer_count(&s->observer) == 1);
    const struct note *n = peer_note(&s->observer, 0);
    assert_string_equal(n->topic, "out/m0");
    assert_string_equal(n->payload, "{\"attempt\":1,\"key\":\"k0\",\"n\":1}");
    assert_int_equal(strlen(note_property(n, "zingq-id")), 36);
    assert_int_equal(strlen(note_property(n, "zingq-cause")), 36);
}

/* What the broker was told is ours must be ours after any end: the broker keeps nothing back. */
static void what_is_acknowledged_outlives_the_kill(void **state) {
    struct stage *s = *state;
    enum { MESSAGES = 3000 };
    play_count(s);

    publish_numbered(s, 0, MESSAGES);
    WAIT_FOR(s, peer_count(&s->observer) > MESSAGES / 10);
    program_kill(&s->host);
    program_start(&s->host);
    peer_flush(&s->publisher);

    WAIT_FOR(s, peer_distinct(&s->observer) >= MESSAGES);
    WAIT_FOR(s, program_engine(&s->host, "waiting") == 0);
    assert_int_equal(program_service(&s->host, "count", "done"), MESSAGES);
    assert_int_equal(program_service(&s->host, "count", "dead"), 0);
    assert_int_equal(peer_distinct(&s->observer), MESSAGES);
}

static void a_publisher_of_mqtt_3_1_1_gets_key_and_idempotency_from_the_payload(void **state) {
    struct stage *s = *state;
    struct peer *old = &s->publisher;
    stage_play(s, count_conf, "scripts/count.lua", LUA(count_script));
    peer_start(&s->observer, s->broker.port, "observer", PEER_MQTT5, "out/#");
    peer_start(old, s->broker.port, "old", PEER_MQTT311, NULL);

    peer_publish(old, "in/x", "{\"id\":\"a\",\"key\":\"k\"}", NULL);
    peer_publish(old, "in/x", "{\"id\":\"a\",\"key\":\"k\"}", NULL);
    peer_publish(old, "in/x", "{\"id\":\"b\",\"key\":\"k\"}", NULL);

    WAIT_FOR(s, program_service(&s->host, "count", "accepted") == 3);
    WAIT_FOR(s, peer_count(&s->observer) == 2);
    assert_int_equal(program_service(&s->host, "count", "duplicates"), 1);
    assert_string_equal(peer_find(&s->observer, "out/b")->payload,
                        "{\"attempt\":1,\"key\":\"k\",\"n\":2}");
}

static void a_duplicate_is_known_by_rule_and_id_whatever_its_publisher_says(void **state) {
    struct stage *s = *state;
    static const char id[] = "0192a3b4-c5d6-7e8f-8a9b-0c1d2e3f4a5b";
    static const struct letter letters[] = {
        {.topic = "in/a", .payload = "{\"id\":1,\"key\":1}"},
        {.topic = "in/a", .payload = "{\"id\":1,\"key\":1,\"again\":true}"}, /* the rule: twice */
        {.topic = "in/b", .payload = "{\"id\":1,\"key\":1}"},                /* another topic */
        {"in/a", "{\"id\":2,\"key\":1}", 0, "idempotency-key", "x", false, false},
        {"in/a", "{\"id\":2,\"key\":1}", 0, "idempotency-key", "y", false, false}, /* the rule */
        {"by-id/a", "1", 0, "zingq-id", id, false, false},
        {"by-id/b", "2", 0, "zingq-id", id, false, false}, /* twice, wherever it goes */
    };
    static const char by_id[] = "service \"by-id\" { subscribe = {\"by-id/#\"}\n"
                                "  handler = \"by_id.lua\" }\n";
    char conf[1024];
    (void)snprintf(conf, sizeof conf, "%s%s", count_conf, by_id);
    program_file(&s->host, "scripts/by_id.lua", "return function() end\n");
    stage_play(s, conf, "scripts/count.lua", LUA(count_script));
    stage_peers(s, "out/#");

    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++) {
        peer_send(&s->publisher, &letters[i]);
    }

    WAIT_FOR(s, program_service(&s->host, "count", "accepted") == 5);
    WAIT_FOR(s, program_service(&s->host, "by-id", "accepted") == 2);
    WAIT_FOR(s, program_engine(&s->host, "waiting") == 0);
    assert_int_equal(program_service(&s->host, "count", "duplicates"), 2);
    assert_int_equal(program_service(&s->host, "count", "done"), 3);
    assert_int_equal(program_service(&s->host, "by-id", "duplicates"), 1);
}

static void duplicates_are_known_after_a_restart(void **state) {
    struct stage *s = *state;
    play_count(s);

    publish_numbered(s, 0, 20);
    WAIT_FOR(s, program_service(&s->host, "count", "done") == 20);
    program_kill(&s->host);
    program_start(&s->host);
    publish_numbered(s, 0, 21);

    WAIT_FOR(s, program_service(&s->host, "count", "accepted") == 41);
    assert_int_equal(program_service(&s->host, "count", "duplicates"), 20);
    WAIT_FOR(s, program_service(&s->host, "count", "done") == 21);
}

static void qos_0_is_handled_counted_and_warned_of_once_a_topic(void **state) {
    struct stage *s = *state;
    play_count(s);

    for (int i = 0; i < 4; i++) {
        char payload[64];
        (void)snprintf(payload, sizeof payload, "{\"id\":%d,\"key\":1}", i);
        const struct letter letter = {
            .topic = i < 3 ? "in/once" : "in/twice", .payload = payload, .at_most_once = true};
        peer_send(&s->publisher, &letter);
    }

    WAIT_FOR(s, program_service(&s->host, "count", "done") == 4);
    assert_int_equal(program_engine(&s->host, "qos0"), 4);
    assert_int_equal(program_says(&s->host, "topic in/once is published with QoS 0"), 1);
    assert_int_equal(program_says(&s->host, "topic in/twice is published with QoS 0"), 1);
}

/* A retained message belongs to whoever subscribes: a group must not work it off again at every
 * start, a broadcast service takes it once. */
static void a_retained_message_goes_to_broadcast_services_once(void **state) {
    struct stage *s = *state;
    static const char conf[] = "service \"shared\" { subscribe = {\"conf/+\"}\n"
                               "  handler = \"note.lua\" }\n"
                               "service \"everyone\" { subscribe = {\"conf/+\"}\n"
                               "  handler = \"note.lua\" share = no }\n";
    const struct letter retained = {.topic = "conf/a", .payload = "kept", .retain = true};
    peer_start(&s->publisher, s->broker.port, "publisher", PEER_MQTT5, NULL);
    peer_send(&s->publisher, &retained);
    peer_flush(&s->publisher);

    stage_play(s, conf, "scripts/note.lua", "return function() end\n");
    WAIT_FOR(s, program_service(&s->host, "everyone", "done") == 1);
    assert_int_equal(program_stop(&s->host), 0);
    program_start(&s->host);
    peer_publish(&s->publisher, "conf/b", "live", NULL);

    WAIT_FOR(s, program_service(&s->host, "everyone", "done") == 2);
    WAIT_FOR(s, program_service(&s->host, "shared", "done") == 1);
    assert_int_equal(program_service(&s->host, "everyone", "accepted"), 2);
    assert_int_equal(program_service(&s->host, "shared", "accepted"), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_STAGE(a_message_is_handled_and_its_publish_leaves),
        TEST_ON_STAGE(what_is_acknowledged_outlives_the_kill),
        TEST_ON_STAGE(a_publisher_of_mqtt_3_1_1_gets_key_and_idempotency_from_the_payload),
        TEST_ON_STAGE(a_duplicate_is_known_by_rule_and_id_whatever_its_publisher_says),
        TEST_ON_STAGE(duplicates_are_known_after_a_restart),
        TEST_ON_STAGE(qos_0_is_handled_counted_and_warned_of_once_a_topic),
        TEST_ON_STAGE(a_retained_message_goes_to_broadcast_services_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
