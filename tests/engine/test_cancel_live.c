/* test_cancel_live.c - a person cancels an event, whatever it is doing: docs/states.md. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include "event/ledger.h"
#include "journal/keyed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE(options)                                                                           \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" jitter = 0 delay = \"10s\" "       \
    "retries = 5 " options " }\n"
#define KEYED(options) SERVICE("key = \"property:k\" " options)

static int cancel_with(struct engine_fixture *f, const char *payload, struct command c) {
    c.kind = COMMAND_CANCEL;
    c.id = id_of(f, "s", payload);
    return command(f, c);
}

static int cancel(struct engine_fixture *f, const char *payload) {
    return cancel_with(f, payload, (struct command){.service = slice_of("s")});
}

static void pause(struct engine_fixture *f, bool paused) {
    struct command c = {.kind = paused ? COMMAND_PAUSE : COMMAND_RESUME, .service = slice_of("s")};
    assert_int_equal(command(f, c), 0);
}

static void offer_key(struct engine_fixture *f, const char *payload, const char *key) {
    offer(f, "s", "in/x", payload, "k", key, NULL);
}

static const char *out_of(const struct engine_fixture *f) {
    static char out[4096];
    return payloads(f, "out", out, sizeof out);
}

/* The reason of an event that is discarded, in `out`. */
static const char *why(struct engine_fixture *f, const char *payload, char out[512]) {
    struct event *event = event_with(f, "s", payload);
    assert_int_equal(event->state, EVENT_DISCARDED);
    (void)snprintf(out, 512, "%.*s", (int)event->reason.len, event->reason.data);
    event_free(event);
    return out;
}

static void answer_all(struct engine_fixture *f) {
    for (size_t i = 0; i < f->asked_count; i++) {
        if (f->asked[i].open) {
            answer(f, i, 200, "");
            run_dry(f);
        }
    }
}

/* --- it waits --- */

/* Each in a key of its own, with another event behind it that must then run. */
static void whatever_it_waits_for_it_is_discarded_and_its_key_goes_on(void **state) {
    static const char *const what[] = {"call", "get", "mail", "sleep", "snooze",
                                       "wait", "all", "fail", "lock",  "loop"};
    enum { WAYS = sizeof what / sizeof *what };
    struct engine_fixture *f = *state;
    char out[512];
    fixture_run(f, KEYED("crashes = 0"), LUA(ACTS));
    for (int crashes = 0; crashes < 2; crashes++) {
        for (size_t i = 0; i < WAYS; i++) {
            char behind[32];
            char first[32];
            (void)snprintf(first, sizeof first, "%s %d", what[i], crashes);
            (void)snprintf(behind, sizeof behind, "go %s %d", what[i], crashes);
            f->run_us[0] = 20000; /* long enough to give way */
            offer_key(f, first, first);
            offer_key(f, behind, first);
            assert_int_equal(turn(f), 0);
            assert_int_equal(turn(f), 0);
            if (crashes > 0) {
                crash(f);
                (void)turn(f);
            }
            assert_int_equal(cancel(f, first), 0);
            f->run_us[0] = 0;
            crash(f);
            run_dry(f);
            assert_int_equal(state_of(f, "s", first), EVENT_DISCARDED);
            assert_int_equal(strncmp(why(f, first, out), "cancelled by an operator", 24), 0);
            advance(f, 1000);
            assert_int_equal(state_of(f, "s", behind), EVENT_DONE);
        }
    }
    answer_all(f);
    advance(f, 3600000);
    assert_int_equal(count_published(f, "out"), 2 * WAYS);
    for (size_t i = 0; i < 2 * WAYS; i++) {
        assert_int_equal(strncmp(nth_published(f, "out", i)->payload, "go ", 3), 0);
    }
    struct books books = service_status(f, "s").books;
    assert_int_equal(books.done, 2 * WAYS);
    assert_int_equal(books.discarded, 2 * WAYS);
}

static void what_waits_behind_its_key_goes_and_the_order_of_the_others_stays(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED(""), LUA(ACTS));
    offer_key(f, "call 1", "a");
    offer_key(f, "go 2", "a");
    offer_key(f, "go 3", "a");
    offer_key(f, "go 4", "a");
    run_dry(f);
    assert_int_equal(cancel(f, "go 3"), 0);
    assert_int_equal(cancel(f, "go 3"), ERR_NOTFOUND);
    answer_all(f);
    assert_string_equal(out_of(f), "call 1 go 2 go 4");
    assert_books(f, "s", (struct books){.accepted = 4, .done = 3, .discarded = 1});
}

