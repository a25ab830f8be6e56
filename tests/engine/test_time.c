/* test_time.c - steps of the wall clock, suspends, reboots: what follows which clock. */
#include "engine_fixture.h"
#include "base/slew.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

#define HOURS(n) (INT64_C(3600000) * (n))
#define YEAR HOURS(24 * 365)

#define SERVICE(options) "service \"s\" { subscribe = {\"in\"} handler = \"h.lua\" " options " }\n"
#define CALLS "return function(e) zing.publish('out', zing.http.get('http://h.test/x').body) end"

/* The wall clock is set, the machine runs on. */
static void step(struct engine_fixture *f, int64_t ms) {
    f->wall_ahead_ms += ms;
    run_dry(f);
}

/* Nothing runs, and CLOCK_MONOTONIC does not count it. */
static void suspend(struct engine_fixture *f, int64_t ms) {
    f->now_ms += ms;
    run_dry(f);
}

static void boot_again(struct engine_fixture *f) {
    f->boot++;
    crash(f);
    run_dry(f);
}

/* What must happen `ms` after the event, neither sooner nor later, although the clock is set
 * `step_ms` in between. */
static void comes_at_its_time(struct engine_fixture *f, int64_t ms, int64_t step_ms) {
    size_t before = count_published(f, "out");
    deliver(f, "s", "in", "x");
    assert_int_equal(count_published(f, "out"), before);
    advance(f, ms / 2);
    step(f, step_ms);
    advance(f, ms - ms / 2 - 1);
    assert_int_equal(count_published(f, "out"), before);
    advance(f, 1);
    assert_int_equal(count_published(f, "out"), before + 1);
}

static void comes_whatever_the_clock(struct engine_fixture *f, int64_t ms) {
    static const int64_t steps[] = {-HOURS(1), HOURS(1), -YEAR, YEAR};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        comes_at_its_time(f, ms, steps[i]);
    }
}

/* --- engine time --- */

#define COMES(test, ms, options, script)                                                           \
    static void test(void **state) {                                                               \
        struct engine_fixture *f = *state;                                                         \
        fixture_run(f, SERVICE(options), script);                                                  \
        comes_whatever_the_clock(f, ms);                                                           \
    }

COMES(a_retry_comes_at_its_time, 4000, "delay = \"4s\" jitter = 0",
      "return function(e) if e.attempt == 1 then error('no') end zing.publish('out', '') end")
COMES(a_snooze_ends_at_its_time, 4000, "",
      "local tried = {}\n"
      "return function(e)\n"
      "  if not tried[e.id] then tried[e.id] = true; zing.snooze('4s') end\n"
      "  zing.publish('out', '')\n"
      "end")
COMES(a_throttle_ends_at_its_time, 4000, "",
      "return function(e) if e.attempt == 1 then zing.throttle('4s') end zing.publish('out', '') "
      "end")
COMES(a_batch_lingers_for_its_time, 4000, "batch = 10 linger = \"4s\"",
      "return function(es) zing.publish('out', #es) end")
COMES(a_sleep_ends_at_its_time, 4000, "",
      "return function() zing.sleep('4s') zing.publish('out', '') end")
COMES(a_wait_ends_at_its_time, 4000, "",
      "return function() zing.wait('never', '4s') zing.publish('out', '') end")
COMES(a_publish_after_a_while_leaves_at_its_time, 4000, "",
      "return function() zing.publish('out', '', {after = '4s'}) end")
COMES(a_lock_runs_out_at_its_time, 4000, "key = \"topic:1\"",
      "local s = {on_lock_expired = function() zing.publish('out', '') end}\n"
      "s['in'] = function() zing.lock('l', {owner = 'o', ttl = '4s'}) end\n"
      "return s")

static void a_rate_counts_in_engine_time(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("rate = \"1/s\""), "return function() zing.publish('out', '') end");
    for (int i = 0; i < 6; i++) {
        offer(f, "s", "in", "x", NULL);
    }
    run_dry(f);
    size_t first = count_published(f, "out");
    assert_in_range(first, 1, 2);
    step(f, HOURS(1));
    assert_int_equal(count_published(f, "out"), first);
    step(f, -HOURS(2));
    advance(f, 6000);
    assert_int_equal(count_published(f, "out"), 6);
}

