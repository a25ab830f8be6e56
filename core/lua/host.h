/*
 * host.h - the inside of the Lua host, shared by core/lua and core/lua/api.
 *
 * Each service has a lua_State of its own, so that no script sees, fills or slows another's: its
 * memory, its random numbers, its modules. A new version of its code is a new state; the old one
 * lives until the invocations that began in it have ended, and no third one is created before. The
 * allocator counts memory; a count hook that every coroutine inherits watches CPU time. Between
 * script_enter and script_leave the limits are in force: an allocation beyond the cap fails, and
 * the hook raises an error once the time is up. Outside, the host works for itself: it never raises
 * unprotected, and memory fails only when the system's does.
 */
#ifndef ZINGQ_LUA_HOST_H
#define ZINGQ_LUA_HOST_H

#include "base/buf.h"
#include "conf/conf.h"
#include "base/culprit.h"
#include "base/memory.h"
#include "lua/script.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct run;

/* One topic filter of a handler's table. */
struct script_route {
    char *filter; /* owned */
    size_t len;   /* bytes of filter */
    bool wildcard;
    int function; /* registry reference */
};

/* A file as it was when it was read. */
struct script_file {
    char *name;       /* in the scripts folder; owned */
    bool missing;     /* it could not be read: its appearance is a change */
    int64_t stamp[4]; /* inode, size, seconds and nanoseconds of the last change */
    uint8_t hash[32]; /* BLAKE2b of the bytes */
};

/* Functions with a role other than a route, by index in `roles`. */
enum script_role {
    ROLE_ANY,             /* the script returned one function for every topic */
    ROLE_ON_LOCK_EXPIRED, /* reserved names of the handler's table */
    ROLE_ON_DEAD,
    ROLE_RETRY,       /* the retry script */
    ROLE_DEAD_LETTER, /* the dead_letter script */
    ROLE_COUNT
};

/* One version of one service's code, or the files of one that was refused. */
struct script_code {
    struct script_route *routes; /* most specific first; owned */
    size_t route_count;
    int roles[ROLE_COUNT];     /* registry references, LUA_NOREF = none */
    struct script_file *files; /* the files that were read, in that order; owned */
    size_t file_count;
    uint64_t version;
};

/* The watch over CPU time; see lua/budget.c. */
struct script_watch {
    bool active;           /* between enter and leave */
    bool over;             /* the time is up: every instruction raises until leave */
    int64_t limit_ns;      /* lua_time */
    int64_t spent_ns;      /* of the same attempt, before this entry */
    int64_t wall_start_ns; /* CLOCK_MONOTONIC at entry */
    int64_t cpu_start_ns;  /* CLOCK_THREAD_CPUTIME_ID at entry, -1 until first needed */
    size_t charged;        /* work done in C since the last check of the clock: see script_charge */
    const char *stack;     /* position of the C stack at entry */
};

enum { THREADS_POOLED_MAX = 256 }; /* a few KB each */

/* A generation of one service: a lua_State with one version of its code. */
struct script_state {
    lua_State *L;             /* the main thread: loads scripts, runs no handler */
    struct script_host *host; /* borrowed */
    size_t service;           /* index in conf->services */
    struct script_code *code; /* owned; while it is loading, the part loaded so far */
    size_t runs;              /* invocations that began in it */

    size_t memory_used, memory_limit;  /* bytes */
    size_t memory_before, memory_peak; /* at entry; the most since then */
    size_t memory_churn;               /* bytes allocated since the hook last checked */
    size_t memory_kept;                /* left after the last full collection; 0 = none */
    bool memory_strict;                /* the limit is in force */
    bool full;                         /* too much of it is kept: a new state is needed */
    unsigned refusals;                 /* of the allocator, one after the other */
    int lacks; /* since entry the host did not have what was asked for: ERR_MEMORY, ERR_DISK; or 0 */
    struct script_watch watch;

    bool unwinding;             /* nothing may catch the current error: see lua/api/step.c */
    struct run *current;        /* the invocation inside, or NULL */
    lua_State *base;            /* the coroutine the host resumed, or the main thread */
    lua_State *volatile thread; /* the coroutine that runs now: base or one of its own */
    bool loading;               /* its code is being loaded */
    struct script_thread pool[THREADS_POOLED_MAX]; /* finished cleanly, ready for the next run */
    size_t pool_count;
};

