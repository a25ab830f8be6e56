/* test_cli_text.c - text from outside on a terminal, JSON laid out, times and numbers. */
#include "cli/text.h"
#include "event/event.h"

#include "test.h"

#include <stdlib.h>
#include <string.h>

#define SLICE(literal) ((struct slice){literal, sizeof literal - 1})

static void assert_safe(struct slice text, const char *expected) {
    struct buf out;
    buf_init(&out, 4096);
    text_add_safe(&out, text);
    assert_string_equal(buf_str(&out), expected);
    buf_clear(&out);
}

static void safe_text_keeps_what_people_write(void **state) {
    (void)state;
    assert_safe(SLICE("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8e\xab {\"a\":1} \\n"),
                "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8e\xab {\"a\":1} \\n");
    assert_safe(SLICE(""), "");
}

static void safe_text_escapes_what_moves_the_cursor(void **state) {
    (void)state;
    assert_safe(SLICE("\x1b[2J\r\n\t\x07\x08"), "\\x1b[2J\\r\\n\\t\\a\\b");
    assert_safe(SLICE("nul\0in"), "nul\\x00in");
    assert_safe(SLICE("\x7f"), "\\x7f");
    assert_safe(SLICE("\xc2\x9b"
                      "31m"),
                "\\x9b31m"); /* CSI as one code point */
}

static void safe_text_escapes_what_turns_the_direction_of_writing(void **state) {
    (void)state;
    /* Each is closed again: a source that left one open would mislead its own reader. */
    assert_safe(SLICE("a\xe2\x80\xae!\xe2\x80\xac"), "a\\u{202e}!\\u{202c}");
    assert_safe(SLICE("\xe2\x81\xa6!\xe2\x81\xa9\xef\xbb\xbf"), "\\u{2066}!\\u{2069}\\u{feff}");
}

static void safe_text_escapes_bytes_that_are_not_utf8(void **state) {
    (void)state;
    assert_safe(SLICE("\xff\xfe"), "\\xff\\xfe");
    assert_safe(SLICE("\xc0\xaf"), "\\xc0\\xaf");                   /* overlong */
    assert_safe(SLICE("\xed\xa0\x80"), "\\xed\\xa0\\x80");          /* a surrogate */
    assert_safe(SLICE("\xf5\x80\x80\x80"), "\\xf5\\x80\\x80\\x80"); /* past U+10FFFF */
    assert_safe(SLICE("end\xe2\x82"), "end\\xe2\\x82");             /* cut short */
}

static void lines_are_indented_each_and_safe(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    text_add_lines(&out, SLICE("one\n\ntwo\x1b\nthree"), "> ");
    assert_string_equal(buf_str(&out), "> one\n> \n> two\\x1b\n> three\n");
    buf_clear(&out);
}

static void width_counts_characters(void **state) {
    (void)state;
    assert_int_equal(text_width("caf\xc3\xa9"), 4);
    assert_int_equal(text_width(""), 0);
}

/* ---- JSON ---- */

static void assert_spread(const char *json, const char *expected) {
    struct buf spread, tight;
    buf_init(&spread, 4096);
    buf_init(&tight, 4096);
    text_add_json_spread(&spread, slice_of(json));
    assert_string_equal(buf_str(&spread), expected);
    text_add_json_tight(&tight, buf_slice(&spread));
    assert_string_equal(buf_str(&tight), json);
    buf_clear(&spread);
    buf_clear(&tight);
}

static void json_is_spread_and_taken_together_again(void **state) {
    (void)state;
    assert_spread("{\"a\":1,\"b\":[true,null]}",
                  "{\n  \"a\": 1,\n  \"b\": [\n    true,\n    null\n  ]\n}");
    assert_spread("[]", "[]");
    assert_spread("{\"a\":{}}", "{\n  \"a\": {}\n}");
    assert_spread("\"text\"", "\"text\"");
}

static void json_keeps_the_digits_of_its_numbers(void **state) {
    (void)state;
    assert_spread("[0.10,1e3,12345678901234567890]",
                  "[\n  0.10,\n  1e3,\n  12345678901234567890\n]");
}

static void json_brackets_in_strings_are_left_alone(void **state) {
    (void)state;
    assert_spread("[\"{[,:]} \\\" \\\\\"]", "[\n  \"{[,:]} \\\" \\\\\"\n]");
}

