/* test_ledger.c - the calls an event made: found by their keys, bounded, settled. */
#include "event/ledger.h"

#include "test.h"

#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_up(void **state) {
    struct event_bytes bytes = {.topic = slice_of("t")};
    *state = event_new(&bytes);
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state) {
    event_free(*state);
    return 0;
}

static void put(struct event *event, const char *key, enum call_note_state state,
                int64_t first_ms) {
    struct call_note note = {.key = slice_of(key),
                             .label = slice_of("POST http://peer/"),
                             .state = state,
                             .first_ms = first_ms,
                             .asks = 1,
                             .status = 200};
    assert_int_equal(ledger_put(event, &note), 0);
}

static enum call_note_state state_of(const struct event *event, const char *key) {
    struct call_note note;
    assert_true(ledger_find(event->calls, slice_of(key), &note));
    return note.state;
}

static void a_note_takes_the_place_of_one_with_its_key(void **state) {
    struct event *event = *state;
    struct call_note note;
    put(event, "a", CALL_ASKED, 5);
    put(event, "b", CALL_ASKED, 6);
    put(event, "a", CALL_ANSWERED, 5);
    size_t at = 0;
    assert_true(ledger_next(event->calls, &at, &note));
    assert_true(slice_is(note.key, "a"));
    assert_int_equal(note.state, CALL_ANSWERED);
    assert_true(ledger_next(event->calls, &at, &note));
    assert_true(slice_is(note.key, "b"));
    assert_false(ledger_next(event->calls, &at, &note));
    assert_false(ledger_find(event->calls, slice_of("c"), &note));
}

static void past_the_limit_the_oldest_is_forgotten(void **state) {
    struct event *event = *state;
    struct call_note note;
    char key[16];
    for (int i = 0; i <= CALLS_NOTED_MAX; i++) {
        (void)snprintf(key, sizeof key, "k%d", i);
        put(event, key, CALL_ANSWERED, i);
    }
    assert_false(ledger_find(event->calls, slice_of("k0"), &note));
    assert_true(ledger_find(event->calls, slice_of("k1"), &note));
}

static void a_settled_call_is_settled_alone(void **state) {
    struct event *event = *state;
    put(event, "s-1:pay", CALL_ANSWERED, 1);
    put(event, "s-1:pay:2", CALL_ANSWERED, 1);
    assert_int_equal(ledger_settle(event, slice_of("s-1:pay")), 0);
    assert_int_equal(ledger_settle(event, slice_of("never asked")), 0);
    assert_int_equal(state_of(event, "s-1:pay"), CALL_SETTLED);
    assert_int_equal(state_of(event, "s-1:pay:2"), CALL_ANSWERED);
}

static void only_what_may_have_done_something_and_may_come_again_counts(void **state) {
    struct event *event = *state;
    assert_int_equal(ledger_first_ms(event, true), 0);
    put(event, "never left", CALL_UNSENT, 10);
    struct call_note refused = {
        .key = slice_of("no"), .state = CALL_ANSWERED, .first_ms = 20, .asks = 1, .status = 402};
    assert_int_equal(ledger_put(event, &refused), 0);
    assert_int_equal(ledger_first_ms(event, true), 0);
    put(event, "step", CALL_SETTLED, 30);
    put(event, "unknown", CALL_UNKNOWN, 50);
    put(event, "asked", CALL_ASKED, 40);
    assert_int_equal(ledger_first_ms(event, false), 40);
    assert_int_equal(ledger_first_ms(event, true), 30);
}

static void an_edit_supersedes_what_was_answered_under_its_own_keys(void **state) {
    struct event *event = *state;
    put(event, "s-1", CALL_ANSWERED, 1);
    put(event, "s-1-2", CALL_UNKNOWN, 1);
    put(event, "s-1-3", CALL_SETTLED, 1);
    put(event, "s-1:step", CALL_SETTLED, 1);
    put(event, "mine", CALL_ANSWERED, 1);
    assert_int_equal(ledger_supersede_answered(event, slice_of("s-1")), 0);
    assert_int_equal(event->round, 1);
    assert_int_equal(state_of(event, "s-1"), CALL_SUPERSEDED);
    assert_int_equal(state_of(event, "s-1-2"), CALL_UNKNOWN);
    assert_int_equal(state_of(event, "s-1-3"), CALL_SUPERSEDED);
    assert_int_equal(state_of(event, "s-1:step"), CALL_SETTLED);
    assert_int_equal(state_of(event, "mine"), CALL_ANSWERED);
    assert_int_equal(ledger_supersede_answered(event, slice_of("s-1")), 0);
    assert_int_equal(event->round, 1); /* nothing was answered since */
}

static void rounds_do_not_wrap(void **state) {
    struct event *event = *state;
    event->round = UINT8_MAX;
    put(event, "s-1", CALL_ANSWERED, 1);
    assert_int_equal(ledger_supersede_answered(event, slice_of("s-1")), ERR_LIMIT);
    assert_int_equal(state_of(event, "s-1"), CALL_ANSWERED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_note_takes_the_place_of_one_with_its_key),
        TEST(past_the_limit_the_oldest_is_forgotten),
        TEST(a_settled_call_is_settled_alone),
        TEST(only_what_may_have_done_something_and_may_come_again_counts),
        TEST(an_edit_supersedes_what_was_answered_under_its_own_keys),
        TEST(rounds_do_not_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
