/*
 * json_read.c - see base/json_read.h.
 *
 * A number of at most 19 digits that a double holds exactly, times a power of ten that a double
 * holds exactly, is one rounding away from the nearest double; strtod does all others. Nobody calls
 * setlocale, so its decimal point is JSON's.
 */
#include "base/json_read.h"

#include "base/utf8.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum expects {
    VALUE,        /* the first one, or one behind a name or comma */
    FIRST_VALUE,  /* behind [ */
    FIRST_MEMBER, /* behind { */
    MEMBER,       /* behind a comma */
    NO_MORE,      /* behind a value: a comma, the bracket, the end of the text */
};

static const char memory_error[] = "out of memory";

void json_open_text(struct json_reader *r, struct slice text) {
    const char *start = text.data == NULL ? "" : text.data;
    r->start = r->at = start;
    r->end = start + text.len;
    r->text = (struct slice){start, 0};
    r->error = NULL;
    r->depth = 0;
    r->escaped = r->torn = false;
    r->in_object = r->unique = false;
    r->expects = VALUE;
    if (text.len >= 3 && memcmp(start, "\xEF\xBB\xBF", 3) == 0) {
        r->at += 3;
    }
}

static enum json_token fail(struct json_reader *r, const char *error) {
    r->error = error;
    return JSON_ERROR;
}

