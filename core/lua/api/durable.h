/*
 * durable.h - the records of steps, sleeps and waits.
 */
#ifndef ZINGQ_LUA_API_DURABLE_H
#define ZINGQ_LUA_API_DURABLE_H

#include "lua/run.h"

#include <lua.h>
#include <stdbool.h>

/* run->durable for a call that is not allowed inside a step; raises an error where it is not
 * possible. */
struct run_durable *api_durable(lua_State *L, const char *call);
/* True if the event has the record; slices are valid until the next call of the view. */
bool api_look_up_step(lua_State *L, struct run *run, enum step_kind kind, struct slice name,
                      struct step *step);
/* Sets durable->step to (kind, name), everything else empty. Does not raise. */
void api_set_step(struct run_durable *d, enum step_kind kind, struct slice name);
/* Counts the uses of "<of><name>" in this run, from 1. */
lua_Integer api_count_use(lua_State *L, struct run *run, const char *of, struct slice name);
/* Pushes the run's table of notes, for this round of the handler. */
void api_push_notes(lua_State *L, struct run *run);

#endif