static void an_idempotency_key_is_known_for_its_time(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, "store { keep_idempotency = \"1h\" }\n" SERVICE(""), "return function() end");
    static const int64_t steps[] = {0, YEAR, -2 * YEAR, YEAR};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        step(f, steps[i]);
        offer(f, "s", "in", "x", "idempotency-key", "k", NULL);
        run_dry(f);
    }
    assert_books(f, "s", (struct books){.accepted = 4, .done = 1, .duplicates = 3});
    advance(f, HOURS(2));
    offer(f, "s", "in", "x", "idempotency-key", "k", NULL);
    run_dry(f);
    assert_int_equal(service_status(f, "s").books.done, 2);
}

static void what_is_done_is_kept_for_its_time(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, "store { keep_done = \"10m\" }\n" SERVICE(""), "return function() end");
    deliver(f, "s", "in", "x");
    step(f, YEAR);
    advance(f, 60000);
    assert_int_equal(count_rows(f, TABLE_EVENT), 1);
    step(f, -2 * YEAR);
    advance(f, 11 * 60000);
    assert_int_equal(count_rows(f, TABLE_EVENT), 0);
}

static void a_step_is_counted_once(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), "return function() end");
    deliver(f, "s", "in", "x");
    assert_int_equal(status(f).clock_steps, 0);
    step(f, 999); /* less than a second */
    deliver(f, "s", "in", "x");
    assert_int_equal(status(f).clock_steps, 0);
    step(f, HOURS(1));
    deliver(f, "s", "in", "x");
    deliver(f, "s", "in", "x");
    assert_int_equal(status(f).clock_steps, 1);
}

/* --- at: by the wall clock --- */

static int64_t wall_ms(const struct engine_fixture *f) {
    return f->now_ms + f->wall_ahead_ms;
}

/* A publish that leaves when the wall clock shows `in_ms` from now, whatever it shows before. */
static void put_off_until(struct engine_fixture *f, int64_t in_ms) {
    char script[256];
    (void)snprintf(script, sizeof script,
                   "return function(e) zing.publish('out', '', {at = %.3f}) end",
                   (double)(wall_ms(f) + in_ms) / 1000.0);
    fixture_run(f, SERVICE(""), script);
    deliver(f, "s", "in", "x");
    assert_int_equal(count_published(f, "out"), 0);
    assert_int_equal(status(f).delayed, 1);
}

static void comes_when_the_wall_clock_shows_it(struct engine_fixture *f, int64_t left_ms) {
    advance(f, left_ms - 1);
    assert_int_equal(count_published(f, "out"), 0);
    advance(f, 1);
    assert_int_equal(count_published(f, "out"), 1);
    assert_int_equal(status(f).delayed, 0);
}

static void
what_is_to_leave_at_an_instant_leaves_then_although_the_clock_was_set_back(void **state) {
    struct engine_fixture *f = *state;
    put_off_until(f, HOURS(1));
    advance(f, HOURS(1) - 1000);
    step(f, -HOURS(2));
    comes_when_the_wall_clock_shows_it(f, HOURS(2) + 1000);
}

static void what_is_to_leave_at_an_instant_leaves_sooner_when_the_clock_is_set_ahead(void **state) {
    struct engine_fixture *f = *state;
    put_off_until(f, HOURS(5));
    step(f, HOURS(4));
    comes_when_the_wall_clock_shows_it(f, HOURS(1));
}

static void
what_is_to_leave_at_an_instant_leaves_at_once_when_the_clock_steps_past_it(void **state) {
    struct engine_fixture *f = *state;
    put_off_until(f, HOURS(5));
    step(f, YEAR);
    assert_int_equal(count_published(f, "out"), 1);
    step(f, -YEAR);
    restart(f);
    advance(f, HOURS(24));
    assert_int_equal(count_published(f, "out"), 1);
}

