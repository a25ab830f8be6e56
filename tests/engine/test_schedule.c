/* test_schedule.c - one run a tick: across crashes, clocks that jump, and times when nobody was up.
 */
#include "conf/cron.h"
#include "engine_fixture.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MINUTES(n) (INT64_C(60000) * (n))
#define HOURS(n) (INT64_C(3600000) * (n))
enum { ODD_MS = 22500 };

static int64_t utc(const char *text) {
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    assert_true(end != NULL && *end == '\0');
    return (int64_t)timegm(&tm) * 1000;
}

static int set_up(void **state) {
    struct engine_fixture *f = fixture_new();
    f->now_ms = utc("2026-05-01T12:10:00Z") - ODD_MS;
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture_free(*state);
    return 0;
}

#define HOURLY(options)                                                                            \
    "schedule \"tidy\" { cron = \"0 * * * *\" publish = \"tidy/up\" " options " }\n"
#define SERVICE "service \"s\" { subscribe = {\"tidy/up\"} handler = \"h.lua\" }\n"

static const char COUNTS[] = "return function(e) zing.state.incr('runs') end";

/* Starts, and goes on to the full minute: what else wakes the engine each minute does so at another
 * second than the ticks. */
static void begin(struct engine_fixture *f, const char *conf, const char *script) {
    fixture_run(f, conf, script);
    advance(f, ODD_MS);
}

/* The ticks that ran so far, "12:00 13:00", by the property of each publish. */
static const char *ticks(const struct engine_fixture *f, const char *topic, char out[4096]) {
    out[0] = '\0';
    for (size_t i = 0; i < count_published(f, topic); i++) {
        char tick[512];
        const struct published *p = nth_published(f, topic, i);
        (void)published_property(p, "zingq-tick", tick);
        assert_int_equal(strlen(tick), 20);
        size_t len = strlen(out);
        (void)snprintf(out + len, 4096 - len, "%s%.5s", len == 0 ? "" : " ", tick + 11);
    }
    return out;
}

#define assert_ticks(f, expected)                                                                  \
    do {                                                                                           \
        char text_[4096];                                                                          \
        assert_string_equal(ticks(f, "tidy/up", text_), expected);                                 \
    } while (0)

static struct engine_schedule_status schedule(struct engine_fixture *f, size_t at) {
    struct engine_schedule_status s;
    assert_int_equal(engine_schedule_status(f->engine, at, &s), 0);
    return s;
}

/* The host is killed, and up again after that time. */
static void stay_down(struct engine_fixture *f, int64_t ms) {
    f->now_ms += ms;
    crash(f);
    run_dry(f);
}

/* The wall clock is set, the machine runs on. */
static void step(struct engine_fixture *f, int64_t ms) {
    f->wall_ahead_ms += ms;
    run_dry(f);
}

/* --- ticks --- */

static void a_tick_publishes_once_and_says_which_it_is(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    begin(f, HOURLY("payload = \"{\\\"deep\\\":true}\"") SERVICE, COUNTS);
    advance(f, MINUTES(50) - 1);
    assert_int_equal(count_published(f, "tidy/up"), 0);
    advance(f, 1);
    assert_int_equal(count_published(f, "tidy/up"), 1);
    const struct published *p = nth_published(f, "tidy/up", 0);
    assert_string_equal(p->payload, "{\"deep\":true}");
    assert_int_equal(p->qos, 1);
    assert_false(p->retain);
    assert_string_equal(published_property(p, "zingq-schedule", text), "tidy");
    assert_string_equal(published_property(p, "zingq-tick", text), "2026-05-01T13:00:00Z");
    assert_string_equal(published_property(p, "idempotency-key", text),
                        "schedule/tidy/2026-05-01T13:00:00Z");
    assert_string_equal(published_property(p, "zingq-handled", text), "s");
    assert_int_equal(state_of(f, "s", "{\"deep\":true}"), EVENT_DONE);
    advance(f, MINUTES(59));
    assert_int_equal(count_published(f, "tidy/up"), 1);
    advance(f, MINUTES(1));
    assert_ticks(f, "13:00 14:00");
}

