/*
 * outcome.c - what each outcome of an invocation means.
 *
 * A failed attempt leaves nothing behind except its history and its finished steps. Effects are
 * applied only by end_done, by engine/batch.c, by engine/durable.c for a step, and by
 * engine/death.c for policies.
 */
#include "engine/outcome.h"

#include "engine/apply.h"
#include "engine/attempt.h"
#include "engine/batch.h"
#include "engine/crash.h"
#include "engine/death.h"
#include "engine/durable.h"
#include "engine/end.h"
#include "engine/impl.h"
#include "engine/input.h"
#include "engine/lane.h"
#include "engine/memory.h"
#include "engine/saga.h"
#include "engine/services.h"
#include "engine/share.h"
#include "engine/spans.h"
#include "engine/wait.h"
#include "event/ledger.h"

#include <assert.h>

/* --- outcomes --- */

/* The attempt is over: releases the invocation and concludes the event. */
static int end_attempt(struct engine *e, struct invocation *inv, enum attempt_end end) {
    struct engine_service *s = inv->service;
    engine_note_over(e, inv);
    struct buf error = inv->run->error;
    struct verdict verdict = {.outcome = inv->run->outcome,
                              .end = end,
                              .error = buf_str(&error),
                              .after_ms = inv->run->after_ms,
                              .key_only = inv->run->key_only,
                              .lacks = inv->run->lacks};
    buf_init(&inv->run->error, error.max);
    int code = engine_end_item(e, s, engine_release(e, inv), &verdict);
    buf_clear(&error);
    return code;
}

static int fail(struct engine *e, struct invocation *inv, enum attempt_end end) {
    int code = engine_need_text(e, inv->service, &inv->run->error);
    if (code != 0) {
        return code;
    }
    if (inv->run->outcome != OUTCOME_RETRY) {
        inv->run->outcome = OUTCOME_ERROR;
    }
    if (inv->batch != NULL) {
        return engine_end_batch(e, inv, end);
    }
    return inv->item->event->undo == UNDO_NONE ? end_attempt(e, inv, end)
                                               : engine_undo_failed(e, inv, end);
}

static int end_done(struct engine *e, struct invocation *inv, enum next *next) {
    struct event *event = inv->item->event;
    struct run *run = inv->run;
    bool conflict = false;
    *next = NEXT_ENDED;
    if (event->undo != UNDO_NONE) {
        return engine_undo_ended(e, inv);
    }
    int code = engine_take_effects(e, inv->service, event, &run->effects, &run->error, &conflict);
    if (conflict) {
        *next = NEXT_FAIL;
        return code;
    }
    return code == 0 ? end_attempt(e, inv, ATTEMPT_ERROR) : code;
}

static int end_error(struct engine *e, struct invocation *inv, enum next *next) {
    (void)e;
    (void)inv;
    *next = NEXT_FAIL;
    return 0;
}

static int end_reject(struct engine *e, struct invocation *inv, enum next *next) {
    *next = NEXT_ENDED;
    return inv->item->event->undo == UNDO_NONE ? end_attempt(e, inv, ATTEMPT_REJECT)
                                               : engine_undo_failed(e, inv, ATTEMPT_REJECT);
}

static int end_put_off(struct engine *e, struct invocation *inv, enum next *next) {
    *next = NEXT_ENDED;
    return end_attempt(e, inv, ATTEMPT_ERROR);
}

/* A request to another host can be repeated without harm, so it need not be recorded. */
static bool is_noted(const struct call_request *request) {
    return request->kind != CALL_KIND_ASK && !call_only_reads(request);
}

/* Records the call in the event, on disk, before it starts. A call of a batch has no key unless the
 * handler set one; it is recorded all the same, because the peer may have acted. */
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
        return ledger_put(event, &note); /* calls without a key share one note */
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
        return 0; /* left from the previous call */
    }
    note.state = call_is_unknown(request, result) ? CALL_UNKNOWN
                 : result->code == 0              ? CALL_ANSWERED
                                                  : CALL_UNSENT;
    note.status = (uint32_t)result->status;
    return ledger_put(event, &note);
}

static int end_call(struct engine *e, struct invocation *inv, enum next *next) {
    size_t count;
    struct lane_item **items = engine_items(inv, &count);
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++) {
        code = note_asked(e, items[i]->event, inv->run->request);
    }
    engine_trace_call(e, inv);
    *next = NEXT_WAIT;
    return code;
}

static int note_all_answered(struct invocation *inv, const struct call_result *result) {
    size_t count;
    struct lane_item **items = engine_items(inv, &count);
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++) {
        code = note_answered(items[i]->event, inv->run->request, result);
    }
    return code;
}

int engine_note_given_up(struct invocation *inv, bool started) {
    const struct call_result result = {.code = ERR_NETWORK, .sent = started};
    return note_all_answered(inv, &result);
}

static int end_yield(struct engine *e, struct invocation *inv, enum next *next) {
    engine_charge_stretch(e, inv);
    *next = NEXT_WAIT;
    return 0;
}

