/*
 * saga.h - an event that failed for good undoes what its saga has done.
 */
#ifndef ZINGQ_ENGINE_SAGA_H
#define ZINGQ_ENGINE_SAGA_H

#include "engine/attempt.h"
#include "journal/event.h"

/* Whether the event has saga steps that are not undone; their names, with commas, are appended to
 * `names` (NULL: not asked for). */
int engine_saga_open(struct engine *e, const struct event *event, struct buf *names, bool *open);
/* From now on the event undoes; then it ends as `undo` says, with the reason. Storing it, and its
 * place, are the caller's. */
int engine_begin_undo(struct engine *e, struct engine_service *s, struct event *event,
                      enum event_undo undo, const char *reason);
/* The taken event failed for good: what its saga has done is undone in runs to come, and then it is
 * dead for the reason; at once when it has none. While it is undone already, it needs a person. */
int engine_fail_for_good(struct engine *e, struct engine_service *s, struct lane_item *item,
                         const char *reason);
/* A run that undid came to its end, or failed. */
int engine_undo_ended(struct engine *e, struct invocation *inv);
int engine_undo_failed(struct engine *e, struct invocation *inv, enum attempt_end end);
/* A person asked for another round of an event that has ended: what needed a person goes on
 * undoing, a dead letter goes on behind the steps it finished, the rest begins anew. */
int engine_renew_steps(struct engine *e, struct event *event);

#endif
