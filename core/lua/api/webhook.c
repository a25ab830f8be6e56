/*
 * webhook.c - zing.webhook: a POST that its receiver can believe and tell from a repeated one.
 *
 * It is zing.http.post with a body and a signature: what that does about earlier attempts,
 * timeouts and reconcile holds here, too.
 */
#include "lua/api/subjects.h"

#include "lua/args.h"

#include <lauxlib.h>

enum { POST = lua_upvalueindex(1) };

static int answered(lua_State *L, int status, lua_KContext base) {
    (void)status;
    return lua_gettop(L) - (int)base;
}

/* A copy of the options at 3, without the secret, on top. */
static void push_options(lua_State *L) {
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, 3)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    lua_pushnil(L);
    lua_setfield(L, -2, "secret");
}

/* zing.webhook(url, payload, {secret =, ...}) -> the answer, as zing.http.post */
static int webhook(lua_State *L) {
    lua_settop(L, 3);
    luaL_checktype(L, 3, LUA_TTABLE);
    if (lua_getfield(L, 3, "secret") != LUA_TSTRING) {
        return luaL_error(L, "zing.webhook: secret must be a string, whsec_ and base64");
    }
    lua_pushvalue(L, POST);
    lua_pushvalue(L, 1);
    push_options(L);
    lua_pushvalue(L, 4);
    lua_setfield(L, -2, "sign");
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, lua_type(L, 2) == LUA_TSTRING ? "body" : "json");
    enum { BASE = 4 };
    lua_callk(L, 2, LUA_MULTRET, BASE, answered);
    return answered(L, LUA_OK, BASE);
}

void api_open_webhook(lua_State *L) {
    lua_getfield(L, -1, "http");
    lua_getfield(L, -1, "post");
    lua_remove(L, -2);
    lua_pushcclosure(L, webhook, 1);
    lua_setfield(L, -2, "webhook");
}
