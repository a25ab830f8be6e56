/* test_step.c - steps are done once, sleeps and waits leave memory: whatever happens between two
 * lines of a handler.
 *
 * ctest: busy timeout=400
 */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE(options)                                                                           \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"property:k\" jitter = 0 "  \
    "delay = \"1s\" " options " }\n"

/* The value of the Idempotency-Key that the call carried. */
static const char *key_of(const struct engine_fixture *f, size_t asked, char out[256]) {
    static const char name[] = "Idempotency-Key: ";
    const char *at = strstr(f->asked[asked].headers, name);
    assert_non_null(at);
    at += sizeof name - 1;
    (void)snprintf(out, 256, "%.*s", (int)strcspn(at, "\n"), at);
    return out;
}

static void answer_all(struct engine_fixture *f, long status) {
    for (size_t i = 0; i < f->asked_count; i++) {
        if (f->asked[i].open) {
            answer(f, i, status, f->asked[i].url);
        }
    }
}

/* --- steps --- */

static void a_step_is_on_disk_before_the_next_line_runs(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(a_step_is_on_disk_before_the_next_line_runs));
    offer(f, "s", "in", "x", "k", "a", NULL);
    assert_int_equal(turn(f), 0);
    assert_int_equal(count_published(f, "did"), 1);
    assert_int_equal(count_published(f, "out"), 0);
    assert_int_equal(count_rows(f, TABLE_STEP), 1);
    run_dry(f);
    assert_string_equal(nth_published(f, "out", 0)->payload, "8");
    assert_int_equal(state_of(f, "s", "x"), EVENT_DONE);
}

static void a_finished_step_does_not_run_again_after_a_failure(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    fixture_run(f, SERVICE(""), LUA(a_finished_step_does_not_run_again_after_a_failure));
    offer(f, "s", "in", "y", "k", "a", NULL);
    advance(f, 10000);
    assert_int_equal(count_published(f, "did"), 1);
    assert_string_equal(nth_published(f, "out", 0)->payload, "1");
    assert_string_equal(state_text(f, "s", "a", "n", out), "1");
}

static void a_step_that_fails_leaves_the_earlier_ones_done(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("retries = 1"), LUA(a_step_that_fails_leaves_the_earlier_ones_done));
    offer(f, "s", "in", "x", "k", "a", NULL);
    advance(f, 5000);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DEAD);
    assert_int_equal(count_published(f, "a"), 1);
    assert_int_equal(count_published(f, "b"), 0);
}

static void a_replayed_dead_letter_goes_on_behind_its_finished_steps(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("retries = 0"),
                LUA(a_replayed_dead_letter_goes_on_behind_its_finished_steps));
    offer(f, "s", "in", "x", "k", "a", NULL);
    run_dry(f);
    struct uuid id = id_of(f, "s", "x");
    fixture_script(f, "h.lua", LUA(a_replayed_dead_letter_goes_on_behind_its_finished_steps_2));
    fixture_reload(f);
    assert_int_equal(command(f, (struct command){.kind = COMMAND_REPLAY, .id = id}), 0);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DONE);
    assert_int_equal(count_published(f, "a"), 1);
    assert_int_equal(count_published(f, "out"), 1);
}

static void a_replayed_done_event_does_its_steps_again(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""),
                "return function(e) zing.step('a', function() zing.publish('a', '') end) end");
    offer(f, "s", "in", "x", "k", "a", NULL);
    run_dry(f);
    struct event *event = event_with(f, "s", "x");
    struct command c = {.kind = COMMAND_RERUN,
                        .service = slice_of("s"),
                        .partition = event->partition,
                        .id = event->id};
    event_free(event);
    assert_int_equal(command(f, c), 0);
    assert_int_equal(count_published(f, "a"), 2);
}

static void one_name_twice_is_an_error(void **state) {
    struct engine_fixture *f = *state;
    char reason[512];
    fixture_run(f, SERVICE("retries = 0"), LUA(one_name_twice_is_an_error));
    offer(f, "s", "in", "x", "k", "a", NULL);
    run_dry(f);
    assert_non_null(strstr(reason_of(f, "s", "x", reason), "two steps are named \"same\""));
}

