/*
 * subjects.h - the parts of the zing table, one file per subject, for the index (lua/api/api.c).
 *
 * Each api_open_x sets its functions in the table on top of the stack; a new subject is a row in
 * api.c. Functions that wait or end the attempt yield, so that no pcall of a handler can catch it;
 * lua/run.c gets the outcome. Lua raises errors by longjmp: no function of a subject holds malloc'd
 * memory, a json_t or a cursor of its own while something may raise. Texts are built in the host's
 * scratch buffers, and requests belong to the run from the first byte.
 */
#ifndef ZINGQ_LUA_API_SUBJECTS_H
#define ZINGQ_LUA_API_SUBJECTS_H

#include "lua/run.h"

#include <lua.h>

/* --- required by struct script_library --- */

/* open_print */
void api_open_print(lua_State *L, int globals);
/* push_event, push_events, push_lock */
void api_push_event(lua_State *L, struct run *run);
void api_push_events(lua_State *L, struct run *run);
void api_push_lock_event(lua_State *L, struct run *run);
/* undo */
int api_undo(lua_State *L);

/* --- the subjects: each sets its functions in the table on top; may raise (memory) --- */

/* The event's metatable. */
void api_open_event(lua_State *L);
/* now, uuid, config, secret */
void api_open_basics(lua_State *L);
/* json.encode, decode, null, array */
void api_open_json(lua_State *L);
/* crypto.sha256, sha512, hmac, equal, hex, unhex, base64, unbase64, random */
void api_open_crypto(lua_State *L);
/* log.debug, info, warn, error */
void api_open_log(lua_State *L);
/* publish, reply, cancel, append */
void api_open_publish(lua_State *L);
/* state.get, set, delete, incr, list; peek */
void api_open_state(lua_State *L);
/* lock, unlock, lock_owner */
void api_open_lock(lua_State *L);
/* retry, snooze, throttle, reject; dead_letter */
void api_open_end(lua_State *L);
/* http.get, post, put, delete, request */
void api_open_http(lua_State *L);
/* webhook; after http */
void api_open_webhook(lua_State *L);
/* mail */
void api_open_mail(lua_State *L);
/* sql */
void api_open_sql(lua_State *L);
/* step, saga */
void api_open_step(lua_State *L);
/* sleep, wait, signal */
void api_open_wait(lua_State *L);

#endif
