/*
 * sandbox.c - what a script can see and change.
 *
 * Scripts see libraries through empty tables whose metatables lead to the real ones, so no service
 * can change what another one sees; rawset refuses such tables, and getmetatable does not return
 * their metatables. Every version of a service's code has an environment of its own: globals can be
 * read but not assigned, and a name that does not exist is an error, not nil.
 *
 * Left out on purpose: io, debug, package, os except for the clock, bytecode (string.dump and
 * binary chunks), collectgarbage except for counting, and __gc: a finalizer runs with hooks off, at
 * any time, in whatever code allocates. Functions that loop in C are charged: lua/library.c.
 */
#include "lua/host.h"

#include "base/clock.h"
#include "lua/run.h"

#include <lualib.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

/* Registry key of the globals that every environment starts with. */
static const char globals_key = 'g';

enum {
    LOAD_BYTES_MAX = 1 << 20, /* text for one load() */
    DATE_BYTES_MAX = 1024,    /* the format of os.date: some letters take a microsecond */
};

/* --- read-only tables --- */

static int refuse_write(lua_State *L) {
    return luaL_error(L, "%s is read-only: cannot assign %s", lua_tostring(L, lua_upvalueindex(1)),
                      luaL_tolstring(L, 2, NULL));
}

static int next_pair(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    if (lua_next(L, 1)) {
        return 2;
    }
    lua_pushnil(L);
    return 1;
}

/* pairs() on a read-only table walks a copy, so that the real one stays out of reach. */
static int pairs_of_copy(lua_State *L) {
    lua_pushcfunction(L, next_pair);
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, lua_upvalueindex(1))) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    lua_pushnil(L);
    return 3;
}

static void set_metamethods(lua_State *L, int real, const char *what) {
    lua_createtable(L, 0, 5);
    lua_pushvalue(L, real);
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, what);
    lua_pushcclosure(L, refuse_write, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushvalue(L, real);
    lua_pushcclosure(L, pairs_of_copy, 1);
    lua_setfield(L, -2, "__pairs");
    lua_pushliteral(L, "read-only");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}

void sandbox_protect(lua_State *L, const char *what) {
    int real = lua_gettop(L);
    lua_newtable(L);
    set_metamethods(L, real, what);
    lua_replace(L, real);
}

/* --- the base functions that differ from Lua's --- */

static int guarded_rawset(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    luaL_checkany(L, 3);
    if (luaL_getmetafield(L, 1, "__metatable") == LUA_TSTRING &&
        strcmp(lua_tostring(L, -1), "read-only") == 0) {
        return luaL_error(L, "rawset on a read-only table");
    }
    lua_settop(L, 3);
    lua_rawset(L, 1);
    return 1;
}

static int guarded_setmetatable(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    int kind = lua_type(L, 2);
    luaL_argexpected(L, kind == LUA_TNIL || kind == LUA_TTABLE, 2, "nil or table");
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) {
        return luaL_error(L, "cannot change a protected metatable");
    }
    lua_settop(L, 2);
    if (kind == LUA_TTABLE) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL) {
            return luaL_error(L, "__gc is not available to scripts: use a to-be-closed variable");
        }
        lua_pop(L, 1);
    }
    lua_setmetatable(L, 1);
    return 1;
}

static int count_garbage(lua_State *L) {
    const char *what = luaL_optstring(L, 1, "count");
    if (strcmp(what, "count") != 0) {
        return luaL_error(L, "collectgarbage: only \"count\" is available to scripts");
    }
    lua_pushnumber(L, (lua_Number)script_state_of(L)->memory_used / 1024.0);
    return 1;
}

