/*
 * history.c - the record of an event's past: its attempts, what people did, its end.
 */
#include "engine/history.h"

#include "engine/impl.h"
#include "journal/event.h"

#include <assert.h>
#include <stdlib.h>

int engine_note_attempt(struct engine *e, const struct event *event, enum attempt_end end,
                        const char *text) {
    struct attempt a = {.end = end,
                        .at_ms = event->started_ms,
                        .duration_us = event->duration_us,
                        .version = event->version,
                        .text = slice_of(text)};
    if (a.text.len > ERROR_BYTES_MAX) {
        a.text.len = ERROR_BYTES_MAX;
    }
    return journal_history_add(e->journal, event, &a);
}

int engine_note_by_hand(struct engine *e, const struct event *event, enum attempt_end end,
                        struct slice text) {
    struct attempt a = {.end = end, .at_ms = e->now_ms, .text = text};
    return journal_history_add(e->journal, event, &a);
}

int engine_move_history(struct engine *e, const struct event *from, const struct event *to) {
    struct attempt a = {0};
    int code;
    while ((code = journal_history_next(e->journal, from, &a)) == 0) {
        uint16_t n = a.n;
        char *text = slice_dup(a.text);
        a.text.data = text;
        code = text == NULL ? ERR_MEMORY : journal_history_add(e->journal, to, &a);
        free(text);
        if (code != 0) {
            return code;
        }
        a = (struct attempt){.n = n};
    }
    return code == ERR_NOTFOUND ? journal_history_clear(e->journal, from) : code;
}

void engine_end_event(struct engine *e, struct event *event, enum event_state state) {
    assert(!event_state_ended(event->state) && event_state_ended(state)); /* INV-ENGINE-3 */
    event->state = (uint8_t)state;
    event->ended_ms = e->now_ms;
    event->due_ms = 0;
}

/* A replay gave the event a seq made from the microseconds of its time; if many were replayed in
 * one turn, the last ones are ahead of the clock. */
int64_t engine_round_ms(const struct engine *e, const struct event *event) {
    int64_t placed_ms = (int64_t)(event->seq / 1000);
    placed_ms = placed_ms > e->now_ms ? e->now_ms : placed_ms;
    return event->replayed && placed_ms > event->accepted_ms ? placed_ms : event->accepted_ms;
}
