/*
 * test_lane_priority.c - engine/ring.c and tenant.c: what is urgent goes first, and nothing starves.
 */
#include "chance.h"
#include "lane_world.h"
#include "test.h"

#include "base/blocks.h"
#include "base/limits.h"

enum { FAIR = 50, MANY = 1000 };

/* An event, waiting since T0, with its own lane unless `hash` is that of another one. */
static void push(struct lanes *lanes, uint64_t hash, uint64_t seq, uint8_t priority,
                 struct lane_flows flows) {
    lane_world_push_ranked(lanes, 0, hash, seq, (uint8_t)(1 + priority), flows);
}

static void push_alone(struct lanes *lanes, uint64_t seq, uint8_t priority) {
    push(lanes, seq, seq, priority, (struct lane_flows){.tenant = FLOW_LEVELS + priority});
}

/* The waiting event `seq` of the lane. */
static void withdraw(struct lanes *lanes, uint64_t hash, uint64_t seq) {
    struct lane_item *item;
    TAILQ_FOREACH(item, &lanes_find(lanes, 0, hash)->items, link) {
        if (item->seq == seq) {
            break;
        }
    }
    assert_non_null(item);
    lanes_withdraw(lanes, item);
    blocks_give(item, sizeof *item);
}

static void expect_runs(struct lanes *lanes, int64_t now_ms, const uint64_t *seqs, size_t count) {
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(lane_world_run_one(lanes, now_ms), seqs[i]);
    }
    assert_int_equal(lane_world_run_one(lanes, now_ms), 0);
}