static void what_is_to_leave_at_an_instant_follows_the_clock_over_restarts_and_boots(void **state) {
    struct engine_fixture *f = *state;
    put_off_until(f, HOURS(5));
    f->wall_ahead_ms -= HOURS(3); /* while the host is down */
    crash(f);
    run_dry(f);
    advance(f, HOURS(6));
    f->wall_ahead_ms += HOURS(1);
    boot_again(f);
    assert_int_equal(count_published(f, "out"), 0);
    comes_when_the_wall_clock_shows_it(f, HOURS(1));
}

static void what_is_to_leave_at_an_instant_leaves_although_the_clock_began_in_1970(void **state) {
    struct engine_fixture *f = *state;
    f->wall_ahead_ms = -f->now_ms + 5000;
    put_off_until(f, INT64_C(1700000000000)); /* once it is set */
    advance(f, HOURS(24));
    step(f, INT64_C(1700000000000) - HOURS(24) - 1000);
    comes_when_the_wall_clock_shows_it(f, 1000);
}

static void an_instant_that_has_passed_is_now(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""),
                "return function(e) zing.publish('out', '', {at = zing.now() - 1}) end");
    f->wall_ahead_ms = -YEAR;
    deliver(f, "s", "in", "x");
    assert_int_equal(count_published(f, "out"), 1);
}

static void what_is_to_leave_at_an_instant_can_be_taken_back(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("key = \"topic:1\""),
                LUA(what_is_to_leave_at_an_instant_can_be_taken_back));
    deliver(f, "s", "in", "x");
    assert_int_equal(status(f).delayed, 1);
    step(f, -YEAR);
    deliver(f, "s", "in", "x");
    assert_int_equal(status(f).delayed, 0);
    step(f, 2 * YEAR);
    assert_int_equal(count_published(f, "out"), 0);
    assert_int_equal(count_rows(f, TABLE_TIMER) + count_rows(f, TABLE_DELAYED), 0);
}

static void each_of_many_put_off_by_either_clock_leaves_by_its_own(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(each_of_many_put_off_by_either_clock_leaves_by_its_own));
    for (int i = 0; i < 40; i++) { /* of many partitions, and more than leave in one turn */
        char key[16];
        (void)snprintf(key, sizeof key, "%d", i);
        offer(f, "s", "in", "x", "zingq-key", key, NULL);
    }
    run_dry(f);
    assert_int_equal(status(f).delayed, 3200);
    step(f, HOURS(2));
    assert_int_equal(count_published(f, "out"), 1600);
    step(f, -HOURS(10));
    advance(f, HOURS(1));
    assert_int_equal(count_published(f, "out"), 3200);
}

/* --- times that are shown --- */

static void a_handler_sees_when_its_event_came_by_the_wall_clock(void **state) {
    struct engine_fixture *f = *state;
    static const int64_t steps[] = {0, -HOURS(1), YEAR};
    fixture_run(
        f, SERVICE(""),
        "return function(e) zing.publish('out', tostring(e.received_at == zing.now())) end");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        step(f, steps[i]);
        deliver(f, "s", "in", "x");
        assert_string_equal(nth_published(f, "out", i)->payload, "true");
    }
}

/* --- attempts and calls --- */

static void neither_a_step_nor_a_suspend_cuts_an_attempt_off(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("timeout = \"5s\" retries = 0"), CALLS);
    deliver(f, "s", "in", "x");
    advance(f, 4000);
    step(f, HOURS(1));
    suspend(f, HOURS(1));
    assert_true(f->asked[0].open);
    answer(f, 0, 200, "ok");
    run_dry(f);
    assert_int_equal(count_published(f, "out"), 1);
    assert_books(f, "s", (struct books){.accepted = 1, .done = 1});
}

static void an_attempt_times_out_after_its_time_of_running(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("timeout = \"5s\" retries = 0"), CALLS);
    deliver(f, "s", "in", "x");
    advance(f, 1000);
    step(f, -HOURS(1));
    suspend(f, HOURS(1));
    advance(f, 3999);
    assert_true(f->asked[0].open);
    advance(f, 1);
    assert_false(f->asked[0].open);
}

/* --- starts --- */

