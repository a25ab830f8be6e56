/* test_cancel_live.c - a person cancels an event, whatever it is doing: docs/states.md. */
#include "cancel_world.h"
#include "script.h"
#include "test.h"

#include "event/ledger.h"
#include "journal/event.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
            offer_of_key(f, first, first);
            offer_of_key(f, behind, first);
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
    offer_of_key(f, "call 1", "a");
    offer_of_key(f, "go 2", "a");
    offer_of_key(f, "go 3", "a");
    offer_of_key(f, "go 4", "a");
    run_dry(f);
    assert_int_equal(cancel(f, "go 3"), 0);
    assert_int_equal(cancel(f, "go 3"), ERR_NOTFOUND);
    answer_all(f);
    assert_string_equal(what_left(f), "call 1 go 2 go 4");
    assert_books(f, "s", (struct books){.accepted = 4, .done = 3, .discarded = 1});
}

static void what_is_next_while_its_service_is_paused_never_runs(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED(""), LUA(ACTS));
    pause_service(f, true);
    offer_of_key(f, "go 1", "a");
    offer_of_key(f, "go 2", "a");
    offer_of_key(f, "go 3", "b");
    run_dry(f);
    assert_int_equal(cancel(f, "go 1"), 0);
    assert_int_equal(cancel(f, "go 3"), 0);
    pause_service(f, false);
    run_dry(f);
    assert_string_equal(what_left(f), "go 2");
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
    pause_service(f, true);
    for (int i = 1; i <= BACKLOG; i++) {
        (void)snprintf(text, sizeof text, "go %d", i);
        (void)snprintf(key, sizeof key, "%d", i % keys);
        offer_of_key(f, text, key);
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
    pause_service(f, false);
    run_dry(f);
    engine_check(f);
    assert_int_equal(count_published(f, "out"), BACKLOG - (BACKLOG + 499) / 500);
    for (size_t i = 0; i < count_published(f, "out"); i++) {
        int n = (int)strtol(nth_published(f, "out", i)->payload + 3, NULL, 10);
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
    pause_service(f, true);
    for (int i = 0; i < BACKLOG; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%d", i);
        (void)snprintf(text, sizeof text, "{\"t\":\"%s\",\"n\":%d}", i % 2 == 0 ? "a" : "b", i);
        offer_of_key(f, text, key);
    }
    run_dry(f);
    assert_true(service_status(f, "s").queued > 0);
    for (int i = 0; i < BACKLOG; i += 700) {
        (void)snprintf(text, sizeof text, "{\"t\":\"%s\",\"n\":%d}", i % 2 == 0 ? "a" : "b", i);
        assert_int_equal(cancel(f, text), 0);
    }
    engine_check(f);
    pause_service(f, false);
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
    offer_of_key(f, "call 1", "a");
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
    assert_string_equal(what_left(f), "");
    assert_int_equal(f->asked_count, 1);
    buf_clear(&notes);
}

static void a_request_that_only_reads_has_no_effect_to_speak_of(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    fixture_run(f, KEYED(""), LUA(ACTS));
    offer_of_key(f, "get 1", "a");
    run_dry(f);
    assert_int_equal(cancel(f, "get 1"), 0);
    assert_string_equal(why(f, "get 1", out),
                        "cancelled by an operator; GET http://peer/ was aborted");
}

static void a_replay_afterwards_makes_the_call_under_its_key(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED(""), LUA(ACTS));
    offer_of_key(f, "call 1", "a");
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
    assert_string_equal(what_left(f), "call 1");
}

static void a_lock_it_staged_is_free_and_what_a_step_did_stays(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    fixture_run(f, KEYED(""), LUA(ACTS));
    offer_of_key(f, "lock 1", "a");
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
    offer_of_key(f, "call 1", "a");
    run_dry(f);
    assert_int_equal(cancel(f, "call 1"), 0);
    offer_of_key(f, "call 1 again", "a");
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 2, .duplicates = 1, .discarded = 1});
}

static void signals_that_come_later_are_for_the_next_event_of_the_key(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED(""), LUA(ACTS));
    offer_of_key(f, "wait 1", "a");
    offer_of_key(f, "wait 2", "a");
    run_dry(f);
    assert_int_equal(cancel(f, "wait 1"), 0);
    struct command c = {.kind = COMMAND_SIGNAL,
                        .service = slice_of("s"),
                        .key = slice_of("a"),
                        .name = slice_of("go"),
                        .payload = slice_of("1")};
    assert_int_equal(command(f, c), 0);
    assert_string_equal(what_left(f), "wait 2");
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
    assert_non_null(strstr(what_left(f), "cancelled by an operator; POST http://peer/"));
}

static void on_dead_hears_who_cancelled_it_and_why(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED(""), LUA(on_dead_hears_who_cancelled_it_and_why));
    offer_of_key(f, "x", "a");
    run_dry(f);
    assert_int_equal(cancel(f, "x"), 0);
    run_dry(f);
    assert_string_equal(nth_published(f, "told", 0)->payload,
                        "cancelled by an operator; POST http://peer/charge was aborted: it may "
                        "have had its effect");
    assert_int_equal(count_published(f, "zingq/dlq/s"), 0);
}

