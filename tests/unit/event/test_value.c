/* test_value.c - state values add up and turn into JSON and back unharmed. */
#include "event/value.h"

#include "test.h"

#include <stdlib.h>
#include <string.h>

/* JSON to a value, plus a whole number, to JSON. */
static void adds_up(const char *json, int64_t delta, const char *expected) {
    struct buf value, sum, text;
    buf_init(&value, 64);
    buf_init(&sum, 64);
    buf_init(&text, 64);
    if (json[0] != '\0') {
        assert_int_equal(value_from_json(slice_of(json), &value, NULL), 0);
    }
    assert_int_equal(value_add(buf_slice(&value), true, delta, 0, &sum), 0);
    assert_int_equal(value_to_json(buf_slice(&sum), &text), 0);
    assert_string_equal(buf_str(&text), expected);
    buf_clear(&value);
    buf_clear(&sum);
    buf_clear(&text);
}

static void value_add_keeps_whole_numbers_whole(void **state) {
    (void)state;
    adds_up("", 1, "1");
    adds_up("41", 1, "42");
    adds_up("-1", -9223372036854775807, "-9223372036854775808");
    adds_up("1.5", 1, "2.5");
    adds_up("1.0", 1, "2.0");
    adds_up("9223372036854775807", 1, "9.223372036854776e+18");
}

static void value_add_refuses_what_is_no_number(void **state) {
    (void)state;
    struct buf sum;
    buf_init(&sum, 64);
    assert_int_equal(value_add(slice_of("stext"), true, 1, 0, &sum), ERR_INVALID);
    assert_int_equal(value_add(slice_of("t"), true, 1, 0, &sum), ERR_INVALID);
    assert_int_equal(value_add(slice_of("i123"), true, 1, 0, &sum), ERR_INVALID);
    assert_int_equal(sum.len, 0);
    buf_clear(&sum);
}

static void value_json_goes_both_ways(void **state) {
    (void)state;
    static const char *const texts[] = {"true",
                                        "false",
                                        "null",
                                        "0",
                                        "-9223372036854775808",
                                        "9223372036854775807",
                                        "0.1",
                                        "5.0",
                                        "1e+300",
                                        "\"\"",
                                        "\"a\\\"\\\\\\n\\u0001\xC3\xA4\xF0\x9F\x8E\xAB\"",
                                        "[]",
                                        "{}",
                                        "{\"a\":[1,2.5,null]}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct buf value, text;
        buf_init(&value, 256);
        buf_init(&text, 256);
        assert_int_equal(value_from_json(slice_of(texts[i]), &value, NULL), 0);
        assert_int_equal(value_to_json(buf_slice(&value), &text), 0);
        assert_string_equal(buf_str(&text), texts[i]);
        buf_clear(&value);
        buf_clear(&text);
    }
}

static void value_scalars_take_their_own_tags(void **state) {
    (void)state;
    static const char *const pairs[][2] = {{"true", "t"}, {"false", "f"}, {"1", "i"},
                                           {"1.0", "d"},  {"\"x\"", "s"}, {"[]", "j"},
                                           {"null", "j"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct buf value;
        buf_init(&value, 64);
        assert_int_equal(value_from_json(slice_of(pairs[i][0]), &value, NULL), 0);
        assert_int_equal(value.data[0], pairs[i][1][0]);
        buf_clear(&value);
    }
}

static void value_from_json_says_where_it_is_wrong(void **state) {
    (void)state;
    struct buf value;
    struct report r;
    buf_init(&value, 64);
    assert_int_equal(value_from_json(slice_of("{\"a\":"), &value, &r), ERR_INVALID);
    assert_non_null(strstr(r.text, "line 1, column 6"));
    assert_int_equal(value_from_json(slice_of(""), &value, &r), ERR_INVALID);
    assert_int_equal(value_from_json(slice_of("1e400"), &value, &r), ERR_INVALID);
    assert_int_equal(value.len, 0);
    buf_clear(&value);
}

static void value_to_json_refuses_damage(void **state) {
    (void)state;
    struct buf text;
    buf_init(&text, 64);
    assert_int_equal(value_to_json(slice_of(""), &text), ERR_CORRUPT);
    assert_int_equal(value_to_json(slice_of("i12"), &text), ERR_CORRUPT);
    assert_int_equal(value_to_json(slice_of("?x"), &text), ERR_CORRUPT);
    buf_clear(&text);
}

static void a_list_shows_its_values_and_nothing_is_read_behind_its_end(void **state) {
    (void)state;
    struct buf list, text;
    buf_init(&list, 64);
    buf_init(&text, 64);
    buf_add_u8(&list, 'l');
    buf_add_lv(&list, slice_of("sa\"b"));
    buf_add_lv(&list, slice_of("t"));
    buf_add_lv(&list, slice_of("j{\"n\":1}"));
    assert_true(value_is_sound(buf_slice(&list)));
    assert_int_equal(value_to_json(buf_slice(&list), &text), 0);
    assert_string_equal(buf_str(&text), "[\"a\\\"b\",true,{\"n\":1}]");
    struct slice cut = buf_slice(&list);
    cut.len--;
    assert_int_equal(value_to_json(cut, &text), ERR_CORRUPT);
    buf_reset(&list);
    buf_add_u8(&list, 'l');
    buf_add_lv(&list, slice_of("l"));
    assert_int_equal(value_to_json(buf_slice(&list), &text), ERR_CORRUPT);
    buf_clear(&list);
    buf_clear(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(value_add_keeps_whole_numbers_whole),
        cmocka_unit_test(value_add_refuses_what_is_no_number),
        cmocka_unit_test(value_json_goes_both_ways),
        cmocka_unit_test(value_scalars_take_their_own_tags),
        cmocka_unit_test(value_from_json_says_where_it_is_wrong),
        cmocka_unit_test(value_to_json_refuses_damage),
        cmocka_unit_test(a_list_shows_its_values_and_nothing_is_read_behind_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
