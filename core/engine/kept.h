/*
 * kept.h - how much each service may keep in the store: state, publishes, dead letters it makes,
 * signals that nobody takes.
 *
 * A kind has a part of the store, which its services share as they need it. Once it is used up, each
 * may have an equal share of as much again, so nobody's greed takes what others need. Publishes, for
 * which events only wait, are held to the shares while the store is nearly full, too.
 */
#ifndef ZINGQ_ENGINE_KEPT_H
#define ZINGQ_ENGINE_KEPT_H

#include "engine/services.h"
#include "lua/run.h"

/* Bytes of the kind that the service keeps. */
uint64_t engine_kept(const struct engine *e, const struct engine_service *s, enum run_quota kind);
/* How many more it may keep. */
uint64_t engine_kept_room(const struct engine *e, const struct engine_service *s,
                          enum run_quota kind);
/* Services whose publishes wait for the broker and use up their room start no more events. */
void engine_hold_back(struct engine *e);

#endif
