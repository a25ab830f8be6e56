/* test_death.c - what a death brings, and what that brings in turn: docs/decisions/deaths.md. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include <string.h>

#define SERVICE(options)                                                                           \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" " options " }\n"

/* Each dies at its admission: it is no JSON, where the key comes from. The fourth has no policy. */
static void deaths_that_policies_cause_come_to_an_end(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("key = \"json:/k\""), LUA(its_policy_publishes_what_dies_in_turn));
    deliver(f, "s", "in/a", "no JSON");
    assert_books(f, "s", (struct books){.accepted = 4, .dead = 4});
}

static void what_the_handler_publishes_goes_before_what_a_policy_does(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""),
                LUA(what_the_handler_publishes_goes_before_what_its_dead_letters_policy_does));
    deliver(f, "s", "in/a", "x");
    assert_string_equal(nth_published(f, "out", 0)->payload, "the handler");
    assert_string_equal(nth_published(f, "out", 1)->payload, "the policy of letter");
}

static void the_next_event_of_a_key_runs_after_the_policy(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("retries = 0"), LUA(the_key_waits_until_the_policy_has_run));
    offer(f, "s", "in/a", "bad", NULL);
    offer(f, "s", "in/a", "good", NULL);
    run_dry(f);
    assert_string_equal(nth_published(f, "out", 0)->payload, "good sees bad");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(deaths_that_policies_cause_come_to_an_end),
        ENGINE_TEST(what_the_handler_publishes_goes_before_what_a_policy_does),
        ENGINE_TEST(the_next_event_of_a_key_runs_after_the_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
