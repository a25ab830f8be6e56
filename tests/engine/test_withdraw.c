/*
 * test_withdraw.c - what is taken back, given up or overtaken leaves nothing behind: waits whose
 * names changed, cancelled events, expired locks, refused signals.
 */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include "journal/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE(options)                                                                           \
    "store { keep_done = \"1m\" }\n"                                                               \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"property:k\" jitter = 0 "  \
    "delay = \"1s\" " options " }\n"

static const char *out_of(const struct engine_fixture *f) {
    static char text[1024];
    return payloads(f, "out", text, sizeof text);
}

static void offer_key(struct engine_fixture *f, const char *payload) {
    offer(f, "s", "in", payload, "k", "k", NULL);
}

static int cancel(struct engine_fixture *f, const char *payload) {
    return command(f, (struct command){.kind = COMMAND_CANCEL, .id = id_of(f, "s", payload)});
}

static int rerun(struct engine_fixture *f, const char *payload) {
    struct event *event = event_with(f, "s", payload);
    struct command c = {.kind = COMMAND_RERUN,
                        .service = slice_of("s"),
                        .partition = event->partition,
                        .id = event->id};
    event_free(event);
    return command(f, c);
}

static struct command signal_to_k(const char *name, const char *value) {
    return (struct command){.kind = COMMAND_SIGNAL,
                            .service = slice_of("s"),
                            .key = slice_of("k"),
                            .name = slice_of(name),
                            .payload = slice_of(value)};
}

/* --- waits --- */

static void a_wait_under_another_name_leaves_no_waiter(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("retries = 3"), LUA(a_wait_under_another_name_leaves_no_waiter));
    offer_key(f, "x");
    advance(f, 40000);
    assert_string_equal(out_of(f), "done");
    assert_int_equal(count_rows(f, TABLE_WAITER), 0);
    advance(f, 600000); /* the event itself is forgotten */
    for (int i = 1; i < 4; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "answer %d", i);
        assert_int_equal(command(f, signal_to_k(name, "1")), 0);
    }
    assert_int_equal(count_rows(f, TABLE_SIGNAL), 3);
}

static void a_signal_is_for_who_waits_now_though_the_script_was_edited(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("retries = 3"), "return function(e) zing.wait('confirmed', '10s') end");
    offer_key(f, "x");
    run_dry(f);
    fixture_script(f, "h.lua", LUA(a_signal_is_for_who_waits_now_though_the_script_was_edited));
    fixture_reload(f);
    advance(f, 11000);
    assert_int_equal(cancel(f, "x"), 0);
    offer_key(f, "z");
    run_dry(f);
    assert_int_equal(count_rows(f, TABLE_WAITER), 1);
    assert_int_equal(command(f, signal_to_k("paid", "7")), 0);
    assert_string_equal(out_of(f), "z7");
}

static void names_that_zing_counts_by_are_refused(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("retries = 0"), "return function(e) zing.wait('item#2') end");
    offer_key(f, "x");
    run_dry(f);
    assert_non_null(strstr(reason_of(f, "s", "x", text), "must not end in # and a number"));
}

/* --- signals --- */

static void a_signal_that_was_refused_may_come_again_under_its_key(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("retries = 3"), "return function(e) zing.wait('paid', '1s') end");
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(command(f, signal_to_k("paid", "1")), 0);
    }
    struct command c = signal_to_k("paid", "2");
    c.once = slice_of("webhook 77");
    assert_int_equal(command(f, c), ERR_INVALID);
    offer_key(f, "x");
    run_dry(f);
    assert_int_equal(count_rows(f, TABLE_SIGNAL), 999);
    assert_int_equal(command(f, c), 0);
    assert_int_equal(command(f, c), 0);
    assert_int_equal(count_rows(f, TABLE_SIGNAL), 1000);
}

