/*
 * lane.c - lanes in a hash table, a ring of runnable lanes per service, shares of the processor.
 *
 * Invariant: a lane is in its service's ring if and only if it is not busy and has items.
 *
 * Shares. A run is charged when it has ended, because nobody knows before how long it takes.
 * Services share a clock that stands at the due time of the service served last. A run moves its
 * service's due time back by the time it took, and the service with the earliest due time goes
 * next. A service that returns after a break starts at the clock: unused time is not saved up.
 *
 * Lanes are scheduled more coarsely, because a service may have thousands. They take turns in the
 * ring. A run puts its lane in debt; beyond LANE_QUANTUM_US the lane is moved to a second list. It
 * runs when the ring is empty, or when it is due and every lane of the ring has had a turn since
 * the last lane in debt ran. Two clocks decide this; both advance by the average time that each
 * waiting lane has received. By `clock_us`, lanes in debt become due, earliest first. By `paid_us`,
 * debts are paid off: there a run counts for a quantum at most, and the clock does not jump when
 * only lanes in debt wait. Otherwise five hungry keys would pay off each other's debts and soon be
 * ahead of all others again. Debts outlive their lanes (engine/debt.h): a poison event that is put
 * off and returns still owes.
 *
 * A run cannot be interrupted, so if a lane in debt starts a moment too early, it delays everything
 * that arrives in the meantime. After a long run it therefore waits until no message has arrived
 * for DEBT_QUIET_MS, but at most for a part of that run: the processor is idle for a fifth of the
 * time at most. Lanes that have not run yet are unknown. So after a long run there is a rush: lanes
 * whose last run was short, as far as a table of marks remembers (engine/light.h), go first, then
 * those that arrive now; those that waited already also wait for quiet. Otherwise hungry keys that
 * arrive together, all of them new, would run in a row.
 */
#include "engine/lane.h"

#include "engine/debt.h"
#include "engine/light.h"
#include "engine/pace.h"
#include "base/limits.h"

#include <assert.h>
#include <stdlib.h>

TAILQ_HEAD(ring, lane);
LIST_HEAD(lane_bucket, lane);

struct lane_service {
    struct ring ring;
    struct ring in_debt; /* part of the ring, too: lanes in debt, the earliest due first */
    size_t waiting, running;
    size_t in_ring;          /* lanes, including those in debt */
    size_t owing;            /* of these, lanes in debt */
    size_t pass;             /* lanes of the ring that go before the next one in debt */
    bool pass_begins;        /* one in debt has started: the ring is counted at the next start */
    int64_t due_us;          /* by the clock of all services */
    int64_t clock_us;        /* the time each of its lanes has received */
    int64_t paid_us;         /* the same, as far as it pays off debts */
    bool rush;               /* a long run has just ended: lanes that enter now go first */
    struct lane *light_tail; /* the last lane of the rush known to be light; NULL = none yet */
    struct lane *rush_tail;  /* the last lane of the rush; NULL = none yet */
    struct lights lights;
    uint32_t concurrency, batch;
    int64_t linger_ms;
    struct pace pace;
    bool paused;
};

enum { BUCKETS_AT_START = 1024 };

struct lanes {
    struct lane_service *services;
    size_t service_count;
    size_t turn; /* the service to consider first next time */
    struct lane_bucket *buckets;
    size_t bucket_count; /* a power of two */
    size_t lane_count;
    int64_t clock_us;   /* of all services */
    int64_t arrived_ms; /* when the last message arrived */
    int64_t patient_ms; /* until then, lanes in debt wait for quiet */
    struct debts debts; /* of lanes that no longer exist */
};

struct lanes *lanes_new(size_t services) {
    struct lanes *lanes = calloc(1, sizeof *lanes);
    if (lanes == NULL) {
        return NULL;
    }
    lanes->services = calloc(services + 1, sizeof *lanes->services);
    lanes->buckets = calloc(BUCKETS_AT_START, sizeof *lanes->buckets);
    lanes->bucket_count = BUCKETS_AT_START;
    lanes->service_count = services;
    if (lanes->services == NULL || lanes->buckets == NULL) {
        lanes_free(lanes);
        return NULL;
    }
    for (size_t i = 0; i < services; i++) {
        TAILQ_INIT(&lanes->services[i].ring);
        TAILQ_INIT(&lanes->services[i].in_debt);
    }
    return lanes;
}

