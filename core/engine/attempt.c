/*
 * attempt.c - invocations: created, waiting for what they asked for, found by call id, released.
 */
#include "engine/attempt.h"

#include "base/blocks.h"
#include "base/log.h"
#include "engine/impl.h"
#include "journal/event.h"
#include "engine/item.h"
#include "engine/lane.h"
#include "engine/metrics.h"
#include "engine/services.h"
#include "engine/spans.h"

#include <assert.h>
#include <stdlib.h>

enum { CALL_BUCKETS = 4096, LATE_AGAIN_US = 1000000 };

LIST_HEAD(invocations, invocation);

struct attempts {
    struct invocation *current; /* being decided; in none of the lists below */
    size_t running;
    size_t started;                          /* calls in progress */
    TAILQ_HEAD(starts, invocation) to_start; /* calls to start after the commit, oldest first */
    struct invocation *next_start;           /* where engine_next_to_start continues */
    size_t late;                             /* of them, those that were passed over */
    struct invocations calls[CALL_BUCKETS];  /* waiting ones, by call id */
    TAILQ_HEAD(waiting, invocation) cut;     /* given up because the host stops */
    struct waiting waiting[];                /* waiting ones, by service, earliest deadline first */
};

int engine_make_attempts(struct engine *e) {
    e->attempts = calloc(1, sizeof *e->attempts + e->service_count * sizeof *e->attempts->waiting);
    for (size_t i = 0; e->attempts != NULL && i < e->service_count; i++) {
        TAILQ_INIT(&e->attempts->waiting[i]);
    }
    if (e->attempts != NULL) {
        TAILQ_INIT(&e->attempts->to_start);
        TAILQ_INIT(&e->attempts->cut);
    }
    return e->attempts == NULL ? ERR_MEMORY : 0;
}

/* --- the lists of waiting invocations --- */

static struct invocations *call_bucket(struct engine *e, uint64_t id) {
    return &e->attempts->calls[id % CALL_BUCKETS];
}

/* Deadlines of a service mostly come in the order of starting; only a second wait of one attempt
 * has an earlier deadline than its neighbours. So the search for the place begins at the end. */
static void enter_waiting(struct engine *e, struct invocation *inv) {
    size_t service = inv->service->index;
    struct invocation *before;
    TAILQ_FOREACH_REVERSE(before, &e->attempts->waiting[service], waiting, link) {
        if (before->deadline_us <= inv->deadline_us) {
            TAILQ_INSERT_AFTER(&e->attempts->waiting[service], before, inv, link);
            return;
        }
    }
    TAILQ_INSERT_HEAD(&e->attempts->waiting[service], inv, link);
}

/* Takes the invocation off the waiting lists, and cancels its call if it is still under way. */
bool engine_decides(const struct engine *e) {
    return e->attempts->current != NULL || e->current_item != NULL;
}

void engine_stop_waiting(struct engine *e, struct invocation *inv, bool cancel) {
    if (inv->cut) {
        TAILQ_REMOVE(&e->attempts->cut, inv, link);
        e->attempts->running++;
        inv->cut = false;
    }
    if (inv->call_id == 0) {
        return;
    }
    assert(engine_find_call(e, inv->call_id) == inv); /* INV-ENGINE-5 */
    if (!inv->call_started) {
        TAILQ_REMOVE(&e->attempts->to_start, inv, start_link);
    } else {
        e->attempts->started--;
    }
    if (inv->call_started && cancel) {
        e->doors.call_cancel(e->doors.ctx, inv->call_id);
    }
    memory_give(e->memory, MEMORY_LUA, inv->staged_bytes);
    memory_give(e->memory, MEMORY_CALLS, inv->request_bytes);
    inv->staged_bytes = 0;
    inv->request_bytes = 0;
    LIST_REMOVE(inv, call_link);
    TAILQ_REMOVE(&e->attempts->waiting[inv->service->index], inv, link);
    inv->call_id = 0;
    inv->call_started = false;
}

/* --- their life --- */

struct invocation *engine_new_invocation(struct engine *e, struct engine_service *s,
                                         struct lane_item *item) {
    struct invocation *inv = blocks_take(sizeof *inv);
    if (inv != NULL) {
        *inv = (struct invocation){.item = item, .service = s};
        inv->started_us = e->doors.monotonic_us(e->doors.ctx);
        inv->deadline_us = inv->started_us + s->conf->timeout_ms * 1000;
        e->attempts->running++;
        e->attempts->current = inv;
    }
    return inv;
}

