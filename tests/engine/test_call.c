/* test_call.c - attempts that wait for the world, host crashes in the middle, handlers that
 * misbehave. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include "event/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE(options)                                                                           \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" jitter = 0 " options " }\n"
#define KEYED(options) SERVICE("key = \"property:k\" " options)

static const char FAILS[] = "return function() error('never') end";
/* --- calls --- */

static void a_call_leaves_after_the_commit_and_its_answer_ends_the_event(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(CALLS));
    offer(f, "s", "in/a", "x", NULL);
    assert_int_equal(f->asked_count, 0);
    assert_int_equal(turn(f), 0);
    assert_int_equal(f->asked_count, 1);
    assert_string_equal(f->asked[0].url, "http://peer/x");
    assert_int_equal(state_of(f, "s", "x"), EVENT_RUNNING);
    assert_int_equal(engine_running(f->engine), 1);
    answer(f, 0, 200, "ok");
    run_dry(f);
    assert_string_equal(nth_published(f, "out", 0)->payload, "ok");
    assert_int_equal(state_of(f, "s", "x"), EVENT_DONE);
    assert_int_equal(engine_running(f->engine), 0);
}

static void a_waiting_call_holds_up_its_own_key_only(void **state) {
    struct engine_fixture *f = *state;
    char out[256];
    fixture_run(f, KEYED(""), LUA(CALLS));
    offer(f, "s", "in", "1", "k", "a", NULL);
    offer(f, "s", "in", "2", "k", "a", NULL);
    offer(f, "s", "in", "3", "k", "b", NULL);
    run_dry(f);
    assert_int_equal(f->asked_count, 2);
    answer(f, 1, 200, "three");
    run_dry(f);
    answer(f, 0, 200, "one");
    run_dry(f);
    answer(f, 2, 200, "two");
    run_dry(f);
    assert_string_equal(payloads(f, "out", out, sizeof out), "three one two");
}

static void a_thousand_calls_wait_at_once(void **state) {
    struct engine_fixture *f = *state;
    f->unchecked = true;
    fixture_run(f, SERVICE("concurrency = 1000"), LUA(CALLS));
    for (int i = 0; i < 1000; i++) {
        offer(f, "s", "in/a", "x", NULL);
    }
    run_dry(f);
    assert_int_equal(f->asked_count, 1000);
    for (size_t i = 0; i < 1000; i++) {
        answer(f, (i * 7) % 1000, 200, "ok");
    }
    run_dry(f);
    engine_check(f);
    assert_books(f, "s", (struct books){.accepted = 1000, .done = 1000});
}

static void concurrency_bounds_the_calls_that_wait(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("concurrency = 3"), LUA(CALLS));
    for (int i = 0; i < 10; i++) {
        deliver(f, "s", "in/a", "x");
    }
    assert_int_equal(f->asked_count, 3);
    answer(f, 1, 200, "ok");
    run_dry(f);
    assert_int_equal(f->asked_count, 4);
}

static void an_attempt_that_waits_too_long_is_a_timeout(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("timeout = \"5s\" retries = 1 delay = \"1s\""), LUA(CALLS));
    deliver(f, "s", "in/a", "x");
    advance(f, 4999);
    assert_true(f->asked[0].open);
    advance(f, 1);
    assert_false(f->asked[0].open); /* cancelled */
    assert_string_equal(history_of(f, "s", "x", text), "timeout");
    advance(f, 1000);
    assert_int_equal(f->asked_count, 2);
    advance(f, 5000);
    assert_non_null(strstr(reason_of(f, "s", "x", text), "timed out"));
    assert_string_equal(history_of(f, "s", "x", text), "timeout timeout");
    assert_books(f, "s", (struct books){.accepted = 1, .dead = 1, .retries = 1, .timeouts = 2});
}

