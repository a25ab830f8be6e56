/*
 * engine_run.c - an event is tried: its invocation, and one function for each outcome.
 *
 * An attempt that fails leaves nothing behind but its history: effects are applied only by
 * end_done and, for the policies of a dead letter, in engine_bury.c.
 */
#include "engine_impl.h"

#include "ledger.h"
#include "log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    while (after != NULL && after->deadline_ms > inv->deadline_ms) {
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

/* Not waiting for anything any more. */
static void invocation_free(struct engine *e, struct invocation *inv) {
    assert(inv->call_id == 0);
    if (inv->run != NULL) {
        run_free(inv->run);
    }
    assert(e->running > 0);
    e->running--;
    if (e->current == inv) {
        e->current = NULL;
    }
    free(inv);
}

void engine_forget_invocations(struct engine *e) {
    if (e->current != NULL) {
        invocation_free(e, e->current);
    }
    if (e->current_item != NULL) {
        event_free(e->current_item->event);
        free(e->current_item);
        e->current_item = NULL;
    }
    for (size_t i = 0; i < e->service_count; i++) {
        struct invocation *next = NULL;
        for (struct invocation *inv = e->services[i].waiting_head; inv != NULL; inv = next) {
            next = inv->next;
            stop_waiting(e, inv, true);
            event_free(inv->item->event);
            free(inv->item);
            invocation_free(e, inv);
        }
    }
    e->to_start = NULL;
}

/* --- outcomes --- */

struct lane_item *engine_release(struct engine *e, struct invocation *inv) {
    struct lane_item *item = inv->item;
    int64_t us = e->doors.monotonic_us(e->doors.ctx) - inv->started_us;
    item->event->duration_us = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
    histogram_add(&inv->service->handler, us);
    invocation_free(e, inv);
    return item;
}

int engine_put_off(struct engine *e, struct lane_item *item, enum event_state state,
                   int64_t due_ms) {
    struct event *event = item->event;
    event->state = (uint8_t)(event->undo == UNDO_NONE ? state : EVENT_COMPENSATING);
    event->due_ms = due_ms;
    if (due_ms == 0) { /* until somebody wakes it */
        return engine_lane_block(e, item, LANE_WAITING);
    }
    struct timer timer = {.kind = TIMER_EVENT,
                          .partition = event->partition,
                          .due_ms = due_ms,
                          .row = engine_row(event)};
    int code = engine_timer_put(e, &timer);
    return code == 0 ? engine_lane_block(e, item, LANE_WAITING) : code;
}

int engine_take_effects(struct engine *e, struct invocation *inv, const struct effects *effects) {
    struct event *event = inv->item->event;
    buf_reset(&e->publishes);
    engine_keep_publishes(e, event);
    int code = engine_apply(e, inv->service, event, effects);
    if (code == 0 && e->publishes.len > 0) {
        code = event_set_publishes(event, buf_slice(&e->publishes));
    }
    return code;
}

int engine_conflict(struct engine *e, struct invocation *inv, const struct effects *effects,
                    bool *found) {
    struct buf *error = &inv->run->error;
    buf_reset(error);
    *found = engine_conflicts(e, inv->service, inv->item->event, effects, error);
    return *found ? engine_fail(e, inv, ATTEMPT_ERROR) : 0;
}

static int end_done(struct engine *e, struct invocation *inv) {
    struct engine_service *s = inv->service;
    struct event *event = inv->item->event;
    if (event->undo != UNDO_NONE) {
        return engine_undo_ended(e, inv);
    }
    bool conflict = false;
    int code = engine_conflict(e, inv, &inv->run->effects, &conflict);
    if (conflict) {
        return code;
    }
    if (event->kind == EVENT_LOCK_EXPIRED) {
        struct slice name;
        (void)property_find(event->properties, "zingq-lock", &name);
        struct cell cell = engine_cell(event, name);
        code = journal_lock_del(e->journal, &cell);
        code = code == ERR_NOTFOUND ? 0 : code;
    }
    if (code == 0) {
        code = engine_take_effects(e, inv, &inv->run->effects);
    }
    if (code == 0) {
        code = engine_forget_waits(e, event);
    }
    if (code != 0) {
        return code;
    }
    struct lane_item *item = engine_release(e, inv);
    engine_note_end(e, s, event, EVENT_DONE);
    s->books.done++;
    metrics_done(&s->metrics, e->now_ms, (e->now_ms - engine_round_ms(e, event)) * 1000);
    engine_note_ending(e, s, event, EVENT_DONE, (struct slice){NULL, 0});
    code = journal_event_put(e->journal, event);
    if (code == 0) {
        code = engine_unplace(e, item);
    }
    return code == 0 ? engine_lane_next(e, item) : code;
}

