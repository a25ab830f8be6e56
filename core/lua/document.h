/*
 * document.h - JSON as Lua values, read on a script's account: what is made is in the memory of the
 * Lua state, the reading counts against its time.
 *
 * It keeps what Lua would blur: whole numbers of 64 bits are integers, all others floats; arrays
 * and null as in lua/json.h. If a name occurs twice, the last one counts.
 */
#ifndef ZINGQ_LUA_DOCUMENT_H
#define ZINGQ_LUA_DOCUMENT_H

#include "base/buf.h"
#include "base/error.h"

#include <lua.h>

/* Pushes the value of the text. Raises with `what` if it is not JSON, if memory runs out, or if the
 * time is up. */
void document_push(lua_State *L, struct slice text, const char *what);

/* The same, except that a text that is not JSON pushes nothing and returns false; r says why. */
bool document_try(lua_State *L, struct slice text, const char *what, struct report *r);

#endif
