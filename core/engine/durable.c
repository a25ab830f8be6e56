/*
 * durable.c - what survives a run: finished steps, and sleeps.
 *
 * A step's record and the effects staged in it are written in one transaction. The handler
 * continues after the commit, as if it had waited for a call that the disk answers. So a step is on
 * disk before the next line runs, at the price of a share of one commit.
 */
#include "engine/durable.h"

#include "engine/apply.h"
#include "engine/attempt.h"
#include "engine/impl.h"
#include "engine/lane.h"
#include "engine/retry.h"
#include "engine/services.h"
#include "engine/spans.h"
#include "engine/watch.h"
#include "event/ledger.h"
#include "journal/step.h"

#include <assert.h>

/* The position of a saga step is set when its action begins, that of an undo when it is first
 * tried. Everything else gets its position when it is stored. */
static int order_of(struct engine *e, const struct event *event, const struct step *step,
                    uint64_t *order) {
    struct step earlier;
    int code = journal_step_get(e->journal, event, step->kind, step->name, &earlier);
    bool keeps = code == 0 && step->state != STEP_BEGUN;
    *order = keeps ? earlier.order : journal_next_seq(e->journal, e->now_ms);
    return code == ERR_NOTFOUND ? 0 : code;
}

static int put_step(struct engine *e, struct event *event, const struct step *step) {
    struct step stored = *step;
    stored.at_ms = e->now_ms;
    int code = order_of(e, event, step, &stored.order);
    event->durable = true;
    return code == 0 ? journal_step_put(e->journal, event, &stored) : code;
}

/* Marks the calls of a finished step: they will not be made again. */
static int settle_calls(struct event *event, const struct buf *asked) {
    struct reader r = reader_of(asked->data, asked->len);
    int code = asked->failed ? ERR_MEMORY : 0;
    while (code == 0 && r.at < r.end) {
        code = ledger_settle(event, read_lv(&r));
    }
    return code;
}

int engine_keep(struct engine *e, struct invocation *inv, enum next *next) {
    struct run_durable *d = inv->run->durable;
    struct event *event = inv->item->event;
    bool conflict = false;
    d->open = d->step.kind == STEP_UNDO; /* while it is not finished, a failure counts for it */
    int code =
        engine_take_effects(e, inv->service, event, &d->effects, &inv->run->error, &conflict);
    *next = conflict ? NEXT_FAIL : NEXT_WAIT;
    if (code != 0 || conflict) {
        return code;
    }
    d->open = false;
    code = d->step.state == STEP_DONE ? settle_calls(event, &d->asked) : 0;
    if (code == 0) {
        code = put_step(e, event, &d->step);
    }
    engine_trace_step(e, inv);
    effects_reset(&d->effects);
    if (d->step.state == STEP_DONE) {
        /* It makes progress: only repeated crashes at one place count. */
        event->crashes = 0;
    }
    return code;
}

int engine_sleep(struct engine *e, struct invocation *inv, enum next *next) {
    struct engine_service *s = inv->service;
    struct event *event = inv->item->event;
    int64_t due_ms = inv->run->durable->step.due_ms;
    assert(inv->run->durable->step.kind == STEP_SLEEP && due_ms > 0);
    int code = put_step(e, event, &inv->run->durable->step);
    if (code != 0) {
        return code;
    }
    event->continues = true;
    *next = NEXT_ENDED;
    engine_note_over(e, inv);
    struct lane_item *item = engine_release(e, inv);
    engine_show_ending(e, s, event, EVENT_SLEEPING, (struct slice){NULL, 0});
    return engine_put_off(e, item, EVENT_SLEEPING, due_ms);
}

static int note_failed(struct engine *e, const struct event *event, struct slice name) {
    struct step step;
    int code = journal_step_get(e->journal, event, STEP_SAGA, name, &step);
    if (code != 0 || step.state != STEP_BEGUN) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    struct step failed = {.kind = STEP_SAGA,
                          .state = STEP_FAILED,
                          .order = step.order,
                          .at_ms = e->now_ms,
                          .name = name};
    return journal_step_put(e->journal, event, &failed);
}

int engine_note_failed_steps(struct engine *e, struct invocation *inv) {
    struct run_durable *d = inv->run->durable;
    int code = d->failed.failed ? ERR_MEMORY : 0;
    if (d->failed.len == 0) {
        return code;
    }
    struct reader r = reader_of(d->failed.data, d->failed.len);
    while (code == 0 && r.at < r.end) {
        code = note_failed(e, inv->item->event, read_lv(&r));
    }
    buf_reset(&d->failed);
    return code;
}