static void the_engine_wakes_for_the_next_tick_and_says_when_it_is(void **state) {
    struct engine_fixture *f = *state;
    begin(f, HOURLY(""), COUNTS);
    assert_true(schedule(f, 0).next_ms == utc("2026-05-01T13:00:00Z"));
    assert_true(schedule(f, 0).last_ms == 0);
    assert_int_equal(schedule(f, 0).runs, 0);
    advance(f, MINUTES(50) - 1);
    assert_false(engine_due(f->engine));
    assert_true(engine_next_ms(f->engine) <= f->now_ms + 1);
    advance(f, 1);
    struct engine_schedule_status s = schedule(f, 0);
    assert_string_equal(s.name, "tidy");
    assert_true(s.next_ms == utc("2026-05-01T14:00:00Z"));
    assert_true(s.last_ms == utc("2026-05-01T13:00:00Z"));
    assert_int_equal(s.runs, 1);
    char id[UUID_TEXT_BYTES + 1];
    char sent[512];
    assert_string_equal(published_property(nth_published(f, "tidy/up", 0), "zingq-id", sent),
                        uuid_text(&s.last_id, id));
    restart(f);
    assert_int_equal(schedule(f, 0).runs, 1);
    assert_true(schedule(f, 0).last_ms == s.last_ms);
    assert_int_equal(engine_schedule_status(f->engine, 1, &s), ERR_NOTFOUND);
}

static void each_schedule_ticks_by_the_clock_of_its_own_zone(void **state) {
    struct engine_fixture *f = *state;
    char text[4096];
    f->now_ms = utc("2026-03-28T12:00:00Z") - ODD_MS;
    fixture_run(
        f,
        "schedule \"a\" { cron = \"30 2 * * *\" publish = a timezone = \"Europe/Berlin\" }\n"
        "schedule \"b\" { cron = \"30 2 * * *\" publish = b }\n",
        COUNTS);
    advance(f, HOURS(48)); /* the clocks of Berlin skip 02:00 to 03:00 on the 29th */
    assert_string_equal(ticks(f, "a", text), "01:00 00:30");
    assert_string_equal(ticks(f, "b", text), "02:30 02:30");
}

static void a_tick_waits_for_the_broker_in_the_outbox(void **state) {
    struct engine_fixture *f = *state;
    f->offline = true;
    begin(f, HOURLY(""), COUNTS);
    advance(f, MINUTES(50));
    assert_int_equal(count_published(f, "tidy/up"), 0);
    assert_int_equal(schedule(f, 0).runs, 1);
    crash(f);
    f->offline = false;
    connect_again(f);
    run_dry(f);
    assert_ticks(f, "13:00");
}

/* --- exactly once --- */

static void every_tick_runs_once_however_often_the_host_is_killed(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    char expected[4096] = "";
    begin(f, HOURLY("") SERVICE, COUNTS);
    for (int i = 0; i < 60; i++) {
        advance(f, MINUTES(17));
        crash(f);
    }
    run_dry(f); /* 12:10 and 17 hours */
    for (int hour = 13; hour < 30; hour++) {
        (void)snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "%s%02d:00",
                       hour == 13 ? "" : " ", hour % 24);
    }
    assert_ticks(f, expected);
    assert_string_equal(state_text(f, "s", "", "runs", text), "17");
    assert_int_equal(schedule(f, 0).runs, 17);
}

static void a_host_killed_at_the_very_tick_runs_it_once(void **state) {
    struct engine_fixture *f = *state;
    begin(f, HOURLY("missed = skip") SERVICE, COUNTS);
    advance(f, MINUTES(50) - 1);
    f->now_ms += 1;
    crash(f); /* before the turn */
    run_dry(f);
    assert_ticks(f, "13:00");
    crash(f); /* after it */
    run_dry(f);
    advance(f, MINUTES(30));
    assert_ticks(f, "13:00");
}

