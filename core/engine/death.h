/*
 * death.h - the consequences of a death.
 */
#ifndef ZINGQ_ENGINE_DEATH_H
#define ZINGQ_ENGINE_DEATH_H

#include "engine/engine.h"

/* Settles the noted deaths, and those caused by settling them. */
int engine_settle_deaths(struct engine *e);

#endif
