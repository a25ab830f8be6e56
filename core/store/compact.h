/*
 * compact.h - rewrites the store's file without its free pages: `zingq compact`.
 */
#ifndef ZINGQ_STORE_COMPACT_H
#define ZINGQ_STORE_COMPACT_H

#include "store/store.h"

#include <stdint.h>

struct store_sizes {
    uint64_t before, after; /* bytes of data.mdb */
    uint64_t dropped;       /* records that were set aside and are deleted */
};

/* `drop_aside` first deletes records that were set aside, in a separate commit. The folder is
 * locked, so no host may run on it (ERR_BUSY). If it is killed at any moment, it leaves the old
 * file or the new one, complete; other leftovers are removed at the next start. ERR_NOTFOUND: no
 * store there. ERR_FULL: the disk has no room for a second file. ERR_CORRUPT, ERR_DISK, ERR_MEMORY.
 * A sentence in r. */
int store_compact(const struct store_options *options, bool drop_aside, struct store_sizes *sizes,
                  struct report *r);

#endif
