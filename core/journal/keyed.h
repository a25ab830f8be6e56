/*
 * keyed.h - data of a key: state, locks, signals and their waiters. Part of the journal
 * (journal.h): inside the current store transaction.
 */
#ifndef ZINGQ_JOURNAL_KEYED_H
#define ZINGQ_JOURNAL_KEYED_H

#include "journal/journal.h"
#include "journal/event.h"

/* --- keyed state and locks --- */

/* Names (service, key) and, for one value, `name`. */
struct cell {
    uint8_t partition;
    uint16_t service;
    struct slice key, name;
};

/* An expired value is not found. */
int journal_state_get(struct journal *j, const struct cell *cell, int64_t now_ms,
                      struct slice *value, int64_t *expires_ms);
/* The same for a handler, for which an unreadable value must not look like a missing one:
 * ERR_CORRUPT. */
int journal_state_read(struct journal *j, const struct cell *cell, int64_t now_ms,
                       struct slice *value, int64_t *expires_ms);
int journal_state_put(struct journal *j, const struct cell *cell, struct slice value,
                      int64_t expires_ms);
int journal_state_del(struct journal *j, const struct cell *cell);
/* The next cell of (service, key) whose name begins with `prefix` and sorts after cell->name
 * (len 0: the first); in/out, the name points into the store. ERR_NOTFOUND. */
int journal_state_next(struct journal *j, struct cell *cell, struct slice prefix, int64_t now_ms,
                       struct slice *value);

struct lock {
    struct slice owner, data;
    struct slice topic; /* of the event that took it: a dead letter made at its expiry carries it */
    int64_t expires_ms; /* 0 = never */
};

/* A lock is found as long as its record exists, expired or not. ERR_NOTFOUND.
 */
int journal_lock_get(struct journal *j, const struct cell *cell, struct lock *out);
/* The same for a handler: ERR_CORRUPT. */
int journal_lock_read(struct journal *j, const struct cell *cell, struct lock *out);
int journal_lock_put(struct journal *j, const struct cell *cell, const struct lock *lock);
int journal_lock_del(struct journal *j, const struct cell *cell);

/* Any cell of state or locks, in key order, for `zingq state list`: the one after *cell (zeroed at
 * the start). `table` is TABLE_STATE or TABLE_LOCK. ERR_NOTFOUND. */
int journal_cell_scan(struct journal *j, enum store_table table, struct cell *cell,
                      struct slice *value);

/* --- signals, and who waits for them --- */

/* The cell's name is the signal's. Signals of one cell are taken in the order of their seq. */
int journal_signal_put(struct journal *j, const struct cell *cell, uint64_t seq, struct slice value,
                       int64_t expires_ms);
/* ERR_NOTFOUND when it was not there (any more). */
int journal_signal_del(struct journal *j, const struct cell *cell, uint64_t seq);
struct kept_signal {
    uint64_t seq;
    int64_t expires_ms;
    struct slice value; /* points into the store */
};
/* The oldest of the cell after *at (zeroed at the start; in/out) that has not expired.
 * ERR_NOTFOUND. */
int journal_signal_next(struct journal *j, const struct cell *cell, int64_t now_ms,
                        struct kept_signal *at);

/* Any signal kept under the cell's key, in the order of name and seq: the one after (cell->name,
 * *seq), name.data NULL at the start. The name points into the store then. ERR_NOTFOUND. */
int journal_signal_scan(struct journal *j, struct cell *cell, uint64_t *seq, int64_t *expires_ms,
                        struct slice *value);

/* An event that waits; row.seq orders those of one cell. */
struct waiter {
    struct row row;     /* of the event */
    struct slice label; /* of its step record; points into the store once read */
};

int journal_waiter_put(struct journal *j, const struct cell *cell, const struct waiter *waiter);
int journal_waiter_del(struct journal *j, const struct cell *cell, uint64_t seq);
/* The one that has waited longest. ERR_NOTFOUND. */
int journal_waiter_first(struct journal *j, const struct cell *cell, struct waiter *out);
/* The next one after out->row.seq; in/out. ERR_NOTFOUND. */
int journal_waiter_next(struct journal *j, const struct cell *cell, struct waiter *out);

#endif