static void what_is_next_while_its_service_is_paused_never_runs(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED(""), LUA(ACTS));
    pause(f, true);
    offer_key(f, "go 1", "a");
    offer_key(f, "go 2", "a");
    offer_key(f, "go 3", "b");
    run_dry(f);
    assert_int_equal(cancel(f, "go 1"), 0);
    assert_int_equal(cancel(f, "go 3"), 0);
    pause(f, false);
    run_dry(f);
    assert_string_equal(out_of(f), "go 2");
    assert_books(f, "s", (struct books){.accepted = 3, .done = 1, .discarded = 2});
}

enum { BACKLOG = SERVICE_WINDOW_MAX + 3000 };

/* The handler of the first one waits; the others are everywhere. Cancels every 500th. */
static void cancel_in_a_backlog(struct engine_fixture *f, int keys, bool crashes) {
    char text[32];
    char key[16];
    int last[8] = {0};
    f->unchecked = true;
    fixture_run(f, KEYED(""), LUA(ACTS));
    pause(f, true);
    for (int i = 1; i <= BACKLOG; i++) {
        (void)snprintf(text, sizeof text, "go %d", i);
        (void)snprintf(key, sizeof key, "%d", i % keys);
        offer_key(f, text, key);
        if (i % 1000 == 0) {
            run_dry(f);
        }
    }
    run_dry(f);
    if (crashes) {
        crash(f);
        run_dry(f);
    }
    for (int i = 1; i <= BACKLOG; i += 500) {
        (void)snprintf(text, sizeof text, "go %d", i);
        assert_int_equal(cancel(f, text), 0);
    }
    engine_check(f);
    pause(f, false);
    run_dry(f);
    engine_check(f);
    assert_int_equal(count_published(f, "out"), BACKLOG - (BACKLOG + 499) / 500);
    for (size_t i = 0; i < count_published(f, "out"); i++) {
        int n = atoi(nth_published(f, "out", i)->payload + 3);
        assert_true(n % 500 != 1 && n > last[n % keys]);
        last[n % keys] = n;
    }
}

static void in_a_backlog_of_one_key_larger_than_memory_it_is_found(void **state) {
    cancel_in_a_backlog(*state, 1, false);
}

static void in_a_backlog_of_several_keys_larger_than_memory_it_is_found(void **state) {
    cancel_in_a_backlog(*state, 7, false);
}

static void in_a_backlog_that_was_just_loaded_it_is_found(void **state) {
    cancel_in_a_backlog(*state, 7, true);
}

static void what_waits_for_its_tenants_turn_on_disk_is_found(void **state) {
    struct engine_fixture *f = *state;
    char text[64];
    f->unchecked = true;
    fixture_run(f, SERVICE("key = \"property:k\" fair = \"json:/t\""),
                "return function(e) zing.publish('out', e.key) end");
    pause(f, true);
    for (int i = 0; i < BACKLOG; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%d", i);
        (void)snprintf(text, sizeof text, "{\"t\":\"%s\",\"n\":%d}", i % 2 == 0 ? "a" : "b", i);
        offer_key(f, text, key);
    }
    run_dry(f);
    assert_true(service_status(f, "s").queued > 0);
    for (int i = 0; i < BACKLOG; i += 700) {
        (void)snprintf(text, sizeof text, "{\"t\":\"%s\",\"n\":%d}", i % 2 == 0 ? "a" : "b", i);
        assert_int_equal(cancel(f, text), 0);
    }
    engine_check(f);
    pause(f, false);
    run_dry(f);
    engine_check(f);
    assert_int_equal(service_status(f, "s").queued, 0);
    assert_int_equal(count_published(f, "out"), BACKLOG - (BACKLOG + 699) / 700);
}

/* --- it waits for a call --- */

