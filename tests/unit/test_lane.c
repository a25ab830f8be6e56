/* test_lane.c - which event may run next: order, fairness, limits. */
#include "lane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { SERVICES = 3, T0 = 1000000 };

static int set_up(void **state) {
    *state = lanes_new(SERVICES);
    return *state == NULL;
}

static int tear_down(void **state) {
    lanes_free(*state);
    return 0;
}

static struct lane *lane_at(struct lanes *lanes, size_t service, uint64_t hash) {
    struct lane *lane = lanes_find(lanes, service, hash);
    return lane != NULL ? lane : lanes_open(lanes, service, hash, (uint8_t)(hash % 64));
}

static void push_since(struct lanes *lanes, size_t service, uint64_t hash, uint64_t seq,
                       int64_t since_ms) {
    struct lane_item *item = calloc(1, sizeof *item);
    assert_non_null(item);
    item->seq = seq;
    item->since_ms = since_ms;
    lanes_push(lanes, lane_at(lanes, service, hash), item);
}

static void push(struct lanes *lanes, size_t service, uint64_t hash, uint64_t seq) {
    push_since(lanes, service, hash, seq, T0);
}

/* Starts the next event; its seq, 0 when nothing may start. The lane stays busy. */
static uint64_t start(struct lanes *lanes, int64_t now_ms, struct lane **taken) {
    struct lane *lane = lanes_next(lanes, now_ms);
    if (lane == NULL) {
        return 0;
    }
    struct lane_item *item = lanes_start(lanes, lane);
    uint64_t seq = item->seq;
    assert_ptr_equal(item->lane, lane);
    free(item);
    *taken = lane;
    return seq;
}

/* Runs one event from start to end. */
static uint64_t run_one(struct lanes *lanes, int64_t now_ms) {
    struct lane *lane = NULL;
    uint64_t seq = start(lanes, now_ms, &lane);
    if (lane != NULL) {
        lanes_finish(lanes, lane);
    }
    return seq;
}

static void lane_runs_events_in_arrival_order(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t seq = 1; seq <= 5; seq++) {
        push(lanes, 0, 7, seq);
    }
    assert_int_equal(lanes_waiting(lanes, 0), 5);
    for (uint64_t seq = 1; seq <= 5; seq++) {
        assert_int_equal(run_one(lanes, T0), seq);
    }
    assert_int_equal(run_one(lanes, T0), 0);
    assert_int_equal(lanes_waiting(lanes, 0), 0);
}

static void lane_runs_one_event_at_a_time(void **state) {
    struct lanes *lanes = *state;
    struct lane *lane = NULL;
    push(lanes, 0, 7, 1);
    push(lanes, 0, 7, 2);
    assert_int_equal(start(lanes, T0, &lane), 1);
    assert_int_equal(lanes_running(lanes, 0), 1);
    assert_null(lanes_next(lanes, T0));
    push(lanes, 0, 7, 3);
    assert_null(lanes_next(lanes, T0));
    lanes_finish(lanes, lane);
    assert_int_equal(lanes_running(lanes, 0), 0);
    assert_int_equal(run_one(lanes, T0), 2);
    assert_int_equal(run_one(lanes, T0), 3);
}

static void lanes_take_turns_so_a_noisy_key_starves_nobody(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t seq = 1; seq <= 100; seq++) {
        push(lanes, 0, 1, seq);
    }
    push(lanes, 0, 2, 101);
    push(lanes, 0, 3, 102);
    assert_int_equal(run_one(lanes, T0), 1);
    assert_int_equal(run_one(lanes, T0), 101);
    assert_int_equal(run_one(lanes, T0), 102);
    assert_int_equal(run_one(lanes, T0), 2);
}

static void services_take_turns_so_a_noisy_one_starves_nobody(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t hash = 1; hash <= 100; hash++) {
        push(lanes, 0, hash, hash);
    }
    push(lanes, 1, 1, 201);
    push(lanes, 1, 2, 202);
    push(lanes, 2, 1, 301);
    const uint64_t expected[] = {1, 201, 301, 2, 202, 3, 4};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_int_equal(run_one(lanes, T0), expected[i]);
    }
}

