/* test_retry.c - attempts that fail: when they are tried again, and how they end. */
#include "engine_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static int set_up(void **state) {
    *state = fixture_new();
    return 0;
}

static int tear_down(void **state) {
    fixture_free(*state);
    return 0;
}

#define SERVICE(options)                                                                           \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" jitter = 0 " options " }\n"
#define KEYED(options) SERVICE("key = \"property:k\" " options)

/* Fails until the attempt that the payload names. */
static const char FAILS_UNTIL[] = "return function(e)\n"
                                  "  if e.attempt < tonumber(e.payload) then error('not yet') end\n"
                                  "  zing.publish('out', e.payload .. ':' .. e.attempt)\n"
                                  "end";
static const char FAILS[] = "return function() error('never') end";

/* --- when --- */

static void a_failed_attempt_is_tried_again_at_its_due_time(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("retries = 3 delay = \"1s\""), FAILS_UNTIL);
    deliver(f, "s", "in/a", "3");
    assert_int_equal(state_of(f, "s", "3"), EVENT_RETRYING);
    advance(f, 999);
    assert_int_equal(f->published_count, 0);
    assert_string_equal(history_of(f, "s", "3", text), "error");
    advance(f, 1); /* 1 s after the first */
    assert_string_equal(history_of(f, "s", "3", text), "error error");
    advance(f, 1999);
    assert_int_equal(f->published_count, 0);
    advance(f, 1); /* 2 s after the second */
    assert_string_equal(nth_published(f, "out", 0)->payload, "3:3");
    assert_books(f, "s", (struct books){.accepted = 1, .done = 1, .retries = 2});
}

static void the_last_attempt_that_fails_ends_dead_with_its_reason_and_history(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("retries = 2"), FAILS);
    deliver(f, "s", "in/a", "x");
    advance(f, 60 * 1000);
    assert_non_null(strstr(reason_of(f, "s", "x", text), "h.lua:1: never"));
    assert_string_equal(history_of(f, "s", "x", text), "error error error");
    assert_books(f, "s", (struct books){.accepted = 1, .dead = 1, .retries = 2});
    const struct published *p = nth_published(f, "zingq/dlq/s", 0);
    assert_string_equal(p->payload, "x");
    assert_string_equal(published_property(p, "zingq-attempts", text), "3");
    assert_string_equal(published_property(p, "zingq-topic", text), "in/a");
    struct uuid id = id_of(f, "s", "x");
    char id_text[UUID_TEXT_BYTES + 1];
    assert_string_equal(published_property(p, "zingq-id", text), uuid_text(&id, id_text));
}

static void retries_are_kept_over_a_crash_with_their_due_time(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("delay = \"10s\" backoff = \"constant\""), FAILS_UNTIL);
    deliver(f, "s", "in/a", "3");
    crash(f);
    advance(f, 9999);
    assert_int_equal(state_of(f, "s", "3"), EVENT_RETRYING);
    restart(f);
    advance(f, 1);
    crash(f);
    advance(f, 10000);
    assert_string_equal(nth_published(f, "out", 0)->payload, "3:3");
    assert_books(f, "s", (struct books){.accepted = 1, .done = 1, .retries = 2});
}

static void retries_that_came_due_while_the_host_was_down_run_at_the_start(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("delay = \"10s\""), FAILS_UNTIL);
    deliver(f, "s", "in/a", "2");
    f->now_ms += 3600 * 1000;
    crash(f);
    run_dry(f);
    run_dry(f);
    assert_string_equal(nth_published(f, "out", 0)->payload, "2:2");
}

static void no_retries_means_dead_at_once(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("retries = 0"), FAILS);
    deliver(f, "s", "in/a", "x");
    assert_books(f, "s", (struct books){.accepted = 1, .dead = 1});
}

static void a_retrying_key_holds_up_its_followers_and_nobody_else(void **state) {
    struct engine_fixture *f = *state;
    char out[256];
    fixture_run(f, KEYED("delay = \"5s\""), FAILS_UNTIL);
    offer(f, "s", "in", "2", "k", "a", NULL);
    offer(f, "s", "in", "1", "k", "b", NULL);
    offer(f, "s", "in", "0", "k", "a", NULL);
    run_dry(f);
    offer(f, "s", "in", "-1", "k", "a", NULL);
    run_dry(f);
    assert_string_equal(payloads(f, "out", out, sizeof out), "1:1");
    advance(f, 5000);
    assert_string_equal(payloads(f, "out", out, sizeof out), "1:1 2:2 0:1 -1:1");
}

static void a_handler_names_its_own_delay_with_zing_retry(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("delay = \"1s\""),
                "return function(e)\n"
                "  if e.attempt == 1 then zing.retry(30, 'busy') end\n"
                "  if e.attempt == 2 then zing.retry() end\n"
                "end");
    deliver(f, "s", "in/a", "x");
    advance(f, 29999);
    assert_string_equal(history_of(f, "s", "x", text), "error");
    advance(f, 1);
    assert_string_equal(history_of(f, "s", "x", text), "error error");
    advance(f, 2000); /* the second failure's delay by the numbers */
    assert_int_equal(state_of(f, "s", "x"), EVENT_DONE);
}

