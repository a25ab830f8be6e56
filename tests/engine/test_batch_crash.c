/* test_batch_crash.c - services with `batch` when the host dies or stops in the middle of one. */
#include "batch_world.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As it is when three events are on the processor at once. */
static void crash_in_batch(struct engine_fixture *f) {
    const char *const payloads[] = {"1", "2", "3"};
    for (size_t i = 0; i < 3; i++) {
        struct event *event = event_with(f, "s", payloads[i]);
        uint16_t number = event->service;
        if (i == 0) {
            culprit_run(f->culprit, number, event->partition, &event->id);
        } else {
            culprit_join(f->culprit, number, event->partition, &event->id);
        }
        event_free(event);
    }
    crash(f);
}

static void a_crash_in_a_batch_is_nobodys(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("batch = 3 crashes = 1"),
                "return function(events)\n"
                "  if #events > 1 then zing.http.get('http://x/') end\n" TELL "end");
    offer_many(f, 3);
    run_dry(f);
    crash_in_batch(f);
    run_dry(f);
    assert_int_equal(count_events(f, "s", EVENT_DONE), 3);
}

static void a_crash_in_a_batch_is_forgotten_with_its_events(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, "store { keep_done = \"10m\" }\n" SERVICE("batch = 4 linger = \"1m\""),
                "return function(events)\n" TELL "end");
    offer_many(f, 3);
    run_dry(f);
    crash_in_batch(f); /* before its first commit: no attempt of theirs is stored */
    run_dry(f);
    assert_int_equal(count_rows(f, TABLE_HISTORY), 3);
    advance(f, 12 * 60 * 1000);
    assert_int_equal(count_rows(f, TABLE_EVENT), 0);
    assert_int_equal(count_rows(f, TABLE_HISTORY), 0);
}

static void who_crashed_in_a_batch_and_crashes_alone_ends_dead(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("batch = 3 crashes = 2"),
                "return function(events) zing.http.get('http://x/') end");
    offer_many(f, 3);
    run_dry(f);
    crash_in_batch(f);
    for (int i = 0; i < 2; i++) {
        run_dry(f);
        crash_in(f, "s", "2");
    }
    advance(f, 5000); /* it is put off by its delay */
    assert_int_equal(state_of(f, "s", "2"), EVENT_DEAD);
    assert_int_equal(service_status(f, "s").books.dead, 1);
}

static void a_crash_in_a_batch_is_each_ones_and_they_run_alone(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("batch = 3"),
                "return function(events)\n zing.http.get('http://x/')\n" TELL "end");
    offer_many(f, 3);
    run_dry(f);
    crash_in_batch(f);
    run_dry(f);
    assert_int_equal(f->asked_count, 4);
    for (size_t i = 1; i < 4; i++) {
        answer(f, i, 200, "");
    }
    run_dry(f);
    assert_int_equal(count_events(f, "s", EVENT_DONE), 3);
    assert_int_equal(count_published(f, "out"), 3);
    assert_string_equal(history_of(f, "s", "2", text), "crash");
}

static void a_stop_in_a_batch_costs_nothing(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("batch = 3"),
                "return function(events)\n zing.http.get('http://x/')\n" TELL "end");
    offer_many(f, 3);
    run_dry(f);
    restart(f);
    run_dry(f);
    answer(f, f->asked_count - 1, 200, "");
    run_dry(f);
    assert_string_equal(out_of(f), "3:1,2,3");
    assert_string_equal(history_of(f, "s", "1", text), "");
}

/* What it would close looks at events and state, and neither is there any more. */
static void a_handler_that_is_given_up_does_not_run_again(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("batch = 2"), LUA(a_handler_that_is_given_up_does_not_run_again));
    offer_many(f, 2);
    run_dry(f);
    assert_true(f->asked[0].open);
    crash(f);
    run_dry(f);
    assert_int_equal(f->asked_count, 2);
}

/* --- wherever the host is killed --- */

static void answer_all(struct engine_fixture *f) {
    for (size_t i = 0; i < f->asked_count; i++) {
        if (f->asked[i].open) {
            answer(f, i, 200, "");
        }
    }
}

/* Killed after so many turns. */
static void live_through(struct engine_fixture *f, size_t turns) {
    char value[512];
    fixture_run(f, SERVICE("batch = 4 retries = 50 crashes = 0"), LUA(live_through));
    offer_many(f, 10);
    for (size_t i = 0; i < turns; i++) {
        (void)turn(f);
        answer_all(f);
        f->now_ms += i % 3 == 2 ? 1000 : 0;
    }
    crash(f);
    (void)redeliver(f);
    for (size_t i = 0; i < 20; i++) {
        advance(f, 1000);
        answer_all(f);
    }
    assert_int_equal(service_status(f, "s").books.accepted, 10);
    assert_int_equal(service_status(f, "s").books.done, 10);
    assert_string_equal(state_text(f, "s", "", "done", value), "10");
}

static void every_event_is_done_once_wherever_the_host_is_killed(void **state) {
    (void)state;
    for (size_t turns = 0; turns < 12; turns++) {
        struct engine_fixture *f = fixture_new();
        live_through(f, turns);
        fixture_free(f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_crash_in_a_batch_is_nobodys),
        ENGINE_TEST(a_crash_in_a_batch_is_forgotten_with_its_events),
        ENGINE_TEST(who_crashed_in_a_batch_and_crashes_alone_ends_dead),
        ENGINE_TEST(a_crash_in_a_batch_is_each_ones_and_they_run_alone),
        ENGINE_TEST(a_stop_in_a_batch_costs_nothing),
        ENGINE_TEST(a_handler_that_is_given_up_does_not_run_again),
        ENGINE_TEST(every_event_is_done_once_wherever_the_host_is_killed),
    };
    return cmocka_run_group_tests_name("batch_crash", tests, NULL, NULL);
}
