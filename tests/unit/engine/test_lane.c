/* test_lane.c - which event may run next: order, fairness, limits. */
#include "lane_world.h"

#include "base/blocks.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void lane_runs_events_in_arrival_order(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t seq = 1; seq <= 5; seq++) {
        lane_world_push(lanes, 0, 7, seq);
    }
    assert_int_equal(lanes_waiting(lanes, 0), 5);
    for (uint64_t seq = 1; seq <= 5; seq++) {
        assert_int_equal(lane_world_run_one(lanes, T0), seq);
    }
    assert_int_equal(lane_world_run_one(lanes, T0), 0);
    assert_int_equal(lanes_waiting(lanes, 0), 0);
}

static void lane_runs_one_event_at_a_time(void **state) {
    struct lanes *lanes = *state;
    struct lane *lane = NULL;
    lane_world_push(lanes, 0, 7, 1);
    lane_world_push(lanes, 0, 7, 2);
    assert_int_equal(lane_world_start(lanes, T0, &lane), 1);
    assert_int_equal(lanes_running(lanes, 0), 1);
    assert_null(lanes_next(lanes, T0));
    lane_world_push(lanes, 0, 7, 3);
    assert_null(lanes_next(lanes, T0));
    lanes_finish(lanes, lane);
    assert_int_equal(lanes_running(lanes, 0), 0);
    assert_int_equal(lane_world_run_one(lanes, T0), 2);
    assert_int_equal(lane_world_run_one(lanes, T0), 3);
}

static void lanes_take_turns_so_a_noisy_key_starves_nobody(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t seq = 1; seq <= 100; seq++) {
        lane_world_push(lanes, 0, 1, seq);
    }
    lane_world_push(lanes, 0, 2, 101);
    lane_world_push(lanes, 0, 3, 102);
    assert_int_equal(lane_world_run_one(lanes, T0), 1);
    assert_int_equal(lane_world_run_one(lanes, T0), 101);
    assert_int_equal(lane_world_run_one(lanes, T0), 102);
    assert_int_equal(lane_world_run_one(lanes, T0), 2);
}

static void services_take_turns_so_a_noisy_one_starves_nobody(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t hash = 1; hash <= 100; hash++) {
        lane_world_push(lanes, 0, hash, hash);
    }
    lane_world_push(lanes, 1, 1, 201);
    lane_world_push(lanes, 1, 2, 202);
    lane_world_push(lanes, 2, 1, 301);
    const uint64_t expected[] = {1, 201, 301, 2, 202, 3, 4};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_int_equal(lane_world_run_one(lanes, T0), expected[i]);
    }
}

static void lanes_of_two_services_with_one_hash_are_two(void **state) {
    struct lanes *lanes = *state;
    struct lane *lane = NULL;
    lane_world_push(lanes, 0, 7, 1);
    lane_world_push(lanes, 1, 7, 2);
    assert_ptr_not_equal(lanes_find(lanes, 0, 7), lanes_find(lanes, 1, 7));
    assert_int_equal(lane_world_start(lanes, T0, &lane), 1);
    assert_int_equal(lane_world_start(lanes, T0, &lane), 2);
}

static void concurrency_bounds_the_running_of_its_service_only(void **state) {
    struct lanes *lanes = *state;
    struct lane *first = NULL;
    struct lane *second = NULL;
    struct lane *other = NULL;
    lanes_limit(lanes, 0, 2, 0);
    for (uint64_t hash = 1; hash <= 4; hash++) {
        lane_world_push(lanes, 0, hash, hash);
    }
    assert_int_equal(lane_world_start(lanes, T0, &first), 1);
    assert_int_equal(lane_world_start(lanes, T0, &second), 2);
    assert_null(lanes_next(lanes, T0));
    lane_world_push(lanes, 1, 1, 9);
    assert_int_equal(lane_world_start(lanes, T0, &other), 9);
    lanes_finish(lanes, first);
    assert_int_equal(lane_world_run_one(lanes, T0), 3);
    int64_t wake_ms = INT64_MAX;
    lanes_finish(lanes, second);
    assert_true(lanes_runnable(lanes, T0, &wake_ms));
}

