/* json_tree.c - a JSON text as a tree. */
#include "base/json.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static json_t *read_value(struct json_reader *r, enum json_token token);

/* Without its escapes; *made is to be freed. */
static bool plain_text(const struct json_reader *r, struct slice *text, char **made) {
    *text = r->text;
    *made = NULL;
    if (r->escaped) {
        *made = malloc(r->text.len);
        if (*made != NULL) {
            *text = (struct slice){*made, json_unescape(r->text, *made, r->text.len)};
        }
        return *made != NULL;
    }
    return true;
}

static json_t *read_string(const struct json_reader *r) {
    struct slice text;
    char *made;
    json_t *string = plain_text(r, &text, &made) ? json_stringn(text.data, text.len) : NULL;
    free(made);
    return string;
}

/* The name was read last. */
static bool read_member(struct json_reader *r, json_t *object) {
    struct slice name;
    char *made;
    size_t count = json_object_size(object);
    bool ok = plain_text(r, &name, &made) &&
              json_object_setn_new(object, name.data, name.len, read_value(r, json_next(r))) == 0;
    free(made);
    if (ok && r->unique && json_object_size(object) == count) {
        r->error = "a name occurs twice";
        return false;
    }
    return ok;
}

static json_t *read_object(struct json_reader *r) {
    json_t *object = json_object();
    enum json_token token = JSON_ERROR;
    while (object != NULL && (token = json_next(r)) == JSON_NAME && read_member(r, object)) {
    }
    if (object != NULL && token != JSON_END_OBJECT) {
        json_decref(object);
        object = NULL;
    }
    return object;
}

static json_t *read_array(struct json_reader *r) {
    json_t *array = json_array();
    enum json_token token = JSON_ERROR;
    while (array != NULL && (token = json_next(r)) != JSON_END_ARRAY) {
        if (json_array_append_new(array, read_value(r, token)) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

static double without_infinity(double value) {
    return isinf(value) ? copysign(DBL_MAX, value) : value;
}

static json_t *read_value(struct json_reader *r, enum json_token token) {
    switch (token) {
    case JSON_BEGIN_OBJECT:
        return read_object(r);
    case JSON_BEGIN_ARRAY:
        return read_array(r);
    case JSON_TEXT:
        return read_string(r);
    case JSON_WHOLE:
        return json_integer(r->whole);
    case JSON_DOUBLE:
        return json_real(without_infinity(r->real));
    case JSON_YES:
    case JSON_NO:
        return json_boolean(token == JSON_YES);
    case JSON_NOTHING:
        return json_null();
    default:
        return NULL;
    }
}

static int read_text(struct slice text, bool unique, const char *what, json_t **out,
                     struct report *r) {
    struct json_reader reader;
    json_open_text(&reader, text);
    reader.unique = unique;
    json_t *value = read_value(&reader, json_next(&reader));
    if (value != NULL && json_next(&reader) != JSON_END) {
        json_decref(value);
        value = NULL;
    }
    *out = value;
    if (value != NULL) {
        return 0;
    }
    return reader.error == NULL ? report(r, ERR_MEMORY, "out of memory")
                                : json_report(&reader, what, r);
}

json_t *json_read(struct slice text, const char *what, struct report *r) {
    json_t *value;
    (void)read_text(text, false, what, &value, r);
    return value;
}

int json_read_unique(struct slice text, const char *what, json_t **out, struct report *r) {
    return read_text(text, true, what, out, r);
}
