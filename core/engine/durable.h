/*
 * durable.h - what an event has done for good: steps that are kept, sleeps.
 */
#ifndef ZINGQ_ENGINE_DURABLE_H
#define ZINGQ_ENGINE_DURABLE_H

#include "engine/attempt.h"

/* OUTCOME_KEEP: the step that run->durable names is stored with its effects. */
int engine_keep(struct engine *e, struct invocation *inv, enum next *next);
/* OUTCOME_SLEEP. */
int engine_sleep(struct engine *e, struct invocation *inv, enum next *next);
/* Saga steps of which nothing came are not to be undone; of a run that has steps. */
int engine_note_failed_steps(struct engine *e, struct invocation *inv);

#endif
