/* test_json_read.c - the rules of RFC 8259, one by one; the numbers of its sections in comments. */
#include "base/json.h"

#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_json(struct slice text) {
    struct report r = {""};
    int code = json_check(text, "text", &r);
    json_t *tree = json_read(text, "text", NULL);
    assert_true((code == 0) == (tree != NULL) && (code == 0) == (r.text[0] == '\0'));
    json_decref(tree);
    return code == 0;
}

static void all(const char *const *texts, size_t count, bool good) {
    for (size_t i = 0; i < count; i++) {
        if (is_json(slice_of(texts[i])) != good) {
            fail_msg("%s is taken as %s", texts[i], good ? "no JSON" : "JSON");
        }
    }
}

#define GOOD(...)                                                                                  \
    all((const char *const[]){__VA_ARGS__},                                                        \
        sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), true)
#define BAD(...)                                                                                   \
    all((const char *const[]){__VA_ARGS__},                                                        \
        sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), false)

/* 2: a text is any one value, with space around each token. */
static void a_text_is_one_value(void **state) {
    (void)state;
    GOOD("1", "\"\"", "true", "false", "null", "[]", "{}", " \t\r\n[ ] \t\r\n");
    GOOD("{ \"a\" : 1 , \"b\" : [ 2 , 3 ] }", "[\n1\n,\n2\n]");
    BAD("", " ", "1 2", "[] []", "{}{}", "1,", ",", "]", "}", ":", "[]]", "{}}");
    BAD("\v1", "\f1",
        "\xC2\xA0"
        "1",
        "1\xE2\x80\x8B");
    assert_false(is_json((struct slice){"[]\0", 3}));
    assert_false(is_json((struct slice){"\0[]", 3}));
}

/* 3: the names of values are in lower case, and complete. */
static void words_are_exact(void **state) {
    (void)state;
    BAD("True", "FALSE", "Null", "tru", "truex", "nul", "nullnull", "falsee", "t", "n", "None",
        "nil");
    BAD("NaN", "Infinity", "-Infinity", "inf", "undefined", "[nan]");
}

/* 4: names are strings, members are separated by single commas. */
static void objects_have_names_colons_and_commas(void **state) {
    (void)state;
    GOOD("{\"\":0}", "{\"a\":1,\"a\":2}", "{\"a\":{\"a\":{}}}", "{\"a\\u0000b\":1}");
    BAD("{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}", "{,\"a\":1}");
    BAD("{a:1}", "{'a':1}", "{1:1}", "{null:1}", "{\"a\" 1}", "{\"a\"::1}", "{\"a\":1 \"b\":2}");
    BAD("{\"a\":1,,\"b\":2}", "{\"a\":1]", "{\"a\",1}", "{[]:1}", "{\"a\":}", "{\"a\"}", "{:1}");
}

/* 5 */
static void arrays_have_commas(void **state) {
    (void)state;
    GOOD("[1,[2,[3,[]]],{}]", "[null,true,false]");
    BAD("[", "[1", "[1,", "[1,]", "[,]", "[,1]", "[1,,2]", "[1 2]", "[1}", "[1:2]", "[[]",
        "[1,\n]");
}

/* 6 */
static void numbers_follow_the_grammar(void **state) {
    (void)state;
    GOOD("0", "-0", "10", "-1", "0.5", "-0.0", "1e1", "1E+1", "1e-1", "1.50e007", "0e0", "0E+00");
    GOOD("123456789012345678901234567890", "1e99999", "1e-99999",
         "0.00000000000000000000000000001");
    BAD("+1", "-", "--1", "01", "-01", "00", ".5", "5.", "5.e1", "1e", "1e+", "1E-", "1e1.5",
        "0x10");
    BAD("1_000", "1,000", "1.2.3", "1a", "-a", "- 1", "1 e1", "1e 1", "\xEF\xBC\x91", "0b1", "1f");
}

