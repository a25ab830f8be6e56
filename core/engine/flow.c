/*
 * flow.c - a table of flows, and a binary heap of those that only time lets go on.
 */
#include "engine/flow.h"

#include "base/error.h"
#include "base/limits.h"

#include <assert.h>
#include <stdlib.h>

enum { BUCKETS_AT_START = 64, HEAP_AT_START = 64 };

size_t window_left(size_t waiting) {
    return waiting < SERVICE_WINDOW_MAX ? SERVICE_WINDOW_MAX - waiting : 0;
}

int flows_init(struct flows *flows) {
    flows->buckets = calloc(BUCKETS_AT_START, sizeof *flows->buckets);
    flows->bucket_count = BUCKETS_AT_START;
    return flows->buckets == NULL ? ERR_MEMORY : 0;
}

void flows_free(struct flows *flows) {
    for (size_t i = 0; flows->buckets != NULL && i < flows->bucket_count; i++) {
        struct flow *flow;
        while ((flow = LIST_FIRST(&flows->buckets[i])) != NULL) {
            LIST_REMOVE(flow, hash_link);
            free(flow);
        }
    }
    free(flows->buckets);
    free(flows->heap);
}

/* --- the table --- */

static struct flow_bucket *bucket_of(const struct flows *flows, size_t service, uint64_t hash) {
    uint64_t mixed = hash ^ service * 0x9e3779b97f4a7c15u;
    return &flows->buckets[(size_t)(mixed ^ mixed >> 32) & (flows->bucket_count - 1)];
}

struct flow *flows_find(const struct flows *flows, size_t service, uint64_t hash) {
    struct flow *flow;
    LIST_FOREACH(flow, bucket_of(flows, service, hash), hash_link) {
        if (flow->hash == hash && flow->service == service) {
            break;
        }
    }
    return flow;
}

/* Doubles the buckets; when there is no memory, the chains just grow longer. */
static void grow(struct flows *flows) {
    struct flow_bucket *old = flows->buckets;
    size_t old_count = flows->bucket_count;
    struct flow_bucket *buckets = calloc(old_count * 2, sizeof *buckets);
    if (buckets == NULL) {
        return;
    }
    flows->buckets = buckets;
    flows->bucket_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++) {
        struct flow *flow;
        while ((flow = LIST_FIRST(&old[i])) != NULL) {
            LIST_REMOVE(flow, hash_link);
            LIST_INSERT_HEAD(bucket_of(flows, flow->service, flow->hash), flow, hash_link);
        }
    }
    free(old);
}

/* --- the heap --- */

static void put_at(struct flows *flows, size_t place, struct flow *flow) {
    flows->heap[place - 1] = flow;
    flow->place = place;
}

static void sift_up(struct flows *flows, struct flow *flow) {
    size_t place = flow->place;
    while (place > 1 && flows->heap[place / 2 - 1]->due_ms > flow->due_ms) {
        put_at(flows, place, flows->heap[place / 2 - 1]);
        place /= 2;
    }
    put_at(flows, place, flow);
}

static void sift_down(struct flows *flows, struct flow *flow) {
    size_t place = flow->place;
    for (;;) {
        size_t child = place * 2;
        if (child > flows->heap_count) {
            break;
        }
        bool right = child < flows->heap_count &&
                     flows->heap[child]->due_ms < flows->heap[child - 1]->due_ms;
        child += right ? 1 : 0;
        if (flows->heap[child - 1]->due_ms >= flow->due_ms) {
            break;
        }
        put_at(flows, place, flows->heap[child - 1]);
        place = child;
    }
    put_at(flows, place, flow);
}

static void leave_heap(struct flows *flows, struct flow *flow) {
    assert(flows->heap_count > 0 && flows->heap[flow->place - 1] == flow);
    struct flow *last = flows->heap[--flows->heap_count];
    if (last != flow) {
        last->place = flow->place;
        flows->heap[last->place - 1] = last;
        sift_up(flows, last);
        sift_down(flows, last);
    }
    flow->place = 0;
}

void flows_remind(struct flows *flows, struct flow *flow, int64_t due_ms) {
    if (flow->place > 0) {
        leave_heap(flows, flow);
    }
    flow->due_ms = due_ms;
    if (due_ms != INT64_MAX) {
        assert(flows->heap_count < flows->heap_room); /* flows_open made room */
        flow->place = ++flows->heap_count;
        sift_up(flows, flow);
    }
}

