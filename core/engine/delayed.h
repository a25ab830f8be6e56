/*
 * delayed.h - delayed publishes.
 */
#ifndef ZINGQ_ENGINE_DELAYED_H
#define ZINGQ_ENGINE_DELAYED_H

#include "engine/engine.h"

/* Schedules the publish for due_ms, of the wall clock or engine time, in the partition's timers. */
int engine_delay_publish(struct engine *e, uint8_t partition, const struct publication *p,
                         int64_t due_ms, bool by_wall);
/* p->handle is set: what waits under it is taken back, and *due_ms (engine time) is at most
 * max_wait_ms after the first of an unbroken row of them began to wait; 0 = without a limit. */
int engine_replace_publish(struct engine *e, struct publication *p, int64_t max_wait_ms,
                           int64_t *due_ms);
/* Records the publish for later queries. To be called just before it is published or delayed: its
 * outbox row, unless services of this host take it, gets the number after the note's. */
int engine_note_publish(struct engine *e, const struct uuid *id, int64_t due_ms);
/* Cancels a delayed publish. ERR_NOTFOUND: none waits under that id. */
int engine_cancel_publish(struct engine *e, const struct uuid *id);

#endif
