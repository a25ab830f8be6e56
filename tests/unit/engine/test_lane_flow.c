/* test_lane_flow.c - turns round tenants, and the limits of keys. */
#include "aborts.h"
#include "lane_world.h"
#include "test.h"

#include "base/limits.h"

#include <stdlib.h>

static struct lane_flows tenant(uint64_t hash) {
    return (struct lane_flows){.tenant = hash};
}

static struct lane_flows key(uint64_t hash) {
    return (struct lane_flows){.key = hash, .tenant = hash};
}

static void expect_runs(struct lanes *lanes, const uint64_t *expected, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct lane *lane = NULL;
        assert_int_equal(lane_world_start(lanes, T0, &lane), expected[i]);
        lanes_finish(lanes, lane);
        if (lane->count == 0) {
            lanes_close(lanes, lane);
        }
    }
}

static void tenants_take_turns_however_many_lanes_they_have(void **state) {
    struct lanes *lanes = *state;
    const uint64_t expected[] = {1, 11, 21, 2, 12, 3, 4, 5};
    for (uint64_t n = 1; n <= 5; n++) {
        lane_world_push_of(lanes, 0, n, n, tenant(100));
    }
    lane_world_push_of(lanes, 0, 11, 11, tenant(200));
    lane_world_push_of(lanes, 0, 12, 12, tenant(200));
    lane_world_push_of(lanes, 0, 21, 21, tenant(300));
    assert_int_equal(lanes_tenants(lanes, 0), 3);
    expect_runs(lanes, expected, sizeof expected / sizeof *expected);
    assert_int_equal(lanes_tenants(lanes, 0), 0);
}

static void a_tenant_pays_for_the_runs_of_all_its_lanes(void **state) {
    struct lanes *lanes = *state;
    struct lane *lane = NULL;
    for (uint64_t n = 1; n <= 3; n++) {
        lane_world_push_of(lanes, 0, n, n, tenant(100));
    }
    for (uint64_t n = 11; n <= 13; n++) {
        lane_world_push_of(lanes, 0, n, n, tenant(200));
    }
    assert_int_equal(lane_world_start(lanes, T0, &lane), 1);
    lanes_finish(lanes, lane);
    assert_int_equal(lane->payer, 100);
    lanes_owe(lanes, 0, lane->payer, 200000);
    lanes_spent(lanes, 0, 200000, T0);
    const uint64_t expected[] = {11, 12, 13};
    expect_runs(lanes, expected, 3);
    assert_int_equal(lane_world_run_one(lanes, T0 + 1000), 2);
}

static void a_key_runs_no_more_at_once_than_its_concurrency(void **state) {
    struct lanes *lanes = *state;
    struct lane *first = NULL;
    struct lane *other = NULL;
    struct lane *next = NULL;
    int64_t wake_ms = INT64_MAX;
    lanes_limit_keys(lanes, 0, 1, 0, 0);
    lane_world_push_of(lanes, 0, 1, 1, key(9));
    lane_world_push_of(lanes, 0, 2, 2, key(9));
    lane_world_push_of(lanes, 0, 3, 3, key(8));
    assert_int_equal(lane_world_start(lanes, T0, &first), 1);
    assert_int_equal(lane_world_start(lanes, T0, &other), 3);
    assert_null(lanes_next(lanes, T0));
    assert_false(lanes_runnable(lanes, T0, &wake_ms));
    assert_true(wake_ms == INT64_MAX);
    assert_int_equal(lanes_keys_held(lanes, 0), 2);
    lanes_finish(lanes, first);
    assert_int_equal(lane_world_start(lanes, T0, &next), 2);
    lanes_finish(lanes, next);
    lanes_finish(lanes, other);
    assert_int_equal(lanes_keys_held(lanes, 0), 0);
}

/* Starts within a second, looked at every millisecond. */
static unsigned starts_in_second(struct lanes *lanes, int64_t from) {
    unsigned starts = 0;
    for (int64_t now = from; now < from + 1000; now++) {
        while (lane_world_run_one(lanes, now) != 0) {
            starts++;
        }
    }
    return starts;
}

static void each_key_has_a_rate_of_its_own(void **state) {
    struct lanes *lanes = *state;
    lanes_limit_keys(lanes, 0, 0, 10, 0);
    for (uint64_t n = 1; n <= 100; n++) {
        lane_world_push_of(lanes, 0, n, n, key(7 + n % 2));
    }
    lane_world_push_of(lanes, 0, 200, 200, tenant(1));
    assert_in_range(starts_in_second(lanes, T0), 19, 23); /* one is without a key */
    assert_in_range(starts_in_second(lanes, T0 + 1000), 19, 22);
    int64_t wake_ms = INT64_MAX;
    assert_false(lanes_runnable(lanes, T0 + 2000, &wake_ms));
    assert_in_range(wake_ms, T0 + 2001, T0 + 2101);
}

