/* record_make.c - a row made of JSON: see export/record.h. */
#include "export/record.h"

#include "export/record_impl.h"
#include "journal/journal.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

struct made {
    const json_t *object;
    const struct service_names *services;
    size_t used;   /* members of the object that were fields */
    uint8_t flags; /* of an event */
    struct report *r;
};

static int wrong(const struct made *m, const char *field, const char *what) {
    return report(m->r, ERR_INVALID, "field \"%s\" %s", field, what);
}

static const json_t *take(struct made *m, const char *name) {
    const json_t *given = json_object_get(m->object, name);
    m->used += given != NULL ? 1 : 0;
    return given;
}

static bool is_given(const struct made *m, const char *name) {
    char base64[64];
    (void)snprintf(base64, sizeof base64, "%s_base64", name);
    return json_object_get(m->object, name) != NULL || json_object_get(m->object, base64) != NULL;
}

/* --- whole numbers --- */

/* 0 when it is missing. */
static int take_number(struct made *m, const char *name, uint64_t *out) {
    const json_t *given = take(m, name);
    *out = (uint64_t)json_integer_value(given);
    return given == NULL || json_is_integer(given) ? 0 : wrong(m, name, "is not a whole number");
}

static int take_bool(struct made *m, const char *name, uint64_t *out) {
    const json_t *given = take(m, name);
    *out = json_is_true(given) ? 1 : 0;
    return given == NULL || json_is_boolean(given) ? 0 : wrong(m, name, "is not true or false");
}

static int take_hex(struct made *m, const char *name, uint64_t *out) {
    const json_t *given = take(m, name);
    const char *text = json_string_value(given);
    char *end = NULL;
    *out = 0;
    if (given == NULL) {
        return 0;
    }
    bool digits =
        text != NULL && json_string_length(given) == 16 && strspn(text, "0123456789abcdef") == 16;
    *out = digits ? strtoumax(text, &end, 16) : 0;
    return digits ? 0 : wrong(m, name, "is not 16 hexadecimal digits");
}

/* The place of the text in the list; false: it is not in there. */
static bool find_name(const char *const *names, const json_t *text, unsigned *place) {
    for (*place = 0; json_is_string(text) && names[*place] != NULL; ++*place) {
        if (strcmp(names[*place], json_string_value(text)) == 0) {
            return true;
        }
    }
    return false;
}

static int take_name(struct made *m, const struct field *f, uint64_t *out) {
    const json_t *given = take(m, f->name);
    unsigned place = 0;
    *out = 0;
    if (given == NULL) { /* form 1 lacks it */
        return f->when == WHEN_FORM_2 ? 0 : wrong(m, f->name, "is missing");
    }
    if (!find_name(f->names, given, &place)) {
        return wrong(m, f->name, "says what this zingq does not know");
    }
    *out = place;
    return 0;
}

static int take_flags(struct made *m, const struct field *f, uint64_t *out) {
    const json_t *given = take(m, f->name);
    const json_t *one;
    size_t i;
    *out = 0;
    if (given != NULL && !json_is_array(given)) {
        return wrong(m, f->name, "is not a list");
    }
    json_array_foreach(given, i, one) {
        unsigned place = 0;
        if (!find_name(f->names, one, &place)) {
            return wrong(m, f->name, "says what this zingq does not know");
        }
        *out |= (uint64_t)1 << place;
    }
    m->flags = (uint8_t)*out;
    return 0;
}

static int take_service(struct made *m, const char *name, bool needed, uint64_t *out) {
    const json_t *given = take(m, name);
    *out = SERVICE_NONE;
    if (given == NULL) {
        return needed ? wrong(m, name, "is missing") : 0;
    }
    if (json_is_integer(given)) { /* its name was lost */
        *out = (uint64_t)json_integer_value(given);
        return 0;
    }
    for (size_t i = 0; json_is_string(given) && i < m->services->count; i++) {
        const char *known = m->services->names[i];
        if (known != NULL && strcmp(known, json_string_value(given)) == 0) {
            *out = i;
            return 0;
        }
    }
    return wrong(m, name, "names a service that the first line does not list");
}

/* Two fields in one number. */
static int take_both(struct made *m, const char *low, uint64_t unit, const char *high,
                     bool high_is_bool, uint64_t *out) {
    uint64_t above = 0;
    int code = take_number(m, low, out);
    code = code != 0      ? code
           : high_is_bool ? take_bool(m, high, &above)
                          : take_number(m, high, &above);
    bool fits = *out < unit && above <= UINT8_MAX / unit;
    *out += code == 0 && fits ? above * unit : 0;
    return code != 0 || fits ? code : wrong(m, *out < unit ? high : low, "is too large");
}

