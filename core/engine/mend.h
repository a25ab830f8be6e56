/*
 * mend.h - what could not be read in the store, and what follows.
 */
#ifndef ZINGQ_ENGINE_MEND_H
#define ZINGQ_ENGINE_MEND_H

#include "engine/lane.h"
#include "engine/services.h"

/* While the store is loaded, after rows were counted and timers looked at: waiting events without a
 * row get one, heads and locks their timers, the books their figures. */
int engine_mend(struct engine *e);
/* What belongs to events whose records cannot be read goes: their rows as dead letters, histories,
 * steps. Before the books are written. */
int engine_clear_lost(struct engine *e);
/* The taken item's record cannot be read: it is let go, and counted as discarded. */
int engine_lose(struct engine *e, struct engine_service *s, struct lane_item *item);

#endif
