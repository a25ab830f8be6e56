/* test_saga.c - what a saga has done is undone when its event fails for good, in reverse, whatever
 * happens meanwhile; and what cannot be undone asks for a person. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE(options)                                                                           \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"property:k\" jitter = 0 "  \
    "delay = \"1s\" " options " }\n"

/* Three steps, each with its undoing, then `last`. */
#define TRIP(last)                                                                                 \
    "return function(e)\n"                                                                         \
    "  local saga = zing.saga()\n"                                                                 \
    "  local function done(what) return function()\n"                                              \
    "    zing.publish('did', what) return what .. '!' end end\n"                                   \
    "  local function undone(result, how)\n"                                                       \
    "    zing.publish('undid', tostring(result) .. ' ' .. how) end\n"                              \
    "  saga:step('a', done('a'), undone)\n"                                                        \
    "  saga:step('b', done('b'), undone)\n"                                                        \
    "  saga:step('c', done('c'), undone)\n" last "\nend"

static void start(struct engine_fixture *f, const char *script) {
    fixture_run(f, SERVICE("retries = 1"), script);
    offer(f, "s", "in", "x", "k", "a", NULL);
}

static void a_saga_that_succeeds_undoes_nothing(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    start(f, TRIP(""));
    run_dry(f);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DONE);
    assert_string_equal(payloads(f, "did", out, sizeof out), "a b c");
    assert_int_equal(count_published(f, "undid"), 0);
}

static void what_fails_for_good_is_undone_in_reverse(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    char reason[512];
    start(f, TRIP("zing.reject('no room')"));
    advance(f, 1000);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DEAD);
    assert_string_equal(reason_of(f, "s", "x", reason), "no room");
    assert_string_equal(payloads(f, "undid", out, sizeof out), "c! done b! done a! done");
}

static void an_error_is_tried_again_before_anything_is_undone(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    start(f, TRIP("error('never')"));
    run_dry(f);
    assert_int_equal(state_of(f, "s", "x"), EVENT_RETRYING);
    assert_int_equal(count_published(f, "undid"), 0);
    advance(f, 2000);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DEAD);
    assert_string_equal(payloads(f, "did", out, sizeof out), "a b c");
    assert_string_equal(payloads(f, "undid", out, sizeof out), "c! done b! done a! done");
}

static void a_time_out_for_good_is_undone_too(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    fixture_run(f, SERVICE("retries = 0 timeout = \"2s\""), LUA(a_time_out_for_good_is_undone_too));
    offer(f, "s", "in", "x", "k", "a", NULL);
    advance(f, 5000);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DEAD);
    assert_string_equal(payloads(f, "undid", out, sizeof out), "b unknown a done");
}

static void a_step_that_was_refused_has_nothing_to_undo(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    start(f, LUA(a_step_that_was_refused_has_nothing_to_undo));
    run_dry(f);
    run_dry(f);
    answer(f, 0, 402, "");
    advance(f, 1000);
    assert_string_equal(payloads(f, "undid", out, sizeof out), "a");
}

static void a_step_that_was_accepted_and_then_failed_is_undone(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    start(f, LUA(a_step_that_was_accepted_and_then_failed_is_undone));
    run_dry(f);
    answer(f, 0, 200, "nonsense");
    advance(f, 1000);
    assert_string_equal(payloads(f, "undid", out, sizeof out), "pay unknown");
}

/* A gateway that answers 503 may have charged all the same. */
static void a_step_that_was_answered_5xx_is_undone(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    start(f, LUA(a_step_that_was_answered_5xx_is_undone));
    run_dry(f);
    answer(f, 0, 503, "");
    advance(f, 1000);
    assert_string_equal(payloads(f, "undid", out, sizeof out), "pay unknown");
}

/* The last call is answered, and what follows happens. */
static void answer_last(struct engine_fixture *f, long status) {
    advance(f, 1);
    answer(f, f->asked_count - 1, status, "");
    run_dry(f);
}

