/*
 * services.h - the services of topics.conf as this host runs them.
 */
#ifndef ZINGQ_ENGINE_SERVICES_H
#define ZINGQ_ENGINE_SERVICES_H

#include "engine/engine.h"

/* One service as this host runs it. */
struct engine_service {
    const struct service_conf *conf;
    size_t index;    /* in conf->services */
    uint16_t number; /* in the store */
    struct slice name;
    bool active; /* this host runs it */
    bool paused; /* by an operator */
    bool held;   /* because of another host */
    bool books_dirty;
    struct books books;
    struct metrics metrics;
    struct histogram handler;
    uint64_t lane_rows;            /* rows in the lane table */
    uint64_t parked_rows;          /* of them, when the store was loaded: heads that are parked */
    uint64_t put_off;              /* of them: heads that wait for another try (LANE_WAITING) */
    uint64_t asleep;               /* heads put off without a failure (LANE_ASLEEP) */
    uint64_t unloaded[PARTITIONS]; /* ready rows not in memory */
    uint64_t unloaded_total;
    uint64_t loaded[PARTITIONS]; /* ready rows up to this seq are, or were, in memory */
    size_t next_partition;       /* where loading goes on */
    int64_t room_ms; /* when long lanes make room, if the window is still full; 0 = never */
    int64_t throttled_until_ms;
    struct invocation *waiting_head, *waiting_tail; /* for calls; oldest deadline first */
};

/* What is counted of a service, in its books on disk. */
enum book {
    BOOK_ACCEPTED,
    BOOK_DONE,
    BOOK_DEAD, /* now, and ever: */
    BOOK_DIED,
    BOOK_NEEDS_PERSON,
    BOOK_DISCARDED,
    BOOK_DUPLICATES,
    BOOK_HANDED_OVER,
    BOOK_RETRIES,
    BOOK_TIMEOUTS,
    BOOK_CRASHES,
    BOOK_SNOOZES,
    BOOK_THROTTLES,
};

struct engine_service *engine_service_of(struct engine *e, uint16_t number); /* NULL: not in conf */
struct engine_service *engine_service_named(struct engine *e, struct slice name); /* the same */
/* Counts `by` more, or less; what waits follows from it. The books are written with the turn. */
void engine_count(struct engine *e, struct engine_service *s, enum book book, int64_t by);
/* Those that have changed, in the transaction under way. */
int engine_write_books(struct engine *e);
/* As the store has them. */
int engine_load_books(struct engine *e, struct engine_service *s);
/* Its lanes start nothing while an operator, another host or the lack of a script is against it. */
void engine_hold(struct engine *e, const struct engine_service *s);

#endif
