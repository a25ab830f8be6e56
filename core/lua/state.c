/*
 * state.c - the Lua state: protected calls, and coroutines for invocations.
 *
 * Coroutines are kept for the next invocation only when their function returned: after an error or
 * an unfinished wait Lua 5.4 leaves traces in a thread (a stale message handler, hooks switched
 * off) that lua_resetthread does not wipe, and a new one costs a microsecond.
 */
#include "lua/host.h"

#include <assert.h>

int script_protect(struct script_host *host, lua_CFunction fn, void *ud, struct report *r) {
    lua_State *L = host->L;
    lua_pushcfunction(L, fn);
    lua_pushlightuserdata(L, ud);
    int status = lua_pcall(L, 1, 0, 0);
    if (status == LUA_OK) {
        return 0;
    }
    const char *text = lua_tostring(L, -1);
    int code = status == LUA_ERRMEM ? ERR_MEMORY : ERR_SCRIPT;
    (void)report(r, code, "%s", text == NULL ? "the error object is not a string" : text);
    lua_pop(L, 1);
    return code;
}

static int make_thread(lua_State *L) {
    struct script_thread *out = lua_touserdata(L, 1);
    out->L = lua_newthread(L);
    out->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

int script_thread_take(struct script_host *host, struct script_thread *out) {
    if (host->pool_count > 0) {
        *out = host->pool[--host->pool_count];
        assert(lua_status(out->L) == LUA_OK && lua_gettop(out->L) == 0); /* INV-RUN-7 */
        return 0;
    }
    return script_protect(host, make_thread, out, NULL) == 0 ? 0 : ERR_MEMORY;
}

void script_thread_give(struct script_host *host, struct script_thread thread, bool clean) {
    if (clean && host->pool_count < THREADS_POOLED_MAX) {
        lua_settop(thread.L, 0);
        host->pool[host->pool_count++] = thread;
        return;
    }
    luaL_unref(host->L, LUA_REGISTRYINDEX, thread.ref);
}

size_t script_memory(const struct script_host *host) {
    return host->memory_used;
}