struct lane_item **engine_items(struct invocation *inv, size_t *count) {
    *count = inv->batch == NULL ? 1 : inv->batch->count;
    return inv->batch == NULL ? &inv->item : inv->batch->items;
}

void engine_begin_attempt(struct engine *e, struct engine_service *s, struct event *event) {
    event->state = EVENT_RUNNING;
    event->started_ms = e->now_ms;
    event->attempts += !event->continues && event->undo == UNDO_NONE ? 1 : 0;
    event->continues = false;
    event->batch_events = 0;
    event->version = script_version(e->scripts, s->index);
}

void engine_note_over(struct engine *e, struct invocation *inv) {
    size_t count;
    struct lane_item **items = engine_items(inv, &count);
    int64_t us = e->doors.monotonic_us(e->doors.ctx) - inv->started_us;
    for (size_t i = 0; i < count; i++) {
        items[i]->event->duration_us = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
    }
    histogram_add(&inv->service->handler, us);
    if (e->traces) {
        engine_trace_attempt(e, inv, items, count);
        engine_trace_within(e, inv);
    }
}

void engine_leave_session(struct engine *e, struct invocation *inv) {
    if (inv->session != 0 && (inv->run == NULL || inv->run->session != inv->session)) {
        e->doors.call_cancel(e->doors.ctx, inv->session);
        inv->session = 0;
    }
}

void engine_free_invocation(struct engine *e, struct invocation *inv) {
    assert(inv->call_id == 0); /* INV-ENGINE-5 */
    if (inv->run != NULL) {
        inv->run->session = 0;
    }
    engine_leave_session(e, inv);
    if (inv->traced != NULL) {
        engine_forget_traced(e, inv);
    }
    if (inv->run != NULL) {
        run_free(inv->run);
    }
    assert(inv->cut || e->attempts->running > 0); /* INV-ENGINE-4 */
    e->attempts->running -= inv->cut ? 0 : 1;
    if (e->attempts->current == inv) {
        e->attempts->current = NULL;
    }
    free(inv->batch);
    blocks_give(inv, sizeof *inv);
}

struct lane_item *engine_release(struct engine *e, struct invocation *inv) {
    struct lane_item *item = inv->item;
    assert(inv->batch == NULL);
    engine_free_invocation(e, inv);
    return item;
}

int engine_await(struct engine *e, struct invocation *inv) {
    size_t count;
    struct lane_item **items = engine_items(inv, &count);
    int code = 0;
    inv->call_id = ++e->last_call_id;
    inv->call_started = false;
    inv->call_late = false;
    inv->left_us = inv->deadline_us - e->doors.monotonic_us(e->doors.ctx);
    inv->staged_bytes = run_staged(inv->run);
    inv->request_bytes = inv->run->request == NULL ? 0 : call_request_bytes(inv->run->request);
    memory_take(e->memory, MEMORY_LUA, inv->staged_bytes);
    memory_take(e->memory, MEMORY_CALLS, inv->request_bytes);
    LIST_INSERT_HEAD(call_bucket(e, inv->call_id), inv, call_link);
    TAILQ_INSERT_TAIL(&e->attempts->to_start, inv, start_link);
    enter_waiting(e, inv);
    e->attempts->current = NULL;
    e->current_item = NULL;
    bool unchanged = inv->gave_way && inv->run->outcome == OUTCOME_YIELD;
    for (size_t i = 0; code == 0 && !unchanged && i < count; i++) {
        code = engine_save(e, items[i]);
    }
    inv->gave_way = inv->run->outcome == OUTCOME_YIELD;
    return code;
}

struct invocation *engine_find_call(struct engine *e, uint64_t id) {
    struct invocation *inv;
    LIST_FOREACH(inv, call_bucket(e, id), call_link) {
        if (inv->call_id == id) {
            return inv;
        }
    }
    return NULL;
}

bool engine_caller(struct engine *e, uint64_t id, struct uuid *event) {
    const struct invocation *inv = engine_find_call(e, id);
    if (inv != NULL) {
        *event = inv->run->event->id;
    }
    return inv != NULL;
}

