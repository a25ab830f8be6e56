/*
 * delayed.h - publishes that wait for their time.
 */
#ifndef ZINGQ_ENGINE_DELAYED_H
#define ZINGQ_ENGINE_DELAYED_H

#include "engine/engine.h"

/* The publish leaves at due_ms, of the wall clock or engine time, from the partition's timers. */
int engine_delay_publish(struct engine *e, uint8_t partition, const struct publication *p,
                         int64_t due_ms, bool by_wall);
/* Notes for whoever asks what became of it. To be called just before it is published or put off:
 * its outbox row, unless services of this host take it, gets the number after the note's. */
int engine_note_publish(struct engine *e, const struct uuid *id, int64_t due_ms);
/* Takes a delayed publish back. ERR_NOTFOUND: none waits under that id. */
int engine_cancel_publish(struct engine *e, const struct uuid *id);

#endif
