/*
 * rerun.h - what has ended runs again.
 */
#ifndef ZINGQ_ENGINE_RERUN_H
#define ZINGQ_ENGINE_RERUN_H

#include "engine/services.h"

/* The event, which has ended, waits again: its failures are forgotten, its history is not. Books,
 * record and place are the caller's. */
int engine_revive(struct engine *e, struct event *event, bool forced);
/* Refuses the command, with a sentence, when they are forgotten and it is not forced. */
bool engine_refuse_forgotten(struct engine *e, const struct engine_service *s,
                             const struct event *event, struct command *c);
/* COMMAND_RERUN. */
int engine_rerun(struct engine *e, struct engine_service *s, struct command *c);

#endif
