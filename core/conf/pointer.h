/*
 * pointer.h - JSON pointers (RFC 6901): the value that one names in a JSON text.
 */
#ifndef ZINGQ_CONF_POINTER_H
#define ZINGQ_CONF_POINTER_H

#include "base/json_read.h"

struct pointed {
    enum json_token
        token;         /* the value, or where an object or array begins; JSON_END: there is none */
    struct slice text; /* of a string or number, in the JSON text: see base/json_read.h */
    bool escaped, torn;
};

/* Whether it is "" or /token/token, with ~ only as ~0 or ~1. */
bool pointer_is_sound(const char *pointer);
/* Finds the value in the text, all of which is read. Of a name that occurs twice the last one
 * counts. ERR_INVALID, ERR_MEMORY: json_report's sentence. The pointer is sound, and shorter than
 * RULE_BYTES_MAX. */
int pointer_find(struct slice json, const char *pointer, const char *what, struct pointed *out,
                 struct report *r);

#endif
