/*
 * invocation.h - the current invocation: what it may do here, what it stages, how it ends. All of
 * it may raise.
 */
#ifndef ZINGQ_LUA_API_INVOCATION_H
#define ZINGQ_LUA_API_INVOCATION_H

#include "lua/run.h"

#include <lua.h>

/* The current invocation; raises "zing.publish works only while a handler runs". `call` is the bare
 * name, "publish". */
struct run *api_run(lua_State *L, const char *call);
/* The same for calls that stage effects, which a retry policy must not. */
struct run *api_staging_run(lua_State *L, const char *call);
/* Raises in a handler that receives batches: the call concerns one event. */
void api_check_one_event(lua_State *L, const struct run *run, const char *call);
/* Raises an error if the events have different keys: the call concerns the data of one key. */
void api_check_one_key(lua_State *L, const struct run *run, const char *call);
/* Stages the effect, or raises with the limit that was exceeded. */
void api_stage(lua_State *L, struct run *run, const struct effect *effect);

/* Raises inside zing.sql.once: there only statements of its transaction wait. */
void api_check_no_session(lua_State *L, const struct run *run, const char *call);
/* Raises unless the handler can be suspended here. */
void api_check_can_yield(lua_State *L, struct run *run, const char *call);
/* The same for a call that waits, which is allowed only in an event's handler. */
void api_check_can_wait(lua_State *L, struct run *run, const char *call);
/* Ends the attempt: `return api_end_attempt(...)`. Set run->error and after_ms before. */
int api_end_attempt(lua_State *L, struct run *run, enum outcome outcome, const char *call);
/* Raises, past any pcall, when a saga is being undone and this is not a compensation: the repeated
 * handler must not change anything. */
void api_check_forward(lua_State *L, struct run *run);
/* The saga is being undone, and the handler has reached a point without a record: `return
 * api_unwind(L)`. Nothing catches it. */
int api_unwind(lua_State *L);

#endif
