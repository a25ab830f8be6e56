/* test_conf_units.c - durations, sizes, rates, and the nearest word to a misspelt one. */
#include "conf/conf.h"

#include "test.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void durations_are_numbers_with_units(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"250ms", 250},    {"10s", 10000},
                {"5m", 300000},    {"24h", 86400000},
                {"7d", 604800000}, {"0", 0},
                {"0s", 0},         {"1 s", 1000},
                {"007s", 7000},    {"100000d", INT64_C(8640000000000)}};
    for (size_t i = 0; i < COUNT(good); i++) {
        int64_t ms = -1;
        assert_int_equal(conf_parse_duration(good[i].text, &ms, NULL), 0);
        assert_true(ms == good[i].ms);
    }
    static const char *const bad[] = {"", "s", "10", "1.5s", "-1s", "1m30s", "1 min", "1S", "1  s"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t ms;
        struct report r = {.text = ""};
        assert_int_equal(conf_parse_duration(bad[i], &ms, &r), ERR_INVALID);
        assert_non_null(strstr(r.text, "ms, s, m, h or d"));
    }
}

static void sizes_are_numbers_with_binary_units(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"512", 512},         {"1B", 1}, {"64KiB", 65536}, {"1MiB", 1048576}, {"8GiB", 8ULL << 30},
        {"2TiB", 2ULL << 40}, {"0", 0}};
    for (size_t i = 0; i < COUNT(good); i++) {
        uint64_t bytes = 1;
        assert_int_equal(conf_parse_size(good[i].text, &bytes, NULL), 0);
        assert_true(bytes == good[i].bytes);
    }
    static const char *const bad[] = {"", "KiB", "64kB", "64k", "1.5GiB", "-1"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint64_t bytes;
        struct report r = {.text = ""};
        assert_int_equal(conf_parse_size(bad[i], &bytes, &r), ERR_INVALID);
        assert_non_null(strstr(r.text, "B, KiB, MiB, GiB or TiB"));
    }
}

static void what_no_number_holds_is_too_large(void **state) {
    (void)state;
    int64_t ms;
    uint64_t bytes;
    double rate;
    struct report r = {.text = ""};
    assert_int_equal(conf_parse_duration("999999999999999d", &ms, &r), ERR_INVALID);
    assert_string_equal(r.text, "\"999999999999999d\" is too large for a duration");
    assert_int_equal(conf_parse_duration("99999999999999999999s", &ms, &r), ERR_INVALID);
    assert_string_equal(r.text, "\"99999999999999999999s\" is too large for a duration");
    assert_int_equal(conf_parse_size("99999999TiB", &bytes, &r), ERR_INVALID);
    assert_string_equal(r.text, "\"99999999TiB\" is too large for a size");
    assert_int_equal(conf_parse_rate("99999999999999999999/s", &rate, &r), ERR_INVALID);
    assert_string_equal(r.text, "\"99999999999999999999/s\" is too large for a rate");
}

static void rates_are_a_second_a_minute_or_an_hour(void **state) {
    (void)state;
    double rate = -1;
    assert_int_equal(conf_parse_rate("200/s", &rate, NULL), 0);
    assert_true(rate == 200.0);
    assert_int_equal(conf_parse_rate("30/m", &rate, NULL), 0);
    assert_true(rate == 0.5);
    assert_int_equal(conf_parse_rate("3600/h", &rate, NULL), 0);
    assert_true(rate == 1.0);
    assert_int_equal(conf_parse_rate("0", &rate, NULL), 0);
    assert_true(rate == 0.0);
    static const char *const bad[] = {"", "200", "/s", "0/s", "5/d", "1.5/s", "-1/s"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(conf_parse_rate(bad[i], &rate, NULL), ERR_INVALID);
    }
}

static void durations_read_as_a_person_writes_them(void **state) {
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {{0, "0 s"},
                {1, "1 ms"},
                {250, "250 ms"},
                {1000, "1 s"},
                {1500, "1.5 s"},
                {1250, "1.25 s"},
                {1234, "1.234 s"},
                {59999, "59.999 s"},
                {60000, "1 m"},
                {90000, "1 m 30 s"},
                {3600000, "1 h"},
                {5400000, "1 h 30 m"},
                {86400000, "24 h"},
                {172800000, "2 d"},
                {604800000, "7 d"},
                {180000000, "2 d 2 h"},
                {-4000, "-4 s"},
                {INT64_MAX, "106751991167 d 7 h"},
                {INT64_MIN, "-106751991167 d 7 h"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[32];
        assert_string_equal(conf_duration_text(rows[i].ms, text), rows[i].text);
    }
}

static void suggestions_are_near_words_only(void **state) {
    (void)state;
    static const char *const names[] = {"retries", "retry", "rate", "url", "subscribe"};
    static const struct {
        const char *word, *near;
    } rows[] = {{"retires", "retries"},  {"retry", "retry"}, {"retrys", "retry"},
                {"ulr", "url"},          {"raet", "rate"},   {"suscribed", "subscribe"},
                {"colour", NULL},        {"", NULL},         {"x", NULL},
                {"retriesretries", NULL}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *near = conf_suggest(rows[i].word, names, COUNT(names));
        assert_string_equal(near == NULL ? "-" : near, rows[i].near == NULL ? "-" : rows[i].near);
    }
    char longer[200];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    assert_null(conf_suggest(longer, names, COUNT(names)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_numbers_with_units),
        cmocka_unit_test(sizes_are_numbers_with_binary_units),
        cmocka_unit_test(what_no_number_holds_is_too_large),
        cmocka_unit_test(rates_are_a_second_a_minute_or_an_hour),
        cmocka_unit_test(durations_read_as_a_person_writes_them),
        cmocka_unit_test(suggestions_are_near_words_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
