/*
 * units.c - values in topics.conf: durations, sizes, rates; and the nearest word to a misspelt one.
 *
 * Design: a quantity is a whole number and a unit from a small table; one function reads all of
 * them. Left out on purpose: fractions ("1.5s") and sums ("1m30s"), for which the next smaller unit
 * can be used, and decimal sizes ("64kB"), which are ambiguous.
 */
#include "conf/conf.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t worth; /* in the base unit: milliseconds, bytes, seconds a turn */
};

static const struct unit DURATIONS[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};

static const struct unit SIZES[] = {
    {"", 1},
    {"B", 1},
    {"KiB", UINT64_C(1) << 10},
    {"MiB", UINT64_C(1) << 20},
    {"GiB", UINT64_C(1) << 30},
    {"TiB", UINT64_C(1) << 40},
    {NULL, 0},
};

static const struct unit RATES[] = {{"/s", 1}, {"/m", 60}, {"/h", 3600}, {NULL, 0}};

/* Reads digits, then, possibly after a space, one of the units. ERR_LIMIT when the product exceeds
 * INT64_MAX, ERR_INVALID when the text is anything else. */
static int read_quantity(const char *text, const struct unit *units, uint64_t *number,
                         uint64_t *worth) {
    uint64_t n = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        n = n > INT64_MAX / 10 - 1 ? INT64_MAX : n * 10 + (uint64_t)(*at - '0');
    }
    if (at == text) {
        return ERR_INVALID;
    }
    at += *at == ' ';
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (strcmp(unit->name, at) == 0) {
            *number = n;
            *worth = unit->worth;
            return n < INT64_MAX && n <= INT64_MAX / unit->worth ? 0 : ERR_LIMIT;
        }
    }
    return ERR_INVALID;
}

static int too_large(const char *text, const char *what, struct report *r) {
    return report(r, ERR_INVALID, "\"%s\" is too large for a %s", text, what);
}

int conf_parse_duration(const char *text, int64_t *ms, struct report *r) {
    uint64_t number = 0;
    uint64_t worth = 0;
    int code = strcmp(text, "0") == 0 ? 0 : read_quantity(text, DURATIONS, &number, &worth);
    if (code == ERR_LIMIT) {
        return too_large(text, "duration", r);
    }
    if (code != 0) {
        return report(r, ERR_INVALID,
                      "\"%s\" is not a duration: write an integer and ms, s, m, h or d, as in "
                      "\"30s\"",
                      text);
    }
    *ms = (int64_t)(number * worth);
    return 0;
}

int conf_parse_size(const char *text, uint64_t *bytes, struct report *r) {
    uint64_t number = 0;
    uint64_t worth = 0;
    int code = read_quantity(text, SIZES, &number, &worth);
    if (code == ERR_LIMIT) {
        return too_large(text, "size", r);
    }
    if (code != 0) {
        return report(r, ERR_INVALID,
                      "\"%s\" is not a size: write an integer and B, KiB, MiB, GiB or TiB, as in "
                      "\"64KiB\"",
                      text);
    }
    *bytes = number * worth;
    return 0;
}

int conf_parse_letters(const char *text, struct letter_quota *quota, struct report *r) {
    struct report unread;
    char *end;
    errno = 0;
    unsigned long long count = strtoull(text, &end, 10);
    bool is_count = text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
    *quota = (struct letter_quota){.count = is_count ? count : 0};
    if (!is_count && conf_parse_size(text, &quota->bytes, &unread) != 0) {
        quota->bytes = 0;
    }
    if (quota->count + quota->bytes == 0) {
        return report(r, ERR_INVALID,
                      "\"%s\" is neither a number of dead letters nor a size: write 1000 or 64MiB",
                      text);
    }
    return 0;
}

int conf_parse_rate(const char *text, double *per_second, struct report *r) {
    if (strcmp(text, "0") == 0) {
        *per_second = 0.0;
        return 0;
    }
    uint64_t number = 0;
    uint64_t seconds = 0;
    int code = read_quantity(text, RATES, &number, &seconds);
    if (code == ERR_LIMIT) {
        return too_large(text, "rate", r);
    }
    if (code != 0 || number == 0) {
        return report(
            r, ERR_INVALID,
            "\"%s\" is not a rate: write \"200/s\", \"10/m\", \"5/h\", or \"0\" for no limit",
            text);
    }
    *per_second = (double)number / (double)seconds;
    return 0;
}

/* Below a minute: milliseconds, or seconds with the decimals they need. */
static void short_text(const char *sign, uint64_t ms, char out[32]) {
    if (ms < 1000 && ms > 0) {
        (void)snprintf(out, 32, "%s%" PRIu64 " ms", sign, ms);
        return;
    }
    int decimals = ms % 1000 == 0 ? 0 : ms % 100 == 0 ? 1 : ms % 10 == 0 ? 2 : 3;
    (void)snprintf(out, 32, "%s%.*f s", sign, decimals, (double)ms / 1000.0);
}

const char *conf_number_text(int64_t number, char out[32]) {
    (void)snprintf(out, 32, "%" PRId64, number);
    return out;
}

const char *conf_size_text(int64_t bytes, char out[32]) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (unit < 4 && bytes >= 1024 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    (void)snprintf(out, 32, "%" PRId64 " %s", bytes, units[unit]);
    return out;
}

const char *conf_duration_text(int64_t ms, char out[32]) {
    /* from, large unit, small unit: two units are enough for a person */
    static const struct {
        uint64_t from_ms, big_ms, small_ms;
        const char *big, *small;
    } forms[] = {
        {172800000, 86400000, 3600000, "d", "h"}, /* from two days on: one day is written as 24 h */
        {3600000, 3600000, 60000, "h", "m"},
        {60000, 60000, 1000, "m", "s"},
    };
    const char *sign = ms < 0 ? "-" : "";
    uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (left < forms[i].from_ms) {
            continue;
        }
        uint64_t big = left / forms[i].big_ms;
        uint64_t small = left % forms[i].big_ms / forms[i].small_ms;
        int len = snprintf(out, 32, "%s%" PRIu64 " %s", sign, big, forms[i].big);
        assert(len > 0 && len < 32);
        if (small > 0) {
            (void)snprintf(out + len, 32 - (size_t)len, " %" PRIu64 " %s", small, forms[i].small);
        }
        return out;
    }
    short_text(sign, left, out);
    return out;
}

enum { WORD_MAX = 64 }; /* longer words get no suggestion */

static size_t min_size(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Insertions, deletions and replacements that turn a into b; both have at most WORD_MAX
 * characters. */
static size_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len) {
    size_t row[WORD_MAX + 1];
    assert(a_len <= WORD_MAX && b_len <= WORD_MAX);
    for (size_t j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = min_size(replaced, min_size(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_len];
}

const char *conf_suggest(const char *word, const char *const *names, size_t count) {
    size_t len = strlen(word);
    if (len > WORD_MAX) {
        return NULL;
    }
    size_t limit = len / 3 > 2 ? len / 3 : 2;
    limit = min_size(limit, len > 0 ? len - 1 : 0); /* something must be left of the word */
    const char *best = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t name_len = strlen(names[i]);
        if (name_len > WORD_MAX) {
            continue;
        }
        size_t distance = edit_distance(word, len, names[i], name_len);
        if (distance <= limit) {
            best = names[i];
            limit = distance > 0 ? distance - 1 : 0; /* from now on, only a nearer one is better */
            if (distance == 0) {
                break;
            }
        }
    }
    return best;
}
