/*
 * time.c - see cli/time.h.
 *
 * Times are UTC unless they say otherwise: a command that was tried on one machine must mean the
 * same in a script on another.
 */
#include "cli/time.h"

#include "conf/conf.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

enum { SECONDS_DIGITS_MAX = 12 }; /* about 30,000 years */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Reads exactly `count` digits. */
static bool read_digits(const char **at, int count, int *out) {
    int n = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (!is_digit(**at)) {
            return false;
        }
        n = n * 10 + (**at - '0');
    }
    *out = n;
    return true;
}

static bool read_char(const char **at, const char *any_of) {
    if (**at == '\0' || strchr(any_of, **at) == NULL) {
        return false;
    }
    (*at)++;
    return true;
}

/* Reads ".25" as 250 milliseconds; nothing as 0. */
static bool read_fraction(const char **at, int *ms) {
    int worth = 100;
    *ms = 0;
    if (**at != '.') {
        return true;
    }
    (*at)++;
    if (!is_digit(**at)) {
        return false;
    }
    for (; is_digit(**at); (*at)++, worth /= 10) {
        *ms += worth * (**at - '0');
    }
    return true;
}

/* Reads "Z", "+02:00", or nothing. */
static bool read_zone(const char **at, int *minutes_east) {
    int hours;
    int minutes;
    bool west = **at == '-';
    *minutes_east = 0;
    if (**at == '\0' || read_char(at, "Zz")) {
        return true;
    }
    if (!read_char(at, "+-") || !read_digits(at, 2, &hours) || !read_char(at, ":") ||
        !read_digits(at, 2, &minutes) || hours > 23 || minutes > 59) {
        return false;
    }
    *minutes_east = (west ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

/* Reads what follows the date. */
static bool read_clock(const char **at, struct tm *tm, int *ms, int *minutes_east) {
    *ms = 0;
    *minutes_east = 0;
    if (**at == '\0') {
        return true;
    }
    if (!read_char(at, "Tt ") || !read_digits(at, 2, &tm->tm_hour) || !read_char(at, ":") ||
        !read_digits(at, 2, &tm->tm_min)) {
        return false;
    }
    if (read_char(at, ":") && (!read_digits(at, 2, &tm->tm_sec) || !read_fraction(at, ms))) {
        return false;
    }
    /* RFC 3339 knows leap seconds: 60 is the first of the next minute. */
    return read_zone(at, minutes_east) && tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec <= 60;
}

static int read_date(const char *text, int64_t *out, struct report *r) {
    struct tm tm = {0};
    int year;
    int month;
    int ms;
    int minutes_east;
    const char *at = text;
    if (!read_digits(&at, 4, &year) || !read_char(&at, "-") || !read_digits(&at, 2, &month) ||
        !read_char(&at, "-") || !read_digits(&at, 2, &tm.tm_mday)) {
        return ERR_NOTFOUND; /* not written like a date */
    }
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    struct tm day = tm;
    time_t midnight = timegm(&day); /* normalizes a day that does not exist to the next month */
    if (month < 1 || month > 12 || day.tm_mday != tm.tm_mday || day.tm_mon != tm.tm_mon) {
        return report(r, ERR_INVALID, "\"%s\": no such day", text);
    }
    if (!read_clock(&at, &tm, &ms, &minutes_east) || *at != '\0') {
        return report(r, ERR_INVALID,
                      "\"%s\": the date must be followed by a time, as in 2026-11-25T03:00:00Z or "
                      "2026-11-25T04:00+01:00",
                      text);
    }
    int64_t seconds = (int64_t)midnight + tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec;
    *out = (seconds - (int64_t)minutes_east * 60) * 1000 + ms;
    return *out >= 0 ? 0 : report(r, ERR_INVALID, "\"%s\" is before 1970", text);
}

/* Reads what follows the @. */
static bool read_seconds(const char *at, int64_t *out) {
    int64_t seconds = 0;
    int digits = 0;
    int ms;
    for (; is_digit(*at) && digits < SECONDS_DIGITS_MAX; at++, digits++) {
        seconds = seconds * 10 + (*at - '0');
    }
    if (digits == 0 || !read_fraction(&at, &ms) || *at != '\0') {
        return false;
    }
    *out = seconds * 1000 + ms;
    return true;
}

int time_parse(const char *text, int64_t now_ms, int64_t *ms, struct report *r) {
    struct report unused;
    int64_t age_ms;
    int code = read_date(text, ms, r);
    if (code != ERR_NOTFOUND) {
        return code;
    }
    if (text[0] == '@' && read_seconds(text + 1, ms)) {
        return 0;
    }
    if (text[0] != '@' && conf_parse_duration(text, &age_ms, &unused) == 0) {
        *ms = now_ms - age_ms;
        return age_ms <= now_ms ? 0 : report(r, ERR_INVALID, "\"%s\" is before 1970", text);
    }
    return report(
        r, ERR_INVALID,
        "\"%s\" is not a time: write 2026-11-25T03:00:00Z, 2026-11-25, @1764039600, or an "
        "age such as 2h or 3d",
        text);
}
