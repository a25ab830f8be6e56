/*
 * signal.h - waits and signals, as the engine's files use them. Part of engine/impl.h; nobody
 * else includes it.
 */
#ifndef ZINGQ_ENGINE_SIGNAL_H
#define ZINGQ_ENGINE_SIGNAL_H

#include "lua/effects.h"
#include "engine/engine.h"

struct engine_service;
struct invocation;

int engine_wait(struct engine *e, struct invocation *inv);
/* A signal on its way to whoever waits for it. */
struct signal {
    struct slice key, name, value;
    struct slice once;              /* an idempotency key; "" = none */
    struct slice said;              /* with it: what must be the same under the same key */
    struct slice topic, properties; /* as a message for another host: it looks for duplicates */
};
/* Whoever waits for it in (service, key) has it, or it is kept for who comes; another host's goes
 * there. ERR_INVALID (r): it cannot be, and nothing has changed. */
int engine_signal(struct engine *e, struct engine_service *s, const struct signal *signal,
                  struct report *r);
/* A handler's signal that cannot be is a dead letter of the service it was for, which a replay
 * sends again. */
int engine_refuse_signal(struct engine *e, struct engine_service *s, const struct event *from,
                         const struct effect *effect, const char *reason);
/* Whether the dead event is a signal that could not be; and sending it again. ERR_INVALID (r): it
 * still cannot be. */
bool engine_is_signal_letter(const struct event *event);
int engine_send_letter(struct engine *e, struct engine_service *s, const struct event *event,
                       struct report *r);
/* One that came as a message; takes the event over. */
int engine_admit_signal(struct engine *e, struct event *event);
/* Whether one with this identity came as a message on that topic before; one without any did not. */
int engine_signal_repeated(struct engine *e, const struct engine_service *s, struct slice topic,
                           struct slice properties, uint8_t partition, bool *repeated);
/* The event has ended: nothing that comes is for it. */
int engine_forget_waits(struct engine *e, const struct event *event);
/* A signal as bytes to a value: JSON, or else a string. */
void engine_signal_value(struct slice payload, struct buf *out);

#endif