static void a_call_that_waits_for_memory_was_not_sent(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    fixture_run(f, KEYED("") "service \"t\" { subscribe = {\"t\"} handler = \"h.lua\" }\n",
                LUA(ACTS));
    deliver(f, "t", "t", "call 1");
    memory_take(&f->memory, MEMORY_CALLS, f->memory.limit);
    offer_of_key(f, "call 2", "b");
    run_dry(f);
    assert_int_equal(status(f).calls_starved, 1);
    assert_int_equal(cancel(f, "call 2"), 0);
    assert_string_equal(why(f, "call 2", out),
                        "cancelled by an operator; POST http://peer/ was not sent");
    assert_int_equal(f->asked_count, 1);
}

static struct uuid expiry_id(struct engine_fixture *f) {
    struct event_place at = {.partition = 0};
    struct event *event = NULL;
    struct uuid id = {{0}};
    assert_int_equal(store_begin(f->store), 0);
    while (journal_event_scan(f->view, &at, &event) == 0) {
        id = event->kind == EVENT_LOCK_EXPIRED ? event->id : id;
        event_free(event);
    }
    store_abort(f->store);
    return id;
}

static void an_expired_lock_whose_handler_is_cancelled_is_free(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED(""), LUA(an_expired_lock_whose_handler_is_cancelled_is_free));
    offer_of_key(f, "take", "a");
    run_dry(f);
    advance(f, 5000);
    assert_int_equal(f->asked_count, 1);
    assert_int_equal(count_rows(f, TABLE_LOCK), 1);
    struct command c = {.kind = COMMAND_CANCEL, .id = expiry_id(f)};
    assert_int_equal(command(f, c), 0);
    assert_int_equal(count_rows(f, TABLE_LOCK), 0);
}

static void one_whose_call_was_cut_by_a_stop_is_not_run_at_the_next_start(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED("stop_timeout = \"1s\""), LUA(ACTS));
    offer_of_key(f, "call 1", "a");
    run_dry(f);
    engine_drain(f->engine);
    advance(f, 1000);
    assert_int_equal(engine_running(f->engine), 0);
    assert_int_equal(cancel(f, "call 1"), 0);
    char out[512];
    assert_non_null(strstr(why(f, "call 1", out), "it may have had its effect"));
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
    offer_of_key(f, "loop 1", "a");
    offer_of_key(f, "go 2", "a");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(turn(f), 0);
    }
    assert_int_equal(state_of(f, "s", "loop 1"), EVENT_RUNNING);
    assert_int_equal(cancel(f, "loop 1"), 0);
    advance(f, 1000);
    assert_int_equal(state_of(f, "s", "loop 1"), EVENT_DISCARDED);
    assert_string_equal(history_of(f, "s", "loop 1", out), "cancelled");
    assert_string_equal(what_left(f), "go 2");
}

/* Bytes that this process has written so far. */
static uint64_t written(void) {
    char line[128];
    uint64_t bytes = 0;
    FILE *fp = fopen("/proc/self/io", "r");
    assert_non_null(fp);
    while (fgets(line, sizeof line, fp) != NULL) {
        (void)sscanf(line, "wchar: %" SCNu64, &bytes);
    }
    assert_int_equal(fclose(fp), 0);
    return bytes;
}

static void a_handler_that_gives_way_again_and_again_is_stored_once(void **state) {
    enum { TIMES = 100, BYTES = 200000 };
    struct engine_fixture *f = *state;
    static char large[BYTES + 1];
    memset(large, '0', BYTES);
    memcpy(large, "loop", 4);
    fixture_run(f, KEYED(""), LUA(ACTS));
    f->run_us[0] = 20000;
    offer_of_key(f, large, "a");
    assert_int_equal(turn(f), 0);
    uint64_t before = written();
    for (int i = 0; i < TIMES; i++) {
        assert_int_equal(turn(f), 0);
    }
    assert_true(written() - before < TIMES / 2 * BYTES);
    crash(f);
    assert_int_equal(cancel(f, large), 0);
    assert_int_equal(state_of(f, "s", large), EVENT_DISCARDED);
}

static void a_long_run_gives_way_to_others(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED(""), LUA(a_long_run_gives_way_to_others));
    f->run_us[0] = 20000;
    offer_of_key(f, "long", "a");
    offer_of_key(f, "short", "b");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(turn(f), 0);
        advance(f, 20);
    }
    assert_string_equal(what_left(f), "short long");
}

static void where_a_handler_cannot_wait_it_is_told_without(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("") "", LUA(where_a_handler_cannot_wait_it_is_told_without));
    f->run_us[0] = 20000;
    offer(f, "s", "in/x", "x", NULL);
    run_dry(f);
    advance(f, 3600000);
    assert_string_equal(what_left(f), "false");
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
    assert_string_equal(what_left(f), "1,3");
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
    assert_string_equal(what_left(f), "2");
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
        ENGINE_TEST(a_call_that_waits_for_memory_was_not_sent),
        ENGINE_TEST(an_expired_lock_whose_handler_is_cancelled_is_free),
        ENGINE_TEST(one_whose_call_was_cut_by_a_stop_is_not_run_at_the_next_start),
        ENGINE_TEST(a_handler_that_gave_way_is_told_and_leaves_nothing),
        ENGINE_TEST(a_handler_that_gives_way_again_and_again_is_stored_once),
        ENGINE_TEST(a_long_run_gives_way_to_others),
        ENGINE_TEST(where_a_handler_cannot_wait_it_is_told_without),
        ENGINE_TEST(the_others_of_its_batch_run_again_without_it),
        ENGINE_TEST(a_batch_that_gave_way_ends_too),
        ENGINE_TEST(of_two_services_that_have_the_event_one_can_be_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
