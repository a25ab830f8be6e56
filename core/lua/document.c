/*
 * document.c - see lua/document.h.
 *
 * Lua tables grow by doubling, and each step moves what is in them. So the first members of an
 * object or array wait on the Lua stack until their number is known: most tables are made with the
 * right size at once. No malloc'd memory is held while Lua may raise.
 */
#include "lua/document.h"

#include "base/json_read.h"
#include "lua/host.h"
#include "lua/json.h"

#include <lauxlib.h>

enum {
    PAIRS_ON_STACK = 16, /* members that wait for their table to be made */
    ITEMS_ON_STACK = 2 * PAIRS_ON_STACK,
    STACK_SLOTS = ITEMS_ON_STACK + 8,
    UNITS_PER_VALUE = 32, /* cost of a value in addition to its bytes: see script_charge */
};

/* Pushes the string that was read last. Not inlined: its buffer would be part of each level of the
 * recursion. */
__attribute__((noinline)) static void push_text(lua_State *L, const struct json_reader *r) {
    if (!r->escaped) {
        lua_pushlstring(L, r->text.data, r->text.len);
        return;
    }
    luaL_Buffer b;
    char *room = luaL_buffinitsize(L, &b, r->text.len);
    luaL_pushresultsize(&b, json_unescape(r->text, room, r->text.len));
}

static bool push_value(lua_State *L, struct json_reader *r, enum json_token token);

/* Pushes names and values until the object ends or enough wait; returns the token behind them. */
static enum json_token push_pairs(lua_State *L, struct json_reader *r) {
    enum json_token token = json_next(r);
    for (int i = 0; token == JSON_NAME && i < PAIRS_ON_STACK; i++) {
        push_text(L, r);
        if (!push_value(L, r, json_next(r))) {
            return JSON_ERROR;
        }
        token = json_next(r);
    }
    return token;
}

/* Replaces what push_pairs pushed behind `table` by a table there. A name that occurs twice must
 * get its last value, so they are set in their order. */
static void gather_pairs(lua_State *L, int table) {
    int top = lua_gettop(L);
    lua_createtable(L, 0, (top - table) / 2);
    lua_replace(L, table);
    for (int at = table + 1; at < top; at += 2) {
        lua_pushvalue(L, at);
        lua_pushvalue(L, at + 1);
        lua_rawset(L, table);
    }
    lua_settop(L, table);
}

static bool push_object(lua_State *L, struct json_reader *r) {
    lua_pushnil(L);
    int table = lua_gettop(L);
    enum json_token token = push_pairs(L, r);
    if (token == JSON_ERROR) {
        return false;
    }
    for (gather_pairs(L, table); token == JSON_NAME; token = json_next(r)) {
        push_text(L, r);
        if (!push_value(L, r, json_next(r))) {
            return false;
        }
        lua_rawset(L, table);
    }
    return token == JSON_END_OBJECT;
}

static bool push_array(lua_State *L, struct json_reader *r) {
    lua_pushnil(L);
    int table = lua_gettop(L);
    lua_Integer count = 0;
    enum json_token token = json_next(r);
    for (; token > JSON_END && token != JSON_END_ARRAY && count < ITEMS_ON_STACK; count++) {
        if (!push_value(L, r, token)) {
            return false;
        }
        token = json_next(r);
    }
    json_push_array(L, (int)count);
    lua_replace(L, table);
    for (lua_Integer i = count; i > 0; i--) {
        lua_rawseti(L, table, i);
    }
    for (; token > JSON_END && token != JSON_END_ARRAY; token = json_next(r)) {
        if (!push_value(L, r, token)) {
            return false;
        }
        lua_rawseti(L, table, ++count);
    }
    return token == JSON_END_ARRAY;
}

/* Pushes the value that begins with `token`. False: the text is not JSON, and something may have
 * been pushed. */
static bool push_value(lua_State *L, struct json_reader *r, enum json_token token) {
    script_charge(L, UNITS_PER_VALUE);
    switch (token) {
    case JSON_BEGIN_OBJECT:
        luaL_checkstack(L, STACK_SLOTS, "JSON nested too deeply"); /* may raise */
        return push_object(L, r);
    case JSON_BEGIN_ARRAY:
        luaL_checkstack(L, STACK_SLOTS, "JSON nested too deeply"); /* may raise */
        return push_array(L, r);
    case JSON_TEXT:
        push_text(L, r);
        return true;
    case JSON_WHOLE:
        lua_pushinteger(L, r->whole);
        return true;
    case JSON_DOUBLE:
        lua_pushnumber(L, r->real);
        return true;
    case JSON_YES:
    case JSON_NO:
        lua_pushboolean(L, token == JSON_YES);
        return true;
    case JSON_NOTHING:
        json_push_null(L);
        return true;
    default:
        return false;
    }
}

bool document_try(lua_State *L, struct slice text, const char *what, struct report *r) {
    struct json_reader reader;
    int top = lua_gettop(L);
    script_charge(L, text.len);
    luaL_checkstack(L, 4, "JSON nested too deeply"); /* may raise */
    json_open_text(&reader, text);
    if (push_value(L, &reader, json_next(&reader)) && json_next(&reader) == JSON_END) {
        return true;
    }
    lua_settop(L, top);
    script_look_at_clock(L);
    if (json_report(&reader, what, r) == ERR_MEMORY) {
        luaL_error(L, "not enough memory"); /* the same text as Lua's */
    }
    return false;
}

void document_push(lua_State *L, struct slice text, const char *what) {
    struct report r = {""};
    if (!document_try(L, text, what, &r)) {
        luaL_error(L, "%s", r.text);
    }
}
