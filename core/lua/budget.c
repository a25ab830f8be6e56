/*
 * budget.c - the memory cap and the CPU-time cap of the Lua state.
 *
 * Memory: the allocator counts every byte and refuses beyond the limit while handler code runs; Lua
 * then collects garbage, and raises an error in the code that asked for memory.
 *
 * Time: a count hook checks the clock. It reads the cheap clock first; the thread's CPU clock,
 * which takes a system call, only in handlers that have run for a while. A single instruction can
 * take milliseconds if it allocates (string.rep), so allocated bytes bring the next check forward.
 * Once the time is up, the hook raises an error at every instruction, and everything that can catch
 * an error (pcall, xpcall, coroutine.resume) calls script_check_time, so no handler outlives its
 * limit. Loops in C are charged by bytes or elements (script_charge), and check the clock inside
 * the loop. Instructions that cannot check may still take a millisecond each (comparing long
 * strings), and a thousand of them can run between two checks: so the watchdog's clock brings the
 * next check forward, too. C code that never returns is handled by base/watchdog.h.
 */
#include "lua/host.h"

#include "base/blocks.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/watchdog.h"
#include "lua/run.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CHURN_BYTES = 1 << 20,     /* bytes allocated between two checks of the clock */
    STACK_BYTES_MAX = 1 << 20, /* C stack that nested closes of coroutines may use */
    GROWTH_PARTS = 64,         /* 1/64 of a service's growth is forgotten with each run */
    NS_PER_MS = 1000000,
};

static int64_t wall_ns(const struct script_watch *watch) {
    return clock_monotonic_ns() - watch->wall_start_ns;
}

/* Nanoseconds this attempt has used. */
static int64_t spent_ns(const struct script_watch *watch) {
    if (watch->cpu_start_ns < 0) {
        return watch->spent_ns + wall_ns(watch);
    }
    return watch->spent_ns + clock_thread_ns() - watch->cpu_start_ns;
}

static bool time_is_up(struct script_watch *watch) {
    int64_t wall = wall_ns(watch);
    if (watch->cpu_start_ns < 0) { /* so far the thread had the processor nearly all the time */
        watch->cpu_start_ns = clock_thread_ns() - wall;
    }
    return watch->spent_ns + wall > watch->limit_ns && spent_ns(watch) > watch->limit_ns;
}

static void raise_time(lua_State *L, int level) {
    char text[96];
    luaL_where(L, level);
    lua_pushstring(L, script_time_text(script_state_of(L), text));
    lua_concat(L, 2);
    lua_error(L);
}

static void look_at_clock(lua_State *L, lua_Debug *ar);

bool script_time_is_up(struct script_state *state) {
    struct script_watch *watch = &state->watch;
    watch->charged = 0;
    return watch->active && (watch->over || time_is_up(watch) || watchdog_over());
}

/* Raises an error when the time is up; `level` says which function to blame. */
static void look(lua_State *L, int level) {
    struct script_state *state = script_state_of(L);
    if (!script_time_is_up(state)) {
        return;
    }
    state->watch.over = true;
    lua_sethook(L, look_at_clock, LUA_MASKCOUNT, 1);
    raise_time(L, level);
}

/* The count hook. */
static void look_at_clock(lua_State *L, lua_Debug *ar) {
    (void)ar;
    if (!script_state_of(L)->watch.active) {
        return;
    }
    look(L, 0);
    if (lua_gethookcount(L) != LUA_HOOK_INSTRUCTIONS) {
        lua_sethook(L, look_at_clock, LUA_MASKCOUNT, LUA_HOOK_INSTRUCTIONS);
    }
}

void script_look_at_clock(lua_State *L) {
    look(L, 1);
}

void script_check_stack(lua_State *L) {
    const char *at = __builtin_frame_address(0);
    if (script_state_of(L)->watch.stack - at > STACK_BYTES_MAX) { /* the stack grows downwards */
        luaL_error(L, "C stack overflow");
    }
}

/* lua_sethook may be called at any time, even from a signal handler such as the caller of this. */
static void look_soon(struct script_state *state) {
    state->memory_churn = 0;
    if (state->watch.active) {
        lua_sethook(state->thread, look_at_clock, LUA_MASKCOUNT, 1);
    }
}

/* Runs in a signal handler, possibly between any two lines of script_enter, script_leave or a
 * resume: `thread` is a living coroutine at all times. */
static void on_watchdog(void *ctx) {
    look_soon(ctx);
}

static bool may_grow(struct script_state *state, size_t more) {
    bool fits = more <= state->memory_limit && state->memory_used <= state->memory_limit - more;
    if (state->memory_strict && !fits) {
        look_soon(state); /* Lua now collects garbage: expensive, and counts no instructions */
        return false;
    }
    state->memory_churn += more;
    if (state->memory_churn > CHURN_BYTES) {
        look_soon(state);
    }
    return true;
}

static void note_more(struct script_state *state, size_t bytes) {
    memory_take(state->host->memory, MEMORY_LUA, bytes);
    state->memory_used += bytes;
    if (state->memory_used > state->memory_peak) {
        state->memory_peak = state->memory_used;
    }
}

static void note_less(struct script_state *state, size_t bytes) {
    assert(state->memory_used >= bytes); /* INV-RUN-6 */
    memory_give(state->host->memory, MEMORY_LUA, bytes);
    state->memory_used -= bytes;
}

static void *refuse(struct script_state *state, int lacks) {
    state->lacks = lacks;
    state->refusals++;
    return NULL;
}

