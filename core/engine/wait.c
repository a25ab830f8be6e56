/*
 * wait.c - a handler waits for a signal. If one is stored, it gets it at once. Otherwise the event
 * leaves memory, and stays on disk at the head of its lane.
 */
#include "engine/wait.h"

#include "engine/attempt.h"
#include "engine/impl.h"
#include "engine/item.h"
#include "engine/lane.h"
#include "engine/retry.h"
#include "engine/signal.h"
#include "engine/waiters.h"
#include "engine/watch.h"
#include "journal/keyed.h"
#include "journal/step.h"

/* Makes the oldest signal of the cell the value of the wait. ERR_NOTFOUND. */
static int take_signal(struct engine *e, struct event *event, const struct cell *cell,
                       struct slice label) {
    struct slice value;
    uint64_t seq = 0;
    int code = journal_signal_next(e->journal, cell, e->now_ms, &seq, &value);
    if (code != 0) {
        return code;
    }
    struct buf copy; /* a write to the store moves what was read from it */
    buf_init(&copy, VALUE_BYTES_MAX + 1);
    buf_add_slice(&copy, value);
    code = copy.failed ? ERR_MEMORY : engine_end_wait(e, event, label, STEP_DONE, buf_slice(&copy));
    buf_clear(&copy);
    return code == 0 ? journal_signal_del(e->journal, cell, seq) : code;
}

static int begin_wait(struct engine *e, struct invocation *inv, const struct cell *cell,
                      int64_t due_ms) {
    struct event *event = inv->item->event;
    struct slice label = inv->run->durable->step.name;
    struct waiter waiter = {.row = engine_row(event), .label = label};
    struct step step = {.kind = STEP_WAIT,
                        .state = STEP_WAITING,
                        .order = journal_next_seq(e->journal, e->now_ms),
                        .at_ms = e->now_ms,
                        .due_ms = due_ms,
                        .name = label,
                        .value = {cell->name.data, cell->name.len}};
    /* It waits for one signal at a time: forget what an earlier run waited for. */
    int code = engine_forget_waits(e, event);
    if (code == 0) {
        code = journal_step_put(e->journal, event, &step);
    }
    if (code == 0) {
        code = journal_waiter_put(e->journal, cell, &waiter);
    }
    if (code != 0) {
        return code;
    }
    event->durable = true;
    event->continues = true;
    struct lane_item *item = engine_release(e, inv);
    engine_show_ending(e, &e->services[item->lane->service], event, EVENT_SLEEPING,
                       (struct slice){NULL, 0});
    return engine_put_off(e, item, EVENT_SLEEPING, due_ms);
}

int engine_wait(struct engine *e, struct invocation *inv, enum next *next) {
    struct event *event = inv->item->event;
    struct run_durable *d = inv->run->durable;
    struct cell cell = engine_cell(event, slice_of(d->signal));
    struct step known;
    int code = journal_step_get(e->journal, event, STEP_WAIT, d->step.name, &known);
    if (code != 0 && code != ERR_NOTFOUND) {
        return code;
    }
    /* If it was woken early, it continues to wait until the same time. */
    int64_t due_ms = code == 0 ? known.due_ms : d->step.due_ms;
    code = take_signal(e, event, &cell, d->step.name);
    if (code == ERR_NOTFOUND && due_ms != 0 && due_ms <= e->now_ms) {
        code = engine_end_wait(e, event, d->step.name, STEP_TIMEOUT, (struct slice){NULL, 0});
    }
    *next = code == ERR_NOTFOUND ? NEXT_ENDED : NEXT_WAIT;
    if (code == ERR_NOTFOUND) {
        return begin_wait(e, inv, &cell, due_ms);
    }
    if (code == 0) {
        code = engine_drop_waiter(e, &cell, event->seq);
    }
    if (code == 0) {
        code = engine_forget_waits(e, event);
    }
    return code;
}
