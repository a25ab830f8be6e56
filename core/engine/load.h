/*
 * load.h - loads the engine's memory from the store.
 */
#ifndef ZINGQ_ENGINE_LOAD_H
#define ZINGQ_ENGINE_LOAD_H

#include "engine/engine.h"

/* Loads the store, and repairs it where that helps. After an error the engine is unusable until it
 * is called again. */
int engine_recover(struct engine *e);
/* Rolls back the turn: returns to the state of the store. Commands are refused. `least`: the turn
 * tried as little as a turn can. */
void engine_start_over(struct engine *e, int code, bool least);
/* Before a turn. *turned_away: there were messages that a full store cannot take. */
int engine_make_ready(struct engine *e, bool *turned_away);
/* After a change of topics.conf: loads what the new services have; what leaves the host is as it
 * was. If that fails, the next turn recovers. */
void engine_load_services(struct engine *e);
/* Forgets what waits in memory and ends attempts, without a word in the store. */
void engine_let_all_go(struct engine *e);

#endif