int engine_await(struct engine *e, struct invocation *inv) {
    inv->call_id = ++e->last_call_id;
    inv->call_started = false;
    enter_calls(e, inv);
    enter_waiting(inv->service, inv);
    inv->start_next = e->to_start;
    e->to_start = inv;
    e->current = NULL;
    e->current_item = NULL;
    return engine_save(e, inv->item);
}

/* On disk, with the event, before it starts. */
static int note_asked(struct engine *e, struct event *event, const struct call_request *request) {
    struct call_note note;
    if (request->key == NULL) {
        return 0;
    }
    if (!ledger_find(event->calls, slice_of(request->key), &note)) {
        note = (struct call_note){.first_ms = e->now_ms};
    }
    note.key = slice_of(request->key);
    note.label = slice_of(request->label);
    note.state = CALL_ASKED;
    note.asks++;
    return ledger_put(event, &note);
}

static int note_answered(struct event *event, const struct call_request *request,
                         const struct call_result *result) {
    struct call_note note;
    if (request->key == NULL || !ledger_find(event->calls, slice_of(request->key), &note)) {
        return 0;
    }
    note.state = result->code == 0 ? CALL_ANSWERED : result->sent ? CALL_UNKNOWN : CALL_UNSENT;
    note.status = (uint32_t)result->status;
    return ledger_put(event, &note);
}

static int end_call(struct engine *e, struct invocation *inv) {
    int code = note_asked(e, inv->item->event, inv->run->request);
    return code == 0 ? engine_await(e, inv) : code;
}

/* After a failure: the delay before the next attempt, or dead with a reason in `reason`. */
static bool next_delay(struct engine *e, const struct invocation *inv, int64_t *delay_ms,
                       struct buf *reason) {
    struct engine_service *s = inv->service;
    struct event *event = inv->item->event;
    struct retry_verdict verdict;
    struct report r;
    const char *error = buf_str(&inv->run->error);
    bool own = inv->run->outcome == OUTCOME_RETRY && inv->run->after_ms >= 0;
    int code = run_retry_policy(e->scripts, s->index, event, error, &e->view, &verdict, &r);
    if (code == 0) {
        *delay_ms = own ? inv->run->after_ms : verdict.after_ms;
        if (verdict.dead) {
            buf_add_str(reason, verdict.reason);
        }
        return !verdict.dead;
    }
    if (code != ERR_NOTFOUND) {
        log_error("engine",
                  "the retry policy of service \"%s\" failed, the numbers of topics.conf "
                  "are used error=\"%s\"",
                  s->conf->name, r.text);
    }
    if (event->errors > s->conf->retries) {
        buf_add_str(reason, error);
        return false;
    }
    *delay_ms = own ? inv->run->after_ms
                    : service_backoff_ms(s->conf, event->errors, uuid_source_random(&e->ids));
    return true;
}

/* Whoever writes a handler looks at the log first. The traceback is for `zingq trace`. */
static void log_retry(const struct engine_service *s, const struct event *event, const char *error,
                      int64_t delay_ms) {
    char id[UUID_TEXT_BYTES + 1];
    log_info("engine",
             "attempt failed service=%s event=%s attempt=%u again_in_ms=%lld error=\"%.*s\"",
             s->conf->name, uuid_text(&event->id, id), event->attempts, (long long)delay_ms,
             (int)strcspn(error, "\n"), error);
}

int engine_fail(struct engine *e, struct invocation *inv, enum attempt_end end) {
    struct engine_service *s = inv->service;
    struct event *event = inv->item->event;
    if (event->undo != UNDO_NONE) {
        return engine_undo_failed(e, inv, end);
    }
    event->errors++;
    s->books_dirty = true;
    if (end == ATTEMPT_TIMEOUT) {
        event->timeouts++;
        s->books.timeouts++;
    }
    metrics_failed(&s->metrics, e->now_ms);
    event->duration_us = (uint32_t)(e->doors.monotonic_us(e->doors.ctx) - inv->started_us);
    int code = engine_note_attempt(e, event, end, buf_str(&inv->run->error));
    if (code != 0) {
        return code;
    }
    struct buf reason;
    buf_init(&reason, ERROR_BYTES_MAX + 1024);
    int64_t delay_ms = 0;
    bool again = next_delay(e, inv, &delay_ms, &reason);
    if (again) {
        engine_note_ending(e, s, event, EVENT_RETRYING, buf_slice(&inv->run->error));
        log_retry(s, event, buf_str(&inv->run->error), delay_ms);
    }
    struct lane_item *item = engine_release(e, inv);
    if (again) {
        s->books.retries++;
        code = engine_put_off(e, item, EVENT_RETRYING, e->now_ms + (delay_ms > 0 ? delay_ms : 1));
    } else {
        code = engine_bury_item(e, s, item, buf_str(&reason));
    }
    buf_clear(&reason);
    return code;
}