static void a_retry_waits_no_longer_for_a_restart_within_the_boot(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("delay = \"60s\" jitter = 0"),
                "return function(e) if e.attempt == 1 then error('no') end zing.publish('out', '') "
                "end");
    deliver(f, "s", "in", "x");
    f->wall_ahead_ms = -YEAR;
    f->now_ms += 59999;
    crash(f);
    run_dry(f);
    assert_int_equal(count_published(f, "out"), 0);
    advance(f, 1);
    assert_int_equal(count_published(f, "out"), 1);
}

static void a_year_ahead_for_a_minute_leaves_nothing_behind(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), "return function() zing.publish('out', zing.now()) end");
    int64_t before = engine_now_ms(f->engine) - f->now_ms;
    step(f, YEAR);
    deliver(f, "s", "in", "x");
    restart(f);
    advance(f, 60000);
    step(f, -YEAR);
    crash(f);
    deliver(f, "s", "in", "y");
    assert_true(engine_now_ms(f->engine) - f->now_ms == before);
    assert_true(engine_wall_ahead_ms(f->engine) == 0);
}

static void a_machine_that_starts_with_its_clock_behind_goes_on_from_the_last_commit(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("delay = \"60s\" jitter = 0"),
                "return function(e) if e.attempt == 1 then error('no') end zing.publish('out', '') "
                "end");
    deliver(f, "s", "in", "x");
    int64_t last = engine_now_ms(f->engine);
    f->wall_ahead_ms = -HOURS(1);
    boot_again(f);
    assert_true(engine_now_ms(f->engine) == last);
    advance(f, 60000);
    assert_int_equal(count_published(f, "out"), 1);
}

static void a_clock_at_1970_works_and_its_later_setting_moves_nothing(void **state) {
    struct engine_fixture *f = *state;
    f->wall_ahead_ms = -f->now_ms - 5000; /* five seconds before it, even */
    fixture_run(f, SERVICE("delay = \"4s\" jitter = 0"),
                "return function(e) if e.attempt == 1 then error('no') end zing.publish('out', '') "
                "end");
    assert_true(engine_now_ms(f->engine) == 1);
    comes_at_its_time(f, 4000, 1700000000000);
    crash(f);
    comes_at_its_time(f, 4000, 0);
    assert_int_equal(status(f).clock_steps, 0); /* since the start */
    boot_again(f);
    assert_true(engine_wall_ahead_ms(f->engine) == 0);
}

/* What an earlier zingq wrote has no clock; its newest arrival number tells the time. */
static void a_store_without_a_clock_goes_on_from_its_newest_arrival(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), "return function() end");
    deliver(f, "s", "in", "x");
    int64_t last = engine_now_ms(f->engine);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_del(f->store, TABLE_META, slice_of("clock")), 0);
    assert_int_equal(store_commit(f->store), 0);
    f->wall_ahead_ms = -YEAR;
    crash(f);
    run_dry(f);
    assert_true(engine_now_ms(f->engine) == last);
}

/* --- a wall clock that all hosts share --- */

static int64_t behind_ms(struct engine_fixture *f) {
    return f->now_ms + f->wall_ahead_ms - engine_now_ms(f->engine);
}

static void engine_time_follows_a_shared_clock_in_no_step(void **state) {
    struct engine_fixture *f = *state;
    static const int64_t steps[] = {60000, -60000};
    f->shared = true;
    fixture_run(f, SERVICE(""), "return function() end");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        assert_int_equal(behind_ms(f), 0);
        step(f, steps[i]);
        assert_int_equal(behind_ms(f), steps[i]);
        advance(f, 60000 * SLEW_PART / 2);
        assert_int_equal(behind_ms(f), steps[i] / 2);
        advance(f, 60000 * SLEW_PART / 2);
    }
    assert_int_equal(behind_ms(f), 0);
    assert_int_equal(status(f).clock_steps, 2);
}

static void a_wait_is_a_twentieth_shorter_at_most(void **state) {
    struct engine_fixture *f = *state;
    f->shared = true;
    fixture_run(f, SERVICE(""), "return function() zing.sleep('21s') zing.publish('out', '') end");
    deliver(f, "s", "in", "x");
    step(f, YEAR);
    advance(f, 19999);
    assert_int_equal(count_published(f, "out"), 0);
    advance(f, 1);
    assert_int_equal(count_published(f, "out"), 1);
}

