/* test_retention.c - what has ended is forgotten after its time, a little every turn. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"
#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MINUTE = 60 * 1000 };

#define CONF                                                                                       \
    "store { keep_done = \"10m\" keep_idempotency = \"10m\" }\n"                                   \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\" jitter = 0"      \
    " retries = 1 delay = \"1s\" }\n"

static void done_events_are_kept_for_their_time_and_then_gone_with_their_history(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, CONF, LUA(HANDLER));
    deliver(f, "s", "in/a", "fine");
    deliver(f, "s", "in/a", "once");
    advance(f, 9 * MINUTE);
    assert_int_equal(count_rows(f, TABLE_EVENT), 2);
    assert_int_equal(count_rows(f, TABLE_HISTORY), 1);
    advance(f, 3 * MINUTE);
    assert_int_equal(count_rows(f, TABLE_EVENT), 0);
    assert_int_equal(count_rows(f, TABLE_HISTORY), 0);
    assert_books(f, "s", (struct books){.accepted = 2, .done = 2, .retries = 1});
}

static void dead_and_waiting_events_are_kept_for_good(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, CONF, LUA(HANDLER));
    deliver(f, "s", "in/a", "bad");
    deliver(f, "s", "in/b", "later");
    for (int i = 0; i < 5; i++) {
        advance(f, 11 * MINUTE);
        crash(f);
    }
    assert_int_equal(state_of(f, "s", "bad"), EVENT_DEAD);
    assert_int_equal(state_of(f, "s", "later"), EVENT_SLEEPING);
}

static void discarded_events_go_with_their_history_after_their_time(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, CONF, LUA(HANDLER));
    deliver(f, "s", "in/a", "bad");
    advance(f, 30 * MINUTE);
    struct command c = {.kind = COMMAND_DISCARD, .id = id_of(f, "s", "bad")};
    assert_int_equal(command(f, c), 0);
    advance(f, 9 * MINUTE);
    assert_int_equal(state_of(f, "s", "bad"), EVENT_DISCARDED);
    advance(f, 3 * MINUTE);
    assert_int_equal(count_rows(f, TABLE_EVENT), 0);
    assert_int_equal(count_rows(f, TABLE_HISTORY), 0);
}

static void an_event_that_was_replayed_goes_after_its_new_end(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, CONF, LUA(HANDLER));
    deliver(f, "s", "in/a", "bad");
    advance(f, 30 * MINUTE);
    fixture_script(f, "h.lua", "return function() end");
    fixture_reload(f);
    struct command c = {.kind = COMMAND_REPLAY, .id = id_of(f, "s", "bad")};
    assert_int_equal(command(f, c), 0);
    advance(f, 9 * MINUTE);
    assert_int_equal(state_of(f, "s", "bad"), EVENT_DONE);
    advance(f, 3 * MINUTE);
    assert_int_equal(count_rows(f, TABLE_EVENT), 0);
    assert_int_equal(count_rows(f, TABLE_HISTORY), 0);
}

static void nothing_is_kept_when_keep_done_is_0(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                "store { keep_done = \"0\" }\n"
                "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" }\n",
                LUA(HANDLER));
    for (int i = 0; i < 20; i++) {
        deliver(f, "s", "in/a", "fine");
    }
    advance(f, 1000);
    assert_int_equal(count_rows(f, TABLE_EVENT), 0);
}

/* A day's events that expire at once are deleted over many turns, none of them long. */
static void a_turn_deletes_no_more_than_its_share(void **state) {
    struct engine_fixture *f = *state;
    f->unchecked = true;
    fixture_run(f, CONF, LUA(HANDLER));
    for (int i = 0; i < TRIM_ROWS_PER_TURN * 6; i++) {
        offer(f, "s", "in/a", "fine", NULL);
    }
    run_dry(f);
    f->now_ms += 20 * MINUTE;
    uint64_t before = count_rows(f, TABLE_EVENT);
    assert_int_equal(before, TRIM_ROWS_PER_TURN * 6);
    while (before > 0) {
        assert_int_equal(turn(f), 0);
        uint64_t rows = count_rows(f, TABLE_EVENT);
        assert_in_range(before - rows, 1, TRIM_ROWS_PER_TURN);
        before = rows;
    }
}

static void expired_idempotency_keys_give_their_room_back_though_nothing_comes(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, CONF, LUA(HANDLER));
    for (int i = 0; i < 10; i++) {
        offer(f, "s", "in/a", "fine", "idempotency-key", i % 2 == 0 ? "x" : "y", NULL);
        run_dry(f);
        advance(f, MINUTE);
    }
    advance(f, 30 * MINUTE);
    uint64_t rows = 0;
    for (unsigned t = TABLE_DEDUPE; t < TABLE_COUNT; t++) {
        rows += count_rows(f, (enum store_table)t);
    }
    assert_int_equal(rows, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(done_events_are_kept_for_their_time_and_then_gone_with_their_history),
        ENGINE_TEST(dead_and_waiting_events_are_kept_for_good),
        ENGINE_TEST(discarded_events_go_with_their_history_after_their_time),
        ENGINE_TEST(an_event_that_was_replayed_goes_after_its_new_end),
        ENGINE_TEST(nothing_is_kept_when_keep_done_is_0),
        ENGINE_TEST(a_turn_deletes_no_more_than_its_share),
        ENGINE_TEST(expired_idempotency_keys_give_their_room_back_though_nothing_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