static void a_tick_that_another_host_has_sent_already_is_a_duplicate(void **state) {
    struct engine_fixture *f = *state;
    begin(f, HOURLY("") SERVICE, COUNTS);
    offer(f, "s", "tidy/up", "{}", "idempotency-key", "schedule/tidy/2026-05-01T13:00:00Z", NULL);
    advance(f, MINUTES(50));
    assert_books(f, "s", (struct books){.accepted = 2, .done = 1, .duplicates = 1});
}

/* --- missed --- */

static void of_the_ticks_that_nobody_saw_the_last_one_runs(void **state) {
    struct engine_fixture *f = *state;
    begin(f, HOURLY(""), COUNTS);
    advance(f, MINUTES(60));
    assert_ticks(f, "13:00");
    stay_down(f, HOURS(5));
    assert_ticks(f, "13:00 18:00");
    stay_down(f, 0);
    advance(f, MINUTES(50));
    assert_ticks(f, "13:00 18:00 19:00");
    assert_int_equal(schedule(f, 0).runs, 3);
}

static void with_skip_none_of_them_runs(void **state) {
    struct engine_fixture *f = *state;
    begin(f, HOURLY("missed = skip"), COUNTS);
    advance(f, MINUTES(60));
    stay_down(f, HOURS(5));
    assert_ticks(f, "13:00");
    assert_true(schedule(f, 0).next_ms == utc("2026-05-01T19:00:00Z"));
    advance(f, MINUTES(50));
    assert_ticks(f, "13:00 19:00");
    /* Nor one that was missed by a second. */
    advance(f, MINUTES(60) - 1000);
    stay_down(f, 2000);
    assert_ticks(f, "13:00 19:00");
}

static void a_tick_that_comes_late_while_the_host_is_up_runs(void **state) {
    struct engine_fixture *f = *state;
    begin(f, HOURLY("missed = skip"), COUNTS);
    advance(f, MINUTES(50) - 1);
    f->now_ms += MINUTES(1); /* a turn took long, or the clock was set a little ahead */
    f->monotonic_us += 1000;
    run_dry(f);
    assert_ticks(f, "13:00");
}

static void a_clock_that_jumps_ahead_misses_ticks_as_a_host_that_was_down(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(
        f, HOURLY("") "schedule \"skips\" { cron = \"0 * * * *\" publish = b missed = skip }\n",
        COUNTS);
    char text[4096];
    advance(f, MINUTES(60));
    f->now_ms += HOURS(3);
    run_dry(f);
    assert_ticks(f, "13:00 16:00");
    assert_string_equal(ticks(f, "b", text), "13:00");
    /* However far: from then on it is as ever. */
    f->now_ms += HOURS(24 * 365);
    run_dry(f);
    advance(f, HOURS(1));
    assert_ticks(f, "13:00 16:00 16:00 17:00");
    assert_string_equal(ticks(f, "b", text), "13:00 17:00");
}

static void a_clock_that_is_set_back_runs_nothing_twice(void **state) {
    struct engine_fixture *f = *state;
    begin(f, HOURLY(""), COUNTS);
    advance(f, HOURS(2));
    assert_ticks(f, "13:00 14:00");
    step(f, -HOURS(2));
    advance(f, HOURS(1));
    crash(f);
    advance(f, HOURS(1) + MINUTES(49));
    assert_ticks(f, "13:00 14:00");
    assert_true(schedule(f, 0).next_ms == utc("2026-05-01T15:00:00Z"));
    advance(f, MINUTES(1));
    assert_ticks(f, "13:00 14:00 15:00");
}

#define YEAR HOURS(365 * 24)

