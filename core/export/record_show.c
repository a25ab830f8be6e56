/* record_show.c - a row as JSON: see export/record.h. */
#include "export/record.h"

#include "event/event.h"
#include "event/value.h"
#include "export/record_impl.h"
#include "query/json.h"

#include <stdlib.h>
#include <string.h>

struct shown {
    json_t *object;
    const struct service_names *services;
    uint8_t form, flags, group; /* of an event */
};

/* --- whole numbers --- */

static bool set_number(json_t *object, const char *name, uint64_t number) {
    return number == 0 || json_object_set_new(object, name, json_integer((json_int_t)number)) == 0;
}

static bool set_service(const struct shown *s, const char *name, uint64_t number) {
    bool named = number < s->services->count && s->services->names[number] != NULL;
    return named ? look_json_text(s->object, name, s->services->names[number])
                 : json_object_set_new(s->object, name, json_integer((json_int_t)number)) == 0;
}

static bool set_name(json_t *object, const struct field *f, uint64_t number) {
    for (uint64_t i = 0; f->names[i] != NULL; i++) {
        if (i == number) {
            return look_json_text(object, f->name, f->names[i]);
        }
    }
    return false; /* it could not be made again */
}

static bool set_flags(json_t *object, const struct field *f, uint64_t flags) {
    json_t *list = json_array();
    bool ok = list != NULL;
    for (unsigned i = 0; ok && f->names[i] != NULL; i++) {
        ok = (flags >> i & 1) == 0 || json_array_append_new(list, json_string(f->names[i])) == 0;
    }
    if (flags == 0) {
        json_decref(list);
        return ok;
    }
    return json_object_set_new(object, f->name, list) == 0 && ok;
}

static bool set_bool(json_t *object, const char *name, bool yes) {
    return !yes || json_object_set_new(object, name, json_true()) == 0;
}

static bool show_whole(struct shown *s, const struct field *f, uint64_t number) {
    json_t *object = s->object;
    switch (f->sense) {
    case SENSE_TIME_OR_NEVER:
        return number == INT64_MAX ||
               json_object_set_new(object, f->name, json_integer((json_int_t)number)) == 0;
    case SENSE_HEX:
        return number == 0 || look_json_hex(object, f->name, number);
    case SENSE_BOOL:
        return set_bool(object, f->name, number != 0);
    case SENSE_NAME:
        return set_name(object, f, number);
    case SENSE_FLAGS:
        s->flags = (uint8_t)number;
        return set_flags(object, f, number);
    case SENSE_SERVICE:
        return set_service(s, f->name, number);
    case SENSE_SERVICE_OR_NONE:
        return number == SERVICE_NONE || set_service(s, f->name, number);
    case SENSE_SHELF:
        return set_number(object, f->name, number & ~(uint64_t)SHELF_BIT) &&
               set_bool(object, f->names[0], (number & SHELF_BIT) != 0);
    case SENSE_QOS:
        return set_number(object, f->name, number % RANK_UNIT) &&
               set_number(object, "rank", number / RANK_UNIT);
    case SENSE_FORM:
        s->form = (uint8_t)number;
        return true;
    case SENSE_GROUP:
        s->group = (uint8_t)number;
        return true;
    case SENSE_IS:
        return true;
    default:
        return set_number(object, f->name, number);
    }
}

/* --- bytes --- */

/* Not shown as what it means if that would not come back as it is. */
static bool show_value(json_t *object, const struct field *f, struct slice bytes) {
    struct buf text;
    buf_init(&text, RECORD_BYTES_MAX);
    json_t *value =
        value_to_json(bytes, &text) == 0 ? json_read(buf_slice(&text), f->name, NULL) : NULL;
    bool same = value != NULL && record_value_is(value, bytes);
    buf_clear(&text);
    if (!same) {
        json_decref(value);
        return record_set_base64(object, f->name, bytes);
    }
    return json_object_set_new(object, f->name, value) == 0;
}

static json_t *properties_json(struct slice bytes) {
    json_t *list = json_array();
    struct slice name;
    struct slice value;
    size_t at = 0;
    while (list != NULL && property_next(bytes, &at, &name, &value)) {
        json_t *pair = json_object();
        bool ok = pair != NULL &&
                  json_object_set_new(pair, "name", json_stringn(name.data, name.len)) == 0 &&
                  json_object_set_new(pair, "value", json_stringn(value.data, value.len)) == 0;
        if (!ok || json_array_append(list, pair) != 0) {
            json_decref(list);
            list = NULL;
        }
        json_decref(pair);
    }
    return list;
}

static bool show_properties(json_t *object, const struct field *f, struct slice bytes) {
    json_t *list = properties_json(bytes);
    if (list == NULL || !record_properties_are(list, bytes)) {
        json_decref(list);
        return record_set_base64(object, f->name, bytes);
    }
    return json_object_set_new(object, f->name, list) == 0;
}

