/*
 * history.h - the history of an event: its attempts, actions of people, its end.
 */
#ifndef ZINGQ_ENGINE_HISTORY_H
#define ZINGQ_ENGINE_HISTORY_H

#include "engine/services.h"
#include "journal/event.h"

int engine_note_attempt(struct engine *e, const struct event *event, enum attempt_end end,
                        const char *text);
/* Adds a person's action to the event's history. */
int engine_note_by_hand(struct engine *e, const struct event *event, enum attempt_end end,
                        struct slice text);
/* Moves the history to the event's new place. */
int engine_move_history(struct engine *e, const struct event *from, const struct event *to);
/* The event's state becomes an end; the service's book of that end is the caller's to count. */
void engine_end_event(struct engine *e, struct event *event, enum event_state state);
/* When the event's round began: accepted, or replayed. */
int64_t engine_round_ms(const struct engine *e, const struct event *event);

#endif
