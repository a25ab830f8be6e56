/* test_slew.c - another machine's clock is known as well as its answers allow, and followed in no step. */
#include "base/slew.h"

#include "chance.h"
#include "test.h"

#include <stdlib.h>

enum { ROUNDS = 2000, ANSWERS = 40, SLOWEST_US = 9000000, US = 1000 };

#define AHEAD_US INT64_C(86400000000)

/* --- what its answers say --- */

/* Asks it; returns how long the answer took, in ms. */
static int64_t ask(struct slew_source *s, struct chance *c, int64_t *now_us, int64_t ahead_us) {
    int64_t asked_ms = (*now_us += (int64_t)chance_next(c, SLOWEST_US)) / US;
    int64_t longest_us = chance_next(c, 2) == 0 ? SLOWEST_US : US;
    *now_us += (int64_t)chance_next(c, (uint64_t)longest_us);
    int64_t shown_ms = (*now_us + ahead_us) / US;
    int64_t answered_ms = (*now_us += (int64_t)chance_next(c, (uint64_t)longest_us)) / US;
    slew_answer(s, asked_ms, answered_ms, shown_ms);
    return answered_ms - asked_ms;
}

static void no_answer_makes_it_less_known_than_the_shortest_one_did(void **state) {
    struct chance c = chance_of_run();
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct slew_source s = {.known = false};
        int64_t ahead_us = (int64_t)chance_next(&c, AHEAD_US);
        int64_t now_us = AHEAD_US;
        int64_t shortest_ms = INT64_MAX;
        for (int i = 0; i < ANSWERS; i++) {
            int64_t took_ms = ask(&s, &c, &now_us, ahead_us);
            shortest_ms = took_ms < shortest_ms ? took_ms : shortest_ms;
            assert_true(s.known);
            assert_in_range(llabs(s.ahead_ms - ahead_us / US), 0, shortest_ms + 2);
        }
    }
}

static void the_first_answer_is_taken_to_be_from_the_middle_of_its_way(void **state) {
    struct slew_source s = {.known = false};
    (void)state;
    slew_answer(&s, 1000, 1600, 9300);
    assert_int_equal(s.ahead_ms, 8000);
}

static void what_an_answer_does_not_prove_wrong_stays(void **state) {
    struct slew_source s = {.known = true, .ahead_ms = 8000};
    (void)state;
    slew_answer(&s, 2000, 7000, 12000); /* 5000 to 10000 */
    assert_int_equal(s.ahead_ms, 8000);
    slew_answer(&s, 9000, 9001, 17002);
    assert_int_equal(s.ahead_ms, 8000);
}

static void a_clock_that_is_set_is_known_from_its_next_answer(void **state) {
    struct slew_source s = {.known = true, .ahead_ms = 8000};
    (void)state;
    slew_answer(&s, 2000, 2001, 2000 - 60000);
    assert_in_range(llabs(s.ahead_ms + 60000), 0, 2);
}

static void how_far_the_machine_is_off_is_told_once_it_is_known(void **state) {
    struct slew_source s = {.known = false};
    const struct clock_reading now = {.wall_ms = 9000, .boottime_ms = 2000};
    (void)state;
    assert_int_equal(slew_apart_ms(&s, &now), 0);
    slew_answer(&s, 1000, 1000, 9000);
    assert_int_equal(slew_apart_ms(&s, &now), -1000);
}

/* --- getting there --- */

/* Readings at any distance, of a clock whose goal changes at any time. */
static void it_never_goes_back_nor_leaves_its_bounds(void **state) {
    struct chance c = chance_of_run();
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct slew s;
        int64_t begin_ms = (int64_t)chance_next(&c, 1000000);
        int64_t now_ms = begin_ms;
        int64_t to_ms = 0;
        int64_t ahead_ms = 0;
        slew_begin(&s, now_ms, 0);
        for (int i = 0; i < ANSWERS; i++) {
            int64_t passed_ms = (int64_t)chance_next(&c, chance_next(&c, 2) == 0 ? 3 : 100000);
            to_ms = chance_next(&c, 3) == 0 ? (int64_t)chance_next(&c, 20000) - 10000 : to_ms;
            now_ms += passed_ms;
            int64_t next_ms = slew_ahead_ms(&s, now_ms, to_ms);
            assert_true(passed_ms + next_ms - ahead_ms >= 0);
            assert_in_range(llabs(next_ms - ahead_ms), 0, passed_ms / SLEW_PART + 1);
            assert_in_range(llabs(next_ms), 0, (now_ms - begin_ms) / SLEW_PART);
            ahead_ms = next_ms;
        }
    }
}

static void it_gets_there_however_often_it_is_read_and_stays(void **state) {
    static const int64_t goals[] = {1, -1, 1000, -1000};
    (void)state;
    for (size_t i = 0; i < sizeof goals / sizeof *goals; i++) {
        struct slew s;
        int64_t takes_ms = llabs(goals[i]) * SLEW_PART;
        slew_begin(&s, 0, 0);
        assert_int_equal(slew_ahead_ms(&s, 0, goals[i]), 0);
        for (int64_t now_ms = 1; now_ms < takes_ms; now_ms++) {
            assert_true(slew_ahead_ms(&s, now_ms, goals[i]) != goals[i]);
        }
        assert_int_equal(slew_ahead_ms(&s, takes_ms, goals[i]), goals[i]);
        assert_int_equal(slew_ahead_ms(&s, takes_ms * 100, goals[i]), goals[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_answer_makes_it_less_known_than_the_shortest_one_did),
        cmocka_unit_test(the_first_answer_is_taken_to_be_from_the_middle_of_its_way),
        cmocka_unit_test(what_an_answer_does_not_prove_wrong_stays),
        cmocka_unit_test(a_clock_that_is_set_is_known_from_its_next_answer),
        cmocka_unit_test(how_far_the_machine_is_off_is_told_once_it_is_known),
        cmocka_unit_test(it_never_goes_back_nor_leaves_its_bounds),
        cmocka_unit_test(it_gets_there_however_often_it_is_read_and_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
