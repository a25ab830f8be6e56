/*
 * forward.h - what the engine's files use of engine/forward.c: several hosts that divide the
 * keys. Part of engine/impl.h; nobody else includes it.
 */
#ifndef ZINGQ_ENGINE_FORWARD_H
#define ZINGQ_ENGINE_FORWARD_H

#include "engine/engine.h"

struct engine_service;
struct signal;

/* Whether the store is that of this host of this division; a new one is from now on. ERR_INVALID
 * with a sentence. Begins and ends its own transaction. */
int engine_check_division(struct engine *e, struct report *r);
/* `token` tells this run of the host from others. ERR_MEMORY. */
int engine_open_forwards(struct engine *e, uint64_t token);
/* Whether its keys are divided among several hosts. */
bool engine_is_divided(const struct engine *e, const struct engine_service *s);
/* Whether what has this key, in that partition, is another host's. */
bool engine_is_elsewhere(const struct engine *e, const struct engine_service *s, struct slice key,
                         uint8_t partition);
/* Stores the event for the partition's owner; takes it over. */
int engine_forward_event(struct engine *e, const struct engine_service *s, struct event *event,
                         uint8_t partition);
/* The same for a signal, which stays the caller's. */
int engine_forward_signal(struct engine *e, const struct engine_service *s, uint8_t partition,
                          const struct signal *signal);
/* Makes messages of the rows that wait; before the commit. */
int engine_build_forwards(struct engine *e);
/* Takes what is in a message of another host (EVENT_FORWARD). Takes the event over; *count grows by
 * the number of forwards in it. */
int engine_admit_forward(struct engine *e, struct event *event, size_t *count);
/* Takes rows of partitions that have become this host's own, or waited for their service. */
int engine_take_own_forwards(struct engine *e);
/* Stores how far the forwards of other hosts have come; in the transaction that took them. */
int engine_write_cursors(struct engine *e);
/* Tells them; after the commit. */
void engine_send_receipts(struct engine *e);
/* The turn was dropped: nothing of it was taken. */
void engine_forget_receipts(struct engine *e);

#endif
