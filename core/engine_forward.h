/*
 * engine_forward.h - what the engine's files use of engine_forward.c: several hosts that divide the
 * keys. Part of engine_impl.h; nobody else includes it.
 */
#ifndef ZINGQ_ENGINE_FORWARD_H
#define ZINGQ_ENGINE_FORWARD_H

#include "engine.h"

struct engine_service;
struct signal;

/* Whether the store is that of this host of this division; a new one is from now on. ERR_INVALID
 * with a sentence. Begins and ends its own transaction. */
int engine_check_division(struct engine *e, struct report *r);
int engine_open_forwards(struct engine *e, uint64_t token);
/* Whether its keys are divided among several hosts. */
bool engine_is_divided(const struct engine *e, const struct engine_service *s);
/* Whether what has this key, in that partition, is another host's. */
bool engine_is_elsewhere(const struct engine *e, const struct engine_service *s, struct slice key,
                         uint8_t partition);
/* It is the partition's owner's from now on; takes the event over. */
int engine_forward_event(struct engine *e, const struct engine_service *s, struct event *event,
                         uint8_t partition);
int engine_forward_signal(struct engine *e, const struct engine_service *s, uint8_t partition,
                          const struct signal *signal);
/* Messages are made of what waits; before the commit. */
int engine_build_forwards(struct engine *e);
/* EVENT_FORWARD: what it holds is taken. Takes the event over; *count grows by what was in it. */
int engine_admit_forward(struct engine *e, struct event *event, size_t *count);
int engine_take_own_forwards(struct engine *e);
/* How far others' forwards have come is stored / told after the commit / was not so. */
int engine_write_cursors(struct engine *e);
void engine_send_receipts(struct engine *e);
void engine_forget_receipts(struct engine *e);

#endif
