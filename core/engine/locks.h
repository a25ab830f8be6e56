/*
 * locks.h - the lock that an event tells of, and what becomes of it.
 */
#ifndef ZINGQ_ENGINE_LOCKS_H
#define ZINGQ_ENGINE_LOCKS_H

#include "engine/engine.h"
#include "journal/keyed.h"

/* Whether the event tells that just this lock has run out. */
bool engine_is_expired_lock(const struct event *event, struct slice name, const struct lock *lock);
/* Releases the lock that this expiry event reports, if it is unchanged. */
int engine_free_expired_lock(struct engine *e, const struct event *event);
/* Whether the event tells of what is not so any more, and has done nothing yet. */
int engine_expiry_is_stale(struct engine *e, const struct event *event, bool *stale);

#endif
