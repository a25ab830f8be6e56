/* test_lane_invariants.c - docs/invariants.md: a lane that contradicts itself ends the process. */
#include "aborts.h"
#include "lane_world.h"
#include "test.h"

#include <stdlib.h>

enum { HASH = 7 };

/* INV-LANE-1 */
static void take_who_is_not_in_the_ring(void *ctx) {
    struct lanes *lanes = ctx;
    struct lane *lane = lanes_find(lanes, 0, HASH);
    lane->in_ring = false;
    (void)lanes_start(lanes, lane);
}

static void close_who_has_events(void *ctx) {
    struct lanes *lanes = ctx;
    lanes_close(lanes, lanes_find(lanes, 0, HASH));
}

static void enter_who_is_in_debt(void *ctx) {
    struct lanes *lanes = ctx;
    struct lane *lane = NULL;
    (void)lane_world_start(lanes, T0, &lane);
    lane_world_push(lanes, 0, HASH, 2);
    lane->owing = true;
    lanes_finish(lanes, lane);
}

static void who_stands_in_the_ring_could_run_and_who_could_run_stands_there(void **state) {
    lane_world_push(*state, 0, HASH, 1);
    assert_aborts(take_who_is_not_in_the_ring, *state, "lane->in_ring");
    assert_aborts(close_who_has_events, *state, "TAILQ_EMPTY(&lane->items)");
    assert_aborts(enter_who_is_in_debt, *state, "!lane->owing");
}

/* INV-LANE-2 */
static void push_who_came_before(void *ctx) {
    lane_world_push(ctx, 0, HASH, 4);
}

static void events_of_a_lane_stand_in_the_order_of_arrival(void **state) {
    lane_world_push(*state, 0, HASH, 5);
    assert_aborts(push_who_came_before, *state, "->seq < item->seq");
}

/* INV-LANE-3 */
static void open_again(void *ctx) {
    (void)lanes_open(ctx, 0, HASH, HASH, (struct lane_flows){.key = 0});
}

static void a_key_has_one_lane(void **state) {
    lane_world_push(*state, 0, HASH, 1);
    assert_aborts(open_again, *state, "lanes_find(lanes, service, hash) == NULL");
}

/* INV-LANE-4 */
static void start_beside_another(void *ctx) {
    struct lanes *lanes = ctx;
    struct lane *lane = NULL;
    (void)lane_world_start(lanes, T0, &lane);
    (void)lanes_start(lanes, lane);
}

static void finish_what_has_not_begun(void *ctx) {
    struct lanes *lanes = ctx;
    lanes_finish(lanes, lanes_find(lanes, 0, HASH));
}

static void a_lane_runs_one_event_at_a_time(void **state) {
    lane_world_push(*state, 0, HASH, 1);
    lane_world_push(*state, 0, HASH, 2);
    assert_aborts(start_beside_another, *state, "!lane->busy");
    assert_aborts(finish_what_has_not_begun, *state, "lane->busy");
}

/* INV-LANE-5 */
static void start_what_was_not_counted(void *ctx) {
    struct lanes *lanes = ctx;
    struct lane *lane = lanes_find(lanes, 0, HASH);
    lane->count = 0;
    (void)lanes_start(lanes, lane);
}

static void start_more_than_wait(void *ctx) {
    struct lanes *lanes = ctx;
    struct lane *lane = lanes_find(lanes, 0, HASH);
    lane->count = 2;
    (void)lanes_start(lanes, lane);
}

static void what_is_counted_is_what_is_there(void **state) {
    lane_world_push(*state, 0, HASH, 1);
    assert_aborts(start_what_was_not_counted, *state, "lane->count > 0");
    assert_aborts(start_more_than_wait, *state, "lane->count <= s->waiting");
}

/* INV-LANE-6 */
static void start_without_asking(void *ctx) {
    struct lanes *lanes = ctx;
    (void)lanes_start(lanes, lanes_find(lanes, 0, HASH));
    (void)lanes_start(lanes, lanes_find(lanes, 0, HASH + 1));
}

static void a_service_runs_no_more_than_its_concurrency(void **state) {
    lanes_limit(*state, 0, 1, 0);
    lane_world_push(*state, 0, HASH, 1);
    lane_world_push(*state, 0, HASH + 1, 2);
    assert_aborts(start_without_asking, *state, "s->running < s->concurrency");
}

/* INV-LANE-7 */
static void owe_less_than_nothing(void *ctx) {
    lanes_owe(ctx, 0, HASH, -1);
}

static void spend_less_than_nothing(void *ctx) {
    lanes_spent(ctx, 0, -1, T0);
}

static void a_run_never_gives_time_back(void **state) {
    assert_aborts(owe_less_than_nothing, *state, "us >= 0");
    assert_aborts(spend_less_than_nothing, *state, "us >= 0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LANE_TEST(who_stands_in_the_ring_could_run_and_who_could_run_stands_there),
        LANE_TEST(events_of_a_lane_stand_in_the_order_of_arrival),
        LANE_TEST(a_key_has_one_lane),
        LANE_TEST(a_lane_runs_one_event_at_a_time),
        LANE_TEST(what_is_counted_is_what_is_there),
        LANE_TEST(a_service_runs_no_more_than_its_concurrency),
        LANE_TEST(a_run_never_gives_time_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
