/* record_impl.h - what the two directions of export/record.h share. */
#ifndef ZINGQ_EXPORT_RECORD_IMPL_H
#define ZINGQ_EXPORT_RECORD_IMPL_H

#include "base/json.h"

enum {
    RECORD_BYTES_MAX = 1 << 30,
    SHELF_BIT = 0x80,
    RANK_UNIT = 16,
    EVENT_FORM = 2, /* of event records: journal/event.c */
    EVENT_FORM_TENANT = 3,
    EVENT_FLAG_BATCH = 128,
};

bool record_set_base64(json_t *object, const char *name, struct slice bytes);
/* 32 hex digits; nothing of 16 zeros. */
bool record_set_hex(json_t *object, const char *name, struct slice bytes);
/* The bytes that the value, or the list of properties, makes. ERR_INVALID, ERR_MEMORY. */
int record_add_value(const json_t *value, struct buf *out);
int record_add_properties(const json_t *list, struct buf *out);
/* Whether it makes these bytes. */
bool record_value_is(const json_t *value, struct slice bytes);
bool record_properties_are(const json_t *list, struct slice bytes);

#endif
