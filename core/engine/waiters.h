/*
 * waiters.h - the records of a wait.
 */
#ifndef ZINGQ_ENGINE_WAITERS_H
#define ZINGQ_ENGINE_WAITERS_H

#include "engine/engine.h"
#include "event/step.h"
#include "journal/keyed.h"

/* The wait ends as `state` says, with a value when a signal came. */
int engine_end_wait(struct engine *e, struct event *event, struct slice label,
                    enum step_state state, struct slice value);
/* Removes the waiter, if there is one. */
int engine_drop_waiter(struct engine *e, const struct cell *cell, uint64_t seq);
/* If the event waits for signals: its waiter leads to where it has moved. */
int engine_renew_wait(struct engine *e, const struct event *event, bool *waits);
/* The event has ended: removes its waiters. */
int engine_forget_waits(struct engine *e, const struct event *event);

#endif
