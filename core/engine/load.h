/*
 * load.h - what is in memory is made from the store.
 */
#ifndef ZINGQ_ENGINE_LOAD_H
#define ZINGQ_ENGINE_LOAD_H

#include "engine/engine.h"

/* Loads the store, with what helps when that fails. On an error the engine is lost until it is
 * called again. */
int engine_recover(struct engine *e);
/* Nothing of the turn happened: back to what the store holds. Commands are told. `least`: the turn
 * tried as little as a turn can. */
void engine_start_over(struct engine *e, int code, bool least);
/* Before a turn. *turned_away: there were messages that a full store cannot take. */
int engine_make_ready(struct engine *e, bool *turned_away);

#endif
