/*
 * outside.h - calls that leave the host: requests, the keys that peers know them by, other hosts.
 */
#ifndef ZINGQ_LUA_API_OUTSIDE_H
#define ZINGQ_LUA_API_OUTSIDE_H

#include "base/limits.h"
#include "lua/run.h"

#include <lua.h>

/* A new run->request; it belongs to the run immediately, so an error loses nothing. */
struct call_request *api_new_request(lua_State *L, struct run *run);

/* The key by which the peer knows the next call of this run, the same in every attempt (in a batch:
 * never the same):
 *   <service>-<event id>[.<round>][-<n>]            outside steps; n from the second call on
 *   <service>-<event id>[.<round>]:<step>[:<n>]     in a step
 *   <service>-<event id>[.<round>]:~<step>[:<n>]    in its compensation
 *   the same with +<n> instead, n from 1            a statement of zing.sql
 *   <service>-<event id>[.<round>]++<database>/<n>  zing.sql.once, with its name
 * `round` counts how often the event's saga was undone, or an edit made answered calls void; a call
 * of an earlier round that is not superseded keeps its key. In a mail's Message-ID, dots replace
 * the colons (RFC 5322, 3.2.3). A step's name is percent-encoded except for letters, digits and
 * . _ -, so no two calls share a key. Counts the call. Returns `out`. */
enum { CALL_KEY_BYTES = 2 * NAME_BYTES_MAX + UUID_TEXT_BYTES + 3 * STATE_NAME_BYTES_MAX + 48 };
const char *api_next_call_key(struct run *run, enum call_kind kind, char out[CALL_KEY_BYTES]);
/* The key of zing.sql.once, and its round. Returns `out`. */
const char *api_once_key(const struct run *run, const char *database, struct slice name,
                         char out[CALL_KEY_BYTES], unsigned *round);
/* run->request is about to be sent: an open step notes it as one of its own. Does not raise. */
void api_note_call(struct run *run);
/* Asks this host or another one: `return api_ask_host(...)`. The path and its label are on top of
 * the stack; the query is in the host's scratch, as a list of pairs; `go_on` continues. */
int api_ask_host(lua_State *L, struct run *run, const char *method, lua_KFunction go_on);
/* In `go_on`: the answer; raises unless its status is 2xx or 404. */
const struct call_result *api_answer_of_host(lua_State *L, const char *call);

#endif
