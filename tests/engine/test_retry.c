/* test_retry.c - attempts that fail: when they are tried again, and how they end. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE(options)                                                                           \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" jitter = 0 " options " }\n"
#define KEYED(options) SERVICE("key = \"property:k\" " options)

static const char FAILS[] = "return function() error('never') end";

/* --- when --- */

static void a_failed_attempt_is_tried_again_at_its_due_time(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("retries = 3 delay = \"1s\""), LUA(FAILS_UNTIL));
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
    fixture_run(f, SERVICE("delay = \"10s\" backoff = \"constant\""), LUA(FAILS_UNTIL));
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
    fixture_run(f, SERVICE("delay = \"10s\""), LUA(FAILS_UNTIL));
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
    fixture_run(f, KEYED("delay = \"5s\""), LUA(FAILS_UNTIL));
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
    fixture_run(f, SERVICE("delay = \"1s\""), LUA(a_handler_names_its_own_delay_with_zing_retry));
    deliver(f, "s", "in/a", "x");
    advance(f, 29999);
    assert_string_equal(history_of(f, "s", "x", text), "error");
    advance(f, 1);
    assert_string_equal(history_of(f, "s", "x", text), "error error");
    advance(f, 2000); /* the second failure's delay by the numbers */
    assert_int_equal(state_of(f, "s", "x"), EVENT_DONE);
}

/* --- policies --- */

static void a_retry_policy_decides_instead_of_the_numbers(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_script(f, "retry.lua", LUA(a_retry_policy_decides_instead_of_the_numbers));
    fixture_run(f, SERVICE("retries = 0 retry = \"retry.lua\""),
                "return function() error('never', 0) end");
    deliver(f, "s", "in/a", "x");
    advance(f, 6999);
    assert_string_equal(history_of(f, "s", "x", text), "error");
    advance(f, 7001);
    assert_string_equal(reason_of(f, "s", "x", text), "enough: never");
    assert_books(f, "s", (struct books){.accepted = 1, .dead = 1, .retries = 2});
}

static void a_retry_policy_does_not_override_the_handlers_own_delay(void **state) {
    struct engine_fixture *f = *state;
    fixture_script(f, "retry.lua", "return function() return {after = 3600} end");
    fixture_run(f, SERVICE("retry = \"retry.lua\""),
                "return function(e) if e.attempt == 1 then zing.retry(5) end end");
    deliver(f, "s", "in/a", "x");
    advance(f, 5000);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DONE);
}

static void a_retry_policy_that_fails_leaves_it_to_the_numbers(void **state) {
    struct engine_fixture *f = *state;
    static const char *const policies[] = {"return function() error('oops') end",
                                           "return function() return 7 end",
                                           "return function() return {after = -1} end"};
    fixture_script(f, "retry.lua", policies[0]);
    fixture_run(f, SERVICE("retries = 1 delay = \"2s\" retry = \"retry.lua\""), LUA(FAILS_UNTIL));
    for (size_t i = 0; i < 3; i++) {
        fixture_script(f, "retry.lua", policies[i]);
        fixture_reload(f);
        deliver(f, "s", "in/a", "2");
        advance(f, 2000);
        assert_int_equal(count_published(f, "out"), i + 1);
    }
}

static void a_dead_letter_policy_publishes_and_writes_state(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_script(f, "dlq.lua", LUA(a_dead_letter_policy_publishes_and_writes_state));
    fixture_run(f, KEYED("retries = 0 dead_letter = \"dlq.lua\""),
                "return function() zing.reject('hopeless') end");
    offer(f, "s", "in", "x", "k", "a", NULL);
    run_dry(f);
    assert_string_equal(nth_published(f, "alarm", 0)->payload, "x:hopeless");
    assert_string_equal(state_text(f, "s", "a", "dead", text), "1");
    assert_int_equal(count_published(f, "zingq/dlq/s"), 1);
    assert_books(f, "s", (struct books){.accepted = 1, .dead = 1});
}

static void a_dead_letter_policy_may_discard(void **state) {
    struct engine_fixture *f = *state;
    fixture_script(f, "dlq.lua", "return function() return 'discard' end");
    fixture_run(f, SERVICE("retries = 0 dead_letter = \"dlq.lua\" order = key on_dead = park"),
                FAILS);
    deliver(f, "s", "in/a", "x");
    assert_int_equal(state_of(f, "s", "x"), EVENT_DISCARDED);
    assert_int_equal(count_published(f, "zingq/dlq/s"), 0);
    assert_books(f, "s", (struct books){.accepted = 1, .discarded = 1});
}