static bool show_times(json_t *object, const struct field *f, struct slice bytes) {
    struct reader r = reader_of(bytes.data, bytes.len);
    json_t *list = json_array();
    bool ok = list != NULL;
    while (ok && r.at < r.end && !r.failed) {
        ok = json_array_append_new(list, json_integer((json_int_t)read_u64(&r))) == 0;
    }
    return json_object_set_new(object, f->name, list) == 0 && ok && !r.failed;
}

static bool show_bytes(const struct shown *s, const struct field *f, struct slice bytes) {
    struct uuid id;
    char text[UUID_TEXT_BYTES + 1];
    switch (f->sense) {
    case SENSE_ID:
        memcpy(id.bytes, bytes.data, sizeof id.bytes);
        return uuid_is_zero(&id) || look_json_text(s->object, f->name, uuid_text(&id, text));
    case SENSE_HASH:
        return record_set_hex(s->object, f->name, bytes);
    case SENSE_VALUE:
        return bytes.len == 0 || show_value(s->object, f, bytes);
    case SENSE_PROPERTIES:
        return bytes.len == 0 || show_properties(s->object, f, bytes);
    case SENSE_TIMES:
        return show_times(s->object, f, bytes);
    case SENSE_NUMBER_OF:
        return set_service(s, f->name, strtoul(bytes.data, NULL, 10));
    default:
        return bytes.len == 0 || look_json_bytes(s->object, f->name, bytes);
    }
}

/* --- fields --- */

static uint64_t read_whole(struct reader *r, enum field_form form, bool key) {
    switch (form) {
    case FIELD_8:
        return read_u8(r);
    case FIELD_16:
        return key ? read_u16_be(r) : read_u16(r);
    case FIELD_32:
        return key ? read_u32_be(r) : read_u32(r);
    default:
        return key ? read_u64_be(r) : read_u64(r);
    }
}

static struct slice read_some(struct reader *r, enum field_form form) {
    switch (form) {
    case FIELD_16_BYTES:
        return read_bytes(r, UUID_BYTES);
    case FIELD_SHORT:
        return read_bytes(r, read_u16_be(r));
    case FIELD_REST:
        return read_bytes(r, (size_t)(r->end - r->at));
    default: {
        struct slice bytes = read_lv(r);
        bytes.len -= form == FIELD_TEXT && bytes.len > 0 ? 1 : 0;
        return bytes;
    }
    }
}

static bool is_there(const struct shown *s, const struct field *f, const struct reader *r) {
    switch (f->when) {
    case WHEN_MARKED:
        return r->end - r->at >= UUID_BYTES;
    case WHEN_FORM_2:
        return s->form >= EVENT_FORM;
    case WHEN_TENANT:
        return s->form == EVENT_FORM_TENANT;
    case WHEN_BATCH:
        return (s->flags & EVENT_FLAG_BATCH) != 0;
    default:
        return true;
    }
}

static bool show_field(struct shown *s, const struct field *f, struct reader *r, bool key) {
    bool ends = r->at == r->end && f->form != FIELD_REST;
    if (f->sense == SENSE_GROUP_PARTITION) {
        return set_number(s->object, f->name, ends ? s->group : read_u8(r));
    }
    if (ends || !is_there(s, f, r)) {
        return true;
    }
    if (f->form < FIELD_16_BYTES) {
        return show_whole(s, f, read_whole(r, f->form, key)) && !r->failed;
    }
    struct slice bytes = read_some(r, f->form);
    return !r->failed && show_bytes(s, f, bytes);
}

static bool show_fields(struct shown *s, const struct field *fields, struct reader r, bool key) {
    bool ok = true;
    for (const struct field *f = fields; ok && f->form != FIELD_END; f++) {
        ok = show_field(s, f, &r, key);
    }
    return ok && r.at == r.end;
}

json_t *record_show(const struct layout *l, enum store_table t, struct slice key,
                    struct slice value, const struct service_names *services, int *code) {
    struct shown s = {.object = json_object(), .services = services};
    size_t prefix = strlen(l->prefix);
    *code = s.object == NULL || !look_json_text(s.object, "kind", l->kind) ||
                    !set_number(s.object, "table", (uint64_t)(t - l->table))
                ? ERR_MEMORY
                : 0;
    if (*code == 0 &&
        !(show_fields(&s, l->key, reader_of(key.data + prefix, key.len - prefix), true) &&
          show_fields(&s, l->value, reader_of(value.data, value.len), false))) {
        *code = ERR_CORRUPT;
    }
    if (*code != 0) {
        json_decref(s.object);
        return NULL;
    }
    return s.object;
}
