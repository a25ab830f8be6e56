/*
 * json.h - Lua values as JSON, and the values that only JSON has.
 *
 * An empty array is not an empty object (arrays carry a metatable, zing.json.array), null is the
 * light userdata NULL (zing.json.null). Encoding is deterministic: names in byte order, floats in
 * the fewest digits that read back the same. lua/document.h decodes.
 *
 * Nothing here owns memory while it may raise: text goes to the caller's buffer, which must survive
 * an error (the host's scratch).
 */
#ifndef ZINGQ_LUA_JSON_H
#define ZINGQ_LUA_JSON_H

#include "base/buf.h"
#include "base/error.h"

#include <lua.h>
#include <stdbool.h>

/* Creates the metatables; once per Lua state. May raise (memory). */
void json_open(lua_State *L);

/* Pushes a table of `count` items, to be set, marked as an array. May raise (memory). */
void json_push_array(lua_State *L, int count);
void json_push_null(lua_State *L);
bool json_at_null(lua_State *L, int index);

/* Marks the table at `index` as an array, also when empty. Raises if it has another metatable. */
void json_mark_array(lua_State *L, int index);

/* Appends the value at `index` as JSON. Raises with the path of the value at fault, which begins
 * with `root`: "payload.items[3].price is NaN, which JSON cannot say"; also when `out` is full. */
void json_encode(lua_State *L, int index, const char *root, struct buf *out);

#endif
