/*
 * lane.c - lanes in a hash table, a ring of runnable lanes per service, shares of services, limits.
 *
 * Invariant: a lane is in its service's ring, or behind another one of its flows, if and only if it
 * is not busy and has items.
 *
 * Shares. A run is charged when it has ended, because nobody knows before how long it takes.
 * Services share a clock that stands at the due time of the service served last. A run moves its
 * service's due time back by the time it took, and the service with the earliest due time goes
 * next. A service that returns after a break starts at the clock: unused time is not saved up.
 *
 * A run cannot be interrupted, so if a lane in debt starts a moment too early, it delays everything
 * that arrives in the meantime. After a long run it therefore waits until no message has arrived
 * for DEBT_QUIET_MS, but at most for a part of that run: the processor is idle for a fifth of the
 * time at most.
 *
 * Flows. On its way to the ring a lane passes its key's flow, then its tenant's (flow_passes): the
 * first lane of each may go on, the others queue there, the higher priorities first, and one of a
 * higher priority takes its place. When it is started, the next ones follow.
 * In a key's flow only a lane that may start goes on, so limits of keys hold up nobody else's.
 */
#include "engine/lane_impl.h"

#include "base/blocks.h"
#include "base/limits.h"

#include <assert.h>
#include <stdlib.h>

enum { BUCKETS_AT_START = 1024 };

struct lanes *lanes_new(size_t services) {
    struct lanes *lanes = calloc(1, sizeof *lanes);
    if (lanes == NULL) {
        return NULL;
    }
    lanes->services = calloc(services + 1, sizeof *lanes->services);
    lanes->buckets = calloc(BUCKETS_AT_START, sizeof *lanes->buckets);
    lanes->bucket_count = BUCKETS_AT_START;
    lanes->service_count = services;
    if (flows_init(&lanes->flows) != 0 || lanes->services == NULL || lanes->buckets == NULL) {
        lanes_free(lanes);
        return NULL;
    }
    for (size_t i = 0; i < services; i++) {
        ring_init(&lanes->services[i].ring);
        TAILQ_INIT(&lanes->services[i].hungry);
    }
    return lanes;
}

static void free_items(struct lane_items *items) {
    struct lane_item *item;
    while ((item = TAILQ_FIRST(items)) != NULL) {
        TAILQ_REMOVE(items, item, link);
        event_free(item->event);
        blocks_give(item, sizeof *item);
    }
}

void lanes_free(struct lanes *lanes) {
    if (lanes == NULL) {
        return;
    }
    for (size_t i = 0; lanes->buckets != NULL && i < lanes->bucket_count; i++) {
        struct lane *lane;
        while ((lane = LIST_FIRST(&lanes->buckets[i])) != NULL) {
            LIST_REMOVE(lane, hash_link);
            free_items(&lane->items);
            blocks_give(lane, sizeof *lane);
        }
    }
    flows_free(&lanes->flows);
    free(lanes->buckets);
    free(lanes->services);
    free(lanes);
}

void lanes_limit(struct lanes *lanes, size_t service, uint32_t concurrency, double rate_per_s) {
    struct lane_service *s = service_of(lanes, service);
    s->concurrency = concurrency;
    pace_limit(&s->pace, rate_per_s);
}

void lanes_limit_keys(struct lanes *lanes, size_t service, uint32_t concurrency, double rate_per_s,
                      int64_t since_ms) {
    lanes->now_ms = since_ms > lanes->now_ms ? since_ms : lanes->now_ms;
    service_of(lanes, service)->key_limits = (struct flow_limits){
        .concurrency = concurrency, .rate_per_s = rate_per_s, .since_ms = since_ms};
}

void lanes_batch(struct lanes *lanes, size_t service, uint32_t batch, int64_t linger_ms) {
    struct lane_service *s = service_of(lanes, service);
    s->batch = batch;
    s->linger_ms = linger_ms;
}

void lanes_pause(struct lanes *lanes, size_t service, bool paused) {
    service_of(lanes, service)->paused = paused;
}

void lanes_throttle(struct lanes *lanes, size_t service, int64_t until_ms) {
    pace_throttle(&service_of(lanes, service)->pace, until_ms);
}

