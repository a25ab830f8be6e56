/*
 * batch.c - how a batch ends, and with it each of its events: services with `batch`.
 *
 * The effects of a batch are applied once, in the commit that ends its done events. The done event
 * with the most hops counts as their cause, so that loops through batches are detected, too. Events
 * that the handler reports as failed have retries of their own. When a batch fails as a whole,
 * nobody knows which event is to blame: from then on each of them runs alone.
 */
#include "engine/batch.h"

#include "base/json_read.h"
#include "engine/apply.h"
#include "engine/attempt.h"
#include "engine/bury.h"
#include "engine/end.h"
#include "engine/history.h"
#include "engine/impl.h"
#include "engine/lane.h"
#include "engine/memory.h"
#include "engine/retry.h"
#include "engine/services.h"

static bool is_done(const struct run *run, size_t i) {
    return run->outcome == OUTCOME_DONE &&
           (run->failures == NULL || run->failures[i].reason == NULL);
}

/* The done event that the effects belong to; NULL: none is done. */
static struct event *find_owner(const struct invocation *inv) {
    struct event *owner = NULL;
    for (size_t i = 0; i < inv->batch->count; i++) {
        struct event *event = inv->batch->events[i];
        bool owns = owner == NULL || event->hops > owner->hops;
        owner = is_done(inv->run, i) && owns ? event : owner;
    }
    return owner;
}

static int take_effects(struct engine *e, struct invocation *inv) {
    struct run *run = inv->run;
    struct event *owner = find_owner(inv);
    bool conflict = false;
    if (owner == NULL) {
        return 0;
    }
    int code = engine_take_effects(e, inv->service, owner, &run->effects, &run->error, &conflict);
    run->outcome = conflict ? OUTCOME_ERROR : run->outcome;
    for (size_t i = 0; code == 0 && !conflict && i < inv->batch->count; i++) {
        inv->batch->events[i]->batch = owner->id;
    }
    return code;
}

/* What the outcome of the run means for its i-th event. */
static struct verdict verdict_for(struct run *run, size_t i) {
    struct verdict v = {.outcome = run->outcome,
                        .end = ATTEMPT_ERROR,
                        .error = buf_str(&run->error),
                        .after_ms = run->after_ms,
                        .key_only = run->key_only};
    if (run->outcome == OUTCOME_DONE && !is_done(run, i)) {
        v.outcome = run->failures[i].dead ? OUTCOME_REJECT : OUTCOME_ERROR;
        v.error = run->failures[i].reason;
    }
    return v;
}

/* The batch met an event whose JSON is invalid, which is dead, or one was cancelled; the others start
 * again. They run together, except those whose JSON would also stop the next run. */
static int begin_anew(struct engine *e, struct lane_item *item) {
    struct event *event = item->event;
    event->attempts--;
    event->alone = json_check(event->payload, "payload", NULL) != 0;
    event->batch_events = 0;
    return engine_put_off(e, item, EVENT_SLEEPING, e->now_ms + 1);
}

/* The batch failed, and nobody knows because of which event: each runs alone, immediately, and only
 * that attempt counts. */
static int run_alone(struct engine *e, struct invocation *inv, struct lane_item *item,
                     enum attempt_end end) {
    struct engine_service *s = inv->service;
    struct event *event = item->event;
    struct buf text;
    buf_init(&text, ERROR_BYTES_MAX + 64);
    buf_printf(&text, "a batch of %u with it failed: %s", event->batch_events,
               buf_str(&inv->run->error));
    event->alone = true;
    event->batch_events = 0;
    int code = engine_need_text(e, s, &text);
    code = code == 0 ? engine_note_failure(e, s, event, end, buf_str(&text)) : code;
    if (code == 0) {
        code = engine_try_again(e, s, item, buf_str(&text), 0);
    }
    buf_clear(&text);
    return code;
}

static int end_item(struct engine *e, struct invocation *inv, size_t i, enum attempt_end end) {
    struct run *run = inv->run;
    struct lane_item *item = inv->batch->items[i];
    struct verdict v = verdict_for(run, i);
    inv->batch->items[i] = NULL;
    e->current_item = item;
    if (run->outcome == OUTCOME_ERROR) {
        return run_alone(e, inv, item, end);
    }
    if (run->outcome == OUTCOME_REJECT && run->culprit > 0 && run->culprit != i + 1) {
        return begin_anew(e, item);
    }
    return engine_end_item(e, inv->service, item, &v);
}

static int discard(struct engine *e, struct engine_service *s, struct lane_item *item,
                   const char *reason) {
    int code = engine_note_attempt(e, item->event, ATTEMPT_CANCELLED, reason);
    return code == 0 ? engine_bury_item(e, s, item, EVENT_DISCARDED, reason) : code;
}

int engine_cancel_in_batch(struct engine *e, struct invocation *inv, const struct event *event,
                           const char *reason) {
    int code = 0;
    run_stop(inv->run); /* what it closes may look at the events */
    engine_note_over(e, inv);
    for (size_t i = 0; code == 0 && i < inv->batch->count; i++) {
        struct lane_item *item = inv->batch->items[i];
        inv->batch->items[i] = NULL;
        e->current_item = item;
        code = uuid_equal(&item->id, &event->id) ? discard(e, inv->service, item, reason)
                                                 : begin_anew(e, item);
    }
    if (code == 0) {
        engine_free_invocation(e, inv);
    }
    return code;
}

int engine_end_batch(struct engine *e, struct invocation *inv, enum attempt_end end) {
    struct run *run = inv->run;
    run_stop(run); /* what it closes may look at the events, which are freed below */
    engine_note_over(e, inv);
    int code = run->outcome == OUTCOME_DONE ? take_effects(e, inv) : 0;
    for (size_t i = 0; code == 0 && i < inv->batch->count; i++) {
        code = end_item(e, inv, i, end);
    }
    if (code == 0) {
        engine_free_invocation(e, inv);
    }
    return code;
}
