/* test_error.c - every code has a name and a text; a report is a sentence that always ends. */
#include "base/error.h"

#include "test.h"

#include <string.h>

static const int codes[] = {
#define X(code, value, text) code,
    ERROR_LIST(X)
#undef X
};
static const size_t code_count = sizeof codes / sizeof codes[0];

static void every_code_is_negative_and_stands_once(void **state) {
    (void)state;
    for (size_t i = 0; i < code_count; i++) {
        assert_true(codes[i] < 0);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(codes[i], codes[j]);
        }
    }
}

static void every_code_has_its_own_name_and_text(void **state) {
    (void)state;
    for (size_t i = 0; i < code_count; i++) {
        assert_memory_equal(error_name(codes[i]), "ERR_", 4);
        assert_string_not_equal(error_name(codes[i]), error_name(ERR_NONE));
        assert_true(strlen(error_text(codes[i])) > 0);
        assert_string_not_equal(error_text(codes[i]), error_text(ERR_NONE));
    }
    assert_string_equal(error_name(ERR_FULL), "ERR_FULL");
    assert_string_equal(error_text(ERR_FULL), "the store is full");
}

static void a_number_that_is_no_code_has_a_name_too(void **state) {
    (void)state;
    assert_string_equal(error_name(0), "ERR_NONE");
    assert_non_null(error_text(-9999));
    assert_non_null(error_name(9999));
}

static void a_report_carries_the_sentence_and_the_code(void **state) {
    (void)state;
    struct report r;
    int code =
        report(&r, ERR_INVALID, "%s:%d: unknown option \"%s\"", "topics.conf", 14, "retires");
    assert_int_equal(code, ERR_INVALID);
    assert_string_equal(r.text, "topics.conf:14: unknown option \"retires\"");
}

static void a_report_nobody_reads_still_carries_the_code(void **state) {
    (void)state;
    assert_int_equal(report(NULL, ERR_DISK, "nobody reads %s", "this"), ERR_DISK);
}

static void a_long_sentence_is_cut_and_terminated(void **state) {
    (void)state;
    struct report r;
    char longer[2 * sizeof r.text];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    memset(&r, 0xff, sizeof r);
    assert_int_equal(report(&r, ERR_LIMIT, "%s", longer), ERR_LIMIT);
    assert_int_equal(strlen(r.text), sizeof r.text - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_is_negative_and_stands_once),
        cmocka_unit_test(every_code_has_its_own_name_and_text),
        cmocka_unit_test(a_number_that_is_no_code_has_a_name_too),
        cmocka_unit_test(a_report_carries_the_sentence_and_the_code),
        cmocka_unit_test(a_report_nobody_reads_still_carries_the_code),
        cmocka_unit_test(a_long_sentence_is_cut_and_terminated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
