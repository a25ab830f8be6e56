/*
 * durable.h - the durable progress of an event: stored steps, sleeps.
 */
#ifndef ZINGQ_ENGINE_DURABLE_H
#define ZINGQ_ENGINE_DURABLE_H

#include "engine/attempt.h"

/* OUTCOME_KEEP: stores the step that run->durable names, with its effects. */
int engine_keep(struct engine *e, struct invocation *inv, enum next *next);
/* OUTCOME_SLEEP. */
int engine_sleep(struct engine *e, struct invocation *inv, enum next *next);
/* For a run that has steps: excludes saga steps whose action did nothing from compensation. */
int engine_note_failed_steps(struct engine *e, struct invocation *inv);

#endif
