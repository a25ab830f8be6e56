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
/* Around engine_apply, as often as it is called for the event: what the event publishes is noted with
 * it, behind what it published in earlier rounds, within bounds. */
void engine_begin_effects(struct engine *e, const struct event *event);
int engine_end_effects(struct engine *e, struct event *event);
/* Applies what an attempt that succeeded asks for, and the event knows what it published. *conflict:
 * nothing was applied, because what the handler saw is not so any more: another invocation took a
 * lock meanwhile (unordered services), or a delayed publish left that it cancels; `why` tells. */
int engine_take_effects(struct engine *e, struct engine_service *s, struct event *event,
                        const struct effects *effects, struct buf *why, bool *conflict);

#endif