/* 7 */
static void strings_escape_what_must_be(void **state) {
    (void)state;
    GOOD("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u12aB\"", "\"\x7F\"", "\"\\u0000\"", "\"/\"", "\"'\"");
    BAD("\"", "\"a", "\"\\\"", "\"\\", "\"\\a\"", "\"\\x41\"", "\"\\'\"", "\"\\0\"", "\"\\U0041\"");
    BAD("\"\\u\"", "\"\\u1\"", "\"\\u12\"", "\"\\u123\"", "\"\\u123g\"", "\"\\u 123\"",
        "\"\\u-123\"");
    BAD("\"\n\"", "\"\t\"", "\"\r\"", "\"\x01\"", "\"\x1F\"", "'a'", "\"a\"b\"", "a", "\"\\\n\"");
    assert_false(is_json((struct slice){"\"\0\"", 3}));
    assert_false(is_json((struct slice){"\"\\\0\"", 4}));
}

/* 8.1: UTF-8 only; a byte order mark in front is skipped. */
static void text_is_utf8(void **state) {
    (void)state;
    GOOD("\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"", "\xEF\xBB\xBF{}", "\"\xEF\xBB\xBF\"",
         "\"\xEF\xBF\xBF\"", "\"\xF4\x8F\xBF\xBF\"");
    BAD("\"\xE9\"", "\"\xC0\x80\"", "\"\xC3\"", "\"\xE2\x82\"", "\"\xE0\x80\x80\"", "\"\x80\"");
    BAD("\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"", "\"\xFF\"", "\"\xF8\x88\x80\x80\x80\"");
    BAD("\xEF\xBB\xBF", "\xEF\xBB{}", "\xEF\xBB\xBF\xEF\xBB\xBF{}", "{}\xEF\xBB\xBF", "\xFF\xFE{}");
    assert_false(is_json((struct slice){"\xFF\xFE[\0]\0", 6}));
    assert_false(is_json((struct slice){"\0[\0]", 4}));
}

/* 9: a limit on depth is allowed. */
static void nesting_ends_at_the_limit(void **state) {
    (void)state;
    static char text[2 * (JSON_READ_DEPTH_MAX + 1)];
    for (size_t depth = JSON_READ_DEPTH_MAX; depth <= JSON_READ_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_true(is_json((struct slice){text, 2 * depth}) == (depth == JSON_READ_DEPTH_MAX));
    }
}

static double number(const char *text) {
    struct json_reader r;
    json_open_text(&r, slice_of(text));
    enum json_token token = json_next(&r);
    assert_true(token == JSON_WHOLE || token == JSON_DOUBLE);
    assert_int_equal(json_next(&r), JSON_END);
    return token == JSON_WHOLE ? (double)r.whole : r.real;
}

static void whole_numbers_of_64_bits_are_exact(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } all_of[] = {{"0", 0},
                  {"-0", 0},
                  {"9007199254740993", 9007199254740993},
                  {"9223372036854775807", INT64_MAX},
                  {"-9223372036854775808", INT64_MIN},
                  {"999999999999999999", 999999999999999999}};
    for (size_t i = 0; i < sizeof all_of / sizeof *all_of; i++) {
        struct json_reader r;
        json_open_text(&r, slice_of(all_of[i].text));
        assert_int_equal(json_next(&r), JSON_WHOLE);
        assert_true(r.whole == all_of[i].value);
    }
    assert_true(number("9223372036854775808") == 9223372036854775808.0);
    assert_true(number("-9223372036854775809") == -9223372036854775808.0);
    assert_true(number("18446744073709551615") == 18446744073709551616.0);
    assert_true(number("1e400") == HUGE_VAL && number("-1e400") == -HUGE_VAL);
    assert_true(number("1e-400") == 0 && signbit(number("-0.0")));
}

