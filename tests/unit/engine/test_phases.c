/* test_phases.c - where the time of the last seconds went. */
#include "engine/phases.h"

#include "test.h"

#include <stddef.h>

enum { MS = 1000, SECOND = 1000 * MS };
static const int64_t T0 = 5000 * (int64_t)SECOND;

static struct phases_second sum(const struct phases *p) {
    struct phases_second s;
    phases_sum(p, &s);
    return s;
}

static int64_t all_us(const struct phases_second *s) {
    int64_t us = 0;
    for (size_t i = 0; i < PHASES; i++) {
        us += s->us[i];
    }
    return us;
}

static void time_belongs_to_the_phase_that_ends(void **state) {
    (void)state;
    struct phases p = {.now = PHASE_OTHER};
    phases_enter(&p, T0, 0, PHASE_COLLECT);
    phases_enter(&p, T0 + 3 * MS, 0, PHASE_DECIDE);
    phases_enter(&p, T0 + 10 * MS, 0, PHASE_COMMIT);
    phases_enter(&p, T0 + 12 * MS, 0, PHASE_DECIDE);
    phases_enter(&p, T0 + 13 * MS, 0, PHASE_OTHER);
    struct phases_second s = sum(&p);
    assert_int_equal(s.us[PHASE_COLLECT], 3 * MS);
    assert_int_equal(s.us[PHASE_DECIDE], 8 * MS);
    assert_int_equal(s.longest_us[PHASE_DECIDE], 7 * MS);
    assert_int_equal(s.us[PHASE_COMMIT], 2 * MS);
    assert_int_equal(all_us(&s), 13 * MS);
}

static void what_the_loop_slept_in_a_phase_is_idle(void **state) {
    (void)state;
    struct phases p = {.now = PHASE_OTHER};
    phases_enter(&p, T0, 70 * MS, PHASE_OTHER); /* it slept before the watch began */
    phases_enter(&p, T0 + 10 * MS, 76 * MS, PHASE_COLLECT);
    struct phases_second s = sum(&p);
    assert_int_equal(s.us[PHASE_IDLE], 6 * MS);
    assert_int_equal(s.us[PHASE_OTHER], 4 * MS);
}

static void only_the_last_seconds_count(void **state) {
    (void)state;
    struct phases p = {.now = PHASE_OTHER};
    phases_enter(&p, T0, 0, PHASE_COMMIT);
    phases_enter(&p, T0 + 500 * MS, 0, PHASE_OTHER);
    phases_count(&p, COUNT_EVENTS, 7);
    phases_queue(&p, QUEUE_OUTBOX, 5);
    phases_queue(&p, QUEUE_OUTBOX, 3);
    phases_enter(&p, T0 + PHASES_SECONDS * SECOND - 1, 0, PHASE_OTHER);
    struct phases_second s = sum(&p);
    assert_int_equal(s.us[PHASE_COMMIT], 500 * MS);
    assert_int_equal(s.counts[COUNT_EVENTS], 7);
    assert_int_equal(s.most[QUEUE_OUTBOX], 5);
    phases_enter(&p, T0 + PHASES_SECONDS * SECOND + 1, 0, PHASE_OTHER);
    s = sum(&p);
    assert_int_equal(s.us[PHASE_COMMIT], 0);
    assert_int_equal(s.counts[COUNT_EVENTS], 0);
    assert_int_equal(s.most[QUEUE_OUTBOX], 0);
    assert_int_equal(p.total_us[PHASE_COMMIT], 500 * MS);
}

static void a_stay_longer_than_the_window_fills_it(void **state) {
    (void)state;
    struct phases p = {.now = PHASE_OTHER};
    int64_t end_us = T0 + 60 * (int64_t)SECOND + 250 * MS;
    phases_enter(&p, T0, 0, PHASE_DECIDE);
    phases_enter(&p, end_us, 0, PHASE_OTHER);
    struct phases_second s = sum(&p);
    assert_int_equal(s.us[PHASE_DECIDE], (PHASES_SECONDS - 1) * SECOND + 250 * MS);
    assert_int_equal(all_us(&s), s.us[PHASE_DECIDE]);
    assert_int_equal(s.longest_us[PHASE_DECIDE], 60 * SECOND + 250 * MS);
    assert_int_equal(p.total_us[PHASE_DECIDE], 60 * SECOND + 250 * MS);
}

static void a_stay_is_divided_where_a_second_ends(void **state) {
    (void)state;
    struct phases p = {.now = PHASE_OTHER};
    phases_enter(&p, T0 + 900 * MS, 0, PHASE_SEND);
    phases_enter(&p, T0 + 1200 * MS, 0, PHASE_OTHER);
    phases_enter(&p, T0 + PHASES_SECONDS * SECOND + 100 * MS, 0, PHASE_OTHER);
    struct phases_second s = sum(&p); /* the first of the two seconds is over */
    assert_int_equal(s.us[PHASE_SEND], 200 * MS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_belongs_to_the_phase_that_ends),
        cmocka_unit_test(what_the_loop_slept_in_a_phase_is_idle),
        cmocka_unit_test(only_the_last_seconds_count),
        cmocka_unit_test(a_stay_longer_than_the_window_fills_it),
        cmocka_unit_test(a_stay_is_divided_where_a_second_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
