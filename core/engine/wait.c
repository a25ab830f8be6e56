/*
 * wait.c - a handler waits for a signal, or for several. If they are stored, it gets them at once.
 * Otherwise the event leaves memory, and stays on disk at the head of its lane. Of several signals
 * the last one wakes it; they are stored until then and are taken here.
 */
#include "engine/wait.h"

#include "engine/attempt.h"
#include "engine/impl.h"
#include "engine/item.h"
#include "engine/lane.h"
#include "engine/retry.h"
#include "engine/signal.h"
#include "engine/timers.h"
#include "engine/waiters.h"
#include "engine/watch.h"
#include "journal/keyed.h"
#include "journal/step.h"

/* The oldest signals of the cell, as many as are wanted, as one value. ERR_NOTFOUND: *found are too
 * few; ERR_LIMIT: together they are too large for a value. */
static int read_signals(struct engine *e, const struct cell *cell, uint32_t wanted, struct buf *out,
                        uint32_t *found) {
    struct kept_signal at = {.seq = 0};
    int code = 0;
    if (wanted > 0) {
        buf_add_u8(out, 'l');
    }
    for (*found = 0; *found < (wanted > 0 ? wanted : 1); (*found)++) {
        code = journal_signal_next(e->journal, cell, e->now_ms, &at);
        if (code != 0) {
            return code;
        }
        if (wanted == 0) {
            buf_add_slice(out, at.value);
        } else if (out->len + at.value.len <= VALUE_BYTES_MAX) {
            buf_add_lv(out, at.value);
        } else {
            return ERR_LIMIT;
        }
    }
    return out->failed ? ERR_MEMORY : 0;
}

static int drop_signals(struct engine *e, const struct cell *cell, uint32_t count) {
    int code = 0;
    while (code == 0 && count-- > 0) {
        struct kept_signal at = {.seq = 0};
        code = journal_signal_next(e->journal, cell, e->now_ms, &at);
        struct timer timer = engine_cell_timer(TIMER_SIGNAL, cell, at.expires_ms, at.seq);
        code = code == 0 ? engine_timer_drop(e, &timer) : code;
        code = code == 0 ? journal_signal_del(e->journal, cell, at.seq) : code;
    }
    return code;
}

/* Makes the oldest signals of the cell the value of the wait. ERR_NOTFOUND: *found are too few;
 * ERR_LIMIT. */
static int take_signals(struct engine *e, struct event *event, const struct cell *cell,
                        const struct run_durable *d, uint32_t *found) {
    struct buf value; /* a write to the store moves what was read from it */
    buf_init(&value, VALUE_BYTES_MAX + 64);
    int code = read_signals(e, cell, d->wanted, &value, found);
    code = code == 0 ? engine_end_wait(e, event, d->step.name, STEP_DONE, buf_slice(&value)) : code;
    buf_clear(&value);
    return code == 0 ? drop_signals(e, cell, d->wanted > 0 ? d->wanted : 1) : code;
}

static int begin_wait(struct engine *e, struct invocation *inv, const struct cell *cell,
                      uint32_t missing, int64_t due_ms) {
    struct event *event = inv->item->event;
    struct slice label = inv->run->durable->step.name;
    struct waiter waiter = {.row = engine_row(event), .label = label};
    struct step step = {.kind = STEP_WAIT,
                        .state = STEP_WAITING,
                        .order = journal_next_seq(e->journal, e->now_ms),
                        .at_ms = e->now_ms,
                        .due_ms = due_ms,
                        .count = missing,
                        .name = label,
                        .value = {cell->name.data, cell->name.len}};
    /* It waits for one name at a time: forget what an earlier run waited for. */
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
    engine_note_over(e, inv);
    struct lane_item *item = engine_release(e, inv);
    engine_show_ending(e, &e->services[item->lane->service], event, EVENT_SLEEPING,
                       (struct slice){NULL, 0});
    return engine_put_off(e, item, EVENT_SLEEPING, due_ms);
}

static int refuse_values(struct invocation *inv, enum next *next) {
    const struct run_durable *d = inv->run->durable;
    buf_reset(&inv->run->error);
    buf_printf(&inv->run->error,
               "zing.wait_all: the %u values of \"%s\" have together more than %d bytes: send less "
               "with each signal",
               (unsigned)d->wanted, d->signal, VALUE_BYTES_MAX);
    *next = NEXT_FAIL;
    return 0;
}

int engine_wait(struct engine *e, struct invocation *inv, enum next *next) {
    struct event *event = inv->item->event;
    struct run_durable *d = inv->run->durable;
    struct cell cell = engine_cell(event, slice_of(d->signal));
    struct step known;
    uint32_t found;
    int code = journal_step_get(e->journal, event, STEP_WAIT, d->step.name, &known);
    if (code != 0 && code != ERR_NOTFOUND) {
        return code;
    }
    /* If it was woken early, it continues to wait until the same time. */
    int64_t due_ms = code == 0 ? known.due_ms : d->step.due_ms;
    code = take_signals(e, event, &cell, d, &found);
    if (code == ERR_LIMIT) {
        return refuse_values(inv, next);
    }
    if (code == ERR_NOTFOUND && due_ms != 0 && due_ms <= e->now_ms) {
        code = engine_end_wait(e, event, d->step.name, STEP_TIMEOUT, (struct slice){NULL, 0});
    }
    *next = code == ERR_NOTFOUND ? NEXT_ENDED : NEXT_WAIT;
    if (code == ERR_NOTFOUND) {
        return begin_wait(e, inv, &cell, d->wanted > 0 ? d->wanted - found : 0, due_ms);
    }
    if (code == 0) {
        code = engine_drop_waiter(e, &cell, event->seq);
    }
    if (code == 0) {
        code = engine_forget_waits(e, event);
    }
    return code;
}
