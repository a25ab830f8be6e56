/*
 * wake.h - lanes whose rows are on disk, and their heads.
 */
#ifndef ZINGQ_ENGINE_WAKE_H
#define ZINGQ_ENGINE_WAKE_H

#include "engine/item.h"

/* Loads lane rows into the empty lane. A head that waits, is queued or parked stays on disk. */
int engine_load_lane(struct engine *e, struct engine_service *s, struct lane *lane);
/* Whether the row is the head of its lane, out of memory, until something wakes it; then it is as
 * the store has it. */
int engine_head_waits(struct engine *e, struct row *row, bool *waits);
/* The head is as urgent as the most urgent of the rows that would be loaded with it. */
int engine_hasten(struct engine *e, const struct engine_service *s, struct row *head);
/* The head of a blocked lane, which had that row, is gone; the events behind it may run. */
int engine_lane_follow(struct engine *e, struct engine_service *s, const struct row *gone);
/* A parked letter no longer blocks its key: the events behind it may run. */
int engine_unpark(struct engine *e, struct engine_service *s, struct event *letter);
/* Unblocks a blocked lane on disk: loads its head. */
int engine_lane_wake(struct engine *e, struct engine_service *s, const struct row *head);

/* The head of a lane could run, and may once its service is in memory again: s->stored. */
int engine_wake_later(struct engine *e, struct engine_service *s, const struct row *head);

#endif
