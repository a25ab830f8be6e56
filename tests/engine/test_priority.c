/*
 * test_priority.c - priorities of events: by a rule or a property, with a backlog larger than memory,
 * over crashes, replays, edits and moves.
 */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RANKED(options)                                                                            \
    "service \"s\" { subscribe = {\"s/+\"} handler = \"h.lua\" priority = \"json:/p\" " options    \
    " }\n"
#define PLAIN(options) "service \"s\" { subscribe = {\"s/+\"} handler = \"h.lua\" " options " }\n"
#define ONE_AT_A_TIME "order = none concurrency = 1"

enum { MANY = 3 * SERVICE_WINDOW_MAX };

static const char REPORTS[] = "return function(e) zing.publish('out', e.payload) end";

static void hold(struct engine_fixture *f, bool held) {
    struct command c = {.kind = held ? COMMAND_PAUSE : COMMAND_RESUME, .service = slice_of("s")};
    assert_int_equal(command(f, c), 0);
}

/* Without a turn. */
static void resume_soon(struct engine_fixture *f) {
    static struct command c;
    c = (struct command){.kind = COMMAND_RESUME, .service = slice_of("s")};
    engine_submit(f->engine, &c);
}

static void start_held(struct engine_fixture *f, const char *conf) {
    f->unchecked = f->unlogged = true;
    fixture_run(f, conf, REPORTS);
    hold(f, true);
}

static void offer_text(struct engine_fixture *f, const char *payload) {
    offer(f, "s", "s/x", payload, NULL);
}

static void offer_ranked(struct engine_fixture *f, int priority, const char *key, int n) {
    char payload[128];
    (void)snprintf(payload, sizeof payload, "{\"p\":%d,\"key\":\"%s\",\"n\":%d}", priority, key, n);
    offer_text(f, payload);
}

static int number_in(const struct published *p, const char *name) {
    char before[16];
    (void)snprintf(before, sizeof before, "\"%s\":", name);
    const char *at = strstr(p->payload, before);
    assert_non_null(at);
    return (int)strtol(at + strlen(before), NULL, 10);
}

static void assert_all_done(struct engine_fixture *f, uint64_t count) {
    run_dry(f);
    acknowledge(f);
    run_dry(f);
    engine_check(f);
    assert_int_equal(service_status(f, "s").books.done, count);
    assert_int_equal(count_published(f, "out"), count);
    assert_int_equal(count_rows(f, TABLE_TENANT), 0);
    assert_int_equal(count_rows(f, TABLE_LANE), 0);
    assert_int_equal(count_rows(f, TABLE_READY), 0);
}

/* --- the order --- */

static void the_rule_or_the_property_says_who_goes_first(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    start_held(f, RANKED(ONE_AT_A_TIME));
    offer_text(f, "{\"p\":0}");
    offer_text(f, "{\"p\":\"7\"}");
    offer_text(f, "{}");
    offer_text(f, "{\"p\":9}");
    offer(f, "s", "s/x", "{\"p\":1}", "zingq-priority", "8", NULL);
    run_dry(f);
    hold(f, false);
    assert_string_equal(payloads(f, "out", out, sizeof out),
                        "{\"p\":9} {\"p\":1} {\"p\":\"7\"} {} {\"p\":0}");
}

static void the_property_needs_no_rule(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    start_held(f, PLAIN(ONE_AT_A_TIME));
    offer_text(f, "1");
    offer(f, "s", "s/x", "2", "zingq-priority", "3", NULL);
    offer(f, "s", "s/x", "3", "zingq-priority", "5", NULL);
    run_dry(f);
    hold(f, false);
    assert_string_equal(payloads(f, "out", out, sizeof out), "3 1 2");
}