static void on_another_machine_a_timer_keeps_its_due_time_by_the_shared_clock(void **state) {
    struct engine_fixture *f = *state;
    f->shared = true;
    fixture_run(f, SERVICE(""), "return function() zing.publish('out', '', {after = '60s'}) end");
    deliver(f, "s", "in", "x");
    f->now_ms += HOURS(30); /* it has been running for longer, */
    f->wall_ahead_ms -= HOURS(30) - 59999;
    boot_again(f);
    assert_int_equal(behind_ms(f), 0);
    assert_int_equal(count_published(f, "out"), 0);
    advance(f, 1);
    assert_int_equal(count_published(f, "out"), 1);
}

static void
a_shared_clock_that_was_set_back_holds_up_no_wait_for_longer_than_a_twentieth(void **state) {
    struct engine_fixture *f = *state;
    f->shared = true;
    fixture_run(f, SERVICE(""), "return function() zing.publish('out', '', {after = '19s'}) end");
    deliver(f, "s", "in", "x");
    f->wall_ahead_ms -= HOURS(1);
    boot_again(f);
    advance(f, 19998);
    assert_int_equal(count_published(f, "out"), 0);
    advance(f, 1);
    assert_int_equal(count_published(f, "out"), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_retry_comes_at_its_time),
        ENGINE_TEST(a_snooze_ends_at_its_time),
        ENGINE_TEST(a_throttle_ends_at_its_time),
        ENGINE_TEST(a_batch_lingers_for_its_time),
        ENGINE_TEST(a_sleep_ends_at_its_time),
        ENGINE_TEST(a_wait_ends_at_its_time),
        ENGINE_TEST(a_publish_after_a_while_leaves_at_its_time),
        ENGINE_TEST(a_lock_runs_out_at_its_time),
        ENGINE_TEST(a_rate_counts_in_engine_time),
        ENGINE_TEST(an_idempotency_key_is_known_for_its_time),
        ENGINE_TEST(what_is_done_is_kept_for_its_time),
        ENGINE_TEST(a_step_is_counted_once),
        ENGINE_TEST(what_is_to_leave_at_an_instant_leaves_then_although_the_clock_was_set_back),
        ENGINE_TEST(what_is_to_leave_at_an_instant_leaves_sooner_when_the_clock_is_set_ahead),
        ENGINE_TEST(what_is_to_leave_at_an_instant_leaves_at_once_when_the_clock_steps_past_it),
        ENGINE_TEST(what_is_to_leave_at_an_instant_follows_the_clock_over_restarts_and_boots),
        ENGINE_TEST(what_is_to_leave_at_an_instant_leaves_although_the_clock_began_in_1970),
        ENGINE_TEST(an_instant_that_has_passed_is_now),
        ENGINE_TEST(what_is_to_leave_at_an_instant_can_be_taken_back),
        ENGINE_TEST(each_of_many_put_off_by_either_clock_leaves_by_its_own),
        ENGINE_TEST(a_handler_sees_when_its_event_came_by_the_wall_clock),
        ENGINE_TEST(neither_a_step_nor_a_suspend_cuts_an_attempt_off),
        ENGINE_TEST(an_attempt_times_out_after_its_time_of_running),
        ENGINE_TEST(a_retry_waits_no_longer_for_a_restart_within_the_boot),
        ENGINE_TEST(a_year_ahead_for_a_minute_leaves_nothing_behind),
        ENGINE_TEST(a_machine_that_starts_with_its_clock_behind_goes_on_from_the_last_commit),
        ENGINE_TEST(a_clock_at_1970_works_and_its_later_setting_moves_nothing),
        ENGINE_TEST(engine_time_follows_a_shared_clock_in_no_step),
        ENGINE_TEST(a_wait_is_a_twentieth_shorter_at_most),
        ENGINE_TEST(on_another_machine_a_timer_keeps_its_due_time_by_the_shared_clock),
        ENGINE_TEST(a_shared_clock_that_was_set_back_holds_up_no_wait_for_longer_than_a_twentieth),
        ENGINE_TEST(a_store_without_a_clock_goes_on_from_its_newest_arrival),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