static void a_clock_that_was_a_year_ahead_for_a_minute_costs_no_tick(void **state) {
    struct engine_fixture *f = *state;
    begin(f, HOURLY("missed = skip"), COUNTS);
    advance(f, MINUTES(60)); /* 13:10 */
    step(f, YEAR);
    advance(f, MINUTES(1));
    step(f, -YEAR);
    assert_true(schedule(f, 0).next_ms == utc("2026-05-01T14:00:00Z"));
    advance(f, MINUTES(49));
    assert_ticks(f, "13:00 14:00");
    crash(f);
    advance(f, HOURS(2));
    assert_ticks(f, "13:00 14:00 15:00 16:00");
}

static void a_tick_of_the_time_when_the_clock_was_wrong_is_a_missed_one(void **state) {
    struct engine_fixture *f = *state;
    begin(f, HOURLY(""), COUNTS);
    step(f, YEAR); /* the one before runs at once: it was missed */
    assert_ticks(f, "12:00");
    advance(f, MINUTES(60)); /* 13:10 */
    assert_ticks(f, "12:00 13:00");
    step(f, -YEAR);
    assert_ticks(f, "12:00 13:00 13:00");
    advance(f, MINUTES(50));
    assert_ticks(f, "12:00 13:00 13:00 14:00");
}

static void a_step_that_is_undone_while_the_host_is_down_costs_no_tick(void **state) {
    struct engine_fixture *f = *state;
    begin(f, HOURLY("missed = skip"), COUNTS);
    f->wall_ahead_ms = YEAR;
    stay_down(f, 0);
    f->wall_ahead_ms = 0;
    stay_down(f, MINUTES(1));
    assert_true(schedule(f, 0).next_ms == utc("2026-05-01T13:00:00Z"));
    advance(f, MINUTES(50));
    assert_ticks(f, "13:00");
}

static void a_minute_in_1970_runs_no_tick_twice(void **state) {
    struct engine_fixture *f = *state;
    begin(f, HOURLY(""), COUNTS);
    advance(f, MINUTES(50) + MINUTES(3)); /* 13:03 */
    int64_t back = -f->now_ms + HOURS(5) + MINUTES(10);
    step(f, back);
    advance(f, MINUTES(1));
    assert_ticks(f, "13:00");
    step(f, -back);
    assert_ticks(f, "13:00");
    restart(f);
    advance(f, HOURS(1));
    assert_ticks(f, "13:00 14:00");
}

static void a_clock_that_begins_in_1970_and_is_set_later_misses_one_tick(void **state) {
    struct engine_fixture *f = *state;
    f->wall_ahead_ms = -f->now_ms;
    begin(f, HOURLY(""), COUNTS);
    advance(f, HOURS(2));
    assert_ticks(f, "01:00 02:00");
    step(f, -f->wall_ahead_ms); /* 14:10 */
    advance(f, HOURS(1));
    assert_ticks(f, "01:00 02:00 14:00 15:00");
}

static void a_schedule_begins_anew_when_its_ticks_were_of_a_clock_far_ahead(void **state) {
    struct engine_fixture *f = *state;
    f->wall_ahead_ms = YEAR;
    begin(f, HOURLY(""), COUNTS);
    advance(f, HOURS(1));
    assert_ticks(f, "13:00");
    step(f, -YEAR);
    assert_ticks(f, "13:00");
    advance(f, HOURS(1));
    assert_ticks(f, "13:00 14:00");
}

static void the_engine_knows_of_a_step_before_the_next_tick(void **state) {
    struct engine_fixture *f = *state;
    begin(f, HOURLY(""), COUNTS);
    step(f, HOURS(10));
    assert_false(engine_due(f->engine));
    f->wall_ahead_ms = 0;
    assert_true(engine_due(f->engine));
    run_dry(f);
    assert_false(engine_due(f->engine));
    assert_true(engine_next_ms(f->engine) <= f->now_ms + MINUTES(50));
}

/* --- new, changed, gone --- */

