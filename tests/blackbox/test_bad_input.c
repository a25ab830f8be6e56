/*
 * test_bad_input.c - payloads nobody can read and handlers that never should have been: each ends
 * as a dead letter that says why, and meanwhile everybody else is served.
 */
#include "stage.h"
#include "script.h"
#include "test.h"

#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char conf[] = "limits { lua_memory = \"16MiB\" lua_time = \"100ms\" }\n"
                           "service \"work\" {\n"
                           "  subscribe = {\"work/#\"}\n"
                           "  handler = \"work.lua\"\n"
                           "  key = \"json:/key\"\n"
                           "  retries = 1 delay = \"1ms\" jitter = 0\n"
                           "}\n";

static void play(struct stage *s) {
    stage_play(s, conf, "scripts/work.lua", LUA(script));
    peer_start(&s->publisher, s->broker.port, "publisher", PEER_MQTT5, NULL);
    peer_start(&s->observer, s->broker.port, "observer", PEER_MQTT5, "#");
}

/* The announced dead letter that came from this topic, or NULL. */
static const struct note *dead_letter_of(struct stage *s, const char *topic) {
    const struct note *n;
    for (size_t i = 0; (n = peer_note(&s->observer, i)) != NULL; i++) {
        if (strcmp(n->topic, "zingq/dlq/work") == 0 &&
            strcmp(note_property(n, "zingq-topic"), topic) == 0) {
            return n;
        }
    }
    return NULL;
}

/* What a bad message ends as. */
struct fate {
    const char *topic, *payload;
    const char *attempts;
    const char *reason; /* a part of it */
};

static void assert_fate(struct stage *s, const struct fate *fate) {
    WAIT_FOR(s, dead_letter_of(s, fate->topic) != NULL);
    const struct note *n = dead_letter_of(s, fate->topic);
    const char *reason = note_property(n, "zingq-reason");
    if (strstr(reason, fate->reason) == NULL) {
        print_error("%s died of: %s\n", fate->topic, reason);
        fail();
    }
    size_t kept = strlen(fate->payload);
    kept = kept < DEAD_PAYLOAD_BYTES_MAX ? kept : DEAD_PAYLOAD_BYTES_MAX;
    assert_int_equal(strlen(n->payload), kept);
    assert_memory_equal(n->payload, fate->payload, kept);
    assert_string_equal(note_property(n, "zingq-attempts"), fate->attempts);
    assert_int_equal(strlen(note_property(n, "zingq-id")), 36);
}

static void assert_fates(struct stage *s, const struct fate *fates, size_t count) {
    for (size_t i = 0; i < count; i++) {
        peer_publish(&s->publisher, fates[i].topic, fates[i].payload, NULL);
        peer_publish(&s->publisher, "work/good", "{\"key\":\"same\"}", NULL);
    }
    for (size_t i = 0; i < count; i++) {
        assert_fate(s, &fates[i]);
    }
    WAIT_FOR(s, program_engine(&s->host, "waiting") == 0);
    assert_int_equal(program_service(&s->host, "work", "dead"), count);
    assert_int_equal(program_service(&s->host, "work", "done"), count);
    assert_int_equal(program_service(&s->host, "work", "accepted"), 2 * count);
}

#define ASSERT_FATES(s, fates) assert_fates(s, fates, sizeof(fates) / sizeof(*(fates)))

static void a_payload_that_cannot_be_read_is_dead_at_once(void **state) {
    struct stage *s = *state;
    static const struct fate fates[] = {
        {"work/a", "{\"key\": ", "0", "JSON"},
        {"work/b", "", "0", "JSON"},
        {"work/c", "\xff\xfe{}", "0", "JSON"},
        {"work/d", "{\"key\":1,}", "0", "JSON"},
        {"work/e", "{\"other\":1}", "0", "/key"},
        {"work/f", "[]", "0", "/key"},
        {"work/g", "{\"key\":{}}", "0", "/key"},
        {"work/unknown", "{\"key\":1}", "1", "work/unknown"},
    };
    play(s);
    ASSERT_FATES(s, fates);
}

static void a_payload_past_the_limit_is_dead_and_its_beginning_is_kept(void **state) {
    struct stage *s = *state;
    const size_t len = 1 << 20;
    char *payload = malloc(len + 1);
    assert_non_null(payload);
    memset(payload, 'x', len);
    payload[len] = '\0';
    memcpy(payload, "{\"key\":1,\"x\":\"", 14);
    memcpy(payload + len - 2, "\"}", 2);
    const struct fate fates[] = {{"work/good", payload, "0", "1048576"}};
    play(s);

    ASSERT_FATES(s, fates);
    const struct note *letter = dead_letter_of(s, "work/good");
    assert_non_null(strstr(note_property(letter, "zingq-reason"), "limits.payload is 262144"));
    assert_string_equal(note_property(letter, "zingq-cut"), "1048576");
    free(payload);
}