int64_t lanes_full_ms(const struct lanes *lanes, size_t service) {
    return pace_full_ms(&service_of(lanes, service)->pace);
}

void lanes_resume(struct lanes *lanes, size_t service, int64_t full_ms, int64_t now_ms) {
    struct lane_service *s = service_of(lanes, service);
    pace_resume(&s->pace, full_ms, now_ms, s->batch);
}

/* --- the table --- */

static size_t bucket_of(const struct lanes *lanes, size_t service, uint64_t hash) {
    return (size_t)(hash ^ service * 0x9e3779b97f4a7c15u) & (lanes->bucket_count - 1);
}

struct lane *lanes_find(const struct lanes *lanes, size_t service, uint64_t hash) {
    struct lane *lane;
    LIST_FOREACH(lane, &lanes->buckets[bucket_of(lanes, service, hash)], hash_link) {
        if (lane->hash == hash && lane->service == service) {
            break;
        }
    }
    return lane;
}

/* Doubles the buckets; when there is no memory, the chains just grow longer. */
static void grow(struct lanes *lanes) {
    size_t old_count = lanes->bucket_count;
    struct lane_bucket *old = lanes->buckets;
    struct lane_bucket *buckets = calloc(old_count * 2, sizeof *buckets);
    if (buckets == NULL) {
        return;
    }
    lanes->buckets = buckets;
    lanes->bucket_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++) {
        struct lane *lane;
        while ((lane = LIST_FIRST(&old[i])) != NULL) {
            LIST_REMOVE(lane, hash_link);
            LIST_INSERT_HEAD(&buckets[bucket_of(lanes, lane->service, lane->hash)], lane,
                             hash_link);
        }
    }
    free(old);
}

struct lane *lanes_open(struct lanes *lanes, size_t service, uint64_t hash, uint8_t partition,
                        struct lane_flows flows) {
    assert(lanes_find(lanes, service, hash) == NULL); /* INV-LANE-3 */
    if (lanes->lane_count >= lanes->bucket_count) {
        grow(lanes);
    }
    struct lane *lane = blocks_take(sizeof *lane);
    if (lane == NULL) {
        return NULL;
    }
    *lane = (struct lane){.hash = hash,
                          .service = service,
                          .partition = partition,
                          .payer = hash,
                          .owed = &lane->own};
    if ((flows.key != 0 || flows.tenant != 0) && !lane_join_flows(lanes, lane, flows)) {
        blocks_give(lane, sizeof *lane);
        return NULL;
    }
    if (lane->owed == &lane->own) {
        lane->own = debts_take(&lanes->debts, service, hash).owed;
    }
    TAILQ_INIT(&lane->items);
    LIST_INSERT_HEAD(&lanes->buckets[bucket_of(lanes, service, hash)], lane, hash_link);
    lanes->lane_count++;
    return lane;
}

void lanes_close(struct lanes *lanes, struct lane *lane) {
    assert(!lane->busy && TAILQ_EMPTY(&lane->items) && lane->count == 0 && !lane->in_ring &&
           lane->behind == NULL); /* INV-LANE-1 */
    LIST_REMOVE(lane, hash_link);
    if (lane->owed == &lane->own) {
        note_debt(lanes, lane->service, lane->hash, lane->own);
    }
    lane_leave_flows(lanes, lane);
    lanes->lane_count--;
    blocks_give(lane, sizeof *lane);
}

/* --- towards the ring --- */

static bool can_enter(const struct lane *lane) {
    return !lane->in_ring && lane->behind == NULL && !lane->busy && !TAILQ_EMPTY(&lane->items);
}

/* --- shares --- */

/* When a lane that waits for quiet may start; 0 = now. */
static int64_t patient_until(const struct lanes *lanes, int64_t now_ms) {
    int64_t quiet_ms = lanes->arrived_ms + DEBT_QUIET_MS;
    int64_t until_ms = quiet_ms < lanes->patient_ms ? quiet_ms : lanes->patient_ms;
    return until_ms > now_ms ? until_ms : 0;
}

/* When a lane that is not part of the rush may start; 0 = now, or one of the rush is next. */
static int64_t hushed_until(const struct lanes *lanes, struct lane_service *s, int64_t now_ms) {
    int64_t until_ms = patient_until(lanes, now_ms);
    return ring_is_hushed(&s->ring, now_ms, until_ms == 0) ? until_ms : 0;
}