/* A point and an exponent that are far away and cancel. */
static void numbers_of_a_million_digits_are_read_as_well(void **state) {
    (void)state;
    enum { ZEROS = 1100000 };
    static const char *const ends[] = {"1e1048577", "1e10485761", "1e1100001", "1e-5"};
    static const double values[] = {0, HUGE_VAL, 1, 0};
    char *text = malloc(ZEROS + 32);
    assert_non_null(text);
    memcpy(text, "0.", 2);
    memset(text + 2, '0', ZEROS);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        memcpy(text + 2 + ZEROS, ends[i], strlen(ends[i]) + 1);
        assert_true(number(text) == values[i]);
    }
    free(text);
}

/* strtod is the independent reader. Seeded: the same numbers every time. */
static void every_other_number_is_the_nearest_double(void **state) {
    (void)state;
    uint64_t seed = 42;
    for (int i = 0; i < 200000; i++) {
        char text[64];
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t digits = seed >> (seed >> 58);
        int scale = (int)(seed % 61) - 30;
        (void)snprintf(text, sizeof text, i % 2 == 0 ? "%llu.%03llue%d" : "-%llu.%llue%d",
                       (unsigned long long)(digits >> 12), (unsigned long long)digits % 1000,
                       scale);
        assert_true(number(text) == strtod(text, NULL));
    }
}

/* In the middle of a text and at its end, where no byte follows. */
static void long_numbers_are_read_to_their_last_digit(void **state) {
    (void)state;
    enum { DIGITS = 5000 };
    static char text[DIGITS + 32];
    memset(text, '9', DIGITS);
    memcpy(text + DIGITS, "e-5000", 7);
    assert_true(number(text) == 1.0);
    char *exact = malloc(DIGITS + 6); /* a read behind it is found by the sanitizer */
    assert_non_null(exact);
    memcpy(exact, text, DIGITS + 6);
    struct json_reader r;
    json_open_text(&r, (struct slice){exact, DIGITS + 6});
    assert_int_equal(json_next(&r), JSON_DOUBLE);
    assert_true(r.real == 1.0);
    free(exact);
}

static void unescapes(const char *written, const char *meant, size_t len, bool torn) {
    char text[128], room[128];
    struct json_reader r;
    (void)snprintf(text, sizeof text, "\"%s\"", written);
    json_open_text(&r, slice_of(text));
    assert_int_equal(json_next(&r), JSON_TEXT);
    assert_true(r.torn == torn && r.escaped == (strchr(written, '\\') != NULL));
    assert_int_equal(json_unescape(r.text, room, sizeof room), len);
    assert_memory_equal(room, meant, len);
    memset(room, 'x', sizeof room);
    assert_int_equal(json_unescape(r.text, room, 1), len);
    assert_int_equal(room[1], 'x');
}

static void escapes_mean_their_characters(void **state) {
    (void)state;
    unescapes("plain", "plain", 5, false);
    unescapes("a\\u0000b", "a\0b", 3, false);
    unescapes("\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t", 8, false);
    unescapes("\\u00e9\\u20AC\\uffff", "\xC3\xA9\xE2\x82\xAC\xEF\xBF\xBF", 8, false);
    unescapes("\\ud83d\\ude00", "\xF0\x9F\x98\x80", 4, false);
    unescapes("\\uDBFF\\uDFFF", "\xF4\x8F\xBF\xBF", 4, false);
}

static void half_a_surrogate_pair_is_replaced_and_marked(void **state) {
    (void)state;
    unescapes("a\\ud83d", "a\xEF\xBF\xBD", 4, true);
    unescapes("\\ude00b",
              "\xEF\xBF\xBD"
              "b",
              4, true);
    unescapes("\\ud83d\\ud83d\\ude00", "\xEF\xBF\xBD\xF0\x9F\x98\x80", 7, true);
    unescapes("\\ud83d\\u0041",
              "\xEF\xBF\xBD"
              "A",
              4, true);
    unescapes("\\ud83d\\\\ude00", "\xEF\xBF\xBD\\ude00", 9, true);
}

static void complains(const char *text, const char *sentence) {
    for (int i = 0; i < 2; i++) {
        struct report r = {""};
        assert_int_equal(json_check(slice_of(text), "text", &r), ERR_INVALID);
        assert_string_equal(r.text, sentence);
    }
}

