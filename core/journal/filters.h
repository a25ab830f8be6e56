/*
 * filters.h - which buckets of idempotency keys a key is certainly not in. For journal/dedupe.c.
 *
 * A look-up in a bucket reads a random page of a large tree, and most keys are in none. So each
 * bucket has a filter (base/bloom.h) in memory that knows all of its rows. It is not stored: the
 * bucket is read into it, some rows in each turn, after a start and whenever the filter has become
 * too small. Until then, or where limits.memory has no room for it, each look-up goes to the bucket.
 *
 * A filter never says no to a row that is there: whoever writes one calls filters_note in the same
 * transaction, who empties a bucket filters_drop, and after a transaction that was dropped
 * filters_forget is called. Rows that are gone do no harm.
 */
#ifndef ZINGQ_JOURNAL_FILTERS_H
#define ZINGQ_JOURNAL_FILTERS_H

#include "journal/impl.h"

/* False: the bucket has no row of that key. */
bool filters_may_have(const struct journal *j, size_t bucket, const struct key *k);
/* A row of that key was written. */
void filters_note(struct journal *j, size_t bucket, const struct key *k);
/* The bucket is empty, or about to be emptied. */
void filters_drop(struct journal *j, size_t bucket);
void filters_forget(struct journal *j);
void filters_free(struct journal *j);
/* Reads so many rows at most. *more: there are others to read. ERR_CORRUPT: a bucket is damaged; it
 * is left alone from then on, so that once the transaction has been dropped all goes on. */
int filters_read(struct journal *j, size_t rows, bool *more);

#endif
