/*
 * export.h - a data folder as lines of JSON, and a data folder made of them: `zingq export` and
 * `zingq import`. docs/export.md describes the format.
 *
 * The first line says what follows, the last one how much it was and its checksum. Between them is a
 * line for each stored row, in the order of the store's tables, and lines with pieces of the files
 * beside it. One line at a time is in memory.
 */
#ifndef ZINGQ_EXPORT_EXPORT_H
#define ZINGQ_EXPORT_EXPORT_H

#include "base/error.h"
#include "journal/journal.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Raised when an older zingq could not read a line, or would take it for something else. New kinds and
 * new fields do not raise it: they are refused by name. */
enum { EXPORT_FORMAT = 1 };

struct export_sums {
    uint64_t records; /* lines between the first and the last */
    uint64_t damaged; /* of these: rows that cannot be read, and are exported byte by byte */
    uint64_t bytes;   /* of all lines */
};

struct export_options {
    const char *folder; /* of the store, with the files beside it; NULL: without files */
    FILE *out;
    bool ascii; /* everything else is escaped */
};

/* Writes the whole store as of one commit, then the files beside it. The store is not in a transaction.
 * ERR_DISK: `out` takes no more, or the files cannot be read; ERR_MEMORY, ERR_CORRUPT; with a
 * sentence. */
int export_write(struct journal *j, const struct export_options *options, struct export_sums *sums,
                 struct report *r);

struct import_options {
    FILE *in;
    const char *name;   /* of `in`, for sentences */
    const char *folder; /* made, and may not hold a store yet */
    uint64_t max_bytes; /* of the store */
};

/* All or nothing: what is interrupted, or refused, is no store, and can be begun again. ERR_INVALID:
 * a line is not as it should be, and the sentence names it. ERR_EXISTS: `folder` holds a store.
 * ERR_BUSY, ERR_FULL, ERR_DISK, ERR_MEMORY. */
int export_read(const struct import_options *options, struct export_sums *sums, struct report *r);

#endif
