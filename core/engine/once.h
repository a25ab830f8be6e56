/*
 * once.h - requests that were made before.
 */
#ifndef ZINGQ_ENGINE_ONCE_H
#define ZINGQ_ENGINE_ONCE_H

#include "engine/services.h"

struct signal;

/* Whether the same request was made before under c->once; c->made is the id it got then, or gets
 * now. ERR_EXISTS in the command: another request was made under the same key. */
int engine_asked_before(struct engine *e, struct command *c, uint8_t partition, struct slice about,
                        bool *before);
/* A signal with an idempotency key: a repeated one is dropped, unless the first was refused.
 * ERR_EXISTS (r): the first had another value. */
int engine_signal_once(struct engine *e, struct engine_service *s, const struct signal *signal,
                       struct report *r);

#endif