static void what_a_call_did_that_took_too_long_is_unknown(void **state) {
    struct engine_fixture *f = *state;
    struct call_note note;
    size_t at = 0;
    fixture_run(f, SERVICE("timeout = \"5s\" retries = 0"),
                "return function() zing.http.post('http://peer/') end");
    deliver(f, "s", "in/a", "x");
    advance(f, 5000);
    struct event *event = event_with(f, "s", "x");
    assert_true(ledger_next(event->calls, &at, &note));
    assert_int_equal(note.state, CALL_UNKNOWN);
    event_free(event);
}

static void a_late_answer_finds_nobody(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("timeout = \"5s\" retries = 0"), LUA(CALLS));
    deliver(f, "s", "in/a", "x");
    uint64_t id = f->asked[0].id;
    advance(f, 5000);
    struct call_result late = {.status = 200};
    buf_init(&late.headers, 16);
    buf_init(&late.body, 16);
    engine_call_done(f->engine, id, &late);
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 1, .dead = 1, .timeouts = 1});
    assert_int_equal(count_published(f, "out"), 0);
}

static void an_answer_and_the_timeout_in_one_turn_count_once(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("timeout = \"5s\" retries = 0"), LUA(CALLS));
    deliver(f, "s", "in/a", "x");
    answer(f, 0, 200, "just in time");
    f->now_ms += 5000;
    f->monotonic_us += 5000000;
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 1, .done = 1});
}

static void a_call_that_ended_badly_is_the_handlers_error(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("delay = \"1s\""), LUA(CALLS));
    deliver(f, "s", "in/a", "x");
    answer_code(f, 0, ERR_NETWORK);
    run_dry(f);
    assert_string_equal(history_of(f, "s", "x", text), "error");
    advance(f, 1000);
    answer(f, 1, 200, "ok");
    run_dry(f);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DONE);
}

static void every_attempt_sends_the_same_idempotency_key(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("delay = \"1s\""),
                "return function() zing.http.post('http://peer', {body = '1'}) end");
    deliver(f, "s", "in/a", "x");
    answer_code(f, 0, ERR_TIMEOUT);
    advance(f, 1000);
    crash(f);
    run_dry(f);
    advance(f, 1000);
    assert_true(f->asked_count >= 3);
    const char *first = strstr(f->asked[0].headers, "Idempotency-Key: ");
    assert_non_null(first);
    for (size_t i = 1; i < f->asked_count; i++) {
        assert_string_equal(strstr(f->asked[i].headers, "Idempotency-Key: "), first);
    }
}

/* --- crashes --- */

static void a_crash_while_an_attempt_waits_is_not_its_doing(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("retries = 0 crashes = 1"), LUA(CALLS));
    deliver(f, "s", "in/a", "x");
    for (int i = 0; i < 4; i++) {
        crash(f);
        run_dry(f);
        assert_int_equal(state_of(f, "s", "x"), EVENT_RUNNING);
    }
    assert_string_equal(history_of(f, "s", "x", text), "");
    answer(f, f->asked_count - 1, 200, "ok");
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 1, .done = 1});
}

static void an_event_that_takes_the_host_down_too_often_is_dead(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("crashes = 3"), LUA(CALLS));
    deliver(f, "s", "in/a", "x");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(state_of(f, "s", "x"), EVENT_RUNNING);
        crash_in(f, "s", "x");
        run_dry(f);
        advance(f, 5000);
    }
    assert_non_null(strstr(reason_of(f, "s", "x", text), "the host went down 3 times"));
    assert_string_equal(history_of(f, "s", "x", text), "crash crash crash");
    assert_books(f, "s", (struct books){.accepted = 1, .dead = 1, .crashes = 3});
}

static void a_crash_before_a_reboot_is_nobodys(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("crashes = 1"), LUA(CALLS));
    deliver(f, "s", "in/a", "x");
    f->boot++;
    crash_in(f, "s", "x");
    run_dry(f);
    assert_int_equal(state_of(f, "s", "x"), EVENT_RUNNING);
    assert_books(f, "s", (struct books){.accepted = 1});
}

static void a_stop_is_no_crash(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("crashes = 1"), LUA(CALLS));
    deliver(f, "s", "in/a", "x");
    for (int i = 0; i < 3; i++) {
        restart(f);
        run_dry(f);
    }
    answer(f, f->asked_count - 1, 200, "ok");
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 1, .done = 1});
}

