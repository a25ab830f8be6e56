/*
 * engine_cancel.c - a person ends an event that waits: one that sleeps, waits for a signal or for
 * its next try. It is discarded; when its saga has done something, that is undone first, or left as
 * it is, as the person says.
 *
 * Left out on purpose: events that run or are about to. They end by themselves, soon.
 */
#include "engine_impl.h"

#include <assert.h>

static const char CANCELLED[] = "cancelled by an operator";

/* A live event of that id, from whichever partition and service. ERR_NOTFOUND. */
static int find_live(struct engine *e, const struct command *c, struct engine_service **s,
                     struct event **out) {
    for (size_t i = 0; i < e->service_count; i++) {
        *s = &e->services[i];
        if (c->service.len > 0 && !slice_equal((*s)->name, c->service)) {
            continue;
        }
        for (uint8_t p = 0; p < PARTITIONS; p++) {
            int code = journal_event_get(e->journal, p, &c->id, (*s)->number, out);
            if (code == 0 && !event_state_ended((enum event_state)(*out)->state)) {
                return 0;
            }
            if (code == 0) {
                event_free(*out);
            } else if (code != ERR_NOTFOUND) {
                return code;
            }
        }
    }
    return ERR_NOTFOUND;
}

static int drop_timer(struct engine *e, const struct event *event) {
    struct timer timer = {.kind = TIMER_EVENT,
                          .partition = event->partition,
                          .due_ms = event->due_ms,
                          .row = engine_row(event)};
    return event->due_ms == 0 ? 0 : journal_timer_del(e->journal, &timer);
}

/* Its row goes, and what stands behind it may run. */
static int leave_lane(struct engine *e, struct engine_service *s, const struct event *event) {
    struct row row = engine_row(event);
    row.flags = LANE_BEHIND; /* what waits is woken before it goes */
    assert(s->put_off > 0);
    s->put_off--;
    int code = journal_lane_put(e->journal, &row);
    if (code == 0) {
        code = engine_lane_row_del(e, s, &row);
    }
    if (code != 0) {
        return code;
    }
    struct row next = row;
    next.seq = 0;
    code = journal_lane_next(e->journal, &next);
    return code == 0 ? engine_lane_wake(e, s, &next) : code == ERR_NOTFOUND ? 0 : code;
}

static int discard(struct engine *e, struct engine_service *s, struct event *event) {
    int code = drop_timer(e, event);
    if (code == 0) {
        code = leave_lane(e, s, event);
    }
    event->undo = UNDO_THEN_DISCARD;
    bool parked;
    return code == 0 ? engine_bury(e, s, event, EVENT_DEAD, CANCELLED, &parked) : code;
}

/* It stays where it stands and comes back at once, to undo. */
static int compensate(struct engine *e, struct engine_service *s, struct event *event) {
    int code = drop_timer(e, event);
    if (code == 0) {
        code = engine_forget_waits(e, event);
    }
    if (code == 0) {
        code = engine_turn_round(e, s, event, UNDO_THEN_DISCARD, CANCELLED);
    }
    struct timer timer = {.kind = TIMER_EVENT,
                          .partition = event->partition,
                          .due_ms = e->now_ms,
                          .row = engine_row(event)};
    event->state = EVENT_COMPENSATING;
    event->due_ms = e->now_ms;
    if (code == 0) {
        code = journal_event_put(e->journal, event);
    }
    return code == 0 ? engine_timer_put(e, &timer) : code;
}

static int cancel(struct engine *e, struct engine_service *s, struct event *event,
                  struct command *c) {
    struct buf names;
    bool open = false;
    buf_init(&names, 2048);
    int code = event->undo == UNDO_NONE ? engine_saga_open(e, event, &names, &open) : 0;
    if (code == 0 && !engine_is_put_off(e, event)) {
        c->code = report(&c->report, ERR_EXISTS,
                         "it is %s: an event can be cancelled while it sleeps, waits for a signal "
                         "or for its next try",
                         event_state_name((enum event_state)event->state));
    } else if (code == 0 && event->undo != UNDO_NONE && !c->without_compensation) {
        c->code = report(&c->report, ERR_EXISTS,
                         "its saga is being undone; --without-compensation "
                         "(without_compensation=1) lets it go as it is");
    } else if (code == 0 && open && !c->compensate && !c->without_compensation) {
        c->code =
            report(&c->report, ERR_EXISTS,
                   "its saga has done something (%s): say --compensate (compensate=1) to undo "
                   "that, or --without-compensation (without_compensation=1) to leave it",
                   buf_str(&names));
    } else if (code == 0) {
        code = open && c->compensate ? compensate(e, s, event) : discard(e, s, event);
        code = code == ERR_NOTFOUND ? ERR_CORRUPT : code;
    }
    buf_clear(&names);
    return code;
}

int engine_cancel_event(struct engine *e, struct command *c, bool *found) {
    struct engine_service *s;
    struct event *event = NULL;
    int code = find_live(e, c, &s, &event);
    *found = code == 0;
    if (code != 0) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    code = cancel(e, s, event, c);
    event_free(event);
    return code;
}
