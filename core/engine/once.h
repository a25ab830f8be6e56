/*
 * once.h - what was asked for before.
 */
#ifndef ZINGQ_ENGINE_ONCE_H
#define ZINGQ_ENGINE_ONCE_H

#include "engine/services.h"

struct signal;

/* Whether this was asked for before, under c->once, about the same thing; c->made is what it was
 * given then, or what it is given now. ERR_EXISTS in the command: something else was, under the same
 * key. */
int engine_asked_before(struct engine *e, struct command *c, uint8_t partition, struct slice about,
                        bool *before);
/* A signal that came under an idempotency key: a second one is none, unless the first was refused.
 * ERR_EXISTS (r): it came with another value. */
int engine_signal_once(struct engine *e, struct engine_service *s, const struct signal *signal,
                       struct report *r);

#endif
