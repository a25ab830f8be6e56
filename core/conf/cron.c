/*
 * cron.c - cron expressions: five fields as sets of bits, and the wall clock minutes that match.
 * Time zones are in conf/cron_zone.c.
 *
 * The language is that of crontab(5) and POSIX: numbers, lists, ranges, steps, names, 7 for Sunday
 * as well, and the words of Vixie cron such as @daily. If both day and weekday are restricted,
 * either one matches; a field that begins with * does not count as restricted.
 *
 * Some things that Vixie cron accepts are more likely a mistake, and are refused: ranges that run
 * backwards, a step without a range, a step wider than the field.
 *
 * Left out on purpose: seconds, L, W and #, which no standard defines; @reboot, which is not a
 * time.
 */
#include "conf/cron.h"

#include "base/buf.h"
#include "base/limits.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { DAY_MINUTES = 1440 };

/* ---- reading ---- */

static const char *const MONTHS[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                     "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const WEEKDAYS[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct field {
    const char *name;
    unsigned min, max;
    const char *const *words; /* NULL = numbers only; the first word has the value `min` */
    size_t word_count;
};

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };

static const struct field fields[FIELDS] = {
    [MINUTE] = {"minute", 0, 59, NULL, 0},
    [HOUR] = {"hour", 0, 23, NULL, 0},
    [DAY] = {"day", 1, 31, NULL, 0},
    [MONTH] = {"month", 1, 12, MONTHS, 12},
    [WEEKDAY] = {"weekday", 0, 7, WEEKDAYS, 7},
};

static const struct {
    const char *word, *fields;
} macros[] = {
    {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
};

/* A part of a field, to be turned into bits. */
struct part {
    const struct field *field;
    struct slice text; /* the whole part, for errors */
    struct report *report;
};

static int no_value(const struct part *p, struct slice text) {
    const struct field *f = p->field;
    int len = (int)text.len;
    if (p->text.len == 0) {
        return report(p->report, ERR_INVALID, "%s: a comma without a value", f->name);
    }
    if (text.len == 0) {
        return report(p->report, ERR_INVALID, "%s \"%.*s\" lacks a value", f->name,
                      (int)p->text.len, p->text.data);
    }
    if (f->words == NULL) {
        return report(p->report, ERR_INVALID, "%s \"%.*s\" is not a number from %u to %u", f->name,
                      len, text.data, f->min, f->max);
    }
    return report(p->report, ERR_INVALID, "\"%.*s\" is not a valid %s: write %u to %u, or %s to %s",
                  len, text.data, f->name, f->min, f->max, f->words[0],
                  f->words[f->word_count - 1]);
}

static bool is_number(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        if (!isdigit((unsigned char)text.data[i])) {
            return false;
        }
    }
    return text.len > 0;
}

/* A number or a name. */
static int take_value(const struct part *p, struct slice text, unsigned *out) {
    const struct field *f = p->field;
    for (size_t i = 0; i < f->word_count; i++) {
        if (text.len == 3 && strncasecmp(text.data, f->words[i], 3) == 0) {
            *out = f->min + (unsigned)i;
            return 0;
        }
    }
    if (!is_number(text)) {
        return no_value(p, text);
    }
    unsigned value = 0;
    for (size_t i = 0; i < text.len && value <= f->max; i++) {
        value = value * 10 + (unsigned)(text.data[i] - '0');
    }
    if (value < f->min || value > f->max) {
        return report(p->report, ERR_INVALID, "%s %.*s is out of range %u to %u", f->name,
                      (int)text.len, text.data, f->min, f->max);
    }
    *out = value;
    return 0;
}

/* Splits `text` at the first `c`; false when there is none. */
static bool cut(struct slice *text, char c, struct slice *rest) {
    const char *at = text->len == 0 ? NULL : memchr(text->data, c, text->len);
    if (at == NULL) {
        return false;
    }
    size_t len = (size_t)(at - text->data);
    *rest = (struct slice){at + 1, text->len - len - 1};
    text->len = len;
    return true;
}

