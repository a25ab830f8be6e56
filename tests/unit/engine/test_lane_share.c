/* test_lane_share.c - the processor is shared by time: over services, and over keys within one. */
#include "lane_world.h"
#include "test.h"
#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Runs one event, which takes `us`, or in another service than the first `others_us`; its seq. */
static uint64_t run_either(struct lanes *lanes, int64_t now_ms, int64_t us, int64_t others_us) {
    struct lane *lane = NULL;
    uint64_t seq = lane_world_start(lanes, now_ms, &lane);
    if (lane == NULL) {
        return 0;
    }
    size_t service = lane->service;
    uint64_t hash = lane->hash;
    us = service == 0 ? us : others_us;
    lanes_finish(lanes, lane);
    if (TAILQ_EMPTY(&lane->items)) {
        lanes_close(lanes, lane);
    }
    lanes_owe(lanes, service, hash, us);
    lanes_spent(lanes, service, us, now_ms);
    return seq;
}

static uint64_t run_for(struct lanes *lanes, int64_t now_ms, int64_t us) {
    return run_either(lanes, now_ms, us, us);
}

enum { LIGHT_US = 100, LONG_US = 200000, LATER = T0 + 1000 };

static void a_key_in_debt_waits_until_others_had_their_share(void **state) {
    struct lanes *lanes = *state;
    lane_world_push(lanes, 0, 1, 1);
    lane_world_push(lanes, 0, 1, 2);
    assert_int_equal(run_for(lanes, T0, LONG_US), 1);
    for (uint64_t n = 0; n < 100; n++) {
        lane_world_push(lanes, 0, 10 + n, 10 + n);
    }
    for (uint64_t n = 0; n < 100; n++) {
        assert_int_equal(run_for(lanes, LATER, LIGHT_US), 10 + n);
    }
    assert_int_equal(run_for(lanes, LATER, LONG_US), 2);
}

static void between_two_keys_in_debt_all_others_have_a_turn(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t n = 1; n <= 5; n++) {
        lane_world_push(lanes, 0, n, n);
        lane_world_push(lanes, 0, n, n + 5);
    }
    for (uint64_t n = 1; n <= 5; n++) {
        assert_int_equal(run_for(lanes, T0, LONG_US), n);
    }
    for (uint64_t n = 1; n <= 5; n++) {
        lane_world_push(lanes, 0, 20, 20 + n);
        lane_world_push(lanes, 0, 30, 30 + n);
        assert_int_equal(run_for(lanes, LATER, LIGHT_US), 20 + n);
        assert_int_equal(run_for(lanes, LATER, LIGHT_US), 30 + n);
        assert_int_equal(run_for(lanes, LATER, LONG_US), n + 5);
    }
}

static void debt_outlives_its_lane(void **state) {
    struct lanes *lanes = *state;
    lane_world_push(lanes, 0, 1, 1);
    lane_world_push(lanes, 0, 9, 9);
    assert_int_equal(run_for(lanes, T0, LONG_US), 1);
    assert_null(lanes_find(lanes, 0, 1));
    lane_world_push(lanes, 0, 1, 10); /* it comes back before the other */
    lane_world_push(lanes, 0, 8, 11);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 11);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 9);
    assert_int_equal(run_for(lanes, LATER, LONG_US), 10);
}

static void who_owes_runs_at_once_when_nobody_else_waits(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t seq = 1; seq <= 5; seq++) {
        lane_world_push(lanes, 0, 1, seq);
        assert_int_equal(run_for(lanes, T0, LONG_US), seq);
    }
}

/* 100 keys always have something to do; one needs a thousand times as long. */
static void who_owes_is_not_starved(void **state) {
    struct lanes *lanes = *state;
    uint64_t seq = 0;
    int long_runs = 0;
    int runs = 0;
    lane_world_push(lanes, 0, 1, ++seq);
    for (uint64_t n = 0; n < 100; n++) {
        lane_world_push(lanes, 0, 10 + n, ++seq);
    }
    for (; long_runs < 3 && runs < 1000000; runs++) {
        struct lane *lane = lanes_next(lanes, LATER + runs);
        assert_non_null(lane);
        uint64_t hash = lane->hash;
        lane_world_push(lanes, 0, hash, ++seq);
        (void)run_for(lanes, LATER + runs, hash == 1 ? LONG_US : LIGHT_US);
        long_runs += hash == 1 ? 1 : 0;
    }
    assert_in_range(runs, 2 * LONG_US / LIGHT_US * 90, 2 * LONG_US / LIGHT_US * 110);
}