static void what_is_no_priority_counts_as_the_default_and_is_told(void **state) {
    static const char *const bad[] = {"12",     "3.5",  "-1",   "\"high\"",
                                      "\"\"",   "null", "true", "{}",
                                      "\"09\"", "[1]",  "1e0",  "10000000000000000000000"};
    struct engine_fixture *f = *state;
    char payload[128];
    start_held(f, RANKED(ONE_AT_A_TIME));
    offer_ranked(f, 3, "", 3);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        (void)snprintf(payload, sizeof payload, "{\"p\":%s,\"n\":4}", bad[i]);
        offer_text(f, payload);
    }
    offer(f, "s", "s/x", "{\"p\":9,\"n\":4}", "zingq-priority", "urgent", NULL);
    offer_ranked(f, 5, "", 5);
    run_dry(f);
    assert_int_equal(service_status(f, "s").bad_priorities, sizeof bad / sizeof *bad + 1);
    assert_int_equal(service_status(f, "s").by_priority[4], sizeof bad / sizeof *bad + 1);
    hold(f, false);
    assert_int_equal(number_in(nth_published(f, "out", 0), "n"), 5);
    assert_int_equal(number_in(nth_published(f, "out", sizeof bad / sizeof *bad + 2), "n"), 3);
    assert_all_done(f, sizeof bad / sizeof *bad + 3);
}

static void an_event_that_names_none_is_not_told(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, RANKED(""), REPORTS);
    deliver(f, "s", "s/x", "{\"n\":1}");
    assert_int_equal(service_status(f, "s").bad_priorities, 0);
    assert_int_equal(count_published(f, "out"), 1);
}

/* --- backlogs --- */

static void an_urgent_event_passes_a_backlog_that_is_larger_than_memory(void **state) {
    static const char *const confs[] = {RANKED(ONE_AT_A_TIME), PLAIN(ONE_AT_A_TIME),
                                        RANKED(ONE_AT_A_TIME " fair = \"json:/key\"")};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct engine_fixture *f = fixture_new();
        start_held(f, confs[i]);
        for (int n = 0; n < MANY; n++) {
            offer_text(f, "{\"n\":1}");
            if (n % 1000 == 999) {
                run_dry(f);
            }
        }
        offer(f, "s", "s/x", "{\"n\":2}", "zingq-priority", "9", NULL);
        run_dry(f);
        hold(f, false);
        assert_int_equal(number_in(nth_published(f, "out", 0), "n"), 2);
        assert_all_done(f, MANY + 1);
        fixture_free(f);
    }
}

/* As many of each priority, in no order. */
static void offer_shuffled(struct engine_fixture *f, int count, int keys) {
    for (int n = 0; n < count; n++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", n % keys);
        offer_ranked(f, n * 7 % 10, key, n);
        if (n % 1000 == 999) {
            run_dry(f);
        }
    }
    run_dry(f);
}

static void a_backlog_of_all_priorities_is_worked_off_from_the_highest_down(void **state) {
    struct engine_fixture *f = *state;
    start_held(f, RANKED(ONE_AT_A_TIME));
    offer_shuffled(f, 10 * SERVICE_WINDOW_MAX, 1);
    engine_check(f);
    assert_true(service_status(f, "s").queued > 8 * SERVICE_WINDOW_MAX);
    crash(f);
    run_dry(f);
    engine_check(f);
    hold(f, false);
    size_t late = 0; /* rows of a partition come from disk together */
    for (size_t i = 0; i < 10 * SERVICE_WINDOW_MAX; i++) {
        int expected = 9 - (int)(i / SERVICE_WINDOW_MAX);
        late += number_in(nth_published(f, "out", i), "p") != expected ? 1 : 0;
    }
    assert_int_equal(late, 0);
    assert_all_done(f, 10 * SERVICE_WINDOW_MAX);
}

static void a_key_keeps_its_order_whatever_the_priorities_of_its_events(void **state) {
    struct engine_fixture *f = *state;
    enum { KEYS = 300 };
    static int last[KEYS];
    start_held(f, RANKED("key = \"json:/key\""));
    offer_shuffled(f, MANY, KEYS);
    engine_check(f);
    crash(f);
    engine_check(f);
    hold(f, false);
    memset(last, -1, sizeof last);
    for (size_t i = 0; i < MANY; i++) {
        int n = number_in(nth_published(f, "out", i), "n");
        assert_true(last[n % KEYS] < n);
        last[n % KEYS] = n;
    }
    assert_all_done(f, MANY);
}

