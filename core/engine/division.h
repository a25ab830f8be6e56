/*
 * division.h - whose keys the store holds.
 */
#ifndef ZINGQ_ENGINE_DIVISION_H
#define ZINGQ_ENGINE_DIVISION_H

#include "engine/engine.h"

/* Whether the store is that of this host of this division; a new one is from now on. ERR_INVALID
 * with a sentence. Begins and ends its own transaction. */
int engine_check_division(struct engine *e, struct report *r);

#endif