static void a_handler_that_fails_is_tried_again_and_dead_with_its_error(void **state) {
    struct stage *s = *state;
    static const struct fate fates[] = {
        {"work/table", "{\"key\":1}", "2", "no luck"},
        {"work/nil", "{\"key\":2}", "2", "nil"},
        {"work/coroutine", "{\"key\":3}", "2", "deep down"},
        {"work/wrap", "{\"key\":4}", "2", "arithmetic on a nil value"},
        {"work/yield", "{\"key\":5}", "2", "coroutine"},
        {"work/recursion", "{\"key\":6}", "2", "16 MiB of memory"},
        {"work/global", "{\"key\":7}", "2", "undeclared global 'oops'"},
        {"work/publish", "{\"key\":8}", "2", "zing.publish"},
        {"work/property", "{\"key\":9}", "2", "control characters"},
        {"work/binary", "{\"key\":10}", "2", " ? !"},
        {"work/reject", "{\"key\":11}", "1", "not for us"},
    };
    play(s);
    ASSERT_FATES(s, fates);
}

static void a_handler_without_end_is_stopped(void **state) {
    struct stage *s = *state;
    static const struct fate fates[] = {
        {"work/loop", "{\"key\":1}", "2", "100 ms of CPU time"},
        {"work/guarded-loop", "{\"key\":2}", "2", "100 ms of CPU time"},
        {"work/hoard", "{\"key\":3}", "2", "16 MiB of memory"},
        {"work/long-string", "{\"key\":4}", "2", "16 MiB of memory"},
    };
    play(s);
    ASSERT_FATES(s, fates);
    assert_true(program_resident(&s->host) < (uint64_t)64 << 20);
}

/* A failing key waits for its next try; its neighbours do not. */
static void other_keys_are_served_while_one_is_retried(void **state) {
    struct stage *s = *state;
    static const char slow_conf[] = "service \"work\" { subscribe = {\"work/#\"}\n"
                                    "  handler = \"work.lua\" key = \"json:/key\"\n"
                                    "  retries = 5 delay = \"10m\" max_delay = \"10m\" }\n";
    stage_play(s, slow_conf, "scripts/work.lua", LUA(script));
    stage_peers(s, "good/#");

    peer_publish(&s->publisher, "work/table", "{\"key\":\"bad\"}", NULL);
    peer_publish(&s->publisher, "work/good", "{\"key\":\"bad\"}", NULL); /* behind it */
    peer_publish(&s->publisher, "work/good", "{\"key\":\"fine\"}", NULL);
    WAIT_FOR(s, peer_find(&s->observer, "good/fine") != NULL);
    WAIT_FOR(s, program_service(&s->host, "work", "retries") == 1);
    peer_publish(&s->publisher, "work/good", "{\"key\":\"fine\"}", NULL);
    WAIT_FOR(s, peer_count(&s->observer) == 2);

    assert_null(peer_find(&s->observer, "good/bad"));
    assert_int_equal(program_service(&s->host, "work", "waiting"), 2);
}

static void a_call_that_takes_too_long_is_timed_out(void **state) {
    struct stage *s = *state;
    static const char waits[] = "service \"work\" { subscribe = {\"work/#\"}\n"
                                "  handler = \"work.lua\" retries = 0 timeout = \"200ms\" }\n";
    static const char calls[] = "return function(event) zing.http.get(event.payload) end\n";
    char silent[64];
    char sentence[] = "timed out: the attempt took longer than 200 ms";
    uint16_t port = 0;
    s->silent = silent_new(NULL, 0, &port);
    (void)snprintf(silent, sizeof silent, "http://127.0.0.1:%u/", port);
    const struct fate fates[] = {{"work/call", silent, "1", sentence}};
    stage_play(s, waits, "scripts/work.lua", calls);
    stage_peers(s, "zingq/dlq/#");

    peer_publish(&s->publisher, fates[0].topic, fates[0].payload, NULL);
    assert_fate(s, &fates[0]);
    assert_int_equal(program_service(&s->host, "work", "timeouts"), 1);
}

/* The alternative to a growing ring: events that cause one another end after 32. */
static void a_loop_of_events_is_cut(void **state) {
    struct stage *s = *state;
    static const char around_conf[] = "service \"work\" { subscribe = {\"work/#\"}\n"
                                      "  handler = \"work.lua\" }\n";
    static const char around[] = "return function(event) zing.publish('work/again', 'x') end\n";
    stage_play(s, around_conf, "scripts/work.lua", around);
    stage_peers(s, "none");

    peer_publish(&s->publisher, "work/start", "x", NULL);

    WAIT_FOR(s, program_service(&s->host, "work", "dead") == 1);
    WAIT_FOR(s, program_engine(&s->host, "waiting") == 0);
    assert_int_equal(program_service(&s->host, "work", "done"), 33);
    assert_int_equal(program_says(&s->host, "a loop"), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_STAGE(a_payload_that_cannot_be_read_is_dead_at_once),
        TEST_ON_STAGE(a_payload_past_the_limit_is_dead_and_its_beginning_is_kept),
        TEST_ON_STAGE(a_handler_that_fails_is_tried_again_and_dead_with_its_error),
        TEST_ON_STAGE(a_handler_without_end_is_stopped),
        TEST_ON_STAGE(other_keys_are_served_while_one_is_retried),
        TEST_ON_STAGE(a_call_that_takes_too_long_is_timed_out),
        TEST_ON_STAGE(a_loop_of_events_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
