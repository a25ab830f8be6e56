/*
 * snapshot.h - a snapshot of a store, written slice by slice while turns go on.
 *
 * It is a walk through all rows, and nothing waits for it: between two slices there may be turns, so
 * that one slice has what another one's turn had not yet changed. That mends itself. Operations in a
 * log say what a row is, not how it changed; who loads the slices and then applies all turns since the
 * walk began has, of each row, either what its last change made of it, or what it was all the time.
 *
 *   while ((code = snapshot_next(p, &slice)) == 0) { door->add(door->ctx, index++, slice); }
 *   if (code == ERR_NOTFOUND) { door->finish(door->ctx, snapshot_head(p)); snapshot_done(p); }
 */
#ifndef ZINGQ_STORE_SNAPSHOT_H
#define ZINGQ_STORE_SNAPSHOT_H

#include "store/log.h"

struct snapshot;

/* Of a store that is opened to write: of the turn after which the first slice is made, or, without a
 * log, of what was there before the first turn. A slice ends with the row that reaches slice_bytes.
 * NULL: out of memory. */
struct snapshot *snapshot_new(struct store *s, store_home *home_of, size_t slice_bytes);
void snapshot_free(struct snapshot *p);

/* Between transactions. The next rows; valid until the next call.
 * ERR_NOTFOUND: that was all. ERR_NETWORK: not now, call it again. Errors as those of store_begin,
 * ERR_MEMORY: this snapshot is of no use. */
int snapshot_next(struct snapshot *p, const struct log_turn **slice);
/* What there is of it so far. */
const struct log_snapshot *snapshot_head(const struct snapshot *p);
/* The log has finished it: from now on the store counts its turns from there. */
void snapshot_done(const struct snapshot *p);

#endif