/* After one refusal Lua collects garbage and asks again: then nothing was lacking. */
static void grant(struct script_state *state) {
    if (state->refusals == 1) {
        state->lacks = 0;
    }
    state->refusals = 0;
}

static void *make_block(struct script_state *state, size_t size) {
    if (!may_grow(state, size)) {
        return refuse(state, 0);
    }
    void *block = blocks_take(size);
    if (block == NULL) {
        return refuse(state, ERR_MEMORY);
    }
    grant(state);
    note_more(state, size);
    return block;
}

static void *resize_block(struct script_state *state, void *block, size_t old_size,
                          size_t new_size) {
    bool grows = new_size > old_size;
    if (grows && !may_grow(state, new_size - old_size)) {
        return refuse(state, 0);
    }
    void *moved = blocks_resize(block, old_size, new_size);
    if (grows && moved == NULL) {
        return refuse(state, ERR_MEMORY);
    }
    if (grows) {
        grant(state);
    }
    note_less(state, old_size);
    note_more(state, new_size);
    return moved == NULL ? block : moved; /* Lua assumes that shrinking never fails */
}

void *script_allocate(void *ud, void *block, size_t old_size, size_t new_size) {
    struct script_state *state = ud;
    if (block == NULL) { /* then old_size is a type tag */
        return new_size == 0 ? NULL : make_block(state, new_size);
    }
    if (new_size > 0) {
        return resize_block(state, block, old_size, new_size);
    }
    note_less(state, old_size);
    blocks_give(block, old_size);
    return NULL;
}

void script_look_at_memory(struct script_state *state) {
    size_t most = state->memory_limit - state->memory_limit / 4;
    size_t step = state->memory_limit / 16;
    if (state->full || state->memory_used <= most ||
        state->memory_used - state->memory_kept < step) {
        return; /* the usual case; and not too often near the limit */
    }
    (void)lua_gc(state->L, LUA_GCCOLLECT);
    bool grew = state->memory_used > state->memory_kept;
    state->memory_kept = state->memory_used;
    state->full = grew && state->memory_used > most;
}

void script_limits_open(struct script_state *state) {
    lua_sethook(state->L, look_at_clock, LUA_MASKCOUNT, LUA_HOOK_INSTRUCTIONS);
}

void script_enter(struct script_state *state, struct run *run, lua_State *L, int64_t spent_us) {
    assert(!state->watch.active && state->current == NULL); /* INV-RUN-1 */
    state->current = run;
    state->base = L;
    state->thread = L;
    state->memory_strict = true;
    state->memory_before = state->memory_used;
    state->memory_peak = state->memory_used;
    state->watch.active = true;
    state->watch.over = false;
    state->unwinding = false;
    state->lacks = 0;
    state->refusals = 0;
    state->host->scratch.lacked = state->host->second.lacked = false;
    state->watch.spent_ns = spent_us * 1000;
    state->watch.wall_start_ns = clock_monotonic_ns();
    state->watch.cpu_start_ns = -1;
    state->watch.charged = 0;
    state->watch.stack = __builtin_frame_address(0);
    watchdog_call(on_watchdog, state);
}

/* A run has left: by how much it made its state grow, what it has staged included. */
static void note_growth(struct script_state *state) {
    struct script_slot *slot = &state->host->slots[state->service];
    size_t grown = state->memory_peak - state->memory_before + run_staged(state->current);
    size_t before = slot->growth - slot->growth / GROWTH_PARTS;
    slot->growth = grown > before ? grown : before;
}

int64_t script_leave(struct script_state *state) {
    assert(state->watch.active); /* INV-RUN-1 */
    watchdog_call(NULL, NULL);
    int64_t spent = spent_ns(&state->watch);
    if (state->current != NULL) {
        note_growth(state);
    }
    state->current = NULL;
    state->base = state->L;
    state->thread = state->L;
    state->memory_strict = false;
    state->watch.active = false;
    return spent / 1000;
}

void script_check_time(lua_State *L) {
    if (script_state_of(L)->watch.over) {
        raise_time(L, 1);
    }
}

static const struct service_conf *conf_of(const struct script_state *state) {
    return &state->host->conf->services[state->service];
}

const char *script_time_text(const struct script_state *state, char out[96]) {
    char limit[32];
    (void)snprintf(out, 96, "used more than %s of CPU time (%slua_time)%s",
                   conf_duration_text(state->watch.limit_ns / NS_PER_MS, limit),
                   conf_of(state)->lua_time_ms > 0 ? "" : "limits.",
                   watchdog_over() ? ", far more: the watchdog saw it" : "");
    return out;
}

const char *script_memory_text(const struct script_state *state, char out[96]) {
    size_t mib = (size_t)1 << 20;
    bool whole = state->memory_limit % mib == 0;
    if (script_lacks(state) != 0) {
        return "the host is out of memory";
    }
    (void)snprintf(out, 96, "used more than %zu %s of memory (%slua_memory)",
                   whole ? state->memory_limit / mib : state->memory_limit / 1024,
                   whole ? "MiB" : "KiB", conf_of(state)->lua_memory_bytes > 0 ? "" : "limits.");
    return out;
}

int script_raise_lack(lua_State *L, int code, const char *what) {
    bool passes = code == ERR_MEMORY || code == ERR_DISK; /* what is damaged stays so */
    script_state_of(L)->lacks = passes ? code : 0;
    return luaL_error(L, "%s: %s", what, error_text(code));
}

int script_lacks(const struct script_state *state) {
    const struct script_host *host = state->host;
    return host->scratch.lacked || host->second.lacked ? ERR_MEMORY : state->lacks;
}
