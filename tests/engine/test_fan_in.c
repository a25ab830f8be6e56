/*
 * test_fan_in.c - zing.wait_all: an event hands out work and goes on when all of it has come back.
 */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include "journal/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE(options)                                                                           \
    "service \"s\" { subscribe = {\"in\"} handler = \"h.lua\" key = \"property:k\" retries = "     \
    "0 " options " }\n"
#define SIGNALS(count)                                                                             \
    "return function() for i = 1, " count " do zing.signal('s', 'k', 'done', 7) end end"
#define CHILD "service \"child\" { subscribe = {\"child\"} handler = \"child.lua\" }\n"

static const char *out_of(const struct engine_fixture *f) {
    static char text[1024];
    return payloads(f, "out", text, sizeof text);
}

static void begin(struct engine_fixture *f) {
    offer(f, "s", "in", "x", "k", "k", NULL);
    run_dry(f);
}

static void send(struct engine_fixture *f, const char *value) {
    struct command c = {.kind = COMMAND_SIGNAL,
                        .service = slice_of("s"),
                        .key = slice_of("k"),
                        .name = slice_of("done"),
                        .payload = slice_of(value)};
    assert_int_equal(command(f, c), 0);
    run_dry(f);
}

/* What the wait of event x misses, as its record says; 0: it does not wait. */
static uint32_t missing(struct engine_fixture *f) {
    struct event *event = event_with(f, "s", "x");
    struct step step = {.name = {NULL, 0}};
    uint32_t count = 0;
    assert_int_equal(store_begin(f->store), 0);
    while (journal_step_next(f->view, event, &step) == 0) {
        count += step.kind == STEP_WAIT && step.state == STEP_WAITING ? step.count : 0;
    }
    store_abort(f->store);
    event_free(event);
    return count;
}

static void the_values_come_as_a_list_in_the_order_of_their_arrival(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(LISTS));
    begin(f);
    send(f, "1.0");
    send(f, "\"two\"");
    assert_string_equal(out_of(f), "");
    send(f, "{\"n\":3}");
    assert_string_equal(out_of(f), "[1.0,\"two\",{\"n\":3}]");
    assert_int_equal(count_rows(f, TABLE_SIGNAL), 0);
    assert_int_equal(count_rows(f, TABLE_WAITER), 0);
    assert_int_equal(count_rows(f, TABLE_TIMER), 0); /* none of a signal that was taken */
}

static void signals_that_came_before_the_wait_count(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(LISTS));
    send(f, "1");
    send(f, "2");
    begin(f);
    assert_int_equal(missing(f), 1);
    send(f, "3");
    send(f, "4");
    assert_string_equal(out_of(f), "[1,2,3]");
    assert_int_equal(count_rows(f, TABLE_SIGNAL), 1);
}

static void what_has_come_survives_a_crash(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(LISTS));
    begin(f);
    send(f, "1");
    crash(f);
    send(f, "2");
    assert_int_equal(missing(f), 1);
    restart(f);
    send(f, "3");
    assert_string_equal(out_of(f), "[1,2,3]");
}

static void after_a_timeout_what_came_is_there_for_the_next_wait(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(after_a_timeout_what_came_is_there_for_the_next_wait));
    begin(f);
    send(f, "1");
    send(f, "2");
    advance(f, 61000);
    assert_string_equal(out_of(f), "timeout [1,2]");
}

static void a_signal_that_has_run_out_is_waited_for_again(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, "store { keep_signals = \"1h\" }\n" SERVICE(""), LUA(LISTS));
    begin(f);
    send(f, "1");
    advance(f, 3601000);
    send(f, "2");
    send(f, "3");
    assert_string_equal(out_of(f), "");
    assert_int_equal(missing(f), 1);
    send(f, "4");
    assert_string_equal(out_of(f), "[2,3,4]");
}

static void none_is_an_empty_list(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""),
                "return function() zing.publish('out', #zing.wait_all('done', 0)) end");
    begin(f);
    assert_string_equal(out_of(f), "0");
}

static void ten_thousand_come_back(void **state) {
    struct engine_fixture *f = *state;
    fixture_script(f, "child.lua", SIGNALS("10000"));
    fixture_run(f, SERVICE("") CHILD, LUA(ten_thousand_come_back));
    begin(f);
    deliver(f, "child", "child", "");
    assert_string_equal(out_of(f), "10000 70000");
    assert_int_equal(count_rows(f, TABLE_SIGNAL), 0);
}

static void of_a_key_with_an_event_more_than_a_thousand_signals_are_kept(void **state) {
    struct engine_fixture *f = *state;
    fixture_script(f, "child.lua", SIGNALS("1100"));
    fixture_run(f, SERVICE("") CHILD, "return function() zing.snooze('1h') end");
    begin(f);
    deliver(f, "child", "child", "");
    assert_int_equal(count_rows(f, TABLE_SIGNAL), 1100);
}

static void an_unordered_event_that_waits_for_more_than_a_thousand_gets_them(void **state) {
    struct engine_fixture *f = *state;
    fixture_script(f, "child.lua", SIGNALS("1500"));
    fixture_run(f, SERVICE("order = none") CHILD,
                "return function() zing.publish('out', #zing.wait_all('done', 1500)) end");
    begin(f);
    deliver(f, "child", "child", "");
    assert_string_equal(out_of(f), "1500");
}

static void values_too_large_for_one_list_are_refused_and_stay(void **state) {
    struct engine_fixture *f = *state;
    char reason[512];
    char *large = malloc(600000);
    assert_non_null(large);
    memset(large, '7', 599999);
    large[0] = large[599998] = '"';
    large[599999] = '\0';
    fixture_run(f, SERVICE(""), "return function() zing.wait_all('done', 2) end");
    begin(f);
    send(f, large);
    send(f, large);
    free(large);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DEAD);
    assert_non_null(strstr(reason_of(f, "s", "x", reason), "send less with each signal"));
    assert_int_equal(count_rows(f, TABLE_SIGNAL), 2);
}

static void a_wrong_number_is_an_error(void **state) {
    struct engine_fixture *f = *state;
    char reason[512];
    fixture_run(f, SERVICE(""), "return function() zing.wait_all('done', 10001) end");
    begin(f);
    assert_non_null(strstr(reason_of(f, "s", "x", reason), "0 to 10000 are possible"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(the_values_come_as_a_list_in_the_order_of_their_arrival),
        ENGINE_TEST(signals_that_came_before_the_wait_count),
        ENGINE_TEST(what_has_come_survives_a_crash),
        ENGINE_TEST(after_a_timeout_what_came_is_there_for_the_next_wait),
        ENGINE_TEST(a_signal_that_has_run_out_is_waited_for_again),
        ENGINE_TEST(none_is_an_empty_list),
        ENGINE_TEST(ten_thousand_come_back),
        ENGINE_TEST(of_a_key_with_an_event_more_than_a_thousand_signals_are_kept),
        ENGINE_TEST(an_unordered_event_that_waits_for_more_than_a_thousand_gets_them),
        ENGINE_TEST(values_too_large_for_one_list_are_refused_and_stay),
        ENGINE_TEST(a_wrong_number_is_an_error),
    };
    return cmocka_run_group_tests_name("fan_in", tests, NULL, NULL);
}
