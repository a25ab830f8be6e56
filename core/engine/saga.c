/*
 * saga.c - undoes the saga of an event that failed for good.
 *
 * The reason is stored as a record (STEP_CAUSE) and the event continues as "compensating": runs of
 * the kind RUN_UNDO, in which each compensation is a step with retries of its own, on the service's
 * schedule. When everything is undone, the event is dead (or discarded) for its original reason. If
 * a compensation fails for good or is no longer reached, the event needs a person: a replay
 * continues with the open compensations; a discard leaves the saga partly undone, which must be
 * requested explicitly.
 *
 * Compensations run strictly in reverse order: a failing one holds up those of earlier steps,
 * because they may rely on it.
 */
#include "engine/saga.h"

#include "base/log.h"
#include "engine/attempt.h"
#include "engine/bury.h"
#include "engine/impl.h"
#include "engine/lane.h"
#include "engine/memory.h"
#include "engine/retry.h"
#include "engine/services.h"
#include "engine/waiters.h"
#include "engine/watch.h"
#include "event/ledger.h"
#include "event/step.h"
#include "journal/step.h"

#include <assert.h>
#include <string.h>

enum { NAMES_BYTES_MAX = 2048 };

static int is_undone(struct engine *e, const struct event *event, struct slice name, bool *undone) {
    struct step undo;
    int code = journal_step_get(e->journal, event, STEP_UNDO, name, &undo);
    *undone = code == 0 && undo.state == STEP_DONE;
    return code == ERR_NOTFOUND ? 0 : code;
}

