/*
 * json_impl.h - what a JSON value is made of; for json.c and its siblings only.
 */
#ifndef ZINGQ_BASE_JSON_IMPL_H
#define ZINGQ_BASE_JSON_IMPL_H

#include "base/json.h"

enum json_kind {
    KIND_OBJECT,
    KIND_ARRAY,
    KIND_STRING,
    KIND_INTEGER,
    KIND_REAL,
    KIND_TRUE,
    KIND_FALSE,
    KIND_NULL,
};

struct json_member {
    char *name; /* terminated; owned */
    size_t len;
    json_t *value; /* owned */
};

struct json {
    enum json_kind kind;
    size_t refs;
    union {
        struct {
            struct json_member *members; /* in the order in which they were set */
            size_t count, room;
            uint32_t *places; /* of a large object: json.c */
            size_t place_count;
        } object;
        struct {
            json_t **items;
            size_t count, room;
        } array;
        struct {
            char *text; /* terminated; owned */
            size_t len;
        } string;
        json_int_t integer;
        double real;
    };
};

static inline bool json_is_kind(const json_t *value, enum json_kind kind) {
    return value != NULL && value->kind == kind;
}

#endif
