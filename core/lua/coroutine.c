/*
 * coroutine.c - the handler's own coroutines, and the functions that catch errors: pcall, xpcall.
 *
 * They work like Lua's, with three differences. Everything that catches an error first checks
 * whether the time is up: if so, the error is passed on. Handlers never get hold of the host's own
 * coroutines: running() returns a dead one instead. And no message handler is called for the time
 * limit, because Lua runs it with hooks off.
 *
 * After an error raised by the hook, Lua keeps hooks off in that coroutine. So a coroutine that
 * died of the time limit is never closed or resumed here: the error is passed on at once.
 */
#include "lua/host.h"

#include <assert.h>

/* Registry keys: the dead coroutine returned in place of the host's own; the coroutines that died
 * of the time limit, in a weak table. */
static const char stand_in_key = 's';
static const char spent_key = 'c';

static lua_State *check_coroutine(lua_State *L) {
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co != NULL, 1, "coroutine");
    return co;
}

static int create(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

/* Remembers a coroutine that an error of the hook passed through. */
static void mark_spent(lua_State *L, lua_State *co) {
    struct script_state *state = script_state_of(L);
    state->memory_strict = false; /* a few bytes that must not fail */
    luaL_checkstack(L, 4, NULL);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &spent_key);
    lua_pushthread(co);
    lua_xmove(co, L, 1);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    state->memory_strict = state->watch.active;
}

static bool is_spent(lua_State *L, lua_State *co) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &spent_key);
    lua_pushthread(co);
    lua_xmove(co, L, 1);
    bool spent = lua_rawget(L, -2) != LUA_TNIL;
    lua_pop(L, 2);
    return spent;
}

/* Moves `count` arguments to `co`, resumes it and moves its results back. Returns their number, or
 * -1 with the error object on top. */
static int resume_with(lua_State *L, lua_State *co, int count) {
    if (!lua_checkstack(co, count)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    struct script_state *state = script_state_of(L);
    lua_xmove(L, co, count);
    int answers = 0;
    state->thread = co;
    int status = lua_resume(co, L, count, &answers);
    state->thread = L;
    if (state->watch.over) {
        mark_spent(L, co);
        script_check_time(L); /* raises */
    }
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, answers + 1)) {
        lua_pop(co, answers);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, answers);
    return answers;
}

static int resume(lua_State *L) {
    lua_State *co = check_coroutine(L);
    int answers = resume_with(L, co, lua_gettop(L) - 1);
    if (answers < 0) {
        lua_pushboolean(L, 0);
        lua_insert(L, -2);
        return 2;
    }
    lua_pushboolean(L, 1);
    lua_insert(L, -(answers + 1));
    return answers + 1;
}

/* Closes what is still open in `co`, on its owner's account. */
static int close_coroutine(lua_State *L, lua_State *co) {
    struct script_state *state = script_state_of(L);
    script_check_stack(L); /* Lua 5.4.4 does not count closes within closes */
    if (is_spent(L, co)) {
        luaL_error(L, "cannot close a coroutine that ran out of CPU time");
    }
    state->thread = co;
    int status = lua_resetthread(co);
    state->thread = L;
    script_check_time(L);
    return status;
}

static int call_wrapped(lua_State *L) {
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    assert(co != NULL);
    int answers = resume_with(L, co, lua_gettop(L));
    if (answers >= 0) {
        return answers;
    }
    int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD && close_coroutine(L, co) != LUA_OK) {
        lua_xmove(co, L, 1); /* the error of a __close replaces the first one */
    }
    if (lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int wrap(lua_State *L) {
    create(L);
    lua_pushcclosure(L, call_wrapped, 1);
    return 1;
}

static int close(lua_State *L) {
    lua_State *co = check_coroutine(L);
    lua_Debug ar;
    bool running = co == L || (lua_status(co) == LUA_OK && lua_getstack(co, 0, &ar));
    if (running) {
        return luaL_error(L, "cannot close a running coroutine");
    }
    if (close_coroutine(L, co) == LUA_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushboolean(L, 0);
    lua_xmove(co, L, 1);
    return 2;
}

static bool is_hosts(lua_State *L) {
    struct script_state *state = script_state_of(L);
    return L == state->base;
}

static int yield(lua_State *L) {
    if (is_hosts(L)) {
        return luaL_error(L, "coroutine.yield outside a coroutine: to wait, use zing.snooze or "
                             "zing.http");
    }
    return lua_yield(L, lua_gettop(L));
}

static int running(lua_State *L) {
    bool main = is_hosts(L);
    if (main) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &stand_in_key);
    } else {
        lua_pushthread(L);
    }
    lua_pushboolean(L, main);
    return 2;
}

static int isyieldable(lua_State *L) {
    lua_pushboolean(L, !is_hosts(L) && lua_isyieldable(L));
    return 1;
}

static int finish_pcall(lua_State *L, int status, lua_KContext extra) {
    if (status == LUA_OK || status == LUA_YIELD) {
        return lua_gettop(L) - (int)extra;
    }
    script_check_time(L);
    if (script_state_of(L)->unwinding) {
        return lua_error(L);
    }
    lua_pushboolean(L, 0);
    lua_pushvalue(L, -2);
    return 2;
}

static int protected_call(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish_pcall);
    return finish_pcall(L, status, 0);
}

static int handle_message(lua_State *L) {
    if (script_state_of(L)->watch.over || script_state_of(L)->unwinding) {
        return 1;
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

/* xpcall(f, handler, ...): the stack becomes f, handler, true, f, arguments. */
static int protected_call_with_handler(lua_State *L) {
    int count = lua_gettop(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, handle_message, 1);
    lua_replace(L, 2);
    lua_pushboolean(L, 1);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2);
    int status = lua_pcallk(L, count - 2, LUA_MULTRET, 2, 2, finish_pcall);
    return finish_pcall(L, status, 2);
}

void sandbox_open_coroutines(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"create", create}, {"wrap", wrap},       {"resume", resume},           {"close", close},
        {"yield", yield},   {"running", running}, {"isyieldable", isyieldable}, {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
    lua_newthread(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &stand_in_key);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &spent_key);
}

void sandbox_open_catching(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"pcall", protected_call},
        {"xpcall", protected_call_with_handler},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
