/*
 * cancel.c - a person ends an event that is put off: one that sleeps, waits for a signal or for its
 * next attempt. It is discarded. If its saga has done something, that is undone first, or left as
 * it is, as the person chooses.
 *
 * Left out on purpose: events that run or are about to. They soon end by themselves. Those of a
 * service that topics.conf no longer has do not: all of them can be cancelled.
 */
#include "engine/cancel.h"

#include "engine/bury.h"
#include "engine/find.h"
#include "engine/impl.h"
#include "engine/item.h"
#include "engine/place.h"
#include "engine/removed.h"
#include "engine/saga.h"
#include "engine/services.h"
#include "engine/timers.h"
#include "engine/wake.h"

static const char CANCELLED[] = "cancelled by an operator";

static bool is_live(enum event_state state) {
    return !event_state_ended(state);
}

/* Takes the event over. */
static int discard(struct engine *e, struct engine_service *s, struct event **taken,
                   const struct row *row) {
    struct event *event = *taken;
    uint8_t flags;
    int code = s->removed ? engine_take_row(e, s, event, &flags) : engine_drop_wake(e, event);
    if (code == 0 && !s->removed) {
        code = engine_lane_drop_head(e, s, row);
    }
    if (code != 0) {
        return code;
    }
    *taken = NULL;
    return engine_bury(e, s, event, EVENT_DISCARDED, CANCELLED);
}

/* It stays at its place and becomes due immediately, to be undone. */
static int compensate(struct engine *e, struct engine_service *s, struct event *event) {
    int code = engine_begin_undo(e, s, event, UNDO_THEN_DISCARD, CANCELLED);
    event->state = EVENT_COMPENSATING;
    return code == 0 ? engine_wake_now(e, event) : code;
}

/* Takes the event over when it is discarded. */
static int cancel(struct engine *e, struct engine_service *s, struct event **taken,
                  struct command *c) {
    struct event *event = *taken;
    struct buf names;
    bool open = false;
    buf_init(&names, 2048);
    bool waits = false;
    struct row row = engine_row(event);
    int code = engine_head_waits(e, &row, &waits);
    if (code == 0 && event->undo == UNDO_NONE) {
        code = engine_saga_open(e, event, &names, &open);
    }
    bool stands = waits && event_state_put_off((enum event_state)event->state);
    if (code == 0 && !stands && !s->removed) {
        c->code = report(&c->report, ERR_EXISTS,
                         "it is %s: an event can be cancelled while it sleeps, waits for a signal "
                         "or for its next try",
                         event_state_name((enum event_state)event->state));
    } else if (code == 0 && event->undo != UNDO_NONE && !c->without_compensation) {
        c->code = report(&c->report, ERR_EXISTS,
                         "its saga is being undone; --without-compensation "
                         "(without_compensation=1) discards it as it is");
    } else if (code == 0 && open && c->compensate && engine_refuse_removed(s, c)) {
        code = 0;
    } else if (code == 0 && open && !c->compensate && !c->without_compensation) {
        c->code =
            report(&c->report, ERR_EXISTS,
                   "its saga has done something (%s): say --compensate (compensate=1) to undo "
                   "that, or --without-compensation (without_compensation=1) to leave it",
                   buf_str(&names));
    } else if (code == 0) {
        code = open && c->compensate ? compensate(e, s, event) : discard(e, s, taken, &row);
        code = code == ERR_NOTFOUND ? ERR_CORRUPT : code;
    }
    buf_clear(&names);
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
