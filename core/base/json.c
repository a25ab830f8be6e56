/*
 * json.c - see base/json.h.
 *
 * Small objects are searched from end to end. A large one has places: a table, at most half full,
 * of positions of members + 1, in which a name's hash says where to begin. The hash has a key of
 * this process, so that names that somebody sends cannot be chosen to collide.
 */
#include "base/json_impl.h"

#include "base/utf8.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { SEARCHED_MAX = 16 /* members without places */ };

/* --- making and freeing --- */

static json_t *make(enum json_kind kind) {
    json_t *value = calloc(1, sizeof *value);
    if (value != NULL) {
        value->kind = kind;
        value->refs = 1;
    }
    return value;
}

json_t *json_object(void) {
    return make(KIND_OBJECT);
}

json_t *json_array(void) {
    return make(KIND_ARRAY);
}

json_t *json_integer(json_int_t integer) {
    json_t *value = make(KIND_INTEGER);
    if (value != NULL) {
        value->integer = integer;
    }
    return value;
}

json_t *json_real(double real) {
    json_t *value = isfinite(real) ? make(KIND_REAL) : NULL;
    if (value != NULL) {
        value->real = real;
    }
    return value;
}

json_t *json_boolean(bool yes) {
    return make(yes ? KIND_TRUE : KIND_FALSE);
}

json_t *json_true(void) {
    return json_boolean(true);
}

json_t *json_null(void) {
    return make(KIND_NULL);
}

json_t *json_stringn(const char *text, size_t len) {
    json_t *value =
        text != NULL && utf8_is_valid((struct slice){text, len}) ? make(KIND_STRING) : NULL;
    if (value != NULL) {
        value->string.text = slice_dup((struct slice){text, len});
        value->string.len = len;
        if (value->string.text == NULL) {
            free(value);
            return NULL;
        }
    }
    return value;
}

json_t *json_string(const char *text) {
    return text == NULL ? NULL : json_stringn(text, strlen(text));
}

json_t *json_sprintf(const char *format, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    json_t *value = len < 0 ? NULL : json_stringn(text, (size_t)len);
    if (len >= 0) {
        free(text);
    }
    return value;
}

json_t *json_incref(json_t *value) {
    if (value != NULL) {
        value->refs++;
    }
    return value;
}

static void free_value(json_t *value) {
    if (value->kind == KIND_OBJECT) {
        for (size_t i = 0; i < value->object.count; i++) {
            free(value->object.members[i].name);
            json_decref(value->object.members[i].value);
        }
        free(value->object.members);
        free(value->object.places);
    } else if (value->kind == KIND_ARRAY) {
        for (size_t i = 0; i < value->array.count; i++) {
            json_decref(value->array.items[i]);
        }
        free(value->array.items);
    } else if (value->kind == KIND_STRING) {
        free(value->string.text);
    }
    free(value);
}

void json_decref(json_t *value) {
    if (value != NULL) {
        assert(value->refs > 0);
        value->refs--;
        if (value->refs == 0) {
            free_value(value);
        }
    }
}

/* --- looking at values --- */

bool json_is_object(const json_t *value) {
    return json_is_kind(value, KIND_OBJECT);
}

bool json_is_array(const json_t *value) {
    return json_is_kind(value, KIND_ARRAY);
}

bool json_is_string(const json_t *value) {
    return json_is_kind(value, KIND_STRING);
}

bool json_is_integer(const json_t *value) {
    return json_is_kind(value, KIND_INTEGER);
}

bool json_is_true(const json_t *value) {
    return json_is_kind(value, KIND_TRUE);
}

bool json_is_false(const json_t *value) {
    return json_is_kind(value, KIND_FALSE);
}

bool json_is_boolean(const json_t *value) {
    return json_is_true(value) || json_is_false(value);
}

bool json_is_null(const json_t *value) {
    return json_is_kind(value, KIND_NULL);
}

const char *json_string_value(const json_t *value) {
    return json_is_string(value) ? value->string.text : NULL;
}

size_t json_string_length(const json_t *value) {
    return json_is_string(value) ? value->string.len : 0;
}

