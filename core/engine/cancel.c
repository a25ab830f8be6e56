/*
 * cancel.c - a person ends an event that has not ended, whatever it is doing. It is discarded. If
 * its saga has done something, that is undone first, or left as it is, as the person chooses.
 *
 * Commands are carried out between runs, so an event that runs is suspended: it waits for a call,
 * for a commit, or it gave way to others in event.cancelled(). Its call is given up. A handler that
 * gave way is told, and goes on up to its next wait or its end; any other ends where it is. What the
 * attempt has staged is dropped. All of that is one transaction, before the answer: nothing is left
 * to be remembered.
 *
 * In a batch nobody can tell the effects of one event from those of others. So the attempt ends for
 * all of them, and the others run again.
 */
#include "engine/cancel.h"

#include "engine/attempt.h"
#include "engine/batch.h"
#include "engine/bury.h"
#include "engine/crash.h"
#include "engine/durable.h"
#include "engine/find.h"
#include "engine/history.h"
#include "engine/impl.h"
#include "engine/item.h"
#include "engine/outcome.h"
#include "engine/removed.h"
#include "engine/retry.h"
#include "engine/saga.h"
#include "engine/services.h"
#include "engine/share.h"
#include "engine/timers.h"
#include "engine/wake.h"
#include "engine/withdraw.h"
#include "journal/event.h"

enum { LABEL_SHOWN = 500, NAMES_BYTES_MAX = 2048 };

static bool is_live(enum event_state state) {
    return !event_state_ended(state);
}

/* --- what waits --- */

/* Takes the event over. */
static int discard(struct engine *e, struct engine_service *s, struct event **taken,
                   const char *reason) {
    struct event *event = *taken;
    int code = engine_withdraw(e, s, event);
    if (code != 0) {
        return code == ERR_NOTFOUND ? ERR_CORRUPT : code;
    }
    *taken = NULL;
    return engine_bury(e, s, event, EVENT_DISCARDED, reason);
}

/* It stays at its place, to be undone; if it is put off, it becomes due immediately. */
static int compensate(struct engine *e, struct engine_service *s, struct event *event,
                      const char *reason) {
    struct lane_item *item = engine_waiting_item(e, s, event);
    struct row row = engine_row(event);
    bool waits = false;
    int code = item == NULL ? engine_head_waits(e, &row, &waits) : 0;
    if (code == 0) {
        code = engine_begin_undo(e, s, event, UNDO_THEN_DISCARD, reason);
    }
    if (code != 0) {
        return code;
    }
    if (waits) {
        event->state = EVENT_COMPENSATING;
        return engine_wake_now(e, event);
    }
    event->state = EVENT_READY;
    event->due_ms = 0;
    if (item != NULL) {
        engine_drop_body(e, item); /* it is read again when its turn comes */
    }
    return journal_event_put(e->journal, event);
}

/* --- what runs --- */

/* Says what became of the call; it may be one that changes nothing at the peer. */
static void tell_call(const struct call_request *request, bool started, struct buf *reason,
                      struct buf *notes) {
    const char *label = request->label == NULL ? "its call" : request->label;
    const char *what = !started                   ? " was not sent"
                       : call_only_reads(request) ? " was aborted"
                                                  : " was aborted: it may have had its effect";
    buf_printf(reason, "; %.*s%s", LABEL_SHOWN, label, what);
    if (notes != NULL) {
        buf_printf(notes, "%.*s%s\n", LABEL_SHOWN, label, what);
    }
}

/* The attempt goes no further; makes the invocation current. */
static int stop(struct engine *e, struct invocation *inv, struct buf *reason, struct buf *notes) {
    struct run *run = inv->run;
    int code = 0;
    if (run->outcome == OUTCOME_CALL) {
        bool started = inv->call_started || inv->cut;
        tell_call(run->request, started, reason, notes);
        code = engine_note_given_up(inv, started);
    }
    engine_stop_waiting(e, inv, true);
    engine_make_current(e, inv);
    engine_name_culprit(e, inv);
    if (code == 0 && run->outcome == OUTCOME_YIELD) {
        run->cancelled = true;
        run_resume(run, NULL);
        code = run->durable == NULL ? 0 : engine_note_failed_steps(e, inv);
    }
    return code;
}

