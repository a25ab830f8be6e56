/*
 * outcome.h - what each outcome of an invocation means.
 */
#ifndef ZINGQ_ENGINE_OUTCOME_H
#define ZINGQ_ENGINE_OUTCOME_H

#include "engine/attempt.h"
#include "engine/input.h"
#include "journal/event.h"

/* The run has come to an outcome: does what that means. */
int engine_conclude(struct engine *e, struct invocation *inv);
int engine_resume(struct engine *e, struct call_end *end);
int engine_expire_waits(struct engine *e);
/* The call that the invocation waits for is given up: if it was started, nobody knows what it did,
 * and its events note that. */
int engine_note_given_up(struct invocation *inv, bool started);

#endif
