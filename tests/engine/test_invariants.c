/*
 * test_invariants.c - docs/invariants.md: an engine that contradicts itself ends the process, and
 * nothing of the turn is stored.
 */
#include "aborts.h"
#include "test.h"
#include "engine/attempt.h"
#include "engine/bury.h"
#include "engine/history.h"
#include "engine/impl.h"
#include "engine/item.h"
#include "engine/services.h"
#include "engine_fixture.h"

#include <stdlib.h>

static const char CONF[] = "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" }\n";
static const char HANDLER[] =
    "return function(e) if e.topic == 'in/call' then zing.http.get('http://a/') end end\n";

static int set_up(void **state) {
    if (fixture_set_up(state) != 0) {
        return 1;
    }
    ((struct engine_fixture *)*state)->unlogged = true; /* a process that dies writes the store */
    fixture_run(*state, CONF, HANDLER);
    return 0;
}

static struct invocation *waiting(struct engine_fixture *f) {
    return engine_first_waiting(f->engine, &f->engine->services[0]);
}

/* An event that waits for an answer. */
static struct invocation *invocation_that_waits(struct engine_fixture *f) {
    deliver(f, "s", "in/call", "");
    assert_int_equal(engine_running(f->engine), 1);
    return waiting(f);
}
static void take_a_turn(void *ctx) {
    struct engine_fixture *f = ctx;
    offer(f, "s", "in/a", "", NULL);
    (void)turn(f);
}

/* INV-ENGINE-1 */
static void commit_half_an_attempt(void *ctx) {
    struct engine_fixture *f = ctx;
    f->engine->services[0].paused = true; /* or the next one would take its place */
    engine_hold(f->engine, &f->engine->services[0]);
    engine_make_current(f->engine, waiting(f));
    take_a_turn(f);
}

static void a_commit_holds_whole_decisions(void **state) {
    struct engine_fixture *f = *state;
    (void)invocation_that_waits(f);
    assert_aborts(commit_half_an_attempt, f, "!engine_decides(");
}

/* INV-ENGINE-2: whoever is asked for the time after the commit begins another transaction. */
static struct engine_fixture *beginner;
static bool was_active;

static int64_t begin_after_the_commit(void *ctx) {
    bool active = store_active(beginner->store);
    (void)ctx;
    if (was_active && !active) {
        (void)store_begin(beginner->store);
    }
    was_active = active;
    return beginner->monotonic_us;
}

static void act_before_the_commit(void *ctx) {
    beginner = ctx;
    beginner->engine->doors.monotonic_us = begin_after_the_commit;
    take_a_turn(ctx);
}

static void nothing_leaves_before_the_commit(void **state) {
    assert_aborts(act_before_the_commit, *state, "!store_active(");
}

/* INV-ENGINE-3 */
static void end_twice(void *ctx) {
    struct engine_fixture *f = ctx;
    struct event event = {.state = EVENT_DONE};
    engine_end_event(f->engine, &event, EVENT_DEAD);
}

static void an_event_ends_once(void **state) {
    assert_aborts(end_twice, *state, "!event_state_ended(event->state)");
}

/* INV-ENGINE-4 */
static void end_what_does_not_run(void *ctx) {
    struct engine_fixture *f = ctx;
    for (unsigned i = 0; i < 2; i++) { /* one runs */
        engine_free_invocation(f->engine, calloc(1, sizeof(struct invocation)));
    }
}

static void free_more_bodies_than_there_are(void *ctx) {
    struct engine_fixture *f = ctx;
    waiting(f)->item->bytes++;
    answer(f, 0, 200, "");
    (void)turn(f);
}

static void count_below_nothing(void *ctx) {
    struct engine_fixture *f = ctx;
    engine_count(f->engine, &f->engine->services[0], BOOK_DEAD, -1);
}

static void what_is_counted_is_what_is_there(void **state) {
    struct engine_fixture *f = *state;
    (void)invocation_that_waits(f);
    assert_aborts(end_what_does_not_run, f, "running > 0");
    assert_aborts(free_more_bodies_than_there_are, f, "item->bytes <= ");
    assert_aborts(count_below_nothing, f, "*counts[book] >= ");
}

/* INV-ENGINE-5 */
static void stop_what_nobody_finds(void *ctx) {
    struct engine_fixture *f = ctx;
    struct invocation *inv = waiting(f);
    inv->call_id++;
    engine_stop_waiting(f->engine, inv, false);
}

static void free_what_waits(void *ctx) {
    struct engine_fixture *f = ctx;
    engine_free_invocation(f->engine, waiting(f));
}

static void who_waits_for_a_call_is_found_by_it(void **state) {
    struct engine_fixture *f = *state;
    (void)invocation_that_waits(f);
    assert_aborts(stop_what_nobody_finds, f, "engine_find_call(");
    assert_aborts(free_what_waits, f, "inv->call_id == 0");
}

/* INV-ENGINE-6 */
static void unlink_what_is_not_new(void *ctx) {
    struct engine_fixture *f = ctx;
    engine_unlink_new(f->engine, waiting(f)->item);
}

static void free_what_is_new(void *ctx) {
    struct engine_fixture *f = ctx;
    struct lane_item *item = waiting(f)->item;
    engine_link_new(f->engine, item);
    engine_item_free(f->engine, item);
}

static void what_is_new_in_a_turn_is_listed_until_it_is_stored(void **state) {
    struct engine_fixture *f = *state;
    (void)invocation_that_waits(f);
    assert_aborts(unlink_what_is_not_new, f, "item->is_new");
    assert_aborts(free_what_is_new, f, "!item->is_new");
}

/* INV-ENGINE-7 */
static void store_what_is_stored(void *ctx) {
    struct engine_fixture *f = ctx;
    engine_link_new(f->engine, waiting(f)->item);
    take_a_turn(f);
}

static void an_event_is_given_a_place_once(void **state) {
    struct engine_fixture *f = *state;
    (void)invocation_that_waits(f);
    assert_aborts(store_what_is_stored, f, "item->place == PLACE_NEW");
}

/* INV-ENGINE-8 */
static void bury_who_is_not_on_the_processor(void *ctx) {
    struct engine_fixture *f = ctx;
    struct lane_item *item = waiting(f)->item;
    item->lane->taken = NULL;
    (void)engine_bury_item(f->engine, &f->engine->services[0], item, EVENT_DEAD, "why");
}

static void who_is_buried_was_taken_off_its_lane(void **state) {
    struct engine_fixture *f = *state;
    (void)invocation_that_waits(f);
    assert_aborts(bury_who_is_not_on_the_processor, f, "item->lane->taken == item");
}

int main(void) {
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_commit_holds_whole_decisions),
        TEST(nothing_leaves_before_the_commit),
        TEST(an_event_ends_once),
        TEST(what_is_counted_is_what_is_there),
        TEST(who_waits_for_a_call_is_found_by_it),
        TEST(what_is_new_in_a_turn_is_listed_until_it_is_stored),
        TEST(an_event_is_given_a_place_once),
        TEST(who_is_buried_was_taken_off_its_lane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
