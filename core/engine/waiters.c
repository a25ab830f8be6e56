/*
 * waiters.c - the records of a wait: the step that says what an event waits for, and the row that
 * leads from a signal to it.
 */
#include "engine/waiters.h"

#include "engine/impl.h"
#include "engine/item.h"
#include "journal/keyed.h"
#include "journal/step.h"

#include <string.h>

int engine_end_wait(struct engine *e, struct event *event, struct slice label,
                    enum step_state state, struct slice value) {
    struct step step = {.kind = STEP_WAIT,
                        .state = state,
                        .order = journal_next_seq(e->journal, e->now_ms),
                        .at_ms = e->now_ms,
                        .name = label,
                        .value = value};
    event->durable = true;
    return journal_step_put(e->journal, event, &step);
}

int engine_drop_waiter(struct engine *e, const struct cell *cell, uint64_t seq) {
    int code = journal_waiter_del(e->journal, cell, seq);
    return code == ERR_NOTFOUND ? 0 : code;
}

static int forget_wait(struct engine *e, const struct event *event, const struct step *wait) {
    char name[STATE_NAME_BYTES_MAX]; /* a write to the store moves what was read from it */
    char label[STEP_LABEL_BYTES_MAX];
    size_t name_len = wait->value.len < sizeof name ? wait->value.len : sizeof name;
    if (wait->name.len > sizeof label) {
        return ERR_CORRUPT;
    }
    memcpy(name, wait->value.data, name_len);
    memcpy(label, wait->name.data, wait->name.len);
    struct cell cell = engine_cell(event, (struct slice){name, name_len});
    int code = engine_drop_waiter(e, &cell, event->seq);
    return code != 0 ? code
                     : journal_step_del(e->journal, event, STEP_WAIT,
                                        (struct slice){label, wait->name.len});
}

int engine_forget_waits(struct engine *e, const struct event *event) {
    struct step step = {.name = {NULL, 0}};
    int code = event->durable ? 0 : ERR_NOTFOUND;
    while (code == 0 && (code = journal_step_next(e->journal, event, &step)) == 0) {
        if (step.kind == STEP_WAIT && step.state == STEP_WAITING) {
            code = forget_wait(e, event, &step);
            step = (struct step){.name = {NULL, 0}}; /* what it pointed to has moved */
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* Its waiter, as its row is now. */
static int put_waiter(struct engine *e, const struct event *event, const struct step *wait) {
    char name[STATE_NAME_BYTES_MAX]; /* a write to the store moves what was read from it */
    char label[STEP_LABEL_BYTES_MAX];
    size_t name_len = wait->value.len;
    size_t label_len = wait->name.len;
    if (name_len > sizeof name || label_len > sizeof label) {
        return 0; /* no event that exists waits so */
    }
    memcpy(name, wait->value.data, name_len);
    memcpy(label, wait->name.data, label_len);
    const struct cell cell = engine_cell(event, (struct slice){name, name_len});
    const struct waiter waiter = {.row = engine_row(event), .label = {label, label_len}};
    return journal_waiter_put(e->journal, &cell, &waiter);
}

int engine_renew_wait(struct engine *e, const struct event *event, bool *waits) {
    struct step step = {.name = {NULL, 0}};
    int code = event->durable ? 0 : ERR_NOTFOUND;
    *waits = false;
    while (code == 0 && !*waits && (code = journal_step_next(e->journal, event, &step)) == 0) {
        *waits = step.kind == STEP_WAIT && step.state == STEP_WAITING;
        code = *waits ? put_waiter(e, event, &step) : 0;
    }
    return code == ERR_NOTFOUND ? 0 : code;
}
