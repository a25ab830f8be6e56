/* test_json_tree.c - JSON as a tree: made, looked at, changed, written; and the parts of its text. */
#include "base/json.h"

#include "test.h"

#include "base/json_write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void writes(json_t *value, const char *text) {
    char *written = value == NULL ? NULL : json_dumps(value);
    assert_non_null(written);
    assert_string_equal(written, text);
    free(written);
    json_decref(value);
}

static void pack_makes_what_the_format_says(void **state) {
    (void)state;
    writes(json_pack("{s:s, s:i, s:I, s:b, s:b, s:n}", "a", "x", "b", -1, "c", (json_int_t)1 << 40,
                     "d", 1, "e", 0, "f"),
           "{\"a\":\"x\",\"b\":-1,\"c\":1099511627776,\"d\":true,\"e\":false,\"f\":null}");
    writes(json_pack("{s:{s:[i, f]}, s:[], s:{}}", "a", "b", 1, 0.5, "c", "d"),
           "{\"a\":{\"b\":[1,0.5]},\"c\":[],\"d\":{}}");
    writes(json_pack("{s:s#, s:o}", "a", "bcd", 2, "e", json_null()), "{\"a\":\"bc\",\"e\":null}");
    const char *none = NULL;
    writes(
        json_pack("{s:s?, s:s*, s:O*, s:s}", "a", none, "b", none, "c", (json_t *)NULL, "d", "x"),
        "{\"a\":null,\"d\":\"x\"}");
    json_t *kept = json_integer(5);
    writes(json_pack("[O, O]", kept, kept), "[5,5]");
    writes(kept, "5");
}

static void pack_fails_as_a_whole_and_takes_what_it_was_given(void **state) {
    (void)state;
    const char *none = NULL;
    assert_null(json_pack("{s:s, s:o}", "a", none, "b", json_array()));
    assert_null(json_pack("{s:o, s:[o, o]}", "a", NULL, "b", json_object(), json_string("x")));
    assert_null(json_pack("{s:s}", "a", "not UTF-8: \xff"));
}

static void the_last_value_of_a_name_counts_in_the_place_of_the_first(void **state) {
    (void)state;
    json_t *object = json_pack("{s:i, s:i}", "a", 1, "b", 2);
    assert_int_equal(json_object_set_new(object, "a", json_integer(3)), 0);
    json_t *more = json_pack("{s:i, s:i}", "b", 4, "c", 5);
    assert_int_equal(json_object_update(object, more), 0);
    json_decref(more);
    writes(object, "{\"a\":3,\"b\":4,\"c\":5}");
}

static void names_of_a_large_object_are_found(void **state) {
    (void)state;
    enum { NAMES = 5000 };
    json_t *object = json_object();
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < NAMES; i++) {
            char name[16];
            (void)snprintf(name, sizeof name, "n%d", i);
            assert_int_equal(json_object_set_new(object, name, json_integer(i + round)), 0);
        }
    }
    assert_int_equal(json_object_size(object), NAMES);
    assert_int_equal(json_integer_value(json_object_get(object, "n4999")), 5000);
    assert_null(json_object_get(object, "n5000"));
    const char *name;
    const json_t *value;
    json_int_t at = 0;
    json_object_foreach(object, name, value) {
        assert_int_equal(strtol(name + 1, NULL, 10), at);
        assert_int_equal(json_integer_value(value), ++at);
    }
    json_decref(object);
}

static void arrays_grow_and_shrink_anywhere(void **state) {
    (void)state;
    json_t *array = json_array();
    for (int i = 0; i < 10; i++) {
        assert_int_equal(json_array_append_new(array, json_integer(i)), 0);
    }
    json_t *text = json_string("x");
    assert_int_equal(json_array_insert(array, 0, text), 0);
    assert_int_equal(json_array_insert(array, 12, text), -1);
    json_decref(text);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(json_array_remove(array, 2), 0);
    }
    assert_int_equal(json_array_remove(array, 3), -1);
    assert_null(json_array_get(array, 3));
    writes(array, "[\"x\",0,9]");
}

