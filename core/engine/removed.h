/*
 * removed.h - services that topics.conf no longer has, as the store remembers them.
 */
#ifndef ZINGQ_ENGINE_REMOVED_H
#define ZINGQ_ENGINE_REMOVED_H

#include "engine/services.h"

/* Finds them, before the services are made. ERR_MEMORY, or an error of the store. */
int engine_find_removed(struct engine *e);
void engine_free_removed(struct engine *e);
/* The n-th of them, from 0; NULL past the last. */
const struct service_conf *engine_removed(const struct engine *e, size_t n);
/* Answers the command when only a handler could carry it out, and the service has none. */
bool engine_refuse_removed(const struct engine_service *s, struct command *c);

#endif