static int take_step(const struct part *p, struct slice text, unsigned *out) {
    const struct field *f = p->field;
    unsigned most = f->max - f->min + 1;
    unsigned step = 0;
    for (size_t i = 0; is_number(text) && i < text.len && step <= most; i++) {
        step = step * 10 + (unsigned)(text.data[i] - '0');
    }
    if (step < 1 || step > most) {
        return report(p->report, ERR_INVALID, "%s %.*s: a step must be a number from 1 to %u",
                      f->name, (int)p->text.len, p->text.data, most);
    }
    *out = step;
    return 0;
}

/* "first-last" or a single value; *single says which. */
static int take_range(const struct part *p, struct slice text, unsigned *first, unsigned *last,
                      bool *single) {
    struct slice to;
    *single = !cut(&text, '-', &to);
    int code = take_value(p, text, first);
    if (code != 0 || *single) {
        *last = *first;
        return code;
    }
    code = take_value(p, to, last);
    if (code == 0 && p->field == &fields[WEEKDAY] && *last == 0 && *first > 0) {
        *last = 7; /* fri-sun */
    }
    if (code == 0 && *last < *first) {
        const struct field *f = p->field;
        unsigned end = f == &fields[WEEKDAY] ? 6 : f->max;
        return report(p->report, ERR_INVALID, "%s %.*s runs backwards: write %u-%u,%u-%u", f->name,
                      (int)p->text.len, p->text.data, *first, end, f->min, *last);
    }
    return code;
}

/* "*", "5", "1-5", and "/2" after a range. */
static int take_part(const struct part *p, uint64_t *bits) {
    const struct field *f = p->field;
    struct slice range = p->text;
    struct slice step_text;
    unsigned step = 1;
    unsigned first = f->min;
    unsigned last = f->max;
    bool single = false;
    bool stepped = cut(&range, '/', &step_text);
    int code = slice_is(range, "*") ? 0 : take_range(p, range, &first, &last, &single);
    if (code == 0 && stepped) {
        code = take_step(p, step_text, &step);
    }
    if (code == 0 && stepped && single) {
        return report(p->report, ERR_INVALID,
                      "%s %.*s: a step must follow * or a range: write %u-%u/%u", f->name,
                      (int)p->text.len, p->text.data, first, f->max, step);
    }
    for (unsigned value = first; code == 0 && value <= last; value += step) {
        *bits |= UINT64_C(1) << value;
    }
    return code;
}

static int take_field(const struct field *field, struct slice text, uint64_t *bits, bool *any,
                      struct report *r) {
    struct slice rest = {"", 0};
    bool more = true;
    int code = 0;
    *bits = 0;
    *any = text.len > 0 && text.data[0] == '*';
    while (code == 0 && more) {
        more = cut(&text, ',', &rest);
        struct part part = {field, text, r};
        code = take_part(&part, bits);
        text = rest;
    }
    return code;
}

/* Splits at blanks; returns the number of words, of which it stores at most FIELDS. */
static size_t split(const char *text, struct slice words[FIELDS]) {
    static const char blank[] = " \t";
    size_t count = 0;
    for (const char *at = text + strspn(text, blank); *at != '\0'; count++) {
        size_t len = strcspn(at, blank);
        if (count < FIELDS) {
            words[count] = (struct slice){at, len};
        }
        at += len;
        at += strspn(at, blank);
    }
    return count;
}

static int expand(const char **text, struct report *r) {
    const char *word = *text + strspn(*text, " \t");
    if (word[0] != '@') {
        return 0;
    }
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++) {
        if (strcasecmp(word, macros[i].word) == 0) {
            *text = macros[i].fields;
            return 0;
        }
    }
    return report(r, ERR_INVALID,
                  "\"%s\" is unknown: use @hourly, @daily, @weekly, @monthly and @yearly", word);
}

/* All possible kinds of years occur within CRON_YEARS_MAX years of this one. */
static int check_comes(const struct cron *cron, const char *text, struct report *r) {
    enum { YEAR_2000_S = 946684800 };
    int64_t found;
    if (cron_wall_next(cron, YEAR_2000_S, &found)) {
        return 0;
    }
    return report(r, ERR_INVALID, "\"%s\" never matches: none of its months has that day", text);
}