/* What the handlers of a service have logged in the current second. */
struct log_budget {
    int64_t begun_ns; /* monotonic; 0 = nothing was written yet */
    size_t bytes;
    uint64_t left_out; /* lines */
};

/* One service's place in the host. */
struct script_slot {
    struct script_state *live;   /* NULL = never loaded */
    struct script_state *old;    /* the one before, while invocations run in it; or NULL */
    struct script_code *refused; /* the files of the last load, if it failed; or NULL */
    char *error;                 /* why it failed, or NULL; owned */
    int64_t renew_ns;            /* not renewed for being full before this time; monotonic */
    int64_t told_ns;             /* when it was last logged as full; monotonic */
    struct log_budget log;
    size_t growth; /* bytes by which runs have lately made the state grow, at most; 0 = none ran */
    bool unseen;   /* that brought a new version, which on_reload has not reported yet */
};

struct script_host {
    const struct conf *conf;              /* borrowed */
    const struct script_library *library; /* borrowed */
    struct memory *memory;                /* borrowed; NULL = no budget */
    struct script_slot *slots;            /* one per service */

    uint8_t loaded[CULPRIT_LOAD_BYTES]; /* a hash over what was read of the code being loaded */
    struct culprit *culprit;            /* borrowed; knows which versions must not be run again */
    bool load_refused;                  /* the current load is one of these */

    struct script_names names; /* found: NULL = nobody asked for them */

    bool reload_waits; /* for the end of a state older than the previous one */

    struct buf scratch; /* text under construction: survives a raise, so nothing leaks */
    struct buf second;  /* the same, where two are needed */
};

/* What a lua_State or any of its coroutines belongs to. */
static inline struct script_state *script_state_of(lua_State *L) {
    return *(struct script_state **)lua_getextraspace(L);
}

/* --- lua/budget.c: memory and time --- */

/* A lua_Alloc; ud is the state. */
void *script_allocate(void *ud, void *block, size_t old_size, size_t new_size);
/* Sets the hook on the main thread; coroutines created later inherit it. */
void script_limits_open(struct script_state *state);
/* Puts the limits in force for work on `L`; the same attempt has already used spent_us. */
void script_enter(struct script_state *state, struct run *run, lua_State *L, int64_t spent_us);
/* Lifts them. Returns the attempt's CPU time so far, in microseconds. */
int64_t script_leave(struct script_state *state);
/* After a script's work, with the limits still in force: sets state->full if too much memory is
 * kept after a full collection. */
void script_look_at_memory(struct script_state *state);
/* Raises when the time is up; for functions that may have caught the first error. */
void script_check_time(lua_State *L);
/* Checks the clock now and raises when the time is up: for C functions that may take long. */
void script_look_at_clock(lua_State *L);
/* The same without raising: true if the time is up. */
bool script_time_is_up(struct script_state *state);
/* Raises when the C stack is nearly used up. */
void script_check_stack(lua_State *L);

enum { CHARGE_PER_LOOK = 1 << 16 /* units: some hundred microseconds */ };

/* Charges work done in C without any Lua instruction, one unit per byte or per few nanoseconds: at
 * intervals the clock is checked. May raise. Every loop in C calls it. */
static inline void script_charge(lua_State *L, size_t units) {
    struct script_watch *watch = &script_state_of(L)->watch;
    watch->charged += units;
    if (watch->charged >= CHARGE_PER_LOOK) {
        script_look_at_clock(L);
    }
}
/* "used more than 200 ms of CPU time (limits.lua_time)". Returns `out`. */
const char *script_time_text(const struct script_state *state, char out[96]);
/* Why Lua raised an error for want of memory: the script's limit, or the host has none. May use `out`. */
const char *script_memory_text(const struct script_state *state, char out[96]);
/* Raises "WHAT: ...", as that error code says. ERR_MEMORY, ERR_DISK: the host lacks it. See run->lacks. */
int script_raise_lack(lua_State *L, int code, const char *what);
/* What the host lacked since the state was entered: an error code, or 0. */
int script_lacks(const struct script_state *state);

/* --- lua/lines.c: how much handlers write to the log --- */

/* True if a line of this size may be written; otherwise it is counted as left out. */
bool script_may_log(struct script_state *state, size_t bytes);
/* An invocation of the service ended: logs what was left out, once a second. */
void script_log_ended(struct script_host *host, size_t service);

/* --- lua/compile.c --- */

/* Pushes the chunk as a function, or the error's message: LUA_OK or Lua's status. Raises when the
 * time is up: some texts take the compiler the square of their length. The text is not in the
 * host's Lua state; it stays where it is until this returns or raises. */