void lanes_owe(struct lanes *lanes, size_t service, uint64_t payer, int64_t us) {
    struct ring *ring = &service_of(lanes, service)->ring;
    struct lane *lane = lanes_find(lanes, service, payer);
    struct flow *tenant = lane == NULL ? flows_find(&lanes->flows, service, payer) : NULL;
    assert(us >= 0); /* INV-LANE-7 */
    lights_note(&ring->lights, payer, us <= LANE_QUANTUM_US);
    lane = tenant == NULL ? lane : tenant->first;
    if (lane != NULL && lane->owing) {
        return; /* the list is sorted by due time */
    }
    if (lane != NULL || tenant != NULL) {
        ring_add_debt(ring, us, tenant != NULL ? &tenant->owed : lane->owed);
        return;
    }
    struct owed owed = debts_take(&lanes->debts, service, payer).owed;
    ring_add_debt(ring, us, &owed);
    note_debt(lanes, service, payer, owed);
}

void lanes_spent(struct lanes *lanes, size_t service, int64_t us, int64_t now_ms) {
    struct lane_service *s = service_of(lanes, service);
    assert(us >= 0); /* INV-LANE-7 */
    ring_spent(&s->ring, us);
    s->due_us = (s->due_us > lanes->clock_us ? s->due_us : lanes->clock_us) + us;
    if (us > LANE_QUANTUM_US) {
        int64_t wait_ms = us / 1000 / DEBT_WAIT_PARTS;
        lanes->patient_ms = now_ms + (wait_ms < DEBT_WAIT_MS_MAX ? wait_ms : DEBT_WAIT_MS_MAX);
    }
}

void lanes_arrived(struct lanes *lanes, int64_t now_ms) {
    lanes->arrived_ms = now_ms;
}

/* --- how urgent it is --- */

/* Of its events on disk; 0 once they are here, as far as known. */
static uint8_t deep_priority(const struct lane *lane) {
    const struct lane_item *last = TAILQ_LAST(&lane->items, lane_items);
    return last == NULL || lane->deep_seq > last->seq ? lane->deep : 0;
}

static uint8_t most_urgent(const struct lane *lane) {
    const struct lane_item *item;
    uint8_t priority = deep_priority(lane);
    TAILQ_FOREACH(item, &lane->items, link) {
        uint8_t of_item = rank_priority(item->rank);
        priority = of_item > priority ? of_item : priority;
        if (priority == lane->priority) {
            break; /* none is above what the lane had */
        }
    }
    return priority;
}

static void note_deep(struct lane *lane, uint8_t priority, uint64_t seq) {
    uint8_t deep = deep_priority(lane);
    if (priority > deep || (priority == deep && seq > lane->deep_seq)) {
        lane->deep = priority;
        lane->deep_seq = seq;
    }
}

void lanes_note_behind(struct lanes *lanes, struct lane *lane, uint8_t rank, uint64_t seq) {
    uint8_t priority = rank_priority(rank);
    note_deep(lane, priority, seq);
    if (lane->count > 0 && priority > lane->priority) {
        lane_set_priority(lanes, lane, priority);
    }
}

/* One more waits, or one less. */
static void count_item(struct lane_service *s, struct lane *lane, const struct lane_item *item,
                       int by) {
    lane->count += (uint32_t)by;
    s->waiting += (size_t)by;
    s->of_priority[rank_priority(item->rank)] += (size_t)by;
}

void lanes_push(struct lanes *lanes, struct lane *lane, struct lane_item *item) {
    uint8_t priority = rank_priority(item->rank);
    assert(TAILQ_EMPTY(&lane->items) ||
           TAILQ_LAST(&lane->items, lane_items)->seq < item->seq); /* INV-LANE-2 */
    item->lane = lane;
    TAILQ_INSERT_TAIL(&lane->items, item, link);
    count_item(service_of(lanes, lane->service), lane, item, 1);
    if (lane->tenant != NULL) {
        lane->tenant->events++;
    }
    if (lane->count == 1) {
        uint8_t deep = deep_priority(lane);
        lane->priority = deep > priority ? deep : priority;
    } else if (priority > lane->priority) {
        lane_set_priority(lanes, lane, priority);
    }
    if (can_enter(lane)) {
        lane_enter(lanes, lane, true);
    }
}

