/*
 * edit.h - changes a dead letter's payload; tells what stays of an event that runs again.
 */
#ifndef ZINGQ_ENGINE_EDIT_H
#define ZINGQ_ENGINE_EDIT_H

#include "engine/services.h"

/* COMMAND_EDIT: the dead letter gets another payload. */
int engine_edit(struct engine *e, struct command *c);
/* Adds to c->notes which finished steps the event's next run finds with their results, or that it
 * starts from the beginning. */
int engine_tell_what_stays(struct engine *e, const struct event *event, struct command *c);

#endif