static void json_is_told_from_other_text(void **state) {
    (void)state;
    assert_true(text_is_json(SLICE("5")));
    assert_true(text_is_json(SLICE(" {} ")));
    assert_false(text_is_json(SLICE("{")));
    assert_false(text_is_json(SLICE("")));
}

/* ---- times and numbers ---- */

enum { NOW = 1000000000 };

static void assert_ago(int64_t ms, const char *expected) {
    struct buf out;
    buf_init(&out, 256);
    text_add_ago(&out, NOW, ms);
    assert_string_equal(buf_str(&out), expected);
    buf_clear(&out);
}

static void ago_names_the_largest_unit(void **state) {
    (void)state;
    assert_ago(NOW - 59999, "59 s ago");
    assert_ago(NOW - 180000, "3 m ago");
    assert_ago(NOW - 3600000, "1 h ago");
    assert_ago(NOW - 3 * 86400000, "3 d ago");
    assert_ago(NOW + 41000, "in 41 s");
    assert_ago(NOW, "now");
    assert_ago(NOW + 400, "now");
}

static void times_are_local_and_a_missing_one_is_a_dash(void **state) {
    (void)state;
    struct buf out;
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    buf_init(&out, 256);
    text_add_when(&out, 1767323045678, 1767323045678 - 180000);
    assert_string_equal(buf_str(&out), "2026-01-02 03:01:05 (3 m ago)");
    buf_reset(&out);
    text_add_when(&out, NOW, 0);
    assert_string_equal(buf_str(&out), "-");
    buf_reset(&out);
    text_add_time(&out, 1767323045678, true);
    assert_string_equal(buf_str(&out), "2026-01-02 03:04:05.678");
    buf_clear(&out);
}

static void assert_duration(int64_t us, const char *expected) {
    struct buf out;
    buf_init(&out, 256);
    text_add_duration_us(&out, us);
    assert_string_equal(buf_str(&out), expected);
    buf_clear(&out);
}

static void durations_keep_the_digits_that_matter(void **state) {
    (void)state;
    assert_duration(850, "850 us");
    assert_duration(3200, "3.2 ms");
    assert_duration(120000, "120 ms");
    assert_duration(1500000, "1.5 s");
    assert_duration(250000000, "250 s");
}

static void assert_count(uint64_t n, const char *count, const char *bytes) {
    struct buf out;
    buf_init(&out, 256);
    text_add_count(&out, n);
    assert_string_equal(buf_str(&out), count);
    buf_reset(&out);
    text_add_bytes(&out, n);
    assert_string_equal(buf_str(&out), bytes);
    buf_clear(&out);
}

static void numbers_are_grouped_and_bytes_have_units(void **state) {
    (void)state;
    assert_count(0, "0", "0 B");
    assert_count(999, "999", "999 B");
    assert_count(1000, "1,000", "1000 B");
    assert_count(1536, "1,536", "1.5 KiB");
    assert_count(8589934592, "8,589,934,592", "8 GiB");
}

static void every_state_has_a_style(void **state) {
    (void)state;
    assert_int_equal(text_state_style(EVENT_DEAD), STYLE_BAD);
    assert_int_equal(text_state_style(EVENT_DONE), STYLE_GOOD);
    assert_int_equal(text_state_style(EVENT_READY), STYLE_PLAIN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(safe_text_keeps_what_people_write),
        cmocka_unit_test(safe_text_escapes_what_moves_the_cursor),
        cmocka_unit_test(safe_text_escapes_what_turns_the_direction_of_writing),
        cmocka_unit_test(safe_text_escapes_bytes_that_are_not_utf8),
        cmocka_unit_test(lines_are_indented_each_and_safe),
        cmocka_unit_test(width_counts_characters),
        cmocka_unit_test(json_is_spread_and_taken_together_again),
        cmocka_unit_test(json_keeps_the_digits_of_its_numbers),
        cmocka_unit_test(json_brackets_in_strings_are_left_alone),
        cmocka_unit_test(json_is_told_from_other_text),
        cmocka_unit_test(ago_names_the_largest_unit),
        cmocka_unit_test(times_are_local_and_a_missing_one_is_a_dash),
        cmocka_unit_test(durations_keep_the_digits_that_matter),
        cmocka_unit_test(numbers_are_grouped_and_bytes_have_units),
        cmocka_unit_test(every_state_has_a_style),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
