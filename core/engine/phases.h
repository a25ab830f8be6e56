/*
 * phases.h - where the time of the last seconds went: a stopwatch that is always in one phase.
 *
 * The clock is read only where a phase ends; everything else is additions. Memory only: it begins
 * with the host, as engine/metrics.h does.
 */
#ifndef ZINGQ_ENGINE_PHASES_H
#define ZINGQ_ENGINE_PHASES_H

#include <stdint.h>

enum phase {
    PHASE_IDLE,    /* nothing to do: the loop sleeps */
    PHASE_OTHER,   /* the rest of the loop: HTTP requests, calls, timers */
    PHASE_COLLECT, /* reading messages */
    PHASE_DECIDE,  /* the transaction: admitting, running handlers, writing rows */
    PHASE_COMMIT,  /* the commit, its full sync included */
    PHASE_SEND,    /* publishes, their acknowledgements, calls that start, PUBACKs */
    PHASES
};

enum phase_count {
    COUNT_MESSAGES,  /* admitted */
    COUNT_EVENTS,    /* begun */
    COUNT_PUBLISHES, /* sent */
    COUNT_TURNS,
    PHASE_COUNTS
};

enum phase_queue {
    QUEUE_WAITING, /* events that have not ended */
    QUEUE_OUTBOX,  /* publishes that the broker has not acknowledged */
    PHASE_QUEUES
};

enum { PHASES_SECONDS = 10 }; /* the window; the current second is a part of it */

struct phases_second {
    int64_t us[PHASES], longest_us[PHASES];
    uint64_t counts[PHASE_COUNTS];
    uint64_t most[PHASE_QUEUES];
};

struct phases {
    enum phase now;
    int64_t since_us; /* when it began, or was last counted; 0 = the watch has not started */
    int64_t idle_us;  /* as of then: see phases_enter */
    int64_t second;   /* the newest one */
    struct phases_second seconds[PHASES_SECONDS];
    uint64_t total_us[PHASES];
};

/* The current phase ends at now_us, and that one begins. idle_us: for how long the loop has slept
 * since its start; what it slept in this phase counts as idle. */
void phases_enter(struct phases *p, int64_t now_us, int64_t idle_us, enum phase phase);
void phases_count(struct phases *p, enum phase_count what, uint64_t n);
void phases_queue(struct phases *p, enum phase_queue which, uint64_t length);
/* The sums of the window, and the longest stay and the longest queue in it. */
void phases_sum(const struct phases *p, struct phases_second *out);

/* "collect" */
const char *phase_name(enum phase phase);

#endif
