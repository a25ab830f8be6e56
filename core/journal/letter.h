/*
 * letter.h - dead letters in the order in which a quota takes them: a row for each that may go by
 * itself. Part of the journal (journal.h): inside the current store transaction.
 */
#ifndef ZINGQ_JOURNAL_LETTER_H
#define ZINGQ_JOURNAL_LETTER_H

#include "journal/journal.h"

/* Stored as numbers: new ones go to the end. */
enum letter_kind {
    LETTER_REFUSED, /* it never reached a handler */
    LETTER_RAN,
    LETTER_KINDS
};

struct letter_row {
    uint8_t partition;
    uint16_t service;
    uint8_t kind; /* enum letter_kind */
    int64_t dead_ms;
    struct uuid id;
    uint64_t bytes; /* its approximate size in the store */
    bool made;      /* by zing.dead_letter */
};

/* Writes the row, or replaces it. What the service keeps is counted (kept.h), here and below. */
int journal_letter_put(struct journal *j, const struct letter_row *row);
/* *row: as it was stored. ERR_NOTFOUND. */
int journal_letter_del(struct journal *j, struct letter_row *row);
/* The row after *row of its partition, service and kind, the oldest first; in/out, dead_ms and id
 * zeroed at the start. ERR_NOTFOUND. */
int journal_letter_next(struct journal *j, struct letter_row *row);
/* The next row of any, in key order, after *row (zeroed at the start). ERR_NOTFOUND. */
int journal_letter_scan(struct journal *j, struct letter_row *row);

#endif
