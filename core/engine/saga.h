/*
 * saga.h - compensates the saga of an event that failed for good.
 */
#ifndef ZINGQ_ENGINE_SAGA_H
#define ZINGQ_ENGINE_SAGA_H

#include "engine/attempt.h"
#include "journal/event.h"

/* Whether the event has saga steps that are not undone; their names, with commas, are appended to
 * `names` (NULL: not asked for). */
int engine_saga_open(struct engine *e, const struct event *event, struct buf *names, bool *open);
/* Starts the compensation of the event; afterwards it ends as `undo` says, with the reason. The
 * caller stores and places it. */
int engine_begin_undo(struct engine *e, struct engine_service *s, struct event *event,
                      enum event_undo undo, const char *reason);
/* The taken event failed for good: its saga is undone in later runs, and then it is dead for the
 * reason, or immediately if it has no saga. If it is already being undone, it needs a person. */
int engine_fail_for_good(struct engine *e, struct engine_service *s, struct lane_item *item,
                         const char *reason);
/* A compensating run has ended, or failed. */
int engine_undo_ended(struct engine *e, struct invocation *inv);
int engine_undo_failed(struct engine *e, struct invocation *inv, enum attempt_end end);
/* A person requested another round of an ended event: one that needed a person continues the
 * compensation, a dead letter continues after its finished steps, any other starts from the
 * beginning. */
int engine_renew_steps(struct engine *e, struct event *event);

#endif
