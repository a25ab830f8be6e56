/*
 * args.h - checks what a handler passes to a call; converts values for the store and back. All of
 * it may raise.
 */
#ifndef ZINGQ_LUA_ARGS_H
#define ZINGQ_LUA_ARGS_H

#include "base/buf.h"

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

/* A number of seconds or "10m" at `index`, as milliseconds; not negative. `what` names it. */
int64_t args_check_duration(lua_State *L, int index, const char *what);
/* A string without NUL at `index`. */
struct slice args_check_text(lua_State *L, int index, const char *what);
/* A state or lock name: 1 to STATE_NAME_BYTES_MAX bytes without NUL. */
struct slice args_check_name(lua_State *L, int index, const char *what);
/* An ordering key at `index`: a string of at most KEY_BYTES_MAX bytes without NUL, or a whole
 * number, which is converted to one in place. */
struct slice args_check_key(lua_State *L, int index, const char *what);
/* Raises when the text contains CR, LF or NUL, with which a header could be forged. */
void args_check_line(lua_State *L, struct slice text, const char *what);

/* One option of an options table: its name, and a function that takes the value on top of the
 * stack. */
struct args_option {
    const char *name;
    void (*take)(lua_State *L, int index, void *to);
};
/* Walks the table at `index` (nil or none: nothing); an unknown name raises with the list. */
void args_take_options(lua_State *L, int index, const struct args_option *options, size_t count,
                       const char *call, void *to);

/* Pushes a state value in the form of event/value.h; appends the Lua value at `index` to `out` in
 * that form. */
void args_push_value(lua_State *L, struct slice value);
void args_add_value(lua_State *L, int index, const char *what, struct buf *out);

#endif