/* --- limits --- */

/* Fewer heads than a batch wait until the oldest of them has waited for `linger`. */
static int64_t lingers_until(const struct lane_service *s, int64_t now_ms) {
    int64_t until_ms = now_ms;
    if (s->linger_ms > 0 && s->ring.count + s->behind < s->batch) {
        until_ms = ring_oldest_ms(&s->ring) + s->linger_ms;
    }
    return until_ms > now_ms ? until_ms : 0;
}

/* 0 = may start; > 0 = not before that time; -1 = only after something ends or a person acts. */
static int64_t held_until(const struct lanes *lanes, struct lane_service *s, int64_t now_ms) {
    if (s->paused || (s->concurrency > 0 && s->running >= s->concurrency)) {
        return -1;
    }
    int64_t until_ms = pace_held_until(&s->pace, now_ms);
    if (until_ms != 0) {
        return until_ms;
    }
    until_ms = lingers_until(s, now_ms);
    return until_ms == 0 ? hushed_until(lanes, s, now_ms) : until_ms;
}

/* The service that is due next, in turn if several are; NULL when none may start. A rush ends here,
 * not in a mere question whether lanes could run: by now all recent arrivals have been entered. */
static struct lane_service *next_service(struct lanes *lanes, int64_t now_ms) {
    struct lane_service *next = NULL;
    bool rushes_end = patient_until(lanes, now_ms) == 0;
    int64_t next_us = INT64_MAX;
    for (size_t i = 0; i < lanes->service_count; i++) {
        struct lane_service *s = &lanes->services[(lanes->turn + i) % lanes->service_count];
        s->ring.rush = s->ring.rush && !rushes_end;
        int64_t due_us = s->due_us > lanes->clock_us ? s->due_us : lanes->clock_us;
        if (s->ring.count > 0 && due_us < next_us && held_until(lanes, s, now_ms) == 0) {
            next = s;
            next_us = due_us;
        }
    }
    if (next != NULL) {
        lanes->turn = (size_t)(next - lanes->services) + 1;
        lanes->clock_us = next_us;
        next->due_us = next_us;
    }
    return next;
}

struct lane *lanes_next(struct lanes *lanes, int64_t now_ms) {
    lanes_wake_flows(lanes, now_ms);
    struct lane_service *s = next_service(lanes, now_ms);
    if (s == NULL) {
        return NULL;
    }
    ring_begin_pass(&s->ring);
    return ring_front(&s->ring, now_ms, patient_until(lanes, now_ms) == 0);
}

bool lanes_runnable(struct lanes *lanes, int64_t now_ms, int64_t *wake_ms) {
    bool runnable = false;
    lanes_wake_flows(lanes, now_ms);
    const struct flow *held = flows_next(&lanes->flows);
    *wake_ms = held != NULL && held->due_ms < *wake_ms ? held->due_ms : *wake_ms;
    for (size_t i = 0; i < lanes->service_count; i++) {
        struct lane_service *s = &lanes->services[i];
        if (s->ring.count == 0) {
            continue;
        }
        int64_t until = held_until(lanes, s, now_ms);
        runnable = runnable || until == 0;
        if (until > 0 && until < *wake_ms) {
            *wake_ms = until;
        }
    }
    return runnable;
}

static struct lane_item *take_head(struct lanes *lanes, struct lane_service *s, struct lane *lane) {
    assert(!lane->busy && !TAILQ_EMPTY(&lane->items) && lane->in_ring); /* INV-LANE-1, INV-LANE-4 */
    assert(lane->count > 0 && lane->count <= s->waiting);               /* INV-LANE-5 */
    ring_start(&s->ring, lane);
    struct lane_item *item = TAILQ_FIRST(&lane->items);
    TAILQ_REMOVE(&lane->items, item, link);
    count_item(s, lane, item, -1);
    lane->busy = true;
    lane->aged = false;
    lane->taken = item;
    lane->priority = most_urgent(lane);
    if (lane->joined) {
        pace_joined(&s->pace);
    } else {
        lane->paced = pace_started(&s->pace);
    }
    if (lane->key != NULL || lane->tenant != NULL) {
        lane_pass_turn(lanes, lane);
    }
    return item;
}

