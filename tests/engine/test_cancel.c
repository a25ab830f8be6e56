/* test_cancel.c - a publish that waits for its time can be taken back, until it leaves. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"
#include "query/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE                                                                                    \
    "service \"s\" { subscribe = {\"in\"} handler = \"h.lua\" jitter = 0 timeout = \"5m\" "        \
    "delay = \"1s\" retries = 1 }\n"

static int cancel(struct engine_fixture *f, const struct uuid *id) {
    return command(f, (struct command){.kind = COMMAND_CANCEL, .id = *id});
}

static struct uuid publish_later(struct engine_fixture *f, int64_t after_ms) {
    struct command c = {.kind = COMMAND_PUBLISH,
                        .topic = slice_of("remind"),
                        .payload = slice_of("wake up"),
                        .after_ms = after_ms};
    assert_int_equal(command(f, c), 0);
    return f->made;
}

#define assert_out(f, expected)                                                                    \
    do {                                                                                           \
        char out_[512];                                                                            \
        assert_string_equal(payloads(f, "out", out_, sizeof out_), expected);                      \
    } while (0)

/* --- by command --- */

static void a_cancelled_publish_never_leaves(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE, LUA(REMINDER));
    struct uuid id = publish_later(f, 60000);
    assert_int_equal(status(f).delayed, 1);
    assert_int_equal(cancel(f, &id), 0);
    assert_int_equal(status(f).delayed, 0);
    assert_int_equal(count_rows(f, TABLE_TIMER), 0);
    crash(f);
    advance(f, 120000);
    assert_int_equal(count_published(f, "remind"), 0);
}

static void a_publish_can_be_cancelled_after_a_crash(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE, LUA(REMINDER));
    struct uuid first = publish_later(f, 60000);
    struct uuid second = publish_later(f, 60000);
    crash(f);
    assert_int_equal(cancel(f, &first), 0);
    crash(f);
    advance(f, 120000);
    assert_int_equal(count_published(f, "remind"), 1);
    char text[512];
    char id[UUID_TEXT_BYTES + 1];
    assert_string_equal(published_property(nth_published(f, "remind", 0), "zingq-id", text),
                        uuid_text(&second, id));
}

static void what_does_not_wait_cannot_be_cancelled_and_is_told_so(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    char id_text[UUID_TEXT_BYTES + 1];
    fixture_run(f, SERVICE, LUA(REMINDER));
    struct uuid at_once = publish_later(f, 0);
    struct uuid sent = publish_later(f, 1000);
    struct uuid twice = publish_later(f, 60000);
    struct uuid unknown = {{1, 2, 3}};
    advance(f, 1000);
    assert_int_equal(count_published(f, "remind"), 2);
    assert_int_equal(cancel(f, &twice), 0);
    const struct uuid *const ids[] = {&at_once, &sent, &twice, &unknown};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        assert_int_equal(cancel(f, ids[i]), ERR_NOTFOUND);
        (void)snprintf(text, sizeof text,
                       "nothing waits under the id %s: a publish has left, was cancelled or never "
                       "was delayed; an event has ended or never was",
                       uuid_text(ids[i], id_text));
        assert_string_equal(f->report.text, text);
    }
    advance(f, 120000);
    assert_int_equal(count_published(f, "remind"), 2);
}

static void whoever_asks_what_became_of_it_is_told(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE, LUA(REMINDER));
    struct uuid id = publish_later(f, 60000);
    assert_int_equal(cancel(f, &id), 0);
    for (int i = 0; i < 2; i++) {
        struct trace trace;
        assert_int_equal(trace_init(&trace, 1 << 20, f->now_ms), 0);
        assert_int_equal(store_begin(f->store), 0);
        assert_int_equal(trace_begin(&trace, engine_journal(f->engine), &id), 0);
        store_abort(f->store);
        assert_true(trace_found(&trace));
        assert_string_equal(trace_state(&trace), "cancelled");
        trace_clear(&trace);
        advance(f, 120000); /* also when its time has passed */
    }
}

/* --- by a handler --- */

static void a_handler_cancels_what_an_earlier_event_put_off(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE, LUA(REMINDER));
    deliver(f, "s", "in", "set");
    crash(f);
    deliver(f, "s", "in", "stop");
    assert_out(f, "true");
    assert_int_equal(status(f).delayed, 0);
    deliver(f, "s", "in", "stop");
    assert_out(f, "true false");
    advance(f, 120000);
    assert_int_equal(count_published(f, "remind"), 0);
}

static void a_handler_that_comes_too_late_is_told_so(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE, LUA(REMINDER));
    deliver(f, "s", "in", "set");
    advance(f, 60000);
    deliver(f, "s", "in", "stop");
    assert_out(f, "false");
    assert_int_equal(count_published(f, "remind"), 1);
}

static void a_handler_that_fails_cancels_nothing(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE, LUA(REMINDER));
    deliver(f, "s", "in", "set");
    deliver(f, "s", "in", "stop and fail");
    advance(f, 60000);
    assert_int_equal(state_of(f, "s", "stop and fail"), EVENT_DEAD);
    assert_int_equal(count_published(f, "remind"), 1);
}

static void what_one_attempt_publishes_it_can_take_back(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE, LUA(what_one_attempt_publishes_it_can_take_back));
    deliver(f, "s", "in", "go");
    assert_out(f, "true true false");
    assert_int_equal(status(f).delayed, 0);
    advance(f, 120000);
    char out[512];
    assert_string_equal(payloads(f, "remind", out, sizeof out), "kept");
}

static void what_leaves_while_the_handler_waits_fails_the_attempt(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE, LUA(REMINDER));
    deliver(f, "s", "in", "set");
    deliver(f, "s", "in", "stop and wait");
    advance(f, 60000);
    assert_int_equal(count_published(f, "remind"), 1);
    answer(f, 0, 200, "");
    run_dry(f);
    assert_out(f, "");
    assert_string_equal(history_of(f, "s", "stop and wait", text), "error");
    advance(f, 1000); /* the next attempt knows better */
    answer(f, 1, 200, "");
    run_dry(f);
    assert_out(f, "false");
    assert_int_equal(state_of(f, "s", "stop and wait"), EVENT_DONE);
}

static void a_cancel_holds_although_the_handler_waits(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE, LUA(REMINDER));
    deliver(f, "s", "in", "set");
    deliver(f, "s", "in", "stop and wait");
    advance(f, 30000);
    answer(f, 0, 200, "");
    run_dry(f);
    assert_out(f, "true");
    advance(f, 60000);
    assert_int_equal(count_published(f, "remind"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_cancelled_publish_never_leaves),
        ENGINE_TEST(a_publish_can_be_cancelled_after_a_crash),
        ENGINE_TEST(what_does_not_wait_cannot_be_cancelled_and_is_told_so),
        ENGINE_TEST(whoever_asks_what_became_of_it_is_told),
        ENGINE_TEST(a_handler_cancels_what_an_earlier_event_put_off),
        ENGINE_TEST(a_handler_that_comes_too_late_is_told_so),
        ENGINE_TEST(a_handler_that_fails_cancels_nothing),
        ENGINE_TEST(what_one_attempt_publishes_it_can_take_back),
        ENGINE_TEST(what_leaves_while_the_handler_waits_fails_the_attempt),
        ENGINE_TEST(a_cancel_holds_although_the_handler_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
