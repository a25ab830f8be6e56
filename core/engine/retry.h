/*
 * retry.h - an event that was tried waits again.
 */
#ifndef ZINGQ_ENGINE_RETRY_H
#define ZINGQ_ENGINE_RETRY_H

#include "engine/lane.h"
#include "engine/services.h"
#include "journal/event.h"

/* The taken event waits at the head of its lane, out of memory; due_ms 0: until it is woken. An
 * event whose saga is undone is compensating, whatever `state` says. */
int engine_put_off(struct engine *e, struct lane_item *item, enum event_state state,
                   int64_t due_ms);
/* An attempt failed: counted, and in the event's history. event->errors is the caller's. */
int engine_note_failure(struct engine *e, struct engine_service *s, struct event *event,
                        enum attempt_end end, const char *text);
/* The taken event failed and comes back after the delay. */
int engine_try_again(struct engine *e, struct engine_service *s, struct lane_item *item,
                     const char *error, int64_t delay_ms);

#endif
