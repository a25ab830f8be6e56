/*
 * outcome.c - an event is tried: its invocation, and what each outcome of it means.
 *
 * An attempt that fails leaves nothing behind but its history and its finished steps: effects are
 * applied only by end_done, by engine/batch.c, for a step by engine/durable.c, and for the policies
 * of a dead letter by engine/bury.c.
 */
#include "engine/impl.h"

#include "event/ledger.h"
#include "journal/event.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* --- the list of waiting invocations --- */

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
        assert(*link != NULL);
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
static void stop_waiting(struct engine *e, struct invocation *inv, bool cancel) {
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

void engine_free_invocation(struct engine *e, struct invocation *inv) {
    assert(inv->call_id == 0);
    if (inv->run != NULL) {
        run_free(inv->run);
    }
    assert(e->running > 0);
    e->running--;
    if (e->current == inv) {
        e->current = NULL;
    }
    free(inv->batch);
    free(inv);
}

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
            stop_waiting(e, inv, true);
            forget_invocation(e, inv);
        }
    }
    e->to_start = NULL;
}

/* --- outcomes --- */

struct lane_item **engine_items(struct invocation *inv, size_t *count) {
    *count = inv->batch == NULL ? 1 : inv->batch->count;
    return inv->batch == NULL ? &inv->item : inv->batch->items;
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

struct lane_item *engine_release(struct engine *e, struct invocation *inv) {
    struct lane_item *item = inv->item;
    assert(inv->batch == NULL);
    engine_note_duration(e, inv);
    engine_free_invocation(e, inv);
    return item;
}

int engine_take_effects(struct engine *e, struct engine_service *s, struct event *event,
                        const struct effects *effects) {
    buf_reset(&e->publishes);
    engine_keep_publishes(e, event);
    int code = engine_apply(e, s, event, effects);
    if (code == 0 && e->publishes.len > 0) {
        code = event_set_publishes(event, buf_slice(&e->publishes));
    }
    return code;
}

int engine_conflict(struct engine *e, struct invocation *inv, const struct effects *effects,
                    bool *found) {
    struct buf *error = &inv->run->error;
    buf_reset(error);
    int code = engine_conflicts(e, inv->service, inv->item->event, effects, error, found);
    return code == 0 && *found ? engine_fail(e, inv, ATTEMPT_ERROR) : code;
}

/* The attempt is over: the invocation goes, the event gets what came of it. */
static int end_attempt(struct engine *e, struct invocation *inv, enum attempt_end end) {
    struct engine_service *s = inv->service;
    struct buf error = inv->run->error;
    struct verdict verdict = {.outcome = inv->run->outcome,
                              .end = end,
                              .error = buf_str(&error),
                              .after_ms = inv->run->after_ms};
    buf_init(&inv->run->error, error.max);
    int code = engine_end_item(e, s, engine_release(e, inv), &verdict);
    buf_clear(&error);
    return code;
}

int engine_fail(struct engine *e, struct invocation *inv, enum attempt_end end) {
    if (inv->run->outcome != OUTCOME_RETRY) {
        inv->run->outcome = OUTCOME_ERROR;
    }
    if (inv->batch != NULL) {
        return engine_end_batch(e, inv, end);
    }
    return inv->item->event->undo == UNDO_NONE ? end_attempt(e, inv, end)
                                               : engine_undo_failed(e, inv, end);
}

static int end_done(struct engine *e, struct invocation *inv) {
    struct event *event = inv->item->event;
    if (event->undo != UNDO_NONE) {
        return engine_undo_ended(e, inv);
    }
    bool conflict = false;
    int code = engine_conflict(e, inv, &inv->run->effects, &conflict);
    if (code != 0 || conflict) {
        return code;
    }
    code = engine_free_expired_lock(e, event);
    if (code == 0) {
        code = engine_take_effects(e, inv->service, event, &inv->run->effects);
    }
    return code == 0 ? end_attempt(e, inv, ATTEMPT_ERROR) : code;
}

static int end_error(struct engine *e, struct invocation *inv) {
    return engine_fail(e, inv, ATTEMPT_ERROR);
}

static int end_reject(struct engine *e, struct invocation *inv) {
    return inv->item->event->undo == UNDO_NONE ? end_attempt(e, inv, ATTEMPT_REJECT)
                                               : engine_undo_failed(e, inv, ATTEMPT_REJECT);
}

static int end_put_off(struct engine *e, struct invocation *inv) {
    return end_attempt(e, inv, ATTEMPT_ERROR);
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

/* What one host asks another may be asked again without harm. */
static bool is_noted(const struct call_request *request) {
    return request->kind != CALL_KIND_ASK && !call_only_reads(request);
}

/* On disk, with the event, before it starts. A call of a batch has no key, unless the handler gave
 * it one: it is noted all the same, because the peer may have acted. */
static int note_asked(struct engine *e, struct event *event, const struct call_request *request) {
    struct slice key = slice_of(request->key == NULL ? "" : request->key);
    struct call_note note;
    if (!is_noted(request)) {
        return 0;
    }
    if (!ledger_find(event->calls, key, &note)) {
        note = (struct call_note){.first_ms = e->now_ms};
    }
    note.asks++;
    if (key.len == 0 && note.asks > 1 && ledger_may_have_acted(&note)) {
        return ledger_put(event, &note); /* calls without a key share a note: the one that counts */
    }
    note.key = key;
    note.label = slice_of(request->label);
    note.state = CALL_ASKED;
    return ledger_put(event, &note);
}

static int note_answered(struct event *event, const struct call_request *request,
                         const struct call_result *result) {
    struct slice key = slice_of(request->key == NULL ? "" : request->key);
    struct call_note note;
    if (!is_noted(request) || !ledger_find(event->calls, key, &note)) {
        return 0;
    }
    if (key.len == 0 && note.state != CALL_ASKED) {
        return 0; /* of the call before it */
    }
    note.state = call_is_unknown(request, result) ? CALL_UNKNOWN
                 : result->code == 0              ? CALL_ANSWERED
                                                  : CALL_UNSENT;
    note.status = (uint32_t)result->status;
    return ledger_put(event, &note);
}

static int end_call(struct engine *e, struct invocation *inv) {
    size_t count;
    struct lane_item **items = engine_items(inv, &count);
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++) {
        code = note_asked(e, items[i]->event, inv->run->request);
    }
    return code == 0 ? engine_await(e, inv) : code;
}

int engine_conclude(struct engine *e, struct invocation *inv) {
    static int (*const outcomes[])(struct engine *, struct invocation *) = {
        [OUTCOME_DONE] = end_done,      [OUTCOME_CALL] = end_call,
        [OUTCOME_ERROR] = end_error,    [OUTCOME_RETRY] = end_error,
        [OUTCOME_SNOOZE] = end_put_off, [OUTCOME_THROTTLE] = end_put_off,
        [OUTCOME_REJECT] = end_reject,  [OUTCOME_KEEP] = engine_keep,
        [OUTCOME_SLEEP] = engine_sleep, [OUTCOME_WAIT] = engine_wait,
    };
    culprit_enter(e->culprit, CULPRIT_APPLY);
    if (inv->batch != NULL) {
        engine_charge_batch(e, inv); /* while its lanes are known */
    }
    assert((size_t)inv->run->outcome < sizeof outcomes / sizeof *outcomes &&
           outcomes[inv->run->outcome] != NULL);
    if (inv->batch != NULL && inv->run->outcome != OUTCOME_CALL) {
        return engine_end_batch(e, inv, ATTEMPT_ERROR);
    }
    int code = engine_note_failed_steps(e, inv);
    return code == 0 ? outcomes[inv->run->outcome](e, inv) : code;
}

/* --- starting --- */

static int end_stale(struct engine *e, struct engine_service *s, struct lane_item *item) {
    engine_note_end(e, s, item->event, EVENT_DONE);
    s->books.done++;
    int code = journal_event_put(e->journal, item->event);
    if (code == 0) {
        code = engine_unplace(e, item);
    }
    return code == 0 ? engine_lane_next(e, item) : code;
}

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

void engine_begin_attempt(struct engine *e, struct engine_service *s, struct event *event) {
    event->state = EVENT_RUNNING;
    event->started_ms = e->now_ms;
    event->attempts += !event->continues && event->undo == UNDO_NONE ? 1 : 0;
    event->continues = false;
    event->batch_events = 0;
    event->version = script_version(e->scripts, s->index);
}

int engine_start(struct engine *e, struct lane_item *item) {
    struct engine_service *s = &e->services[item->lane->service];
    struct event *event = item->event;
    struct invocation *inv = engine_new_invocation(e, s, item);
    e->current_item = item;
    if (inv == NULL) {
        return ERR_MEMORY;
    }
    engine_begin_attempt(e, s, event);
    engine_name_culprit(e, inv);
    enum run_entry entry = event->undo == UNDO_NONE ? RUN_EVENT : RUN_UNDO;
    int code = run_start(&inv->run, e->scripts, s->index, entry, event, NULL, &e->view);
    return code == 0 ? engine_conclude(e, inv) : code;
}

static int put_off_crashed(struct engine *e, struct engine_service *s, struct lane_item *item) {
    double chance = uuid_source_random(&e->ids);
    int64_t delay_ms = service_backoff_ms(s->conf, item->event->crashes, chance);
    return engine_put_off(e, item, EVENT_RETRYING, e->now_ms + (delay_ms > 0 ? delay_ms : 1));
}

int engine_take(struct engine *e, struct lane *lane, struct lane_item **out) {
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
        return engine_bury_item(e, s, item, reason);
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

/* --- resuming --- */

static struct invocation *find_call(struct engine *e, uint64_t id) {
    struct invocation *inv = *call_bucket(e, id);
    while (inv != NULL && inv->call_id != id) {
        inv = inv->hash_next;
    }
    return inv;
}

static void make_current(struct engine *e, struct invocation *inv) {
    e->current = inv;
    e->current_item = inv->batch == NULL ? inv->item : NULL;
    engine_name_culprit(e, inv);
}

static int go_on(struct engine *e, struct invocation *inv, struct call_end *end) {
    if (inv->run->outcome != OUTCOME_CALL) { /* it waited for the commit alone */
        run_resume(inv->run, NULL);
        return engine_conclude(e, inv);
    }
    size_t count;
    struct lane_item **items = engine_items(inv, &count);
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++) {
        code = note_answered(items[i]->event, inv->run->request, &end->result);
    }
    if (code != 0) {
        return code;
    }
    run_resume(inv->run, &end->result);
    return engine_conclude(e, inv);
}

/* Ids are never used twice, so the end of a call that nobody waits for any more finds nobody. */
int engine_resume(struct engine *e, struct call_end *end) {
    struct invocation *inv = find_call(e, end->id);
    if (inv == NULL) {
        return 0;
    }
    size_t service = inv->service->index;
    uint64_t lane = inv->item->lane->hash;
    bool alone = inv->batch == NULL;
    stop_waiting(e, inv, false);
    make_current(e, inv);
    int code = go_on(e, inv, end);
    if (code == 0) {
        engine_charge(e, service, lane, alone);
    }
    culprit_enter(e->culprit, CULPRIT_IDLE);
    return code;
}

int engine_time_out(struct engine *e, struct invocation *inv) {
    char text[32];
    size_t service = inv->service->index;
    uint64_t lane = inv->item->lane->hash;
    bool alone = inv->batch == NULL;
    stop_waiting(e, inv, true);
    make_current(e, inv);
    buf_reset(&inv->run->error);
    buf_printf(&inv->run->error, "timed out: the attempt took longer than %s (timeout)",
               conf_duration_text(inv->service->conf->timeout_ms, text));
    inv->run->outcome = OUTCOME_ERROR;
    int code = engine_fail(e, inv, ATTEMPT_TIMEOUT);
    if (code == 0) { /* a retry policy may have run, or what is done about the dead */
        engine_charge(e, service, lane, alone);
    }
    culprit_enter(e->culprit, CULPRIT_IDLE);
    return code;
}
