/*
 * later.h - timers, delayed publishes, schedules. Part of the journal (journal.h): inside the
 * current store transaction.
 */
#ifndef ZINGQ_JOURNAL_LATER_H
#define ZINGQ_JOURNAL_LATER_H

#include "journal/journal.h"
#include "journal/event.h"
#include "journal/outbox.h"

/* --- delayed publishes, schedules --- */

/* The position of a delayed publish: identifies its timer. */
struct delayed {
    uint8_t partition;
    bool by_wall; /* due_ms is of the wall clock */
    int64_t due_ms;
    uint64_t seq;
};

int journal_delayed_put(struct journal *j, const struct uuid *id, const struct delayed *delayed);
/* ERR_NOTFOUND. */
int journal_delayed_get(struct journal *j, const struct uuid *id, struct delayed *out);
/* ERR_NOTFOUND. */
int journal_delayed_del(struct journal *j, const struct uuid *id);
/* How many there are, but for those that an older version stored without a row of their own. */
uint64_t journal_delayed_count(struct journal *j);
struct publication; /* below */
/* The one after *id, in the order of ids (zero at the start), and what it will publish; the slices
 * point into the store. ERR_NOTFOUND. */
int journal_delayed_next(struct journal *j, struct uuid *id, struct delayed *out,
                         struct publication *p);
/* The progress of a schedule. */
struct schedule_mark {
    int64_t settled_ms;          /* ticks up to here have run or were skipped */
    int64_t ahead_ms;            /* how far the wall clock is ahead of engine time;
                                    INT64_MAX = written by a zingq of schema 2 */
    int64_t before_ms;           /* settled_ms by the wall clock before it stepped; 0 = none */
    int64_t before_ahead_ms;     /* ahead_ms of that */
    int64_t last_ms;             /* the tick of the last run; 0 = none yet */
    uint64_t runs;               /* since the store was made */
    struct uuid last_id;         /* of the last run's publish */
    struct slice cron, timezone; /* as they were then; once read they point into the store */
};

/* ERR_NOTFOUND. */
int journal_schedule_get(struct journal *j, const char *name, struct schedule_mark *out);
int journal_schedule_put(struct journal *j, const char *name, const struct schedule_mark *mark);
int journal_schedule_del(struct journal *j, const char *name);
/* The name of the schedule after `name` ("" = the first), into `name`. ERR_NOTFOUND. */
int journal_schedule_next(struct journal *j, char name[NAME_BYTES_MAX + 1]);

/* --- timers --- */

enum timer_kind {
    TIMER_EVENT = 1,   /* an event's next attempt: row */
    TIMER_LOCK = 2,    /* a lock expires: service, key, name */
    TIMER_STATE = 3,   /* a state value expires: the same */
    TIMER_PUBLISH = 4, /* a delayed publish: seq names it, record holds it */
    TIMER_SIGNAL = 5,  /* a signal nobody waited for: service, key, name, seq */
};

struct timer {
    enum timer_kind kind;
    uint8_t partition;
    bool by_wall;           /* due_ms is of the wall clock, not engine time */
    int64_t due_ms;         /* above 0 */
    struct row row;         /* TIMER_EVENT (service, lane, seq, id) */
    uint16_t service;       /* TIMER_LOCK, TIMER_STATE, TIMER_SIGNAL */
    struct slice key, name; /* the same; once read they point into the store */
    uint64_t seq;           /* TIMER_PUBLISH, TIMER_SIGNAL */
    struct slice record;    /* TIMER_PUBLISH: a publication encoded */
};

int journal_timer_put(struct journal *j, const struct timer *timer);
/* ERR_NOTFOUND when there was none. */
int journal_timer_del(struct journal *j, const struct timer *timer);
/* The earliest timer of the partition by that clock, whatever its due time. ERR_NOTFOUND. */
int journal_timer_first(struct journal *j, uint8_t partition, bool by_wall, struct timer *out);
/* The record of a TIMER_PUBLISH; points into the store. ERR_NOTFOUND. */
int journal_timer_record(struct journal *j, const struct timer *timer, struct slice *record);
/* The timer of a delayed publish, without the record. */
struct timer journal_delayed_timer(const struct delayed *delayed);

#endif