static bool tries(struct invocation *inv, const struct lane_item *item) {
    size_t count;
    struct lane_item **items = engine_items(inv, &count);
    size_t i = 0;
    while (i < count && items[i] != item) {
        i++;
    }
    return i < count;
}

static struct invocation *find_in(struct waiting *list, const struct lane_item *item) {
    struct invocation *inv;
    TAILQ_FOREACH(inv, list, link) {
        if (tries(inv, item)) {
            return inv;
        }
    }
    return NULL;
}

struct invocation *engine_find_running(struct engine *e, const struct engine_service *s,
                                       const struct event *event) {
    const struct lane *lane = lanes_find(e->lanes, s->index, event->lane);
    const struct lane_item *item = lane == NULL ? NULL : lane->taken;
    if (item == NULL || !uuid_equal(&item->id, &event->id)) {
        return NULL;
    }
    struct invocation *inv = find_in(&e->attempts->waiting[s->index], item);
    return inv != NULL ? inv : find_in(&e->attempts->cut, item);
}

void engine_begin_starts(struct engine *e) {
    e->attempts->next_start = TAILQ_FIRST(&e->attempts->to_start);
    e->attempts->late = 0;
}

/* The attempt's time ends `us` from now. */
static void set_time_left(struct engine *e, struct invocation *inv, int64_t us) {
    TAILQ_REMOVE(&e->attempts->waiting[inv->service->index], inv, link);
    inv->deadline_us = e->doors.monotonic_us(e->doors.ctx) + us;
    enter_waiting(e, inv);
}

/* What waits for the commit alone needs no memory; and one call always goes, so that some end. */
static bool may_start(struct engine *e, const struct invocation *inv) {
    return inv->run->outcome != OUTCOME_CALL || e->attempts->started == 0 ||
           memory_room(e->memory, MEMORY_CALLS) >= CALL_OWN_BYTES;
}

struct invocation *engine_next_to_start(struct engine *e) {
    struct attempts *a = e->attempts;
    struct invocation *inv = a->next_start;
    while (inv != NULL && !may_start(e, inv)) {
        inv->call_late = true;
        a->late++;
        inv = TAILQ_NEXT(inv, start_link);
    }
    a->next_start = inv == NULL ? NULL : TAILQ_NEXT(inv, start_link);
    if (inv != NULL) {
        TAILQ_REMOVE(&a->to_start, inv, start_link);
        a->started++;
        inv->call_started = true;
        engine_trace_start(e, inv);
    }
    if (inv != NULL && inv->call_late) {
        set_time_left(e, inv, inv->left_us);
    }
    return inv;
}

size_t engine_late_calls(const struct engine *e) {
    return e->attempts->late;
}

bool engine_spare_late(struct engine *e, struct invocation *inv) {
    bool late = !inv->call_started && inv->call_late;
    if (late) {
        set_time_left(e, inv, inv->left_us > LATE_AGAIN_US ? inv->left_us : LATE_AGAIN_US);
    }
    return late;
}

struct invocation *engine_first_waiting(struct engine *e, const struct engine_service *s) {
    return TAILQ_FIRST(&e->attempts->waiting[s->index]);
}

void engine_make_current(struct engine *e, struct invocation *inv) {
    e->attempts->current = inv;
    e->current_item = inv->batch == NULL ? inv->item : NULL;
}

size_t engine_running(const struct engine *e) {
    return e->attempts->running;
}

/* --- stopping --- */

static int64_t drain_ms(const struct engine *e, const struct engine_service *s) {
    int64_t stop_ms = service_stop_ms(s->conf, e->conf);
    return stop_ms < e->drain_most_ms ? stop_ms : e->drain_most_ms;
}

/* When the service's invocations are cut, monotonic. */
static int64_t cut_us(const struct engine *e, const struct engine_service *s) {
    return e->draining ? e->drain_us + drain_ms(e, s) * 1000 : INT64_MAX;
}

int64_t engine_earliest_deadline(struct engine *e) {
    int64_t earliest_us = INT64_MAX;
    for (size_t i = 0; i < e->service_count; i++) {
        const struct invocation *inv = TAILQ_FIRST(&e->attempts->waiting[i]);
        if (inv != NULL) {
            int64_t end_us = cut_us(e, &e->services[i]);
            end_us = inv->deadline_us < end_us ? inv->deadline_us : end_us;
            earliest_us = end_us < earliest_us ? end_us : earliest_us;
        }
    }
    if (earliest_us == INT64_MAX) {
        return INT64_MAX;
    }
    int64_t left_us = earliest_us - e->doors.monotonic_us(e->doors.ctx);
    return engine_now_ms(e) + (left_us <= 0 ? 0 : (left_us + 999) / 1000);
}

