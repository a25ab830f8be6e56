/*
 * lane.c - lanes in a hash table, a ring of runnable lanes per service, services in turn.
 *
 * Invariant: a lane is in its service's ring exactly when it is not busy and has items.
 */
#include "lane.h"

#include <assert.h>
#include <stdlib.h>

struct lane_service {
    struct lane *ring_head, *ring_tail;
    size_t waiting, running;
    size_t in_ring; /* lanes */
    uint32_t concurrency, batch;
    int64_t linger_ms;
    double rate_per_s, tokens;
    int64_t tokens_ms; /* when tokens were last counted */
    int64_t not_before_ms;
    bool paused;
};

struct lanes {
    struct lane_service *services;
    size_t service_count;
    size_t turn; /* the service looked at first next time */
    struct lane **buckets;
    size_t bucket_count; /* a power of two */
    size_t lane_count;
};

enum { BUCKETS_AT_START = 1024 };

struct lanes *lanes_new(size_t services) {
    struct lanes *lanes = calloc(1, sizeof *lanes);
    if (lanes == NULL) {
        return NULL;
    }
    lanes->services = calloc(services + 1, sizeof *lanes->services);
    lanes->buckets = calloc(BUCKETS_AT_START, sizeof(struct lane *));
    lanes->bucket_count = BUCKETS_AT_START;
    lanes->service_count = services;
    if (lanes->services == NULL || lanes->buckets == NULL) {
        lanes_free(lanes);
        return NULL;
    }
    return lanes;
}

static void free_items(struct lane_item *item) {
    while (item != NULL) {
        struct lane_item *next = item->next;
        event_free(item->event);
        free(item);
        item = next;
    }
}

void lanes_free(struct lanes *lanes) {
    if (lanes == NULL) {
        return;
    }
    for (size_t i = 0; lanes->buckets != NULL && i < lanes->bucket_count; i++) {
        struct lane *lane = lanes->buckets[i];
        while (lane != NULL) {
            struct lane *next = lane->hash_next;
            free_items(lane->head);
            free(lane);
            lane = next;
        }
    }
    free(lanes->buckets);
    free(lanes->services);
    free(lanes);
}

static struct lane_service *service_of(const struct lanes *lanes, size_t service) {
    assert(service < lanes->service_count);
    return &lanes->services[service];
}

void lanes_limit(struct lanes *lanes, size_t service, uint32_t concurrency, double rate_per_s) {
    struct lane_service *s = service_of(lanes, service);
    s->concurrency = concurrency;
    s->rate_per_s = rate_per_s;
    s->tokens = 1;
}

void lanes_batch(struct lanes *lanes, size_t service, uint32_t batch, int64_t linger_ms) {
    struct lane_service *s = service_of(lanes, service);
    s->batch = batch;
    s->linger_ms = linger_ms;
}

void lanes_pause(struct lanes *lanes, size_t service, bool paused) {
    service_of(lanes, service)->paused = paused;
}

bool lanes_paused(const struct lanes *lanes, size_t service) {
    return service_of(lanes, service)->paused;
}

void lanes_throttle(struct lanes *lanes, size_t service, int64_t until_ms) {
    struct lane_service *s = service_of(lanes, service);
    s->not_before_ms = until_ms > s->not_before_ms ? until_ms : s->not_before_ms;
}

/* --- the table --- */

static size_t bucket_of(const struct lanes *lanes, size_t service, uint64_t hash) {
    return (size_t)(hash ^ service * 0x9e3779b97f4a7c15u) & (lanes->bucket_count - 1);
}

struct lane *lanes_find(const struct lanes *lanes, size_t service, uint64_t hash) {
    struct lane *lane = lanes->buckets[bucket_of(lanes, service, hash)];
    while (lane != NULL && (lane->hash != hash || lane->service != service)) {
        lane = lane->hash_next;
    }
    return lane;
}

/* Twice the buckets; when there is no memory for them the chains just grow longer. */
static void grow(struct lanes *lanes) {
    size_t old_count = lanes->bucket_count;
    struct lane **old = lanes->buckets;
    struct lane **buckets = calloc(old_count * 2, sizeof(struct lane *));
    if (buckets == NULL) {
        return;
    }
    lanes->buckets = buckets;
    lanes->bucket_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++) {
        struct lane *lane = old[i];
        while (lane != NULL) {
            struct lane *next = lane->hash_next;
            size_t b = bucket_of(lanes, lane->service, lane->hash);
            lane->hash_next = buckets[b];
            buckets[b] = lane;
            lane = next;
        }
    }
    free(old);
}

