/*
 * batch.c - several events are tried in one invocation: services with `batch`.
 *
 * A batch is made of heads of different lanes, so the order within a key holds whatever becomes of
 * each event. Its effects are applied once, in the commit that ends the events which are done; the
 * one of them with the most hops counts as their cause, so that a loop through batches is found
 * too. What the handler names as failed has tries of its own. A batch that fails as a whole does
 * not tell which of its events is to blame: from then on each of them runs alone.
 */
#include "engine/impl.h"

#include "journal/event.h"

#include <stdlib.h>

/* --- starting --- */

/* Whether the event can share its run. One that took the host down cannot. */
static bool may_share(const struct event *event) {
    return event->kind == EVENT_MESSAGE && event->crashes == 0 && !event->alone && !event->durable;
}

/* Without a key rule the events of a batch have one key, so that the handler has its state. */
static bool fit(const struct engine *e, const struct engine_service *s, const struct event *a,
                const struct event *b) {
    bool one_key = s->conf->key.kind != RULE_NONE || slice_equal(a->key, b->key);
    return one_key && script_same_function(e->scripts, s->index, a->topic, b->topic);
}

/* The lane whose head joins a batch that `first` begins; *lane NULL: none does now. */
static int find_company(struct engine *e, struct engine_service *s, const struct event *first,
                        struct lane **lane) {
    struct lane *next = lanes_peek(e->lanes, s->index);
    *lane = NULL;
    if (next == NULL) {
        return 0;
    }
    int code = engine_load_body(e, s, next->head);
    if (code != 0) {
        return code == ERR_NOTFOUND ? 0 : code; /* one that cannot be read has no company */
    }
    const struct event *event = next->head->event;
    *lane = may_share(event) && fit(e, s, first, event) ? next : NULL;
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
        code = find_company(e, s, b->events[0], &lane);
    }
    return code;
}

static int start_with(struct engine *e, struct lane_item *item, struct lane *lane, size_t most,
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

int engine_start_batch(struct engine *e, struct lane_item *item, size_t *count) {
    struct engine_service *s = &e->services[item->lane->service];
    size_t most = e->careful ? 1 : engine_step(e, s->conf->batch);
    struct lane *lane = NULL;
    int code = 0;
    *count = 1;
    bool room = item->event->payload.len < BATCH_BYTES_MAX;
    if (most > 1 && room && may_share(item->event)) {
        code = find_company(e, s, item->event, &lane);
    }
    if (code != 0) {
        return code;
    }
    return lane == NULL ? engine_start(e, item) : start_with(e, item, lane, most, count);
}

/* --- ending --- */

static bool is_done(const struct run *run, size_t i) {
    return run->outcome == OUTCOME_DONE &&
           (run->failures == NULL || run->failures[i].reason == NULL);
}

/* The done event to which the effects belong; NULL: none is done. */
static struct event *find_lead(const struct invocation *inv) {
    struct event *lead = NULL;
    for (size_t i = 0; i < inv->batch->count; i++) {
        struct event *event = inv->batch->events[i];
        bool leads = lead == NULL || event->hops > lead->hops;
        lead = is_done(inv->run, i) && leads ? event : lead;
    }
    return lead;
}

static int take_effects(struct engine *e, struct invocation *inv) {
    struct run *run = inv->run;
    struct event *lead = find_lead(inv);
    bool conflict = false;
    if (lead == NULL) {
        return 0;
    }
    buf_reset(&run->error);
    int code = engine_conflicts(e, inv->service, lead, &run->effects, &run->error, &conflict);
    if (code != 0 || conflict) {
        run->outcome = OUTCOME_ERROR;
        return code;
    }
    for (size_t i = 0; i < inv->batch->count; i++) {
        inv->batch->events[i]->batch = lead->id;
    }
    return engine_take_effects(e, inv->service, lead, &run->effects);
}

/* What the run means for its i-th event. */
static struct verdict verdict_for(struct run *run, size_t i) {
    struct verdict v = {.outcome = run->outcome,
                        .end = ATTEMPT_ERROR,
                        .error = buf_str(&run->error),
                        .after_ms = run->after_ms};
    if (run->outcome == OUTCOME_DONE && !is_done(run, i)) {
        v.outcome = run->failures[i].dead ? OUTCOME_REJECT : OUTCOME_ERROR;
        v.error = run->failures[i].reason;
    }
    return v;
}

/* The batch came upon an event without JSON: that one is dead, the others begin anew. They do so
 * together, but for those whose JSON would stop the next run too. */
static int begin_anew(struct engine *e, struct lane_item *item) {
    struct event *event = item->event;
    struct report r;
    event->attempts--;
    event->alone = event_json(event, &r) == NULL;
    event->batch_events = 0;
    return engine_put_off(e, item, EVENT_SLEEPING, e->now_ms + 1);
}

/* The batch failed, and nobody knows through which event: each runs alone, at once, and what
 * becomes of it then counts. */
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
    int code = engine_note_failure(e, s, event, end, buf_str(&text));
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

int engine_end_batch(struct engine *e, struct invocation *inv, enum attempt_end end) {
    struct run *run = inv->run;
    run_stop(run); /* what it closes may look at the events, which go now */
    engine_note_duration(e, inv);
    int code = run->outcome == OUTCOME_DONE ? take_effects(e, inv) : 0;
    for (size_t i = 0; code == 0 && i < inv->batch->count; i++) {
        code = end_item(e, inv, i, end);
    }
    if (code == 0) {
        engine_free_invocation(e, inv);
    }
    return code;
}