static int take_whole(struct made *m, const struct field *f, uint64_t *out) {
    switch (f->sense) {
    case SENSE_TIME_OR_NEVER:
        if (!is_given(m, f->name)) {
            *out = INT64_MAX;
            return 0;
        }
        return take_number(m, f->name, out);
    case SENSE_HEX:
        return take_hex(m, f->name, out);
    case SENSE_BOOL:
        return take_bool(m, f->name, out);
    case SENSE_NAME:
        return take_name(m, f, out);
    case SENSE_FLAGS:
        return take_flags(m, f, out);
    case SENSE_SERVICE:
    case SENSE_SERVICE_OR_NONE:
        return take_service(m, f->name, f->sense == SENSE_SERVICE, out);
    case SENSE_SHELF:
        return take_both(m, f->name, SHELF_BIT, f->names[0], true, out);
    case SENSE_QOS:
        return take_both(m, f->name, RANK_UNIT, "rank", false, out);
    case SENSE_FORM:
        *out = is_given(m, "tenant") ? EVENT_FORM_TENANT : EVENT_FORM;
        return 0;
    case SENSE_GROUP: {
        const json_t *partition = json_object_get(m->object, "partition");
        uint64_t number = (uint64_t)json_integer_value(partition);
        *out = journal_group((uint8_t)(number < PARTITIONS ? number : 0));
        return 0;
    }
    case SENSE_IS:
        *out = f->is;
        return 0;
    default:
        return take_number(m, f->name, out);
    }
}

/* --- bytes --- */

static int take_id(struct made *m, const char *name, struct buf *out) {
    const json_t *given = take(m, name);
    struct uuid id = {{0}};
    bool known = given == NULL ||
                 (json_is_string(given) && uuid_parse(slice_of(json_string_value(given)), &id));
    buf_add(out, id.bytes, sizeof id.bytes);
    return known ? 0 : wrong(m, name, "is not an id");
}

static int take_hash(struct made *m, const char *name, struct buf *out) {
    const json_t *given = take(m, name);
    uint8_t bytes[UUID_BYTES] = {0};
    size_t len = 0;
    bool known =
        given == NULL || (json_is_string(given) && json_string_length(given) == 2 * sizeof bytes &&
                          sodium_hex2bin(bytes, sizeof bytes, json_string_value(given),
                                         2 * sizeof bytes, NULL, &len, NULL) == 0 &&
                          len == sizeof bytes);
    buf_add(out, bytes, sizeof bytes);
    return known ? 0 : wrong(m, name, "is not 32 hexadecimal digits");
}

static int take_number_of(struct made *m, const char *name, struct buf *out) {
    uint64_t number;
    int code = take_service(m, name, true, &number);
    buf_printf(out, "%" PRIu64, number);
    return code;
}

static int take_times(struct made *m, const char *name, struct buf *out) {
    const json_t *given = take(m, name);
    const json_t *one;
    size_t i;
    json_array_foreach(given, i, one) {
        if (!json_is_integer(one)) {
            return wrong(m, name, "is not a list of times");
        }
        buf_add_u64(out, (uint64_t)json_integer_value(one));
    }
    return json_is_array(given) ? 0 : wrong(m, name, "is not a list of times");
}

/* What has a meaning of its own, unless it is given as bytes. */
static int take_meant(struct made *m, const struct field *f, struct buf *out) {
    const json_t *given = json_object_get(m->object, f->name);
    size_t used = 0;
    if (given == NULL) {
        int code = record_bytes(m->object, f->name, out, &used, m->r);
        m->used += used;
        return code;
    }
    m->used++;
    int code =
        f->sense == SENSE_VALUE ? record_add_value(given, out) : record_add_properties(given, out);
    return code == 0 || code == ERR_MEMORY ? code : wrong(m, f->name, "is not what it should be");
}

static int take_bytes(struct made *m, const struct field *f, struct buf *out) {
    size_t used = 0;
    int code;
    switch (f->sense) {
    case SENSE_ID:
        return take_id(m, f->name, out);
    case SENSE_HASH:
        return take_hash(m, f->name, out);
    case SENSE_NUMBER_OF:
        return take_number_of(m, f->name, out);
    case SENSE_TIMES:
        return take_times(m, f->name, out);
    case SENSE_VALUE:
    case SENSE_PROPERTIES:
        return take_meant(m, f, out);
    default:
        code = record_bytes(m->object, f->name, out, &used, m->r);
        m->used += used;
        return code;
    }
}

/* --- fields --- */

static int add_whole(struct made *m, const struct field *f, uint64_t number, bool key,
                     struct buf *out) {
    uint64_t most = f->form == FIELD_8    ? UINT8_MAX
                    : f->form == FIELD_16 ? UINT16_MAX
                    : f->form == FIELD_32 ? UINT32_MAX
                                          : UINT64_MAX;
    if (number > most) {
        return wrong(m, f->name, "is too large");
    }
    switch (f->form) {
    case FIELD_8:
        buf_add_u8(out, (uint8_t)number);
        break;
    case FIELD_16:
        key ? buf_add_u16_be(out, (uint16_t)number) : buf_add_u16(out, (uint16_t)number);
        break;
    case FIELD_32:
        key ? buf_add_u32_be(out, (uint32_t)number) : buf_add_u32(out, (uint32_t)number);
        break;
    default:
        key ? buf_add_u64_be(out, number) : buf_add_u64(out, number);
        break;
    }
    return 0;
}

