/*
 * apply.h - the effects of an attempt that succeeded.
 */
#ifndef ZINGQ_ENGINE_APPLY_H
#define ZINGQ_ENGINE_APPLY_H

#include "engine/services.h"
#include "lua/effects.h"

int engine_apply(struct engine *e, struct engine_service *s, struct event *event,
                 const struct effects *effects);
/* Whether what the handler was told is not true any more: another invocation took a lock meanwhile
 * (unordered services), or a delayed publish left that it cancels. `why` gets the sentence. */
int engine_conflicts(struct engine *e, struct engine_service *s, const struct event *event,
                     const struct effects *effects, struct buf *why, bool *found);
/* What the event published in earlier rounds goes before what it publishes now, within bounds. */
void engine_keep_publishes(struct engine *e, const struct event *event);
/* Applies the effects; the event knows what it published. */
int engine_take_effects(struct engine *e, struct engine_service *s, struct event *event,
                        const struct effects *effects);

#endif
