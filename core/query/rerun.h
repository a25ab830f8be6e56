/*
 * rerun.h - which stored events a replay would run again.
 *
 * Everything reads within a transaction, a row a call; between two calls the transaction may end
 * and another begin.
 */
#ifndef ZINGQ_QUERY_RERUN_H
#define ZINGQ_QUERY_RERUN_H

#include "event/event.h"
#include "journal/event.h"
#include "journal/journal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which events of a service match. */
struct rerun_filter {
    uint16_t service;
    bool by_id, by_key;
    struct uuid id;
    struct slice key;       /* borrowed */
    int64_t from_ms, to_ms; /* accepted from then on, and before then */
    int64_t ended_by_ms;    /* what ended later counts as waiting */
};

enum rerun_verdict {
    RERUN_OTHER, /* does not match */
    RERUN_GOOD,  /* done or discarded: it can run again */
    RERUN_WAITS, /* it will run anyway, or ended only after ended_by_ms */
    RERUN_DEAD,  /* the dead letters' business */
    RERUN_LOCK,  /* the expiry of a lock that is gone */
};

/* Whether the event matches, and whether it can run. */
enum rerun_verdict rerun_judge(const struct rerun_filter *filter, const struct event *event);

/* Sorts events by arrival. A replay gives an event a new seq: then the time it was first accepted
 * tells, and among events of that millisecond the seq. */
uint64_t rerun_order(const struct event *event);

/* Through all that may match, a group of partitions after the other. */
struct rerun_walk {
    struct event_walk events;
    unsigned end; /* the group after the last */
};

void rerun_walk_init(struct rerun_walk *walk, const struct journal *j,
                     const struct rerun_filter *filter);
/* The next event, the caller's from now on, of whatever service; NULL when there was none at this
 * step. ERR_NOTFOUND after the last. */
int rerun_walk_next(struct journal *j, const struct rerun_filter *filter, struct rerun_walk *walk,
                    struct event **out);

/* What was found. */
struct rerun_tally {
    uint64_t good;               /* would run */
    uint64_t waits, dead, locks; /* would not: see the verdicts */
    uint64_t keys;               /* different keys of those that would run; no key is none */
    int64_t first_ms, last_ms;   /* the first and the last of them were accepted; 0 = none */
    uint64_t *hashes;            /* keys of the group under way, hashed; owned */
    size_t hash_count, hash_cap; /* cap: a power of two, or 0 */
    unsigned group;              /* a key is in one only */
};

/* Counts an event with its verdict; RERUN_OTHER is not counted. ERR_MEMORY. */
int rerun_tally_note(struct rerun_tally *tally, const struct event *event,
                     enum rerun_verdict verdict);
void rerun_tally_clear(struct rerun_tally *tally);

#endif