/* In front of the bytes that follow; their length is known when they have been added. */
static int set_length(struct made *m, const struct field *f, struct buf *out, size_t at) {
    size_t len = out->len - at;
    bool is_short = f->form == FIELD_SHORT;
    if (f->form == FIELD_TEXT && len > sizeof(uint32_t)) {
        buf_add_u8(out, 0);
        len++;
    }
    len -= is_short ? sizeof(uint16_t) : sizeof(uint32_t);
    if (len > (is_short ? (size_t)UINT16_MAX : (size_t)RECORD_BYTES_MAX)) {
        return wrong(m, f->name, "is too long");
    }
    uint16_t two = htobe16((uint16_t)len);
    uint32_t four = htole32((uint32_t)len);
    if (!out->failed) {
        memcpy(out->data + at, is_short ? (void *)&two : (void *)&four,
               is_short ? sizeof two : sizeof four);
    }
    return 0;
}

static int add_bytes(struct made *m, const struct field *f, struct buf *out) {
    size_t at = out->len;
    bool counted = f->form != FIELD_16_BYTES && f->form != FIELD_REST;
    if (f->form == FIELD_SHORT) {
        buf_add_u16(out, 0);
    } else if (counted) {
        buf_add_u32(out, 0);
    }
    int code = take_bytes(m, f, out);
    return code == 0 && counted ? set_length(m, f, out, at) : code;
}

static bool any_from(const struct made *m, const struct field *f) {
    const struct field *first = f;
    for (; f->form != FIELD_END; f++) {
        if (f->when >= first->when && is_given(m, f->name)) {
            return true;
        }
    }
    return false;
}

/* One field of those with the same number says something: all are there. */
static bool is_wanted(const struct made *m, const struct field *fields, const struct field *f) {
    switch (f->when) {
    case WHEN_SET:
    case WHEN_SET_2:
        while (f > fields && f[-1].when == f->when) {
            f--;
        }
        return any_from(m, f);
    case WHEN_MARKED:
    case WHEN_TENANT:
        return is_given(m, f->name);
    case WHEN_BATCH:
        return (m->flags & EVENT_FLAG_BATCH) != 0;
    default:
        return true;
    }
}

static int add_fields(struct made *m, const struct field *fields, bool key, struct buf *out) {
    int code = 0;
    for (const struct field *f = fields; code == 0 && f->form != FIELD_END; f++) {
        uint64_t number = 0;
        if (!is_wanted(m, fields, f)) {
            continue;
        }
        if (f->form < FIELD_16_BYTES) {
            code = take_whole(m, f, &number);
            code = code == 0 ? add_whole(m, f, number, key, out) : code;
        } else {
            code = add_bytes(m, f, out);
        }
    }
    return code;
}

/* --- the row --- */

static bool has_field(const struct field *fields, const char *name) {
    for (const struct field *f = fields; f->form != FIELD_END; f++) {
        size_t len = strlen(f->name);
        bool other = (f->sense == SENSE_SHELF && strcmp(f->names[0], name) == 0) ||
                     (f->sense == SENSE_QOS && strcmp("rank", name) == 0);
        bool same = strncmp(f->name, name, len) == 0 && len > 0 &&
                    (name[len] == '\0' || strcmp(name + len, "_base64") == 0);
        if (same || other) {
            return true;
        }
    }
    return false;
}

/* A member that is no field, or none of this row: what it says would be lost. */
static int refuse_others(const struct made *m, const struct layout *l) {
    const char *name;
    const json_t *value;
    json_object_foreach(m->object, name, value) {
        bool common = strcmp(name, "kind") == 0 || strcmp(name, "table") == 0;
        if (!common && !has_field(l->key, name) && !has_field(l->value, name)) {
            return wrong(m, name, "is none that this zingq knows");
        }
    }
    return report(m->r, ERR_INVALID, "a field does not belong to the others");
}

int record_make(const struct layout *l, const json_t *object, const struct service_names *services,
                enum store_table *t, struct buf *key, struct buf *value, struct report *r) {
    struct made m = {.object = object, .services = services, .used = 1 /* kind */, .r = r};
    uint64_t table = 0;
    int code = l->tables > 0 ? take_number(&m, "table", &table) : 0;
    if (code == 0 && table > 0 && table >= l->tables) {
        return wrong(&m, "table", "is too large");
    }
    *t = (enum store_table)(l->table + table);
    buf_add_str(key, l->prefix);
    code = code == 0 ? add_fields(&m, l->key, true, key) : code;
    code = code == 0 ? add_fields(&m, l->value, false, value) : code;
    if (code == 0 && m.used != json_object_size(object)) {
        code = refuse_others(&m, l);
    }
    if (code == 0 && (key->lacked || value->lacked)) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    if (code == 0 && (key->len == 0 || key->failed || value->failed)) {
        code = report(r, ERR_INVALID, "its %s is too long", value->failed ? "value" : "key");
    }
    return code;
}