int engine_saga_open(struct engine *e, const struct event *event, struct buf *names, bool *open) {
    struct step step = {.name = {NULL, 0}};
    int code = event->durable ? 0 : ERR_NOTFOUND;
    *open = false;
    while (code == 0 && (code = journal_step_next(e->journal, event, &step)) == 0) {
        bool undone = true;
        code = step_is_open(&step) ? is_undone(e, event, step.name, &undone) : 0;
        if (code != 0 || undone) {
            continue;
        }
        *open = true;
        if (names == NULL) {
            return 0;
        }
        buf_printf(names, "%s%.*s", names->len == 0 ? "" : ", ", (int)step.name.len,
                   step.name.data);
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* --- beginning --- */

int engine_begin_undo(struct engine *e, struct engine_service *s, struct event *event,
                      enum event_undo undo, const char *reason) {
    char id[UUID_TEXT_BYTES + 1];
    struct step cause = {.kind = STEP_CAUSE,
                         .state = STEP_DONE,
                         .order = journal_next_seq(e->journal, e->now_ms),
                         .at_ms = e->now_ms,
                         .name = {"", 0},
                         .value = slice_of(reason)};
    assert(event->undo == UNDO_NONE && undo != UNDO_NONE && event->durable);
    event->undo = (uint8_t)undo;
    event->continues = false;
    event->errors = 0; /* from now on, of the compensations */
    event->crashes = 0;
    log_warn("engine", "the saga is undone service=%s event=%s reason=\"%.*s\"", s->conf->name,
             uuid_text(&event->id, id), (int)strcspn(reason, "\n"), reason);
    engine_show_ending(e, s, event, EVENT_COMPENSATING, slice_of(reason));
    int code =
        engine_forget_waits(e, event); /* signals that come now are for the next event that waits */
    return code == 0 ? journal_step_put(e->journal, event, &cause) : code;
}

static int undo(struct engine *e, struct engine_service *s, struct lane_item *item,
                const char *reason) {
    int code = engine_begin_undo(e, s, item->event, UNDO_THEN_DEAD, reason);
    return code == 0 ? engine_put_off(e, item, EVENT_COMPENSATING, e->now_ms + 1) : code;
}

int engine_fail_for_good(struct engine *e, struct engine_service *s, struct lane_item *item,
                         const char *reason) {
    if (item->event->undo != UNDO_NONE) {
        return engine_bury_item(e, s, item, EVENT_NEEDS_PERSON, reason);
    }
    bool open = false;
    int code = engine_saga_open(e, item->event, NULL, &open);
    if (code != 0) {
        return code;
    }
    return open ? undo(e, s, item, reason) : engine_bury_item(e, s, item, EVENT_DEAD, reason);
}

/* --- ending --- */

/* The reason why the event failed originally, terminated. */
static int cause_of(struct engine *e, const struct event *event, struct buf *out) {
    struct step cause;
    struct slice none = {"", 0};
    int code = journal_step_get(e->journal, event, STEP_CAUSE, none, &cause);
    if (code == 0) {
        buf_add_slice(out, cause.value);
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int end_undone(struct engine *e, struct engine_service *s, struct lane_item *item) {
    struct buf reason;
    buf_init(&reason, ERROR_BYTES_MAX + 1);
    int code = cause_of(e, item->event, &reason);
    code = code == 0 ? engine_need_text(e, s, &reason) : code;
    if (code == 0) {
        code = engine_bury_item(e, s, item, EVENT_DEAD, buf_str(&reason));
    }
    buf_clear(&reason);
    return code;
}

/* `what` went wrong; the stored reason lists what is undone and what is not. */
static int need_person(struct engine *e, struct engine_service *s, struct lane_item *item,
                       const char *what) {
    struct buf names;
    struct buf reason;
    bool open;
    buf_init(&names, NAMES_BYTES_MAX);
    buf_init(&reason, (size_t)2 * ERROR_BYTES_MAX + NAMES_BYTES_MAX);
    int code = engine_saga_open(e, item->event, &names, &open);
    code = code == 0 ? engine_need_text(e, s, &names) : code;
    if (code == 0) {
        buf_printf(&reason, "%.*s; not undone: %s; it failed as: ", (int)strcspn(what, "\n"), what,
                   buf_str(&names));
        code = cause_of(e, item->event, &reason);
    }
    code = code == 0 ? engine_need_text(e, s, &reason) : code;
    if (code == 0) {
        code = engine_bury_item(e, s, item, EVENT_NEEDS_PERSON, buf_str(&reason));
    }
    buf_clear(&names);
    buf_clear(&reason);
    return code;
}

int engine_undo_ended(struct engine *e, struct invocation *inv) {
    struct engine_service *s = inv->service;
    bool open = false;
    int code = engine_saga_open(e, inv->item->event, NULL, &open);
    if (code != 0) {
        return code;
    }
    engine_note_over(e, inv);
    struct lane_item *item = engine_release(e, inv);
    return open ? need_person(e, s, item,
                              "the handler does not come to these steps any more, so their "
                              "compensations are not known")
                : end_undone(e, s, item);
}

/* --- failing --- */

/* Counts a failed try of a compensation; *tries so far, *last: it is given up. */
static int note_try(struct engine *e, const struct engine_service *s, const struct event *event,
                    struct slice name, const char *error, uint32_t *tries, bool *last) {
    struct step undo = {.kind = STEP_UNDO};
    int code = journal_step_get(e->journal, event, STEP_UNDO, name, &undo);
    if (code == ERR_NOTFOUND) {
        undo.order = journal_next_seq(e->journal, e->now_ms);
    } else if (code != 0) {
        return code;
    }
    *tries = ++undo.count;
    *last = *last || undo.count > s->conf->retries;
    undo.state = *last ? STEP_FAILED : STEP_BEGUN;
    undo.at_ms = e->now_ms;
    undo.name = name;
    undo.value = (struct slice){error, strcspn(error, "\n")};
    return journal_step_put(e->journal, event, &undo);
}

static void describe(const struct run *run, struct slice name, struct buf *out) {
    const char *error = run->error.data == NULL ? "" : run->error.data;
    if (name.len > 0) {
        buf_printf(out, "the compensation of \"%.*s\" failed: ", (int)name.len, name.data);
    } else {
        buf_add_str(out, "undoing the saga failed: ");
    }
    buf_add(out, error, run->error.len);
}

int engine_undo_failed(struct engine *e, struct invocation *inv, enum attempt_end end) {
    struct engine_service *s = inv->service;
    struct lane_item *item = inv->item;
    struct event *event = item->event;
    const struct run_durable *d = inv->run->durable;
    int64_t own_ms = inv->run->outcome == OUTCOME_RETRY ? inv->run->after_ms : -1;
    bool known = d != NULL && d->open && d->step.kind == STEP_UNDO;
    struct slice name = known ? d->step.name : (struct slice){"", 0};
    struct buf text;
    buf_init(&text, (size_t)2 * ERROR_BYTES_MAX);
    describe(inv->run, name, &text);
    engine_note_over(e, inv);
    uint32_t tries = ++event->errors;
    bool last = end == ATTEMPT_REJECT || (!known && tries > s->conf->retries);
    int code = engine_need_text(e, s, &text);
    code = code == 0 ? engine_note_failure(e, s, event, end, buf_str(&text)) : code;
    if (code == 0 && known) {
        code = note_try(e, s, event, name, buf_str(&text), &tries, &last);
    }
    code = code == 0 && last ? engine_need(e, s, inv->run->lacks) : code;
    engine_free_invocation(e, inv);
    if (code == 0 && last) {
        code = need_person(e, s, item, buf_str(&text));
    } else if (code == 0) {
        int64_t by_schedule = service_backoff_ms(s->conf, tries, uuid_source_random(&e->ids));
        code = engine_try_again(e, s, item, buf_str(&text), own_ms >= 0 ? own_ms : by_schedule);
    }
    buf_clear(&text);
    return code;
}

/* --- another round --- */

/* Resets the retry count of a compensation that gave up. */
static int forgive(struct engine *e, const struct event *event) {
    struct step step = {.name = {NULL, 0}};
    int code;
    while ((code = journal_step_next(e->journal, event, &step)) == 0) {
        if (step.kind != STEP_UNDO || step.state != STEP_FAILED) {
            continue;
        }
        /* Deleting its record resets its tries. */
        return journal_step_del(e->journal, event, STEP_UNDO, step.name);
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

int engine_renew_steps(struct engine *e, struct event *event) {
    if (!event->durable) {
        return 0;
    }
    if (event->state == EVENT_NEEDS_PERSON) {
        return forgive(e, event);
    }
    if (event->state == EVENT_DEAD && event->undo == UNDO_NONE) {
        return 0; /* finished steps stay finished */
    }
    /* It starts from the beginning; after compensations with new keys, because peers know the old
     * ones. */
    if (event->undo != UNDO_NONE && event->round < UINT8_MAX) {
        event->round++;
    }
    int code = event->undo != UNDO_NONE ? ledger_supersede_all(event) : 0;
    event->undo = UNDO_NONE;
    event->durable = false;
    return code == 0 ? journal_step_clear(e->journal, event) : code;
}