static void what_a_key_has_used_is_remembered_without_its_lanes(void **state) {
    struct lanes *lanes = *state;
    const uint64_t first[] = {1};
    lanes_limit_keys(lanes, 0, 0, 10, 0);
    lane_world_push_of(lanes, 0, 1, 1, key(7));
    expect_runs(lanes, first, 1);
    assert_null(lanes_find(lanes, 0, 1));
    lane_world_push_of(lanes, 0, 2, 2, key(7));
    assert_int_equal(lane_world_run_one(lanes, T0 + 90), 0);
    assert_int_equal(lane_world_run_one(lanes, T0 + 102), 2);
}

static void a_restart_does_not_lift_the_rate_of_a_key(void **state) {
    struct lanes *lanes = *state;
    lanes_limit_keys(lanes, 0, 0, 10, T0 - 50);
    lane_world_push_of(lanes, 0, 1, 1, key(7));
    assert_int_equal(lane_world_run_one(lanes, T0), 0);
    assert_int_equal(lane_world_run_one(lanes, T0 + 52), 1);
}

static void a_throttled_key_waits_and_others_go_on(void **state) {
    struct lanes *lanes = *state;
    lane_world_push_of(lanes, 0, 1, 1, key(7));
    lane_world_push_of(lanes, 0, 2, 2, key(7));
    lane_world_push_of(lanes, 0, 3, 3, key(8));
    lanes_throttle_key(lanes, 0, 7, T0 + 500);
    assert_int_equal(lane_world_run_one(lanes, T0), 3);
    assert_int_equal(lane_world_run_one(lanes, T0), 0);
    int64_t wake_ms = INT64_MAX;
    assert_false(lanes_runnable(lanes, T0, &wake_ms));
    assert_int_equal(wake_ms, T0 + 500);
    assert_int_equal(lane_world_run_one(lanes, T0 + 500), 1);
    assert_int_equal(lane_world_run_one(lanes, T0 + 500), 2);
}

static void a_throttled_key_lets_the_others_of_its_tenant_pass(void **state) {
    struct lanes *lanes = *state;
    lane_world_push_of(lanes, 0, 1, 1, (struct lane_flows){.key = 7, .tenant = 50});
    lane_world_push_of(lanes, 0, 2, 2, (struct lane_flows){.key = 8, .tenant = 50});
    lanes_throttle_key(lanes, 0, 7, T0 + 500);
    assert_int_equal(lane_world_run_one(lanes, T0), 2);
    lane_world_push_of(lanes, 0, 3, 3, (struct lane_flows){.key = 9, .tenant = 50});
    lane_world_push_of(lanes, 0, 4, 4, (struct lane_flows){.key = 10, .tenant = 50});
    lanes_throttle_key(lanes, 0, 10, T0 + 500); /* it is behind the one before it */
    assert_int_equal(lane_world_run_one(lanes, T0), 3);
    assert_int_equal(lane_world_run_one(lanes, T0), 0);
    assert_int_equal(lane_world_run_one(lanes, T0 + 500), 1);
    assert_int_equal(lane_world_run_one(lanes, T0 + 500), 4);
}

static void many_throttles_end_in_the_order_of_their_times(void **state) {
    struct lanes *lanes = *state;
    enum { KEYS = 500 };
    for (uint64_t n = 1; n <= KEYS; n++) {
        lanes_throttle_key(lanes, 0, n, T0 + 1 + (int64_t)(n * 7919 % KEYS));
        lane_world_push_of(lanes, 0, n, n, key(n));
    }
    for (int64_t ms = 0; ms < KEYS; ms++) {
        uint64_t n = lane_world_run_one(lanes, T0 + 1 + ms);
        assert_int_equal(n * 7919 % KEYS, ms);
        assert_int_equal(lane_world_run_one(lanes, T0 + 1 + ms), 0);
    }
}

static void a_tenant_leaves_half_of_the_window_to_others(void **state) {
    struct lanes *lanes = *state;
    uint64_t seq = 0;
    while (lanes_room(lanes, 0, tenant(100)) > 0) {
        seq++;
        lane_world_push_of(lanes, 0, seq, seq, tenant(100));
    }
    assert_in_range(seq, SERVICE_WINDOW_MAX / 3 - 1, SERVICE_WINDOW_MAX / 3 + 2);
    assert_true(lanes_room(lanes, 0, tenant(200)) > SERVICE_WINDOW_MAX / 4);
}

static void a_tenant_with_rows_on_disk_is_hungry_when_few_are_left(void **state) {
    struct lanes *lanes = *state;
    assert_false(lanes_spilled(lanes, 0, 100)); /* nothing of it is here */
    lane_world_push_of(lanes, 0, 1, 1, tenant(100));
    assert_true(lanes_spilled(lanes, 0, 100));
    assert_int_equal(lanes_hungry(lanes, 0).tenant, 100);
    lanes_fed(lanes, 0, 100, false);
    assert_int_equal(lanes_hungry(lanes, 0).tenant, 0);
    assert_false(lanes_want_rows(lanes));
}

