/*
 * value.c - state values as bytes, and as JSON for people.
 *
 * Numbers are little-endian, written with base/buf.h.
 */
#include "event/value.h"

#include "base/json_read.h"
#include "base/json_write.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    char text[JSON_REAL_BYTES];
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
            buf_add_str(out, json_real_text(double_of(value), text));
        } else { /* JSON cannot express it */
            buf_add_str(out, "null");
        }
        break;
    case 's':
        (void)json_quote(rest, out);
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