static void a_backlog_from_before_makes_way_once_there_are_priorities(void **state) {
    struct engine_fixture *f = *state;
    start_held(f, PLAIN("key = \"json:/key\""));
    for (int n = 0; n < MANY; n++) {
        char payload[64];
        (void)snprintf(payload, sizeof payload, "{\"key\":\"k%d\",\"n\":1}", n % 50);
        offer_text(f, payload);
    }
    run_dry(f);
    fixture_conf(f, RANKED("key = \"json:/key\" concurrency = 1"));
    restart(f);
    offer_ranked(f, 9, "another", 2);
    run_dry(f);
    engine_check(f);
    hold(f, false);
    assert_int_equal(number_in(nth_published(f, "out", 0), "n"), 2);
    assert_all_done(f, MANY + 1);
}

static void an_urgent_event_on_disk_hurries_its_key_that_waits_there(void **state) {
    static const char *const confs[] = {RANKED("key = \"json:/key\" concurrency = 1"),
                                        RANKED("key = \"json:/key\" concurrency = 1 "
                                               "fair = \"json:/tenant\"")};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct engine_fixture *f = fixture_new();
        start_held(f, confs[i / 2]);
        for (int n = 0; n < MANY; n++) {
            char key[16];
            (void)snprintf(key, sizeof key, "k%d", n);
            offer_ranked(f, 4, key, n);
            if (n % 1000 == 999) {
                run_dry(f);
            }
        }
        offer_ranked(f, 4, "last", MANY);
        offer_ranked(f, 9, "last", MANY + 1);
        run_dry(f);
        engine_check(f);
        if (i % 2 > 0) {
            crash(f);
            run_dry(f);
        }
        hold(f, false);
        assert_int_equal(number_in(nth_published(f, "out", 0), "n"), MANY);
        assert_int_equal(number_in(nth_published(f, "out", 1), "n"), MANY + 1);
        assert_all_done(f, MANY + 2);
        fixture_free(f);
    }
}

static void an_urgent_event_behind_what_memory_has_of_its_key_hurries_it(void **state) {
    enum { OF_A_KEY = 2 * LANE_QUEUE_MAX };
    struct engine_fixture *f = *state;
    start_held(f, RANKED("key = \"json:/key\" concurrency = 1"));
    for (int n = 1; n <= OF_A_KEY; n++) {
        offer_ranked(f, 4, "a", n);
        offer_ranked(f, 5, "b", n);
        if (n % 500 == 0) {
            run_dry(f);
        }
    }
    offer_ranked(f, 9, "a", 0);
    offer_ranked(f, 4, "a", -1);
    run_dry(f);
    hold(f, false);
    for (size_t i = 0; i <= OF_A_KEY; i++) { /* of a, up to the urgent one */
        assert_int_equal(number_in(nth_published(f, "out", i), "n"), (i + 1) % (OF_A_KEY + 1));
    }
    for (size_t i = 1; i <= OF_A_KEY; i++) {
        const struct published *p = nth_published(f, "out", OF_A_KEY + i);
        assert_int_equal(number_in(p, "p"), 5);
    }
    assert_all_done(f, 2 * OF_A_KEY + 2);
}

/* Its head, of the lowest priority, waits for another attempt when the urgent one arrives. */
static void an_urgent_event_behind_one_that_is_tried_again_hurries_its_key(void **state) {
    enum { FIRST = 2 };
    struct engine_fixture *f = *state;
    int n = FIRST;
    f->unchecked = true;
    fixture_run(f, RANKED("key = \"json:/key\" concurrency = 1 delay = \"10s\" jitter = 0"),
                "return function(e) if e.json.n == 0 and e.attempt == 1 then error('not yet') end "
                "zing.publish('out', e.payload) end");
    offer_ranked(f, 0, "late", 0);
    run_dry(f);
    hold(f, true);
    for (; n < MANY; n++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", n);
        offer_ranked(f, n % 100 == 0 ? 4 : 0, key, n);
        if (n % 1000 == 999) {
            run_dry(f);
        }
    }
    offer_ranked(f, 9, "late", 1);
    run_dry(f);
    advance(f, 11000);
    engine_check(f);
    hold(f, false);
    assert_int_equal(number_in(nth_published(f, "out", 0), "n"), 0);
    assert_int_equal(number_in(nth_published(f, "out", 1), "n"), 1);
    assert_all_done(f, MANY - FIRST + 2);
}

