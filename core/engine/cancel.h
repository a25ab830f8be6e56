/*
 * cancel.h - a person ends what waits.
 */
#ifndef ZINGQ_ENGINE_CANCEL_H
#define ZINGQ_ENGINE_CANCEL_H

#include "engine/engine.h"

/* The live event the command names is ended. *found false: there is none. */
int engine_cancel_event(struct engine *e, struct command *c, bool *found);

#endif
