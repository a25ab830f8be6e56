/*
 * kept.h - how many bytes of the store each service keeps until somebody takes or deletes them.
 * Part of the journal (journal.h): inside the current store transaction.
 *
 * They are counted as rows are written and deleted, and stored with the turn. A store of an older
 * zingq is counted once, when it is opened.
 */
#ifndef ZINGQ_JOURNAL_KEPT_H
#define ZINGQ_JOURNAL_KEPT_H

#include "journal/journal.h"

/* Stored in this order: new ones go to the end. */
enum kept_kind {
    KEPT_STATE, /* values of zing.state, and locks */
    KEPT_SIGNALS,
    KEPT_DELAYED, /* publishes that wait for their time */
    KEPT_KINDS
};

uint64_t journal_kept(const struct journal *j, uint16_t service, enum kept_kind kind);
/* Of all services. */
uint64_t journal_kept_by_all(const struct journal *j, enum kept_kind kind);
/* About what a row takes of the store; a value larger than half a page takes whole pages. */
uint64_t journal_row_bytes(size_t key, size_t value);
/* Stores the counts that have changed. */
int journal_kept_write(struct journal *j);

#endif