static void what_cannot_stand_in_a_step_is_an_error(void **state) {
    struct engine_fixture *f = *state;
    static const char *const inside[] = {"zing.step('inner', function() end)", "zing.sleep(1)",
                                         "zing.wait('x')", "zing.saga()"};
    char reason[512];
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        char script[256];
        char payload[8];
        (void)snprintf(script, sizeof script,
                       "return function() zing.step('outer', function() %s end) end", inside[i]);
        (void)snprintf(payload, sizeof payload, "%zu", i);
        if (i == 0) {
            fixture_run(f, SERVICE("retries = 0"), script);
        } else {
            fixture_script(f, "h.lua", script);
            fixture_reload(f);
        }
        offer(f, "s", "in", payload, "k", "a", NULL);
        run_dry(f);
        assert_non_null(strstr(reason_of(f, "s", payload, reason), "inside the step \"outer\""));
    }
}

static void a_step_may_not_write_what_the_handler_wrote_around_it(void **state) {
    struct engine_fixture *f = *state;
    char reason[512];
    fixture_run(f, SERVICE("retries = 0"),
                LUA(a_step_may_not_write_what_the_handler_wrote_around_it));
    offer(f, "s", "in", "x", "k", "a", NULL);
    run_dry(f);
    assert_non_null(strstr(reason_of(f, "s", "x", reason), "which this handler changed before it"));
}

static void a_result_over_its_limit_is_an_error(void **state) {
    struct engine_fixture *f = *state;
    char reason[512];
    fixture_run(f, SERVICE("retries = 0"), LUA(a_result_over_its_limit_is_an_error));
    offer(f, "s", "in", "x", "k", "a", NULL);
    run_dry(f);
    assert_non_null(strstr(reason_of(f, "s", "x", reason), "the step's result is larger than"));
}

static void calls_in_steps_have_keys_by_their_names(void **state) {
    struct engine_fixture *f = *state;
    char key[256];
    char expected[256];
    char id[UUID_TEXT_BYTES + 1];
    fixture_run(f, SERVICE(""), LUA(calls_in_steps_have_keys_by_their_names));
    offer(f, "s", "in", "x", "k", "a", NULL);
    for (int i = 0; i < 3; i++) {
        run_dry(f);
        answer_all(f, 200);
    }
    run_dry(f);
    struct uuid event = id_of(f, "s", "x");
    (void)uuid_text(&event, id);
    static const char *const ends[] = {"", ":pay%2Fnow", ":pay%2Fnow:2"};
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(expected, sizeof expected, "s-%s%s", id, ends[i]);
        assert_string_equal(key_of(f, i, key), expected);
    }
}

/* --- sleeps --- */

static void a_sleeping_event_is_not_in_memory_and_goes_on_after_a_restart(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("timeout = \"1s\""),
                LUA(a_sleeping_event_is_not_in_memory_and_goes_on_after_a_restart));
    offer(f, "s", "in", "x", "k", "a", NULL);
    run_dry(f);
    assert_int_equal(engine_running(f->engine), 0);
    assert_int_equal(state_of(f, "s", "x"), EVENT_SLEEPING);
    restart(f);
    advance(f, 7199000);
    assert_int_equal(state_of(f, "s", "x"), EVENT_SLEEPING);
    crash(f);
    advance(f, 2000);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DONE);
    assert_int_equal(count_published(f, "a"), 1);
    assert_string_equal(nth_published(f, "out", 0)->payload, "1");
}

static void a_sleep_holds_up_its_own_key_only(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    fixture_run(f, SERVICE(""), LUA(a_sleep_holds_up_its_own_key_only));
    offer(f, "s", "in", "1", "k", "a", NULL);
    offer(f, "s", "in", "2", "k", "a", NULL);
    offer(f, "s", "in", "3", "k", "b", NULL);
    advance(f, 61000);
    assert_string_equal(payloads(f, "out", out, sizeof out), "3 1 2");
}

