/* test_call.c - what a response asks for. */
#include "event/call.h"

#include "test.h"

#include "base/limits.h"

/* 2023-11-14T22:13:20Z */
#define NOW_MS INT64_C(1700000000000)

static void a_retry_after_is_a_number_of_seconds(void **state) {
    (void)state;
    assert_int_equal(call_retry_after_ms("120", NOW_MS), 120000);
    assert_int_equal(call_retry_after_ms("0", NOW_MS), 0);
}

static void a_retry_after_is_a_date_in_any_of_the_forms_of_http(void **state) {
    (void)state;
    assert_int_equal(call_retry_after_ms("Tue, 14 Nov 2023 22:13:50 GMT", NOW_MS), 30000);
    assert_int_equal(call_retry_after_ms("Tuesday, 14-Nov-23 22:13:50 GMT", NOW_MS), 30000);
    assert_int_equal(call_retry_after_ms("Tue Nov 14 22:13:50 2023", NOW_MS), 30000);
    assert_int_equal(call_retry_after_ms("Wed Nov  1 22:13:50 2023", NOW_MS), 0);
}

static void a_date_that_is_past_asks_for_no_wait(void **state) {
    (void)state;
    assert_int_equal(call_retry_after_ms("Tue, 14 Nov 2023 22:13:00 GMT", NOW_MS), 0);
}

static void a_wait_without_measure_is_cut(void **state) {
    (void)state;
    assert_int_equal(call_retry_after_ms("86401", NOW_MS), RETRY_AFTER_MS_MAX);
    assert_int_equal(call_retry_after_ms("99999999999999999999", NOW_MS), RETRY_AFTER_MS_MAX);
    assert_int_equal(call_retry_after_ms("Fri, 14 Nov 9999 22:13:50 GMT", NOW_MS),
                     RETRY_AFTER_MS_MAX);
}

static void anything_else_is_no_wait_at_all(void **state) {
    static const char *const texts[] = {"",
                                        "soon",
                                        "-1",
                                        "1.5.",
                                        "30 s",
                                        "30, 30",
                                        "Tue, 14 Nov 2023",
                                        "2023-11-14T22:13:50Z",
                                        "Tue, 14 Nov 2023 22:13:50 +0100",
                                        "Tue, 34 Nov 2023 22:13:50 GMT"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(call_retry_after_ms(texts[i], NOW_MS), -1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_retry_after_is_a_number_of_seconds),
        cmocka_unit_test(a_retry_after_is_a_date_in_any_of_the_forms_of_http),
        cmocka_unit_test(a_date_that_is_past_asks_for_no_wait),
        cmocka_unit_test(a_wait_without_measure_is_cut),
        cmocka_unit_test(anything_else_is_no_wait_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