static void what_is_not_there_or_of_another_kind_is_nothing(void **state) {
    (void)state;
    json_t *number = json_integer(1);
    assert_null(json_object_get(NULL, "a"));
    assert_null(json_object_get(number, "a"));
    assert_null(json_string_value(number));
    assert_int_equal(json_array_size(number), 0);
    assert_int_equal(json_integer_value(NULL), 0);
    assert_int_equal(json_array_append_new(number, json_null()), -1);
    assert_int_equal(json_object_set_new(NULL, "a", json_null()), -1);
    assert_null(json_real(INFINITY));
    assert_null(json_string("\xff"));
    assert_null(json_string(NULL));
    json_decref(number);
    json_decref(NULL);
}

static void values_are_equal_whatever_their_order(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{\"a\":[1,2.5,null],\"b\":true}", "{\"b\":true,\"a\":[1,2.5,null]}",
        "{\"a\":[1,2.5,null]}", "{\"a\":[1,2.5],\"b\":true}", "{\"a\":[1,2.5,\"\"],\"b\":true}"};
    json_t *first = json_read(slice_of(texts[0]), "text", NULL);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *other = json_read(slice_of(texts[i]), "text", NULL);
        assert_int_equal(json_equal(first, other), i < 2);
        json_decref(other);
    }
    json_decref(first);
}

static void spread_and_ascii_are_for_people(void **state) {
    (void)state;
    json_t *tree = json_read(
        slice_of("{\"a\":[1,{}],\"\xC3\xA9\":\"\xF0\x9F\x98\x80\\u001b\\u007f\"}"), "t", NULL);
    struct buf out;
    buf_init(&out, 1000);
    json_write(tree, &out, JSON_SPREAD | JSON_ASCII);
    assert_string_equal(buf_str(&out), "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"\\u00e9\": "
                                       "\"\\ud83d\\ude00\\u001b\\u007f\"\n}");
    buf_clear(&out);
    json_decref(tree);
}

static void json_real_text_reads_back_the_same_in_the_fewest_digits(void **state) {
    (void)state;
    static const struct {
        double v;
        const char *text;
    } rows[] = {{0.1, "0.1"},
                {0.1 + 0.2, "0.30000000000000004"},
                {5, "5.0"},
                {-0.0, "-0.0"},
                {1e15, "1e+15"},
                {123456789012345.0, "123456789012345.0"},
                {1e-7, "1e-07"},
                {1.7976931348623157e308, "1.7976931348623157e+308"},
                {5e-324, "4.94065645841247e-324"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[JSON_REAL_BYTES];
        assert_string_equal(json_real_text(rows[i].v, out), rows[i].text);
        assert_true(strtod(out, NULL) == rows[i].v);
    }
}

static void json_quote_mends_what_is_not_utf8(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *quoted;
        bool valid;
    } rows[] = {
        {"plain", "\"plain\"", true},
        {"\xC3\xA4\xE2\x82\xAC", "\"\xC3\xA4\xE2\x82\xAC\"", true},
        {"a\xFFz", "\"a\xEF\xBF\xBDz\"", false},
        {"\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"", false},                 /* overlong */
        {"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"", false}, /* surrogate */
        {"\xE2\x82", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"", false},                 /* cut */
        {"\xF4\x90\x80\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"", false},
        {"\b\t\n\v\f\r\x7f", "\"\\b\\t\\n\\u000b\\f\\r\x7f\"", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out;
        buf_init(&out, 256);
        assert_int_equal(json_quote(slice_of(rows[i].bytes), &out), rows[i].valid);
        assert_string_equal(buf_str(&out), rows[i].quoted);
        buf_clear(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pack_makes_what_the_format_says),
        cmocka_unit_test(pack_fails_as_a_whole_and_takes_what_it_was_given),
        cmocka_unit_test(the_last_value_of_a_name_counts_in_the_place_of_the_first),
        cmocka_unit_test(names_of_a_large_object_are_found),
        cmocka_unit_test(arrays_grow_and_shrink_anywhere),
        cmocka_unit_test(what_is_not_there_or_of_another_kind_is_nothing),
        cmocka_unit_test(values_are_equal_whatever_their_order),
        cmocka_unit_test(spread_and_ascii_are_for_people),
        cmocka_unit_test(json_real_text_reads_back_the_same_in_the_fewest_digits),
        cmocka_unit_test(json_quote_mends_what_is_not_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