static void a_dead_letter_policy_that_fails_changes_nothing(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_script(
        f, "dlq.lua",
        "return function() zing.state.set('n', 1) zing.publish('x', '') error('oops') end");
    fixture_run(f, SERVICE("retries = 0 dead_letter = \"dlq.lua\""), FAILS);
    deliver(f, "s", "in/a", "x");
    assert_string_equal(state_text(f, "s", "", "n", text), "none");
    assert_int_equal(count_published(f, "x"), 0);
    assert_int_equal(count_published(f, "zingq/dlq/s"), 1);
    assert_books(f, "s", (struct books){.accepted = 1, .dead = 1});
}

static void on_dead_of_the_handler_is_told(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("retries = 0"), LUA(on_dead_of_the_handler_is_told));
    deliver(f, "s", "in/a", "x");
    assert_string_equal(nth_published(f, "sorry", 0)->payload, "x!");
}

static void what_a_policy_publishes_is_handed_over_too(void **state) {
    struct engine_fixture *f = *state;
    fixture_script(f, "t.lua", "return function(e) zing.publish('out', e.payload) end");
    fixture_run(f,
                SERVICE("retries = 0") "service \"t\" { subscribe = {\"sorry\", \"zingq/dlq/s\"} "
                                       "handler = \"t.lua\" }\n",
                LUA(what_a_policy_publishes_is_handed_over_too));
    deliver(f, "s", "in/a", "x");
    assert_books(f, "t", (struct books){.accepted = 2, .done = 2});
    assert_string_equal(nth_published(f, "out", 0)->payload, "told");
    assert_string_equal(nth_published(f, "out", 1)->payload, "x");
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
                LUA(a_throttle_holds_the_whole_service_and_no_other));
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

static void a_throttle_holds_over_a_restart(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED(""), LUA(a_throttle_holds_the_whole_service_and_no_other));
    offer(f, "s", "in", "slow", "k", "a", NULL);
    run_dry(f);
    crash(f);
    offer(f, "s", "in", "other", "k", "b", NULL);
    run_dry(f);
    advance(f, 9999);
    assert_int_equal(count_published(f, "out"), 0);
    advance(f, 1);
    assert_int_equal(count_published(f, "out"), 2);
}

static void a_throttled_service_starts_again_with_few(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED("timeout = \"1h\""), LUA(a_throttled_service_starts_again_with_few));
    offer(f, "s", "in", "slow", "k", "a", NULL);
    run_dry(f);
    for (int i = 0; i < 20; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        offer(f, "s", "in", "call", "k", key, NULL);
    }
    run_dry(f);
    assert_int_equal(f->asked_count, 0);
    advance(f, 10000);
    assert_int_equal(f->asked_count, 1);
    for (size_t expected = 3, done = 0; expected < 16; expected = expected * 2 + 1) {
        for (; done < f->asked_count; done++) {
            answer(f, done, 200, "");
        }
        run_dry(f);
        assert_int_equal(f->asked_count, expected);
        done = expected / 2;
    }
}

static void a_rate_holds_over_a_restart(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED("rate = \"1/m\""), "return function(e) zing.publish('out', '') end");
    offer(f, "s", "in", "1", "k", "a", NULL);
    offer(f, "s", "in", "2", "k", "b", NULL);
    offer(f, "s", "in", "3", "k", "c", NULL);
    run_dry(f);
    assert_int_equal(count_published(f, "out"), 1);
    for (int i = 0; i < 5; i++) {
        advance(f, 10000);
        crash(f);
        run_dry(f);
    }
    assert_int_equal(count_published(f, "out"), 1);
    advance(f, 11000);
    assert_int_equal(count_published(f, "out"), 2);
}

/* --- Retry-After --- */

#define ASKS(call, value)                                                                          \
    "return function(e) if e.attempt == 1 then "                                                   \
    "zing." call "({status = 429, headers = {['retry-after'] = '" value "'}}) end end"

