/*
 * withdraw.h - takes a waiting event out of its place, because it ends without a run or moves.
 */
#ifndef ZINGQ_ENGINE_WITHDRAW_H
#define ZINGQ_ENGINE_WITHDRAW_H

#include "engine/lane.h"
#include "engine/services.h"

/* The event in memory that waits in its lane; NULL: it is not in memory, or runs. */
struct lane_item *engine_waiting_item(const struct engine *e, const struct engine_service *s,
                                      const struct event *event);
/* Removes the row of an event that waits or is parked, with its timer; the event is not in memory.
 * *flags: enum lane_flags. ERR_NOTFOUND. */
int engine_take_row(struct engine *e, struct engine_service *s, const struct event *event,
                    uint8_t *flags);
/* The event waits no more, wherever it did; what it held up in its lane goes on. ERR_NOTFOUND. */
int engine_withdraw(struct engine *e, struct engine_service *s, const struct event *event);

#endif
