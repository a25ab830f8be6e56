/*
 * wait.h - a handler waits for a signal.
 */
#ifndef ZINGQ_ENGINE_WAIT_H
#define ZINGQ_ENGINE_WAIT_H

#include "engine/attempt.h"

/* The outcome OUTCOME_WAIT. */
int engine_wait(struct engine *e, struct invocation *inv, enum next *next);

#endif