#define EXPECT_RUNS(lanes, now_ms, ...)                                                            \
    expect_runs(lanes, now_ms, (const uint64_t[]){__VA_ARGS__},                                    \
                sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void the_highest_priority_goes_first_and_equal_ones_in_order_of_arrival(void **state) {
    static const uint8_t priorities[] = {0, 4, 9, 4, 7, 9};
    for (uint64_t i = 0; i < 6; i++) {
        push_alone(*state, i + 1, priorities[i]);
    }
    EXPECT_RUNS(*state, T0, 3, 6, 5, 2, 4, 1);
}

static void an_event_without_a_priority_counts_as_4(void **state) {
    lane_world_push(*state, 0, 1, 1);
    push_alone(*state, 2, 3);
    push_alone(*state, 3, 5);
    push_alone(*state, 4, 4);
    EXPECT_RUNS(*state, T0, 3, 1, 4, 2);
}

static void while_none_has_waited_for_long_nothing_less_urgent_runs(void **state) {
    push_alone(*state, MANY, 0);
    for (uint64_t seq = 1; seq < MANY; seq++) {
        push_alone(*state, seq, 9);
        assert_int_equal(lane_world_run_one(*state, T0 + PRIORITY_WAIT_MS - 1), seq);
    }
}

/* Runs while an urgent event is always there; how many of those run before the event `seq`. */
static uint64_t urgent_before(struct lanes *lanes, int64_t now_ms, uint64_t seq) {
    static uint64_t next = 1000000;
    for (uint64_t urgent = 0;; urgent++) {
        push_alone(lanes, ++next, 9);
        if (lane_world_run_one(lanes, now_ms) == seq) {
            return urgent;
        }
        assert_true(urgent < MANY);
    }
}

static void every_tenth_start_is_for_those_that_have_waited_too_long(void **state) {
    push_alone(*state, 1, 0);
    push_alone(*state, 2, 0);
    push_alone(*state, 3, 0);
    assert_int_equal(urgent_before(*state, T0 + PRIORITY_WAIT_MS, 1), PRIORITY_STARTS - 1);
    assert_int_equal(urgent_before(*state, T0 + PRIORITY_WAIT_MS, 2), PRIORITY_STARTS - 1);
    assert_int_equal(urgent_before(*state, T0 + PRIORITY_WAIT_MS, 3), PRIORITY_STARTS - 1);
}

static void no_priority_starves(void **state) {
    for (uint8_t priority = 0; priority < PRIORITIES; priority++) {
        for (uint64_t i = 0; i < MANY; i++) {
            push_alone(*state, 1 + i + (uint64_t)MANY * priority, priority);
        }
    }
    size_t starts[PRIORITIES] = {0};
    const size_t round = (size_t)PRIORITIES * PRIORITY_STARTS;
    for (size_t i = 0; i < 5 * round; i++) {
        starts[(lane_world_run_one(*state, T0 + PRIORITY_WAIT_MS) - 1) / MANY]++;
        for (size_t priority = 0; (i + 1) % round == 0 && priority < PRIORITIES; priority++) {
            assert_true(starts[priority] >= (i + 1) / round);
        }
    }
    assert_true(starts[9] >= 5 * round * 9 / 10);
}

static void a_key_ranks_as_its_most_urgent_event_and_keeps_its_order(void **state) {
    const struct lane_flows none = {.key = 0};
    push(*state, 1, 1, 0, none);
    push(*state, 2, 2, 4, none);
    push(*state, 1, 3, 9, none);
    push(*state, 1, 4, 0, none);
    EXPECT_RUNS(*state, T0, 1, 3, 2, 4);
}

static void a_key_whose_urgent_event_was_withdrawn_is_passed_again(void **state) {
    const struct lane_flows none = {.key = 0};
    push(*state, 1, 1, 0, none);
    push(*state, 2, 2, 4, none);
    push(*state, 1, 3, 9, none);
    push(*state, 3, 4, 7, (struct lane_flows){.tenant = FAIR});
    push(*state, 4, 5, 2, (struct lane_flows){.tenant = FAIR});
    push(*state, 3, 6, 1, (struct lane_flows){.tenant = FAIR});
    withdraw(*state, 1, 3);
    withdraw(*state, 3, 4);
    EXPECT_RUNS(*state, T0, 2, 5, 6, 1);
}

static void a_key_ranks_as_its_most_urgent_event_on_disk_until_that_is_here(void **state) {
    const struct lane_flows none = {.key = 0};
    push(*state, 1, 1, 0, none);
    push(*state, 2, 2, 4, none);
    push(*state, 1, 3, 0, none);
    struct lane *lane = lanes_find(*state, 0, 1);
    lanes_note_behind(*state, lane, 1 + 9, 10);
    lanes_note_behind(*state, lane, 1 + 5, 11);
    assert_int_equal(lane_world_run_one(*state, T0), 1);
    assert_int_equal(lane_world_run_one(*state, T0), 3);
    push(*state, 1, 10, 9, none);
    push(*state, 1, 12, 0, none);
    EXPECT_RUNS(*state, T0, 10, 2, 12);
}

static void within_a_priority_tenants_take_turns(void **state) {
    for (uint64_t seq = 1; seq <= 3; seq++) {
        push(*state, seq, seq, 4, (struct lane_flows){.tenant = FAIR});
    }
    push(*state, 4, 4, 4, (struct lane_flows){.tenant = FAIR + 1});
    push(*state, 5, 5, 9, (struct lane_flows){.tenant = FAIR + 2});
    EXPECT_RUNS(*state, T0, 5, 1, 4, 2, 3);
}

/* Key 7 has a lane ahead, at the limit of one at a time. */
static void of_a_key_without_order_the_urgent_event_takes_the_place_of_the_other(void **state) {
    lanes_limit_keys(*state, 0, 1, 0, 0);
    push(*state, 1, 1, 4, (struct lane_flows){.key = 7, .tenant = 7});
    push(*state, 2, 2, 0, (struct lane_flows){.key = 7, .tenant = FAIR});
    push(*state, 3, 3, 4, (struct lane_flows){.key = 7, .tenant = 7});
    push(*state, 4, 4, 9, (struct lane_flows){.key = 7, .tenant = FAIR + 1});
    push(*state, 5, 5, 5, (struct lane_flows){.key = 8, .tenant = 8});
    EXPECT_RUNS(*state, T0, 4, 5, 1, 3, 2);
}

/* The key's events come faster than they run. */
static void of_a_key_without_order_no_priority_starves_either(void **state) {
    lanes_limit_keys(*state, 0, 1, 0, 0);
    push(*state, 1, 1, 0, (struct lane_flows){.key = 7, .tenant = FAIR});
    push(*state, 2, 2, 4, (struct lane_flows){.key = 7, .tenant = 7});
    size_t left = 2;
    for (uint64_t seq = 3; left > 0; seq++) {
        assert_true(seq < 5 * PRIORITY_STARTS);
        push(*state, seq, seq, 9, (struct lane_flows){.key = 7, .tenant = FAIR + 1});
        left -= lane_world_run_one(*state, T0 + PRIORITY_WAIT_MS) <= 2 ? 1 : 0;
    }
}

static void what_waits_is_counted_by_priority(void **state) {
    push_alone(*state, 1, 9);
    push_alone(*state, 2, 9);
    push_alone(*state, 3, 0);
    assert_int_equal(lanes_of_priority(*state, 0, 9), 2);
    (void)lane_world_run_one(*state, T0);
    assert_int_equal(lanes_of_priority(*state, 0, 9), 1);
    assert_int_equal(lanes_of_priority(*state, 0, 0), 1);
    assert_int_equal(lanes_tenants(*state, 0), 0);
}

static void lower_priorities_take_no_room_in_memory_from_higher_ones(void **state) {
    struct lanes *lanes = *state;
    uint64_t seq = 0;
    while (seq < SERVICE_WINDOW_MAX) {
        push_alone(lanes, ++seq, 4);
    }
    assert_int_equal(lanes_room(lanes, 0, (struct lane_flows){.tenant = FAIR, .priority = 4}), 0);
    assert_int_equal(lanes_room(lanes, 0, (struct lane_flows){.tenant = FAIR, .priority = 3}), 0);
    assert_true(lanes_room(lanes, 0, (struct lane_flows){.tenant = FAIR, .priority = 5}) > 0);
}

/* The lanes of a priority do not pay for each other. */
static void an_expensive_key_does_not_hold_up_others_of_its_priority(void **state) {
    struct lanes *lanes = *state;
    push_alone(lanes, 1, 9);
    assert_int_equal(lane_world_run_one(lanes, T0), 1);
    lanes_owe(lanes, 0, 1, 100 * LANE_QUANTUM_US);
    lanes_spent(lanes, 0, 100 * LANE_QUANTUM_US, T0 + 500);
    push(lanes, 1, 2, 9, (struct lane_flows){.tenant = FLOW_LEVELS + 9});
    push_alone(lanes, 3, 9);
    push_alone(lanes, 4, 4);
    EXPECT_RUNS(lanes, T0 + 10000, 3, 4, 2);
}

static void what_is_withdrawn_is_counted_no_more(void **state) {
    struct lanes *lanes = *state;
    push(lanes, 1, 1, 9, (struct lane_flows){.tenant = FAIR});
    push(lanes, 1, 2, 9, (struct lane_flows){.tenant = FAIR});
    struct lane *lane = lanes_find(lanes, 0, 1);
    struct lane_item *item = TAILQ_LAST(&lane->items, lane_items);
    lanes_withdraw(lanes, item);
    blocks_give(item, sizeof *item);
    assert_int_equal(lanes_of_priority(lanes, 0, 9), 1);
}

/* A few events of few keys and tenants, of any priority, and some runs between them. */
static void push_some(struct lanes *lanes, struct chance *chance, uint64_t seq, int64_t now_ms) {
    for (uint64_t count = 1 + chance_next(chance, 30); count > 0; count--) {
        uint8_t priority = (uint8_t)(4 + 5 * chance_next(chance, 2));
        struct lane_flows flows = {.key = 7 + chance_next(chance, 3),
                                   .tenant = FAIR + 10 * chance_next(chance, 2) + priority,
                                   .priority = priority};
        push(lanes, seq + count, seq + count, priority, flows);
        if (chance_next(chance, 3) == 0) {
            (void)lane_world_run_one(lanes, now_ms);
        }
    }
}

static void nothing_is_left_behind_whatever_comes(void **state) {
    struct chance chance = chance_of_run();
    struct lanes *lanes = *state;
    lanes_limit_keys(lanes, 0, 1, 0, 0);
    for (uint64_t round = 0; round < 20000; round++) {
        int64_t now_ms = T0 + PRIORITY_WAIT_MS * (int64_t)(round % 2);
        push_some(lanes, &chance, 100 * round, now_ms);
        while (lane_world_run_one(lanes, now_ms) != 0) {
        }
        assert_int_equal(lanes_waiting(lanes, 0), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        LANE_TEST(the_highest_priority_goes_first_and_equal_ones_in_order_of_arrival),
        LANE_TEST(an_event_without_a_priority_counts_as_4),
        LANE_TEST(while_none_has_waited_for_long_nothing_less_urgent_runs),
        LANE_TEST(every_tenth_start_is_for_those_that_have_waited_too_long),
        LANE_TEST(no_priority_starves),
        LANE_TEST(a_key_ranks_as_its_most_urgent_event_and_keeps_its_order),
        LANE_TEST(a_key_whose_urgent_event_was_withdrawn_is_passed_again),
        LANE_TEST(a_key_ranks_as_its_most_urgent_event_on_disk_until_that_is_here),
        LANE_TEST(within_a_priority_tenants_take_turns),
        LANE_TEST(of_a_key_without_order_the_urgent_event_takes_the_place_of_the_other),
        LANE_TEST(of_a_key_without_order_no_priority_starves_either),
        LANE_TEST(what_waits_is_counted_by_priority),
        LANE_TEST(lower_priorities_take_no_room_in_memory_from_higher_ones),
        LANE_TEST(an_expensive_key_does_not_hold_up_others_of_its_priority),
        LANE_TEST(what_is_withdrawn_is_counted_no_more),
        LANE_TEST(nothing_is_left_behind_whatever_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