static void lanes_of_two_services_with_one_hash_are_two(void **state) {
    struct lanes *lanes = *state;
    struct lane *lane = NULL;
    push(lanes, 0, 7, 1);
    push(lanes, 1, 7, 2);
    assert_ptr_not_equal(lanes_find(lanes, 0, 7), lanes_find(lanes, 1, 7));
    assert_int_equal(start(lanes, T0, &lane), 1);
    assert_int_equal(start(lanes, T0, &lane), 2);
}

static void concurrency_bounds_the_running_of_its_service_only(void **state) {
    struct lanes *lanes = *state;
    struct lane *first = NULL;
    struct lane *second = NULL;
    struct lane *other = NULL;
    lanes_limit(lanes, 0, 2, 0);
    for (uint64_t hash = 1; hash <= 4; hash++) {
        push(lanes, 0, hash, hash);
    }
    assert_int_equal(start(lanes, T0, &first), 1);
    assert_int_equal(start(lanes, T0, &second), 2);
    assert_null(lanes_next(lanes, T0));
    push(lanes, 1, 1, 9);
    assert_int_equal(start(lanes, T0, &other), 9);
    lanes_finish(lanes, first);
    assert_int_equal(run_one(lanes, T0), 3);
    int64_t wake_ms = INT64_MAX;
    lanes_finish(lanes, second);
    assert_true(lanes_runnable(lanes, T0, &wake_ms));
}

static void concurrency_reached_needs_no_clock(void **state) {
    struct lanes *lanes = *state;
    struct lane *lane = NULL;
    int64_t wake_ms = INT64_MAX;
    lanes_limit(lanes, 0, 1, 0);
    push(lanes, 0, 1, 1);
    push(lanes, 0, 2, 2);
    assert_int_equal(start(lanes, T0, &lane), 1);
    assert_false(lanes_runnable(lanes, T0, &wake_ms));
    assert_true(wake_ms == INT64_MAX);
}

/* Starts within [from, to), looked at every millisecond. */
static unsigned starts_between(struct lanes *lanes, int64_t from, int64_t to) {
    unsigned starts = 0;
    for (int64_t now = from; now < to; now++) {
        while (run_one(lanes, now) != 0) {
            starts++;
        }
    }
    return starts;
}

static void rate_bounds_the_starts_of_every_second(void **state) {
    struct lanes *lanes = *state;
    lanes_limit(lanes, 0, 0, 200);
    for (uint64_t seq = 1; seq <= 2000; seq++) {
        push(lanes, 0, seq, seq);
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
        push(lanes, 0, seq, seq);
    }
    assert_in_range(starts_between(lanes, T0, T0 + 20000), 10, 11);
}

static void rate_tells_when_the_next_start_is_due(void **state) {
    struct lanes *lanes = *state;
    lanes_limit(lanes, 0, 0, 4);
    push(lanes, 0, 1, 1);
    push(lanes, 0, 2, 2);
    assert_int_equal(run_one(lanes, T0), 1);
    int64_t wake_ms = INT64_MAX;
    assert_false(lanes_runnable(lanes, T0, &wake_ms));
    assert_in_range(wake_ms, T0 + 250, T0 + 252);
    assert_int_equal(run_one(lanes, T0 + 200), 0);
    assert_int_equal(run_one(lanes, wake_ms), 2);
}

static void rate_survives_a_clock_that_is_set_back(void **state) {
    struct lanes *lanes = *state;
    lanes_limit(lanes, 0, 0, 10);
    for (uint64_t seq = 1; seq <= 100; seq++) {
        push(lanes, 0, seq, seq);
    }
    (void)starts_between(lanes, T0 + 5000, T0 + 6000);
    assert_in_range(starts_between(lanes, T0, T0 + 1000), 9, 11);
}

static void pause_holds_and_resuming_lets_go_on(void **state) {
    struct lanes *lanes = *state;
    int64_t wake_ms = INT64_MAX;
    push(lanes, 0, 1, 1);
    lanes_pause(lanes, 0, true);
    assert_true(lanes_paused(lanes, 0));
    assert_false(lanes_paused(lanes, 1));
    assert_null(lanes_next(lanes, T0));
    assert_false(lanes_runnable(lanes, T0, &wake_ms));
    assert_true(wake_ms == INT64_MAX);
    lanes_pause(lanes, 0, false);
    assert_int_equal(run_one(lanes, T0), 1);
}