static void its_call_is_aborted_and_the_answer_says_what_it_may_have_done(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    struct buf notes;
    struct call_note note;
    buf_init(&notes, NOTES_BYTES_MAX);
    fixture_run(f, KEYED(""), LUA(ACTS));
    offer_key(f, "call 1", "a");
    run_dry(f);
    assert_true(f->asked[0].open);
    struct command c = {.who = slice_of("ann"), .notes = &notes};
    assert_int_equal(cancel_with(f, "call 1", c), 0);
    assert_false(f->asked[0].open);
    assert_int_equal(engine_running(f->engine), 0);
    assert_string_equal(buf_str(&notes),
                        "POST http://peer/ was aborted: it may have had its effect\n");
    assert_string_equal(why(f, "call 1", out),
                        "cancelled by ann; POST http://peer/ was aborted: it may have had "
                        "its effect");
    assert_string_equal(history_of(f, "s", "call 1", out), "cancelled");
    struct event *event = event_with(f, "s", "call 1");
    size_t at = 0;
    assert_true(ledger_next(event->calls, &at, &note));
    assert_int_equal(note.state, CALL_UNKNOWN);
    event_free(event);
    assert_string_equal(state_text(f, "s", "a", "ran", out), "none");
    struct call_result late = {.status = 200};
    engine_call_done(f->engine, f->asked[0].id, &late);
    run_dry(f);
    crash(f);
    advance(f, 100000);
    assert_string_equal(out_of(f), "");
    assert_int_equal(f->asked_count, 1);
    buf_clear(&notes);
}

static void a_request_that_only_reads_has_no_effect_to_speak_of(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    fixture_run(f, KEYED(""), LUA(ACTS));
    offer_key(f, "get 1", "a");
    run_dry(f);
    assert_int_equal(cancel(f, "get 1"), 0);
    assert_string_equal(why(f, "get 1", out),
                        "cancelled by an operator; GET http://peer/ was aborted");
}

static void a_replay_afterwards_makes_the_call_under_its_key(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED(""), LUA(ACTS));
    offer_key(f, "call 1", "a");
    run_dry(f);
    assert_int_equal(cancel(f, "call 1"), 0);
    struct command again = {
        .kind = COMMAND_RERUN, .service = slice_of("s"), .id = id_of(f, "s", "call 1")};
    struct event *event = event_with(f, "s", "call 1");
    again.partition = event->partition;
    event_free(event);
    assert_int_equal(command(f, again), 0);
    assert_int_equal(f->asked_count, 2);
    assert_string_equal(f->asked[0].headers, f->asked[1].headers);
    answer(f, 1, 200, "");
    run_dry(f);
    assert_string_equal(out_of(f), "call 1");
}

static void a_lock_it_staged_is_free_and_what_a_step_did_stays(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    fixture_run(f, KEYED(""), LUA(ACTS));
    offer_key(f, "lock 1", "a");
    run_dry(f);
    assert_int_equal(f->asked_count, 1);
    assert_int_equal(cancel(f, "lock 1"), 0);
    assert_int_equal(count_rows(f, TABLE_LOCK), 0);
    assert_string_equal(state_text(f, "s", "a", "step", out), "\"lock 1\"");
    assert_string_equal(state_text(f, "s", "a", "ran", out), "none");
}

static void a_second_copy_of_it_is_still_a_duplicate(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED("idempotency = \"property:k\""), LUA(ACTS));
    offer_key(f, "call 1", "a");
    run_dry(f);
    assert_int_equal(cancel(f, "call 1"), 0);
    offer_key(f, "call 1 again", "a");
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 2, .duplicates = 1, .discarded = 1});
}

static void signals_that_come_later_are_for_the_next_event_of_the_key(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED(""), LUA(ACTS));
    offer_key(f, "wait 1", "a");
    offer_key(f, "wait 2", "a");
    run_dry(f);
    assert_int_equal(cancel(f, "wait 1"), 0);
    struct command c = {.kind = COMMAND_SIGNAL,
                        .service = slice_of("s"),
                        .key = slice_of("a"),
                        .name = slice_of("go"),
                        .payload = slice_of("1")};
    assert_int_equal(command(f, c), 0);
    assert_string_equal(out_of(f), "wait 2");
    assert_int_equal(count_rows(f, TABLE_WAITER), 0);
}

static void a_child_that_is_cancelled_can_tell_who_waits_for_it(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED(""), LUA(a_child_that_is_cancelled_can_tell_who_waits_for_it));
    offer(f, "s", "in/parent", "x", "k", "p", NULL);
    run_dry(f);
    assert_int_equal(f->asked_count, 1);
    assert_int_equal(cancel(f, "go"), 0);
    run_dry(f);
    assert_non_null(strstr(out_of(f), "cancelled by an operator; POST http://peer/"));
}