json_int_t json_integer_value(const json_t *value) {
    return json_is_integer(value) ? value->integer : 0;
}

double json_real_value(const json_t *value) {
    return json_is_kind(value, KIND_REAL) ? value->real : 0;
}

double json_number_value(const json_t *value) {
    return json_is_integer(value) ? (double)value->integer : json_real_value(value);
}

static struct json_member *find(const json_t *object, const char *name, size_t len);

static bool same_members(const json_t *a, const json_t *b) {
    for (size_t i = 0; i < a->object.count; i++) {
        const struct json_member *m = &a->object.members[i];
        const struct json_member *other = find(b, m->name, m->len);
        if (other == NULL || !json_equal(m->value, other->value)) {
            return false;
        }
    }
    return a->object.count == b->object.count;
}

static bool same_items(const json_t *a, const json_t *b) {
    for (size_t i = 0; i < a->array.count && i < b->array.count; i++) {
        if (!json_equal(a->array.items[i], b->array.items[i])) {
            return false;
        }
    }
    return a->array.count == b->array.count;
}

bool json_equal(const json_t *a, const json_t *b) {
    if (a == NULL || b == NULL || a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case KIND_OBJECT:
        return same_members(a, b);
    case KIND_ARRAY:
        return same_items(a, b);
    case KIND_STRING:
        return slice_equal((struct slice){a->string.text, a->string.len},
                           (struct slice){b->string.text, b->string.len});
    case KIND_INTEGER:
        return a->integer == b->integer;
    case KIND_REAL:
        return a->real == b->real; // cppcheck-suppress floatComparison
    default:
        return true;
    }
}

/* --- objects --- */

static unsigned char hash_key[crypto_shorthash_KEYBYTES];

static void make_hash_key(void) {
    randombytes_buf(hash_key, sizeof hash_key);
}

/* The place of the name, or the free one where it belongs. */
static uint32_t *place_of(const json_t *object, const char *name, size_t len) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    unsigned char bytes[crypto_shorthash_BYTES];
    uint64_t hash;
    int failed = pthread_once(&once, make_hash_key);
    assert(failed == 0);
    (void)crypto_shorthash(bytes, (const unsigned char *)name, len, hash_key);
    memcpy(&hash, bytes, sizeof hash);
    for (size_t mask = object->object.place_count - 1;; hash++) {
        uint32_t *place = &object->object.places[hash & mask];
        const struct json_member *m = *place == 0 ? NULL : &object->object.members[*place - 1];
        if (m == NULL || (m->len == len && memcmp(m->name, name, len) == 0)) {
            return place;
        }
    }
}

static struct json_member *find(const json_t *object, const char *name, size_t len) {
    if (object->object.places != NULL) {
        uint32_t *place = place_of(object, name, len);
        return *place == 0 ? NULL : &object->object.members[*place - 1];
    }
    for (size_t i = 0; i < object->object.count; i++) {
        struct json_member *m = &object->object.members[i];
        if (m->len == len && memcmp(m->name, name, len) == 0) {
            return m;
        }
    }
    return NULL;
}

json_t *json_object_get(const json_t *object, const char *name) {
    const struct json_member *m =
        json_is_object(object) && name != NULL ? find(object, name, strlen(name)) : NULL;
    return m == NULL ? NULL : m->value;
}

size_t json_object_size(const json_t *object) {
    return json_is_object(object) ? object->object.count : 0;
}

const char *json_object_name(const json_t *object, size_t i) {
    assert(i < json_object_size(object));
    return object->object.members[i].name;
}

json_t *json_object_value(const json_t *object, size_t i) {
    assert(i < json_object_size(object));
    return object->object.members[i].value;
}

/* Makes the list one longer than `count`: *room is as many as it has space for. */
static void *grown(void *list, size_t count, size_t *room, size_t each) {
    if (count < *room) {
        return list;
    }
    size_t more = *room == 0 ? 4 : 2 * *room;
    void *moved = reallocarray(list, more, each);
    *room = moved == NULL ? *room : more;
    return moved;
}