/* --- waits and signals --- */

static int send(struct engine_fixture *f, const char *name, const char *value) {
    return command(f, (struct command){.kind = COMMAND_SIGNAL,
                                       .service = slice_of("s"),
                                       .key = slice_of("a"),
                                       .name = slice_of(name),
                                       .payload = slice_of(value)});
}

static void a_signal_ends_a_wait(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(WAITS));
    offer(f, "s", "in", "x", "k", "a", NULL);
    run_dry(f);
    assert_int_equal(state_of(f, "s", "x"), EVENT_SLEEPING);
    restart(f);
    assert_int_equal(send(f, "other", "1"), 0);
    assert_int_equal(state_of(f, "s", "x"), EVENT_SLEEPING);
    assert_int_equal(send(f, "paid", "{\"by\":\"card\"}"), 0);
    run_dry(f);
    assert_string_equal(nth_published(f, "out", 0)->payload, "[{\"by\":\"card\"}]");
}

static void a_signal_may_come_before_the_wait(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(WAITS));
    assert_int_equal(send(f, "paid", "first"), 0);
    assert_int_equal(send(f, "paid", "second"), 0);
    crash(f);
    offer(f, "s", "in", "x", "k", "a", NULL);
    run_dry(f);
    assert_string_equal(nth_published(f, "out", 0)->payload, "[\"first\"]");
    assert_int_equal(count_rows(f, TABLE_SIGNAL), 1);
}

static void a_wait_that_times_out_says_so(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(a_wait_that_times_out_says_so));
    offer(f, "s", "in", "x", "k", "a", NULL);
    advance(f, 599000);
    assert_int_equal(state_of(f, "s", "x"), EVENT_SLEEPING);
    advance(f, 2000);
    assert_string_equal(nth_published(f, "out", 0)->payload, "timeout");
    assert_int_equal(send(f, "paid", "late"), 0);
    assert_int_equal(count_rows(f, TABLE_SIGNAL), 1); /* nobody's */
}

static void a_wait_without_a_time_limit_waits_for_good(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), "return function() zing.publish('out', zing.wait('go')) end");
    offer(f, "s", "in", "x", "k", "a", NULL);
    f->now_ms += (int64_t)86400000 * 30;
    run_dry(f);
    restart(f);
    assert_int_equal(state_of(f, "s", "x"), EVENT_SLEEPING);
    assert_int_equal(send(f, "go", "now"), 0);
    run_dry(f);
    assert_string_equal(nth_published(f, "out", 0)->payload, "now");
}

static void a_signal_nobody_takes_runs_out(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, "store { keep_signals = \"1h\" }\n" SERVICE(""), LUA(WAITS));
    assert_int_equal(send(f, "paid", "1"), 0);
    advance(f, 3601000);
    assert_int_equal(count_rows(f, TABLE_SIGNAL), 0);
}

static void a_handler_signals_another_service(void **state) {
    struct engine_fixture *f = *state;
    fixture_script(f, "t.lua", "return function(e) zing.signal('s', 'a', 'paid', {n = 5}) end");
    fixture_run(f, SERVICE("") "service \"t\" { subscribe = {\"go\"} handler = \"t.lua\" }\n",
                LUA(WAITS));
    offer(f, "s", "in", "x", "k", "a", NULL);
    run_dry(f);
    deliver(f, "t", "go", "");
    run_dry(f);
    assert_string_equal(nth_published(f, "out", 0)->payload, "[{\"n\":5}]");
}

static void a_signal_message_is_taken_once(void **state) {
    struct engine_fixture *f = *state;
    struct buf properties;
    buf_init(&properties, 256);
    property_add(&properties, slice_of("idempotency-key"), slice_of("evt_1"));
    fixture_run(f, SERVICE(""), LUA(WAITS));
    struct event_bytes bytes = {.topic = slice_of("zingq/signal/s/a%2Fb/paid"),
                                .payload = slice_of("42"),
                                .properties = buf_slice(&properties)};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(engine_offer_signal(f->engine, 0, &bytes, 0), 0);
        run_dry(f);
    }
    buf_clear(&properties);
    assert_int_equal(count_rows(f, TABLE_SIGNAL), 1);
    offer(f, "s", "in", "x", "k", "a/b", NULL);
    run_dry(f);
    assert_string_equal(nth_published(f, "out", 0)->payload, "[42]");
}

