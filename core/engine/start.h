/*
 * start.h - an event is tried: taken off its lane, alone or with company.
 */
#ifndef ZINGQ_ENGINE_START_H
#define ZINGQ_ENGINE_START_H

#include "engine/engine.h"
#include "engine/lane.h"

/* Takes a lane's head off, its body in memory. *out NULL: it ended without a run (too many crashes,
 * a stale lock expiry). */
int engine_take(struct engine *e, struct lane *lane, struct lane_item **out);
/* engine_start for a taken event and what may run together with it; *count: how many they were. */
int engine_start_batch(struct engine *e, struct lane_item *item, size_t *count);

#endif
