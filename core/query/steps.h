/*
 * steps.h - the steps of an event, and its outgoing calls.
 */
#ifndef ZINGQ_QUERY_STEPS_H
#define ZINGQ_QUERY_STEPS_H

#include "base/json.h"
#include "event/event.h"
#include "journal/journal.h"
#include "event/step.h"

struct shown_step {
    struct step step;
    bool undone; /* a saga step: its compensation is done */
};

struct steps {
    struct shown_step *items; /* owned, their bytes too; in the order in which they began */
    size_t count, room;
    bool cut; /* there are more */
};
/* Reads at most STEPS_SHOWN_MAX of the event's records; within a transaction. ERR_MEMORY...: *out
 * is empty then. */
int steps_read(struct journal *j, const struct event *event, struct steps *out);
void steps_clear(struct steps *steps);
/* The sleep, or the wait for a signal, that the event is in; NULL: in none. */
const struct step *steps_waiting(const struct steps *steps, const struct event *event);
/* Of a saga step, when its event is being undone or has failed: "undone", "NOT undone", "nothing to
 * undo"; "" otherwise. */
const char *steps_undo_text(const struct event *event, const struct shown_step *shown);
/* Whether the value is a text rather than in event/value.h form: an error, a cause, a signal's
 * name. */
bool steps_value_is_text(const struct step *step);
/* An array of {kind, name, state, at, due_at, tries | missing, result | error, undo}; NULL when out of
 * memory. */
json_t *steps_json(const struct steps *steps, const struct event *event);
/* An array of {call, key, state, status, asked_at, asks}. */
json_t *calls_json(const struct event *event);

#endif
