/*
 * retry.h - puts an event off after an attempt.
 */
#ifndef ZINGQ_ENGINE_RETRY_H
#define ZINGQ_ENGINE_RETRY_H

#include "engine/lane.h"
#include "engine/services.h"
#include "journal/event.h"

/* Puts the taken event off at the head of its lane, out of memory; due_ms 0: until it is woken. An
 * event whose saga is undone is compensating, whatever `state` says. */
int engine_put_off(struct engine *e, struct lane_item *item, enum event_state state,
                   int64_t due_ms);
/* Counts a failed attempt and adds it to the event's history. The caller updates event->errors. */
int engine_note_failure(struct engine *e, struct engine_service *s, struct event *event,
                        enum attempt_end end, const char *text);
/* Schedules the next attempt of the taken event, which failed, after the delay. */
int engine_try_again(struct engine *e, struct engine_service *s, struct lane_item *item,
                     const char *error, int64_t delay_ms);

#endif
