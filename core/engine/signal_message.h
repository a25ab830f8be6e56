/*
 * signal_message.h - signals as messages, and as the dead letters of those that could not be.
 */
#ifndef ZINGQ_ENGINE_SIGNAL_MESSAGE_H
#define ZINGQ_ENGINE_SIGNAL_MESSAGE_H

#include "engine/services.h"
#include "lua/effects.h"

/* One that came as a message; takes the event over. */
int engine_admit_signal(struct engine *e, struct event *event);
/* Whether one with this identity came as a message on that topic before; one without any did
 * not. */
int engine_signal_repeated(struct engine *e, const struct engine_service *s, struct slice topic,
                           struct slice properties, uint8_t partition, bool *repeated);
/* A signal as bytes to a value: JSON, or else a string. ERR_MEMORY: not to be told. */
int engine_signal_value(struct slice payload, struct buf *out);
/* A handler's signal that cannot be is a dead letter of the service it was for, which a replay
 * sends again. */
int engine_refuse_signal(struct engine *e, struct engine_service *s, const struct event *from,
                         const struct effect *effect, const char *reason);
/* Sends the dead event, a signal that could not be, again. ERR_INVALID (r): it still cannot be. */
int engine_send_letter(struct engine *e, struct engine_service *s, const struct event *event,
                       struct report *r);

#endif