static void a_signal_message_that_names_nothing_is_a_dead_letter(void **state) {
    struct engine_fixture *f = *state;
    char reason[512];
    fixture_run(f, SERVICE(""), LUA(WAITS));
    struct event_bytes bytes = {.topic = slice_of("zingq/signal/s/%4/paid"),
                                .payload = slice_of("42")};
    assert_int_equal(engine_offer_signal(f->engine, 0, &bytes, 0), 0);
    run_dry(f);
    assert_non_null(strstr(reason_of(f, "s", "42", reason), "two hex digits"));
}

/* --- the ledger --- */

static void a_call_of_unknown_outcome_is_settled_by_reconcile(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(a_call_of_unknown_outcome_is_settled_by_reconcile));
    offer(f, "s", "in", "x", "k", "a", NULL);
    run_dry(f);
    crash(f); /* nobody knows whether it was charged */
    run_dry(f);
    assert_string_equal(f->asked[f->asked_count - 1].url, "http://pay/by-key");
    answer(f, f->asked_count - 1, 200, "found");
    run_dry(f);
    assert_string_equal(nth_published(f, "out", 0)->payload, "found");
    size_t charges = 0;
    for (size_t i = 0; i < f->asked_count; i++) {
        charges += strcmp(f->asked[i].url, "http://pay/charge") == 0 ? 1 : 0;
    }
    assert_int_equal(charges, 1);
}

static void calls_of_a_finished_step_need_no_force(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("retries = 0 idempotency_window = \"1h\""),
                LUA(calls_of_a_finished_step_need_no_force));
    offer(f, "s", "in", "x", "k", "a", NULL);
    run_dry(f);
    answer_all(f, 200);
    run_dry(f);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DEAD);
    advance(f, 7200000);
    struct uuid id = id_of(f, "s", "x");
    assert_int_equal(command(f, (struct command){.kind = COMMAND_REPLAY, .id = id}), 0);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DONE);
    assert_int_equal(f->asked_count, 1);
}

static void a_key_that_may_be_forgotten_is_not_used_again_unasked(void **state) {
    struct engine_fixture *f = *state;
    char reason[512];
    fixture_run(f, SERVICE("idempotency_window = \"1h\""),
                "return function(e) zing.http.post('http://pay/charge') end");
    offer(f, "s", "in", "x", "k", "a", NULL);
    run_dry(f);
    f->now_ms += 7200000; /* down for two hours */
    crash(f);
    run_dry(f);
    assert_non_null(strstr(reason_of(f, "s", "x", reason), "older than idempotency_window (1 h)"));
    struct uuid id = id_of(f, "s", "x");
    assert_int_equal(command(f, (struct command){.kind = COMMAND_REPLAY, .id = id}), ERR_INVALID);
    size_t before = f->asked_count;
    struct command forced = {.kind = COMMAND_REPLAY, .id = id, .force = true};
    assert_int_equal(command(f, forced), 0);
    assert_int_equal(f->asked_count, before + 1);
}

/* --- between any two lines --- */

static size_t distinct_keys(const struct engine_fixture *f) {
    size_t count = 0;
    char a[256];
    char b[256];
    for (size_t i = 0; i < f->asked_count; i++) {
        bool first = true;
        for (size_t k = 0; k < i; k++) {
            first = first && strcmp(key_of(f, i, a), key_of(f, k, b)) != 0;
        }
        count += first ? 1 : 0;
    }
    return count;
}

/* One turn and what the world does meanwhile; the host goes down after the `kill`-th. Returns
 * whether there was one. */
