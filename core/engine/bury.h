/*
 * bury.h - an event ends dead.
 */
#ifndef ZINGQ_ENGINE_BURY_H
#define ZINGQ_ENGINE_BURY_H

#include "engine/lane.h"
#include "engine/services.h"

/* An event that was taken off its lane failed for good: its saga is undone first, if it has one;
 * while it is undone already, it needs a person. */
int engine_bury_item(struct engine *e, struct engine_service *s, struct lane_item *item,
                     const char *reason);
/* engine_bury for an event that was taken off its lane, as EVENT_DEAD or EVENT_NEEDS_PERSON: its
 * row goes, its lane goes on or is held. */
int engine_bury_as(struct engine *e, struct engine_service *s, struct lane_item *item,
                   enum event_state state, const char *reason);
/* Ends an event dead (or in need of a person): policies, books, announcement. The event is off its
 * lane and has no row; *parked tells whether its lane must be held. */
int engine_bury(struct engine *e, struct engine_service *s, struct event *event,
                enum event_state state, const char *reason, bool *parked);

#endif