struct lane *lanes_open(struct lanes *lanes, size_t service, uint64_t hash, uint8_t partition) {
    assert(lanes_find(lanes, service, hash) == NULL);
    if (lanes->lane_count >= lanes->bucket_count) {
        grow(lanes);
    }
    struct lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL) {
        return NULL;
    }
    lane->hash = hash;
    lane->service = service;
    lane->partition = partition;
    size_t b = bucket_of(lanes, service, hash);
    lane->hash_next = lanes->buckets[b];
    lanes->buckets[b] = lane;
    lanes->lane_count++;
    return lane;
}

void lanes_close(struct lanes *lanes, struct lane *lane) {
    assert(!lane->busy && lane->head == NULL && !lane->in_ring);
    struct lane **link = &lanes->buckets[bucket_of(lanes, lane->service, lane->hash)];
    while (*link != lane) {
        assert(*link != NULL);
        link = &(*link)->hash_next;
    }
    *link = lane->hash_next;
    lanes->lane_count--;
    free(lane);
}

/* --- the rings --- */

static void enter_ring(struct lane_service *s, struct lane *lane) {
    if (lane->in_ring || lane->busy || lane->head == NULL) {
        return;
    }
    lane->in_ring = true;
    lane->ring_next = NULL;
    s->in_ring++;
    if (s->ring_tail == NULL) {
        s->ring_head = lane;
    } else {
        s->ring_tail->ring_next = lane;
    }
    s->ring_tail = lane;
}

static void leave_ring_head(struct lane_service *s, struct lane *lane) {
    assert(s->ring_head == lane && lane->in_ring);
    s->ring_head = lane->ring_next;
    if (s->ring_head == NULL) {
        s->ring_tail = NULL;
    }
    lane->ring_next = NULL;
    lane->in_ring = false;
    s->in_ring--;
}

void lanes_push(struct lanes *lanes, struct lane *lane, struct lane_item *item) {
    struct lane_service *s = service_of(lanes, lane->service);
    assert(lane->tail == NULL || lane->tail->seq < item->seq);
    item->lane = lane;
    item->next = NULL;
    if (lane->tail == NULL) {
        lane->head = item;
    } else {
        lane->tail->next = item;
    }
    lane->tail = item;
    lane->count++;
    s->waiting++;
    enter_ring(s, lane);
}

/* --- limits -------------------------------------------------------------------------------------
 *
 * The rate is a token bucket that holds a tenth of a second's starts, at least one: bursts stay
 * small, and any full second has at most 1.1 times the rate. A batch takes a token for each of its
 * events, more than there are if need be, and the next one waits until that is made up for.
 */
static void count_tokens(struct lane_service *s, int64_t now_ms) {
    double most = s->rate_per_s / 10 < 1 ? 1 : s->rate_per_s / 10;
    if (now_ms > s->tokens_ms) {
        s->tokens += (double)(now_ms - s->tokens_ms) * s->rate_per_s / 1000;
    }
    s->tokens_ms = now_ms;
    s->tokens = s->tokens > most ? most : s->tokens;
}

/* Fewer heads than a batch wait until the oldest of them has lingered. */
static int64_t lingers_until(const struct lane_service *s, int64_t now_ms) {
    int64_t until_ms = now_ms;
    if (s->linger_ms > 0 && s->in_ring < s->batch) {
        until_ms = INT64_MAX;
        for (const struct lane *lane = s->ring_head; lane != NULL; lane = lane->ring_next) {
            int64_t over_ms = lane->head->since_ms + s->linger_ms;
            until_ms = over_ms < until_ms ? over_ms : until_ms;
        }
    }
    return until_ms > now_ms ? until_ms : 0;
}