struct flow *flows_next(const struct flows *flows) {
    return flows->heap_count > 0 ? flows->heap[0] : NULL;
}

/* --- flows --- */

/* A place in the heap for each flow. */
static bool make_room(struct flows *flows) {
    if (flows->count < flows->heap_room) {
        return true;
    }
    size_t room = flows->heap_room == 0 ? HEAP_AT_START : flows->heap_room * 2;
    struct flow **heap = realloc(flows->heap, room * sizeof(struct flow *));
    if (heap == NULL) {
        return false;
    }
    flows->heap = heap;
    flows->heap_room = room;
    return true;
}

struct flow *flows_open(struct flows *flows, size_t service, uint64_t hash,
                        const struct flow_limits *limits) {
    struct flow *flow = flows_find(flows, service, hash);
    if (flow != NULL) {
        return flow;
    }
    if (flows->count >= flows->bucket_count) {
        grow(flows);
    }
    flow = make_room(flows) ? calloc(1, sizeof *flow) : NULL;
    if (flow == NULL) {
        return NULL;
    }
    flow->hash = hash;
    flow->service = service;
    flow->concurrency = limits->concurrency;
    pace_limit(&flow->pace, limits->rate_per_s);
    pace_begin_empty(&flow->pace, limits->since_ms);
    TAILQ_INIT(&flow->queue);
    TAILQ_INIT(&flow->ages);
    LIST_INSERT_HEAD(bucket_of(flows, service, hash), flow, hash_link);
    flows->count++;
    return flow;
}

void flows_close(struct flows *flows, struct flow *flow) {
    assert(flow->lanes == 0 && flow->first == NULL && flow->running == 0 && !flow->hungry &&
           TAILQ_EMPTY(&flow->queue)); /* INV-LANE-8 */
    flows_remind(flows, flow, INT64_MAX);
    LIST_REMOVE(flow, hash_link);
    flows->count--;
    free(flow);
}

bool flow_passes(struct flow *flow, struct lane *lane) {
    if (flow == NULL || flow->hash >= FLOW_LEVELS || flow->first == lane) {
        return true;
    }
    if (flow->first == NULL && !flow->held) {
        flow->first = lane;
        return true;
    }
    struct lane *before = TAILQ_LAST(&flow->queue, flow_lanes);
    while (before != NULL && before->priority < lane->priority) {
        before = TAILQ_PREV(before, flow_lanes, ring_link);
    }
    if (before == NULL) {
        TAILQ_INSERT_HEAD(&flow->queue, lane, ring_link);
    } else {
        TAILQ_INSERT_AFTER(&flow->queue, before, lane, ring_link);
    }
    TAILQ_INSERT_TAIL(&flow->ages, lane, age_link);
    lane->behind = flow;
    return false;
}

void flow_put_back(struct flow *flow, struct lane *lane) {
    TAILQ_INSERT_HEAD(&flow->queue, lane, ring_link);
    TAILQ_INSERT_HEAD(&flow->ages, lane, age_link);
    lane->behind = flow;
}

void flow_remove(struct flow *flow, struct lane *lane) {
    TAILQ_REMOVE(&flow->queue, lane, ring_link);
    TAILQ_REMOVE(&flow->ages, lane, age_link);
    lane->behind = NULL;
}

static bool waits_too_long(const struct lane *lane, int64_t now_ms) {
    return TAILQ_FIRST(&lane->items)->since_ms + PRIORITY_WAIT_MS <= now_ms;
}

struct lane *flow_take(struct flow *flow, int64_t now_ms) {
    if (flow == NULL || flow->first != NULL || flow->held || TAILQ_EMPTY(&flow->queue)) {
        return NULL;
    }
    struct lane *lane = TAILQ_FIRST(&flow->queue);
    struct lane *oldest = TAILQ_FIRST(&flow->ages);
    flow->in_a_row++;
    if (flow->in_a_row >= PRIORITY_STARTS && waits_too_long(oldest, now_ms)) {
        oldest->aged = true;
        oldest->priority = lane->priority;
        lane = oldest;
        flow->in_a_row = 0;
    }
    flow_remove(flow, lane);
    return lane;
}
