/*
 * batch.h - how a batch ends, and with it each of its events.
 */
#ifndef ZINGQ_ENGINE_BATCH_H
#define ZINGQ_ENGINE_BATCH_H

#include "engine/attempt.h"
#include "journal/event.h"

/* The batch's run is over: each of its events ends. `end` is for those that failed. */
int engine_end_batch(struct engine *e, struct invocation *inv, enum attempt_end end);
/* A person cancels one of its events: that one is discarded for the reason; the attempt of the
 * others counts as nothing, and they run again. */
int engine_cancel_in_batch(struct engine *e, struct invocation *inv, const struct event *event,
                           const char *reason);

#endif
