/*
 * mend.h - repairs after unreadable records in the store.
 */
#ifndef ZINGQ_ENGINE_MEND_H
#define ZINGQ_ENGINE_MEND_H

#include "engine/lane.h"
#include "engine/services.h"

/* While the store is loaded, after rows were counted and timers looked at: gives waiting events
 * without a row a new one, heads and locks their timers, and corrects the books. */
int engine_mend(struct engine *e);
/* Deletes the data of events whose records cannot be read: their dead-letter rows, histories,
 * steps. Before the books are written. */
int engine_clear_lost(struct engine *e);
/* Drops the taken item, whose record cannot be read, and counts it as discarded. */
int engine_lose(struct engine *e, struct engine_service *s, struct lane_item *item);

#endif
