/*
 * forward.h - where several hosts divide the keys: forwards events to the hosts that own their
 * keys.
 */
#ifndef ZINGQ_ENGINE_FORWARD_H
#define ZINGQ_ENGINE_FORWARD_H

#include "engine/services.h"

struct signal;

/* Whether its keys are divided among several hosts. */
bool engine_is_divided(const struct engine *e, const struct engine_service *s);
/* Whether an event with this key, in that partition, belongs to another host. */
bool engine_is_elsewhere(const struct engine *e, const struct engine_service *s, struct slice key,
                         uint8_t partition);
/* Stores it for the partition's owner; returns its size in bytes. */
int engine_forward(struct engine *e, uint8_t partition, const struct forward *forward,
                   size_t bytes);
/* Stores the event for the partition's owner; takes it over. */
int engine_forward_event(struct engine *e, const struct engine_service *s, struct event *event,
                         uint8_t partition);
/* The same for a signal, which stays the caller's. */
int engine_forward_signal(struct engine *e, const struct engine_service *s, uint8_t partition,
                          const struct signal *signal);

#endif
