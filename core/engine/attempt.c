/*
 * attempt.c - invocations: made, waiting for what they asked for, found by the call's id, released.
 */
#include "engine/attempt.h"

#include "engine/impl.h"
#include "engine/item.h"
#include "engine/lane.h"
#include "engine/metrics.h"
#include "engine/services.h"

#include <assert.h>
#include <stdlib.h>

static struct invocation **call_bucket(struct engine *e, uint64_t id) {
    return &e->calls[id % CALL_BUCKETS];
}

static void enter_calls(struct engine *e, struct invocation *inv) {
    struct invocation **bucket = call_bucket(e, inv->call_id);
    inv->hash_next = *bucket;
    *bucket = inv;
}

static void leave_calls(struct engine *e, struct invocation *inv) {
    struct invocation **link = call_bucket(e, inv->call_id);
    while (*link != inv) {
        assert(*link != NULL); /* INV-ENGINE-5 */
        link = &(*link)->hash_next;
    }
    *link = inv->hash_next;
    inv->call_id = 0;
}

/* Deadlines of one service come in order of starting; a second wait of one attempt has an earlier
 * one than its neighbours, so the place is looked for from the end. */
static void enter_waiting(struct engine_service *s, struct invocation *inv) {
    struct invocation *after = s->waiting_tail;
    while (after != NULL && after->deadline_us > inv->deadline_us) {
        after = after->prev;
    }
    inv->prev = after;
    inv->next = after == NULL ? s->waiting_head : after->next;
    *(inv->next == NULL ? &s->waiting_tail : &inv->next->prev) = inv;
    *(after == NULL ? &s->waiting_head : &after->next) = inv;
}

static void leave_waiting(struct engine_service *s, struct invocation *inv) {
    *(inv->prev == NULL ? &s->waiting_head : &inv->prev->next) = inv->next;
    *(inv->next == NULL ? &s->waiting_tail : &inv->next->prev) = inv->prev;
    inv->prev = NULL;
    inv->next = NULL;
}

static void leave_to_start(struct engine *e, struct invocation *inv) {
    for (struct invocation **link = &e->to_start; *link != NULL; link = &(*link)->start_next) {
        if (*link == inv) {
            *link = inv->start_next;
            return;
        }
    }
}

/* No longer waits: off the lists, its call cancelled when it is still out. */
void engine_stop_waiting(struct engine *e, struct invocation *inv, bool cancel) {
    if (inv->call_id == 0) {
        return;
    }
    if (!inv->call_started) {
        leave_to_start(e, inv);
    } else if (cancel) {
        e->doors.call_cancel(e->doors.ctx, inv->call_id);
    }
    leave_calls(e, inv);
    leave_waiting(inv->service, inv);
    inv->call_started = false;
}

/* --- their life --- */

struct invocation *engine_new_invocation(struct engine *e, struct engine_service *s,
                                         struct lane_item *item) {
    struct invocation *inv = calloc(1, sizeof *inv);
    if (inv != NULL) {
        inv->item = item;
        inv->service = s;
        inv->started_us = e->doors.monotonic_us(e->doors.ctx);
        inv->deadline_us = inv->started_us + s->conf->timeout_ms * 1000;
        e->running++;
        e->current = inv;
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

void engine_note_duration(struct engine *e, struct invocation *inv) {
    size_t count;
    struct lane_item **items = engine_items(inv, &count);
    int64_t us = e->doors.monotonic_us(e->doors.ctx) - inv->started_us;
    for (size_t i = 0; i < count; i++) {
        items[i]->event->duration_us = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
    }
    histogram_add(&inv->service->handler, us);
}

void engine_free_invocation(struct engine *e, struct invocation *inv) {
    assert(inv->call_id == 0); /* INV-ENGINE-5 */
    if (inv->run != NULL) {
        run_free(inv->run);
    }
    assert(e->running > 0); /* INV-ENGINE-4 */
    e->running--;
    if (e->current == inv) {
        e->current = NULL;
    }
    free(inv->batch);
    free(inv);
}

struct lane_item *engine_release(struct engine *e, struct invocation *inv) {
    struct lane_item *item = inv->item;
    assert(inv->batch == NULL);
    engine_note_duration(e, inv);
    engine_free_invocation(e, inv);
    return item;
}

int engine_await(struct engine *e, struct invocation *inv) {
    size_t count;
    struct lane_item **items = engine_items(inv, &count);
    int code = 0;
    inv->call_id = ++e->last_call_id;
    inv->call_started = false;
    enter_calls(e, inv);
    enter_waiting(inv->service, inv);
    inv->start_next = e->to_start;
    e->to_start = inv;
    e->current = NULL;
    e->current_item = NULL;
    for (size_t i = 0; code == 0 && i < count; i++) {
        code = engine_save(e, items[i]);
    }
    return code;
}

struct invocation *engine_find_call(struct engine *e, uint64_t id) {
    struct invocation *inv = *call_bucket(e, id);
    while (inv != NULL && inv->call_id != id) {
        inv = inv->hash_next;
    }
    return inv;
}

int64_t engine_earliest_deadline(struct engine *e) {
    int64_t earliest_us = INT64_MAX;
    for (size_t i = 0; i < e->service_count; i++) {
        const struct invocation *inv = e->services[i].waiting_head;
        if (inv != NULL && inv->deadline_us < earliest_us) {
            earliest_us = inv->deadline_us;
        }
    }
    if (earliest_us == INT64_MAX) {
        return INT64_MAX;
    }
    int64_t left_us = earliest_us - e->doors.monotonic_us(e->doors.ctx);
    return engine_now_ms(e) + (left_us <= 0 ? 0 : (left_us + 999) / 1000);
}

/* --- a turn that is given up --- */

static void forget_item(struct lane_item *item) {
    event_free(item->event);
    free(item);
}

/* With its events, but for one that is e->current_item. */
static void forget_invocation(struct engine *e, struct invocation *inv) {
    size_t count;
    struct lane_item **items = engine_items(inv, &count);
    struct lane_item *current = e->current_item;
    if (inv->run != NULL) {
        run_abandon(inv->run); /* its events go, and there is no transaction */
    }
    for (size_t i = 0; i < count; i++) {
        if (items[i] != NULL && items[i] != current) {
            forget_item(items[i]);
        }
    }
    engine_free_invocation(e, inv);
}

void engine_forget_invocations(struct engine *e) {
    if (e->current != NULL) {
        forget_invocation(e, e->current);
    }
    if (e->current_item != NULL) {
        forget_item(e->current_item);
        e->current_item = NULL;
    }
    for (size_t i = 0; i < e->service_count; i++) {
        struct invocation *next = NULL;
        for (struct invocation *inv = e->services[i].waiting_head; inv != NULL; inv = next) {
            next = inv->next;
            engine_stop_waiting(e, inv, true);
            forget_invocation(e, inv);
        }
    }
    e->to_start = NULL;
}
