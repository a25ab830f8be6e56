/*
 * ring.h - the lanes of one service that could run, in the order in which they take turns: by
 * priority, and by shares of the processor. Part of lane.c.
 *
 * Left out on purpose: limits, and the choice between services (engine/lane.c).
 */
#ifndef ZINGQ_ENGINE_RING_H
#define ZINGQ_ENGINE_RING_H

#include "engine/lane.h"
#include "engine/light.h"

/* Lanes in the order of their turns. */
TAILQ_HEAD(turns, lane);

/* The lanes of one priority. */
struct level {
    struct turns turns;      /* the next one first */
    struct lane *light_tail; /* the last lane of the rush known to be light; NULL = none yet */
    struct lane *rush_tail;  /* the last lane of the rush; NULL = none yet */
};

struct ring {
    struct level levels[PRIORITIES];
    uint32_t waiting;     /* a bit for each level that has lanes */
    uint32_t in_a_row;    /* starts since one went to a level that had waited for too long, */
    unsigned aged;        /* which was this one */
    struct turns in_debt; /* part of the ring, too: lanes in debt, the earliest due first */
    size_t count;         /* lanes, including those in debt */
    size_t owing;         /* of these, lanes in debt */
    size_t pass;          /* lanes that go before the next one in debt */
    bool pass_begins;     /* one in debt has started: the ring is counted at the next start */
    int64_t clock_us;     /* the time each of its lanes has received */
    int64_t paid_us;      /* the same, as far as it pays off debts */
    bool rush;            /* a long run has just ended: lanes that enter now go first */
    struct lights lights;
};

void ring_init(struct ring *ring);
/* The lane could run. `comes`: because an event has arrived. */
void ring_enter(struct ring *ring, struct lane *lane, bool comes);
/* It must wait elsewhere. */
void ring_leave(struct ring *ring, struct lane *lane);
/* It is started. */
void ring_start(struct ring *ring, struct lane *lane);
/* The lane that is next; NULL when the ring is empty. `quiet`: lanes in debt need not wait for
 * messages. */
struct lane *ring_front(struct ring *ring, int64_t now_ms, bool quiet);
/* The same for a lane that joins a batch. */
struct lane *ring_peek(struct ring *ring, int64_t now_ms);
/* The lane that would be next waits until it is quiet. */
bool ring_is_hushed(struct ring *ring, int64_t now_ms, bool quiet);
/* A lane is about to be started: after one in debt, all others have a turn first. */
void ring_begin_pass(struct ring *ring);
/* A debt grows by the time of a run. */
void ring_add_debt(const struct ring *ring, int64_t us, struct owed *owed);
/* One of its lanes has run so long. */
void ring_spent(struct ring *ring, int64_t us);
/* Since when the oldest head waits; INT64_MAX when the ring is empty. */
int64_t ring_oldest_ms(const struct ring *ring);

#endif
