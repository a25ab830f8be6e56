/*
 * expiry.h - a lock whose time ran out.
 */
#ifndef ZINGQ_ENGINE_EXPIRY_H
#define ZINGQ_ENGINE_EXPIRY_H

#include "engine/engine.h"
#include "journal/later.h"

/* The timer of a lock is due. */
int engine_fire_lock(struct engine *e, const struct timer *timer);

#endif
