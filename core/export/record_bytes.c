/* record_bytes.c - bytes as JSON, and back: see export/record.h and export/record_impl.h. */
#include "export/record.h"

#include "event/event.h"
#include "event/value.h"
#include "export/record_impl.h"
#include "query/json.h"

#include <sodium.h>
#include <stdio.h>

enum { NAME_ROOM = 64 };

static const char *base64_name(const char *name, char out[NAME_ROOM]) {
    (void)snprintf(out, NAME_ROOM, "%s_base64", name);
    return out;
}

bool record_set_base64(json_t *object, const char *name, struct slice bytes) {
    size_t room = sodium_base64_ENCODED_LEN(bytes.len, sodium_base64_VARIANT_ORIGINAL);
    struct buf text;
    char field[NAME_ROOM];
    buf_init(&text, room + 1);
    bool ok = buf_reserve(&text, room);
    if (ok) {
        (void)sodium_bin2base64(text.data, room, (const unsigned char *)bytes.data, bytes.len,
                                sodium_base64_VARIANT_ORIGINAL);
        ok = look_json_text(object, base64_name(name, field), text.data);
    }
    buf_clear(&text);
    return ok;
}

bool record_set_hex(json_t *object, const char *name, struct slice bytes) {
    char text[2 * UUID_BYTES + 1];
    bool any = !sodium_is_zero((const unsigned char *)bytes.data, bytes.len);
    return !any || look_json_text(object, name,
                                  sodium_bin2hex(text, sizeof text,
                                                 (const unsigned char *)bytes.data, bytes.len));
}

/* Of a buffer that failed. */
static int room_error(const struct buf *out) {
    return out->lacked ? ERR_MEMORY : ERR_LIMIT;
}

static int add_text(const json_t *text, struct buf *out) {
    buf_add(out, json_string_value(text), json_string_length(text));
    return out->failed ? room_error(out) : 0;
}

static int add_base64(const json_t *text, struct buf *out) {
    const char *given = json_string_value(text);
    size_t chars = json_string_length(text);
    size_t len = 0;
    size_t room = chars / 4 * 3;
    for (size_t i = chars; i > 0 && room > 0 && chars - i < 2 && given[i - 1] == '='; i--) {
        room--;
    }
    if (!buf_reserve(out, room)) {
        return room_error(out);
    }
    int rc = sodium_base642bin((unsigned char *)out->data + out->len, room, given, chars, NULL,
                               &len, NULL, sodium_base64_VARIANT_ORIGINAL);
    out->len += rc == 0 ? len : 0;
    return rc == 0 ? 0 : ERR_INVALID;
}

int record_bytes(const json_t *object, const char *name, struct buf *out, size_t *used,
                 struct report *r) {
    char other[NAME_ROOM];
    const json_t *text = json_object_get(object, name);
    const json_t *base64 = json_object_get(object, base64_name(name, other));
    *used = (text != NULL ? 1U : 0U) + (base64 != NULL ? 1U : 0U);
    if (*used == 0) {
        return 0;
    }
    const json_t *given = text != NULL ? text : base64;
    if (*used == 2 || !json_is_string(given)) {
        return report(r, ERR_INVALID, "field \"%s\" is not %s", name,
                      *used == 2 ? "given once" : "a text");
    }
    int code = text != NULL ? add_text(text, out) : add_base64(base64, out);
    if (code == 0 || code == ERR_MEMORY) {
        return code == 0 ? 0 : report(r, code, "out of memory");
    }
    return report(r, ERR_INVALID, "field \"%s\" %s", text != NULL ? name : other,
                  code == ERR_LIMIT ? "is too long" : "is not base64");
}

/* --- values and properties --- */

int record_add_value(const json_t *value, struct buf *out) {
    struct buf text;
    buf_init(&text, RECORD_BYTES_MAX);
    json_write(value, &text, 0);
    int code = text.failed ? room_error(&text) : value_from_json(buf_slice(&text), out, NULL);
    buf_clear(&text);
    return code;
}

int record_add_properties(const json_t *list, struct buf *out) {
    size_t i;
    const json_t *pair;
    if (!json_is_array(list)) {
        return ERR_INVALID;
    }
    json_array_foreach(list, i, pair) {
        const json_t *name = json_object_get(pair, "name");
        const json_t *value = json_object_get(pair, "value");
        if (!json_is_string(name) || !json_is_string(value) || json_object_size(pair) != 2 ||
            json_string_length(name) > UINT16_MAX) {
            return ERR_INVALID;
        }
        property_add(out, (struct slice){json_string_value(name), json_string_length(name)},
                     (struct slice){json_string_value(value), json_string_length(value)});
    }
    return out->failed ? room_error(out) : 0;
}

static bool makes(int (*add)(const json_t *, struct buf *), const json_t *json,
                  struct slice bytes) {
    struct buf made;
    buf_init(&made, RECORD_BYTES_MAX);
    bool same = add(json, &made) == 0 && slice_equal(buf_slice(&made), bytes);
    buf_clear(&made);
    return same;
}

bool record_value_is(const json_t *value, struct slice bytes) {
    return makes(record_add_value, value, bytes);
}

bool record_properties_are(const json_t *list, struct slice bytes) {
    return makes(record_add_properties, list, bytes);
}