static bool turn_or_kill(struct engine_fixture *f, size_t *turns, size_t kill) {
    assert_int_equal(turn(f), 0);
    if (++*turns == kill) {
        crash(f);
        return true;
    }
    answer_all(f, 200);
    return false;
}

static void play(struct engine_fixture *f, size_t kill, bool *killed) {
    size_t turns = 0;
    bool signalled = false;
    offer(f, "s", "in", "x", "k", "a", NULL);
    for (int rounds = 0; count_published(f, "sum") == 0; rounds++) {
        assert_true(rounds < 500);
        if (!signalled && count_rows(f, TABLE_WAITER) == 1) {
            assert_int_equal(send(f, "more", "100"), 0);
            signalled = true;
        }
        *killed = turn_or_kill(f, &turns, kill) || *killed;
        if (redeliver(f) == 0 && !engine_due(f->engine)) {
            f->now_ms += 1000;
            f->monotonic_us += 1000000;
        }
    }
}

static void killed_at_every_commit_in_turn_each_step_is_asked_for_under_one_key(void **state) {
    struct engine_fixture *f = *state;
    bool killed = true;
    size_t kills = 0;
    for (size_t kill = 1; killed; kill++) {
        killed = false;
        fixture_free(f);
        f = fixture_new();
        *state = f;
        fixture_run(f, SERVICE(""), LUA(LONG));
        play(f, kill, &killed);
        kills += killed ? 1 : 0;
        run_dry(f);
        char out[512];
        char topic[16];
        assert_string_equal(nth_published(f, "sum", 0)->payload, "115");
        assert_int_equal(count_published(f, "sum"), 1);
        assert_string_equal(state_text(f, "s", "a", "did", out), "5");
        for (int n = 1; n <= 5; n++) {
            (void)snprintf(topic, sizeof topic, "did/%d", n);
            assert_int_equal(count_published(f, topic), 1);
        }
        assert_int_equal(distinct_keys(f), 5);
        assert_true(f->asked_count <= 6); /* a call under way at the crash is made again */
        assert_int_equal(state_of(f, "s", "x"), EVENT_DONE);
    }
    assert_true(kills > 12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_step_is_on_disk_before_the_next_line_runs),
        ENGINE_TEST(a_finished_step_does_not_run_again_after_a_failure),
        ENGINE_TEST(a_step_that_fails_leaves_the_earlier_ones_done),
        ENGINE_TEST(a_replayed_dead_letter_goes_on_behind_its_finished_steps),
        ENGINE_TEST(a_replayed_done_event_does_its_steps_again),
        ENGINE_TEST(one_name_twice_is_an_error),
        ENGINE_TEST(what_cannot_stand_in_a_step_is_an_error),
        ENGINE_TEST(a_step_may_not_write_what_the_handler_wrote_around_it),
        ENGINE_TEST(a_result_over_its_limit_is_an_error),
        ENGINE_TEST(calls_in_steps_have_keys_by_their_names),
        ENGINE_TEST(a_sleeping_event_is_not_in_memory_and_goes_on_after_a_restart),
        ENGINE_TEST(a_sleep_holds_up_its_own_key_only),
        ENGINE_TEST(a_signal_ends_a_wait),
        ENGINE_TEST(a_signal_may_come_before_the_wait),
        ENGINE_TEST(a_wait_that_times_out_says_so),
        ENGINE_TEST(a_wait_without_a_time_limit_waits_for_good),
        ENGINE_TEST(a_signal_nobody_takes_runs_out),
        ENGINE_TEST(a_handler_signals_another_service),
        ENGINE_TEST(a_signal_message_is_taken_once),
        ENGINE_TEST(a_signal_message_that_names_nothing_is_a_dead_letter),
        ENGINE_TEST(a_call_of_unknown_outcome_is_settled_by_reconcile),
        ENGINE_TEST(calls_of_a_finished_step_need_no_force),
        ENGINE_TEST(a_key_that_may_be_forgotten_is_not_used_again_unasked),
        ENGINE_TEST(killed_at_every_commit_in_turn_each_step_is_asked_for_under_one_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
