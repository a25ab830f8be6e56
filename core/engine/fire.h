/*
 * fire.h - timers that are due.
 */
#ifndef ZINGQ_ENGINE_FIRE_H
#define ZINGQ_ENGINE_FIRE_H

#include "engine/engine.h"

/* Fires those that are due, by either clock: TIMERS_PER_TURN of each. */
int engine_fire_timers(struct engine *e);

#endif
