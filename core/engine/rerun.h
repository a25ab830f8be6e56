/*
 * rerun.h - replays events that have ended.
 */
#ifndef ZINGQ_ENGINE_RERUN_H
#define ZINGQ_ENGINE_RERUN_H

#include "engine/services.h"

/* Makes an ended event wait again: resets its failures, keeps its history. The caller updates
 * books, record and place. */
int engine_revive(struct engine *e, struct event *event, bool forced);
/* Revives the event, which is in no row, stores it and gives it a place behind all that wait; takes
 * it over. */
int engine_wait_again(struct engine *e, struct engine_service *s, struct event *event, bool forced);
/* Refuses the command, with a sentence, when they are forgotten and it is not forced. */
bool engine_refuse_forgotten(struct engine *e, const struct engine_service *s,
                             const struct event *event, struct command *c);
/* COMMAND_RERUN. */
int engine_rerun(struct engine *e, struct engine_service *s, struct command *c);

#endif