static void errors_say_where_and_how_to_mend_it(void **state) {
    (void)state;
    complains("", "text is not JSON: it is empty");
    complains("{\"a\": tru}", "text is not JSON: line 1, column 7: expected true, false or null");
    complains("{\n  \"a\": 1,\n}",
              "text is not JSON: line 3, column 1: no comma may stand before }");
    complains("[\"\xC3\xA9\", 1,]",
              "text is not JSON: line 1, column 9: no comma may stand before ]");
    complains("{'a': 1}", "text is not JSON: line 1, column 2: a name must be in double quotes");
    complains("['a']",
              "text is not JSON: line 1, column 2: strings take double quotes, not single ones");
    complains(
        "[NaN]",
        "text is not JSON: line 1, column 2: NaN, Infinity and None are not JSON: write null");
    complains("[1 // one\n]", "text is not JSON: line 1, column 4: expected , or ]");
    complains("{\"a\" 1}", "text is not JSON: line 1, column 6: expected : behind the name");
    complains("[01]", "text is not JSON: line 1, column 2: a number must not begin with 0");
    complains("[\"a", "text is not JSON: line 1, column 4: the string is not closed");
    complains("[1] x", "text is not JSON: line 1, column 5: more follows the value");
    complains("[\"a\nb\"]",
              "text is not JSON: line 1, column 4: a control character in a string must "
              "be written as an escape");
}

static void a_tree_keeps_the_last_value_of_a_name(void **state) {
    (void)state;
    json_t *tree =
        json_read(slice_of("{\"a\":1,\"b\":[true,1e400,\"\\u0000\"],\"\\u0061\":2}"), "text", NULL);
    assert_int_equal(json_integer_value(json_object_get(tree, "a")), 2);
    assert_int_equal(json_object_size(tree), 2);
    const json_t *b = json_object_get(tree, "b");
    assert_true(json_is_true(json_array_get(b, 0)));
    assert_true(isfinite(json_real_value(json_array_get(b, 1))));
    assert_int_equal(json_string_length(json_array_get(b, 2)), 1);
    json_decref(tree);
}

static void a_tree_may_be_asked_to_have_no_name_twice(void **state) {
    (void)state;
    struct report r = {""};
    json_t *tree;
    int code = json_read_unique(slice_of("{\"a\":{\"b\":1,\"b\":2}}"), "text", &tree, &r);
    assert_int_equal(code, ERR_INVALID);
    assert_null(tree);
    assert_string_equal(r.text, "text is not JSON: line 1, column 18: a name occurs twice");
    code = json_read_unique(slice_of("{\"a\":1,\"b\":{\"a\":2}}"), "text", &tree, NULL);
    assert_int_equal(code, 0);
    json_decref(tree);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_one_value),
        cmocka_unit_test(words_are_exact),
        cmocka_unit_test(objects_have_names_colons_and_commas),
        cmocka_unit_test(arrays_have_commas),
        cmocka_unit_test(numbers_follow_the_grammar),
        cmocka_unit_test(strings_escape_what_must_be),
        cmocka_unit_test(text_is_utf8),
        cmocka_unit_test(nesting_ends_at_the_limit),
        cmocka_unit_test(whole_numbers_of_64_bits_are_exact),
        cmocka_unit_test(numbers_of_a_million_digits_are_read_as_well),
        cmocka_unit_test(every_other_number_is_the_nearest_double),
        cmocka_unit_test(long_numbers_are_read_to_their_last_digit),
        cmocka_unit_test(escapes_mean_their_characters),
        cmocka_unit_test(half_a_surrogate_pair_is_replaced_and_marked),
        cmocka_unit_test(errors_say_where_and_how_to_mend_it),
        cmocka_unit_test(a_tree_keeps_the_last_value_of_a_name),
        cmocka_unit_test(a_tree_may_be_asked_to_have_no_name_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
