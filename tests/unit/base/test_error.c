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

static void a_sentence_that_quotes_other_bytes_is_text_all_the_same(void **state) {
    (void)state;
    struct report r;
    (void)report(&r, ERR_SCRIPT, "h.lua:1: \xff and \xc3\xa4, \xc3");
    assert_string_equal(r.text, "h.lua:1: ? and \xc3\xa4, ?");
}

static void a_cut_leaves_no_half_of_a_character(void **state) {
    (void)state;
    struct report r;
    char longer[2 * sizeof r.text];
    for (size_t i = 0; i + 1 < sizeof longer; i++) {
        longer[i] = i % 2 == 0 ? '\xc3' : '\xa4';
    }
    longer[sizeof longer - 1] = '\0';
    (void)report(&r, ERR_LIMIT, "%s", longer);
    assert_int_equal(r.text[sizeof r.text - 2], '?'); /* of an odd number of bytes, the last */
    assert_memory_equal(r.text + sizeof r.text - 4, "\xc3\xa4", 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_is_negative_and_stands_once),
        cmocka_unit_test(every_code_has_its_own_name_and_text),
        cmocka_unit_test(a_number_that_is_no_code_has_a_name_too),
        cmocka_unit_test(a_report_carries_the_sentence_and_the_code),
        cmocka_unit_test(a_report_nobody_reads_still_carries_the_code),
        cmocka_unit_test(a_long_sentence_is_cut_and_terminated),
        cmocka_unit_test(a_sentence_that_quotes_other_bytes_is_text_all_the_same),
        cmocka_unit_test(a_cut_leaves_no_half_of_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
