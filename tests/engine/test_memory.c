/* test_memory.c - past the budget of memory events, calls and messages wait, and nothing of them is lost. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include "base/limits.h"

#include <stdio.h>

#define SERVICES                                                                                   \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" timeout = \"30s\" retries = 0 }\n" \
    "service \"t\" { subscribe = {\"other/#\"} handler = \"h.lua\" retries = 0 }\n"

static void use_up(struct engine_fixture *f, enum memory_use use) {
    memory_take(&f->memory, use, f->memory.limit);
}

static void give_back(struct engine_fixture *f, enum memory_use use) {
    memory_give(&f->memory, use, f->memory.limit);
}

static void past_the_budget_each_service_has_one_event_in_progress(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICES, LUA(CALLS));
    use_up(f, MEMORY_EVENTS);
    for (int i = 0; i < 3; i++) {
        offer(f, "s", "in/a", "x", NULL);
        offer(f, "t", "other/a", "x", NULL);
    }
    run_dry(f);
    assert_int_equal(service_status(f, "s").running, 1);
    assert_int_equal(service_status(f, "t").running, 1);
    assert_int_equal(status(f).starved, 2);
    assert_true(service_status(f, "s").starved);
    give_back(f, MEMORY_EVENTS);
    advance(f, MEMORY_AGAIN_MS);
    assert_int_equal(service_status(f, "s").running, 3);
    assert_int_equal(service_status(f, "t").running, 3);
    assert_int_equal(status(f).starved, 0);
}

static void a_call_that_does_not_fit_begins_later_and_its_time_stands_still(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICES, LUA(CALLS));
    deliver(f, "s", "in/a", "1");
    use_up(f, MEMORY_CALLS);
    deliver(f, "t", "other/a", "2");
    assert_int_equal(f->asked_count, 1);
    assert_int_equal(status(f).calls_starved, 1);
    advance(f, 25000);
    answer(f, 0, 200, "one");
    advance(f, MEMORY_AGAIN_MS); /* nothing is in progress now: the call goes */
    assert_int_equal(f->asked_count, 2);
    advance(f, 25000);
    assert_int_equal(state_of(f, "t", "2"), EVENT_RUNNING);
    answer(f, 1, 200, "two");
    run_dry(f);
    assert_books(f, "t", (struct books){.accepted = 1, .done = 1});
}

static void a_large_script_waits_for_others_to_end(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICES, LUA(KEEPS));
    use_up(f, MEMORY_LUA);
    deliver(f, "s", "in/a", "1"); /* the only one in progress */
    deliver(f, "t", "other/a", "2");
    assert_int_equal(f->asked_count, 1);
    assert_int_equal(status(f).starved, 1);
    answer(f, 0, 200, "ok");
    advance(f, MEMORY_AGAIN_MS * 2);
    assert_int_equal(f->asked_count, 2);
    answer(f, 1, 200, "ok");
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 1, .done = 1});
    assert_books(f, "t", (struct books){.accepted = 1, .done = 1});
}

static void messages_wait_at_the_broker(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICES, LUA(CALLS));
    deliver(f, "s", "in/a", "1");
    assert_true(engine_room(f->engine) > 0);
    use_up(f, MEMORY_EVENTS);
    assert_int_equal(engine_room(f->engine), 0);
    give_back(f, MEMORY_EVENTS);
    assert_true(engine_room(f->engine) > 0);
}

static void what_is_counted_is_given_back(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICES, LUA(CALLS));
    for (int i = 0; i < 10; i++) {
        offer(f, "s", "in/a", "x", NULL);
    }
    run_dry(f);
    assert_true(f->memory.used[MEMORY_CALLS] > 0);
    assert_true(f->memory.used[MEMORY_EVENTS] > 0);
    for (size_t i = 0; i < 10; i++) {
        answer(f, i, 200, "some text");
    }
    run_dry(f);
    acknowledge(f);
    advance(f, 1000);
    assert_int_equal(f->memory.used[MEMORY_CALLS], 0);
    assert_int_equal(f->memory.used[MEMORY_EVENTS], 0);
    assert_int_equal(f->memory.used[MEMORY_PUBLISHES], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(past_the_budget_each_service_has_one_event_in_progress),
        ENGINE_TEST(a_call_that_does_not_fit_begins_later_and_its_time_stands_still),
        ENGINE_TEST(a_large_script_waits_for_others_to_end),
        ENGINE_TEST(messages_wait_at_the_broker),
        ENGINE_TEST(what_is_counted_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
