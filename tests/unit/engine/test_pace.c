/* test_pace.c - how fast a service may start events. */
#include "engine/pace.h"

#include "test.h"

#include "base/limits.h"

enum { NOW = 1000000 };

static size_t starts_at_once(struct pace *p, int64_t now_ms) {
    size_t count = 0;
    while (count < 1000 && pace_held_until(p, now_ms) == 0) {
        (void)pace_started(p);
        count++;
    }
    return count;
}

static void a_bucket_that_starts_again_is_as_full_as_it_was(void **state) {
    struct pace p = {0};
    struct pace again = {0};
    (void)state;
    pace_limit(&p, 1.0 / 60); /* one a minute */
    pace_resume(&p, 0, NOW, 1);
    assert_int_equal(starts_at_once(&p, NOW), 1);
    assert_int_equal(pace_full_ms(&p), NOW + 60000);
    pace_limit(&again, 1.0 / 60);
    pace_resume(&again, pace_full_ms(&p), NOW + 20000, 1);
    assert_int_equal(starts_at_once(&again, NOW + 20000), 0);
    assert_in_range(pace_held_until(&again, NOW + 20000), NOW + 60000, NOW + 60010);
    assert_int_equal(starts_at_once(&again, NOW + 60010), 1);
}

static void a_bucket_that_was_full_long_ago_is_full(void **state) {
    struct pace p = {0};
    (void)state;
    pace_limit(&p, 50);
    pace_resume(&p, NOW - 1, NOW, 1);
    assert_int_equal(starts_at_once(&p, NOW), 5);
    assert_int_equal(pace_full_ms(&p), NOW + 100);
}

static void another_rate_does_not_wait_for_the_old_one(void **state) {
    struct pace p = {0};
    (void)state;
    pace_limit(&p, 100);
    pace_resume(&p, NOW + 3600000, NOW, 1); /* it was one an hour */
    assert_in_range(pace_held_until(&p, NOW), NOW, NOW + 30);
}

static void a_throttle_ends_with_one_and_doubles(void **state) {
    struct pace p = {0};
    (void)state;
    pace_throttle(&p, NOW);
    assert_int_equal(pace_held_until(&p, NOW - 1), NOW);
    for (size_t round = 1; round <= 64; round *= 2) {
        assert_int_equal(starts_at_once(&p, NOW), round);
        for (size_t i = 0; i < round; i++) {
            pace_ended(&p, 1, 0);
        }
    }
}

static void a_ramp_ends_at_the_services_own_limit(void **state) {
    struct pace p = {0};
    (void)state;
    pace_throttle(&p, NOW);
    for (int i = 0; i < 3; i++) {
        pace_ended(&p, pace_started(&p), 4);
    }
    assert_int_equal(starts_at_once(&p, NOW), 1000);
}

static void what_ran_before_a_throttle_does_not_speed_up_its_end(void **state) {
    struct pace p = {0};
    (void)state;
    assert_int_equal(starts_at_once(&p, NOW), 1000);
    pace_throttle(&p, NOW);
    for (int i = 0; i < 500; i++) {
        pace_ended(&p, 0, 0);
    }
    assert_int_equal(starts_at_once(&p, NOW), 1); /* nor do those that still run delay it */
    for (int i = 0; i < 500; i++) {
        pace_ended(&p, 0, 0);
    }
    assert_int_equal(starts_at_once(&p, NOW), 0);
}

static void a_second_throttle_begins_again(void **state) {
    struct pace p = {0};
    (void)state;
    pace_throttle(&p, NOW);
    for (int i = 0; i < 20; i++) {
        pace_ended(&p, pace_started(&p), 0);
    }
    pace_throttle(&p, NOW + 10);
    assert_int_equal(starts_at_once(&p, NOW + 10), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_that_starts_again_is_as_full_as_it_was),
        cmocka_unit_test(a_bucket_that_was_full_long_ago_is_full),
        cmocka_unit_test(another_rate_does_not_wait_for_the_old_one),
        cmocka_unit_test(a_throttle_ends_with_one_and_doubles),
        cmocka_unit_test(a_ramp_ends_at_the_services_own_limit),
        cmocka_unit_test(what_ran_before_a_throttle_does_not_speed_up_its_end),
        cmocka_unit_test(a_second_throttle_begins_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
