/*
 * record.h - a stored row as JSON, and a row made of JSON, both by export/layout.h.
 */
#ifndef ZINGQ_EXPORT_RECORD_H
#define ZINGQ_EXPORT_RECORD_H

#include "base/json.h"
#include "export/layout.h"

/* The names of services by their numbers; NULL where there is none. */
struct service_names {
    const char *const *names;
    size_t count;
};

/* The row as an object, "kind" first; NULL and *code: ERR_CORRUPT, the row is not as its layout
 * says; ERR_MEMORY. */
json_t *record_show(const struct layout *l, enum store_table t, struct slice key,
                    struct slice value, const struct service_names *services, int *code);
/* The row that the object says, into the two buffers, which are empty. ERR_INVALID with a sentence
 * that names the field; ERR_MEMORY. */
int record_make(const struct layout *l, const json_t *object, const struct service_names *services,
                enum store_table *t, struct buf *key, struct buf *value, struct report *r);

/* The bytes of object[name] or object[name_base64] into `out`; *used: how many of these there are.
 * ERR_INVALID with a sentence, ERR_MEMORY. */
int record_bytes(const json_t *object, const char *name, struct buf *out, size_t *used,
                 struct report *r);

#endif
