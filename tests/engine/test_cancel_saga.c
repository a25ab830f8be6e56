/* test_cancel_saga.c - a person cancels an event whose saga has done something. */
#include "cancel_world.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static struct engine_fixture *pay(void **state, const char *payload) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED(""), LUA(PAYS));
    offer_of_key(f, payload, "a");
    return f;
}

static void an_open_saga_that_runs_goes_on_until_the_person_decides(void **state) {
    struct engine_fixture *f = pay(state, "x");
    run_dry(f);
    assert_int_equal(cancel(f, "x"), ERR_EXISTS);
    assert_non_null(strstr(f->report.text, "its saga has done something (pay, seat)"));
    assert_true(f->asked[0].open);
    answer(f, 0, 200, "");
    run_dry(f);
    assert_string_equal(what_left(f), "x");
}

static void it_is_undone_if_asked_also_the_step_whose_call_was_cut(void **state) {
    struct engine_fixture *f = pay(state, "x");
    char out[512];
    run_dry(f);
    assert_int_equal(cancel_with(f, "x", (struct command){.compensate = true}), 0);
    crash(f);
    advance(f, 1000);
    char undid[64];
    assert_string_equal(payloads(f, "undid", undid, sizeof undid), "pay unknown");
    assert_string_equal(f->asked[1].url, "http://peer/free");
    assert_int_equal(state_of(f, "s", "x"), EVENT_RUNNING);
    answer(f, 1, 200, "");
    run_dry(f);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DISCARDED);
    assert_non_null(strstr(why(f, "x", out), "cancelled by an operator; POST"));
    assert_string_equal(what_left(f), "");
}

static void or_left_as_it_is(void **state) {
    struct engine_fixture *f = pay(state, "x");
    run_dry(f);
    assert_int_equal(cancel_with(f, "x", (struct command){.without_compensation = true}), 0);
    crash(f);
    advance(f, 1000);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DISCARDED);
    assert_int_equal(count_published(f, "undid"), 0);
    assert_int_equal(f->asked_count, 1);
}

static void a_step_that_stopped_because_it_was_told_did_nothing(void **state) {
    struct engine_fixture *f = pay(state, "slow");
    f->run_us[0] = 20000;
    for (int i = 0; i < 6; i++) {
        assert_int_equal(turn(f), 0);
    }
    f->run_us[0] = 0;
    assert_int_equal(cancel_with(f, "slow", (struct command){.compensate = true}), 0);
    advance(f, 1000);
    assert_string_equal(f->asked[0].url, "http://peer/free");
    answer(f, 0, 200, "");
    run_dry(f);
    assert_int_equal(count_published(f, "undid"), 0);
    assert_int_equal(state_of(f, "s", "slow"), EVENT_DISCARDED);
}

static void a_compensation_that_runs_is_ended_only_if_that_is_said(void **state) {
    struct engine_fixture *f = pay(state, "x");
    run_dry(f);
    assert_int_equal(cancel_with(f, "x", (struct command){.compensate = true}), 0);
    advance(f, 1000);
    assert_true(f->asked[1].open);
    assert_int_equal(cancel_with(f, "x", (struct command){.compensate = true}), ERR_EXISTS);
    assert_true(f->asked[1].open);
    struct command both = {.compensate = true, .without_compensation = true};
    assert_int_equal(cancel_with(f, "x", both), 0);
    assert_false(f->asked[1].open);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DISCARDED);
}

/* After a crash it waits in its lane, with the steps that it has done. */
static void one_that_waits_in_its_lane_is_undone_at_its_place(void **state) {
    for (int crashes = 0; crashes < 2; crashes++) {
        fixture_free(*state);
        *state = fixture_new();
        struct engine_fixture *f = pay(state, "x");
        run_dry(f);
        pause_service(f, true);
        crash(f);
        run_dry(f);
        assert_int_equal(cancel_with(f, "x", (struct command){.compensate = true}), 0);
        assert_int_equal(state_of(f, "s", "x"), EVENT_READY);
        if (crashes > 0) {
            crash(f);
        }
        pause_service(f, false);
        advance(f, 1000);
        assert_int_equal(count_published(f, "undid"), 1);
        answer_all(f);
        assert_int_equal(state_of(f, "s", "x"), EVENT_DISCARDED);
        assert_string_equal(what_left(f), "");
    }
}

/* --- killed anywhere --- */

/* Plays a saga that is cancelled while it waits for its call, with a crash before the kill-th turn.
 * Whether it came to that. */
static bool play(struct engine_fixture *f, int kill) {
    bool asked = false;
    bool cancelled = false;
    for (int turns = 1; turns < 100; turns++) {
        if (turns == kill) {
            crash(f);
        }
        (void)turn(f);
        cancelled = cancelled || (asked && f->code == 0);
        for (size_t i = 0; i < f->asked_count; i++) {
            bool free = strcmp(f->asked[i].url, "http://peer/free") == 0;
            assert_true(free || !cancelled || !f->asked[i].open);
            if (free && f->asked[i].open) {
                answer(f, i, 200, "");
            } else if (f->asked[i].open && !cancelled) {
                static struct command c;
                c = (struct command){
                    .kind = COMMAND_CANCEL, .id = id_of(f, "s", "x"), .compensate = true};
                f->code = 1;
                asked = true;
                engine_submit(f->engine, &c);
            }
        }
        f->now_ms += 500;
        f->monotonic_us += 500000;
    }
    return cancelled;
}

static void killed_before_any_turn_what_was_cancelled_stays_so_and_is_undone(void **state) {
    for (int kill = 1; kill < 20; kill++) {
        fixture_free(*state);
        *state = fixture_new();
        struct engine_fixture *f = *state;
        char undid[64];
        fixture_run(f, KEYED("crashes = 0"), LUA(PAYS));
        offer_of_key(f, "x", "a");
        assert_int_equal(turn(f), 0);
        assert_true(play(f, kill));
        assert_int_equal(state_of(f, "s", "x"), EVENT_DISCARDED);
        assert_string_equal(payloads(f, "undid", undid, sizeof undid), "pay unknown");
        assert_string_equal(what_left(f), "");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(an_open_saga_that_runs_goes_on_until_the_person_decides),
        ENGINE_TEST(it_is_undone_if_asked_also_the_step_whose_call_was_cut),
        ENGINE_TEST(or_left_as_it_is),
        ENGINE_TEST(a_step_that_stopped_because_it_was_told_did_nothing),
        ENGINE_TEST(a_compensation_that_runs_is_ended_only_if_that_is_said),
        ENGINE_TEST(one_that_waits_in_its_lane_is_undone_at_its_place),
        ENGINE_TEST(killed_before_any_turn_what_was_cancelled_stays_so_and_is_undone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
