/*
 * publish.h - publishing, with local hand-over.
 */
#ifndef ZINGQ_ENGINE_PUBLISH_H
#define ZINGQ_ENGINE_PUBLISH_H

#include "engine/engine.h"

/* Hands it over to the services of this host that want it, and stores it in the outbox. */
int engine_publish(struct engine *e, const struct publication *p);

#endif
