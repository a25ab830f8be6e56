/*
 * layout.h - what stored rows are made of, field by field, and how an export says it: one description,
 * from which rows are written as JSON and made again from it. docs/export.md lists the same for people.
 *
 * The bytes are those that journal/ reads and writes; journal/journal.h draws them. A new field of a
 * record needs its line here, too: unit/export/test_export_store.c finds out.
 */
#ifndef ZINGQ_EXPORT_LAYOUT_H
#define ZINGQ_EXPORT_LAYOUT_H

#include "store/store.h"

#include <stdint.h>

/* How a field lies in the row. Whole numbers are big-endian in a key, little-endian in a record. */
enum field_form {
    FIELD_END,
    FIELD_8,
    FIELD_16,
    FIELD_32,
    FIELD_64,
    FIELD_16_BYTES,
    FIELD_LONG,  /* u32 length, bytes */
    FIELD_TEXT,  /* the same; if there are bytes, a NUL is the last */
    FIELD_SHORT, /* u16 length, bytes */
    FIELD_REST,  /* up to the end */
};

/* What it says. The JSON of a zero, and of no bytes, is left out. */
enum field_sense {
    /* whole numbers */
    SENSE_NUMBER,
    SENSE_TIME_OR_NEVER, /* INT64_MAX is left out instead of 0 */
    SENSE_HEX,
    SENSE_BOOL,
    SENSE_NAME,  /* one of `names`, by its place; never left out */
    SENSE_FLAGS, /* those of `names` whose bits are set */
    SENSE_SERVICE,
    SENSE_SERVICE_OR_NONE,
    SENSE_SHELF,           /* a partition; its top bit is a field of its own, named names[0] */
    SENSE_QOS,             /* a QoS; the upper half is a rank: field "rank" */
    SENSE_IS,              /* always `is` */
    SENSE_FORM,            /* of an event's record */
    SENSE_GROUP,           /* of an event's key; before schema 4 the partition */
    SENSE_GROUP_PARTITION, /* missing before schema 4 */
    /* bytes */
    SENSE_BYTES, /* a text; base64 as NAME_base64 if it is not UTF-8 */
    SENSE_ID,
    SENSE_HASH,
    SENSE_VALUE,      /* event/value.h */
    SENSE_PROPERTIES, /* user properties */
    SENSE_NUMBER_OF,  /* a service, by its number in decimal digits */
    SENSE_TIMES,      /* i64, as many as there are */
};

/* When it is there. A record that ends before a field says that it is zero. */
enum field_when {
    WHEN_EVER,
    WHEN_SET, /* it or one behind it says anything; so for the fields with the same number */
    WHEN_SET_2,
    WHEN_MARKED, /* the note of an idempotency key has a mark, which its length tells */
    WHEN_FORM_2, /* of an event's record, and later ones */
    WHEN_TENANT, /* form 3 */
    WHEN_BATCH,  /* an event's flag says so */
};

struct field {
    const char *name;
    enum field_form form;
    enum field_sense sense;
    enum field_when when;
    const char *const *names; /* up to a NULL */
    uint8_t is;
};

struct layout {
    const char *kind; /* of its lines */
    enum store_table table;
    unsigned tables;    /* 0 = one; else how many, and "table" says which of them */
    const char *prefix; /* of keys; the whole key if it has no fields */
    int at;             /* -1, or where keys have the byte `is` */
    uint8_t is;
    const struct field *key, *value;
};

/* That of a row; NULL: there is none. */
const struct layout *layout_of(enum store_table t, struct slice key);
/* NULL: there is none of that kind. */
const struct layout *layout_named(struct slice kind);
/* The i-th, to list them; NULL behind the last. */
const struct layout *layout_at(size_t i);

#endif