static void assert_comes_after(struct engine_fixture *f, const char *script, int64_t ms,
                               struct books books) {
    fixture_run(f, SERVICE("retries = 1 delay = \"3s\""), script);
    deliver(f, "s", "in/a", "x");
    advance(f, ms - 1);
    assert_int_not_equal(state_of(f, "s", "x"), EVENT_DONE);
    advance(f, 1);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DONE);
    assert_books(f, "s", books);
}

static void a_retry_after_comes_when_the_peer_asks(void **state) {
    char text[512];
    assert_comes_after(*state, ASKS("retry_after", "30"), 30000,
                       (struct books){.accepted = 1, .done = 1, .retries = 1});
    assert_string_equal(history_of(*state, "s", "x", text), "error");
}

static void a_retry_after_takes_a_date(void **state) {
    assert_comes_after(*state, ASKS("retry_after", "Tue, 14 Nov 2023 22:13:50 GMT"), 30000,
                       (struct books){.accepted = 1, .done = 1, .retries = 1});
}

static void a_retry_after_without_a_time_goes_by_the_schedule(void **state) {
    assert_comes_after(*state, ASKS("retry_after", "soon"), 3000,
                       (struct books){.accepted = 1, .done = 1, .retries = 1});
}

static void a_throttle_takes_the_time_of_the_response(void **state) {
    assert_comes_after(*state, ASKS("throttle", "45"), 45000,
                       (struct books){.accepted = 1, .done = 1, .throttles = 1});
}

static void a_throttle_without_a_time_takes_the_services_delay(void **state) {
    assert_comes_after(*state,
                       "return function(e) if e.attempt == 1 then "
                       "zing.throttle({status = 429, headers = {}}) end end",
                       3000, (struct books){.accepted = 1, .done = 1, .throttles = 1});
}

static void a_throttle_without_a_time_takes_what_the_handler_says(void **state) {
    assert_comes_after(*state,
                       "return function(e) if e.attempt == 1 then "
                       "zing.throttle({status = 429, headers = {}}, '7s') end end",
                       7000, (struct books){.accepted = 1, .done = 1, .throttles = 1});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_failed_attempt_is_tried_again_at_its_due_time),
        ENGINE_TEST(the_last_attempt_that_fails_ends_dead_with_its_reason_and_history),
        ENGINE_TEST(retries_are_kept_over_a_crash_with_their_due_time),
        ENGINE_TEST(retries_that_came_due_while_the_host_was_down_run_at_the_start),
        ENGINE_TEST(no_retries_means_dead_at_once),
        ENGINE_TEST(a_retrying_key_holds_up_its_followers_and_nobody_else),
        ENGINE_TEST(a_handler_names_its_own_delay_with_zing_retry),
        ENGINE_TEST(a_retry_policy_decides_instead_of_the_numbers),
        ENGINE_TEST(a_retry_policy_does_not_override_the_handlers_own_delay),
        ENGINE_TEST(a_retry_policy_that_fails_leaves_it_to_the_numbers),
        ENGINE_TEST(a_dead_letter_policy_publishes_and_writes_state),
        ENGINE_TEST(a_dead_letter_policy_may_discard),
        ENGINE_TEST(a_dead_letter_policy_that_fails_changes_nothing),
        ENGINE_TEST(on_dead_of_the_handler_is_told),
        ENGINE_TEST(what_a_policy_publishes_is_handed_over_too),
        ENGINE_TEST(a_rejected_event_is_dead_at_once),
        ENGINE_TEST(a_dead_letter_of_the_handlers_own_is_kept_beside_its_success),
        ENGINE_TEST(snoozes_use_up_no_attempt_and_are_counted_apart),
        ENGINE_TEST(a_throttle_holds_the_whole_service_and_no_other),
        ENGINE_TEST(a_throttle_holds_over_a_restart),
        ENGINE_TEST(a_throttled_service_starts_again_with_few),
        ENGINE_TEST(a_rate_holds_over_a_restart),
        ENGINE_TEST(a_retry_after_comes_when_the_peer_asks),
        ENGINE_TEST(a_retry_after_takes_a_date),
        ENGINE_TEST(a_retry_after_without_a_time_goes_by_the_schedule),
        ENGINE_TEST(a_throttle_takes_the_time_of_the_response),
        ENGINE_TEST(a_throttle_without_a_time_takes_the_services_delay),
        ENGINE_TEST(a_throttle_without_a_time_takes_what_the_handler_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
