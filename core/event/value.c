/*
 * value.c - state values as bytes, and as JSON for people.
 *
 * Numbers are little-endian, written with base/buf.h. The writer is shared with
 * lua/json.c.
 */
#include "event/value.h"

#include "base/json_read.h"
#include "base/utf8.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *value_real_text(double v, char out[VALUE_REAL_BYTES]) {
    assert(isfinite(v));
    for (int digits = 15; digits <= 17; digits++) {
        int len = snprintf(out, VALUE_REAL_BYTES, "%.*g", digits, v);
        assert(len > 0 && len < VALUE_REAL_BYTES - 2);
        if (digits == 17 || strtod(out, NULL) == v) { // cppcheck-suppress floatComparison
            break;
        }
    }
    if (strpbrk(out, ".eE") == NULL) {
        memcpy(out + strlen(out), ".0", 3);
    }
    return out;
}

static void quote_ascii(unsigned char c, struct buf *out) {
    static const char names[] = "btn\vfr"; /* from 8 on; 11 has no short form */
    if (c == '"' || c == '\\') {
        char pair[2] = {'\\', (char)c};
        buf_add(out, pair, 2);
    } else if (c >= 8 && c <= 13 && c != 11) {
        char pair[2] = {'\\', names[c - 8]};
        buf_add(out, pair, 2);
    } else {
        buf_printf(out, "\\u%04x", c);
    }
}

static bool is_plain(unsigned char c) {
    return c >= 0x20 && c != '"' && c != '\\' && c < 0x80;
}

bool value_quote(struct slice text, struct buf *out) {
    const unsigned char *s = (const unsigned char *)text.data;
    bool valid = true;
    buf_add(out, "\"", 1);
    for (size_t i = 0; i < text.len;) {
        size_t run = i;
        while (run < text.len && is_plain(s[run])) {
            run++;
        }
        buf_add(out, s + i, run - i);
        i = run;
        if (i == text.len) {
            break;
        }
        uint32_t character;
        size_t len = utf8_read(text, i, &character);
        if (len == 0) {
            valid = false;
            buf_add_str(out, "\xEF\xBF\xBD");
            len = 1;
        } else if (len == 1) {
            quote_ascii(s[i], out);
        } else {
            buf_add(out, s + i, len);
        }
        i += len;
    }
    buf_add(out, "\"", 1);
    return valid;
}

static int64_t int_of(struct slice value) {
    struct reader r = reader_of(value.data + 1, value.len - 1);
    return (int64_t)read_u64(&r);
}

static double double_of(struct slice value) {
    struct reader r = reader_of(value.data + 1, value.len - 1);
    uint64_t bits = read_u64(&r);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void add_int(struct buf *out, int64_t v) {
    buf_add_u8(out, 'i');
    buf_add_u64(out, (uint64_t)v);
}

static void add_double(struct buf *out, double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    buf_add_u8(out, 'd');
    buf_add_u64(out, bits);
}

static bool is_number(struct slice value) {
    return value.len == 9 && (value.data[0] == 'i' || value.data[0] == 'd');
}

bool value_is_sound(struct slice value) {
    static const char tags[] = "tfidsjl";
    if (value.len == 0 || memchr(tags, value.data[0], sizeof tags - 1) == NULL) {
        return false;
    }
    bool number = value.data[0] == 'i' || value.data[0] == 'd';
    return (!number || is_number(value)) && (value.data[0] != 'j' || value.len > 1);
}

int value_add(struct slice value, bool delta_is_int, int64_t delta_int, double delta,
              struct buf *out) {
    if (value.len > 0 && !is_number(value)) {
        return ERR_INVALID;
    }
    bool is_int = value.len == 0 || value.data[0] == 'i';
    int64_t base = value.len == 0 || !is_int ? 0 : int_of(value);
    int64_t sum;
    if (is_int && delta_is_int && !__builtin_add_overflow(base, delta_int, &sum)) {
        add_int(out, sum);
    } else {
        double from = is_int ? (double)base : double_of(value);
        add_double(out, from + (delta_is_int ? (double)delta_int : delta));
    }
    return out->failed ? ERR_MEMORY : 0;
}

static int list_to_json(struct slice list, struct buf *out) {
    struct reader r = reader_of(list.data, list.len);
    int code = 0;
    buf_add_str(out, "[");
    for (bool first = true; code == 0 && r.at < r.end; first = false) {
        struct slice value = read_lv(&r);
        bool nested = value.len > 0 && value.data[0] == 'l';
        buf_add_str(out, first ? "" : ",");
        code = r.failed || nested ? ERR_CORRUPT : value_to_json(value, out);
    }
    buf_add_str(out, "]");
    return code;
}

int value_to_json(struct slice value, struct buf *out) {
    if (value.len == 0) {
        return ERR_CORRUPT;
    }
    if (value.data[0] == 'l') {
        int code = list_to_json((struct slice){value.data + 1, value.len - 1}, out);
        return code != 0 ? code : out->failed ? ERR_MEMORY : 0;
    }
    struct slice rest = {value.data + 1, value.len - 1};
    char text[VALUE_REAL_BYTES];
    switch (value.data[0]) {
    case 't':
        buf_add_str(out, "true");
        break;
    case 'f':
        buf_add_str(out, "false");
        break;
    case 'i':
    case 'd':
        if (!is_number(value)) {
            return ERR_CORRUPT;
        }
        if (value.data[0] == 'i') {
            buf_printf(out, "%lld", (long long)int_of(value));
        } else if (isfinite(double_of(value))) {
            buf_add_str(out, value_real_text(double_of(value), text));
        } else { /* JSON cannot express it */
            buf_add_str(out, "null");
        }
        break;
    case 's':
        (void)value_quote(rest, out);
        break;
    case 'j':
        buf_add_slice(out, rest);
        break;
    default:
        return ERR_CORRUPT;
    }
    return out->failed ? ERR_MEMORY : 0;
}

/* Appends the value that the reader has just read, which is the whole of the text. */
static int add_json_value(const struct json_reader *r, enum json_token token, struct slice text,
                          struct buf *out) {
    switch (token) {
    case JSON_YES:
        buf_add_u8(out, 't');
        break;
    case JSON_NO:
        buf_add_u8(out, 'f');
        break;
    case JSON_WHOLE:
        add_int(out, r->whole);
        break;
    case JSON_DOUBLE:
        add_double(out, r->real);
        break;
    case JSON_TEXT: {
        char *room = malloc(r->text.len + 1);
        if (room == NULL) {
            return ERR_MEMORY;
        }
        buf_add_u8(out, 's');
        buf_add(out, room, json_unescape(r->text, room, r->text.len));
        free(room);
        break;
    }
    default:
        buf_add_u8(out, 'j');
        buf_add_slice(out, text);
        break;
    }
    return out->failed ? ERR_MEMORY : 0;
}

int value_from_json(struct slice json, struct buf *out, struct report *r) {
    struct json_reader reader;
    json_open_text(&reader, json);
    struct slice text = {reader.at, (size_t)(reader.end - reader.at)}; /* no byte order mark */
    enum json_token token = json_next(&reader);
    struct json_reader scalar = reader;
    if (!json_skip(&reader, token) || json_next(&reader) != JSON_END) {
        return json_report(&reader, "the value", r);
    }
    if (token == JSON_DOUBLE && isinf(scalar.real)) {
        return report(r, ERR_INVALID, "the number is too large");
    }
    int rc = add_json_value(&scalar, token, text, out);
    if (rc != 0) {
        return report(r, rc, "the value does not fit in memory");
    }
    return 0;
}