static void concurrency_reached_needs_no_clock(void **state) {
    struct lanes *lanes = *state;
    struct lane *lane = NULL;
    int64_t wake_ms = INT64_MAX;
    lanes_limit(lanes, 0, 1, 0);
    lane_world_push(lanes, 0, 1, 1);
    lane_world_push(lanes, 0, 2, 2);
    assert_int_equal(lane_world_start(lanes, T0, &lane), 1);
    assert_false(lanes_runnable(lanes, T0, &wake_ms));
    assert_true(wake_ms == INT64_MAX);
}

/* Starts within [from, to), looked at every millisecond. */
static unsigned starts_between(struct lanes *lanes, int64_t from, int64_t to) {
    unsigned starts = 0;
    for (int64_t now = from; now < to; now++) {
        while (lane_world_run_one(lanes, now) != 0) {
            starts++;
        }
    }
    return starts;
}

static void rate_bounds_the_starts_of_every_second(void **state) {
    struct lanes *lanes = *state;
    lanes_limit(lanes, 0, 0, 200);
    for (uint64_t seq = 1; seq <= 2000; seq++) {
        lane_world_push(lanes, 0, seq, seq);
    }
    /* A quiet hour before it must not save up a burst. */
    assert_in_range(starts_between(lanes, T0 + 3600000, T0 + 3600100), 1, 40);
    for (int64_t second = 1; second < 5; second++) {
        int64_t from = T0 + 3600000 + second * 1000;
        assert_in_range(starts_between(lanes, from, from + 1000), 190, 220);
    }
}

static void rate_below_one_a_second_is_kept(void **state) {
    struct lanes *lanes = *state;
    lanes_limit(lanes, 0, 0, 0.5);
    for (uint64_t seq = 1; seq <= 100; seq++) {
        lane_world_push(lanes, 0, seq, seq);
    }
    assert_in_range(starts_between(lanes, T0, T0 + 20000), 10, 11);
}

static void rate_tells_when_the_next_start_is_due(void **state) {
    struct lanes *lanes = *state;
    lanes_limit(lanes, 0, 0, 4);
    lane_world_push(lanes, 0, 1, 1);
    lane_world_push(lanes, 0, 2, 2);
    assert_int_equal(lane_world_run_one(lanes, T0), 1);
    int64_t wake_ms = INT64_MAX;
    assert_false(lanes_runnable(lanes, T0, &wake_ms));
    assert_in_range(wake_ms, T0 + 250, T0 + 252);
    assert_int_equal(lane_world_run_one(lanes, T0 + 200), 0);
    assert_int_equal(lane_world_run_one(lanes, wake_ms), 2);
}

static void rate_survives_a_clock_that_is_set_back(void **state) {
    struct lanes *lanes = *state;
    lanes_limit(lanes, 0, 0, 10);
    for (uint64_t seq = 1; seq <= 100; seq++) {
        lane_world_push(lanes, 0, seq, seq);
    }
    (void)starts_between(lanes, T0 + 5000, T0 + 6000);
    assert_in_range(starts_between(lanes, T0, T0 + 1000), 9, 11);
}

static void pause_holds_and_resuming_lets_go_on(void **state) {
    struct lanes *lanes = *state;
    int64_t wake_ms = INT64_MAX;
    lane_world_push(lanes, 0, 1, 1);
    lanes_pause(lanes, 0, true);
    assert_null(lanes_next(lanes, T0));
    assert_false(lanes_runnable(lanes, T0, &wake_ms));
    assert_true(wake_ms == INT64_MAX);
    lanes_pause(lanes, 0, false);
    assert_int_equal(lane_world_run_one(lanes, T0), 1);
}

static void throttle_holds_the_service_until_its_time(void **state) {
    struct lanes *lanes = *state;
    int64_t wake_ms = INT64_MAX;
    lane_world_push(lanes, 0, 1, 1);
    lane_world_push(lanes, 1, 1, 2);
    lanes_throttle(lanes, 0, T0 + 500);
    lanes_throttle(lanes, 0, T0 + 100); /* an earlier end takes nothing back */
    assert_int_equal(lane_world_run_one(lanes, T0), 2);
    assert_false(lanes_runnable(lanes, T0, &wake_ms));
    assert_int_equal(wake_ms, T0 + 500);
    assert_int_equal(lane_world_run_one(lanes, T0 + 499), 0);
    assert_int_equal(lane_world_run_one(lanes, T0 + 500), 1);
}