/* A full window of urgent events, and some on disk; then others of new tenants come as fast as they are
 * done. */
static void a_flood_of_new_tenants_does_not_pass_urgent_events_on_disk_for_ever(void **state) {
    enum { URGENT = SERVICE_WINDOW_MAX + 500, FLOOD = 4 * SERVICE_WINDOW_MAX };
    struct engine_fixture *f = *state;
    start_held(f, RANKED("order = none fair = \"json:/key\""));
    int n = 0;
    for (; n < URGENT; n++) {
        char tenant[16];
        (void)snprintf(tenant, sizeof tenant, "u%d", n);
        offer_ranked(f, 9, tenant, n);
        if (n % 500 == 499) {
            run_dry(f);
        }
    }
    run_dry(f);
    assert_int_equal(service_status(f, "s").queued, URGENT - SERVICE_WINDOW_MAX);
    resume_soon(f);
    uint64_t followed = 0;
    do {
        for (; followed < service_status(f, "s").books.done; followed++) {
            char tenant[16];
            (void)snprintf(tenant, sizeof tenant, "t%d", n);
            offer_ranked(f, 4, tenant, n++);
        }
        assert_int_equal(turn(f), 0);
    } while (n < URGENT + FLOOD);
    run_dry(f);
    size_t urgent = 0;
    for (size_t i = 0; i < 3 * SERVICE_WINDOW_MAX; i++) {
        urgent += number_in(nth_published(f, "out", i), "p") == 9 ? 1 : 0;
    }
    assert_int_equal(urgent, URGENT);
    assert_all_done(f, (uint64_t)n);
}

/* Urgent events come without end; each run lasts a millisecond. */
static void what_waits_runs_although_urgent_events_keep_coming(void **state) {
    struct engine_fixture *f = *state;
    start_held(f, RANKED(ONE_AT_A_TIME));
    f->run_us[0] = 1000;
    for (int priority = 0; priority < 9; priority++) {
        offer_ranked(f, priority, "", priority);
    }
    run_dry(f);
    f->now_ms += PRIORITY_WAIT_MS;
    for (int n = 0; n < 300; n++) {
        offer_ranked(f, 9, "", 9);
    }
    hold(f, false);
    size_t urgent = 0;
    for (size_t i = 0; i < 9 * PRIORITY_STARTS; i++) {
        urgent += number_in(nth_published(f, "out", i), "p") == 9 ? 1 : 0;
    }
    assert_int_equal(urgent, 9 * PRIORITY_STARTS - 9);
    assert_all_done(f, 309);
}

/* --- it is the event's own --- */

static unsigned priority_of(struct engine_fixture *f, const char *payload) {
    struct event *event = event_with(f, "s", payload);
    unsigned priority = rank_priority(event->rank);
    event_free(event);
    return priority;
}

static void a_replay_keeps_it_and_an_edit_finds_it_anew(void **state) {
    struct engine_fixture *f = *state;
    struct buf notes;
    fixture_run(f, RANKED("retries = 0"), "return function(e) error('no') end");
    deliver(f, "s", "s/x", "{\"p\":7}");
    assert_int_equal(priority_of(f, "{\"p\":7}"), 7);
    struct uuid id = id_of(f, "s", "{\"p\":7}");
    hold(f, true);
    assert_int_equal(command(f, (struct command){.kind = COMMAND_REPLAY, .id = id}), 0);
    assert_int_equal(service_status(f, "s").by_priority[7], 1);
    hold(f, false);
    buf_init(&notes, NOTES_BYTES_MAX);
    assert_int_equal(command(f, (struct command){.kind = COMMAND_EDIT,
                                                 .id = id,
                                                 .payload = slice_of("{\"p\":2}"),
                                                 .notes = &notes}),
                     0);
    assert_non_null(strstr(buf_str(&notes), "its priority is now 2, no longer 7"));
    buf_clear(&notes);
    assert_int_equal(priority_of(f, "{\"p\":2}"), 2);
    hold(f, true);
    assert_int_equal(command(f, (struct command){.kind = COMMAND_REPLAY, .id = id}), 0);
    assert_int_equal(service_status(f, "s").by_priority[2], 1);
}

