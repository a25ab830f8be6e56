/* test_options.c - the rows of topics.conf say what they are: the reference is made of them. */
#include "conf/options.h"

#include "test.h"

#include <string.h>

static void each_row(void (*look)(const struct conf_row *row)) {
    size_t seen = 0;
    for (size_t s = 0; s < CONF_SECTION_COUNT; s++) {
        for (size_t i = 0; i < CONF_SPECS[s].row_count; i++, seen++) {
            look(&CONF_SPECS[s].rows[i]);
        }
    }
    assert_true(seen > 80);
}

static void is_explained(const struct conf_row *row) {
    size_t len = strlen(row->help);
    assert_in_range(len, 8, 120);
    assert_int_not_equal(row->help[len - 1], '.');
    assert_null(strchr(row->help, '\n'));
}

static void every_option_says_what_it_is(void **state) {
    (void)state;
    each_row(is_explained);
}

static void takes_something(const struct conf_row *row) {
    struct buf values;
    buf_init(&values, 256);
    conf_explain_values(row, &values);
    assert_false(values.failed);
    assert_true(values.len > 0);
    buf_clear(&values);
}

static void every_option_says_what_may_be_written(void **state) {
    (void)state;
    each_row(takes_something);
}

static void explains(const struct conf_row *row, const char *wanted) {
    struct buf values;
    buf_init(&values, 256);
    conf_explain_values(row, &values);
    assert_string_equal(buf_str(&values), wanted);
    buf_clear(&values);
}

static void bounds_are_in_the_units_of_people(void **state) {
    (void)state;
    explains(&(struct conf_row){.kind = CONF_MS, .min = 1000, .max = 90000},
             "a duration, 1 s to 1 m 30 s");
    explains(&(struct conf_row){.kind = CONF_SIZE, .min = 1024, .max = INT64_C(3) << 30},
             "a size, 1 KiB to 3 GiB");
    explains(&(struct conf_row){.kind = CONF_U16, .min = 1, .max = 9}, "a number, 1 to 9");
}

static void an_option_with_few_words_lists_them(void **state) {
    (void)state;
    explains(&(struct conf_row){.kind = CONF_ON_DEAD}, "continue or park");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_says_what_it_is),
        cmocka_unit_test(every_option_says_what_may_be_written),
        cmocka_unit_test(bounds_are_in_the_units_of_people),
        cmocka_unit_test(an_option_with_few_words_lists_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