static unsigned cut(struct lanes *lanes, struct lane *lane, uint32_t keep, uint64_t first) {
    struct lane_items items;
    struct lane_item *item;
    unsigned count = 0;
    lanes_cut(lanes, lane, keep, &items);
    while ((item = TAILQ_FIRST(&items)) != NULL) {
        TAILQ_REMOVE(&items, item, link);
        assert_int_equal(item->seq, first + count);
        blocks_give(item, sizeof *item);
        count++;
    }
    return count;
}

static void cut_takes_the_newest_and_leaves_the_rest_in_order(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t seq = 1; seq <= 10; seq++) {
        lane_world_push(lanes, 0, 7, seq);
    }
    struct lane *lane = lanes_find(lanes, 0, 7);
    assert_int_equal(cut(lanes, lane, 10, 0), 0);
    assert_int_equal(cut(lanes, lane, 4, 5), 6);
    assert_int_equal(lane->count, 4);
    assert_int_equal(lanes_waiting(lanes, 0), 4);
    lane_world_push(lanes, 0, 7, 11);
    const uint64_t expected[] = {1, 2, 3, 4, 11, 0};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_int_equal(lane_world_run_one(lanes, T0), expected[i]);
    }
}

static void cut_of_a_busy_lane_may_take_all(void **state) {
    struct lanes *lanes = *state;
    struct lane *lane = NULL;
    for (uint64_t seq = 1; seq <= 3; seq++) {
        lane_world_push(lanes, 0, 7, seq);
    }
    assert_int_equal(lane_world_start(lanes, T0, &lane), 1);
    assert_int_equal(cut(lanes, lane, 0, 2), 2);
    lanes_finish(lanes, lane);
    assert_null(lanes_next(lanes, T0));
    lanes_close(lanes, lane);
    assert_null(lanes_find(lanes, 0, 7));
}

static struct lane_item *nth_item(struct lane *lane, int n) {
    struct lane_item *item = TAILQ_FIRST(&lane->items);
    while (n-- > 0) {
        item = TAILQ_NEXT(item, link);
    }
    return item;
}

static void withdraw(struct lanes *lanes, struct lane_item *item, uint64_t expected) {
    assert_int_equal(item->seq, expected);
    lanes_withdraw(lanes, item);
    free(item);
}

static void what_is_withdrawn_leaves_the_others_in_order(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t seq = 1; seq <= 5; seq++) {
        lane_world_push(lanes, 0, 7, seq);
    }
    struct lane *lane = lanes_find(lanes, 0, 7);
    withdraw(lanes, nth_item(lane, 0), 1);
    withdraw(lanes, nth_item(lane, 1), 3);
    withdraw(lanes, nth_item(lane, 2), 5);
    assert_int_equal(lanes_waiting(lanes, 0), 2);
    assert_int_equal(lane_world_run_one(lanes, T0), 2);
    assert_int_equal(lane_world_run_one(lanes, T0), 4);
    assert_int_equal(lane_world_run_one(lanes, T0), 0);
}

static void a_lane_whose_last_item_is_withdrawn_has_no_turn(void **state) {
    struct lanes *lanes = *state;
    struct lane *busy = NULL;
    lane_world_push(lanes, 0, 7, 1);
    lane_world_push(lanes, 0, 8, 2);
    withdraw(lanes, nth_item(lanes_find(lanes, 0, 7), 0), 1);
    lanes_close(lanes, lanes_find(lanes, 0, 7));
    assert_int_equal(lane_world_start(lanes, T0, &busy), 2);
    lane_world_push(lanes, 0, 8, 3);
    withdraw(lanes, nth_item(busy, 0), 3); /* behind what runs */
    lanes_finish(lanes, busy);
    assert_null(lanes_next(lanes, T0));
    lanes_close(lanes, busy);
}