static void an_event_that_did_not_run_is_not_blamed_for_a_crash(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED("crashes = 2"), LUA(CALLS));
    offer(f, "s", "in", "1", "k", "a", NULL);
    offer(f, "s", "in", "2", "k", "a", NULL);
    run_dry(f);
    crash_in(f, "s", "1");
    run_dry(f);
    advance(f, 5000);
    answer(f, f->asked_count - 1, 200, "ok");
    run_dry(f);
    answer(f, f->asked_count - 1, 200, "ok");
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 2, .done = 2, .crashes = 1});
}

/* --- handlers that misbehave --- */

static void a_handler_without_end_is_stopped_and_others_go_on(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, "limits { lua_time = \"50ms\" }\n" KEYED("retries = 0"),
                LUA(a_handler_without_end_is_stopped_and_others_go_on));
    offer(f, "s", "in", "bad", "k", "a", NULL);
    offer(f, "s", "in", "good", "k", "b", NULL);
    run_dry(f);
    assert_int_equal(state_of(f, "s", "bad"), EVENT_DEAD);
    assert_non_null(strstr(reason_of(f, "s", "bad", text), "50 ms"));
    assert_string_equal(nth_published(f, "out", 0)->payload, "good");
}

static void a_handler_that_allocates_without_end_is_stopped(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, "limits { lua_memory = \"4MiB\" lua_time = \"5s\" }\n" KEYED("retries = 0"),
                LUA(a_handler_that_allocates_without_end_is_stopped));
    offer(f, "s", "in", "bad", "k", "a", NULL);
    offer(f, "s", "in", "good", "k", "b", NULL);
    run_dry(f);
    assert_int_equal(state_of(f, "s", "bad"), EVENT_DEAD);
    assert_int_equal(state_of(f, "s", "good"), EVENT_DONE);
}

static void an_error_that_is_a_table_is_told_as_text(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("retries = 0"), "return function() error({code = 7}) end");
    deliver(f, "s", "in/a", "x");
    assert_non_null(strstr(reason_of(f, "s", "x", text), "7"));
}

static void a_saved_script_takes_over_for_the_next_attempt(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("delay = \"1s\""), FAILS);
    deliver(f, "s", "in/a", "x");
    fixture_script(f, "h.lua", "return function() zing.publish('out', 'mended') end");
    fixture_reload(f);
    advance(f, 1000);
    assert_string_equal(nth_published(f, "out", 0)->payload, "mended");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_call_leaves_after_the_commit_and_its_answer_ends_the_event),
        ENGINE_TEST(a_waiting_call_holds_up_its_own_key_only),
        ENGINE_TEST(a_thousand_calls_wait_at_once),
        ENGINE_TEST(concurrency_bounds_the_calls_that_wait),
        ENGINE_TEST(an_attempt_that_waits_too_long_is_a_timeout),
        ENGINE_TEST(what_a_call_did_that_took_too_long_is_unknown),
        ENGINE_TEST(a_late_answer_finds_nobody),
        ENGINE_TEST(an_answer_and_the_timeout_in_one_turn_count_once),
        ENGINE_TEST(a_call_that_ended_badly_is_the_handlers_error),
        ENGINE_TEST(every_attempt_sends_the_same_idempotency_key),
        ENGINE_TEST(a_crash_while_an_attempt_waits_is_not_its_doing),
        ENGINE_TEST(a_crash_before_a_reboot_is_nobodys),
        ENGINE_TEST(an_event_that_takes_the_host_down_too_often_is_dead),
        ENGINE_TEST(a_stop_is_no_crash),
        ENGINE_TEST(an_event_that_did_not_run_is_not_blamed_for_a_crash),
        ENGINE_TEST(a_handler_without_end_is_stopped_and_others_go_on),
        ENGINE_TEST(a_handler_that_allocates_without_end_is_stopped),
        ENGINE_TEST(an_error_that_is_a_table_is_told_as_text),
        ENGINE_TEST(a_saved_script_takes_over_for_the_next_attempt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