static void a_compensation_has_tries_of_its_own_then_needs_a_person(void **state) {
    struct engine_fixture *f = *state;
    char reason[512];
    start(f, LUA(STUBBORN));
    run_dry(f);
    answer_last(f, 500);
    assert_int_equal(state_of(f, "s", "x"), EVENT_COMPENSATING);
    advance(f, 1000);
    answer_last(f, 500);
    assert_int_equal(state_of(f, "s", "x"), EVENT_NEEDS_PERSON);
    assert_int_equal(count_published(f, "undid"), 0);
    struct books b = service_status(f, "s").books;
    assert_int_equal(b.needs_person, 1);
    assert_int_equal(b.dead, 1);
    struct event *event = event_with(f, "s", "x");
    (void)snprintf(reason, sizeof reason, "%.*s", (int)event->reason.len, event->reason.data);
    event_free(event);
    assert_non_null(
        strstr(reason, "the compensation of \"b\" failed: scripts/h.lua:6: the peer says 500"));
    assert_non_null(strstr(reason, "not undone: a, b; it failed as: no"));
}

static void need_person(struct engine_fixture *f, struct uuid *id) {
    start(f, LUA(STUBBORN));
    run_dry(f);
    answer_last(f, 500);
    advance(f, 1000);
    answer_last(f, 500);
    assert_int_equal(state_of(f, "s", "x"), EVENT_NEEDS_PERSON);
    *id = id_of(f, "s", "x");
}

static void what_needs_a_person_goes_on_undoing_when_replayed(void **state) {
    struct engine_fixture *f = *state;
    struct uuid id;
    char out[512];
    char reason[512];
    need_person(f, &id);
    crash(f);
    assert_int_equal(command(f, (struct command){.kind = COMMAND_REPLAY, .id = id}), 0);
    answer_last(f, 200);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DEAD);
    assert_string_equal(reason_of(f, "s", "x", reason), "no");
    assert_string_equal(payloads(f, "undid", out, sizeof out), "b a");
    assert_int_equal(service_status(f, "s").books.needs_person, 0);
}

static void letting_it_go_half_undone_must_be_said_expressly(void **state) {
    struct engine_fixture *f = *state;
    struct uuid id;
    need_person(f, &id);
    assert_int_equal(command(f, (struct command){.kind = COMMAND_DISCARD, .id = id}), ERR_INVALID);
    assert_non_null(strstr(f->report.text, "--without-compensation"));
    assert_int_equal(state_of(f, "s", "x"), EVENT_NEEDS_PERSON);
    struct command c = {.kind = COMMAND_DISCARD, .id = id, .without_compensation = true};
    assert_int_equal(command(f, c), 0);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DISCARDED);
    assert_int_equal(service_status(f, "s").books.needs_person, 0);
}

static void an_undone_event_that_is_replayed_begins_anew_under_new_keys(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    start(f, LUA(an_undone_event_that_is_replayed_begins_anew_under_new_keys));
    run_dry(f);
    answer(f, 0, 200, "");
    advance(f, 1000);
    struct uuid id = id_of(f, "s", "x");
    assert_string_equal(payloads(f, "undid", out, sizeof out), "pay");
    assert_int_equal(command(f, (struct command){.kind = COMMAND_REPLAY, .id = id}), 0);
    assert_int_equal(f->asked_count, 2);
    assert_null(strstr(f->asked[0].headers, ".1:pay"));
    assert_non_null(strstr(f->asked[1].headers, ".1:pay"));
    answer(f, 1, 200, "");
    run_dry(f);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DONE);
    assert_int_equal(count_published(f, "undid"), 1);
}

static void a_compensation_the_handler_no_longer_reaches_needs_a_person(void **state) {
    struct engine_fixture *f = *state;
    start(f, TRIP("zing.sleep(60) zing.reject('no')"));
    run_dry(f);
    fixture_script(f, "h.lua", "return function() zing.reject('another script') end");
    fixture_reload(f);
    advance(f, 61000);
    assert_int_equal(state_of(f, "s", "x"), EVENT_NEEDS_PERSON);
}

