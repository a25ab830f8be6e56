/*
 * crash.h - which event crashed the host, and the consequences.
 */
#ifndef ZINGQ_ENGINE_CRASH_H
#define ZINGQ_ENGINE_CRASH_H

#include "engine/attempt.h"

/* ERR_MEMORY. */
int engine_make_suspects(struct engine *e);
void engine_free_suspects(struct engine *e);
/* Charges the event that a crash left on the page; in the transaction that loads the store. */
int engine_charge_crash(struct engine *e);
/* Notes that nothing runs any more until the store is loaded again, in the last transaction. */
int engine_note_stopped(struct engine *e);
/* Whether to put the item off because it crashed the host before this start, so that others come
 * first, as after a failed attempt. True once. */
bool engine_must_put_off(struct engine *e, const struct lane_item *item);
/* Notes that this many events ran without a crash. */
void engine_note_proven(struct engine *e, size_t events);
/* Names its events as those on the processor. */
void engine_name_culprit(struct engine *e, struct invocation *inv);
/* Whether each turn runs only one event, stored by an earlier turn. */
bool engine_is_careful(const struct engine *e);
/* Whether events that never ran are buried without policies. */
bool engine_suspects_policies(const struct engine *e);

#endif
