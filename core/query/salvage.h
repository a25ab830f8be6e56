/*
 * salvage.h - what a damaged store still holds, in a new one: `zingq export --salvage`.
 *
 * The pages are read without LMDB; every record that decodes goes into the new store, the rest is
 * named. What was derived from a lost record the host makes again when it starts on the new one.
 */
#ifndef ZINGQ_QUERY_SALVAGE_H
#define ZINGQ_QUERY_SALVAGE_H

#include "base/error.h"

#include <stdint.h>

struct salvage {
    void (*on_loss)(void *ctx, const char *text); /* "event 0192…: cannot be read" */
    /* Pages of the table that lay below lost ones, and were found. */
    void (*on_found)(void *ctx, const char *table, uint64_t pages);
    void *ctx;
    uint64_t rows, lost; /* out */
};

/* From the store in `folder` to a new one in `into`, which is made. ERR_EXISTS: there is one
 * already. ERR_NOTFOUND, ERR_CORRUPT: nothing can be read. ERR_FULL, ERR_DISK, ERR_MEMORY. A
 * sentence in r. */
int store_salvage(struct salvage *salvage, const char *folder, const char *into, struct report *r);

#endif
