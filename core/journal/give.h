/*
 * give.h - the rows of a service that another service of the same store takes over. Part of the
 * journal (journal.h): inside the current store transaction.
 *
 * Lanes are hashed with the name of their service, so the rows get other partitions, too. What
 * belongs to a key (state, locks, signals, waiters) is given row by row; events are only found here,
 * because what waits has places and timers, which are the engine's.
 */
#ifndef ZINGQ_JOURNAL_GIVE_H
#define ZINGQ_JOURNAL_GIVE_H

#include "journal/journal.h"
#include "journal/keyed.h"

struct give {
    uint16_t from, to;   /* services */
    struct slice origin; /* of `to`: journal_service_origin */
    bool ordered;        /* `to` runs one event of a key at a time */
};

/* Where it stands; zeroed at the start. */
struct give_place {
    size_t table;
    uint8_t partition;
    uint8_t key[511]; /* of the last row looked at */
    size_t key_len;   /* 0 = none in this partition */
};

/* A row that was given, or left. */
struct given {
    enum store_table table;
    struct cell old_cell, new_cell; /* key and name are in `place` */
    uint64_t seq;                   /* of a signal or a waiter */
    int64_t expires_ms;             /* 0 = never */
    bool left;                      /* the other service has a row of its own there */
};

/* Gives the next row of state, locks, signals or waiters. The timers of what expires are the
 * caller's. ERR_NOTFOUND: there are no more. */
int journal_give_next(struct journal *j, const struct give *give, struct give_place *place,
                      struct given *out);
/* The next event of give->from; looks at *rows rows at most, and counts them off. *out NULL: none
 * among these. A copy on the heap. ERR_NOTFOUND: there are no more. */
int journal_give_event(struct journal *j, const struct give *give, struct give_place *place,
                       size_t *rows, struct event **out);

#endif
