/*
 * kept.h - how much of the store each service keeps until somebody takes or deletes it: bytes,
 * where nothing else is said. Part of the journal (journal.h): inside the current store transaction.
 *
 * They are counted as rows are written and deleted, and stored with the turn. A store of an older
 * zingq, and one that was built by copying rows, is counted once.
 */
#ifndef ZINGQ_JOURNAL_KEPT_H
#define ZINGQ_JOURNAL_KEPT_H

#include "journal/journal.h"

/* Stored in this order: new ones go to the end. */
enum kept_kind {
    KEPT_STATE, /* values of zing.state, and locks */
    KEPT_SIGNALS,
    KEPT_DELAYED,     /* publishes that wait for their time */
    KEPT_REFUSED,     /* letters that a quota may take: LETTER_REFUSED */
    KEPT_RAN,         /* LETTER_RAN */
    KEPT_MADE,        /* of those: made by zing.dead_letter */
    KEPT_RAN_LETTERS, /* how many letters KEPT_RAN is of */
    KEPT_KINDS
};

/* Counts the rows if the store does not say how many there are, or did so before rows were set aside. */
int journal_count_kept(struct journal *j);
uint64_t journal_kept(const struct journal *j, uint16_t service, enum kept_kind kind);
/* Of all services. */
uint64_t journal_kept_by_all(const struct journal *j, enum kept_kind kind);
/* About what a row takes of the store; a value larger than half a page takes whole pages. */
uint64_t journal_row_bytes(size_t key, size_t value);
/* The service has no such rows: damage may have made the count wrong. */
void journal_kept_none(struct journal *j, uint16_t service, enum kept_kind kind);
/* Stores the counts that have changed. */
int journal_kept_write(struct journal *j);

#endif