static void free_items(struct lane_items *items) {
    struct lane_item *item;
    while ((item = TAILQ_FIRST(items)) != NULL) {
        TAILQ_REMOVE(items, item, link);
        event_free(item->event);
        free(item);
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
            free(lane);
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
    pace_limit(&s->pace, rate_per_s);
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

struct lane *lanes_open(struct lanes *lanes, size_t service, uint64_t hash, uint8_t partition) {
    assert(lanes_find(lanes, service, hash) == NULL); /* INV-LANE-3 */
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
    struct debt debt = debts_take(&lanes->debts, service, hash);
    lane->due_us = debt.due_us;
    lane->owes_us = debt.owes_us;
    TAILQ_INIT(&lane->items);
    LIST_INSERT_HEAD(&lanes->buckets[bucket_of(lanes, service, hash)], lane, hash_link);
    lanes->lane_count++;
    return lane;
}

void lanes_close(struct lanes *lanes, struct lane *lane) {
    assert(!lane->busy && TAILQ_EMPTY(&lane->items) && lane->count == 0 &&
           !lane->in_ring); /* INV-LANE-1 */
    LIST_REMOVE(lane, hash_link);
    const struct debt debt = {.hash = lane->hash,
                              .service = lane->service,
                              .due_us = lane->due_us,
                              .owes_us = lane->owes_us};
    debts_note(&lanes->debts, &debt, &service_of(lanes, lane->service)->paid_us);
    lanes->lane_count--;
    free(lane);
}

/* --- the rings --- */

static bool can_enter(const struct lane *lane) {
    return !lane->in_ring && !lane->busy && !TAILQ_EMPTY(&lane->items);
}

static void enter_after(struct lane_service *s, struct lane *before, struct lane *lane) {
    assert(!lane->busy && !TAILQ_EMPTY(&lane->items) && !lane->owing); /* INV-LANE-1 */
    if (before == NULL) {
        TAILQ_INSERT_HEAD(&s->ring, lane, ring_link);
    } else {
        TAILQ_INSERT_AFTER(&s->ring, before, lane, ring_link);
    }
    lane->in_ring = true;
    s->in_ring++;
}

/* In a rush, lanes known to be light come first, then unknown ones that arrive now, each in order
 * of arrival. */
static void enter_ring(struct lane_service *s, struct lane *lane, bool comes) {
    bool light = s->rush && lights_have(&s->lights, lane->hash);
    if (!s->rush || !(light || comes)) {
        enter_after(s, TAILQ_LAST(&s->ring, ring), lane);
        return;
    }
    enter_after(s, light ? s->light_tail : s->rush_tail, lane);
    if (!light || s->rush_tail == s->light_tail) {
        s->rush_tail = lane;
    }
    s->light_tail = light ? lane : s->light_tail;
}

/* Enters the waiting lanes again. A long run has paid for this walk. */
static void begin_rush(struct lane_service *s) {
    struct ring waiting = TAILQ_HEAD_INITIALIZER(waiting);
    struct lane *lane;
    size_t in_ring = s->in_ring;
    s->rush = true;
    s->light_tail = NULL;
    s->rush_tail = NULL;
    TAILQ_CONCAT(&waiting, &s->ring, ring_link);
    while ((lane = TAILQ_FIRST(&waiting)) != NULL) {
        TAILQ_REMOVE(&waiting, lane, ring_link);
        enter_ring(s, lane, false);
    }
    s->in_ring = in_ring;
}

static void leave_ring_head(struct lane_service *s, struct lane *lane) {
    assert(TAILQ_FIRST(&s->ring) == lane && lane->in_ring && !lane->owing); /* INV-LANE-1 */
    TAILQ_REMOVE(&s->ring, lane, ring_link);
    s->light_tail = s->light_tail == lane ? NULL : s->light_tail;
    s->rush_tail = s->rush_tail == lane ? NULL : s->rush_tail;
    s->pass -= s->pass > 0 ? 1 : 0;
}

/* More than a quantum of run time has paid for each insertion. */
static void enter_owing(struct lane_service *s, struct lane *lane) {
    struct lane *after;
    TAILQ_FOREACH(after, &s->in_debt, ring_link) {
        if (after->due_us > lane->due_us) {
            break;
        }
    }
    if (after != NULL) {
        TAILQ_INSERT_BEFORE(after, lane, ring_link);
    } else {
        TAILQ_INSERT_TAIL(&s->in_debt, lane, ring_link);
    }
    lane->owing = true;
    s->owing++;
}

/* The ring is empty, or the lane is due: in both cases the clock is not behind it. */
static void leave_owing_head(struct lane_service *s, struct lane *lane) {
    assert(TAILQ_FIRST(&s->in_debt) == lane);       /* INV-LANE-5 */
    assert(s->owing > 0 && s->owing <= s->in_ring); /* INV-LANE-5 */
    TAILQ_REMOVE(&s->in_debt, lane, ring_link);
    s->owing--;
    s->clock_us = lane->due_us > s->clock_us ? lane->due_us : s->clock_us;
    s->pass = 0;
    s->pass_begins = true;
    lane->owing = false;
}

/* Moves lanes from the front of the ring that have been charged since they entered. */
static void settle(struct lane_service *s) {
    struct lane *lane;
    while ((lane = TAILQ_FIRST(&s->ring)) != NULL && lane->owes_us > s->paid_us + LANE_QUANTUM_US) {
        leave_ring_head(s, lane);
        enter_owing(s, lane);
    }
}

/* When a lane that waits for quiet may start; 0 = now. */
static int64_t patient_until(const struct lanes *lanes, int64_t now_ms) {
    int64_t quiet_ms = lanes->arrived_ms + DEBT_QUIET_MS;
    int64_t until_ms = quiet_ms < lanes->patient_ms ? quiet_ms : lanes->patient_ms;
    return until_ms > now_ms ? until_ms : 0;
}

/* The lane that is next; NULL when the ring is empty. */
static struct lane *front(const struct lanes *lanes, struct lane_service *s, int64_t now_ms) {
    settle(s);
    struct lane *owing = TAILQ_FIRST(&s->in_debt);
    bool its_turn = owing != NULL && owing->due_us <= s->clock_us && s->pass == 0 &&
                    patient_until(lanes, now_ms) == 0;
    return TAILQ_EMPTY(&s->ring) || its_turn ? owing : TAILQ_FIRST(&s->ring);
}

/* When a lane that is not part of the rush may start; 0 = now, or one of the rush is next. */
static int64_t hushed_until(const struct lanes *lanes, struct lane_service *s, int64_t now_ms) {
    bool waits = front(lanes, s, now_ms)->owing || (s->rush && s->rush_tail == NULL);
    return waits ? patient_until(lanes, now_ms) : 0;
}

static int64_t later_us(int64_t a_us, int64_t b_us) {
    return a_us > b_us ? a_us : b_us;
}

/* Debts are bounded: a key that was hungry for an hour must not pay for it for an hour. */
static void add_debt(const struct lane_service *s, int64_t us, int64_t *due_us, int64_t *owes_us) {
    int64_t owed_us = later_us(*owes_us - s->paid_us, 0) + us;
    *due_us = later_us(*due_us, s->clock_us) + us;
    *owes_us = s->paid_us + (owed_us < LANE_DEBT_US_MAX ? owed_us : LANE_DEBT_US_MAX);
}

void lanes_owe(struct lanes *lanes, size_t service, uint64_t hash, int64_t us) {
    struct lane_service *s = service_of(lanes, service);
    struct lane *lane = lanes_find(lanes, service, hash);
    assert(us >= 0); /* INV-LANE-7 */
    lights_note(&s->lights, hash, us <= LANE_QUANTUM_US);
    if (lane == NULL) {
        struct debt debt = debts_take(&lanes->debts, service, hash);
        add_debt(s, us, &debt.due_us, &debt.owes_us);
        debts_note(&lanes->debts, &debt, &s->paid_us);
    } else if (!lane->owing) { /* the list is sorted by due time */
        add_debt(s, us, &lane->due_us, &lane->owes_us);
    }
}

void lanes_spent(struct lanes *lanes, size_t service, int64_t us, int64_t now_ms) {
    struct lane_service *s = service_of(lanes, service);
    int64_t lane_count = (int64_t)s->in_ring + 1;
    assert(us >= 0); /* INV-LANE-7 */
    s->clock_us += us / lane_count;
    s->paid_us += (us < LANE_QUANTUM_US ? us : LANE_QUANTUM_US) / lane_count;
    s->due_us = later_us(s->due_us, lanes->clock_us) + us;
    if (us > LANE_QUANTUM_US) {
        begin_rush(s);
        s->pass_begins = true;
        int64_t wait_ms = us / 1000 / DEBT_WAIT_PARTS;
        lanes->patient_ms = now_ms + (wait_ms < DEBT_WAIT_MS_MAX ? wait_ms : DEBT_WAIT_MS_MAX);
    }
}

void lanes_arrived(struct lanes *lanes, int64_t now_ms) {
    lanes->arrived_ms = now_ms;
}

void lanes_push(struct lanes *lanes, struct lane *lane, struct lane_item *item) {
    struct lane_service *s = service_of(lanes, lane->service);
    assert(TAILQ_EMPTY(&lane->items) ||
           TAILQ_LAST(&lane->items, lane_items)->seq < item->seq); /* INV-LANE-2 */
    item->lane = lane;
    TAILQ_INSERT_TAIL(&lane->items, item, link);
    lane->count++;
    s->waiting++;
    if (can_enter(lane)) {
        enter_ring(s, lane, true);
    }
}

/* --- limits --- */

static int64_t oldest_ms(const struct lane *lane, int64_t first_ms) {
    for (; lane != NULL; lane = TAILQ_NEXT(lane, ring_link)) {
        const struct lane_item *head = TAILQ_FIRST(&lane->items);
        first_ms = head->since_ms < first_ms ? head->since_ms : first_ms;
    }
    return first_ms;
}

/* Fewer heads than a batch wait until the oldest of them has waited for `linger`. */
static int64_t lingers_until(const struct lane_service *s, int64_t now_ms) {
    int64_t until_ms = now_ms;
    if (s->linger_ms > 0 && s->in_ring < s->batch) {
        int64_t first_ms = oldest_ms(TAILQ_FIRST(&s->ring), INT64_MAX);
        until_ms = oldest_ms(TAILQ_FIRST(&s->in_debt), first_ms) + s->linger_ms;
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
        s->rush = s->rush && !rushes_end;
        int64_t due_us = s->due_us > lanes->clock_us ? s->due_us : lanes->clock_us;
        if (s->in_ring > 0 && due_us < next_us && held_until(lanes, s, now_ms) == 0) {
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
    struct lane_service *s = next_service(lanes, now_ms);
    if (s == NULL) {
        return NULL;
    }
    if (s->pass_begins) {
        s->pass = s->in_ring - s->owing;
        s->pass_begins = false;
    }
    return front(lanes, s, now_ms);
}

bool lanes_runnable(struct lanes *lanes, int64_t now_ms, int64_t *wake_ms) {
    bool runnable = false;
    for (size_t i = 0; i < lanes->service_count; i++) {
        struct lane_service *s = &lanes->services[i];
        if (s->in_ring == 0) {
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

static struct lane_item *take_head(struct lane_service *s, struct lane *lane) {
    assert(!lane->busy && !TAILQ_EMPTY(&lane->items) && lane->in_ring); /* INV-LANE-1, INV-LANE-4 */
    assert(lane->count > 0 && lane->count <= s->waiting && s->in_ring > 0); /* INV-LANE-5 */
    if (lane->owing) {
        leave_owing_head(s, lane);
    } else {
        leave_ring_head(s, lane);
    }
    lane->in_ring = false;
    s->in_ring--;
    struct lane_item *item = TAILQ_FIRST(&lane->items);
    TAILQ_REMOVE(&lane->items, item, link);
    lane->count--;
    lane->busy = true;
    lane->taken = item;
    s->waiting--;
    if (lane->joined) {
        pace_joined(&s->pace);
    } else {
        lane->paced = pace_started(&s->pace);
    }
    return item;
}

struct lane_item *lanes_start(struct lanes *lanes, struct lane *lane) {
    struct lane_service *s = service_of(lanes, lane->service);
    assert(s->concurrency == 0 || s->running < s->concurrency); /* INV-LANE-6 */
    lane->joined = false;
    s->running++;
    return take_head(s, lane);
}

struct lane *lanes_peek(const struct lanes *lanes, size_t service) {
    struct lane_service *s = service_of(lanes, service);
    settle(s);
    return TAILQ_FIRST(TAILQ_EMPTY(&s->ring) ? &s->in_debt : &s->ring);
}

struct lane_item *lanes_join(struct lanes *lanes, struct lane *lane) {
    lane->joined = true;
    return take_head(service_of(lanes, lane->service), lane);
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
    if (can_enter(lane)) {
        enter_ring(s, lane, false);
    }
}

void lanes_cut(struct lanes *lanes, struct lane *lane, uint32_t keep, struct lane_items *cut) {
    struct lane_service *s = service_of(lanes, lane->service);
    TAILQ_INIT(cut);
    while (lane->count > keep) {
        struct lane_item *item = TAILQ_LAST(&lane->items, lane_items);
        TAILQ_REMOVE(&lane->items, item, link);
        TAILQ_INSERT_HEAD(cut, item, link);
        lane->count--;
        s->waiting--;
    }
    /* Only a busy lane may keep none: an idle one would be in the ring without items. */
    assert(!TAILQ_EMPTY(&lane->items) || !lane->in_ring); /* INV-LANE-1 */
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

size_t lanes_running(const struct lanes *lanes, size_t service) {
    return service_of(lanes, service)->running;
}
