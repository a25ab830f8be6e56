/*
 * rank.h - the priority of an event: found when it is accepted, and kept.
 */
#ifndef ZINGQ_ENGINE_RANK_H
#define ZINGQ_ENGINE_RANK_H

#include "engine/services.h"
#include "event/event.h"

/* Sets the event's rank. What is no priority counts as the default one, and is told. ERR_MEMORY. */
int engine_find_rank(struct engine *e, struct engine_service *s, struct event *event);
/* The event's row in its lane gets its rank. */
int engine_rank_row(struct engine *e, const struct event *event);
/* What a flow of events of that rank adds to its hash: those of the default priority have the flow
 * that all have where there are no priorities. */
uint64_t engine_rank_mix(uint8_t rank);
/* The flow of all events of that rank. */
uint64_t engine_rank_flow(uint8_t rank);

#endif
