/* test_metrics.c - rates of the last minute, latency quantiles. */
#include "engine/metrics.h"

#include "test.h"

#include <string.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND };
static const int64_t T0 = 1700000000000;

static struct metrics_summary summary(struct metrics *m, int64_t now_ms) {
    struct metrics_summary s;
    metrics_summarise(m, now_ms, &s);
    return s;
}

static void metrics_begin_at_zero(void **state) {
    (void)state;
    struct metrics m = {0};
    struct metrics_summary s = summary(&m, T0);
    assert_int_equal(s.done_1min, 0);
    assert_int_equal(s.failures_1min, 0);
    assert_true(s.failure_rate == 0);
    assert_int_equal(s.p50_us, 0);
    assert_int_equal(s.p99_us, 0);
}

static void metrics_count_the_last_minute(void **state) {
    (void)state;
    struct metrics m = {0};
    for (int64_t i = 0; i < 120; i++) {
        metrics_done(&m, T0 + i * SECOND, 10);
        metrics_failed(&m, T0 + i * SECOND);
        metrics_done(&m, T0 + i * SECOND, 10);
    }
    struct metrics_summary s = summary(&m, T0 + 119 * SECOND);
    assert_int_equal(s.done_1min, 120);
    assert_int_equal(s.failures_1min, 60);
    assert_true(s.failure_rate > 0.333 && s.failure_rate < 0.334);
}

static void metrics_forget_what_is_older_than_a_minute(void **state) {
    (void)state;
    struct metrics m = {0};
    metrics_done(&m, T0, 10);
    assert_int_equal(summary(&m, T0 + 59 * SECOND).done_1min, 1);
    assert_int_equal(summary(&m, T0 + 60 * SECOND).done_1min, 0);
    metrics_failed(&m, T0 + 60 * SECOND);
    assert_int_equal(summary(&m, T0 + 600 * SECOND).failures_1min, 0);
}

static void metrics_survive_a_clock_that_is_set_back(void **state) {
    (void)state;
    struct metrics m = {0};
    metrics_done(&m, T0, 10);
    metrics_done(&m, T0 - 30 * MINUTE, 10);
    assert_int_equal(summary(&m, T0 - 30 * MINUTE).done_1min, 2);
}

/* A quantile is the middle of its bucket: within an eighth of the truth. */
static void assert_near(int64_t us, int64_t truth) {
    assert_true(us >= truth - truth / 8 - 1 && us <= truth + truth / 8 + 1);
}

static void metrics_quantiles_are_near_the_truth(void **state) {
    (void)state;
    struct metrics m = {0};
    for (int64_t us = 1; us <= 10000; us++) {
        metrics_done(&m, T0, us);
    }
    assert_near(summary(&m, T0).p50_us, 5000);
    assert_near(summary(&m, T0).p99_us, 9900);
}

static void metrics_measure_any_latency(void **state) {
    (void)state;
    static const int64_t latencies[] = {0, 1, 3, 4, 5, 7, 8, 1000, 999999, 3600000000};
    for (size_t i = 0; i < sizeof latencies / sizeof *latencies; i++) {
        struct metrics m = {0};
        metrics_done(&m, T0, latencies[i]);
        assert_near(summary(&m, T0).p50_us, latencies[i]);
    }
    struct metrics m = {0};
    metrics_done(&m, T0, -5);
    metrics_done(&m, T0, INT64_MAX);
    assert_true(summary(&m, T0).p50_us == 0);
}

static void metrics_quantiles_forget_after_two_minutes(void **state) {
    (void)state;
    struct metrics m = {0};
    int64_t minute = T0 / MINUTE * MINUTE;
    metrics_done(&m, minute, 1000);
    assert_near(summary(&m, minute + MINUTE).p50_us, 1000);
    metrics_done(&m, minute + MINUTE, 2000000);
    assert_near(summary(&m, minute + MINUTE).p99_us, 1000);
    metrics_done(&m, minute + 2 * MINUTE, 2000000);
    assert_near(summary(&m, minute + 2 * MINUTE).p50_us, 2000000);
    assert_int_equal(summary(&m, minute + 9 * MINUTE).p50_us, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_begin_at_zero),
        cmocka_unit_test(metrics_count_the_last_minute),
        cmocka_unit_test(metrics_forget_what_is_older_than_a_minute),
        cmocka_unit_test(metrics_survive_a_clock_that_is_set_back),
        cmocka_unit_test(metrics_quantiles_are_near_the_truth),
        cmocka_unit_test(metrics_measure_any_latency),
        cmocka_unit_test(metrics_quantiles_forget_after_two_minutes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