static int end_error(struct engine *e, struct invocation *inv) {
    return engine_fail(e, inv, ATTEMPT_ERROR);
}

static int end_reject(struct engine *e, struct invocation *inv) {
    struct engine_service *s = inv->service;
    if (inv->item->event->undo != UNDO_NONE) {
        return engine_undo_failed(e, inv, ATTEMPT_REJECT);
    }
    metrics_failed(&s->metrics, e->now_ms);
    struct buf reason = inv->run->error;
    buf_init(&inv->run->error, reason.max);
    struct lane_item *item = engine_release(e, inv);
    int code = engine_note_attempt(e, item->event, ATTEMPT_REJECT, buf_str(&reason));
    if (code == 0) {
        code = engine_bury_item(e, s, item, buf_str(&reason));
    }
    buf_clear(&reason);
    return code;
}

static int64_t at_least_1ms(int64_t ms) {
    return ms > 0 ? ms : 1;
}

static int end_snooze(struct engine *e, struct invocation *inv) {
    struct engine_service *s = inv->service;
    int64_t due_ms = e->now_ms + at_least_1ms(inv->run->after_ms);
    int code = engine_note_attempt(e, inv->item->event, ATTEMPT_SNOOZE, buf_str(&inv->run->error));
    struct lane_item *item = engine_release(e, inv);
    item->event->snoozes++;
    s->books.snoozes++;
    s->books_dirty = true;
    engine_note_ending(e, s, item->event, EVENT_SLEEPING, (struct slice){NULL, 0});
    return code == 0 ? engine_put_off(e, item, EVENT_SLEEPING, due_ms) : code;
}

static int end_throttle(struct engine *e, struct invocation *inv) {
    struct engine_service *s = inv->service;
    int64_t until_ms = e->now_ms + at_least_1ms(inv->run->after_ms);
    lanes_throttle(e->lanes, s->index, until_ms);
    s->throttled_until_ms = until_ms;
    int code =
        engine_note_attempt(e, inv->item->event, ATTEMPT_THROTTLE, buf_str(&inv->run->error));
    struct lane_item *item = engine_release(e, inv);
    item->event->throttles++;
    s->books.throttles++;
    s->books_dirty = true;
    engine_note_ending(e, s, item->event, EVENT_SLEEPING, (struct slice){NULL, 0});
    return code == 0 ? engine_put_off(e, item, EVENT_SLEEPING, until_ms) : code;
}

static int conclude(struct engine *e, struct invocation *inv) {
    static int (*const outcomes[])(struct engine *, struct invocation *) = {
        [OUTCOME_DONE] = end_done,     [OUTCOME_CALL] = end_call,
        [OUTCOME_ERROR] = end_error,   [OUTCOME_RETRY] = end_error,
        [OUTCOME_SNOOZE] = end_snooze, [OUTCOME_THROTTLE] = end_throttle,
        [OUTCOME_REJECT] = end_reject, [OUTCOME_DISCARD] = end_done,
        [OUTCOME_KEEP] = engine_keep,  [OUTCOME_SLEEP] = engine_sleep,
        [OUTCOME_WAIT] = engine_wait,
    };
    assert((size_t)inv->run->outcome < sizeof outcomes / sizeof *outcomes);
    int code = engine_note_failed_steps(e, inv);
    return code == 0 ? outcomes[inv->run->outcome](e, inv) : code;
}

/* --- starting --- */

static int load_body(struct engine *e, struct engine_service *s, struct lane_item *item) {
    if (item->event != NULL) {
        return 0;
    }
    int code =
        journal_event_get(e->journal, item->lane->partition, &item->id, s->number, &item->event);
    return code == ERR_NOTFOUND ? ERR_CORRUPT : code;
}

/* Running on disk at the start of an attempt: the host went down in the last one. Returns whether
 * it was one too many. */
static int note_crash(struct engine *e, struct engine_service *s, struct event *event,
                      bool *too_many) {
    *too_many = false;
    if (event->state != EVENT_RUNNING || !e->count_crashes) {
        return 0;
    }
    event->crashes++;
    event->duration_us = 0;
    s->books.crashes++;
    s->books_dirty = true;
    *too_many = event->crashes >= s->conf->crashes && s->conf->crashes > 0;
    return engine_note_attempt(e, event, ATTEMPT_CRASH,
                               "the host went down while this attempt ran");
}

