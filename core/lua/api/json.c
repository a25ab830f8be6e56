/*
 * json.c - zing.json: encode, decode, null, array.
 */
#include "lua/api/subjects.h"

#include "lua/host.h"

#include "lua/args.h"
#include "lua/document.h"

#include "lua/json.h"

/* zing.json.encode(value) -> text */
static int encode(lua_State *L) {
    luaL_checkany(L, 1);
    struct buf *out = &script_state_of(L)->host->scratch;
    buf_reset(out);
    json_encode(L, 1, "value", out);
    lua_pushlstring(L, out->data, out->len);
    return 1;
}

/* zing.json.decode(text) -> value; raises when it is not JSON */
static int decode(lua_State *L) {
    struct slice text;
    text.data = luaL_checklstring(L, 1, &text.len);
    document_push(L, text, "the text");
    return 1;
}

/* zing.json.array([table]) -> the table, marked as an array */
static int array(lua_State *L) {
    if (lua_isnone(L, 1)) {
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    json_mark_array(L, 1);
    return 1;
}

void api_open_json(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"encode", encode}, {"decode", decode}, {"array", array}, {NULL, NULL}};
    luaL_newlib(L, functions);
    json_push_null(L);
    lua_setfield(L, -2, "null");
    sandbox_protect(L, "zing.json");
    lua_setfield(L, -2, "json");
}