/* --- other ends --- */

static void a_rejected_event_is_dead_at_once(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("retries = 5"), "return function() zing.reject('bad seat') end");
    deliver(f, "s", "in/a", "x");
    assert_string_equal(reason_of(f, "s", "x", text), "bad seat");
    assert_string_equal(history_of(f, "s", "x", text), "reject");
    assert_books(f, "s", (struct books){.accepted = 1, .dead = 1});
}

static void a_dead_letter_of_the_handlers_own_is_kept_beside_its_success(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE(""),
                "return function(e) zing.dead_letter({seat = 1}, 'hold expired') end");
    deliver(f, "s", "in/a", "x");
    assert_int_equal(state_of(f, "s", "x"), EVENT_DONE);
    assert_string_equal(reason_of(f, "s", "{\"seat\":1}", text), "hold expired");
    assert_books(f, "s", (struct books){.accepted = 2, .done = 1, .dead = 1});
    assert_string_equal(nth_published(f, "zingq/dlq/s", 0)->payload, "{\"seat\":1}");
}

static void snoozes_use_up_no_attempt_and_are_counted_apart(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("retries = 0"),
                "return function(e) if zing.now() < 1700000060 then zing.snooze(20) end end");
    deliver(f, "s", "in/a", "x");
    assert_int_equal(state_of(f, "s", "x"), EVENT_SLEEPING);
    advance(f, 59999);
    assert_int_equal(state_of(f, "s", "x"), EVENT_SLEEPING);
    advance(f, 1);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DONE);
    assert_string_equal(history_of(f, "s", "x", text), "snooze snooze snooze");
    assert_books(f, "s", (struct books){.accepted = 1, .done = 1, .snoozes = 3});
}

static void a_throttle_holds_the_whole_service_and_no_other(void **state) {
    struct engine_fixture *f = *state;
    char out[256];
    fixture_script(f, "t.lua", "return function(e) zing.publish('out', 't') end");
    fixture_run(f, KEYED("") "service \"t\" { subscribe = {\"t\"} handler = \"t.lua\" }\n",
                "return function(e)\n"
                "  if e.payload == 'slow' and e.attempt == 1 then zing.throttle(10) end\n"
                "  zing.publish('out', e.payload)\n"
                "end");
    offer(f, "s", "in", "slow", "k", "a", NULL);
    run_dry(f);
    offer(f, "s", "in", "other", "k", "b", NULL);
    offer(f, "t", "t", "", NULL);
    run_dry(f);
    assert_string_equal(payloads(f, "out", out, sizeof out), "t");
    advance(f, 9999);
    assert_string_equal(payloads(f, "out", out, sizeof out), "t");
    advance(f, 1);
    assert_int_equal(count_published(f, "out"), 3);
    assert_books(f, "s", (struct books){.accepted = 2, .done = 2, .throttles = 1});
}

/* --- handlers that misbehave --- */

static void a_handler_without_end_is_stopped_and_others_go_on(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, "limits { lua_time = \"50ms\" }\n" KEYED("retries = 0"),
                "return function(e)\n"
                "  if e.payload == 'bad' then while true do end end\n"
                "  zing.publish('out', e.payload)\n"
                "end");
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
                "return function(e)\n"
                "  local t = {}\n"
                "  while e.payload == 'bad' do t[#t + 1] = ('x'):rep(1000) .. #t end\n"
                "end");
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
#define RETRY_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        RETRY_TEST(a_failed_attempt_is_tried_again_at_its_due_time),
        RETRY_TEST(the_last_attempt_that_fails_ends_dead_with_its_reason_and_history),
        RETRY_TEST(retries_are_kept_over_a_crash_with_their_due_time),
        RETRY_TEST(retries_that_came_due_while_the_host_was_down_run_at_the_start),
        RETRY_TEST(no_retries_means_dead_at_once),
        RETRY_TEST(a_retrying_key_holds_up_its_followers_and_nobody_else),
        RETRY_TEST(a_handler_names_its_own_delay_with_zing_retry),
        RETRY_TEST(a_rejected_event_is_dead_at_once),
        RETRY_TEST(a_dead_letter_of_the_handlers_own_is_kept_beside_its_success),
        RETRY_TEST(snoozes_use_up_no_attempt_and_are_counted_apart),
        RETRY_TEST(a_throttle_holds_the_whole_service_and_no_other),
        RETRY_TEST(a_handler_without_end_is_stopped_and_others_go_on),
        RETRY_TEST(a_handler_that_allocates_without_end_is_stopped),
        RETRY_TEST(an_error_that_is_a_table_is_told_as_text),
        RETRY_TEST(a_saved_script_takes_over_for_the_next_attempt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