/* The event of a stopped invocation ends, or has its saga undone. */
static int end_one(struct engine *e, struct invocation *inv, bool undo, const char *reason) {
    struct engine_service *s = inv->service;
    engine_note_over(e, inv);
    struct lane_item *item = engine_release(e, inv);
    struct event *event = item->event;
    bool open = false;
    int code = engine_note_attempt(e, event, ATTEMPT_CANCELLED, reason);
    if (code == 0 && undo) {
        code = engine_saga_open(e, event, NULL, &open);
    }
    if (code != 0 || !open) {
        return code == 0 ? engine_bury_item(e, s, item, EVENT_DISCARDED, reason) : code;
    }
    code = engine_begin_undo(e, s, event, UNDO_THEN_DISCARD, reason);
    return code == 0 ? engine_put_off(e, item, EVENT_COMPENSATING, e->now_ms + 1) : code;
}

static int end_running(struct engine *e, struct invocation *inv, const struct event *event,
                       bool undo, struct buf *reason, struct buf *notes) {
    size_t service = inv->service->index;
    uint64_t payer = inv->item->lane->payer;
    bool alone = inv->batch == NULL;
    engine_watch_clock(e);
    int code = stop(e, inv, reason, notes);
    if (code == 0) {
        code = alone ? end_one(e, inv, undo, buf_str(reason))
                     : engine_cancel_in_batch(e, inv, event, buf_str(reason));
    }
    if (code == 0) {
        engine_charge(e, service, payer, alone);
    }
    if (code == 0 && !alone && notes != NULL) {
        buf_add_str(notes, "the other events of its batch run again\n");
    }
    culprit_enter(e->culprit, CULPRIT_IDLE);
    return code;
}

/* --- the command --- */

/* *open: its saga is to be undone, if the person wants that. c->code: not 0 if the person must say
 * more. */
static int check(struct engine *e, const struct engine_service *s, const struct event *event,
                 struct command *c, bool *open) {
    struct buf names;
    int code = 0;
    buf_init(&names, NAMES_BYTES_MAX);
    *open = false;
    if (event->undo == UNDO_NONE) {
        code = engine_saga_open(e, event, &names, open);
    } else if (!c->without_compensation) {
        c->code = report(&c->report, ERR_EXISTS,
                         "its saga is being undone; --without-compensation "
                         "(without_compensation=1) discards it as it is");
    }
    if (code == 0 && *open && c->compensate) {
        (void)engine_refuse_removed(s, c);
    } else if (code == 0 && *open && !c->without_compensation) {
        c->code =
            report(&c->report, ERR_EXISTS,
                   "its saga has done something (%s): say --compensate (compensate=1) to undo "
                   "that, or --without-compensation (without_compensation=1) to leave it",
                   buf_str(&names));
    }
    buf_clear(&names);
    return code;
}

/* Takes the event over when it is discarded. */
static int cancel(struct engine *e, struct engine_service *s, struct event **taken,
                  struct command *c) {
    struct invocation *inv = engine_find_running(e, s, *taken);
    struct buf reason;
    bool open;
    int code = check(e, s, *taken, c, &open);
    if (code != 0 || c->code != 0) {
        return code;
    }
    bool undo = open && c->compensate;
    buf_init(&reason, ERROR_BYTES_MAX);
    buf_add_str(&reason, "cancelled by ");
    buf_add_slice(&reason, c->who.len == 0 ? slice_of("an operator") : c->who);
    if (inv != NULL) {
        code = end_running(e, inv, *taken, undo, &reason, c->notes);
    } else if (undo) {
        code = compensate(e, s, *taken, buf_str(&reason));
    } else {
        code = discard(e, s, taken, buf_str(&reason));
    }
    buf_clear(&reason);
    return code;
}

int engine_cancel_event(struct engine *e, struct command *c, bool *found) {
    struct engine_service *s;
    struct event *event = NULL;
    int code = engine_find_event(e, c, is_live, &s, &event);
    *found = code == 0;
    if (code != 0) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    code = cancel(e, s, &event, c);
    event_free(event);
    return code;
}
