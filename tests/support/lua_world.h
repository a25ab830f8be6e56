/*
 * lua_world.h - a Lua host with one service, its scripts in a folder of its own, and a view made of
 * plain arrays: what a test of handlers needs, and nothing of the engine.
 */
#ifndef ZINGQ_TEST_LUA_WORLD_H
#define ZINGQ_TEST_LUA_WORLD_H

#include "conf/conf.h"
#include "lua/run.h"

enum { WORLD_FACTS_MAX = 32 };

/* One stored value or lock. */
struct world_fact {
    char name[64];
    struct buf value; /* event/value.h form; a lock: its data */
    char owner[64];
    int64_t expires_ms;
};

struct lua_world {
    char dir[64]; /* the scripts folder */
    struct conf conf;
    struct service_conf service;
    struct var_conf vars[4];
    char *secrets[1];
    struct script_host *host;
    struct memory *memory; /* the test's; NULL = no budget */
    struct run_view view;
    struct event *event;
    struct run *run;
    int64_t now_ms;
    uint64_t ids;
    struct world_fact state[WORLD_FACTS_MAX], locks[WORLD_FACTS_MAX];
    size_t state_count, lock_count;
    bool is_long;         /* every run has had its time */
    struct uuid delayed;  /* a publish that waits for its time; zero = none */
    struct report report; /* of the last load */
};

/* A world whose handler is `script`; it must load unless `load` is false. */
struct lua_world *world_new(const char *script);
/* The same, nothing loaded yet: for tests that change options first. */
struct lua_world *world_new_unloaded(const char *script);
void world_free(struct lua_world *w);

void world_write(struct lua_world *w, const char *file, const char *text);
int world_load(struct lua_world *w);

/* Stores a state value given as JSON / a lock. */
void world_set(struct lua_world *w, const char *name, const char *json);
void world_lock(struct lua_world *w, const char *name, const char *owner, int64_t expires_ms,
                const char *data);

/* Makes the event "test/topic" with the payload, replacing the last. */
struct event *world_event(struct lua_world *w, const char *topic, const char *payload);
/* Runs the handler for that event to its first outcome, replacing the last run. */
struct run *world_run(struct lua_world *w, const char *payload);
/* The same with the event made before, and any entry. */
struct run *world_run_event(struct lua_world *w, enum run_entry entry, const char *reason);
/* Answers the call that the run waits for. */
void world_answer(struct lua_world *w, long status, const char *headers, const char *body);
void world_fail_call(struct lua_world *w, int code, bool sent, const char *error);

/* The body of a handler as a whole script: "return function(event) <body> end". Static memory. */
const char *world_handler(const char *body);
/* The error of the run, terminated. */
const char *world_error(struct lua_world *w);
/* The n-th effect's slice as a C string; fails the test when there is no such effect. */
const struct effect *world_effect(struct lua_world *w, size_t n);

/* A world in which a handler with this body has run on `payload`. */
struct lua_world *world_ran(const char *body, const char *payload);
/* Runs a handler's body: it must end as `outcome` with `text` in the error. */
void world_ends(const char *body, enum outcome outcome, const char *text);
/* Runs a body that checks itself with assert: it must return. */
void world_holds(const char *body);

#endif