int script_compile(lua_State *L, struct slice text, const char *name);

/* --- lua/names.c --- */

/* Calls names.found for the function on top, compiled from `file` for the environment at `env`. */
void script_check_names(lua_State *L, const char *file, int env);

/* --- lua/sandbox.c, lua/library.c, lua/coroutine.c: what scripts see --- */

/* Builds the shared, read-only part once. May raise (memory): call protected. */
void sandbox_open(lua_State *L);
/* Pushes a fresh environment for one version of one service's code. `require` gets as upvalues the
 * environment and the modules of this version by file name (false = still loading). May raise. */
void sandbox_push_environment(lua_State *L, lua_CFunction require);
/* Replaces the table on top by a read-only view of it; `what` names it in errors. May raise. */
void sandbox_protect(lua_State *L, const char *what);
/* Sets find, match, gmatch, gsub in the table on top. May raise. */
void sandbox_open_patterns(lua_State *L);
/* Replace what loops in C in the library on top by what is charged for it. May raise. */
void sandbox_bound_string(lua_State *L);
void sandbox_bound_table(lua_State *L);
void sandbox_bound_utf8(lua_State *L);
/* Wraps a plain C function in the given field of the table on top; upvalues: the function, its
 * name. The wrapper calls it in its own frame, so a function can be wrapped once. May raise. */
void sandbox_wrap_field(lua_State *L, const char *name, lua_CFunction wrapper);
/* A wrapper that charges the bytes of its arguments. */
int sandbox_charge_bytes(lua_State *L);
/* Sets create, wrap, resume... / pcall and xpcall in the table on top. May raise. */
void sandbox_open_coroutines(lua_State *L);
void sandbox_open_catching(lua_State *L);

/* --- lua/files.c: the files of the scripts folder --- */

/* Replaces `out` by the file's bytes and fills stamp and hash. */
int script_file_read(const struct script_host *host, struct script_file *file, struct buf *out,
                     struct report *r);
/* True if its bytes have changed. */
bool script_file_changed(struct script_host *host, struct script_file *file);
/* True if one of the files could not be read. */
bool script_files_lack(const struct script_code *code);
/* A hash over their names and bytes. */
uint64_t script_files_hash(struct script_code *code);

/* --- lua/routes.c: the results of scripts --- */

/* NULL is allowed. */
void script_code_free(struct script_code *code);

/* Takes the function on top for that role. */
void script_take_role(lua_State *L, struct script_code *code, enum script_role role);
/* Takes the table on top, from topic filter or reserved name to function. Raises. */
void script_take_table(lua_State *L, struct script_code *code, const char *file);
/* The role of a reserved name, or -1. */
int script_role_of(const char *name);
/* The function for a topic, or LUA_NOREF. */
int script_route_for(const struct script_code *code, struct slice topic);

/* --- lua/load.c: files to functions --- */

/* Loads the service's code into a new state. ERR_MEMORY, ERR_SCRIPT; ERR_REFUSED: it crashed the
 * host at an earlier start. Then *refused has the names of the files, and there is no state. */
int script_load(struct script_host *host, size_t service, struct script_state **out,
                struct script_code **refused, struct report *r);

/* --- lua/state.c: a Lua state --- */

/* An empty state. ERR_MEMORY. */
int script_state_new(struct script_state **out, struct script_host *host, size_t service);
/* NULL is allowed; no invocation may be left in it. */
void script_state_free(struct script_state *state);
/* Runs fn(ud) protected on the main thread. 0, ERR_MEMORY or ERR_SCRIPT; r gets the message. */
int script_protect(struct script_state *state, lua_CFunction fn, void *ud, struct report *r);
/* A coroutine for an invocation. ERR_MEMORY. */
int script_thread_take(struct script_state *state, struct script_thread *out);
/* Returns it: `clean` if its function returned, so that it can be reused. */
void script_thread_give(struct script_state *state, struct script_thread thread, bool clean);

/* --- lua/script.c: generations --- */

/* The state for a new invocation of the service; NULL when it has no code; a new state if the last
 * one was full. It stays until script_end. */
struct script_state *script_begin(struct script_host *host, size_t service);
void script_end(struct script_state *state);
/* Creates a new state from the same files, because the live one keeps too much memory. False: not
 * now. */
bool script_renew(struct script_host *host, size_t service);

#endif