static void nothing_outside_the_compensations_happens_while_undoing(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    start(f, LUA(nothing_outside_the_compensations_happens_while_undoing));
    run_dry(f);
    answer(f, 0, 200, "");
    advance(f, 1000);
    assert_int_equal(f->asked_count, 1);
    assert_int_equal(count_published(f, "noise"), 0);
    assert_int_equal(count_published(f, "after"), 0);
    assert_string_equal(payloads(f, "undid", out, sizeof out), "a");
    assert_string_equal(state_text(f, "s", "a", "runs", out), "none");
}

static void a_person_cancels_a_waiting_saga_and_has_it_undone(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    start(f, TRIP("zing.wait('never')"));
    run_dry(f);
    struct uuid id = id_of(f, "s", "x");
    struct command c = {.kind = COMMAND_CANCEL, .id = id};
    assert_int_equal(command(f, c), ERR_EXISTS);
    assert_non_null(strstr(f->report.text, "(a, b, c): say --compensate"));
    c.compensate = true;
    assert_int_equal(command(f, c), 0);
    advance(f, 1000);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DISCARDED);
    assert_string_equal(payloads(f, "undid", out, sizeof out), "c! done b! done a! done");
}

/* The timers of a service that this host does not run are put off again and again. */
static void a_waiting_event_of_a_service_not_run_here_can_be_cancelled(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("") "service \"t\" { subscribe = {\"t\"} handler = \"h.lua\" }\n",
                "return function(e) zing.sleep('10s') end");
    offer(f, "s", "in", "x", "k", "a", NULL);
    offer(f, "s", "in", "y", "k", "a", NULL);
    run_dry(f);
    f->only = "t";
    restart(f);
    advance(f, 200000);
    struct command c = {.kind = COMMAND_CANCEL, .id = id_of(f, "s", "x")};
    assert_int_equal(command(f, c), 0);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DISCARDED);
    f->only = NULL;
    restart(f);
    advance(f, 200000);
    assert_int_equal(state_of(f, "s", "y"), EVENT_DONE);
}

static void an_event_woken_before_a_crash_is_not_cancelled_twice(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("concurrency = 1"),
                LUA(an_event_woken_before_a_crash_is_not_cancelled_twice));
    offer(f, "s", "in", "x", "k", "a", NULL);
    run_dry(f);
    offer(f, "s", "in", "y", "k", "b", NULL);
    advance(f, 20000); /* awake, in memory, behind the other one */
    crash(f);
    struct command c = {.kind = COMMAND_CANCEL, .id = id_of(f, "s", "x")};
    (void)command(f, c);
    advance(f, 20000);
    struct books b = service_status(f, "s").books;
    assert_int_equal(b.accepted, 2);
    assert_int_equal(b.discarded + b.done, 1);
}

static void on_dead_is_told_of_what_a_person_cancels(void **state) {
    struct engine_fixture *f = *state;
    start(f, LUA(on_dead_is_told_of_what_a_person_cancels));
    run_dry(f);
    struct uuid id = id_of(f, "s", "x");
    assert_int_equal(command(f, (struct command){.kind = COMMAND_CANCEL, .id = id}), 0);
    run_dry(f);
    assert_string_equal(nth_published(f, "told", 0)->payload, "cancelled by an operator");
    assert_int_equal(state_of(f, "s", "x"), EVENT_DISCARDED);
}

static void a_person_cancels_a_waiting_event(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    fixture_run(f, SERVICE("retries = 1"), LUA(a_person_cancels_a_waiting_event));
    offer(f, "s", "in", "x", "k", "a", NULL);
    offer(f, "s", "in", "y", "k", "a", NULL);
    run_dry(f);
    struct uuid id = id_of(f, "s", "x");
    assert_int_equal(command(f, (struct command){.kind = COMMAND_CANCEL, .id = id}), 0);
    run_dry(f);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DISCARDED);
    assert_string_equal(payloads(f, "out", out, sizeof out), "y");
    assert_int_equal(command(f, (struct command){.kind = COMMAND_CANCEL, .id = id}), ERR_NOTFOUND);
}

