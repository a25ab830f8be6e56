/*
 * death.h - what a death brings.
 */
#ifndef ZINGQ_ENGINE_DEATH_H
#define ZINGQ_ENGINE_DEATH_H

#include "engine/engine.h"

/* Settles the deaths that are noted, and those that this causes. */
int engine_settle_deaths(struct engine *e);

#endif
