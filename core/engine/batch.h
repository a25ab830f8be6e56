/*
 * batch.h - how a batch ends, and with it each of its events.
 */
#ifndef ZINGQ_ENGINE_BATCH_H
#define ZINGQ_ENGINE_BATCH_H

#include "engine/attempt.h"
#include "journal/event.h"

/* The batch's run is over: each of its events ends. `end` is for those that failed. */
int engine_end_batch(struct engine *e, struct invocation *inv, enum attempt_end end);

#endif
