/*
 * share.h - charges processor time, and limits how many messages a turn may take.
 */
#ifndef ZINGQ_ENGINE_SHARE_H
#define ZINGQ_ENGINE_SHARE_H

#include "engine/attempt.h"

/* ERR_MEMORY. */
int engine_make_shares(struct engine *e);
void engine_free_shares(struct engine *e);
/* Starts measuring: earlier time is not charged. */
void engine_watch_clock(struct engine *e);
/* Charges the time since then, or since the last charge, to the lane's payer, whether or not it still
 * exists, and its service; `alone` false: to the service only. */
void engine_charge(struct engine *e, size_t service, uint64_t payer, bool alone);
/* The same for a run that gave way, in quanta: it was not a long one that others must make up for. */
void engine_charge_stretch(struct engine *e, const struct invocation *inv);
/* The same for a batch that is not concluded yet: each of its lanes has a part. */
void engine_charge_batch(struct engine *e, const struct invocation *inv);
/* So many messages were admitted since engine_watch_clock. */
void engine_note_admitted(struct engine *e, size_t count);
/* A commit took so long. */
void engine_note_committed(struct engine *e, int64_t us);
/* How long the handlers of a turn may run before its commit is due. */
int64_t engine_turn_length_us(const struct engine *e);
/* When the clock was looked at last; monotonic. */
int64_t engine_seen_us(const struct engine *e);

#endif
