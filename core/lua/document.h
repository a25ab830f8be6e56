/*
 * document.h - a JSON text parsed on a script's account: the document counts against the memory of
 * the Lua state, the parsing against its time.
 */
#ifndef ZINGQ_LUA_DOCUMENT_H
#define ZINGQ_LUA_DOCUMENT_H

#include "base/buf.h"
#include "base/error.h"

#include <lua.h>

struct script_state;

/* Pushes the value of the text. Raises with `what` if it is not JSON, if memory runs out, or if the
 * time is up. */
void document_push(lua_State *L, struct slice text, const char *what);

/* The same, except that a text that is not JSON pushes nothing and returns false; r says why. */
bool document_try(lua_State *L, struct slice text, const char *what, struct report *r);

/* Frees what an error raised within document_push left behind. */
void document_drop(struct script_state *state);

#endif
