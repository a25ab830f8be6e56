/*
 * json.h - JSON as a tree, for what is not on the path of events: answers, their readers, commands.
 *
 * A value is counted: who makes it or takes it with json_incref owes a json_decref; NULL is allowed
 * there and wherever a value is looked at, and means that there is none. `_new` functions take over
 * the reference that they are given, also when they fail; so an expression may be built without
 * looking at each step: a NULL inside makes the whole NULL, or -1. All texts are UTF-8. An object
 * keeps the order in which its names were set.
 */
#ifndef ZINGQ_BASE_JSON_H
#define ZINGQ_BASE_JSON_H

#include "base/json_read.h"

#include <stdio.h>

typedef struct json json_t;
typedef long long json_int_t;
#define JSON_INTEGER_FORMAT "lld"

/* The tree of the text; NULL and json_report's sentence. The last of two values under a name
 * counts. A number too large for a double is the largest double. */
json_t *json_read(struct slice text, const char *what, struct report *r);
/* The same, for texts whose sender can be told: a name that occurs twice is refused. NULL with an error in *out.
 * ERR_INVALID, ERR_MEMORY (r). */
int json_read_unique(struct slice text, const char *what, json_t **out, struct report *r);

/* NULL when out of memory; of text that is not UTF-8; of a number that is not finite. */
json_t *json_object(void);
json_t *json_array(void);
json_t *json_string(const char *text);
json_t *json_stringn(const char *text, size_t len);
json_t *json_sprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
json_t *json_integer(json_int_t value);
json_t *json_real(double value);
json_t *json_boolean(bool value);
json_t *json_true(void);
json_t *json_null(void);
/* {} an object, [] an array; s a string, s# with its length as an int, i an int, I a json_int_t, f
 * a double, b a bool as an int, n null, o a value taken over, O one that is not. Behind s, o and O:
 * ? makes NULL null, * leaves a member out that is NULL. "{s:s, s:[i, i]}", "name", text, ... */
json_t *json_pack(const char *format, ...);

/* One more who owns it; returns it. */
json_t *json_incref(json_t *value);
/* One less; the last one frees it. NULL is ignored. */
void json_decref(json_t *value);

bool json_is_object(const json_t *value);
bool json_is_array(const json_t *value);
bool json_is_string(const json_t *value);
bool json_is_integer(const json_t *value);
bool json_is_true(const json_t *value);
bool json_is_false(const json_t *value);
bool json_is_boolean(const json_t *value);
bool json_is_null(const json_t *value);
/* The value; NULL or 0 if it is of another kind. A string is terminated, and may hold NULs. */
const char *json_string_value(const json_t *value);
size_t json_string_length(const json_t *value);
json_int_t json_integer_value(const json_t *value);
double json_real_value(const json_t *value);
double json_number_value(const json_t *value); /* of an integer, too */
/* Whether both say the same, in whatever order their names are. */
bool json_equal(const json_t *a, const json_t *b);

/* Borrowed; NULL if there is none. */
json_t *json_object_get(const json_t *object, const char *name);
size_t json_object_size(const json_t *object);
const char *json_object_name(const json_t *object, size_t i);
json_t *json_object_value(const json_t *object, size_t i);
/* 0 or -1. A name that is set again keeps its place. */
int json_object_set(json_t *object, const char *name, json_t *value);
int json_object_set_new(json_t *object, const char *name, json_t *value);
int json_object_setn_new(json_t *object, const char *name, size_t len, json_t *value);
/* Sets all members of `from`. */
int json_object_update(json_t *object, const json_t *from);
#define json_object_foreach(object, name, value)                                                   \
    for (size_t json_at = 0;                                                                       \
         json_at < json_object_size(object) &&                                                     \
         ((name) = json_object_name(object, json_at),                                              \
         (value) = json_object_value(object, json_at), (void)(name), (void)(value), true);         \
         json_at++)

/* Borrowed; NULL beyond the end. */
json_t *json_array_get(const json_t *array, size_t i);
size_t json_array_size(const json_t *array);
/* 0 or -1. */
int json_array_append(json_t *array, json_t *value);
int json_array_append_new(json_t *array, json_t *value);
int json_array_insert(json_t *array, size_t i, json_t *value);
int json_array_remove(json_t *array, size_t i);
#define json_array_foreach(array, i, value)                                                        \
    for ((i) = 0; (i) < json_array_size(array) && ((value) = json_array_get(array, i), true); (i)++)

enum {
    JSON_SPREAD = 1, /* a member a line, indented; otherwise without any space */
    JSON_ASCII = 2,  /* everything else is escaped */
};

/* Appends the value as JSON. */
void json_write(const json_t *value, struct buf *out, unsigned how);
/* The same as a terminated text, to be freed; NULL: out of memory. */
char *json_dumps(const json_t *value);

#endif
