/* failure.c - see lua/failure.h. */
#include "lua/failure.h"

#include "lua/json.h"
#include "base/limits.h"
#include "lua/host.h"

#include <assert.h>

enum { TRACEBACK_BYTES = 1536 /* of ERROR_BYTES_MAX: reserved for it after a long message */ };

struct failure {
    struct run *run;
    lua_State *L;        /* the coroutine; its stack is as the error left it */
    const char *instead; /* of the error object, or NULL */
};

/* Appends as much as fits, but leaves `spare` bytes free. */
static void add_clipped(struct buf *out, const char *text, size_t len, size_t spare) {
    size_t room = out->max > out->len + spare ? out->max - out->len - spare : 0;
    if (len > room) {
        len = room;
        while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80) {
            len--; /* do not cut a character in two */
        }
    }
    buf_add(out, text, len);
}

/* ---- errors as objects ---- */

/* Registry key: their metatable. */
static const char object_key = 'o';

static int object_text(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushliteral(L, "message");
    lua_rawget(L, 1);
    return 1;
}

/* error.message .. " and more", as with an error that is a string. */
static int object_concat(lua_State *L) {
    (void)luaL_tolstring(L, 1, NULL);
    (void)luaL_tolstring(L, 2, NULL);
    lua_concat(L, 2);
    return 1;
}

void failure_open(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"__tostring", object_text}, {"__concat", object_concat}, {NULL, NULL}};
    lua_createtable(L, 0, 3);
    luaL_setfuncs(L, functions, 0);
    lua_pushliteral(L, "an error of the database");
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &object_key);
}

int failure_raise(lua_State *L, const char *sqlstate, bool final) {
    lua_createtable(L, 0, 3);
    lua_insert(L, -2);
    lua_setfield(L, -2, "message");
    lua_pushstring(L, sqlstate); /* NULL pushes nil */
    lua_setfield(L, -2, "sqlstate");
    lua_pushboolean(L, final);
    lua_setfield(L, -2, "final");
    lua_rawgetp(L, LUA_REGISTRYINDEX, &object_key);
    lua_setmetatable(L, -2);
    return lua_error(L);
}

bool failure_is_final(lua_State *L, int index) {
    bool final = false;
    if (lua_istable(L, index) && lua_getmetatable(L, index)) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &object_key);
        bool ours = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
        if (ours) {
            lua_pushvalue(L, index);
            lua_pushliteral(L, "final");
            lua_rawget(L, -2);
            final = lua_toboolean(L, -1);
            lua_pop(L, 2);
        }
    }
    return final;
}

/* ---- describing ---- */

/* The error object as a string on the stack; it is at index 1. */
static int object_to_text(lua_State *L) {
    struct script_host *host = script_state_of(L)->host;
    if (lua_istable(L, 1) && luaL_getmetafield(L, 1, "__tostring") == LUA_TNIL) {
        buf_reset(&host->scratch);
        json_encode(L, 1, "error", &host->scratch);
        lua_pushlstring(L, host->scratch.data, host->scratch.len);
        return 1;
    }
    luaL_tolstring(L, 1, NULL);
    return 1;
}

/* Writes the message to run->error. Handler code may run: __tostring, within the limits. */
static void add_message(struct failure *f) {
    struct script_state *state = f->run->state;
    struct buf *out = &f->run->error;
    if (f->instead != NULL) {
        buf_add_str(out, f->instead);
        return;
    }
    lua_State *L = state->L;
    if (lua_type(f->L, -1) == LUA_TSTRING) {
        size_t len;
        const char *text = lua_tolstring(f->L, -1, &len);
        add_clipped(out, text, len, TRACEBACK_BYTES);
        return;
    }
    bool is_table = lua_istable(f->L, -1);
    lua_pushcfunction(L, object_to_text);
    lua_xmove(f->L, L, 1);
    script_enter(state, f->run, L, f->run->cpu_us);
    int status = lua_pcall(L, 1, 1, 0);
    f->run->cpu_us = script_leave(state);
    if (status == LUA_OK) {
        size_t len;
        const char *text = lua_tolstring(L, -1, &len);
        add_clipped(out, text, len, TRACEBACK_BYTES);
    } else {
        buf_add_str(out,
                    is_table ? "error object is a table value" : "error object is not a string");
    }
    lua_pop(L, 1);
}

static int push_traceback(lua_State *L) {
    struct failure *f = lua_touserdata(L, 1);
    luaL_traceback(L, f->L, NULL, 0);
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    buf_add(&f->run->error, "\n", 1);
    add_clipped(&f->run->error, text, len, 0);
    return 0;
}

void run_describe_error(struct run *run, const char *instead) {
    struct failure f = {.run = run, .L = run->thread.L, .instead = instead};
    struct report r;
    buf_reset(&run->error);
    add_message(&f);
    /* If there is no memory for a traceback, the message must be enough. */
    (void)script_protect(run->state, push_traceback, &f, &r);
    assert(run->error.len <= ERROR_BYTES_MAX); /* INV-RUN-5 */
}
