/* test_policy.c - scripts that decide on retries and dead letters: retry, dead_letter, on_dead. */
#include "engine_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

/* --- policies --- */

static void a_retry_policy_decides_instead_of_the_numbers(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_script(
        f, "retry.lua",
        "return function(event, err)\n"
        "  if event.attempt == 3 then return {dead = 'enough: ' .. err:match('^%a+')} end\n"
        "  return {after = 7}\n"
        "end");
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
    fixture_run(f, SERVICE("retries = 1 delay = \"2s\" retry = \"retry.lua\""), FAILS_UNTIL);
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
    fixture_script(f, "dlq.lua",
                   "return function(event, reason)\n"
                   "  zing.publish('alarm', event.payload .. ':' .. reason:match('%a+$'))\n"
                   "  zing.state.incr('dead')\n"
                   "end");
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
    fixture_run(f, SERVICE("retries = 0 dead_letter = \"dlq.lua\" on_dead = park"), FAILS);
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
    fixture_run(
        f, SERVICE("retries = 0"),
        "return { ['in/a'] = function() error('never') end,\n"
        "  on_dead = function(event, reason)\n"
        "    zing.publish('sorry', event.payload .. (reason:find('never') and '!' or '?'))\n"
        "  end }");
    deliver(f, "s", "in/a", "x");
    assert_string_equal(nth_published(f, "sorry", 0)->payload, "x!");
}

static void what_a_policy_publishes_is_handed_over_too(void **state) {
    struct engine_fixture *f = *state;
    fixture_script(f, "t.lua", "return function(e) zing.publish('out', e.payload) end");
    fixture_run(f,
                SERVICE("retries = 0") "service \"t\" { subscribe = {\"sorry\", \"zingq/dlq/s\"} "
                                       "handler = \"t.lua\" }\n",
                "return { ['in/a'] = function() error('never') end,\n"
                "  on_dead = function(event) zing.publish('sorry', 'told') end }");
    deliver(f, "s", "in/a", "x");
    assert_books(f, "t", (struct books){.accepted = 2, .done = 2});
    assert_string_equal(nth_published(f, "out", 0)->payload, "told");
    assert_string_equal(nth_published(f, "out", 1)->payload, "x");
}

int main(void) {
#define POLICY_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        POLICY_TEST(a_retry_policy_decides_instead_of_the_numbers),
        POLICY_TEST(a_retry_policy_does_not_override_the_handlers_own_delay),
        POLICY_TEST(a_retry_policy_that_fails_leaves_it_to_the_numbers),
        POLICY_TEST(a_dead_letter_policy_publishes_and_writes_state),
        POLICY_TEST(a_dead_letter_policy_may_discard),
        POLICY_TEST(a_dead_letter_policy_that_fails_changes_nothing),
        POLICY_TEST(on_dead_of_the_handler_is_told),
        POLICY_TEST(what_a_policy_publishes_is_handed_over_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