static void on_dead_hears_who_cancelled_it_and_why(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED(""), LUA(on_dead_hears_who_cancelled_it_and_why));
    offer_key(f, "x", "a");
    run_dry(f);
    assert_int_equal(cancel(f, "x"), 0);
    run_dry(f);
    assert_string_equal(nth_published(f, "told", 0)->payload,
                        "cancelled by an operator; POST http://peer/charge was aborted: it may "
                        "have had its effect");
    assert_int_equal(count_published(f, "zingq/dlq/s"), 0);
}

static void one_whose_call_was_cut_by_a_stop_is_not_run_at_the_next_start(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED("stop_timeout = \"1s\""), LUA(ACTS));
    offer_key(f, "call 1", "a");
    run_dry(f);
    engine_drain(f->engine);
    advance(f, 1000);
    assert_int_equal(engine_running(f->engine), 0);
    assert_int_equal(cancel(f, "call 1"), 0);
    restart(f);
    advance(f, 100000);
    assert_int_equal(f->asked_count, 1);
    assert_books(f, "s", (struct books){.accepted = 1, .discarded = 1});
}

/* --- it computes --- */

static void a_handler_that_gave_way_is_told_and_leaves_nothing(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    fixture_run(f, KEYED(""), LUA(ACTS));
    f->run_us[0] = 20000;
    offer_key(f, "loop 1", "a");
    offer_key(f, "go 2", "a");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(turn(f), 0);
    }
    assert_int_equal(state_of(f, "s", "loop 1"), EVENT_RUNNING);
    assert_int_equal(cancel(f, "loop 1"), 0);
    advance(f, 1000);
    assert_int_equal(state_of(f, "s", "loop 1"), EVENT_DISCARDED);
    assert_string_equal(history_of(f, "s", "loop 1", out), "cancelled");
    assert_string_equal(out_of(f), "go 2");
}

static void a_long_run_gives_way_to_others(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED(""), LUA(a_long_run_gives_way_to_others));
    f->run_us[0] = 20000;
    offer_key(f, "long", "a");
    offer_key(f, "short", "b");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(turn(f), 0);
        advance(f, 20);
    }
    assert_string_equal(out_of(f), "short long");
}

static void where_a_handler_cannot_wait_it_is_told_without(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("") "", LUA(where_a_handler_cannot_wait_it_is_told_without));
    f->run_us[0] = 20000;
    offer(f, "s", "in/x", "x", NULL);
    run_dry(f);
    advance(f, 3600000);
    assert_string_equal(out_of(f), "false");
}

/* --- its saga --- */

static struct engine_fixture *pay(void **state, const char *payload) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED(""), LUA(PAYS));
    offer_key(f, payload, "a");
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
    assert_string_equal(out_of(f), "x");
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
    assert_string_equal(out_of(f), "");
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
        pause(f, true);
        crash(f);
        run_dry(f);
        assert_int_equal(cancel_with(f, "x", (struct command){.compensate = true}), 0);
        assert_int_equal(state_of(f, "s", "x"), EVENT_READY);
        if (crashes > 0) {
            crash(f);
        }
        pause(f, false);
        advance(f, 1000);
        assert_int_equal(count_published(f, "undid"), 1);
        answer_all(f);
        assert_int_equal(state_of(f, "s", "x"), EVENT_DISCARDED);
        assert_string_equal(out_of(f), "");
    }
}

/* --- with others --- */

static void the_others_of_its_batch_run_again_without_it(void **state) {
    struct engine_fixture *f = *state;
    struct buf notes;
    char out[512];
    buf_init(&notes, NOTES_BYTES_MAX);
    fixture_run(f, SERVICE("batch = 3"), LUA(BATCHES));
    offer(f, "s", "in/x", "1", NULL);
    offer(f, "s", "in/x", "2", NULL);
    offer(f, "s", "in/x", "3", NULL);
    run_dry(f);
    assert_string_equal(f->asked[0].url, "http://peer/1,2,3");
    assert_int_equal(cancel_with(f, "2", (struct command){.notes = &notes}), 0);
    assert_non_null(strstr(buf_str(&notes), "the other events of its batch run again\n"));
    assert_false(f->asked[0].open);
    advance(f, 1000);
    assert_string_equal(f->asked[1].url, "http://peer/1,3");
    answer_all(f);
    assert_string_equal(out_of(f), "1,3");
    assert_string_equal(history_of(f, "s", "2", out), "cancelled");
    assert_string_equal(history_of(f, "s", "1", out), "");
    assert_books(f, "s", (struct books){.accepted = 3, .done = 2, .discarded = 1});
    buf_clear(&notes);
}

