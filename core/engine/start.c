/*
 * start.c - starts an attempt: takes an event off its lane, and runs it alone or in a batch.
 *
 * A batch consists of heads of different lanes, so the order within a key holds whatever happens to
 * each event.
 */
#include "engine/start.h"

#include "engine/attempt.h"
#include "engine/crash.h"
#include "engine/history.h"
#include "engine/impl.h"
#include "engine/item.h"
#include "engine/lane.h"
#include "engine/locks.h"
#include "engine/mend.h"
#include "engine/outcome.h"
#include "engine/place.h"
#include "engine/retry.h"
#include "engine/saga.h"
#include "engine/services.h"
#include "engine/space.h"
#include "journal/event.h"

#include <stdio.h>
#include <stdlib.h>

/* --- one event --- */

static int end_stale(struct engine *e, struct engine_service *s, struct lane_item *item) {
    engine_end_event(e, item->event, EVENT_DONE);
    engine_count(e, s, BOOK_DONE, 1);
    int code = journal_event_put(e->journal, item->event);
    return code == 0 ? engine_leave_lane(e, item) : code;
}

static int put_off_crashed(struct engine *e, struct engine_service *s, struct lane_item *item) {
    double chance = uuid_source_random(&e->ids);
    int64_t delay_ms = service_backoff_ms(s->conf, item->event->crashes, chance);
    return engine_put_off(e, item, EVENT_RETRYING, e->now_ms + (delay_ms > 0 ? delay_ms : 1));
}

/* Takes a lane's head off, its body in memory. *out NULL: it ended without a run (too many crashes,
 * a stale lock expiry). */
static int take(struct engine *e, struct lane *lane, struct lane_item **out) {
    struct engine_service *s = &e->services[lane->service];
    struct lane_item *item = lanes_start(e->lanes, lane);
    e->current_item = item;
    *out = NULL;
    int code = engine_load_body(e, s, item);
    if (code == ERR_NOTFOUND) {
        return engine_lose(e, s, item);
    }
    if (code == 0 && s->conf->crashes > 0 && item->event->crashes >= s->conf->crashes) {
        char reason[128];
        (void)snprintf(reason, sizeof reason,
                       "the host went down %u times while this event's handler ran (crashes = %u)",
                       item->event->crashes, s->conf->crashes);
        return engine_fail_for_good(e, s, item, reason);
    }
    if (code == 0 && engine_must_put_off(e, item)) {
        return put_off_crashed(e, s, item);
    }
    bool stale = false;
    if (code == 0) {
        code = engine_expiry_is_stale(e, item->event, &stale);
    }
    if (code == 0 && stale) {
        return end_stale(e, s, item);
    }
    *out = item;
    return code;
}

static int start_alone(struct engine *e, struct lane_item *item) {
    struct engine_service *s = &e->services[item->lane->service];
    struct event *event = item->event;
    struct invocation *inv = engine_new_invocation(e, s, item);
    e->current_item = item;
    if (inv == NULL) {
        return ERR_MEMORY;
    }
    inv->continued = event->continues;
    engine_begin_attempt(e, s, event);
    engine_name_culprit(e, inv);
    enum run_entry entry = event->undo == UNDO_NONE ? RUN_EVENT : RUN_UNDO;
    int code = run_start(&inv->run, e->scripts, s->index, entry, event, NULL, &e->view);
    return code == 0 ? engine_conclude(e, inv) : code;
}

/* --- a batch --- */

/* True if the event can share its run. One that crashed the host cannot. */
static bool may_share(const struct event *event) {
    return event->kind == EVENT_MESSAGE && event->crashes == 0 && !event->alone && !event->durable;
}

/* Without a key rule all events of a batch must have the same key, so that the handler has its
 * state. */
