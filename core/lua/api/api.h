/*
 * api.h - what handlers can call: the `zing` table, one file a subject.
 *
 * Each api_open_x sets its functions in the table on top of the stack; a new subject is a row in
 * lua/api/api.c. Functions that wait or end the attempt do it by yielding, so that no pcall of a handler
 * can swallow it; lua/run.c gets the outcome. Lua raises by longjmp: no function here holds malloc'd
 * memory, a json_t or a cursor of its own while something may raise. Texts are built in the host's
 * scratch buffers, requests belong to the run from the first byte.
 */
#ifndef ZINGQ_LUA_API_API_H
#define ZINGQ_LUA_API_API_H

#include "lua/run.h"
#include "lua/host.h"

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

/* For script_host_new. */
extern const struct script_library api_library;

/* --- its parts, as struct script_library says --- */

/* open_print */
void api_open_print(lua_State *L, int globals);
/* push_event, push_events, push_lock */
void api_push_event(lua_State *L, struct run *run);
void api_push_events(lua_State *L, struct run *run);
void api_push_lock_event(lua_State *L, struct run *run);
/* undo */
int api_undo(lua_State *L);

/* --- the subjects: each sets its calls in the table on top; may raise (memory) --- */

/* The event's metatable. */
void api_open_event(lua_State *L);
/* now, uuid, config, secret */
void api_open_basics(lua_State *L);
/* json.encode, decode, null, array */
void api_open_json(lua_State *L);
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
/* mail */
void api_open_mail(lua_State *L);
/* step, saga */
void api_open_step(lua_State *L);
/* sleep, wait, signal */
void api_open_wait(lua_State *L);

/* --- helpers; all may raise --- */

/* The invocation that runs; raises "zing.publish works only while a handler runs". `call` is the
 * bare name, "publish". */
struct run *api_run(lua_State *L, const char *call);
/* The same for calls that stage effects, which a retry policy must not. */
struct run *api_staging_run(lua_State *L, const char *call);
/* Raises in a handler that is given batches: the call is about one event. */
void api_check_one_event(lua_State *L, const struct run *run, const char *call);
/* Raises where the events have different keys: the call is about what belongs to one. */
void api_check_one_key(lua_State *L, const struct run *run, const char *call);
/* Stages it, or raises with the limit it went over. */
void api_stage(lua_State *L, struct run *run, const struct effect *effect);

/* Raises unless the handler can be suspended here. */
void api_check_can_yield(lua_State *L, struct run *run, const char *call);
/* The same for a call that waits, which only an event's handler may. */
void api_check_can_wait(lua_State *L, struct run *run, const char *call);
/* A fresh run->request; it belongs to the run at once, so a raise loses nothing. */
struct call_request *api_new_request(lua_State *L, struct run *run);
/* Ends the attempt: `return api_end_attempt(...)`. run->error and after_ms are set before. */
int api_end_attempt(lua_State *L, struct run *run, enum outcome outcome, const char *call);

/* --- calls to the outside --- */

/* The key under which the peer is to know the next call of this run, the same at every try (of a
 * batch: never the same):
 *   <service>-<event id>[.<round>][-<n>]            outside steps; n from the second call on
 *   <service>-<event id>[.<round>]:<step>[:<n>]     in a step
 *   <service>-<event id>[.<round>]:~<step>[:<n>]    in its compensation
 * A step's name is percent-encoded where it holds anything but letters, digits and . _ -, so no two
 * calls share a key. Counts the call. Returns `out`. */
enum { CALL_KEY_BYTES = NAME_BYTES_MAX + UUID_TEXT_BYTES + 3 * STATE_NAME_BYTES_MAX + 48 };
const char *api_next_call_key(struct run *run, char out[CALL_KEY_BYTES]);
/* run->request is about to be made: an open step knows it as one of its own. Does not raise. */
void api_note_call(struct run *run);
/* Asks this host or another one: `return api_ask_host(...)`. The path and what to call it are on top
 * of the stack, the query is in the host's scratch, as a list of pairs; `go_on` continues. */
int api_ask_host(lua_State *L, struct run *run, const char *method, lua_KFunction go_on);
/* In `go_on`: the answer; raises unless its status is 2xx or 404. */
const struct call_result *api_answer_of_host(lua_State *L, const char *call);
/* Raises, past any pcall, when a saga is being undone and this is no compensation: what the handler
 * does there once more must change nothing. */
void api_check_forward(lua_State *L, struct run *run);

/* --- steps, sleeps, waits --- */

/* run->durable for a call that may not stand inside a step; raises where it cannot be. */
struct run_durable *api_durable(lua_State *L, const char *call);
/* Whether the event has the record; slices are valid until the next call of the view. */
bool api_look_up_step(lua_State *L, struct run *run, enum step_kind kind, struct slice name,
                      struct step *step);
/* Makes durable->step that of (kind, name), nothing else set. Does not raise. */
void api_set_step(struct run_durable *d, enum step_kind kind, struct slice name);
/* Counts a use of "<of><name>" in this run, from 1. */
lua_Integer api_count_use(lua_State *L, struct run *run, const char *of, struct slice name);
/* The saga is undone and the handler has come to where nothing is recorded: `return
 * api_unwind(L)`. Nothing catches it. */
int api_unwind(lua_State *L);

#endif
