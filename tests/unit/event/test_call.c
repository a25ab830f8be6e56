/* test_call.c - what a response asks for, and whether its peer may have acted. */
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

static void an_sqlstate_is_a_status_that_reads_as_itself(void **state) {
    static const char *const states[] = {"23505", "08007", "0A000", "XX000", "40P01", "ZZZZZ"};
    char text[CALL_STATUS_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        long status = call_sqlstate(states[i]);
        assert_true(call_is_sqlstate(status));
        assert_string_equal(call_status_text(status, text), states[i]);
    }
    assert_int_equal(call_sqlstate("00000"), 0);
    assert_false(call_is_sqlstate(599));
    assert_string_equal(call_status_text(402, text), "402");
}

static void a_statement_that_failed_did_nothing(void **state) {
    const struct call_request request = {.kind = CALL_KIND_SQL, .method = "SQL"};
    struct call_result result = {.status = call_sqlstate("23505")};
    (void)state;
    assert_false(call_may_have_acted(&request, &result));
    result.status = 0;
    assert_true(call_may_have_acted(&request, &result));
    assert_false(call_is_unknown(&request, &result));
}

static void a_statement_whose_connection_broke_may_have_acted(void **state) {
    const struct call_request request = {.kind = CALL_KIND_SQL, .method = "SQL"};
    struct call_result result = {.code = ERR_NETWORK, .sent = true};
    (void)state;
    assert_true(call_is_unknown(&request, &result));
    result.sent = false;
    assert_false(call_is_unknown(&request, &result));
}

static void a_database_can_leave_the_outcome_open(void **state) {
    const struct call_request request = {.kind = CALL_KIND_SQL, .method = "SQL"};
    struct call_result result = {.status = call_sqlstate("40003")};
    (void)state;
    assert_true(call_is_unknown(&request, &result));
    result.status = call_sqlstate("08007");
    assert_true(call_is_unknown(&request, &result));
}

static void a_statement_that_only_reads_acts_on_nothing(void **state) {
    const struct call_request request = {
        .kind = CALL_KIND_SQL, .method = "SQL", .scope = SQL_READS};
    const struct call_result result = {.code = ERR_NETWORK, .sent = true};
    (void)state;
    assert_true(call_only_reads(&request));
    assert_false(call_may_have_acted(&request, &result));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_retry_after_is_a_number_of_seconds),
        cmocka_unit_test(a_retry_after_is_a_date_in_any_of_the_forms_of_http),
        cmocka_unit_test(a_date_that_is_past_asks_for_no_wait),
        cmocka_unit_test(a_wait_without_measure_is_cut),
        cmocka_unit_test(anything_else_is_no_wait_at_all),
        cmocka_unit_test(an_sqlstate_is_a_status_that_reads_as_itself),
        cmocka_unit_test(a_statement_that_failed_did_nothing),
        cmocka_unit_test(a_statement_whose_connection_broke_may_have_acted),
        cmocka_unit_test(a_database_can_leave_the_outcome_open),
        cmocka_unit_test(a_statement_that_only_reads_acts_on_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
