/*
 * test_crash.c - kill -9 at random moments under load: every message the publisher saw acknowledged
 * is handled, its effects happen once, and the books agree.
 *
 * ctest: disk label=torture timeout=240
 */
#include "chance.h"

#include "base/json.h"
#include "stage.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KILLS = 20, BATCH = 400, KEYS = 13, MESSAGES = KILLS * BATCH };

/* The first service counts, and hands on through local delivery; the second counts again, lets
 * every fifth event fail once, and tells. Both counters must come out without a gap. */
static const char conf[] = "service \"count\" { subscribe = {\"in/#\"} handler = \"count.lua\"\n"
                           "  key = \"json:/key\" idempotency = \"json:/id\" crashes = 0 }\n"
                           "service \"tell\" { subscribe = {\"mid/#\"} handler = \"tell.lua\"\n"
                           "  key = \"json:/key\" delay = \"20ms\" crashes = 0 }\n";
static void publish_batch(struct stage *s, int batch) {
    for (int i = batch * BATCH; i < (batch + 1) * BATCH; i++) {
        char payload[64];
        (void)snprintf(payload, sizeof payload, "{\"id\":\"m%d\",\"key\":\"k%d\"}", i, i % KEYS);
        peer_publish(&s->publisher, "in/x", payload, NULL);
    }
}

/* One publish of the second service, which may have come more than once under its id. */
static void note_end(const struct note *n, json_t *by_message, json_t *counters) {
    json_t *told = json_read(slice_of(n->payload), "text", NULL);
    assert_non_null(told);
    const char *id = note_property(n, "zingq-id");
    const char *message = json_string_value(json_object_get(told, "id"));
    const char *earlier = json_string_value(json_object_get(by_message, message));
    if (earlier != NULL) {
        assert_string_equal(earlier, id); /* the same publish again, not another one */
        json_decref(told);
        return;
    }
    (void)json_object_set_new(by_message, message, json_string(id));
    for (const char *counter = "nm"; *counter != '\0'; counter++) {
        const char name[2] = {*counter, '\0'};
        char value[64];
        (void)snprintf(value, sizeof value, "%s %c %lld",
                       json_string_value(json_object_get(told, "key")), *counter,
                       (long long)json_integer_value(json_object_get(told, name)));
        assert_null(json_object_get(counters, value)); /* no value is counted twice */
        (void)json_object_set_new(counters, value, json_true());
    }
    json_decref(told);
}

/* Each key has MESSAGES / KEYS messages, and its counters went through every value up to there. */
static void assert_counters(const json_t *counters) {
    for (int key = 0; key < KEYS; key++) {
        int count = MESSAGES / KEYS + (key < MESSAGES % KEYS ? 1 : 0);
        for (int value = 1; value <= count; value++) {
            char n[64];
            char m[64];
            (void)snprintf(n, sizeof n, "k%d n %d", key, value);
            (void)snprintf(m, sizeof m, "k%d m %d", key, value);
            assert_non_null(json_object_get(counters, n));
            assert_non_null(json_object_get(counters, m));
        }
    }
}

static void assert_each_once(struct stage *s) {
    json_t *by_message = json_object();
    json_t *counters = json_object();
    const struct note *n;
    for (size_t i = 0; (n = peer_note(&s->observer, i)) != NULL; i++) {
        note_end(n, by_message, counters);
    }
    assert_int_equal(json_object_size(by_message), MESSAGES);
    assert_counters(counters);
    json_decref(by_message);
    json_decref(counters);
}

static void assert_books(struct stage *s, const char *service) {
    int64_t accepted = program_service(&s->host, service, "accepted");
    int64_t ends = program_service(&s->host, service, "done") +
                   program_service(&s->host, service, "dead") +
                   program_service(&s->host, service, "duplicates");
    assert_int_equal(accepted, ends);
    assert_int_equal(program_service(&s->host, service, "done"), MESSAGES);
    assert_int_equal(program_service(&s->host, service, "waiting"), 0);
}

static void a_kill_at_any_moment_loses_nothing_and_repeats_nothing(void **state) {
    struct stage *s = *state;
    struct chance chance = chance_of_run();
    int in_mid_load = 0;
    program_file(&s->host, "scripts/tell.lua", LUA(tell_script));
    stage_play(s, conf, "scripts/count.lua", LUA(count_script));
    stage_peers(s, "end/#");

    for (int kill = 0; kill < KILLS; kill++) {
        publish_batch(s, kill);
        size_t seen = peer_count(&s->observer);
        size_t progress = chance_next(&chance, BATCH * 2);
        /* Either so many results have come, or all there are: the moment is as good as another. */
        struct wait w = wait_of(2);
        while (peer_count(&s->observer) < seen + progress && wait_more(&w) &&
               peer_distinct(&s->observer) < (size_t)(kill + 1) * BATCH) {
        }
        in_mid_load += peer_distinct(&s->observer) < (size_t)(kill + 1) * BATCH ? 1 : 0;
        program_kill(&s->host);
        if (chance_next(&chance, 4) == 0) { /* and sometimes again on its way up */
            program_launch(&s->host);
            struct wait up = wait_of(1);
            for (uint64_t looks = chance_next(&chance, 8); looks > 0; looks--) {
                (void)wait_more(&up);
            }
            program_kill(&s->host);
        }
        program_start(&s->host);
    }
    peer_flush(&s->publisher);
    print_message("%d of %d kills came with work under way\n", in_mid_load, KILLS);

    WAIT_FOR(s, peer_distinct(&s->observer) >= MESSAGES);
    WAIT_FOR(s,
             program_engine(&s->host, "waiting") == 0 && program_engine(&s->host, "outbox") == 0);
    assert_each_once(s);
    assert_books(s, "count");
    assert_books(s, "tell");
    assert_true(in_mid_load > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_STAGE(a_kill_at_any_moment_loses_nothing_and_repeats_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
