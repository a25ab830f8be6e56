/*
 * store.h - reads the whole store and reports its faults: `zingq doctor --store`.
 *
 * Every page and every record; then, when the pages are sound, whether the tables fit one another.
 * Nothing is changed. Beside a running host one state of the store is looked at.
 */
#ifndef ZINGQ_QUERY_STORE_H
#define ZINGQ_QUERY_STORE_H

#include "base/error.h"
#include "base/json.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

struct store_exam {
    json_t *findings; /* {"where", "what", "mend"}, in the order found */
    uint64_t count;   /* of them, beyond STORE_FINDINGS_MAX too */
    json_t *rows;     /* table name -> rows that could be read */
    bool pages_sound;
};

/* 0 when the store was looked at, whatever was found. ERR_NOTFOUND: there is none, or nothing in it yet. ERR_CORRUPT: not
 * even its first pages can be read. ERR_DISK, ERR_MEMORY. A sentence in r. To be cleared. */
int store_examine(struct store_exam *exam, const char *folder, struct report *r);
void store_exam_clear(struct store_exam *exam);

#endif
