/* test_clock.c - engine time over restarts and boots, and how it is shown. */
#include "base/clock.h"

#include "test.h"

enum { T0 = 1000000, BOOT = 5000 };

static struct clock_reading reading(uint8_t boot, int64_t wall_ms, int64_t boottime_ms) {
    return (struct clock_reading){
        .wall_ms = wall_ms, .boottime_ms = boottime_ms, .boot = {.id = {boot}}};
}

static struct clock_mark mark(void) {
    return (struct clock_mark){.engine_ms = T0, .at = reading(1, T0, BOOT)};
}

static void within_a_boot_engine_time_goes_on_whatever_the_wall_clock_shows(void **state) {
    (void)state;
    static const int64_t walls[] = {-5, 0, T0 - 1, T0 + 70, 9 * T0};
    struct clock_mark m = mark();
    for (size_t i = 0; i < sizeof walls / sizeof *walls; i++) {
        struct clock_reading now = reading(1, walls[i], BOOT + 70);
        assert_int_equal(clock_resume(&m, &now), T0 + 70);
    }
}

static void elsewhere_it_begins_at_the_wall_clock_but_never_before_the_last_commit(void **state) {
    (void)state;
    struct clock_mark m = mark();
    struct clock_reading another_boot = reading(2, T0 + 900, BOOT + 70);
    struct clock_reading behind = reading(2, T0 - 900, BOOT + 70);
    struct clock_reading younger = reading(1, T0 + 900, BOOT - 1);
    struct clock_reading container = reading(1, T0 + 900, BOOT + 70);
    container.boot.time_namespace = 7;
    assert_int_equal(clock_resume(&m, &another_boot), T0 + 900);
    assert_int_equal(clock_resume(&m, &behind), T0);
    assert_int_equal(clock_resume(&m, &younger), T0 + 900);
    assert_int_equal(clock_resume(&m, &container), T0 + 900);
}

static void
with_a_clock_that_hosts_share_it_begins_there_but_never_before_its_own_time(void **state) {
    (void)state;
    struct clock_mark m = mark();
    struct clock_reading ahead = reading(1, T0 + 900, BOOT + 70);
    struct clock_reading behind = reading(1, T0 - 900, BOOT + 70);
    struct clock_reading elsewhere = reading(2, T0 - 900, BOOT + 70);
    ahead.shared = behind.shared = elsewhere.shared = true;
    assert_int_equal(clock_resume(&m, &ahead), T0 + 900);
    assert_int_equal(clock_resume(&m, &behind), T0 + 70);
    assert_int_equal(clock_resume(&m, &elsewhere), T0);
}

static void a_boot_that_nobody_knows_is_no_boot_to_go_on_in(void **state) {
    (void)state;
    struct clock_mark m = {.engine_ms = T0, .at = reading(0, T0, BOOT)};
    struct clock_reading now = reading(0, T0 + 900, BOOT + 70);
    assert_int_equal(clock_resume(&m, &now), T0 + 900);
}

static void it_is_above_zero_even_where_the_clock_stands_before_1970(void **state) {
    (void)state;
    struct clock_mark none = {.engine_ms = 0};
    struct clock_reading now = reading(1, -5000, 3);
    assert_int_equal(clock_resume(&none, &now), 1);
}

static void times_are_shown_by_the_wall_clock(void **state) {
    (void)state;
    assert_int_equal(clock_to_wall(T0), T0);
    clock_show_ahead(-3600000);
    assert_int_equal(clock_to_wall(T0), T0 - 3600000);
    assert_int_equal(clock_to_engine(clock_to_wall(T0)), T0);
    clock_show_ahead(-3599981); /* a moment is shown as the same for all that */
    assert_int_equal(clock_to_wall(T0), T0 - 3600000);
    assert_int_equal(clock_to_wall(0), 0);
    assert_int_equal(clock_to_engine(0), 0);
    assert_true(clock_to_wall(INT64_MAX) == INT64_MAX);
    assert_true(clock_to_engine(INT64_MAX) == INT64_MAX);
    clock_show_ahead(0);
    assert_int_equal(clock_to_wall(T0), T0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(within_a_boot_engine_time_goes_on_whatever_the_wall_clock_shows),
        cmocka_unit_test(elsewhere_it_begins_at_the_wall_clock_but_never_before_the_last_commit),
        cmocka_unit_test(
            with_a_clock_that_hosts_share_it_begins_there_but_never_before_its_own_time),
        cmocka_unit_test(a_boot_that_nobody_knows_is_no_boot_to_go_on_in),
        cmocka_unit_test(it_is_above_zero_even_where_the_clock_stands_before_1970),
        cmocka_unit_test(times_are_shown_by_the_wall_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