static void throttle_holds_the_service_until_its_time(void **state) {
    struct lanes *lanes = *state;
    int64_t wake_ms = INT64_MAX;
    push(lanes, 0, 1, 1);
    push(lanes, 1, 1, 2);
    lanes_throttle(lanes, 0, T0 + 500);
    lanes_throttle(lanes, 0, T0 + 100); /* an earlier end takes nothing back */
    assert_int_equal(run_one(lanes, T0), 2);
    assert_false(lanes_runnable(lanes, T0, &wake_ms));
    assert_int_equal(wake_ms, T0 + 500);
    assert_int_equal(run_one(lanes, T0 + 499), 0);
    assert_int_equal(run_one(lanes, T0 + 500), 1);
}

static unsigned free_cut(struct lane_item *item, uint64_t first) {
    unsigned count = 0;
    while (item != NULL) {
        struct lane_item *next = item->next;
        assert_int_equal(item->seq, first + count);
        free(item);
        item = next;
        count++;
    }
    return count;
}

static void cut_takes_the_newest_and_leaves_the_rest_in_order(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t seq = 1; seq <= 10; seq++) {
        push(lanes, 0, 7, seq);
    }
    struct lane *lane = lanes_find(lanes, 0, 7);
    assert_null(lanes_cut(lanes, lane, 10));
    assert_int_equal(free_cut(lanes_cut(lanes, lane, 4), 5), 6);
    assert_int_equal(lane->count, 4);
    assert_int_equal(lanes_waiting(lanes, 0), 4);
    push(lanes, 0, 7, 11);
    const uint64_t expected[] = {1, 2, 3, 4, 11, 0};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_int_equal(run_one(lanes, T0), expected[i]);
    }
}

static void cut_of_a_busy_lane_may_take_all(void **state) {
    struct lanes *lanes = *state;
    struct lane *lane = NULL;
    for (uint64_t seq = 1; seq <= 3; seq++) {
        push(lanes, 0, 7, seq);
    }
    assert_int_equal(start(lanes, T0, &lane), 1);
    assert_int_equal(free_cut(lanes_cut(lanes, lane, 0), 2), 2);
    lanes_finish(lanes, lane);
    assert_null(lanes_next(lanes, T0));
    lanes_close(lanes, lane);
    assert_null(lanes_find(lanes, 0, 7));
}

static void lanes_are_found_among_very_many(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t hash = 0; hash < 20000; hash++) {
        push(lanes, hash % SERVICES, hash * 64, hash + 1);
    }
    for (uint64_t hash = 0; hash < 20000; hash++) {
        struct lane *lane = lanes_find(lanes, hash % SERVICES, hash * 64);
        assert_non_null(lane);
        assert_int_equal(lane->head->seq, hash + 1);
        assert_null(lanes_find(lanes, (hash + 1) % SERVICES, hash * 64));
    }
}

/* --- batches --- */

static void a_batch_starts_when_it_is_full(void **state) {
    struct lanes *lanes = *state;
    lanes_batch(lanes, 0, 3, 1000);
    push(lanes, 0, 1, 1);
    push(lanes, 0, 2, 2);
    assert_null(lanes_next(lanes, T0 + 999));
    push(lanes, 0, 3, 3);
    assert_non_null(lanes_next(lanes, T0 + 999));
}

static void or_when_its_oldest_has_lingered(void **state) {
    struct lanes *lanes = *state;
    int64_t wake_ms = INT64_MAX;
    lanes_batch(lanes, 0, 3, 1000);
    push_since(lanes, 0, 2, 2, T0 + 500);
    push_since(lanes, 0, 1, 1, T0);
    assert_false(lanes_runnable(lanes, T0 + 500, &wake_ms));
    assert_int_equal(wake_ms, T0 + 1000);
    assert_int_equal(run_one(lanes, T0 + 1000), 2);
    assert_int_equal(run_one(lanes, T0 + 1000), 1);
}

static void who_joins_uses_the_rate_but_not_the_concurrency(void **state) {
    struct lanes *lanes = *state;
    struct lane *first = NULL;
    lanes_limit(lanes, 0, 1, 2);
    lanes_batch(lanes, 0, 3, 0);
    for (uint64_t n = 1; n <= 4; n++) {
        push(lanes, 0, n, n);
    }
    assert_int_equal(start(lanes, T0, &first), 1);
    struct lane *second = lanes_peek(lanes, 0);
    free(lanes_join(lanes, second));
    assert_int_equal(lanes_running(lanes, 0), 1);
    lanes_finish(lanes, second);
    assert_int_equal(lanes_running(lanes, 0), 1);
    lanes_finish(lanes, first);
    assert_int_equal(lanes_running(lanes, 0), 0);
    assert_null(lanes_next(lanes, T0 + 900)); /* two a second: the next in a second */
    assert_non_null(lanes_next(lanes, T0 + 1100));
}