/* A lock that was extended or released after its time ran out is none of the handler's business.
 * One that is gone because its expiry ended dead is: a replay of that is there to handle it. */
static bool expiry_is_stale(struct engine *e, const struct event *event) {
    struct slice name;
    if (event->kind != EVENT_LOCK_EXPIRED ||
        !property_find(event->properties, "zingq-lock", &name)) {
        return false;
    }
    struct cell cell = engine_cell(event, name);
    struct lock lock;
    if (journal_lock_get(e->journal, &cell, &lock) != 0) {
        return !event->replayed;
    }
    return lock.expires_ms == 0 || lock.expires_ms > e->now_ms;
}

static int end_stale(struct engine *e, struct engine_service *s, struct lane_item *item) {
    engine_note_end(e, s, item->event, EVENT_DONE);
    s->books.done++;
    int code = journal_event_put(e->journal, item->event);
    if (code == 0) {
        code = engine_unplace(e, item);
    }
    return code == 0 ? engine_lane_next(e, item) : code;
}

static int start_run(struct engine *e, struct engine_service *s, struct lane_item *item) {
    struct event *event = item->event;
    struct invocation *inv = calloc(1, sizeof *inv);
    if (inv == NULL) {
        return ERR_MEMORY;
    }
    inv->item = item;
    inv->service = s;
    inv->started_us = e->doors.monotonic_us(e->doors.ctx);
    inv->deadline_ms = e->now_ms + s->conf->timeout_ms;
    event->state = EVENT_RUNNING;
    if (!event->continues && event->undo == UNDO_NONE) {
        event->attempts++;
        event->started_ms = e->now_ms;
    }
    event->continues = false;
    event->version = script_version(e->scripts, s->index);
    e->running++;
    e->current = inv;
    enum run_entry entry = event->undo == UNDO_NONE ? RUN_EVENT : RUN_UNDO;
    int code = run_start(&inv->run, e->scripts, s->index, entry, event, NULL, &e->view);
    return code == 0 ? conclude(e, inv) : code;
}

int engine_take(struct engine *e, struct lane *lane, struct lane_item **out, bool *suspect) {
    struct engine_service *s = &e->services[lane->service];
    struct lane_item *item = lanes_start(e->lanes, lane);
    e->current_item = item;
    *out = NULL;
    bool too_many = false;
    int code = load_body(e, s, item);
    *suspect = code == 0 && item->event->state == EVENT_RUNNING;
    if (code == 0) {
        code = note_crash(e, s, item->event, &too_many);
    }
    if (code == 0 && too_many) {
        char reason[128];
        (void)snprintf(reason, sizeof reason,
                       "the host went down %u times while this event's handler ran (crashes = %u)",
                       item->event->crashes, s->conf->crashes);
        return engine_bury_item(e, s, item, reason);
    }
    if (code == 0 && expiry_is_stale(e, item->event)) {
        return end_stale(e, s, item);
    }
    *out = item;
    return code;
}

int engine_start(struct engine *e, struct lane_item *item) {
    e->current_item = item;
    return start_run(e, &e->services[item->lane->service], item);
}

/* --- resuming --- */

static struct invocation *find_call(struct engine *e, uint64_t id) {
    struct invocation *inv = *call_bucket(e, id);
    while (inv != NULL && inv->call_id != id) {
        inv = inv->hash_next;
    }
    return inv;
}

/* Ids are never used twice, so the end of a call that nobody waits for any more finds nobody. */
int engine_resume(struct engine *e, struct call_end *end) {
    struct invocation *inv = find_call(e, end->id);
    if (inv == NULL) {
        return 0;
    }
    stop_waiting(e, inv, false);
    e->current = inv;
    e->current_item = inv->item;
    if (inv->run->outcome != OUTCOME_CALL) { /* it waited for the commit alone */
        run_resume(inv->run, NULL);
        return conclude(e, inv);
    }
    int code = note_answered(inv->item->event, inv->run->request, &end->result);
    if (code != 0) {
        return code;
    }
    run_resume(inv->run, &end->result);
    return conclude(e, inv);
}

int engine_time_out(struct engine *e, struct invocation *inv) {
    char text[32];
    stop_waiting(e, inv, true);
    e->current = inv;
    e->current_item = inv->item;
    buf_reset(&inv->run->error);
    buf_printf(&inv->run->error, "timed out: the attempt took longer than %s (timeout)",
               conf_duration_text(inv->service->conf->timeout_ms, text));
    inv->run->outcome = OUTCOME_ERROR;
    return engine_fail(e, inv, ATTEMPT_TIMEOUT);
}
