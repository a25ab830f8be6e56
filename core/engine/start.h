/*
 * start.h - an event is tried: taken off its lane, alone or with company.
 */
#ifndef ZINGQ_ENGINE_START_H
#define ZINGQ_ENGINE_START_H

#include "engine/engine.h"
#include "engine/lane.h"

/* Takes the lane's head and runs it, with the company that its service wants, to the first outcome;
 * does what that means. *started: how many events they were; 0 = it ended without a run (too many
 * crashes, a stale lock expiry). */
int engine_start_lane(struct engine *e, struct lane *lane, size_t *started);

#endif