static void a_batch_that_gave_way_ends_too(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("batch = 2"), LUA(a_batch_that_gave_way_ends_too));
    f->run_us[0] = 20000;
    offer(f, "s", "in/x", "1", NULL);
    offer(f, "s", "in/x", "2", NULL);
    assert_int_equal(turn(f), 0);
    assert_int_equal(cancel(f, "1"), 0);
    f->run_us[0] = 0;
    advance(f, 1000);
    assert_string_equal(out_of(f), "2");
}

static void of_two_services_that_have_the_event_one_can_be_named(void **state) {
    struct engine_fixture *f = *state;
    fixture_script(f, "o.lua", "return function() zing.publish('in/x', 'call 1') end");
    fixture_run(f,
                SERVICE("") "service \"t\" { subscribe = {\"in/#\"} handler = \"h.lua\" }\n"
                            "service \"o\" { subscribe = {\"o\"} handler = \"o.lua\" }\n",
                LUA(ACTS));
    deliver(f, "o", "o", "x");
    assert_int_equal(f->asked_count, 2);
    struct command c = {.service = slice_of("t")};
    assert_int_equal(cancel_with(f, "call 1", c), 0);
    assert_int_equal(state_of(f, "t", "call 1"), EVENT_DISCARDED);
    assert_int_equal(state_of(f, "s", "call 1"), EVENT_RUNNING);
    assert_int_equal(cancel_with(f, "call 1", c), ERR_NOTFOUND);
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
        offer_key(f, "x", "a");
        assert_int_equal(turn(f), 0);
        assert_true(play(f, kill));
        assert_int_equal(state_of(f, "s", "x"), EVENT_DISCARDED);
        assert_string_equal(payloads(f, "undid", undid, sizeof undid), "pay unknown");
        assert_string_equal(out_of(f), "");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(whatever_it_waits_for_it_is_discarded_and_its_key_goes_on),
        ENGINE_TEST(what_waits_behind_its_key_goes_and_the_order_of_the_others_stays),
        ENGINE_TEST(what_is_next_while_its_service_is_paused_never_runs),
        ENGINE_TEST(in_a_backlog_of_one_key_larger_than_memory_it_is_found),
        ENGINE_TEST(in_a_backlog_of_several_keys_larger_than_memory_it_is_found),
        ENGINE_TEST(in_a_backlog_that_was_just_loaded_it_is_found),
        ENGINE_TEST(what_waits_for_its_tenants_turn_on_disk_is_found),
        ENGINE_TEST(its_call_is_aborted_and_the_answer_says_what_it_may_have_done),
        ENGINE_TEST(a_request_that_only_reads_has_no_effect_to_speak_of),
        ENGINE_TEST(a_replay_afterwards_makes_the_call_under_its_key),
        ENGINE_TEST(a_lock_it_staged_is_free_and_what_a_step_did_stays),
        ENGINE_TEST(a_second_copy_of_it_is_still_a_duplicate),
        ENGINE_TEST(signals_that_come_later_are_for_the_next_event_of_the_key),
        ENGINE_TEST(a_child_that_is_cancelled_can_tell_who_waits_for_it),
        ENGINE_TEST(on_dead_hears_who_cancelled_it_and_why),
        ENGINE_TEST(one_whose_call_was_cut_by_a_stop_is_not_run_at_the_next_start),
        ENGINE_TEST(a_handler_that_gave_way_is_told_and_leaves_nothing),
        ENGINE_TEST(a_long_run_gives_way_to_others),
        ENGINE_TEST(where_a_handler_cannot_wait_it_is_told_without),
        ENGINE_TEST(an_open_saga_that_runs_goes_on_until_the_person_decides),
        ENGINE_TEST(it_is_undone_if_asked_also_the_step_whose_call_was_cut),
        ENGINE_TEST(or_left_as_it_is),
        ENGINE_TEST(a_step_that_stopped_because_it_was_told_did_nothing),
        ENGINE_TEST(a_compensation_that_runs_is_ended_only_if_that_is_said),
        ENGINE_TEST(one_that_waits_in_its_lane_is_undone_at_its_place),
        ENGINE_TEST(the_others_of_its_batch_run_again_without_it),
        ENGINE_TEST(a_batch_that_gave_way_ends_too),
        ENGINE_TEST(of_two_services_that_have_the_event_one_can_be_named),
        ENGINE_TEST(killed_before_any_turn_what_was_cancelled_stays_so_and_is_undone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