static void a_dead_signal_is_sent_again_by_a_replay(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("retries = 3"), LUA(a_dead_signal_is_sent_again_by_a_replay));
    offer(f, "s", "in", "send", "k", "other", NULL);
    run_dry(f);
    assert_int_equal(state_of(f, "s", "{\"n\":1001}"), EVENT_DEAD);
    struct command c = {.kind = COMMAND_REPLAY, .id = id_of(f, "s", "{\"n\":1001}")};
    assert_int_equal(command(f, c), ERR_INVALID);
    offer_key(f, "take");
    run_dry(f);
    assert_int_equal(command(f, c), 0);
    assert_int_equal(state_of(f, "s", "{\"n\":1001}"), EVENT_DONE);
    assert_int_equal(count_rows(f, TABLE_SIGNAL), 1000);
    assert_string_equal(out_of(f), "1");
    assert_int_equal(rerun(f, "{\"n\":1001}"), ERR_INVALID);
    advance(f, 700000);
    assert_int_equal(count_rows(f, TABLE_HISTORY), 0);
}

static void a_signal_between_two_tries_does_not_hurry_the_next(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("retries = 5"), LUA(a_signal_between_two_tries_does_not_hurry_the_next));
    offer_key(f, "x");
    advance(f, 11000);
    assert_int_equal(state_of(f, "s", "x"), EVENT_RETRYING);
    assert_int_equal(command(f, signal_to_k("paid", "7")), 0);
    assert_int_equal(state_of(f, "s", "x"), EVENT_RETRYING);
    advance(f, 3600000);
    assert_string_equal(out_of(f), "7");
}

static void a_refused_signal_of_any_bytes_is_a_dead_letter(void **state) {
    struct engine_fixture *f = *state;
    char topic[512];
    fixture_run(f, SERVICE("retries = 0"), LUA(a_refused_signal_of_any_bytes_is_a_dead_letter));
    offer_key(f, "fill");
    offer_key(f, "one more");
    run_dry(f);
    assert_int_equal(service_status(f, "s").books.dead, 1);
    assert_string_equal(
        published_property(nth_published(f, "zingq/dlq/s", 0), "zingq-topic", topic),
        "zingq/signal/s/k%FF/paid");
}

static void one_key_is_for_one_signal(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("retries = 3"), "return function(e) end");
    struct command c = signal_to_k("paid", "{}");
    c.once = slice_of("order 77");
    assert_int_equal(command(f, c), 0);
    c.name = slice_of("shipped");
    assert_int_equal(command(f, c), 0);
    assert_int_equal(command(f, c), 0);
    assert_int_equal(count_rows(f, TABLE_SIGNAL), 2);
}

/* --- cancelled events --- */

static void a_cancelled_event_runs_when_it_is_replayed(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("retries = 3"), LUA(a_cancelled_event_runs_when_it_is_replayed));
    offer_key(f, "x");
    run_dry(f);
    assert_int_equal(cancel(f, "x"), 0);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DISCARDED);
    assert_int_equal(rerun(f, "x"), 0);
    assert_string_equal(out_of(f), "ran");
    assert_int_equal(state_of(f, "s", "x"), EVENT_DONE);
}

static void replay_a_let_go_event(struct engine_fixture *f, const char *how, bool as_it_is) {
    char script[512];
    (void)snprintf(script, sizeof script,
                   "return function(e)\n"
                   "  %s('charge', function() zing.http.post('http://bank/') end, print)\n"
                   "  zing.sleep('1h')\n"
                   "end",
                   how);
    fixture_run(f, SERVICE("retries = 3"), script);
    offer_key(f, "x");
    run_dry(f);
    answer(f, 0, 200, "");
    run_dry(f);
    struct command c = {
        .kind = COMMAND_CANCEL, .id = id_of(f, "s", "x"), .without_compensation = as_it_is};
    assert_int_equal(command(f, c), 0);
    assert_int_equal(rerun(f, "x"), 0);
    assert_int_equal(f->asked_count, 2);
    assert_string_equal(f->asked[0].headers, f->asked[1].headers);
}

static void what_was_not_undone_is_asked_for_under_its_old_key(void **state) {
    replay_a_let_go_event(*state, "zing.step", false);
}

