/*
 * crash.h - who took the host down, and what follows.
 */
#ifndef ZINGQ_ENGINE_CRASH_H
#define ZINGQ_ENGINE_CRASH_H

#include "engine/attempt.h"

/* ERR_MEMORY. */
int engine_make_suspects(struct engine *e);
void engine_free_suspects(struct engine *e);
/* In the transaction that loads the store: what a crash left named is charged. */
int engine_charge_crash(struct engine *e);
/* Whether the item is to be put off, because it took the host down before this start: others come
 * first, as after an attempt that failed. Once. */
bool engine_must_put_off(struct engine *e, const struct lane_item *item);
/* So many events ran, and the host did not go down. */
void engine_note_proven(struct engine *e, size_t events);
/* Its events are on the processor now. */
void engine_name_culprit(struct engine *e, struct invocation *inv);
/* Whether a turn runs one event, which an earlier one has stored. */
bool engine_is_careful(const struct engine *e);
/* Whether events that never ran die without policies. */
bool engine_suspects_policies(const struct engine *e);

#endif
