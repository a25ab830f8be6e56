/*
 * failure.h - the error that ended a run, as text; and errors that say more than their text.
 */
#ifndef ZINGQ_LUA_FAILURE_H
#define ZINGQ_LUA_FAILURE_H

#include "lua/run.h"

#include <lua.h>
#include <stdbool.h>

/* Writes the error on top of the coroutine's stack to run->error, with the traceback as far as there
 * is room; `instead` replaces the error's own text unless it is NULL. Handler code may run
 * (__tostring), within the limits. */
void run_describe_error(struct run *run, const char *instead);

/* Creates what the others need; once per Lua state. May raise (memory). */
void failure_open(lua_State *L);
/* Raises an object that reads as the text on top: {message =, sqlstate =, final =}. `sqlstate` NULL
 * = none. A final one that nothing catches ends the event dead: trying again would not help. */
int failure_raise(lua_State *L, const char *sqlstate, bool final);
/* Whether the value at `index` is such an object, and final. Does not raise. */
bool failure_is_final(lua_State *L, int index);

#endif
