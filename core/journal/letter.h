/*
 * letter.h - dead letters in the order of time, those that a quota may take apart from the others.
 * Part of the journal (journal.h): inside the current store transaction.
 */
#ifndef ZINGQ_JOURNAL_LETTER_H
#define ZINGQ_JOURNAL_LETTER_H

#include "journal/journal.h"

/* Stored as numbers: new ones go to the end. */
enum letter_kind {
    LETTER_REFUSED, /* it never reached a handler */
    LETTER_RAN,
    LETTER_HELD, /* no quota takes it: it is parked, or needs a person */
    LETTER_KINDS
};

struct letter_row {
    uint8_t partition;
    uint16_t service;
    uint8_t kind; /* enum letter_kind */
    int64_t dead_ms;
    struct uuid id;
    uint64_t bytes;       /* its approximate size in the store */
    bool made;            /* by zing.dead_letter */
    uint64_t fingerprint; /* its group */
};

/* Whether a letter may have died then, the row that says so being sound. */
bool journal_letter_time(int64_t dead_ms);

/* Writes the row, or replaces it. What the service keeps is counted (kept.h), here and below. */
int journal_letter_put(struct journal *j, const struct letter_row *row);
/* The row of that place, kind, moment and id; in/out. ERR_NOTFOUND. */
int journal_letter_get(struct journal *j, struct letter_row *row);
/* *row: as it was stored. ERR_NOTFOUND. */
int journal_letter_del(struct journal *j, struct letter_row *row);
/* The row after *row of its partition, service and kind, the oldest first; in/out, dead_ms and id
 * zeroed at the start. ERR_NOTFOUND. */
int journal_letter_next(struct journal *j, struct letter_row *row);
/* The next row of any, in key order, after *row (zeroed at the start). ERR_NOTFOUND. */
int journal_letter_scan(struct journal *j, struct letter_row *row);
/* The next one backwards, before *row: of a partition, service and kind the newest first.
 * ERR_NOTFOUND. */
int journal_letter_before(struct journal *j, struct letter_row *row);

/* Whether every dead letter has its row. Those of an older zingq, and all after a row was lost, get
 * theirs from the engine. */
int journal_letters_all(struct journal *j, bool *all);
int journal_letters_have_all(struct journal *j);

#endif
