/*
 * fire.h - timers that are due.
 */
#ifndef ZINGQ_ENGINE_FIRE_H
#define ZINGQ_ENGINE_FIRE_H

#include "engine/engine.h"

/* Fires due timers of both clocks: up to TIMERS_PER_TURN each. */
int engine_fire_timers(struct engine *e);

#endif
