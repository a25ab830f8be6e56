/* json_print.c - a tree as text. */
#include "base/json_impl.h"

#include "base/json_write.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 1 << 30, INDENT = 2 };

static void add_string(const char *text, size_t len, struct buf *out, unsigned how) {
    size_t begin = out->len;
    (void)json_quote((struct slice){text, len}, out);
    if ((how & JSON_ASCII) == 0 || out->failed) {
        return;
    }
    struct buf quoted;
    buf_init(&quoted, TEXT_BYTES_MAX);
    buf_add(&quoted, out->data + begin, out->len - begin);
    out->len = begin;
    for (size_t at = 0; at < quoted.len;) {
        uint32_t c = 0;
        size_t one = utf8_read(buf_slice(&quoted), at, &c);
        if (c >= 0x10000) {
            buf_printf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                       0xdc00 + ((c - 0x10000) & 0x3ff));
        } else if (c >= 0x7f) {
            buf_printf(out, "\\u%04x", c);
        } else {
            buf_add(out, quoted.data + at, 1);
        }
        at += one > 0 ? one : 1;
    }
    out->failed = out->failed || quoted.failed;
    buf_clear(&quoted);
}

static void new_line(struct buf *out, unsigned how, size_t depth) {
    if ((how & JSON_SPREAD) != 0) {
        buf_add_u8(out, '\n');
        for (size_t i = 0; i < INDENT * depth; i++) {
            buf_add_u8(out, ' ');
        }
    }
}

static void add_value(const json_t *value, struct buf *out, unsigned how, size_t depth);

static void add_object(const json_t *value, struct buf *out, unsigned how, size_t depth) {
    size_t count = value->object.count;
    buf_add_u8(out, '{');
    for (size_t i = 0; i < count; i++) {
        const struct json_member *m = &value->object.members[i];
        new_line(out, how, depth + 1);
        add_string(m->name, m->len, out, how);
        buf_add_str(out, (how & JSON_SPREAD) != 0 ? ": " : ":");
        add_value(m->value, out, how, depth + 1);
        buf_add_str(out, i + 1 < count ? "," : "");
    }
    if (count > 0) {
        new_line(out, how, depth);
    }
    buf_add_u8(out, '}');
}

static void add_array(const json_t *value, struct buf *out, unsigned how, size_t depth) {
    size_t count = value->array.count;
    buf_add_u8(out, '[');
    for (size_t i = 0; i < count; i++) {
        new_line(out, how, depth + 1);
        add_value(value->array.items[i], out, how, depth + 1);
        buf_add_str(out, i + 1 < count ? "," : "");
    }
    if (count > 0) {
        new_line(out, how, depth);
    }
    buf_add_u8(out, ']');
}

static void add_value(const json_t *value, struct buf *out, unsigned how, size_t depth) {
    char real[JSON_REAL_BYTES];
    switch (value->kind) {
    case KIND_OBJECT:
        add_object(value, out, how, depth);
        break;
    case KIND_ARRAY:
        add_array(value, out, how, depth);
        break;
    case KIND_STRING:
        add_string(value->string.text, value->string.len, out, how);
        break;
    case KIND_INTEGER:
        buf_printf(out, "%lld", value->integer);
        break;
    case KIND_REAL:
        buf_add_str(out, json_real_text(value->real, real));
        break;
    case KIND_TRUE:
        buf_add_str(out, "true");
        break;
    case KIND_FALSE:
        buf_add_str(out, "false");
        break;
    case KIND_NULL:
        buf_add_str(out, "null");
        break;
    }
}

void json_write(const json_t *value, struct buf *out, unsigned how) {
    add_value(value, out, how, 0);
}

char *json_dumps(const json_t *value) {
    struct buf out;
    buf_init(&out, TEXT_BYTES_MAX);
    json_write(value, &out, 0);
    char *text = out.failed ? NULL : slice_dup(buf_slice(&out));
    buf_clear(&out);
    return text;
}
