/*
 * test_cron.c - cron expressions, and when they tick where the clocks change.
 *
 * Besides the dates written down here there is an oracle (cron_oracle.h): every minute of some years.
 *
 * ctest: busy
 */
#include "conf/cron.h"

#include "cron_oracle.h"
#include "pace.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* "2026-03-29T01:00:00Z" */
static int64_t utc(const char *text) {
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    assert_true(end != NULL && *end == '\0');
    return (int64_t)timegm(&tm) * 1000;
}

static struct cron parsed(const char *text) {
    struct cron cron;
    struct report r = {""};
    if (cron_parse(text, &cron, &r) != 0) {
        fail_msg("\"%s\": %s", text, r.text);
    }
    return cron;
}

static struct cron_zone *zone_of(const char *name) {
    struct cron_zone *zone = NULL;
    struct report r = {""};
    if (cron_zone_new(&zone, name, &r) != 0) {
        fail_msg("%s", r.text);
    }
    return zone;
}

/* The ticks after `from` are just these, with blanks between. */
static void assert_ticks(const char *expression, const char *zone_name, const char *from,
                         const char *expected) {
    struct cron cron = parsed(expression);
    struct cron_zone *zone = zone_of(zone_name);
    int64_t at = utc(from);
    char got[1024] = "";
    char one[CRON_UTC_BYTES];
    while (strlen(got) < strlen(expected)) {
        at = cron_next(&cron, zone, at);
        assert_true(at != INT64_MAX);
        if (got[0] != '\0') {
            strncat(got, " ", sizeof got - strlen(got) - 1);
        }
        strncat(got, cron_utc_text(at, one), sizeof got - strlen(got) - 1);
    }
    if (strcmp(got, expected) != 0) {
        fail_msg("\"%s\" in %s: %s, not %s", expression, zone_name, got, expected);
    }
    cron_zone_free(zone);
}

static void assert_refused(const char *expression, const char *sentence) {
    struct cron cron;
    struct report r = {""};
    assert_int_equal(cron_parse(expression, &cron, &r), ERR_INVALID);
    assert_string_equal(r.text, sentence);
}

/* --- the language --- */

static void fields_are_numbers_lists_ranges_and_steps(void **state) {
    (void)state;
    assert_true(parsed("5 * * * *").minutes == UINT64_C(1) << 5);
    assert_true(parsed("0,30,59 * * * *").minutes == (1 | UINT64_C(1) << 30 | UINT64_C(1) << 59));
    assert_true(parsed("*/20 * * * *").minutes == (1 | UINT64_C(1) << 20 | UINT64_C(1) << 40));
    assert_true(parsed("10-30/10 * * * *").minutes ==
                (UINT64_C(1) << 10 | UINT64_C(1) << 20 | UINT64_C(1) << 30));
    assert_true(parsed("1-2,5-6/1,7 * * * *").minutes == 0xe6);
    assert_true(parsed("* * * * *").minutes == (UINT64_C(1) << 60) - 1);
    assert_true(parsed("*/60 * * * *").minutes == 1);
    assert_int_equal(parsed("0 * * * *").hours, (1 << 24) - 1);
    assert_true(parsed("0 0 * * *").days == 0xfffffffe);
    assert_int_equal(parsed("0 0 1 * *").months, 0x1ffe);
    assert_int_equal(parsed("0 0 * * *").weekdays, 0x7f);
    assert_int_equal(parsed("\t0   3 *\t* * ").hours, 1 << 3);
}

static void months_and_weekdays_have_names_and_sunday_two_numbers(void **state) {
    (void)state;
    assert_int_equal(parsed("0 0 1 jan,DEC *").months, 1 << 1 | 1 << 12);
    assert_int_equal(parsed("0 0 1 Mar-may *").months, 1 << 3 | 1 << 4 | 1 << 5);
    assert_int_equal(parsed("0 0 * * mon-fri").weekdays, 0x3e);
    assert_int_equal(parsed("0 0 * * 0").weekdays, 1);
    assert_int_equal(parsed("0 0 * * 7").weekdays, 1);
    assert_int_equal(parsed("0 0 * * sun").weekdays, 1);
    assert_int_equal(parsed("0 0 * * 5-7").weekdays, 0x61);
    assert_int_equal(parsed("0 0 * * fri-sun").weekdays, 0x61);
}

