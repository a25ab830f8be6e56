/* test_cli_time.c - points in time as people write them on the command line. */
#include "cli/time.h"

#include "test.h"

#include <stdlib.h>
#include <string.h>

static const int64_t NOW_MS = 1764072000123;   /* 2025-11-25T12:00:00.123Z */
static const int64_t THREE_MS = 1764039600000; /* 2025-11-25T03:00:00Z */

static void reads(const char *text, int64_t expected) {
    struct report r = {""};
    int64_t ms = -1;
    if (time_parse(text, NOW_MS, &ms, &r) != 0) {
        fail_msg("%s: %s", text, r.text);
    }
    assert_int_equal(ms, expected);
}

static void refuses(const char *text, const char *why) {
    struct report r = {""};
    int64_t ms;
    assert_int_equal(time_parse(text, NOW_MS, &ms, &r), ERR_INVALID);
    if (strstr(r.text, why) == NULL || strstr(r.text, text) == NULL) {
        fail_msg("%s: %s", text, r.text);
    }
}

static void a_time_of_rfc_3339_is_read(void **state) {
    (void)state;
    reads("2025-11-25T03:00:00Z", THREE_MS);
    reads("2025-11-25t03:00:00z", THREE_MS);
    reads("2025-11-25 03:00:00Z", THREE_MS);
    reads("2025-11-25T03:00:00.25Z", THREE_MS + 250);
    reads("2025-11-25T03:00:00.123456789Z", THREE_MS + 123);
    reads("2025-11-25T03:00:07Z", THREE_MS + 7000);
}

static void an_offset_tells_where_it_was_that_late(void **state) {
    (void)state;
    reads("2025-11-25T04:00:00+01:00", THREE_MS);
    reads("2025-11-24T21:30:00-05:30", THREE_MS);
    reads("2025-11-25T03:00:00-00:00", THREE_MS);
}

static void without_a_zone_it_is_utc_whatever_the_machine_thinks(void **state) {
    (void)state;
    assert_int_equal(setenv("TZ", "America/New_York", 1), 0);
    reads("2025-11-25T03:00:00", THREE_MS);
    reads("2025-11-25T03:00", THREE_MS);
    reads("2025-11-25", THREE_MS - 3 * 3600 * 1000);
    assert_int_equal(unsetenv("TZ"), 0);
}

static void days_that_are_rare_are_read(void **state) {
    (void)state;
    reads("2024-02-29", 1709164800000);
    reads("2016-12-31T23:59:60Z", 1483228800000);
    reads("1970-01-01", 0);
}

static void seconds_since_1970_are_read(void **state) {
    (void)state;
    reads("@1764039600", THREE_MS);
    reads("@1764039600.5", THREE_MS + 500);
    reads("@0", 0);
}

static void an_age_counts_back_from_now(void **state) {
    (void)state;
    reads("2h", NOW_MS - 2 * 3600 * 1000);
    reads("3d", NOW_MS - 3 * 24 * 3600 * 1000);
    reads("250ms", NOW_MS - 250);
}

static void a_day_or_a_time_there_is_not_is_refused(void **state) {
    (void)state;
    refuses("2025-02-29", "no such day");
    refuses("2025-11-31T03:00:00Z", "no such day");
    refuses("2025-13-01", "no such day");
    refuses("2025-00-10", "no such day");
    refuses("2025-11-00", "no such day");
    refuses("2025-11-25T24:00:00Z", "the date must be followed by a time");
    refuses("2025-11-25T03:60:00Z", "the date must be followed by a time");
    refuses("2025-11-25T03:00:61Z", "the date must be followed by a time");
    refuses("2025-11-25T03:00:00+24:00", "the date must be followed by a time");
    refuses("1969-12-31", "is before 1970");
    refuses("99999999999d", "is before 1970");
}

static void what_is_no_time_is_refused_with_what_would_be(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",      "yesterday", "03:00",        "25.11.2025", "2025-11", "1764039600",     "@",
        "@12.x", "@-5",       "@1764039600Z", "2 hours",    "-2h",     "@9999999999999",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        refuses(texts[i], "is not a time: write 2026-11-25T03:00:00Z, 2026-11-25, @1764039600");
    }
    refuses("2025-11-25T", "the date must be followed by a time");
    refuses("2025-11-25T03", "the date must be followed by a time");
    refuses("2025-11-25T03:00:00.Z", "the date must be followed by a time");
    refuses("2025-11-25T03:00:00 CET", "the date must be followed by a time");
    refuses("2025-11-25T03:00:00Zx", "the date must be followed by a time");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_of_rfc_3339_is_read),
        cmocka_unit_test(an_offset_tells_where_it_was_that_late),
        cmocka_unit_test(without_a_zone_it_is_utc_whatever_the_machine_thinks),
        cmocka_unit_test(days_that_are_rare_are_read),
        cmocka_unit_test(seconds_since_1970_are_read),
        cmocka_unit_test(an_age_counts_back_from_now),
        cmocka_unit_test(a_day_or_a_time_there_is_not_is_refused),
        cmocka_unit_test(what_is_no_time_is_refused_with_what_would_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
