/* test_host_loss.c - a connection that comes and goes fills no log. */
#include "host/loss.h"

#include "test.h"

enum { LOST, REFUSED };

static void a_loss_is_said_once_a_minute_with_the_number_of_the_others(void **state) {
    (void)state;
    struct host_loss l = {0};
    size_t unsaid = 0;
    size_t lines = 0;
    for (uint64_t ms = 1; ms <= 180001; ms += 100) {
        if (host_loss_down(&l, LOST, ms, &unsaid)) {
            assert_int_equal(unsaid, lines == 0 ? 0 : 599);
            lines++;
        }
        (void)host_loss_up(&l, ms); /* that it stood in between makes no line of the next */
    }
    assert_int_equal(lines, 4);
}

static void another_kind_of_loss_has_its_own_minute(void **state) {
    (void)state;
    struct host_loss l = {0};
    size_t unsaid = 0;
    assert_true(host_loss_down(&l, LOST, 1, &unsaid));
    assert_false(host_loss_down(&l, LOST, 2, &unsaid));
    assert_true(host_loss_down(&l, REFUSED, 3, &unsaid));
    assert_int_equal(unsaid, 1);
    assert_false(host_loss_down(&l, REFUSED, 4, &unsaid));
}

static void that_it_stands_again_is_said_when_the_loss_was(void **state) {
    (void)state;
    struct host_loss l = {0};
    size_t unsaid = 0;
    assert_true(host_loss_up(&l, 1)); /* for the first time */
    assert_true(host_loss_down(&l, LOST, 2, &unsaid));
    assert_true(host_loss_up(&l, 3));
    assert_false(host_loss_down(&l, LOST, 500, &unsaid));
    assert_false(host_loss_up(&l, 900));
    assert_false(host_loss_down(&l, LOST, 901, &unsaid));
    assert_true(host_loss_down(&l, LOST, 70000, &unsaid)); /* still down */
    assert_true(host_loss_up(&l, 70001));
}

static void or_else_once_a_second(void **state) {
    (void)state;
    struct host_loss l = {0};
    size_t unsaid = 0;
    size_t lines = 0;
    for (uint64_t ms = 1; ms <= 10001; ms += 100) {
        (void)host_loss_down(&l, LOST, ms, &unsaid);
        lines += host_loss_up(&l, ms) ? 1 : 0;
    }
    assert_int_equal(lines, 11);
}

static void a_loss_that_was_said_is_known_for_a_minute(void **state) {
    (void)state;
    struct host_loss l = {0};
    size_t unsaid = 0;
    assert_false(host_loss_said(&l, 1));
    assert_true(host_loss_down(&l, REFUSED, 1, &unsaid));
    assert_true(host_loss_said(&l, 60000));
    assert_false(host_loss_said(&l, 60001));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loss_is_said_once_a_minute_with_the_number_of_the_others),
        cmocka_unit_test(another_kind_of_loss_has_its_own_minute),
        cmocka_unit_test(that_it_stands_again_is_said_when_the_loss_was),
        cmocka_unit_test(or_else_once_a_second),
        cmocka_unit_test(a_loss_that_was_said_is_known_for_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