/* 0 = may start; > 0 = not before that time; -1 = when something ends or a person acts. */
static int64_t held_until(struct lane_service *s, int64_t now_ms) {
    if (s->paused || (s->concurrency > 0 && s->running >= s->concurrency)) {
        return -1;
    }
    if (s->not_before_ms > now_ms) {
        return s->not_before_ms;
    }
    if (s->rate_per_s > 0) {
        count_tokens(s, now_ms);
        if (s->tokens < 1) {
            return now_ms + 1 + (int64_t)((1 - s->tokens) * 1000 / s->rate_per_s);
        }
    }
    return lingers_until(s, now_ms);
}

struct lane *lanes_next(struct lanes *lanes, int64_t now_ms) {
    for (size_t i = 0; i < lanes->service_count; i++) {
        size_t at = (lanes->turn + i) % lanes->service_count;
        struct lane_service *s = &lanes->services[at];
        if (s->ring_head != NULL && held_until(s, now_ms) == 0) {
            lanes->turn = at + 1;
            return s->ring_head;
        }
    }
    return NULL;
}

bool lanes_runnable(struct lanes *lanes, int64_t now_ms, int64_t *wake_ms) {
    bool runnable = false;
    for (size_t i = 0; i < lanes->service_count; i++) {
        struct lane_service *s = &lanes->services[i];
        if (s->ring_head == NULL) {
            continue;
        }
        int64_t until = held_until(s, now_ms);
        runnable = runnable || until == 0;
        if (until > 0 && until < *wake_ms) {
            *wake_ms = until;
        }
    }
    return runnable;
}

static struct lane_item *take_head(struct lane_service *s, struct lane *lane) {
    assert(!lane->busy && lane->head != NULL);
    leave_ring_head(s, lane);
    struct lane_item *item = lane->head;
    lane->head = item->next;
    if (lane->head == NULL) {
        lane->tail = NULL;
    }
    item->next = NULL;
    lane->count--;
    lane->busy = true;
    lane->taken = item;
    s->waiting--;
    s->tokens -= s->rate_per_s > 0 ? 1 : 0;
    return item;
}

struct lane_item *lanes_start(struct lanes *lanes, struct lane *lane) {
    struct lane_service *s = service_of(lanes, lane->service);
    lane->joined = false;
    s->running++;
    return take_head(s, lane);
}

struct lane *lanes_peek(const struct lanes *lanes, size_t service) {
    return service_of(lanes, service)->ring_head;
}

struct lane_item *lanes_join(struct lanes *lanes, struct lane *lane) {
    lane->joined = true;
    return take_head(service_of(lanes, lane->service), lane);
}

void lanes_finish(struct lanes *lanes, struct lane *lane) {
    struct lane_service *s = service_of(lanes, lane->service);
    assert(lane->busy && (lane->joined || s->running > 0));
    lane->busy = false;
    lane->taken = NULL;
    s->running -= lane->joined ? 0 : 1;
    enter_ring(s, lane);
}

struct lane_item *lanes_cut(struct lanes *lanes, struct lane *lane, uint32_t keep) {
    struct lane_service *s = service_of(lanes, lane->service);
    if (lane->count <= keep) {
        return NULL;
    }
    struct lane_item *cut = lane->head;
    struct lane_item *last = NULL;
    for (uint32_t i = 0; i < keep; i++) {
        last = cut;
        cut = cut->next;
    }
    s->waiting -= lane->count - keep;
    lane->count = keep;
    lane->tail = last;
    if (last == NULL) {
        lane->head = NULL;
    } else {
        last->next = NULL;
    }
    /* Keeping none is for a busy lane only: an idle one would stand empty in the ring. */
    assert(keep > 0 || lane->busy);
    return cut;
}

int lanes_each(struct lanes *lanes, size_t service, void *ctx,
               int (*each)(void *ctx, struct lane *lane)) {
    for (size_t i = 0; i < lanes->bucket_count; i++) {
        for (struct lane *lane = lanes->buckets[i]; lane != NULL; lane = lane->hash_next) {
            int code = lane->service == service ? each(ctx, lane) : 0;
            if (code != 0) {
                return code;
            }
        }
    }
    return 0;
}

size_t lanes_waiting(const struct lanes *lanes, size_t service) {
    return service_of(lanes, service)->waiting;
}

size_t lanes_running(const struct lanes *lanes, size_t service) {
    return service_of(lanes, service)->running;
}
