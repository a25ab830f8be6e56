/*
 * find.h - finds the object of a command.
 */
#ifndef ZINGQ_ENGINE_FIND_H
#define ZINGQ_ENGINE_FIND_H

#include "engine/services.h"

/* Refuses the command with that message; returns 0. */
int engine_refuse(struct command *c, int code, const char *text);
/* The same: topics.conf has no service of that name. */
int engine_no_service(struct command *c);
/* The same: there is no dead letter of the command's id. */
int engine_no_dead(struct command *c);
/* The event of that id for which `wanted` is true, from whichever partition, in the service the
 * command names or any; to be freed. ERR_NOTFOUND. */
int engine_find_event(struct engine *e, const struct command *c,
                      bool (*wanted)(enum event_state state), struct engine_service **s,
                      struct event **out);

#endif
