/*
 * state.c - a Lua state of one service: its life, protected calls, coroutines for invocations.
 *
 * A coroutine is kept for the next invocation only if its function returned. After an error or an
 * unfinished wait, Lua 5.4 leaves traces in a thread (a stale message handler, hooks switched off)
 * that lua_resetthread does not clear, and a new one costs only a microsecond.
 */
#include "lua/host.h"

#include "base/log.h"

#include <assert.h>
#include <stdlib.h>

enum { NS_PER_MS = 1000000 };

/* Nothing raises an error outside a protected call; if it did, continuing would be undefined. */
static int panic(lua_State *L) {
    const char *text = lua_tostring(L, -1);
    log_error("script", "raised outside a protected call: %s", text == NULL ? "?" : text);
    abort();
}

/* What the service does not set itself comes from limits{}. */
static void set_limits(struct script_state *state) {
    const struct conf *conf = state->host->conf;
    const struct service_conf *s = &conf->services[state->service];
    state->memory_limit = s->lua_memory_bytes > 0 ? s->lua_memory_bytes : conf->lua_memory_bytes;
    state->watch.limit_ns = (s->lua_time_ms > 0 ? s->lua_time_ms : conf->lua_time_ms) * NS_PER_MS;
}

int script_state_new(struct script_state **out, struct script_host *host, size_t service) {
    struct script_state *state = calloc(1, sizeof *state);
    if (state == NULL) {
        return ERR_MEMORY;
    }
    state->host = host;
    state->service = service;
    set_limits(state);
    state->L = lua_newstate(script_allocate, state);
    if (state->L == NULL) {
        free(state);
        return ERR_MEMORY;
    }
    state->base = state->L;
    state->thread = state->L;
    *(struct script_state **)lua_getextraspace(state->L) = state;
    (void)lua_atpanic(state->L, panic);
    script_limits_open(state);
    *out = state;
    return 0;
}

void script_state_free(struct script_state *state) {
    if (state == NULL) {
        return;
    }
    assert(state->current == NULL && state->runs == 0);
    lua_close(state->L);
    assert(state->memory_used == 0); /* INV-RUN-6 */
    script_code_free(state->code);
    free(state);
}

int script_protect(struct script_state *state, lua_CFunction fn, void *ud, struct report *r) {
    lua_State *L = state->L;
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

int script_thread_take(struct script_state *state, struct script_thread *out) {
    if (state->pool_count > 0) {
        *out = state->pool[--state->pool_count];
        assert(lua_status(out->L) == LUA_OK && lua_gettop(out->L) == 0); /* INV-RUN-7 */
        return 0;
    }
    return script_protect(state, make_thread, out, NULL) == 0 ? 0 : ERR_MEMORY;
}

void script_thread_give(struct script_state *state, struct script_thread thread, bool clean) {
    if (clean && state->pool_count < THREADS_POOLED_MAX) {
        lua_settop(thread.L, 0);
        state->pool[state->pool_count++] = thread;
        return;
    }
    luaL_unref(state->L, LUA_REGISTRYINDEX, thread.ref);
}