/* A new table of places for twice the members. */
static bool make_places(json_t *object) {
    size_t count = 4 * SEARCHED_MAX;
    while (count < 4 * object->object.count) {
        count *= 2;
    }
    uint32_t *places = calloc(count, sizeof *places);
    if (places == NULL) {
        return false;
    }
    free(object->object.places);
    object->object.places = places;
    object->object.place_count = count;
    for (size_t i = 0; i < object->object.count; i++) {
        const struct json_member *m = &object->object.members[i];
        *place_of(object, m->name, m->len) = (uint32_t)i + 1;
    }
    return true;
}

static bool add_member(json_t *object, const char *name, size_t len, json_t *value) {
    size_t count = object->object.count;
    bool searched = count < SEARCHED_MAX;
    if (count >= UINT32_MAX / 4 ||
        (!searched && 2 * (count + 1) > object->object.place_count && !make_places(object))) {
        return false;
    }
    void *members =
        grown(object->object.members, count, &object->object.room, sizeof *object->object.members);
    if (members == NULL) {
        return false;
    }
    object->object.members = members;
    char *copy = slice_dup((struct slice){name, len});
    if (copy == NULL) {
        return false;
    }
    if (object->object.places != NULL) {
        *place_of(object, name, len) = (uint32_t)count + 1;
    }
    object->object.members[count] = (struct json_member){copy, len, value};
    object->object.count++;
    return true;
}

int json_object_setn_new(json_t *object, const char *name, size_t len, json_t *value) {
    bool ok = json_is_object(object) && value != NULL && value != object && name != NULL &&
              utf8_is_valid((struct slice){name, len});
    struct json_member *m = ok ? find(object, name, len) : NULL;
    if (m != NULL) {
        json_decref(m->value);
        m->value = value;
        return 0;
    }
    if (!ok || !add_member(object, name, len, value)) {
        json_decref(value);
        return -1;
    }
    return 0;
}

int json_object_set_new(json_t *object, const char *name, json_t *value) {
    return json_object_setn_new(object, name, name == NULL ? 0 : strlen(name), value);
}

int json_object_set(json_t *object, const char *name, json_t *value) {
    return json_object_set_new(object, name, json_incref(value));
}

int json_object_update(json_t *object, const json_t *from) {
    for (size_t i = 0; i < json_object_size(from); i++) {
        const struct json_member *m = &from->object.members[i];
        if (json_object_setn_new(object, m->name, m->len, json_incref(m->value)) != 0) {
            return -1;
        }
    }
    return json_is_object(from) && json_is_object(object) ? 0 : -1;
}

/* --- arrays --- */

json_t *json_array_get(const json_t *array, size_t i) {
    return i < json_array_size(array) ? array->array.items[i] : NULL;
}

size_t json_array_size(const json_t *array) {
    return json_is_array(array) ? array->array.count : 0;
}

static int insert_new(json_t *array, size_t i, json_t *value) {
    bool ok = json_is_array(array) && value != NULL && value != array && i <= array->array.count;
    void *items = ok ? grown(array->array.items, array->array.count, &array->array.room,
                             sizeof *array->array.items)
                     : NULL;
    if (items == NULL) {
        json_decref(value);
        return -1;
    }
    array->array.items = items;
    json_t **at = &array->array.items[i];
    memmove(at + 1, at, (array->array.count - i) * sizeof *at);
    *at = value;
    array->array.count++;
    return 0;
}

int json_array_append_new(json_t *array, json_t *value) {
    return insert_new(array, json_array_size(array), value);
}

int json_array_append(json_t *array, json_t *value) {
    return json_array_append_new(array, json_incref(value));
}

int json_array_insert(json_t *array, size_t i, json_t *value) {
    return insert_new(array, i, json_incref(value));
}

int json_array_remove(json_t *array, size_t i) {
    if (i >= json_array_size(array)) {
        return -1;
    }
    json_t **at = &array->array.items[i];
    json_decref(*at);
    array->array.count--;
    memmove(at, at + 1, (array->array.count - i) * sizeof *at);
    return 0;
}