/* --- killed anywhere --- */

/* Which of the calls the peer has carried out, each key once. */
static size_t carried_out(const struct engine_fixture *f, const char *what) {
    size_t count = 0;
    char url[64];
    (void)snprintf(url, sizeof url, "http://peer/%s", what);
    for (size_t i = 0; i < f->asked_count; i++) {
        bool first = strcmp(f->asked[i].url, url) == 0;
        for (size_t k = 0; k < i; k++) {
            first = first && strcmp(f->asked[i].headers, f->asked[k].headers) != 0;
        }
        count += first ? 1 : 0;
    }
    return count;
}

static bool play(struct engine_fixture *f, size_t kill) {
    size_t turns = 0;
    bool killed = false;
    offer(f, "s", "in", "x", "k", "a", NULL);
    for (int rounds = 0; count_events(f, "s", EVENT_DEAD) == 0; rounds++) {
        assert_true(rounds < 500);
        assert_int_equal(turn(f), 0);
        if (++turns == kill) {
            crash(f);
            killed = true;
        }
        for (size_t i = 0; i < f->asked_count; i++) {
            if (f->asked[i].open) {
                answer(f, i, 200, "");
            }
        }
        if (redeliver(f) == 0 && !engine_due(f->engine)) {
            f->now_ms += 500;
            f->monotonic_us += 500000;
        }
    }
    return killed;
}

static void killed_at_every_commit_in_turn_it_is_undone_once_and_whole(void **state) {
    static const char *const each[] = {"one", "two", "un-two", "un-one"};
    struct engine_fixture *f = *state;
    size_t kills = 0;
    bool killed = true;
    for (size_t kill = 1; killed; kill++) {
        char out[512];
        fixture_free(f);
        f = fixture_new();
        *state = f;
        fixture_run(f, SERVICE("retries = 1"), LUA(CHARGED));
        killed = play(f, kill);
        kills += killed ? 1 : 0;
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(carried_out(f, each[i]), 1);
            assert_string_equal(state_text(f, "s", "a", each[i], out), "1");
        }
        assert_string_equal(reason_of(f, "s", "x", out), "sold out");
    }
    assert_true(kills > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_saga_that_succeeds_undoes_nothing),
        ENGINE_TEST(what_fails_for_good_is_undone_in_reverse),
        ENGINE_TEST(an_error_is_tried_again_before_anything_is_undone),
        ENGINE_TEST(a_time_out_for_good_is_undone_too),
        ENGINE_TEST(a_step_that_was_refused_has_nothing_to_undo),
        ENGINE_TEST(a_step_that_was_accepted_and_then_failed_is_undone),
        ENGINE_TEST(a_step_that_was_answered_5xx_is_undone),
        ENGINE_TEST(a_compensation_has_tries_of_its_own_then_needs_a_person),
        ENGINE_TEST(what_needs_a_person_goes_on_undoing_when_replayed),
        ENGINE_TEST(letting_it_go_half_undone_must_be_said_expressly),
        ENGINE_TEST(an_undone_event_that_is_replayed_begins_anew_under_new_keys),
        ENGINE_TEST(a_compensation_the_handler_no_longer_reaches_needs_a_person),
        ENGINE_TEST(nothing_outside_the_compensations_happens_while_undoing),
        ENGINE_TEST(a_person_cancels_a_waiting_saga_and_has_it_undone),
        ENGINE_TEST(a_waiting_event_of_a_service_not_run_here_can_be_cancelled),
        ENGINE_TEST(an_event_woken_before_a_crash_is_not_cancelled_twice),
        ENGINE_TEST(on_dead_is_told_of_what_a_person_cancels),
        ENGINE_TEST(a_person_cancels_a_waiting_event),
        ENGINE_TEST(killed_at_every_commit_in_turn_it_is_undone_once_and_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