static void after_a_long_run_who_owes_waits_for_quiet(void **state) {
    struct lanes *lanes = *state;
    int64_t wake_ms = INT64_MAX;
    lane_world_push(lanes, 0, 1, 1);
    lane_world_push(lanes, 0, 1, 2);
    assert_int_equal(run_for(lanes, T0, LONG_US), 1); /* ended about now */
    lane_world_push(lanes, 0, 2, 3);
    lanes_arrived(lanes, T0 + 1);
    assert_int_equal(run_for(lanes, T0 + 1, LIGHT_US), 3);
    assert_null(lanes_next(lanes, T0 + 1));
    assert_false(lanes_runnable(lanes, T0 + 1, &wake_ms));
    assert_int_equal(wake_ms, T0 + 6);
    assert_int_equal(run_for(lanes, T0 + 6, LONG_US), 2);
}

static void so_do_keys_that_waited_while_it_lasted(void **state) {
    struct lanes *lanes = *state;
    lane_world_push(lanes, 0, 1, 1);
    lane_world_push(lanes, 0, 2, 2);
    assert_int_equal(run_for(lanes, T0, LONG_US), 1);
    for (uint64_t n = 0; n < 3; n++) { /* the broker sends a few at a time */
        int64_t now_ms = T0 + 1 + (int64_t)n;
        lane_world_push(lanes, 0, 10 + n, 10 + n);
        lanes_arrived(lanes, now_ms);
        assert_int_equal(run_for(lanes, now_ms, LIGHT_US), 10 + n);
        assert_null(lanes_next(lanes, now_ms));
    }
    assert_int_equal(run_for(lanes, T0 + 8, LONG_US), 2);
}

static void but_not_for_ever(void **state) {
    struct lanes *lanes = *state;
    lane_world_push(lanes, 0, 1, 1);
    lane_world_push(lanes, 0, 1, 2);
    assert_int_equal(run_for(lanes, T0, LONG_US), 1);
    lanes_arrived(lanes, T0 + 49);
    assert_null(lanes_next(lanes, T0 + 49));
    lanes_arrived(lanes, T0 + 50);
    assert_int_equal(run_for(lanes, T0 + 50, LONG_US), 2);
}

static void services_share_a_turn_by_time(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t n = 1; n <= 20; n++) {
        lane_world_push(lanes, 0, n, n);
    }
    for (uint64_t n = 101; n <= 160; n++) {
        lane_world_push(lanes, 1, n, n);
    }
    int long_runs = 0;
    for (int light = 0; light < 60;) {
        bool is_light = run_either(lanes, T0, LONG_US, LIGHT_US) > 100;
        light += is_light ? 1 : 0;
        long_runs += is_light ? 0 : 1;
    }
    assert_int_equal(long_runs, 1);
}

static void what_a_service_did_not_use_is_not_saved_up(void **state) {
    struct lanes *lanes = *state;
    uint64_t seq = 0;
    for (int i = 0; i < 10; i++) {
        lane_world_push(lanes, 0, 1, ++seq);
        (void)run_for(lanes, T0, LONG_US);
    }
    for (int i = 0; i < 10; i++) {
        lane_world_push(lanes, 0, 1, ++seq);
        lane_world_push(lanes, 1, 1, 1000 + seq);
    }
    int of_first = 0;
    for (int i = 0; i < 10; i++) {
        of_first += run_for(lanes, LATER, LONG_US) < 1000 ? 1 : 0;
    }
    assert_in_range(of_first, 4, 6);
}

static void keys_in_debt_do_not_pay_for_one_another(void **state) {
    struct lanes *lanes = *state;
    uint64_t seq = 0;
    for (int round = 0; round < 10; round++) { /* each time all five come back at once */
        for (uint64_t n = 1; n <= 5; n++) {
            lane_world_push(lanes, 0, n << 8, ++seq);
        }
        for (uint64_t n = 1; n <= 5; n++) {
            if (round > 0) { /* they are known */
                lane_world_push(lanes, 0, 100, 1000 + ++seq);
                assert_int_equal(run_for(lanes, LATER, LIGHT_US), 1000 + seq);
            }
            assert_in_range(run_for(lanes, LATER, LONG_US), 1, 999);
        }
    }
}

static void who_came_during_a_long_run_goes_before_those_who_waited(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t n = 1; n <= 3; n++) {
        lane_world_push(lanes, 0, n, n);
    }
    assert_int_equal(run_for(lanes, T0, LONG_US), 1);
    lane_world_push(lanes, 0, 10, 10);
    lane_world_push(lanes, 0, 11, 11);
    lane_world_push(lanes, 0, 10, 12);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 10);
    lane_world_push(lanes, 0, 13, 13);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 11);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 2);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 3);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 12);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 13);
}

