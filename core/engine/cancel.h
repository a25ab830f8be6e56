/*
 * cancel.h - an operator ends an event, whether it waits or runs.
 */
#ifndef ZINGQ_ENGINE_CANCEL_H
#define ZINGQ_ENGINE_CANCEL_H

#include "engine/engine.h"

/* Ends the live event that the command names. *found false: there is none. */
int engine_cancel_event(struct engine *e, struct command *c, bool *found);

#endif