int cron_parse(const char *text, struct cron *out, struct report *r) {
    struct slice words[FIELDS];
    uint64_t bits[FIELDS];
    bool any[FIELDS];
    const char *written = text;
    int code = expand(&text, r);
    if (code != 0) {
        return code;
    }
    size_t count = split(text, words);
    if (count != FIELDS) {
        return report(
            r, ERR_INVALID,
            "\"%s\" has %zu field%s; five are required: minute hour day month weekday, as "
            "in \"0 3 * * *\"",
            text, count, count == 1 ? "" : "s");
    }
    for (size_t i = 0; i < FIELDS && code == 0; i++) {
        code = take_field(&fields[i], words[i], &bits[i], &any[i], r);
    }
    if (code != 0) {
        return code;
    }
    *out = (struct cron){.minutes = bits[MINUTE],
                         .hours = (uint32_t)bits[HOUR],
                         .days = (uint32_t)bits[DAY],
                         .months = (uint16_t)bits[MONTH],
                         .weekdays = (uint8_t)((bits[WEEKDAY] | bits[WEEKDAY] >> 7) & 0x7f),
                         .any_hour = any[HOUR],
                         .any_day = any[DAY],
                         .any_weekday = any[WEEKDAY]};
    return check_comes(out, written, r);
}

/* ---- the wall clock ---- */

struct date {
    int64_t year;
    unsigned month, day; /* from 1 */
};

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0 ? 1 : 0);
}

/* The proleptic Gregorian calendar, counted from 1 March of the year 0 so that the leap day comes
 * last (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms"). `days` since 1970. */
static struct date date_of(int64_t days) {
    int64_t shifted = days + 719468;
    int64_t era = floor_div(shifted, 146097);
    int64_t of_era = shifted - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153;
    struct date date = {.year = year + era * 400 + (month >= 10 ? 1 : 0),
                        .month = (unsigned)(month < 10 ? month + 3 : month - 9),
                        .day = (unsigned)(of_year - (153 * month + 2) / 5 + 1)};
    assert(date.month >= 1 && date.month <= 12 && date.day >= 1 && date.day <= 31);
    return date;
}

/* 0 = Sunday; 1 January 1970 was a Thursday. */
static unsigned weekday_of(int64_t days) {
    return (unsigned)(days + 4 - floor_div(days + 4, 7) * 7);
}

static bool day_matches(const struct cron *cron, const struct date *date, int64_t days) {
    bool day = (cron->days >> date->day & 1) != 0;
    bool weekday = (cron->weekdays >> weekday_of(days) & 1) != 0;
    return cron->any_day || cron->any_weekday ? day && weekday : day || weekday;
}

/* The first minute of a day at or after `from`; DAY_MINUTES when there is none. */
static unsigned minute_from(const struct cron *cron, unsigned from) {
    for (unsigned hour = from / 60; hour < 24; hour++) {
        unsigned passed = hour == from / 60 ? from % 60 : 0;
        uint64_t left = cron->minutes >> passed;
        if ((cron->hours >> hour & 1) != 0 && left != 0) {
            return hour * 60 + passed + (unsigned)__builtin_ctzll(left);
        }
    }
    return DAY_MINUTES;
}

bool cron_wall_next(const struct cron *cron, int64_t wall_s, int64_t *out_s) {
    int64_t minute = floor_div(wall_s + 59, 60);
    int64_t days = floor_div(minute, DAY_MINUTES);
    unsigned from = (unsigned)(minute - days * DAY_MINUTES);
    int64_t last = days + (int64_t)CRON_YEARS_MAX * 366;
    while (days <= last) {
        struct date date = date_of(days);
        if ((cron->months >> date.month & 1) == 0) {
            days += 32 - date.day;         /* into the next month, */
            days -= date_of(days).day - 1; /* to its first */
            from = 0;
            continue;
        }
        unsigned at = day_matches(cron, &date, days) ? minute_from(cron, from) : DAY_MINUTES;
        if (at < DAY_MINUTES) {
            *out_s = (days * DAY_MINUTES + at) * 60;
            return true;
        }
        days++;
        from = 0;
    }
    return false;
}