static void so_is_a_saga_that_was_left_as_it_is(void **state) {
    replay_a_let_go_event(*state, "zing.saga():step", true);
}

static void an_event_about_to_run_can_be_cancelled(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("retries = 3"), LUA(an_event_about_to_run_can_be_cancelled));
    offer_key(f, "first");
    offer_key(f, "second");
    advance(f, 1500);
    struct command pause = {.kind = COMMAND_PAUSE, .service = slice_of("s")};
    assert_int_equal(command(f, pause), 0);
    answer(f, 0, 200, "");
    run_dry(f);
    crash(f);
    assert_int_equal(cancel(f, "second"), 0);
    struct command resume = {.kind = COMMAND_RESUME, .service = slice_of("s")};
    assert_int_equal(command(f, resume), 0);
    assert_string_equal(out_of(f), "first");
}

/* --- expired locks --- */

#define SEAT                                                                                       \
    "local h = {}\n"                                                                               \
    "h['in'] = function(e)\n"                                                                      \
    "  local mine = zing.lock('seat', {owner = e.payload, ttl = 10})\n"                            \
    "  zing.publish('out', e.payload .. ' ' .. tostring(mine))\n"                                  \
    "end\n"

static struct uuid expiry_of(struct engine_fixture *f) {
    struct uuid id = {{0}};
    assert_int_equal(store_begin(f->store), 0);
    struct event_place at = {0};
    struct event *event = NULL;
    while (journal_event_scan(f->view, &at, &event) == 0) {
        id = event->kind == EVENT_LOCK_EXPIRED ? event->id : id;
        event_free(event);
    }
    store_abort(f->store);
    return id;
}

static void a_lock_whose_expiry_is_cancelled_is_free(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("retries = 3"),
                SEAT "function h.on_lock_expired() error('down') end\nreturn h");
    offer_key(f, "ada");
    advance(f, 10500);
    struct command c = {.kind = COMMAND_CANCEL, .id = expiry_of(f)};
    assert_int_equal(command(f, c), 0);
    offer_key(f, "bob");
    run_dry(f);
    assert_string_equal(out_of(f), "ada true bob true");
}

static void a_lock_that_a_step_of_the_expiry_takes_is_held(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("retries = 3"),
                SEAT "function h.on_lock_expired()\n"
                     "  zing.step('next', function()\n"
                     "    assert(zing.lock('seat', {owner = 'eve', ttl = 1000}))\n"
                     "  end)\n"
                     "  zing.sleep('5s')\n"
                     "  zing.publish('out', tostring(zing.lock_owner('seat')))\n"
                     "end\n"
                     "return h");
    offer_key(f, "ada");
    advance(f, 16000);
    offer_key(f, "bob");
    run_dry(f);
    assert_string_equal(out_of(f), "ada true eve bob false");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_wait_under_another_name_leaves_no_waiter),
        ENGINE_TEST(a_signal_is_for_who_waits_now_though_the_script_was_edited),
        ENGINE_TEST(names_that_zing_counts_by_are_refused),
        ENGINE_TEST(a_signal_that_was_refused_may_come_again_under_its_key),
        ENGINE_TEST(a_dead_signal_is_sent_again_by_a_replay),
        ENGINE_TEST(a_signal_between_two_tries_does_not_hurry_the_next),
        ENGINE_TEST(a_refused_signal_of_any_bytes_is_a_dead_letter),
        ENGINE_TEST(one_key_is_for_one_signal),
        ENGINE_TEST(a_cancelled_event_runs_when_it_is_replayed),
        ENGINE_TEST(what_was_not_undone_is_asked_for_under_its_old_key),
        ENGINE_TEST(so_is_a_saga_that_was_left_as_it_is),
        ENGINE_TEST(an_event_about_to_run_can_be_cancelled),
        ENGINE_TEST(a_lock_whose_expiry_is_cancelled_is_free),
        ENGINE_TEST(a_lock_that_a_step_of_the_expiry_takes_is_held),
    };
    return cmocka_run_group_tests_name("withdraw", tests, NULL, NULL);
}