static bool fits_batch(const struct engine *e, const struct engine_service *s,
                       const struct event *a, const struct event *b) {
    bool one_key = s->conf->key.kind != RULE_NONE || slice_equal(a->key, b->key);
    return one_key && script_same_function(e->scripts, s->index, a->topic, b->topic);
}

/* The lane whose head joins a batch that `first` begins; *lane NULL: there is none now. */
static int find_batch_lane(struct engine *e, struct engine_service *s, const struct event *first,
                           struct lane **lane) {
    struct lane *next = lanes_peek(e->lanes, s->index);
    *lane = NULL;
    if (next == NULL) {
        return 0;
    }
    int code = engine_load_body(e, s, TAILQ_FIRST(&next->items));
    if (code != 0) {
        return code == ERR_NOTFOUND ? 0 : code; /* one that cannot be read joins no batch */
    }
    const struct event *event = TAILQ_FIRST(&next->items)->event;
    *lane = may_share(event) && fits_batch(e, s, first, event) ? next : NULL;
    return 0;
}

static struct batch *batch_new(size_t most) {
    struct batch *b = calloc(1, sizeof *b + most * (sizeof *b->items + sizeof *b->events));
    if (b != NULL) {
        b->events = (struct event **)(void *)(b->items + most);
    }
    return b;
}

static void add_item(struct batch *b, struct lane_item *item) {
    b->items[b->count] = item;
    b->events[b->count] = item->event;
    b->count++;
}

static int gather(struct engine *e, struct invocation *inv, struct lane *lane, size_t most) {
    struct engine_service *s = inv->service;
    struct batch *b = inv->batch;
    size_t bytes = inv->item->event->payload.len;
    int code = 0;
    while (code == 0 && lane != NULL && b->count < most && bytes < BATCH_BYTES_MAX) {
        add_item(b, lanes_join(e->lanes, lane));
        bytes += b->events[b->count - 1]->payload.len;
        code = find_batch_lane(e, s, b->events[0], &lane);
    }
    return code;
}

static int start_batch(struct engine *e, struct lane_item *item, struct lane *lane, size_t most,
                       size_t *count) {
    struct engine_service *s = &e->services[item->lane->service];
    struct batch *b = batch_new(most);
    struct invocation *inv = b == NULL ? NULL : engine_new_invocation(e, s, item);
    if (inv == NULL) {
        free(b);
        return ERR_MEMORY;
    }
    inv->batch = b;
    add_item(b, item);
    e->current_item = NULL; /* the batch's */
    int code = gather(e, inv, lane, most);
    if (code != 0) {
        return code;
    }
    *count = b->count;
    for (size_t i = 0; i < b->count; i++) {
        engine_begin_attempt(e, s, b->events[i]);
        b->events[i]->batch_events = (uint32_t)b->count;
        b->events[i]->batch = b->events[0]->id;
    }
    engine_name_culprit(e, inv);
    code = run_start_batch(&inv->run, e->scripts, s->index, b->events, b->count, &e->view);
    return code == 0 ? engine_conclude(e, inv) : code;
}

/* Runs the taken event, in a batch with others if its service has batches. */
static int start(struct engine *e, struct lane_item *item, size_t *started) {
    struct engine_service *s = &e->services[item->lane->service];
    size_t most = engine_is_careful(e) ? 1 : engine_space_share(e, s->conf->batch);
    struct lane *lane = NULL;
    int code = 0;
    *started = 1;
    bool room = item->event->payload.len < BATCH_BYTES_MAX;
    if (most > 1 && room && may_share(item->event)) {
        code = find_batch_lane(e, s, item->event, &lane);
    }
    if (code != 0) {
        return code;
    }
    return lane == NULL ? start_alone(e, item) : start_batch(e, item, lane, most, started);
}

int engine_start_lane(struct engine *e, struct lane *lane, size_t *started) {
    struct lane_item *item = NULL;
    int code = take(e, lane, &item);
    *started = 0;
    return code == 0 && item != NULL ? start(e, item, started) : code;
}