/* Its lanes stay busy, so nothing else of them runs in its place. */
static size_t cut_all(struct engine *e, const struct engine_service *s) {
    size_t count = 0;
    struct invocation *inv;
    while ((inv = engine_first_waiting(e, s)) != NULL) {
        engine_stop_waiting(e, inv, true);
        assert(engine_first_waiting(e, s) != inv);
        TAILQ_INSERT_TAIL(&e->attempts->cut, inv, link);
        inv->cut = true;
        e->attempts->running--;
        count++;
    }
    return count;
}

void engine_cut_late(struct engine *e) {
    char limit[32];
    for (size_t i = 0; e->draining && i < e->service_count; i++) {
        const struct engine_service *s = &e->services[i];
        size_t count = cut_us(e, s) <= e->turn_us ? cut_all(e, s) : 0;
        if (count > 0) {
            const char *text = conf_duration_text(drain_ms(e, s), limit);
            log_warn("engine",
                     "%s: %zu attempts of service \"%s\" still wait for a call after %s%s: they "
                     "run again %s",
                     e->stopping ? "stopping" : "taking over topics.conf", count, s->conf->name,
                     text, e->stopping ? " (stop_timeout)" : "",
                     e->stopping ? "at the next start" : "afterwards");
        }
    }
}

/* As if it had not begun. */
static void uncount(struct event *event, bool continued) {
    event->state = EVENT_READY;
    if (event->undo == UNDO_NONE) {
        event->continues = continued;
        event->attempts -= !continued && event->attempts > 0 ? 1 : 0;
    }
}

static int mark_items_ready(struct engine *e, const struct waiting *list) {
    struct invocation *inv;
    int code = 0;
    TAILQ_FOREACH(inv, list, link) {
        size_t count;
        struct lane_item **items = engine_items(inv, &count);
        for (size_t i = 0; code == 0 && i < count; i++) {
            uncount(items[i]->event, inv->continued);
            code = journal_event_put(e->journal, items[i]->event);
        }
    }
    return code;
}

int engine_mark_ready(struct engine *e) {
    int code = mark_items_ready(e, &e->attempts->cut);
    for (size_t i = 0; code == 0 && i < e->service_count; i++) {
        code = mark_items_ready(e, &e->attempts->waiting[i]);
    }
    return code;
}

/* --- dropping a failed turn --- */

static void forget_item(struct lane_item *item) {
    event_free(item->event);
    blocks_give(item, sizeof *item);
}

/* Frees the invocation and its events, except for e->current_item. */
static void forget_invocation(struct engine *e, struct invocation *inv) {
    size_t count;
    struct lane_item **items = engine_items(inv, &count);
    struct lane_item *current = e->current_item;
    if (inv->run != NULL) {
        run_abandon(inv->run); /* its events are freed below, and no transaction is open */
    }
    for (size_t i = 0; i < count; i++) {
        if (items[i] != NULL && items[i] != current) {
            forget_item(items[i]);
        }
    }
    engine_free_invocation(e, inv);
}

void engine_forget_invocations(struct engine *e) {
    if (e->attempts->current != NULL) {
        forget_invocation(e, e->attempts->current);
    }
    if (e->current_item != NULL) {
        forget_item(e->current_item);
        e->current_item = NULL;
    }
    struct invocation *inv;
    while ((inv = TAILQ_FIRST(&e->attempts->cut)) != NULL) {
        TAILQ_REMOVE(&e->attempts->cut, inv, link);
        assert(TAILQ_FIRST(&e->attempts->cut) != inv);
        forget_invocation(e, inv);
    }
    for (size_t i = 0; i < e->service_count; i++) {
        while ((inv = TAILQ_FIRST(&e->attempts->waiting[i])) != NULL) {
            engine_stop_waiting(e, inv, true);
            assert(TAILQ_FIRST(&e->attempts->waiting[i]) != inv);
            forget_invocation(e, inv);
        }
    }
}

void engine_free_attempts(struct engine *e) {
    if (e->attempts != NULL) {
        engine_forget_invocations(e);
        free(e->attempts);
        e->attempts = NULL;
    }
}