static void words_stand_for_expressions(void **state) {
    (void)state;
    static const char *const words[][2] = {
        {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
        {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
        {"@annually", "0 0 1 1 *"}, {"@DAILY", "0 0 * * *"},
    };
    for (size_t i = 0; i < COUNT(words); i++) {
        struct cron a = parsed(words[i][0]);
        struct cron b = parsed(words[i][1]);
        assert_true(a.minutes == b.minutes && a.hours == b.hours && a.days == b.days &&
                    a.months == b.months && a.weekdays == b.weekdays);
    }
}

static void a_mistake_is_named_with_its_field_and_the_mend(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"61 * * * *", "minute 61 is out of range 0 to 59"},
        {"99999999999999999999 * * * *", "minute 99999999999999999999 is out of range 0 to 59"},
        {"0 24 * * *", "hour 24 is out of range 0 to 23"},
        {"0 0 0 * *", "day 0 is out of range 1 to 31"},
        {"0 0 * 13 *", "month 13 is out of range 1 to 12"},
        {"0 0 * * 8", "weekday 8 is out of range 0 to 7"},
        {"x * * * *", "minute \"x\" is not a number from 0 to 59"},
        {"0 -1 * * *", "hour \"-1\" lacks a value"},
        {"1,,2 * * * *", "minute: a comma without a value"},
        {"1- * * * *", "minute \"1-\" lacks a value"},
        {"0 0 * june *", "\"june\" is not a valid month: write 1 to 12, or jan to dec"},
        {"0 0 * * funday", "\"funday\" is not a valid weekday: write 0 to 7, or sun to sat"},
        {"5/15 * * * *", "minute 5/15: a step must follow * or a range: write 5-59/15"},
        {"*/0 * * * *", "minute */0: a step must be a number from 1 to 60"},
        {"*/90 * * * *", "minute */90: a step must be a number from 1 to 60"},
        {"*/ * * * *", "minute */: a step must be a number from 1 to 60"},
        {"0 22-3 * * *", "hour 22-3 runs backwards: write 22-23,0-3"},
        {"0 0 * * fri-tue", "weekday fri-tue runs backwards: write 5-6,0-2"},
        {"0 3 * *",
         "\"0 3 * *\" has 4 fields; five are required: minute hour day month weekday, as "
         "in \"0 3 * * *\""},
        {"0 0 3 * * *", "\"0 0 3 * * *\" has 6 fields; five are required: minute hour day month "
                        "weekday, as in \"0 3 * * *\""},
        {"", "\"\" has 0 fields; five are required: minute hour day month weekday, as in "
             "\"0 3 * * *\""},
        {"@reboot", "\"@reboot\" is unknown: use @hourly, @daily, @weekly, @monthly and @yearly"},
        {"0 0 30 2 *", "\"0 0 30 2 *\" never matches: none of its months has that day"},
        {"0 0 31 4,6,9,11 *",
         "\"0 0 31 4,6,9,11 *\" never matches: none of its months has that day"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_refused(rows[i][0], rows[i][1]);
    }
}

static void a_zone_is_utc_or_a_name_of_the_database(void **state) {
    (void)state;
    static const char *const good[] = {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires",
                                       "Etc/GMT+5"};
    static const char *const bad[] = {"",
                                      "Europe/Berln",
                                      "europe/berlin",
                                      "Berlin",
                                      "+02:00",
                                      "../../etc/passwd",
                                      "/usr/share/zoneinfo/Europe/Berlin",
                                      "zone.tab",
                                      "Europe",
                                      "CET-1CEST,M3.5.0,M10.5.0/3",
                                      "UTC+1",
                                      "UTC-5",
                                      "GMT+2",
                                      "GMT+02:00",
                                      "MSK+3",
                                      "MSK-3",
                                      "ABC5",
                                      "CET-1CEST"};
    for (size_t i = 0; i < COUNT(good); i++) {
        cron_zone_free(zone_of(good[i]));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct cron_zone *zone = NULL;
        struct report r = {""};
        assert_int_equal(cron_zone_new(&zone, bad[i], &r), ERR_INVALID);
        assert_non_null(strstr(r.text, "write \"UTC\" or a name as in \"Europe/Berlin\""));
        assert_null(zone);
    }
}

static void a_refused_offset_says_how_to_write_it(void **state) {
    static const char *const rows[][2] = {
        {"UTC+1", "1 h ahead of UTC is \"Etc/GMT-1\""},
        {"GMT-5", "5 h behind UTC is \"Etc/GMT+5\""},
        {"+02:00", "2 h ahead of UTC is \"Etc/GMT-2\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct cron_zone *zone = NULL;
        struct report r = {""};
        assert_int_equal(cron_zone_new(&zone, rows[i][0], &r), ERR_INVALID);
        assert_non_null(strstr(r.text, rows[i][1]));
    }
    struct cron_zone *ahead = zone_of("Etc/GMT-1");
    char text[CRON_LOCAL_BYTES];
    assert_non_null(strstr(cron_local_text(ahead, 0, text), "01:00 +01:00"));
    cron_zone_free(ahead);
}

/* --- the calendar --- */

static void a_tick_is_strictly_after_the_moment_asked_for(void **state) {
    (void)state;
    struct cron_zone *zone = zone_of("UTC");
    struct cron cron = parsed("0 3 * * *");
    int64_t tick = utc("2026-05-01T03:00:00Z");
    assert_true(cron_next(&cron, zone, tick - 1) == tick);
    assert_true(cron_next(&cron, zone, tick) == utc("2026-05-02T03:00:00Z"));
    assert_true(cron_next(&cron, zone, tick + 1) == utc("2026-05-02T03:00:00Z"));
    cron = parsed("* * * * *");
    assert_true(cron_next(&cron, zone, tick + 59999) == tick + 60000);
    assert_true(cron_next(&cron, zone, 0) == 60000);
    assert_true(cron_next(&cron, zone, -1) == 0);
    cron_zone_free(zone);
}

static void years_and_months_end_and_leap_days_come(void **state) {
    (void)state;
    assert_ticks("59 23 31 12 *", "UTC", "2026-12-31T23:59:00Z", "2027-12-31T23:59:00Z");
    assert_ticks("@yearly", "UTC", "2026-12-31T23:59:59Z",
                 "2027-01-01T00:00:00Z 2028-01-01T00:00:00Z");
    assert_ticks("0 0 31 * *", "UTC", "2026-01-31T00:00:00Z",
                 "2026-03-31T00:00:00Z 2026-05-31T00:00:00Z 2026-07-31T00:00:00Z");
    assert_ticks("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z",
                 "2028-02-29T00:00:00Z 2032-02-29T00:00:00Z");
    assert_ticks("0 0 29 2 *", "UTC", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z");
    /* 2100 is no leap year: the next 29 February on a Sunday is forty years off. */
    assert_ticks("0 0 29 2 */7", "UTC", "2088-02-29T00:00:00Z", "2128-02-29T00:00:00Z");
    /* The first midnight of a year in Berlin lies in the year before. */
    assert_ticks("@yearly", "Europe/Berlin", "2026-12-31T00:00:00Z", "2026-12-31T23:00:00Z");
}

static void day_and_weekday_match_either_unless_one_begins_with_a_star(void **state) {
    (void)state;
    /* Friday or the 13th; November 2026 has both on one day. */
    assert_ticks("0 0 13 * fri", "UTC", "2026-11-01T00:00:00Z",
                 "2026-11-06T00:00:00Z 2026-11-13T00:00:00Z 2026-11-20T00:00:00Z "
                 "2026-11-27T00:00:00Z 2026-12-04T00:00:00Z 2026-12-11T00:00:00Z "
                 "2026-12-13T00:00:00Z");
    assert_ticks("0 0 * * fri", "UTC", "2026-11-07T00:00:00Z", "2026-11-13T00:00:00Z");
    assert_ticks("0 0 13 * *", "UTC", "2026-11-14T00:00:00Z", "2026-12-13T00:00:00Z");
    /* crontab(5): with a * in one of them both must match: odd days that are Fridays. */
    assert_ticks("0 0 */2 * fri", "UTC", "2026-11-01T00:00:00Z",
                 "2026-11-13T00:00:00Z 2026-11-27T00:00:00Z");
}

/* --- where the clocks change --- */

static void a_fixed_hour_that_is_skipped_ticks_when_the_gap_ends(void **state) {
    (void)state;
    /* Berlin, 29 March 2026: 02:00 becomes 03:00, which is 01:00 UTC. */
    assert_ticks("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z",
                 "2026-03-28T01:30:00Z 2026-03-29T01:00:00Z 2026-03-30T00:30:00Z");
    assert_ticks("0 3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
                 "2026-03-29T01:00:00Z 2026-03-30T01:00:00Z");
    /* Several in the gap, and one at its end, are one. */
    assert_ticks("0,30 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z",
                 "2026-03-29T01:00:00Z 2026-03-29T01:30:00Z 2026-03-30T00:00:00Z");
    assert_ticks("* 2 29 3 *", "Europe/Berlin", "2026-03-29T00:00:00Z",
                 "2026-03-29T01:00:00Z 2027-03-29T00:00:00Z");
    /* New York, 8 March 2026: 02:00 becomes 03:00, which is 07:00 UTC. */
    assert_ticks("15 2 * * *", "America/New_York", "2026-03-07T12:00:00Z",
                 "2026-03-08T07:00:00Z 2026-03-09T06:15:00Z");
    /* Samoa had no 30 December 2011. */
    assert_ticks("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z",
                 "2011-12-30T10:00:00Z 2012-12-29T22:00:00Z");
}

static void a_fixed_hour_that_comes_twice_ticks_once(void **state) {
    (void)state;
    /* Berlin, 25 October 2026: 03:00 becomes 02:00 at 01:00 UTC. */
    assert_ticks("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
                 "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z");
    assert_ticks("0 2,3 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
                 "2026-10-25T00:00:00Z 2026-10-25T02:00:00Z 2026-10-26T01:00:00Z");
    /* Asked within the hour that comes again, the day's tick is over. */
    assert_ticks("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z");
    assert_ticks("*/30 2 25 10 *", "Europe/Berlin", "2026-10-24T12:00:00Z",
                 "2026-10-25T00:00:00Z 2026-10-25T00:30:00Z 2027-10-25T00:00:00Z");
    /* New York, 1 November 2026: 02:00 becomes 01:00 at 06:00 UTC. */
    assert_ticks("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z",
                 "2026-11-01T05:30:00Z 2026-11-02T06:30:00Z");
}

static void an_hour_that_begins_with_a_star_goes_by_real_time(void **state) {
    (void)state;
    assert_ticks("30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z",
                 "2026-03-29T00:30:00Z 2026-03-29T01:30:00Z 2026-03-29T02:30:00Z");
    assert_ticks("30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z",
                 "2026-10-25T00:30:00Z 2026-10-25T01:30:00Z 2026-10-25T02:30:00Z");
    assert_ticks("0 */2 * * *", "Europe/Berlin", "2026-03-28T22:30:00Z",
                 "2026-03-28T23:00:00Z 2026-03-29T02:00:00Z");
    assert_ticks("@hourly", "America/New_York", "2026-11-01T04:30:00Z",
                 "2026-11-01T05:00:00Z 2026-11-01T06:00:00Z 2026-11-01T07:00:00Z");
    /* Half an hour at a time: Lord Howe, 5 April 2026, 02:00 becomes 01:30 at 15:00 UTC. */
    assert_ticks("45 * * * *", "Australia/Lord_Howe", "2026-04-04T14:00:00Z",
                 "2026-04-04T14:45:00Z 2026-04-04T15:15:00Z 2026-04-04T16:15:00Z");
}

static void zones_beyond_whole_hours_and_beyond_2037_tick_right(void **state) {
    (void)state;
    assert_ticks("0 6 * * *", "Asia/Kathmandu", "2026-06-01T00:00:00Z",
                 "2026-06-01T00:15:00Z 2026-06-02T00:15:00Z");
    assert_ticks("0 12 1 7 *", "Europe/Berlin", "2060-01-01T00:00:00Z", "2060-07-01T10:00:00Z");
    assert_ticks("0 12 1 1 *", "Europe/Berlin", "2060-06-01T00:00:00Z", "2061-01-01T11:00:00Z");
}

/* --- the latest --- */

static void the_latest_tick_is_found_however_many_came_before_it(void **state) {
    (void)state;
    struct cron_zone *zone = zone_of("Europe/Berlin");
    struct cron every = parsed("* * * * *");
    struct cron yearly = parsed("@yearly");
    int64_t now = utc("2026-05-01T12:34:56Z");
    assert_true(cron_latest(&every, zone, 0, now) == utc("2026-05-01T12:34:00Z"));
    assert_true(cron_latest(&yearly, zone, 0, now) == utc("2025-12-31T23:00:00Z"));
    int64_t tick = utc("2025-12-31T23:00:00Z");
    assert_true(cron_latest(&yearly, zone, tick - 1, tick) == tick);
    assert_true(cron_latest(&yearly, zone, tick, now) == 0);
    assert_true(cron_latest(&yearly, zone, now, tick) == 0);
    cron_zone_free(zone);
}

/* --- against the minutes that libc knows --- */

static void assert_like(const struct cron_oracle *o, const char *expression,
                        const char *zone_name) {
    struct cron cron = parsed(expression);
    struct cron_zone *zone = zone_of(zone_name);
    int64_t next = cron_next(&cron, zone, o->first_s * 1000);
    for (size_t i = 1; i < o->count; i++) {
        int64_t at = (o->first_s + (int64_t)i * 60) * 1000;
        bool expected = cron_oracle_ticks(o, &cron, i);
        if (expected != (at == next)) {
            char text[CRON_UTC_BYTES];
            fail_msg("\"%s\" in %s %s at %s", expression, zone_name,
                     expected ? "does not tick" : "ticks", cron_utc_text(at, text));
        }
        next = expected ? cron_next(&cron, zone, at) : next;
    }
    cron_zone_free(zone);
}

static void every_minute_of_two_years_agrees_with_libc(void **state) {
    (void)state;
    const size_t days = PACE > 1 ? 200 : 731; /* each zone changes within 200, too */
    static const char *const expressions[] = {
        "*/5 * * * *", "*/7 */3 * * *",   "30 2 * * *",     "*/15 1-3 * * *",
        "0 0 * * *",   "59 23 * * 0,6",   "15 1 13 * fri",  "5 2 25-31 3,10 sun",
        "0 0 29 2 *",  "45 0-23/2 * * *", "0 12 */2 * mon", "0,30 0,1,2,3 * * *",
        "20 1 1 */2 *"};
    static const struct {
        const char *name, *from;
    } zones[] = {{"UTC", "2027-06-01T00:00:00Z"},
                 {"Europe/Berlin", "2027-06-01T00:00:00Z"},
                 {"America/New_York", "2027-06-01T00:00:00Z"},
                 {"Australia/Lord_Howe", "2027-06-01T00:00:00Z"},
                 {"America/St_Johns", "2005-06-01T00:00:00Z"},  /* changed at 00:01 */
                 {"Africa/Casablanca", "2024-01-01T00:00:00Z"}, /* Ramadan */
                 {"Pacific/Apia", "2011-01-01T00:00:00Z"}};     /* lost a day */
    for (size_t z = 0; z < COUNT(zones); z++) {
        struct cron_oracle o = cron_oracle_of(zones[z].name, utc(zones[z].from) / 1000, days);
        for (size_t i = 0; i < COUNT(expressions); i++) {
            assert_like(&o, expressions[i], zones[z].name);
        }
        cron_oracle_clear(&o);
    }
}

static void texts_say_the_local_time_and_rfc_3339(void **state) {
    (void)state;
    char out[CRON_LOCAL_BYTES];
    struct cron_zone *berlin = zone_of("Europe/Berlin");
    struct cron_zone *st_johns = zone_of("America/St_Johns");
    struct cron_zone *plain = zone_of("UTC");
    int64_t at = utc("2026-03-29T01:00:00Z");
    assert_string_equal(cron_local_text(berlin, at, out), "Sun 2026-03-29 03:00 +02:00");
    assert_string_equal(cron_local_text(berlin, at - 1, out), "Sun 2026-03-29 01:59 +01:00");
    assert_string_equal(cron_local_text(st_johns, at, out), "Sat 2026-03-28 22:30 -02:30");
    assert_string_equal(cron_local_text(plain, at, out), "Sun 2026-03-29 01:00 +00:00");
    assert_string_equal(cron_utc_text(at, out), "2026-03-29T01:00:00Z");
    cron_zone_free(berlin);
    cron_zone_free(st_johns);
    cron_zone_free(plain);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_numbers_lists_ranges_and_steps),
        cmocka_unit_test(months_and_weekdays_have_names_and_sunday_two_numbers),
        cmocka_unit_test(words_stand_for_expressions),
        cmocka_unit_test(a_mistake_is_named_with_its_field_and_the_mend),
        cmocka_unit_test(a_zone_is_utc_or_a_name_of_the_database),
        cmocka_unit_test(a_refused_offset_says_how_to_write_it),
        cmocka_unit_test(a_tick_is_strictly_after_the_moment_asked_for),
        cmocka_unit_test(years_and_months_end_and_leap_days_come),
        cmocka_unit_test(day_and_weekday_match_either_unless_one_begins_with_a_star),
        cmocka_unit_test(a_fixed_hour_that_is_skipped_ticks_when_the_gap_ends),
        cmocka_unit_test(a_fixed_hour_that_comes_twice_ticks_once),
        cmocka_unit_test(an_hour_that_begins_with_a_star_goes_by_real_time),
        cmocka_unit_test(zones_beyond_whole_hours_and_beyond_2037_tick_right),
        cmocka_unit_test(the_latest_tick_is_found_however_many_came_before_it),
        cmocka_unit_test(every_minute_of_two_years_agrees_with_libc),
        cmocka_unit_test(texts_say_the_local_time_and_rfc_3339),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
