/*
 * forward.h - several hosts divide the keys: what is another one's goes there.
 */
#ifndef ZINGQ_ENGINE_FORWARD_H
#define ZINGQ_ENGINE_FORWARD_H

#include "engine/services.h"

struct signal;

/* Whether its keys are divided among several hosts. */
bool engine_is_divided(const struct engine *e, const struct engine_service *s);
/* Whether what has this key, in that partition, is another host's. */
bool engine_is_elsewhere(const struct engine *e, const struct engine_service *s, struct slice key,
                         uint8_t partition);
/* Stores it for the partition's owner; so many bytes. */
int engine_forward(struct engine *e, uint8_t partition, const struct forward *forward,
                   size_t bytes);
/* Stores the event for the partition's owner; takes it over. */
int engine_forward_event(struct engine *e, const struct engine_service *s, struct event *event,
                         uint8_t partition);
/* The same for a signal, which stays the caller's. */
int engine_forward_signal(struct engine *e, const struct engine_service *s, uint8_t partition,
                          const struct signal *signal);

#endif
