/*
 * services.h - the services of topics.conf as this host runs them.
 */
#ifndef ZINGQ_ENGINE_SERVICES_H
#define ZINGQ_ENGINE_SERVICES_H

#include "base/limits.h"
#include "engine/engine.h"
#include "journal/dedupe.h"

/* What the log says about a service's dead letters: engine/letter_log.c. */
struct letter_lines {
    int64_t begun_ms; /* the second */
    size_t bytes;     /* written in it */
    uint64_t left_out;
};

/* One service as this host runs it. */
struct engine_service {
    const struct service_conf *conf;
    size_t index;    /* in conf->services */
    uint16_t number; /* in the store */
    struct slice name;
    struct slice origin; /* what its keys are hashed with, its group at the broker is called */
    char origin_text[NAME_BYTES_MAX + 1]; /* those of the journal go when it is read again */
    bool active;                          /* this host runs it */
    bool removed;                         /* not in topics.conf: engine/removed.c */
    bool stored; /* nothing of it is in memory, and nothing runs, while rows are moved to it */
    bool moving; /* its rows are being moved to its heir: engine/move.c */
    struct engine_service *heir; /* of a removed one: what takes it over; NULL = nothing */
    unsigned taking;             /* how many services it takes over at present */
    uint64_t taken_events, taken_values, taken_left; /* since the host started */
    bool paused;     /* by an operator, or because its scripts hung the host */
    bool held;       /* because of another host */
    bool starved;    /* for want of memory: engine/memory.c */
    int64_t lack_ms; /* since when its policies or texts have lacked something; 0 = never */
    bool held_back;  /* its publishes take their part of the store: engine/kept.c */
    int64_t held_back_told_ms;
    struct letter_lines letter_lines;
    bool books_dirty;
    struct books books;
    struct metrics metrics;
    struct histogram handler;
    bool ranks; /* an event with a priority has come, or will: all its events have turns by it */
    uint64_t bad_priorities; /* since the host started */
    int64_t bad_priorities_told_ms;
    int64_t throttled_until_ms;
    bool pace_dirty;         /* that is not stored yet */
    int64_t rate_full_ms;    /* as it is stored: lanes_full_ms */
    int64_t forgotten_ms;    /* what it did before then was trimmed: engine_load_window */
    struct rows *rows;       /* owned: engine/rows.c */
    struct window *window;   /* owned: engine/place.c */
    struct backlog *backlog; /* owned: engine/backlog.c */
};

/* The counters of a service, in its books on disk. */
enum book {
    BOOK_ACCEPTED,
    BOOK_DONE,
    BOOK_DEAD, /* now, and ever: */
    BOOK_DIED,
    BOOK_NEEDS_PERSON,
    BOOK_DISCARDED,
    BOOK_EXPIRED,
    BOOK_DUPLICATES,
    BOOK_HANDED_OVER,
    BOOK_RETRIES,
    BOOK_TIMEOUTS,
    BOOK_CRASHES,
    BOOK_SNOOZES,
    BOOK_THROTTLES,
};

/* Its number and its origin, as the journal knows them; a name that it does not know gets a number
 * in the transaction. */
int engine_number_service(struct engine *e, struct engine_service *s);
/* Removed ones, too; NULL: unknown to this host. */
struct engine_service *engine_service_of(struct engine *e, uint16_t number);
struct engine_service *engine_service_known(struct engine *e, struct slice name);
/* The service of that name as the store has it, also if another one has taken it over. */
struct engine_service *engine_service_left(struct engine *e, struct slice name);
/* NULL: not in topics.conf. This one and engine_service_known also
 * find a service by a name that it had before. */
struct engine_service *engine_service_named(struct engine *e, struct slice name);
/* Whether its scripts define that function. */
bool engine_service_has(const struct engine *e, const struct engine_service *s,
                        const char *reserved);
/* Counts `by` more, or less; what waits follows from it. The books are written with the turn. */
void engine_count(struct engine *e, struct engine_service *s, enum book book, int64_t by);
/* Those that have changed, in the transaction under way. */
int engine_write_books(struct engine *e);
/* As the store has them; if it cannot be read, they stay as they are. engine_sum_waiting follows. */
int engine_load_books(struct engine *e, struct engine_service *s);
void engine_sum_waiting(struct engine *e);
/* Pauses or resumes it, for later starts, too. */
int engine_set_paused(struct engine *e, struct engine_service *s, bool paused);
/* Blocks its lanes while it is paused, held because of another host, or without a script. */
void engine_hold(struct engine *e, const struct engine_service *s);
/* Starts no events before then. */
void engine_throttle(struct engine *e, struct engine_service *s, int64_t until_ms);
/* What its rate and a throttle still forbid, as the store has it: a restart must not lift it. */
int engine_load_pace(struct engine *e, struct engine_service *s);
int engine_write_paces(struct engine *e);
/* Since when what the service did is remembered by what is trimmed with its idempotency_window: one that
 * was raised does not bring back what the shorter one has let go. */
int engine_load_window(struct engine *e, struct engine_service *s);

/* How long the service's idempotency keys count, from now. */
struct dedupe_time engine_keys_time(const struct engine *e, const struct engine_service *s);

#endif
