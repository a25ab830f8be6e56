/* test_cli_table.c - tables and differences, as they come out on a terminal and elsewhere. */
#include "cli/diff.h"
#include "cli/table.h"
#include "base/error.h"

#include "test.h"

#include <stdlib.h>
#include <string.h>

static const struct table_column columns[] = {{"NAME", false}, {"N", true}, {"TEXT", false}};

static struct table *sample(void) {
    struct table *table = table_new(columns, 3);
    assert_non_null(table);
    table_add(table, STYLE_PLAIN, "caf\xc3\xa9");
    table_add_count(table, STYLE_PLAIN, 12345);
    table_add(table, STYLE_BAD, "a rather long text");
    table_add(table, STYLE_PLAIN, "b");
    table_add_count(table, STYLE_PLAIN, 7);
    table_add(table, STYLE_PLAIN, "");
    return table;
}

static void assert_printed(const struct table *table, bool colour, size_t width,
                           const char *expected) {
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    assert_int_equal(table_print(table, out, colour, width), 0);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, expected);
    free(text);
}

static void table_columns_are_as_wide_as_their_widest_cell(void **state) {
    (void)state;
    struct table *table = sample();
    assert_printed(table, false, 0,
                   "NAME       N  TEXT\n"
                   "caf\xc3\xa9  12,345  a rather long text\n"
                   "b          7  \n");
    table_free(table);
}

static void table_is_cut_at_the_edge_of_a_terminal(void **state) {
    (void)state;
    struct table *table = sample();
    assert_printed(table, false, 20,
                   "NAME       N  TEXT\n"
                   "caf\xc3\xa9  12,345  a rather long t\xe2\x80\xa6\n"
                   "b          7  \n");
    table_free(table);
}

static void table_is_coloured_only_when_asked(void **state) {
    (void)state;
    static const struct table_column one[] = {{"", false}};
    struct table *table = table_new(one, 1);
    table_add(table, STYLE_BAD, "dead");
    assert_printed(table, true, 0, "\n\x1b[31mdead\x1b[0m\n");
    assert_printed(table, false, 0, "\ndead\n");
    table_free(table);
}

static void table_takes_a_buffer_and_empties_it(void **state) {
    (void)state;
    static const struct table_column one[] = {{"X", false}};
    struct table *table = table_new(one, 1);
    struct buf text;
    buf_init(&text, 16);
    buf_add_str(&text, "first");
    table_take(table, STYLE_PLAIN, &text);
    assert_int_equal(text.len, 0);
    table_take(table, STYLE_PLAIN, &text);
    assert_printed(table, false, 0, "X\nfirst\n\n");
    buf_clear(&text);
    table_free(table);
}

static void table_that_lacks_a_cell_is_not_printed(void **state) {
    (void)state;
    struct table *table = table_new(columns, 3);
    struct buf text;
    buf_init(&text, 2);
    buf_add_str(&text, "too long for its buffer");
    table_take(table, STYLE_PLAIN, &text);
    assert_int_equal(table_print(table, stdout, false, 0), ERR_MEMORY);
    buf_clear(&text);
    table_free(table);
}

static void assert_differs(const char *before, const char *after, const char *expected) {
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    assert_int_equal(diff_print(out, false, slice_of(before), slice_of(after)), 0);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, expected);
    free(text);
}

static void diff_shows_what_went_and_what_came(void **state) {
    (void)state;
    assert_differs("a\nb\nc", "a\nx\nc\nd", "  a\n- b\n+ x\n  c\n+ d\n");
    assert_differs("", "new", "+ new\n");
    assert_differs("old", "", "- old\n");
    assert_differs("same\n", "same\n", "  same\n");
}

static void diff_spreads_json_first(void **state) {
    (void)state;
    assert_differs("{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":3}",
                   "  {\n    \"a\": 1,\n-   \"b\": 2\n+   \"b\": 3\n  }\n");
}

static void diff_of_very_long_texts_shows_both_whole(void **state) {
    (void)state;
    char *before = calloc(1, 2 * 2001 + 1);
    assert_non_null(before);
    for (size_t i = 0; i < 2001; i++) {
        memcpy(before + 2 * i, "a\n", 2);
    }
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    assert_int_equal(diff_print(out, false, slice_of(before), slice_of("b")), 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(len, 2001 * strlen("- a\n") + strlen("+ b\n"));
    free(text);
    free(before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(table_is_cut_at_the_edge_of_a_terminal),
        cmocka_unit_test(table_is_coloured_only_when_asked),
        cmocka_unit_test(table_takes_a_buffer_and_empties_it),
        cmocka_unit_test(table_that_lacks_a_cell_is_not_printed),
        cmocka_unit_test(diff_shows_what_went_and_what_came),
        cmocka_unit_test(diff_spreads_json_first),
        cmocka_unit_test(diff_of_very_long_texts_shows_both_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