/* --- shares --- */

/* Runs one event, which takes `us`, or in another service than the first `others_us`; its seq. */
static uint64_t run_either(struct lanes *lanes, int64_t now_ms, int64_t us, int64_t others_us) {
    struct lane *lane = NULL;
    uint64_t seq = start(lanes, now_ms, &lane);
    if (lane == NULL) {
        return 0;
    }
    size_t service = lane->service;
    uint64_t hash = lane->hash;
    us = service == 0 ? us : others_us;
    lanes_finish(lanes, lane);
    if (lane->head == NULL) {
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
    push(lanes, 0, 1, 1);
    push(lanes, 0, 1, 2);
    assert_int_equal(run_for(lanes, T0, LONG_US), 1);
    for (uint64_t n = 0; n < 100; n++) {
        push(lanes, 0, 10 + n, 10 + n);
    }
    for (uint64_t n = 0; n < 100; n++) {
        assert_int_equal(run_for(lanes, LATER, LIGHT_US), 10 + n);
    }
    assert_int_equal(run_for(lanes, LATER, LONG_US), 2);
}

static void between_two_keys_in_debt_all_others_have_a_turn(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t n = 1; n <= 5; n++) {
        push(lanes, 0, n, n);
        push(lanes, 0, n, n + 5);
    }
    for (uint64_t n = 1; n <= 5; n++) {
        assert_int_equal(run_for(lanes, T0, LONG_US), n);
    }
    for (uint64_t n = 1; n <= 5; n++) {
        push(lanes, 0, 20, 20 + n);
        push(lanes, 0, 30, 30 + n);
        assert_int_equal(run_for(lanes, LATER, LIGHT_US), 20 + n);
        assert_int_equal(run_for(lanes, LATER, LIGHT_US), 30 + n);
        assert_int_equal(run_for(lanes, LATER, LONG_US), n + 5);
    }
}

static void debt_outlives_its_lane(void **state) {
    struct lanes *lanes = *state;
    push(lanes, 0, 1, 1);
    push(lanes, 0, 9, 9);
    assert_int_equal(run_for(lanes, T0, LONG_US), 1);
    assert_null(lanes_find(lanes, 0, 1));
    push(lanes, 0, 1, 10); /* it comes back before the other */
    push(lanes, 0, 8, 11);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 11);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 9);
    assert_int_equal(run_for(lanes, LATER, LONG_US), 10);
}

static void who_owes_runs_at_once_when_nobody_else_waits(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t seq = 1; seq <= 5; seq++) {
        push(lanes, 0, 1, seq);
        assert_int_equal(run_for(lanes, T0, LONG_US), seq);
    }
}

/* 100 keys always have something to do; one needs a thousand times as long. */
static void who_owes_is_not_starved(void **state) {
    struct lanes *lanes = *state;
    uint64_t seq = 0;
    int long_runs = 0;
    int runs = 0;
    push(lanes, 0, 1, ++seq);
    for (uint64_t n = 0; n < 100; n++) {
        push(lanes, 0, 10 + n, ++seq);
    }
    for (; long_runs < 3 && runs < 1000000; runs++) {
        struct lane *lane = lanes_next(lanes, LATER + runs);
        assert_non_null(lane);
        uint64_t hash = lane->hash;
        push(lanes, 0, hash, ++seq);
        (void)run_for(lanes, LATER + runs, hash == 1 ? LONG_US : LIGHT_US);
        long_runs += hash == 1 ? 1 : 0;
    }
    assert_in_range(runs, 2 * LONG_US / LIGHT_US * 90, 2 * LONG_US / LIGHT_US * 110);
}

