/*
 * invocation.h - the invocation that calls: what it may do here, what it stages, how it ends. All
 * of it may raise.
 */
#ifndef ZINGQ_LUA_API_INVOCATION_H
#define ZINGQ_LUA_API_INVOCATION_H

#include "lua/run.h"

#include <lua.h>

/* The invocation that runs; raises "zing.publish works only while a handler runs". `call` is the
 * bare name, "publish". */
struct run *api_run(lua_State *L, const char *call);
/* The same for calls that stage effects, which a retry policy must not. */
struct run *api_staging_run(lua_State *L, const char *call);
/* Raises in a handler that is given batches: the call is about one event. */
void api_check_one_event(lua_State *L, const struct run *run, const char *call);
/* Raises an error if the events have different keys: the call concerns the data of one key. */
void api_check_one_key(lua_State *L, const struct run *run, const char *call);
/* Stages it, or raises with the limit it went over. */
void api_stage(lua_State *L, struct run *run, const struct effect *effect);

/* Raises unless the handler can be suspended here. */
void api_check_can_yield(lua_State *L, struct run *run, const char *call);
/* The same for a call that waits, which only an event's handler may. */
void api_check_can_wait(lua_State *L, struct run *run, const char *call);
/* Ends the attempt: `return api_end_attempt(...)`. run->error and after_ms are set before. */
int api_end_attempt(lua_State *L, struct run *run, enum outcome outcome, const char *call);
/* Raises, past any pcall, when a saga is being undone and this is no compensation: what the handler
 * does there once more must change nothing. */
void api_check_forward(lua_State *L, struct run *run);
/* The saga is undone and the handler has come to where nothing is recorded: `return
 * api_unwind(L)`. Nothing catches it. */
int api_unwind(lua_State *L);

#endif