static void a_new_schedule_begins_now(void **state) {
    struct engine_fixture *f = *state;
    begin(f, "", COUNTS);
    advance(f, HOURS(3));
    fixture_conf(f, HOURLY(""));
    stay_down(f, HOURS(3));
    assert_ticks(f, "");
    advance(f, MINUTES(50));
    assert_ticks(f, "19:00");
}

static void a_schedule_whose_time_was_changed_begins_now(void **state) {
    struct engine_fixture *f = *state;
    static const char *const confs[] = {
        "schedule \"tidy\" { cron = \"5 * * * *\" publish = \"tidy/up\" }\n",
        "schedule \"tidy\" { cron = \"5 * * * *\" publish = \"tidy/up\" timezone = "
        "\"Asia/Kolkata\" "
        "}\n"};
    begin(f, HOURLY(""), COUNTS);
    for (int i = 0; i < 2; i++) {
        fixture_conf(f, confs[i]);
        stay_down(f, HOURS(5));
        assert_ticks(f, "");
    }
    /* Half past by Greenwich is the hour in Kolkata. */
    advance(f, MINUTES(30));
    assert_ticks(f, "22:35");
    /* Another topic, payload or policy changes nothing in that. */
    fixture_conf(f, "schedule \"tidy\" { cron = \"5 * * * *\" timezone = \"Asia/Kolkata\" "
                    "publish = \"new\" payload = \"x\" missed = once }\n");
    stay_down(f, HOURS(2));
    char text[4096];
    assert_string_equal(ticks(f, "new", text), "00:35");
    assert_int_equal(schedule(f, 0).runs, 2);
}

static void a_schedule_that_went_and_comes_back_begins_now(void **state) {
    struct engine_fixture *f = *state;
    begin(f, HOURLY("") "schedule \"z\" { cron = \"0 * * * *\" publish = z }\n", COUNTS);
    advance(f, MINUTES(60));
    fixture_conf(f, "schedule \"z\" { cron = \"0 * * * *\" publish = z }\n");
    restart(f);
    advance(f, HOURS(4));
    fixture_conf(f, HOURLY("") "schedule \"z\" { cron = \"0 * * * *\" publish = z }\n");
    restart(f);
    run_dry(f);
    assert_ticks(f, "13:00");
    assert_int_equal(count_published(f, "z"), 5);
    advance(f, MINUTES(60));
    assert_ticks(f, "13:00 18:00");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_tick_publishes_once_and_says_which_it_is),
        TEST(the_engine_wakes_for_the_next_tick_and_says_when_it_is),
        TEST(each_schedule_ticks_by_the_clock_of_its_own_zone),
        TEST(a_tick_waits_for_the_broker_in_the_outbox),
        TEST(every_tick_runs_once_however_often_the_host_is_killed),
        TEST(a_host_killed_at_the_very_tick_runs_it_once),
        TEST(a_tick_that_another_host_has_sent_already_is_a_duplicate),
        TEST(of_the_ticks_that_nobody_saw_the_last_one_runs),
        TEST(with_skip_none_of_them_runs),
        TEST(a_tick_that_comes_late_while_the_host_is_up_runs),
        TEST(a_clock_that_jumps_ahead_misses_ticks_as_a_host_that_was_down),
        TEST(a_clock_that_is_set_back_runs_nothing_twice),
        TEST(a_clock_that_was_a_year_ahead_for_a_minute_costs_no_tick),
        TEST(a_tick_of_the_time_when_the_clock_was_wrong_is_a_missed_one),
        TEST(a_step_that_is_undone_while_the_host_is_down_costs_no_tick),
        TEST(a_minute_in_1970_runs_no_tick_twice),
        TEST(a_clock_that_begins_in_1970_and_is_set_later_misses_one_tick),
        TEST(a_schedule_begins_anew_when_its_ticks_were_of_a_clock_far_ahead),
        TEST(the_engine_knows_of_a_step_before_the_next_tick),
        TEST(a_new_schedule_begins_now),
        TEST(a_schedule_whose_time_was_changed_begins_now),
        TEST(a_schedule_that_went_and_comes_back_begins_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