static void a_retry_and_a_move_keep_it(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    fixture_script(f, "h.lua", "return function(e) error('not yet') end");
    fixture_conf(f, RANKED("delay = \"10s\" jitter = 0"));
    fixture_start(f);
    deliver(f, "s", "s/x", "{\"p\":7}");
    deliver(f, "s", "s/x", "{\"p\":8}");
    fixture_stop(f);
    fixture_script(f, "h.lua", REPORTS);
    fixture_conf(f, "service \"new\" { subscribe = {\"n\"} handler = \"h.lua\" was = {\"s\"} "
                    "concurrency = 1 }\n");
    fixture_start(f);
    struct command pause = {.kind = COMMAND_PAUSE, .service = slice_of("new")};
    assert_int_equal(command(f, pause), 0);
    advance(f, 70000);
    offer(f, "new", "n", "{}", NULL);
    run_dry(f);
    assert_int_equal(service_status(f, "new").by_priority[8], 1);
    assert_int_equal(service_status(f, "new").by_priority[7], 1);
    pause.kind = COMMAND_RESUME;
    assert_int_equal(command(f, pause), 0);
    assert_string_equal(payloads(f, "out", out, sizeof out), "{\"p\":8} {\"p\":7} {}");
}

static void a_handler_sets_it_for_what_it_publishes(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, PLAIN(""),
                "return function(e) zing.publish('a', '1', {priority = 9, properties = {x = 'y'}}) "
                "zing.publish('b', '2', {priority = 0}) zing.publish('c', '3') end");
    deliver(f, "s", "s/x", "{}");
    assert_string_equal(published_property(nth_published(f, "a", 0), "zingq-priority", text), "9");
    assert_string_equal(published_property(nth_published(f, "a", 0), "x", text), "y");
    assert_string_equal(published_property(nth_published(f, "b", 0), "zingq-priority", text), "0");
    assert_string_equal(published_property(nth_published(f, "c", 0), "zingq-priority", text), "");
}

static void a_handler_that_sets_another_one_fails(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, PLAIN("retries = 0"),
                "return function(e) zing.publish('a', '1', {priority = e.json}) end");
    deliver(f, "s", "s/x", "10");
    deliver(f, "s", "s/x", "\"9\"");
    assert_non_null(strstr(reason_of(f, "s", "10", text), "priority must be an integer from 0"));
    assert_int_equal(state_of(f, "s", "\"9\""), EVENT_DEAD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(the_rule_or_the_property_says_who_goes_first),
        ENGINE_TEST(the_property_needs_no_rule),
        ENGINE_TEST(what_is_no_priority_counts_as_the_default_and_is_told),
        ENGINE_TEST(an_event_that_names_none_is_not_told),
        cmocka_unit_test(an_urgent_event_passes_a_backlog_that_is_larger_than_memory),
        ENGINE_TEST(a_backlog_of_all_priorities_is_worked_off_from_the_highest_down),
        ENGINE_TEST(a_key_keeps_its_order_whatever_the_priorities_of_its_events),
        ENGINE_TEST(a_backlog_from_before_makes_way_once_there_are_priorities),
        ENGINE_TEST(an_urgent_event_on_disk_hurries_its_key_that_waits_there),
        ENGINE_TEST(an_urgent_event_behind_what_memory_has_of_its_key_hurries_it),
        ENGINE_TEST(an_urgent_event_behind_one_that_is_tried_again_hurries_its_key),
        ENGINE_TEST(a_flood_of_new_tenants_does_not_pass_urgent_events_on_disk_for_ever),
        ENGINE_TEST(what_waits_runs_although_urgent_events_keep_coming),
        ENGINE_TEST(a_replay_keeps_it_and_an_edit_finds_it_anew),
        ENGINE_TEST(a_retry_and_a_move_keep_it),
        ENGINE_TEST(a_handler_sets_it_for_what_it_publishes),
        ENGINE_TEST(a_handler_that_sets_another_one_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