struct lane_item *lanes_start(struct lanes *lanes, struct lane *lane) {
    struct lane_service *s = service_of(lanes, lane->service);
    assert(s->concurrency == 0 || s->running < s->concurrency); /* INV-LANE-6 */
    lane->joined = false;
    s->running++;
    return take_head(lanes, s, lane);
}

struct lane *lanes_peek(const struct lanes *lanes, size_t service) {
    return ring_peek(&service_of(lanes, service)->ring, lanes->now_ms);
}

struct lane_item *lanes_join(struct lanes *lanes, struct lane *lane) {
    lane->joined = true;
    return take_head(lanes, service_of(lanes, lane->service), lane);
}

void lanes_finish(struct lanes *lanes, struct lane *lane) {
    struct lane_service *s = service_of(lanes, lane->service);
    assert(lane->busy && (lane->joined || s->running > 0)); /* INV-LANE-4 */
    lane->busy = false;
    lane->taken = NULL;
    if (!lane->joined) {
        s->running--;
        pace_ended(&s->pace, lane->paced, s->concurrency);
    }
    lane_end_of_key(lanes, lane);
    if (can_enter(lane)) {
        lane_enter(lanes, lane, false);
    }
}

void lanes_cut(struct lanes *lanes, struct lane *lane, uint32_t keep, struct lane_items *cut) {
    struct lane_service *s = service_of(lanes, lane->service);
    TAILQ_INIT(cut);
    while (lane->count > keep) {
        struct lane_item *item = TAILQ_LAST(&lane->items, lane_items);
        TAILQ_REMOVE(&lane->items, item, link);
        TAILQ_INSERT_HEAD(cut, item, link);
        note_deep(lane, rank_priority(item->rank), item->seq);
        count_item(s, lane, item, -1);
        lane_lost_event(lanes, lane);
    }
    /* Only a busy lane may keep none: an idle one would be in the ring without items. */
    assert(!TAILQ_EMPTY(&lane->items) || !lane->in_ring); /* INV-LANE-1 */
}

void lanes_withdraw(struct lanes *lanes, struct lane_item *item) {
    struct lane *lane = item->lane;
    struct lane_service *s = service_of(lanes, lane->service);
    assert(lane->count > 0 && lane->count <= s->waiting); /* INV-LANE-5 */
    if (!lane->busy && lane->count == 1) {
        lane_step_out(lanes, lane);
    }
    TAILQ_REMOVE(&lane->items, item, link);
    count_item(s, lane, item, -1);
    lane_lost_event(lanes, lane);
    uint8_t priority = most_urgent(lane);
    if (priority < lane->priority && !lane->aged) {
        lane_set_priority(lanes, lane, priority);
    }
}

int lanes_each(struct lanes *lanes, size_t service, void *ctx,
               int (*each)(void *ctx, struct lane *lane)) {
    for (size_t i = 0; i < lanes->bucket_count; i++) {
        struct lane *lane;
        LIST_FOREACH(lane, &lanes->buckets[i], hash_link) {
            int code = lane->service == service ? each(ctx, lane) : 0;
            if (code != 0) {
                return code;
            }
        }
    }
    return 0;
}

void lanes_close_empty(struct lanes *lanes, size_t service) {
    for (size_t i = 0; i < lanes->bucket_count; i++) {
        struct lane *lane = LIST_FIRST(&lanes->buckets[i]);
        while (lane != NULL) {
            struct lane *next = LIST_NEXT(lane, hash_link);
            if (lane->service == service && lane->count == 0) {
                lanes_close(lanes, lane);
            }
            lane = next;
        }
    }
}

size_t lanes_waiting(const struct lanes *lanes, size_t service) {
    return service_of(lanes, service)->waiting;
}

size_t lanes_of_priority(const struct lanes *lanes, size_t service, unsigned priority) {
    assert(priority < PRIORITIES);
    return service_of(lanes, service)->of_priority[priority];
}

size_t lanes_running(const struct lanes *lanes, size_t service) {
    return service_of(lanes, service)->running;
}