static void a_lane_is_taken_out_wherever_it_waits(void **state) {
    struct lanes *lanes = *state;
    static const uint64_t keys[] = {7, 7, 8, 9, 9};
    struct lane_items cut;
    for (uint64_t n = 1; n <= 5; n++) {
        lane_world_push_of(lanes, 0, n, n, (struct lane_flows){.key = keys[n - 1], .tenant = 50});
    }
    lane_world_push(lanes, 0, 6, 6);
    for (uint64_t n = 1; n <= 6; n++) {
        struct lane *lane = lanes_find(lanes, 0, n);
        lanes_take_out(lanes, lane);
        lanes_cut(lanes, lane, 0, &cut);
        free(TAILQ_FIRST(&cut));
    }
    lanes_close_empty(lanes, 0);
    assert_int_equal(lanes_waiting(lanes, 0), 0);
    assert_int_equal(lanes_tenants(lanes, 0), 0);
    lane_world_push_of(lanes, 0, 1, 1, (struct lane_flows){.key = 7, .tenant = 50});
    assert_int_equal(lane_world_run_one(lanes, T0), 1);
}

static void when_the_lane_ahead_is_emptied_the_next_of_its_flows_follows(void **state) {
    struct lanes *lanes = *state;
    static const uint64_t keys[] = {7, 7, 8, 8};
    const uint64_t expected[] = {2, 4};
    for (uint64_t n = 1; n <= 4; n++) {
        lane_world_push_of(lanes, 0, n, n, (struct lane_flows){.key = keys[n - 1], .tenant = 50});
    }
    for (uint64_t n = 1; n <= 3; n += 2) {
        struct lane *lane = lanes_find(lanes, 0, n);
        struct lane_item *item = TAILQ_FIRST(&lane->items);
        lanes_withdraw(lanes, item);
        lanes_close(lanes, lane);
        free(item);
    }
    expect_runs(lanes, expected, 2);
    assert_int_equal(lanes_waiting(lanes, 0), 0);
    assert_int_equal(lanes_tenants(lanes, 0), 0);
}

static void a_hungry_tenant_without_lanes_outlives_its_throttle(void **state) {
    struct lanes *lanes = *state;
    lane_world_push_of(lanes, 0, 1, 1, key(100));
    assert_true(lanes_spilled(lanes, 0, 100));
    assert_int_equal(lane_world_run_one(lanes, T0), 1);
    lanes_throttle_key(lanes, 0, 100, T0 + 500);
    assert_int_equal(lane_world_run_one(lanes, T0 + 500), 0);
    lanes_throttle_key(lanes, 0, 100, T0 + 500);
    assert_int_equal(lanes_hungry(lanes, 0).tenant, 100);
    lanes_fed(lanes, 0, 100, false);
    assert_int_equal(lanes_hungry(lanes, 0).tenant, 0);
}

/* INV-LANE-8 */
static void feed_who_is_not_hungry(void *ctx) {
    lanes_fed(ctx, 0, 100, false);
}

static void finish_what_its_key_does_not_run(void *ctx) {
    struct lanes *lanes = ctx;
    struct lane *lane = NULL;
    (void)lane_world_start(lanes, T0, &lane);
    lane->key = lanes_find(lanes, 0, 2)->key;
    lanes_finish(lanes, lane);
}

static void flows_know_their_lanes(void **state) {
    lane_world_push_of(*state, 0, 1, 1, key(100));
    lane_world_push_of(*state, 0, 2, 2, key(200));
    assert_aborts(feed_who_is_not_hungry, *state, "flow->hungry");
    assert_aborts(finish_what_its_key_does_not_run, *state, "key->running > 0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LANE_TEST(tenants_take_turns_however_many_lanes_they_have),
        LANE_TEST(a_tenant_pays_for_the_runs_of_all_its_lanes),
        LANE_TEST(a_key_runs_no_more_at_once_than_its_concurrency),
        LANE_TEST(each_key_has_a_rate_of_its_own),
        LANE_TEST(what_a_key_has_used_is_remembered_without_its_lanes),
        LANE_TEST(a_restart_does_not_lift_the_rate_of_a_key),
        LANE_TEST(a_throttled_key_waits_and_others_go_on),
        LANE_TEST(a_throttled_key_lets_the_others_of_its_tenant_pass),
        LANE_TEST(many_throttles_end_in_the_order_of_their_times),
        LANE_TEST(a_tenant_leaves_half_of_the_window_to_others),
        LANE_TEST(a_tenant_with_rows_on_disk_is_hungry_when_few_are_left),
        LANE_TEST(a_lane_is_taken_out_wherever_it_waits),
        LANE_TEST(when_the_lane_ahead_is_emptied_the_next_of_its_flows_follows),
        LANE_TEST(a_hungry_tenant_without_lanes_outlives_its_throttle),
        LANE_TEST(flows_know_their_lanes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
