/*
 * flow.h - what several lanes have in common: the events of one tenant, which have turns together,
 * or of one key in a service without order, which share limits. Part of lane.c.
 *
 * Of the lanes of a flow only one at a time stands further ahead: in the ring, or behind another
 * lane of its tenant. The others wait behind it here, by priority and in order of arrival, and the
 * next one follows when it is started. So a flow with a thousand lanes has the turns of one. Once one
 * has waited for PRIORITY_WAIT_MS, each PRIORITY_STARTS-th to follow is that which came first, with
 * the priority of those behind it: none starves within its flow, either. Only in a flow that stands
 * for a whole priority (FLOW_LEVELS) none waits: it shares memory, not turns.
 *
 * A flow exists while it has lanes, or rows of its own on disk, or until its rate has been made up
 * for. In memory only.
 */
#ifndef ZINGQ_ENGINE_FLOW_H
#define ZINGQ_ENGINE_FLOW_H

#include "engine/lane.h"
#include "engine/pace.h"

/* Lanes that wait for another one. */
TAILQ_HEAD(flow_lanes, lane);

/* What a service says about each of its keys; zeros = no limit. */
struct flow_limits {
    uint32_t concurrency;
    double rate_per_s;
    int64_t
        since_ms; /* nothing has been started since; before that, perhaps all that was allowed */
};

struct flow {
    uint64_t hash;
    size_t service;
    size_t lanes;            /* in memory, waiting or busy */
    struct lane *first;      /* the lane that stands further ahead, none is of a higher priority;
                                NULL = none */
    struct flow_lanes queue; /* the lanes behind it, the next one first, */
    struct flow_lanes ages;  /* and the same, those first that came first */
    uint32_t in_a_row;       /* lanes that followed since one did because of its age */
    size_t events;           /* that wait, in all its lanes */
    struct owed owed;
    bool spilled;     /* a tenant that has, or may have, rows on disk */
    bool hungry;      /* of these: few of its events are left in memory */
    uint8_t priority; /* of a tenant's events */
    bool tenant;      /* turns are dealt round flows like this one */
    bool idle;        /* without lanes, until its limits have been made up for */
    bool held;        /* its limits forbid a start */
    uint32_t running, concurrency;
    struct pace pace;
    int64_t due_ms; /* when it is looked at again; with `place` */
    size_t place;   /* in the heap of those, from 1; 0 = none */
    LIST_ENTRY(flow) hash_link;
    TAILQ_ENTRY(flow) hungry_link;
};

/* Flows of one bucket of the table. */
LIST_HEAD(flow_bucket, flow);

struct flows {
    struct flow_bucket *buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
    struct flow **heap; /* those with a time, the earliest first */
    size_t heap_count, heap_room;
};

/* How many more events of a service may be in memory. */
size_t window_left(size_t waiting);
/* ERR_MEMORY. */
int flows_init(struct flows *flows);
void flows_free(struct flows *flows);
/* NULL when there is none. */
struct flow *flows_find(const struct flows *flows, size_t service, uint64_t hash);
/* That one, or a new one. NULL when out of memory. */
struct flow *flows_open(struct flows *flows, size_t service, uint64_t hash,
                        const struct flow_limits *limits);
/* Frees the flow, which has no lanes. */
void flows_close(struct flows *flows, struct flow *flow);
/* The flow is looked at again at due_ms; INT64_MAX: not by itself. */
void flows_remind(struct flows *flows, struct flow *flow, int64_t due_ms);
/* The flow with the earliest reminder, or NULL. */
struct flow *flows_next(const struct flows *flows);
/* The lane may go on; otherwise it has been added to those that wait. */
bool flow_passes(struct flow *flow, struct lane *lane);
/* The lane waits before others of its priority. */
void flow_put_back(struct flow *flow, struct lane *lane);
/* It no longer waits there. */
void flow_remove(struct flow *flow, struct lane *lane);
/* The next of those that wait, taken off; NULL: none, or another one is ahead, or none may. */
struct lane *flow_take(struct flow *flow, int64_t now_ms);

#endif