/* A loop asks what is due before it looks for messages. */
static void who_came_during_a_long_run_is_looked_for_first(void **state) {
    struct lanes *lanes = *state;
    int64_t wake_ms = INT64_MAX;
    lane_world_push(lanes, 0, 1, 1);
    lane_world_push(lanes, 0, 2, 2);
    assert_int_equal(run_for(lanes, T0, LONG_US), 1);
    assert_true(lanes_runnable(lanes, LATER, &wake_ms));
    lane_world_push(lanes, 0, 10, 10);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 10);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 2);
}

static void of_those_keys_known_to_be_light_go_first(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t n = 10; n <= 12; n++) {
        lane_world_push(lanes, 0, n, n);
        assert_int_equal(run_for(lanes, T0, LIGHT_US), n);
    }
    lane_world_push(lanes, 0, 1, 20);
    assert_int_equal(run_for(lanes, LATER, LONG_US), 20);
    static const uint64_t keys[] = {2, 10, 3, 11, 4, 12}; /* 2, 3 and 4 are new: may be hungry */
    for (uint64_t i = 0; i < 6; i++) {
        lane_world_push(lanes, 0, keys[i], 30 + i);
    }
    static const uint64_t order[] = {31, 33, 35, 30, 32, 34};
    for (uint64_t i = 0; i < 6; i++) {
        assert_int_equal(run_for(lanes, LATER, LIGHT_US), order[i]);
    }
}

static void so_do_those_that_wait_already(void **state) {
    struct lanes *lanes = *state;
    lane_world_push(lanes, 0, 10, 10);
    assert_int_equal(run_for(lanes, T0, LIGHT_US), 10);
    for (uint64_t n = 1; n <= 3; n++) {
        lane_world_push(lanes, 0, n, n);
    }
    lane_world_push(lanes, 0, 10, 11);
    assert_int_equal(run_for(lanes, LATER, LONG_US), 1);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 11);
    assert_int_equal(run_for(lanes, LATER, LONG_US), 2);
    assert_int_equal(run_for(lanes, LATER + 1000, LONG_US), 3);
}

static void a_key_that_turned_hungry_is_light_no_more(void **state) {
    struct lanes *lanes = *state;
    lane_world_push(lanes, 0, 10, 1);
    assert_int_equal(run_for(lanes, T0, LIGHT_US), 1);
    lane_world_push(lanes, 0, 10, 2);
    assert_int_equal(run_for(lanes, T0, LANE_QUANTUM_US + 1), 2);
    lane_world_push(lanes, 0, 1, 3);
    assert_int_equal(run_for(lanes, LATER, LONG_US), 3);
    lane_world_push(lanes, 0, 20, 4);
    lane_world_push(lanes, 0, 10, 5);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 4);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 5);
}

static void very_many_debts_are_bounded_and_the_largest_stay(void **state) {
    struct lanes *lanes = *state;
    lane_world_push(lanes, 0, 1, 1);
    lane_world_push(lanes, 0, 77, 2);
    assert_int_equal(run_for(lanes, T0, (int64_t)LONG_US * 1000), 1);
    for (uint64_t n = 2; n < 10000; n++) {
        lanes_owe(lanes, 0, n * 256, LONG_US);
    }
    lane_world_push(lanes, 0, 1, 3);
    lane_world_push(lanes, 0, 78, 4);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 4);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 2);
    assert_int_equal(run_for(lanes, LATER, LONG_US), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LANE_TEST(a_key_in_debt_waits_until_others_had_their_share),
        LANE_TEST(between_two_keys_in_debt_all_others_have_a_turn),
        LANE_TEST(debt_outlives_its_lane),
        LANE_TEST(who_owes_runs_at_once_when_nobody_else_waits),
        LANE_TEST(who_owes_is_not_starved),
        LANE_TEST(after_a_long_run_who_owes_waits_for_quiet),
        LANE_TEST(so_do_keys_that_waited_while_it_lasted),
        LANE_TEST(but_not_for_ever),
        LANE_TEST(services_share_a_turn_by_time),
        LANE_TEST(what_a_service_did_not_use_is_not_saved_up),
        LANE_TEST(keys_in_debt_do_not_pay_for_one_another),
        LANE_TEST(who_came_during_a_long_run_goes_before_those_who_waited),
        LANE_TEST(who_came_during_a_long_run_is_looked_for_first),
        LANE_TEST(of_those_keys_known_to_be_light_go_first),
        LANE_TEST(so_do_those_that_wait_already),
        LANE_TEST(a_key_that_turned_hungry_is_light_no_more),
        LANE_TEST(very_many_debts_are_bounded_and_the_largest_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
