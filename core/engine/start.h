/*
 * start.h - starts an attempt: takes an event off its lane, and runs it alone or in a batch.
 */
#ifndef ZINGQ_ENGINE_START_H
#define ZINGQ_ENGINE_START_H

#include "engine/engine.h"
#include "engine/lane.h"

/* Takes the head of the lane and runs it, in a batch if its service has them, to the first outcome;
 * acts on that outcome. *started: the number of events; 0 = it ended without a run (too many
 * crashes, a stale lock expiry). */
int engine_start_lane(struct engine *e, struct lane *lane, size_t *started);

#endif
