/*
 * locks.h - the lock of an expiry event, and its release.
 */
#ifndef ZINGQ_ENGINE_LOCKS_H
#define ZINGQ_ENGINE_LOCKS_H

#include "engine/engine.h"
#include "journal/keyed.h"

/* Whether the event reports the expiry of exactly this lock. */
bool engine_is_expired_lock(const struct event *event, struct slice name, const struct lock *lock);
/* Releases the lock that this expiry event reports, if it is unchanged. */
int engine_free_expired_lock(struct engine *e, const struct event *event);
/* Whether the event reports an expiry that no longer applies, and has not done anything yet. */
int engine_expiry_is_stale(struct engine *e, const struct event *event, bool *stale);

#endif
