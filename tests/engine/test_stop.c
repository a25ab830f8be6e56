/* test_stop.c - a host that stops lets attempts go on for a while; those that are cut count as nothing. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

#define SERVICE(name, options)                                                                     \
    "service \"" name "\" { subscribe = {\"" name "\"} handler = \"h.lua\" retries = 0 "           \
    "timeout = \"1h\" " options " }\n"

static void assert_same_headers(const struct engine_fixture *f, size_t a, size_t b) {
    assert_true(a < f->asked_count && b < f->asked_count);
    assert_non_null(strstr(f->asked[a].headers, "Idempotency-Key: "));
    assert_string_equal(f->asked[a].headers, f->asked[b].headers);
}

static void what_ends_within_stop_timeout_is_done(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("s", ""), LUA(calls));
    deliver(f, "s", "s", "x");
    engine_drain(f->engine);
    advance(f, 29999);
    assert_int_equal(engine_running(f->engine), 1);
    answer(f, 0, 200, "");
    run_dry(f);
    assert_int_equal(engine_running(f->engine), 0);
    assert_books(f, "s", (struct books){.accepted = 1, .done = 1});
}

static void a_call_that_is_cut_counts_as_nothing_and_is_made_under_its_key(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("s", ""), LUA(calls));
    deliver(f, "s", "s", "x");
    engine_drain(f->engine);
    advance(f, 30000);
    assert_int_equal(engine_running(f->engine), 0);
    assert_false(f->asked[0].open);
    restart(f);
    run_dry(f);
    assert_int_equal(f->asked_count, 2);
    assert_same_headers(f, 0, 1);
    assert_string_equal(history_of(f, "s", "x", text), "");
    answer(f, 1, 200, "");
    run_dry(f);
    assert_string_equal(nth_published(f, "out", 0)->payload, "{\"attempt\":1,\"status\":200}");
    assert_books(f, "s", (struct books){.accepted = 1, .done = 1});
}

static void a_second_signal_cuts_as_well(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("s", ""), LUA(calls));
    deliver(f, "s", "s", "x");
    engine_drain(f->engine);
    restart(f); /* at once */
    run_dry(f);
    assert_same_headers(f, 0, 1);
    answer(f, 1, 200, "");
    run_dry(f);
    assert_string_equal(nth_published(f, "out", 0)->payload, "{\"attempt\":1,\"status\":200}");
}

static void each_service_has_a_stop_timeout_of_its_own(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                "limits { stop_timeout = \"5s\" }\n" SERVICE("s", "")
                    SERVICE("t", "stop_timeout = \"5m\""),
                LUA(calls));
    deliver(f, "s", "s", "x");
    deliver(f, "t", "t", "y");
    engine_drain(f->engine);
    advance(f, 5000);
    assert_int_equal(engine_running(f->engine), 1);
    assert_false(f->asked[0].open);
    assert_true(f->asked[1].open);
    advance(f, 200000);
    answer(f, 1, 200, "");
    run_dry(f);
    assert_int_equal(engine_running(f->engine), 0);
    assert_int_equal(state_of(f, "t", "y"), EVENT_DONE);
    restart(f);
    run_dry(f);
    assert_same_headers(f, 0, 2);
}

static void an_attempt_that_slept_before_it_was_cut_is_still_the_same(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("s", ""), LUA(calls_after_a_sleep));
    deliver(f, "s", "s", "x");
    advance(f, 1000);
    assert_int_equal(f->asked_count, 1);
    engine_drain(f->engine);
    advance(f, 30000);
    restart(f);
    run_dry(f);
    assert_int_equal(f->asked_count, 2);
    answer(f, 1, 200, "");
    run_dry(f);
    assert_string_equal(nth_published(f, "out", 0)->payload, "{\"attempt\":1}");
}

static void a_batch_that_is_cut_runs_again_whole(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("s", "batch = 2 linger = \"1s\""),
                "return function(list) zing.http.post('http://peer/', {body = 'x'}) "
                "zing.publish('out', {n = #list, attempt = list[1].attempt}) end");
    offer(f, "s", "s", "1", NULL);
    offer(f, "s", "s", "2", NULL);
    run_dry(f);
    assert_int_equal(f->asked_count, 1);
    engine_drain(f->engine);
    advance(f, 30000);
    restart(f);
    run_dry(f);
    answer(f, 1, 200, "");
    run_dry(f);
    assert_string_equal(nth_published(f, "out", 0)->payload, "{\"attempt\":1,\"n\":2}");
    assert_books(f, "s", (struct books){.accepted = 2, .done = 2});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(what_ends_within_stop_timeout_is_done),
        ENGINE_TEST(a_call_that_is_cut_counts_as_nothing_and_is_made_under_its_key),
        ENGINE_TEST(a_second_signal_cuts_as_well),
        ENGINE_TEST(each_service_has_a_stop_timeout_of_its_own),
        ENGINE_TEST(an_attempt_that_slept_before_it_was_cut_is_still_the_same),
        ENGINE_TEST(a_batch_that_is_cut_runs_again_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
