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
int engine_apply(struct engine *e, struct engine_service *s, struct event *event,
                 const struct effects *effects);
/* Whether what the handler was told is not true any more: another invocation took a lock meanwhile
 * (unordered services), or a delayed publish left that it cancels. `why` gets the sentence. */
int engine_conflicts(struct engine *e, struct engine_service *s, const struct event *event,
                     const struct effects *effects, struct buf *why, bool *found);
/* Around engine_apply, as often as it is called for the event: what the event publishes is noted with
 * it, behind what it published in earlier rounds, within bounds. */
void engine_begin_effects(struct engine *e, const struct event *event);
int engine_end_effects(struct engine *e, struct event *event);
/* Applies the effects; the event knows what it published. */
int engine_take_effects(struct engine *e, struct engine_service *s, struct event *event,
                        const struct effects *effects);

#endif
