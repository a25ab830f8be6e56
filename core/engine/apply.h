/*
 * apply.h - the effects of an attempt that succeeded.
 */
#ifndef ZINGQ_ENGINE_APPLY_H
#define ZINGQ_ENGINE_APPLY_H

#include "engine/services.h"
#include "lua/effects.h"

/* ERR_MEMORY. */
int engine_make_applying(struct engine *e);
void engine_free_applying(struct engine *e);
/* Applies them, one after the other. */
int engine_apply(struct engine *e, struct engine_service *s, struct event *event,
                 const struct effects *effects);
/* To be called around the engine_apply calls for an event: they record the event's publishes, after
 * those of earlier rounds, within bounds. */
void engine_begin_effects(struct engine *e, const struct event *event);
int engine_end_effects(struct engine *e, struct event *event);
/* Applies the effects of a successful attempt and records the event's publishes. *conflict: nothing
 * was applied, because the state that the handler saw has changed: another invocation took a lock
 * (unordered services), or a delayed publish that it cancels was sent; `why` gives the reason. */
int engine_take_effects(struct engine *e, struct engine_service *s, struct event *event,
                        const struct effects *effects, struct buf *why, bool *conflict);

#endif