static void after_a_long_run_who_owes_waits_for_quiet(void **state) {
    struct lanes *lanes = *state;
    int64_t wake_ms = INT64_MAX;
    push(lanes, 0, 1, 1);
    push(lanes, 0, 1, 2);
    assert_int_equal(run_for(lanes, T0, LONG_US), 1); /* ended about now */
    push(lanes, 0, 2, 3);
    lanes_arrived(lanes, T0 + 1);
    assert_int_equal(run_for(lanes, T0 + 1, LIGHT_US), 3);
    assert_null(lanes_next(lanes, T0 + 1));
    assert_false(lanes_runnable(lanes, T0 + 1, &wake_ms));
    assert_int_equal(wake_ms, T0 + 6);
    assert_int_equal(run_for(lanes, T0 + 6, LONG_US), 2);
}

static void so_do_keys_that_waited_while_it_lasted(void **state) {
    struct lanes *lanes = *state;
    push(lanes, 0, 1, 1);
    push(lanes, 0, 2, 2);
    assert_int_equal(run_for(lanes, T0, LONG_US), 1);
    for (uint64_t n = 0; n < 3; n++) { /* the broker sends a few at a time */
        int64_t now_ms = T0 + 1 + (int64_t)n;
        push(lanes, 0, 10 + n, 10 + n);
        lanes_arrived(lanes, now_ms);
        assert_int_equal(run_for(lanes, now_ms, LIGHT_US), 10 + n);
        assert_null(lanes_next(lanes, now_ms));
    }
    assert_int_equal(run_for(lanes, T0 + 8, LONG_US), 2);
}

static void but_not_for_ever(void **state) {
    struct lanes *lanes = *state;
    push(lanes, 0, 1, 1);
    push(lanes, 0, 1, 2);
    assert_int_equal(run_for(lanes, T0, LONG_US), 1);
    lanes_arrived(lanes, T0 + 49);
    assert_null(lanes_next(lanes, T0 + 49));
    lanes_arrived(lanes, T0 + 50);
    assert_int_equal(run_for(lanes, T0 + 50, LONG_US), 2);
}

static void services_share_a_turn_by_time(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t n = 1; n <= 20; n++) {
        push(lanes, 0, n, n);
    }
    for (uint64_t n = 101; n <= 160; n++) {
        push(lanes, 1, n, n);
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
        push(lanes, 0, 1, ++seq);
        (void)run_for(lanes, T0, LONG_US);
    }
    for (int i = 0; i < 10; i++) {
        push(lanes, 0, 1, ++seq);
        push(lanes, 1, 1, 1000 + seq);
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
            push(lanes, 0, n << 8, ++seq);
        }
        for (uint64_t n = 1; n <= 5; n++) {
            if (round > 0) { /* they are known */
                push(lanes, 0, 100, 1000 + ++seq);
                assert_int_equal(run_for(lanes, LATER, LIGHT_US), 1000 + seq);
            }
            assert_in_range(run_for(lanes, LATER, LONG_US), 1, 999);
        }
    }
}

static void who_came_during_a_long_run_goes_before_those_who_waited(void **state) {
    struct lanes *lanes = *state;
    for (uint64_t n = 1; n <= 3; n++) {
        push(lanes, 0, n, n);
    }
    assert_int_equal(run_for(lanes, T0, LONG_US), 1);
    push(lanes, 0, 10, 10);
    push(lanes, 0, 11, 11);
    push(lanes, 0, 10, 12);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 10);
    push(lanes, 0, 13, 13);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 11);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 2);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 3);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 12);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 13);
}

static void very_many_debts_are_bounded_and_the_largest_stay(void **state) {
    struct lanes *lanes = *state;
    push(lanes, 0, 1, 1);
    push(lanes, 0, 77, 2);
    assert_int_equal(run_for(lanes, T0, (int64_t)LONG_US * 1000), 1);
    for (uint64_t n = 2; n < 10000; n++) {
        lanes_owe(lanes, 0, n * 256, LONG_US);
    }
    push(lanes, 0, 1, 3);
    push(lanes, 0, 78, 4);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 4);
    assert_int_equal(run_for(lanes, LATER, LIGHT_US), 2);
    assert_int_equal(run_for(lanes, LATER, LONG_US), 3);
}

int main(void) {
#define LANE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
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
        LANE_TEST(lanes_are_found_among_very_many),
        LANE_TEST(a_batch_starts_when_it_is_full),
        LANE_TEST(or_when_its_oldest_has_lingered),
        LANE_TEST(who_joins_uses_the_rate_but_not_the_concurrency),
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
        LANE_TEST(very_many_debts_are_bounded_and_the_largest_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