static void lanes_are_found_among_very_many(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t hash = 0; hash < 20000; hash++) {
        lane_world_push(lanes, hash % SERVICES, hash * 64, hash + 1);
    }
    for (uint64_t hash = 0; hash < 20000; hash++) {
        struct lane *lane = lanes_find(lanes, hash % SERVICES, hash * 64);
        assert_non_null(lane);
        assert_int_equal(TAILQ_FIRST(&lane->items)->seq, hash + 1);
        assert_null(lanes_find(lanes, (hash + 1) % SERVICES, hash * 64));
    }
}

/* --- batches --- */

static void a_batch_starts_when_it_is_full(void **state) {
    struct lanes *lanes = *state;
    lanes_batch(lanes, 0, 3, 1000);
    lane_world_push(lanes, 0, 1, 1);
    lane_world_push(lanes, 0, 2, 2);
    assert_null(lanes_next(lanes, T0 + 999));
    lane_world_push(lanes, 0, 3, 3);
    assert_non_null(lanes_next(lanes, T0 + 999));
}

static void or_when_its_oldest_has_lingered(void **state) {
    struct lanes *lanes = *state;
    int64_t wake_ms = INT64_MAX;
    lanes_batch(lanes, 0, 3, 1000);
    lane_world_push_since(lanes, 0, 2, 2, T0 + 500);
    lane_world_push_since(lanes, 0, 1, 1, T0);
    assert_false(lanes_runnable(lanes, T0 + 500, &wake_ms));
    assert_int_equal(wake_ms, T0 + 1000);
    assert_int_equal(lane_world_run_one(lanes, T0 + 1000), 2);
    assert_int_equal(lane_world_run_one(lanes, T0 + 1000), 1);
}

static void who_joins_uses_the_rate_but_not_the_concurrency(void **state) {
    struct lanes *lanes = *state;
    struct lane *first = NULL;
    lanes_limit(lanes, 0, 1, 2);
    lanes_batch(lanes, 0, 3, 0);
    for (uint64_t n = 1; n <= 4; n++) {
        lane_world_push(lanes, 0, n, n);
    }
    assert_int_equal(lane_world_start(lanes, T0, &first), 1);
    struct lane *second = lanes_peek(lanes, 0);
    blocks_give(lanes_join(lanes, second), sizeof(struct lane_item));
    assert_int_equal(lanes_running(lanes, 0), 1);
    lanes_finish(lanes, second);
    assert_int_equal(lanes_running(lanes, 0), 1);
    lanes_finish(lanes, first);
    assert_int_equal(lanes_running(lanes, 0), 0);
    assert_null(lanes_next(lanes, T0 + 900)); /* two a second: the next in a second */
    assert_non_null(lanes_next(lanes, T0 + 1100));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LANE_TEST(lane_runs_events_in_arrival_order),
        LANE_TEST(lane_runs_one_event_at_a_time),
        LANE_TEST(lanes_take_turns_so_a_noisy_key_starves_nobody),
        LANE_TEST(services_take_turns_so_a_noisy_one_starves_nobody),
        LANE_TEST(lanes_of_two_services_with_one_hash_are_two),
        LANE_TEST(concurrency_bounds_the_running_of_its_service_only),
        LANE_TEST(concurrency_reached_needs_no_clock),
        LANE_TEST(rate_bounds_the_starts_of_every_second),
        LANE_TEST(rate_below_one_a_second_is_kept),
        LANE_TEST(rate_tells_when_the_next_start_is_due),
        LANE_TEST(rate_survives_a_clock_that_is_set_back),
        LANE_TEST(pause_holds_and_resuming_lets_go_on),
        LANE_TEST(throttle_holds_the_service_until_its_time),
        LANE_TEST(cut_takes_the_newest_and_leaves_the_rest_in_order),
        LANE_TEST(cut_of_a_busy_lane_may_take_all),
        LANE_TEST(what_is_withdrawn_leaves_the_others_in_order),
        LANE_TEST(a_lane_whose_last_item_is_withdrawn_has_no_turn),
        LANE_TEST(lanes_are_found_among_very_many),
        LANE_TEST(a_batch_starts_when_it_is_full),
        LANE_TEST(or_when_its_oldest_has_lingered),
        LANE_TEST(who_joins_uses_the_rate_but_not_the_concurrency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