static inline void skip_space(struct json_reader *r) {
    while (r->at < r->end && (unsigned char)*r->at <= ' ' &&
           (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')) {
        r->at++;
    }
}

/* The next byte; -1 at the end. */
static inline int peek(const struct json_reader *r) {
    return r->at < r->end ? (unsigned char)*r->at : -1;
}

static inline bool is_digit(const struct json_reader *r) {
    return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

/* --- objects and arrays --- */

static enum json_token open_level(struct json_reader *r, bool object) {
    if (r->depth == JSON_READ_DEPTH_MAX) {
        return fail(r, "it is nested too deeply");
    }
    uint64_t bit = UINT64_C(1) << (r->depth % 64);
    uint64_t *word = &r->objects[r->depth / 64];
    uint64_t outer = r->depth % 64 == 0 ? 0 : *word;
    *word = object ? outer | bit : outer & ~bit;
    r->in_object = object;
    r->depth++;
    r->at++;
    r->expects = object ? FIRST_MEMBER : FIRST_VALUE;
    return object ? JSON_BEGIN_OBJECT : JSON_BEGIN_ARRAY;
}

static enum json_token close_level(struct json_reader *r) {
    bool object = r->in_object;
    int level = --r->depth - 1;
    r->in_object = level >= 0 && (r->objects[level / 64] >> (level % 64) & 1) != 0;
    r->at++;
    r->expects = NO_MORE;
    return object ? JSON_END_OBJECT : JSON_END_ARRAY;
}

/* --- strings --- */

/* Four hexadecimal digits; -1 if they are not. */
static int hex4(const char *at, const char *end) {
    int value = 0;
    if (end - at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

static bool is_high(int unit) {
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(int unit) {
    return unit >= 0xdc00 && unit < 0xe000;
}

/* The low half that follows a high one at `at`, written as an escape; -1: none does. */
static int low_half(const char *at, const char *end) {
    int unit = end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? hex4(at + 2, end) : -1;
    return is_low(unit) ? unit : -1;
}

/* At a backslash. NULL, or what is wrong. */
static const char *skip_escape(struct json_reader *r) {
    r->escaped = true;
    r->at++;
    int c = peek(r);
    if (c != 'u') {
        if (c <= 0 || strchr("\"\\/bfnrt", c) == NULL) {
            return c == -1 ? "the string is not closed" : "unknown escape in a string";
        }
        r->at++;
        return NULL;
    }
    int unit = hex4(r->at + 1, r->end);
    if (unit < 0) {
        return "\\u takes four hexadecimal digits";
    }
    r->at += 5;
    if (is_high(unit) && low_half(r->at, r->end) >= 0) {
        r->at += 6;
    } else if (is_high(unit) || is_low(unit)) {
        r->torn = true;
    }
    return NULL;
}

static inline bool is_plain(unsigned char c) {
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* The first byte that is not plain. Of eight bytes at once: subtracting 1 from a byte that is 0
 * sets its highest bit, and so does subtracting 0x20 from a smaller one; what that borrows spoils
 * only bytes behind it. */
static inline const char *skip_plain(const char *at, const char *end) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    while (end - at >= 8) {
        uint64_t bytes;
        memcpy(&bytes, at, sizeof bytes);
        bytes = le64toh(bytes); /* the first byte is the lowest */
        uint64_t special = (bytes | (bytes - 0x20 * ones) | ((bytes ^ '"' * ones) - ones) |
                            ((bytes ^ '\\' * ones) - ones)) &
                           0x80 * ones;
        if (special != 0) {
            return at + __builtin_ctzll(special) / 8;
        }
        at += 8;
    }
    while (at < end && is_plain((unsigned char)*at)) {
        at++;
    }
    return at;
}

/* At the opening quote; leaves `text` and goes behind the closing one. */
static bool read_string(struct json_reader *r) {
    const char *begin = ++r->at;
    r->escaped = r->torn = false;
    for (;;) {
        const char *at = skip_plain(r->at, r->end);
        r->at = at;
        int c = peek(r);
        if (c == '"') {
            r->text = (struct slice){begin, (size_t)(at - begin)};
            r->at++;
            return true;
        }
        if (c == '\\') {
            r->error = skip_escape(r);
        } else if (c < 0x20) {
            r->error = c == -1 ? "the string is not closed"
                               : "a control character in a string must be written as an escape";
        } else {
            uint32_t character;
            size_t len = utf8_read((struct slice){at, (size_t)(r->end - at)}, 0, &character);
            r->error = len == 0 ? "a string is not UTF-8" : NULL;
            r->at += len;
        }
        if (r->error != NULL) {
            return false;
        }
    }
}

static size_t put_utf8(uint32_t c, char out[4]) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len - 1; i > 0; i--, c >>= 6) {
        out[i] = (char)(0x80 | (c & 0x3f));
    }
    out[0] = (char)(first[len] | c);
    return len;
}

/* The character of the escape at *at, behind its backslash; goes behind it. */
static uint32_t read_escape(const char **at, const char *end) {
    static const char names[] = "bfnrt", meant[] = "\b\f\n\r\t";
    char c = *(*at)++;
    if (c != 'u') {
        const char *name = strchr(names, c);
        return (unsigned char)(name == NULL ? c : meant[name - names]);
    }
    int unit = hex4(*at, end);
    *at += 4;
    int low = is_high(unit) ? low_half(*at, end) : -1;
    if (low >= 0) {
        *at += 6;
        return 0x10000u + (((uint32_t)unit - 0xd800u) << 10) + ((uint32_t)low - 0xdc00u);
    }
    return is_high(unit) || is_low(unit) ? 0xfffdu : (uint32_t)unit;
}

static size_t put(const char *from, size_t count, char *out, size_t room, size_t len) {
    if (count > 0 && len < room) {
        memcpy(out + len, from, count < room - len ? count : room - len);
    }
    return len + count;
}

size_t json_unescape(struct slice text, char *out, size_t room) {
    const char *at = text.data, *end = text.data + text.len;
    size_t len = 0;
    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        const char *until = escape == NULL ? end : escape;
        len = put(at, (size_t)(until - at), out, room, len);
        at = until;
        if (escape != NULL) {
            char utf8[4];
            at++;
            size_t count = put_utf8(read_escape(&at, end), utf8);
            len = put(utf8, count, out, room, len);
        }
    }
    assert(len <= text.len);
    return len;
}

/* --- numbers --- */

struct digits {
    uint64_t value; /* of the first 19 */
    int count;      /* all, without leading zeros; at most INT_MAX / 2 */
    int scale;      /* the value is to be multiplied by ten to this power */
};

enum { EXACT_DIGITS = 19, EXACT_POWER = 22, SCALE_MAX = 1 << 20 };

static void take_digits(struct json_reader *r, struct digits *d) {
    const char *at = r->at;
    unsigned digit;
    for (; at < r->end && (digit = (unsigned)*at - '0') <= 9; at++) {
        if (d->count < EXACT_DIGITS) {
            d->value = d->value * 10 + digit;
        }
        d->count += d->count < SCALE_MAX && d->value > 0;
    }
    r->at = at;
}

/* At the e. */
static bool take_exponent(struct json_reader *r, struct digits *d) {
    r->at++;
    bool negative = peek(r) == '-';
    r->at += negative || peek(r) == '+';
    if (!is_digit(r)) {
        return false;
    }
    int exponent = 0;
    for (; is_digit(r); r->at++) {
        exponent = exponent < SCALE_MAX ? exponent * 10 + (*r->at - '0') : exponent;
    }
    if (exponent >= SCALE_MAX) {
        d->count = SCALE_MAX; /* not as it stands there: strtod reads it */
    }
    d->scale += negative ? -exponent : exponent;
    return true;
}

/* The number from `begin` to `at`. What follows it in the text ends it for strtod; at the text's
 * end a copy is made. */
static bool read_slowly(struct json_reader *r, const char *begin) {
    if (r->at < r->end) {
        r->real = strtod(begin, NULL);
        return true;
    }
    char *copy = slice_dup((struct slice){begin, (size_t)(r->at - begin)});
    if (copy == NULL) {
        return false;
    }
    r->real = strtod(copy, NULL);
    free(copy);
    return true;
}

static enum json_token read_double(struct json_reader *r, const char *begin,
                                   const struct digits *d) {
    static const double powers[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (d->count <= EXACT_DIGITS && d->value <= UINT64_C(1) << 53 && d->scale >= -EXACT_POWER &&
        d->scale <= EXACT_POWER) {
        double value = (double)d->value;
        value = d->scale < 0 ? value / powers[-d->scale] : value * powers[d->scale];
        r->real = *begin == '-' ? -value : value;
    } else if (!read_slowly(r, begin)) {
        return fail(r, memory_error);
    }
    return JSON_DOUBLE;
}

static enum json_token read_number(struct json_reader *r) {
    const char *begin = r->at;
    struct digits d = {0};
    r->at += *begin == '-';
    const char *first = r->at;
    take_digits(r, &d);
    if (r->at == first) {
        return fail(r, "a digit is missing");
    }
    if (*first == '0' && r->at - first > 1) {
        r->at = first;
        return fail(r, "a number must not begin with 0");
    }
    bool whole = true;
    if (peek(r) == '.') {
        const char *point = r->at++;
        take_digits(r, &d);
        whole = false;
        if (r->at - point == 1) {
            return fail(r, "a digit is missing");
        }
        if (r->at - point > SCALE_MAX) {
            d.count = SCALE_MAX;
        } else {
            d.scale = -(int)(r->at - point - 1);
        }
    }
    if (peek(r) == 'e' || peek(r) == 'E') {
        whole = false;
        if (!take_exponent(r, &d)) {
            return fail(r, "a digit is missing");
        }
    }
    r->text = (struct slice){begin, (size_t)(r->at - begin)};
    r->expects = NO_MORE;
    uint64_t most = (uint64_t)INT64_MAX + (*begin == '-');
    if (!whole || d.count > EXACT_DIGITS || d.value > most) {
        return read_double(r, begin, &d);
    }
    r->whole = (int64_t)(*begin == '-' ? 0 - d.value : d.value);
    return JSON_WHOLE;
}

/* --- values --- */

/* Why no value begins here. */
static enum json_token refuse_value(struct json_reader *r) {
    int c = peek(r);
    const char *error = "expected a value";
    if (c == -1) {
        error = r->at == r->start ? "it is empty" : "it ends too early";
    } else if (c == '\'') {
        error = "strings take double quotes, not single ones";
    } else if (c == ']' || c == '}') {
        error = r->depth > 0 && r->expects != FIRST_VALUE ? "a value is missing"
                                                          : "this bracket closes nothing";
    } else if (c == 'N' || c == 'I') {
        error = "NaN, Infinity and None are not JSON: write null";
    } else if (c == 'T' || c == 'F') {
        error = "true and false are written in lower case";
    } else if (c == '/' || c == '#') {
        error = "JSON has no comments";
    } else if (c >= 0x80) {
        error = "expected a value: is this UTF-8?";
    }
    return fail(r, error);
}

static enum json_token read_word(struct json_reader *r, const char *word, enum json_token token) {
    size_t len = strlen(word);
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0) {
        return fail(r, "expected true, false or null");
    }
    r->at += len;
    r->expects = NO_MORE;
    return token;
}

static enum json_token read_value(struct json_reader *r) {
    int c = peek(r);
    switch (c) {
    case '"':
        r->expects = NO_MORE;
        return read_string(r) ? JSON_TEXT : JSON_ERROR;
    case '{':
    case '[':
        return open_level(r, c == '{');
    case 't':
        return read_word(r, "true", JSON_YES);
    case 'f':
        return read_word(r, "false", JSON_NO);
    case 'n':
        return read_word(r, "null", JSON_NOTHING);
    default:
        return c == '-' || (c >= '0' && c <= '9') ? read_number(r) : refuse_value(r);
    }
}

static enum json_token read_name(struct json_reader *r) {
    int c = peek(r);
    if (c != '"') {
        return fail(r, c == -1    ? "it ends too early"
                       : c == '}' ? "no comma may stand before }"
                                  : "a name must be in double quotes");
    }
    if (!read_string(r)) {
        return JSON_ERROR;
    }
    skip_space(r);
    if (peek(r) != ':') {
        return fail(r, r->at == r->end ? "it ends too early" : "expected : behind the name");
    }
    r->at++;
    r->expects = VALUE;
    return JSON_NAME;
}

/* Behind a value. True: the next one may begin. */
static bool take_comma(struct json_reader *r) {
    if (peek(r) == ',') {
        r->at++;
        skip_space(r);
        r->expects = r->in_object ? MEMBER : VALUE;
        if (peek(r) == ']' && r->expects == VALUE) {
            r->error = "no comma may stand before ]";
        }
        return r->error == NULL;
    }
    r->error = r->at == r->end ? "it ends too early"
               : r->in_object  ? "expected , or }"
                               : "expected , or ]";
    return false;
}

enum json_token json_next(struct json_reader *r) {
    if (r->error != NULL) {
        return JSON_ERROR;
    }
    skip_space(r);
    if (r->depth == 0 && r->expects == NO_MORE) {
        return r->at == r->end ? JSON_END : fail(r, "more follows the value");
    }
    bool may_close = r->expects >= FIRST_VALUE && r->expects != MEMBER;
    if (may_close && peek(r) == (r->in_object ? '}' : ']')) {
        return close_level(r);
    }
    if (r->expects == NO_MORE && !take_comma(r)) {
        return JSON_ERROR;
    }
    return r->expects == MEMBER || r->expects == FIRST_MEMBER ? read_name(r) : read_value(r);
}

bool json_skip(struct json_reader *r, enum json_token token) {
    int depth = r->depth - (token == JSON_BEGIN_OBJECT || token == JSON_BEGIN_ARRAY);
    while (token != JSON_ERROR && r->depth > depth) {
        token = json_next(r);
    }
    return token != JSON_ERROR;
}

/* --- errors --- */

int json_report(const struct json_reader *r, const char *what, struct report *report_to) {
    assert(r->error != NULL);
    if (r->error == memory_error) {
        return report(report_to, ERR_MEMORY, "out of memory");
    }
    if (r->start == r->end) {
        return report(report_to, ERR_INVALID, "%s is not JSON: it is empty", what);
    }
    size_t line = 1, column = 1;
    for (const char *at = r->start; at < r->at; at++) {
        column = *at == '\n' ? 1 : column + (((unsigned char)*at & 0xc0) != 0x80);
        line += *at == '\n';
    }
    return report(report_to, ERR_INVALID, "%s is not JSON: line %zu, column %zu: %s", what, line,
                  column, r->error);
}

int json_check(struct slice text, const char *what, struct report *report_to) {
    struct json_reader r;
    enum json_token token;
    json_open_text(&r, text);
    do {
        token = json_next(&r);
    } while (token > JSON_END);
    return token == JSON_END ? 0 : json_report(&r, what, report_to);
}
