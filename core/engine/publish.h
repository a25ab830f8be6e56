/*
 * publish.h - publishing, with local hand-over.
 */
#ifndef ZINGQ_ENGINE_PUBLISH_H
#define ZINGQ_ENGINE_PUBLISH_H

#include "engine/engine.h"

/* ERR_MEMORY. */
int engine_make_publishing(struct engine *e);
void engine_free_publishing(struct engine *e);
/* Hands it over to the services of this host that subscribe to it, and stores it in the outbox. */
int engine_publish(struct engine *e, const struct publication *p);

#endif
