/*
 * script.h - the Lua host: a lua_State for each service, with its scripts loaded into it.
 *
 * Owns: the Lua states and their memory caps, the sandbox, `require`, loading, reloading (the last
 * good version stays), the CPU-time hook. It does not run handlers: lua/run.h does.
 */
#ifndef ZINGQ_LUA_SCRIPT_H
#define ZINGQ_LUA_SCRIPT_H

#include "conf/conf.h"
#include "base/error.h"
#include "event/event.h"

#include <stdbool.h>
#include <stdint.h>

struct culprit;
struct memory;
struct run;
struct script_host;
struct lua_State;

/* The library that handlers can call, and how their arguments are pushed; each function may raise
 * (memory). */
struct script_library {
    /* Sets everything in the table on top. */
    void (*open)(struct lua_State *L);
    /* Sets print in the table at `globals`: a line of the log. */
    void (*open_print)(struct lua_State *L, int globals);
    /* Push the argument of a handler, of a handler of batches, of on_lock_expired. */
    void (*push_event)(struct lua_State *L, struct run *run);
    void (*push_events)(struct lua_State *L, struct run *run);
    void (*push_lock)(struct lua_State *L, struct run *run);
    /* The body of RUN_UNDO; handler and event are on top. May yield. */
    int (*undo)(struct lua_State *L);
};

/* A coroutine of the host. */
struct script_thread {
    struct lua_State *L;
    int ref; /* in the registry */
};

/* Service indexes below are positions in conf->services. `conf` and `library` are borrowed for the
 * host's life. ERR_MEMORY. Nothing is loaded yet. */
int script_host_new(struct script_host **out, const struct conf *conf,
                    const struct script_library *library);
void script_host_free(struct script_host *host);
/* The configuration has moved: the same services, at another address. */
void script_use_conf(struct script_host *host, const struct conf *conf);

/* From now on, records on this page, borrowed for the host's life, which version is being loaded. A
 * version that crashed the program at an earlier start is not run again: loading it fails. */
void script_name_loads(struct script_host *host, struct culprit *culprit);

/* From now on, takes Lua's memory from this budget, borrowed for the host's life. Call it before
 * anything is loaded. */
void script_use_memory(struct script_host *host, struct memory *memory);

/* Receives names in the scripts that mean nothing: undeclared globals, and fields that a library
 * does not have. */
struct script_names {
    void (*found)(void *ctx, const char *file, int line, const char *sentence);
    void *ctx;
};

/* From now on, calls found() for such names in each script that is loaded, once per service. It
 * must not use the host. */
void script_tell_names(struct script_host *host, const struct script_names *names);

/* Loads every script of every service (handler, retry, dead_letter and what they require). If one
 * cannot be read or compiled, stops with ERR_SCRIPT, and r reads "scripts/payment.lua:12: '='
 * expected near 'x'" (path as configured); others stay loaded. A version refused because of an
 * earlier crash is not an error here: script_runs shows it. */
int script_load_all(struct script_host *host, struct report *r);

/* Reads the scripts folder again; a service with changed files gets the new version, or keeps its
 * last good one. on_reload is called for each of them: error NULL = live, else why not. Returns how
 * many changed. */
int script_reload(struct script_host *host, void *ctx,
                  void (*on_reload)(void *ctx, size_t service, const char *error));

/* True if a change was left for later, because a service still has invocations in the version
 * before the last: it has at most two. Call script_reload again then. */
bool script_reload_waits(const struct script_host *host);

/* The live version of the code: the first 8 bytes of a BLAKE2b over every file the service uses.
 * Shown as 16 hex digits. */
uint64_t script_version(const struct script_host *host, size_t service);
/* True if the service has live code. */
bool script_runs(const struct script_host *host, size_t service);
/* The error of the last load if it was refused, or NULL. */
const char *script_error(const struct script_host *host, size_t service);
/* True if one function handles events of both topics; false when none does. */
bool script_same_function(const struct script_host *host, size_t service, struct slice a,
                          struct slice b);
/* Calls each(ctx, filter) for the topic filters of the handler's table. */
void script_each_route(const struct script_host *host, size_t service, void *ctx,
                       void (*each)(void *ctx, const char *filter));
/* Calls each(ctx, file) for the files of the scripts folder that its code was read from. */
void script_each_file(const struct script_host *host, size_t service, void *ctx,
                      void (*each)(void *ctx, const char *file));
/* Whether the service's table has the reserved name ("on_lock_expired", "on_dead"). */
bool script_has(const struct script_host *host, size_t service, const char *reserved);
/* Bytes that all Lua states use now. */
size_t script_memory(const struct script_host *host);

/* --- lua/room.c --- */

/* True if the budget has memory for another run of the service. */
bool script_fits(const struct script_host *host, size_t service);
/* Takes one step towards freeing memory of states that do not need it. False: none can be freed
 * until something ends. */
bool script_reclaim(struct script_host *host);

#endif