/* load(text [, name [, mode [, env]]]): text only. */
static int load_text(lua_State *L) {
    if (lua_type(L, 1) != LUA_TSTRING) {
        return luaL_error(L, "load takes a string with the text of a chunk");
    }
    size_t len;
    const char *text = lua_tolstring(L, 1, &len);
    const char *name = luaL_optstring(L, 2, "=load");
    if (len > LOAD_BYTES_MAX) {
        return luaL_error(L, "load: more than %d bytes", LOAD_BYTES_MAX);
    }
    bool own_env = !lua_isnone(L, 4);
    if (script_compile(L, (struct slice){text, len}, name) != LUA_OK) {
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    lua_pushvalue(L, own_env ? 4 : lua_upvalueindex(1));
    if (lua_setupvalue(L, -2, 1) == NULL) {
        lua_pop(L, 1);
    }
    return 1;
}

/* --- os: the clock, as the engine sees it --- */

static void push_now(lua_State *L) {
    struct run *run = script_state_of(L)->current;
    int64_t seconds =
        run == NULL ? clock_wall_ms() / 1000 : run->view->wall_ms(run->view->ctx) / 1000;
    lua_pushinteger(L, seconds);
}

static int os_time(lua_State *L) {
    if (lua_isnoneornil(L, 1)) {
        push_now(L);
        return 1;
    }
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static int os_date(lua_State *L) {
    size_t len;
    luaL_optlstring(L, 1, "%c", &len);
    if (len > DATE_BYTES_MAX) {
        return luaL_error(L, "os.date: a format of more than %d bytes", DATE_BYTES_MAX);
    }
    if (lua_isnone(L, 1)) {
        lua_pushliteral(L, "%c");
    }
    if (lua_isnoneornil(L, 2)) {
        lua_settop(L, 1);
        push_now(L);
    }
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static void open_os(lua_State *L) {
    luaL_requiref(L, LUA_OSLIBNAME, luaopen_os, 0);
    lua_createtable(L, 0, 4);
    static const char *const as_they_are[] = {"clock", "difftime"};
    for (size_t i = 0; i < sizeof as_they_are / sizeof as_they_are[0]; i++) {
        lua_getfield(L, -2, as_they_are[i]);
        lua_setfield(L, -2, as_they_are[i]);
    }
    lua_getfield(L, -2, "time");
    lua_pushcclosure(L, os_time, 1);
    lua_setfield(L, -2, "time");
    lua_getfield(L, -2, "date");
    lua_pushcclosure(L, os_date, 1);
    lua_setfield(L, -2, "date");
    lua_remove(L, -2);
}

/* --- putting it together --- */

static void drop_field(lua_State *L, const char *name) {
    lua_pushnil(L);
    lua_setfield(L, -2, name);
}

static void open_string(lua_State *L) {
    luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 0);
    drop_field(L, "dump");
    sandbox_bound_string(L);
    sandbox_open_patterns(L);
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushliteral(L, "string");
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}

static void open_table(lua_State *L) {
    luaL_requiref(L, LUA_TABLIBNAME, luaopen_table, 0);
    sandbox_bound_table(L);
}

static void open_math(lua_State *L) {
    luaL_requiref(L, LUA_MATHLIBNAME, luaopen_math, 0);
    lua_Integer seed[2]; /* Lua's own seed is the time and an address, which others can guess */
    randombytes_buf(seed, sizeof seed);
    lua_getfield(L, -1, "randomseed");
    lua_pushinteger(L, seed[0]);
    lua_pushinteger(L, seed[1]);
    lua_call(L, 2, 0);
}

static void open_utf8(lua_State *L) {
    luaL_requiref(L, LUA_UTF8LIBNAME, luaopen_utf8, 0);
    sandbox_bound_utf8(L);
}

static void open_coroutine(lua_State *L) {
    luaL_requiref(L, LUA_COLIBNAME, luaopen_coroutine, 0);
    sandbox_open_coroutines(L);
}

static void open_zing(lua_State *L) {
    lua_newtable(L);
    script_state_of(L)->host->library->open(L);
}

/* name, and the function that pushes the real table */
static const struct {
    const char *name;
    void (*open)(lua_State *L);
} libraries[] = {
    {"string", open_string},       {"table", open_table}, {"math", open_math}, {"utf8", open_utf8},
    {"coroutine", open_coroutine}, {"os", open_os},       {"zing", open_zing},
};

static void copy_base(lua_State *L, int globals) {
    static const char *const as_they_are[] = {
        "assert", "error",  "getmetatable", "ipairs",   "next", "pairs",    "rawequal",
        "rawget", "rawlen", "select",       "tonumber", "type", "tostring", "_VERSION",
    };
    static const luaL_Reg own[] = {
        {"rawset", guarded_rawset},
        {"setmetatable", guarded_setmetatable},
        {"collectgarbage", count_garbage},
        {NULL, NULL},
    };
    luaL_requiref(L, LUA_GNAME, luaopen_base, 0);
    sandbox_wrap_field(L, "tonumber", sandbox_charge_bytes);
    for (size_t i = 0; i < sizeof as_they_are / sizeof as_they_are[0]; i++) {
        lua_getfield(L, -1, as_they_are[i]);
        lua_setfield(L, globals, as_they_are[i]);
    }
    lua_pop(L, 1);
    lua_pushvalue(L, globals);
    luaL_setfuncs(L, own, 0);
    sandbox_open_catching(L);
    lua_pop(L, 1);
}

void sandbox_open(lua_State *L) {
    lua_newtable(L);
    int globals = lua_gettop(L);
    copy_base(L, globals);
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        libraries[i].open(L);
        sandbox_protect(L, libraries[i].name);
        lua_setfield(L, globals, libraries[i].name);
    }
    lua_getfield(L, globals, "zing");
    script_state_of(L)->host->library->open_print(L, globals);
    lua_settop(L, globals);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &globals_key);
}

/* --- environments --- */

static int refuse_unknown(lua_State *L) {
    return luaL_error(L, "undeclared global '%s'", luaL_tolstring(L, 2, NULL));
}

static int refuse_global(lua_State *L) {
    return luaL_error(L, "assignment to undeclared global '%s' (make it local)",
                      luaL_tolstring(L, 2, NULL));
}

/* The globals of one version: the shared ones, and those that refer to the environment at `env`. */
static void push_globals(lua_State *L, int env, lua_CFunction require) {
    lua_newtable(L);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &globals_key);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -5);
    }
    lua_pop(L, 1);
    lua_pushvalue(L, env);
    lua_newtable(L);
    lua_pushcclosure(L, require, 2);
    lua_setfield(L, -2, "require");
    lua_pushvalue(L, env);
    lua_pushcclosure(L, load_text, 1);
    lua_setfield(L, -2, "load");
    lua_pushvalue(L, env);
    lua_setfield(L, -2, "_G");
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, refuse_unknown);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

void sandbox_push_environment(lua_State *L, lua_CFunction require) {
    lua_newtable(L);
    int env = lua_gettop(L);
    push_globals(L, env, require);
    lua_createtable(L, 0, 4);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, refuse_global);
    lua_setfield(L, -2, "__newindex");
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, pairs_of_copy, 1);
    lua_setfield(L, -2, "__pairs");
    lua_pushliteral(L, "read-only");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, env);
    lua_settop(L, env);
}