int engine_conclude(struct engine *e, struct invocation *inv) {
    static int (*const outcomes[])(struct engine *, struct invocation *, enum next *) = {
        [OUTCOME_DONE] = end_done,      [OUTCOME_CALL] = end_call,
        [OUTCOME_ERROR] = end_error,    [OUTCOME_RETRY] = end_error,
        [OUTCOME_SNOOZE] = end_put_off, [OUTCOME_THROTTLE] = end_put_off,
        [OUTCOME_REJECT] = end_reject,  [OUTCOME_KEEP] = engine_keep,
        [OUTCOME_SLEEP] = engine_sleep, [OUTCOME_WAIT] = engine_wait,
        [OUTCOME_YIELD] = end_yield,
    };
    culprit_enter(e->culprit, CULPRIT_APPLY);
    if (inv->batch != NULL && inv->run->outcome != OUTCOME_YIELD) {
        engine_charge_batch(e, inv); /* while its lanes are still known */
    }
    assert((size_t)inv->run->outcome < sizeof outcomes / sizeof *outcomes &&
           outcomes[inv->run->outcome] != NULL);
    int code = engine_need_text(e, inv->service, &inv->run->error);
    if (code != 0) {
        return code;
    }
    bool goes_on = inv->run->outcome == OUTCOME_CALL || inv->run->outcome == OUTCOME_YIELD;
    if (inv->batch != NULL && !goes_on) {
        return engine_end_batch(e, inv, ATTEMPT_ERROR);
    }
    enum next next = NEXT_ENDED;
    code = inv->run->durable == NULL ? 0 : engine_note_failed_steps(e, inv);
    if (code == 0) {
        code = outcomes[inv->run->outcome](e, inv, &next);
    }
    if (code != 0 || next == NEXT_ENDED) {
        return code;
    }
    return next == NEXT_WAIT ? engine_await(e, inv) : fail(e, inv, ATTEMPT_ERROR);
}

/* --- resuming --- */

static void make_current(struct engine *e, struct invocation *inv) {
    engine_make_current(e, inv);
    engine_name_culprit(e, inv);
}

/* Its call has ended, or it waited only for the commit. */
static int go_on(struct engine *e, struct invocation *inv, struct call_end *end) {
    bool called = inv->run->outcome == OUTCOME_CALL;
    int code = called ? note_all_answered(inv, &end->result) : 0;
    if (code != 0) {
        return code;
    }
    if (called) {
        run_note_session(inv->run, end->id, &end->result);
        inv->session = inv->run->session;
    }
    engine_trace_resume(e, inv, called ? &end->result : NULL);
    run_resume(inv->run, called ? &end->result : NULL);
    engine_leave_session(e, inv);
    return engine_conclude(e, inv);
}

/* Ids are never reused, so when a call ends that nobody waits for any more, nothing is found. */
int engine_resume(struct engine *e, struct call_end *end) {
    struct invocation *inv = engine_find_call(e, end->id);
    if (inv == NULL) {
        return 0;
    }
    size_t service = inv->service->index;
    uint64_t payer = inv->item->lane->payer;
    bool alone = inv->batch == NULL;
    engine_stop_waiting(e, inv, false);
    make_current(e, inv);
    int code = go_on(e, inv, end);
    if (code == 0) {
        code = engine_settle_deaths(e);
    }
    if (code == 0) {
        engine_charge(e, service, payer, alone);
    }
    culprit_enter(e->culprit, CULPRIT_IDLE);
    return code;
}

static int time_out(struct engine *e, struct invocation *inv) {
    size_t service = inv->service->index;
    uint64_t payer = inv->item->lane->payer;
    bool alone = inv->batch == NULL;
    bool started = inv->call_started;
    engine_stop_waiting(e, inv, true);
    make_current(e, inv);
    int code = inv->run->outcome == OUTCOME_CALL ? engine_note_given_up(inv, started) : 0;
    run_time_out(inv->run, inv->service->conf->timeout_ms);
    code = code == 0 ? fail(e, inv, ATTEMPT_TIMEOUT) : code;
    if (code == 0) {
        code = engine_settle_deaths(e);
    }
    if (code == 0) { /* a retry policy or a dead-letter policy may have run */
        engine_charge(e, service, payer, alone);
    }
    culprit_enter(e->culprit, CULPRIT_IDLE);
    return code;
}

/* At most half a turn of them; the others follow in the next turn. */
int engine_expire_waits(struct engine *e) {
    engine_cut_late(e);
    engine_watch_clock(e);
    int64_t end_us = engine_seen_us(e) + TURN_MS_MAX * 1000 / 2;
    int code = 0;
    for (size_t i = 0; code == 0 && i < e->service_count; i++) {
        const struct engine_service *s = &e->services[i];
        struct invocation *inv;
        while (code == 0 && engine_seen_us(e) < end_us &&
               (inv = engine_first_waiting(e, s)) != NULL && inv->deadline_us <= e->turn_us) {
            code = engine_spare_late(e, inv) ? 0 : time_out(e, inv);
        }
    }
    return code;
}
