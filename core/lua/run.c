/*
 * run.c - one invocation, from its first instruction to its outcome.
 *
 * The coroutine starts in `enter`, a C function that pushes the arguments, calls the handler and
 * checks its results: so everything that may raise an error does so inside the coroutine, where it
 * becomes an outcome. lua_resume is called in one place, `step`; one function per case handles its
 * result. A finished attempt returns its coroutine at once.
 */
#include "lua/run.h"

#include "lua/failure.h"
#include "base/blocks.h"
#include "base/limits.h"
#include "lua/args.h"
#include "lua/host.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void run_set_error(struct run *run, struct slice text) {
    buf_reset(&run->error);
    buf_add(&run->error, text.data, text.len < ERROR_BYTES_MAX ? text.len : ERROR_BYTES_MAX);
}

/* --- which function runs --- */

static const struct script_code *code_of(const struct run *run) {
    return run->state == NULL ? NULL : run->state->code;
}

static int role_for(const struct run *run) {
    switch (run->entry) {
    case RUN_EVENT:
    case RUN_UNDO:
        return ROLE_ON_LOCK_EXPIRED;
    case RUN_ON_DEAD:
        return ROLE_ON_DEAD;
    case RUN_DEAD_POLICY:
        return ROLE_DEAD_LETTER;
    case RUN_RETRY_POLICY:
        break;
    }
    return ROLE_RETRY;
}

/* True if the handler itself runs, normally or to be undone. */
static bool runs_handler(const struct run *run) {
    return run->entry == RUN_EVENT || run->entry == RUN_UNDO;
}

/* The function's registry reference, or LUA_NOREF. */
static int function_for(const struct run *run) {
    const struct script_code *code = code_of(run);
    if (code == NULL) {
        return LUA_NOREF;
    }
    if (runs_handler(run) && run->event->kind != EVENT_LOCK_EXPIRED) {
        return script_route_for(code, run->event->topic);
    }
    return code->roles[role_for(run)];
}

/* --- inside the coroutine --- */

static void read_verdict(lua_State *L, struct retry_verdict *verdict) {
    if (!lua_istable(L, -1)) {
        luaL_error(L, "a retry policy returns {after = seconds} or {dead = \"reason\"}, not a %s",
                   luaL_typename(L, -1));
    }
    lua_getfield(L, -1, "dead");
    if (lua_toboolean(L, -1)) {
        const char *reason = lua_tostring(L, -1);
        verdict->dead = true;
        (void)snprintf(verdict->reason, sizeof verdict->reason, "%s",
                       reason == NULL ? "the retry policy gave up" : reason);
        return;
    }
    lua_pop(L, 1);
    lua_getfield(L, -1, "after");
    if (lua_isnil(L, -1)) {
        luaL_error(L, "a retry policy's table needs `after` or `dead`");
    }
    verdict->after_ms = args_check_duration(L, -1, "after");
}

/* --- the result of a batch handler --- */

static void set_failure(lua_State *L, struct run *run, size_t i, const char *reason, bool dead) {
    if (run->failures == NULL) {
        run->failures = calloc(run->event_count, sizeof *run->failures);
    }
    struct slice text = slice_of(reason);
    text.len = text.len > ERROR_BYTES_MAX ? ERROR_BYTES_MAX : text.len;
    char *copy = run->failures == NULL ? NULL : slice_dup(text);
    if (copy == NULL) {
        luaL_error(L, "out of memory");
    } else {
        run->failures[i] = (struct run_failure){copy, dead};
    }
}

static const char *handler_of(const struct run *run) {
    return run->host->conf->services[run->service].handler;
}

/* An entry {[i] = "reason"} or {[i] = {dead = "reason"}}: i is at -2, the value on top. */
static void read_failure(lua_State *L, struct run *run) {
    lua_Integer i = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
    if (i < 1 || (size_t)i > run->event_count) {
        luaL_error(L,
                   "scripts/%s: the handler returned a failure of event [%s], and was given %d: "
                   "it returns nothing, or what failed by its place in the list",
                   handler_of(run), luaL_tolstring(L, -2, NULL), (int)run->event_count);
    }
    bool dead = lua_istable(L, -1);
    if (dead) {
        lua_getfield(L, -1, "dead");
    } else {
        lua_pushvalue(L, -1);
    }
    if (lua_type(L, -1) != LUA_TSTRING) {
        luaL_error(L,
                   "scripts/%s: the handler returned [%d] = a %s%s: write {[%d] = \"reason\"}, or "
                   "{[%d] = {dead = \"reason\"}} for good",
                   handler_of(run), (int)i, luaL_typename(L, -2), dead ? " without `dead`" : "",
                   (int)i, (int)i);
    }
    set_failure(L, run, (size_t)i - 1, lua_tostring(L, -1), dead);
    lua_pop(L, 1);
}

static void read_failures(lua_State *L, struct run *run) {
    if (!lua_istable(L, -1)) {
        luaL_error(L,
                   "scripts/%s: the handler of a batch returned a %s: it returns nothing, or what "
                   "failed by its place in the list, {[3] = \"reason\"}",
                   handler_of(run), luaL_typename(L, -1));
    }
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        read_failure(L, run);
        lua_pop(L, 1);
    }
}

/* The handler has returned; its only result is on top. */
static int leave(lua_State *L, int status, lua_KContext unused) {
    (void)unused;
    assert(status == LUA_OK || status == LUA_YIELD);
    struct run *run = script_state_of(L)->current;
    if (run->entry == RUN_RETRY_POLICY) {
        read_verdict(L, run->verdict);
    } else if (run->listed && !lua_isnil(L, -1)) {
        read_failures(L, run);
    } else if (run->entry == RUN_DEAD_POLICY) {
        run->discard =
            lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "discard") == 0;
    }
    return 0;
}

static int enter(lua_State *L) {
    struct run *run = script_state_of(L)->current;
    const struct script_library *library = run->host->library;
    lua_rawgeti(L, LUA_REGISTRYINDEX, run->function);
    int arguments = 1;
    if (runs_handler(run) && run->event->kind == EVENT_LOCK_EXPIRED) {
        library->push_lock(L, run);
    } else if (run->listed) {
        library->push_events(L, run);
    } else {
        library->push_event(L, run);
    }
    if (run->entry == RUN_UNDO) {
        return library->undo(L);
    }
    if (run->entry != RUN_EVENT) {
        lua_pushstring(L, run->reason == NULL ? "" : run->reason);
        arguments = 2;
    }
    lua_callk(L, arguments, 1, 0, leave);
    return leave(L, LUA_OK, 0);
}

/* --- handling the result of lua_resume --- */

/* True if the run waits to be resumed. */
static bool goes_on(enum outcome outcome) {
    return outcome == OUTCOME_CALL || outcome == OUTCOME_KEEP || outcome == OUTCOME_WAIT ||
           outcome == OUTCOME_YIELD;
}

static void give_thread(struct run *run, bool clean) {
    script_thread_give(run->state, run->thread, clean);
    run->thread.L = NULL;
}

/* Closes what the handler left open, unless it ran out of time: then none of its code may run
 * again. */
static void end_thread(struct run *run, bool over) {
    if (!over) {
        script_enter(run->state, run, run->thread.L, run->cpu_us);
        int status = lua_resetthread(run->thread.L);
        (void)status; /* errors in a __close come after the outcome is decided */
        run->cpu_us = script_leave(run->state);
    }
    give_thread(run, false);
}

static void free_failures(struct run *run) {
    for (size_t i = 0; run->failures != NULL && i < run->event_count; i++) {
        free(run->failures[i].reason);
    }
    free(run->failures);
    run->failures = NULL;
}

static void settle_return(struct run *run) {
    run->outcome = run->discard ? OUTCOME_DISCARD : OUTCOME_DONE;
    if (run->failures != NULL && run->event_count == 1) { /* a list of one is one event */
        run->outcome = run->failures[0].dead ? OUTCOME_REJECT : OUTCOME_ERROR;
        run_set_error(run, slice_of(run->failures[0].reason));
        free_failures(run);
    }
    give_thread(run, true);
}

static void settle_yield(struct run *run) {
    assert(run->yielded); /* INV-RUN-2: coroutine.yield refuses in the host's coroutines */
    run->yielded = false;
    assert(run->outcome != OUTCOME_CALL || run->request != NULL); /* INV-RUN-4 */
    if (goes_on(run->outcome)) {
        return;
    }
    if (run->outcome != OUTCOME_SLEEP) {
        run_fail_step(run, true); /* a call that ends the attempt is the step's own decision */
    }
    end_thread(run, false);
}

static bool is_memory_text(lua_State *L) {
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    return text != NULL && strcmp(text, "not enough memory") == 0;
}

static void settle_error(struct run *run, int status, bool over) {
    bool memory = status == LUA_ERRMEM || is_memory_text(run->thread.L);
    char limit[96];
    /* In a batch it concerns one event, and nobody knows which. */
    bool final = !over && !memory && run->event_count == 1 && failure_is_final(run->thread.L, -1);
    run->outcome = final ? OUTCOME_REJECT : OUTCOME_ERROR;
    run->lacks = over ? 0 : script_lacks(run->state);
    const char *instead = over     ? script_time_text(run->state, limit)
                          : memory ? script_memory_text(run->state, limit)
                                   : NULL;
    run_describe_error(run, instead);
    end_thread(run, over);
    if (over || memory) { /* the next handler should not pay for this one's garbage */
        (void)lua_gc(run->state->L, LUA_GCCOLLECT);
    }
    if (instead != NULL && run->error.lacked) { /* the handler had used up all there is */
        run_set_error(run, slice_of(instead));
    }
}

/* True if the effects staged so far are kept, for later or for now. */
static bool keeps_effects(enum outcome outcome) {
    return outcome == OUTCOME_DONE || outcome == OUTCOME_DISCARD || outcome == OUTCOME_SLEEP ||
           goes_on(outcome);
}

/* Runs the coroutine until it returns, waits or fails. */
static void step(struct run *run) {
    struct script_state *state = run->state;
    lua_State *L = run->thread.L;
    int results = 0;
    script_enter(state, run, L, run->cpu_us);
    int status = lua_resume(L, NULL, 0, &results);
    bool over = state->watch.over;
    script_look_at_memory(state);
    run->cpu_us = script_leave(state);
    if (over || (status != LUA_OK && status != LUA_YIELD)) {
        settle_error(run, status, over);
    } else if (status == LUA_OK) {
        settle_return(run);
    } else {
        settle_yield(run);
    }
    if (!keeps_effects(run->outcome)) {
        effects_reset(&run->effects);
    }
    assert((run->thread.L != NULL) == goes_on(run->outcome)); /* INV-RUN-3 */
}

/* --- the life of a run --- */

/* There is no function to call, which is an outcome, too. */
static void settle_without_function(struct run *run) {
    const char *error = script_error(run->host, run->service);
    if (code_of(run) == NULL) { /* fixing the script fixes the event */
        run->outcome = OUTCOME_ERROR;
        buf_printf(&run->error, "the handler is not loaded: %s",
                   error == NULL ? "script_load_all was not called" : error);
    } else if (!runs_handler(run)) {
        run->outcome = OUTCOME_DONE;
    } else if (run->event->kind == EVENT_LOCK_EXPIRED) {
        run->outcome = OUTCOME_DONE;
    } else {
        run->outcome = OUTCOME_REJECT;
        buf_printf(&run->error, "no handler in %s for topic \"%.200s\"",
                   run->host->conf->services[run->service].handler, run->event->topic.data);
    }
}

static void init_run(struct run *run, struct script_host *host, size_t service,
                     enum run_entry entry, struct event *event, const struct run_view *view) {
    assert(service < host->conf->service_count);
    *run = (struct run){
        .event = event, .service = service, .host = host, .view = view, .entry = entry};
    run->state = script_begin(host, service);
    run->events = &run->event;
    run->event_count = 1;
    run->event_tables = &run->event_table;
    run->listed = entry == RUN_EVENT && event->kind == EVENT_MESSAGE &&
                  host->conf->services[service].batch > 1;
    effects_init(&run->effects);
    buf_init(&run->error, ERROR_BYTES_MAX);
}

/* Runs to the first outcome. ERR_MEMORY: no coroutine could be created. */
static int first_step(struct run *run, const char *reason) {
    run->function = function_for(run);
    if (run->function == LUA_NOREF) {
        settle_without_function(run);
        return 0;
    }
    int rc = script_thread_take(run->state, &run->thread);
    if (rc != 0) {
        return rc;
    }
    run->reason = reason;
    lua_pushcfunction(run->thread.L, enter);
    step(run);
    run->reason = NULL;
    return 0;
}

int run_start(struct run **out, struct script_host *host, size_t service, enum run_entry entry,
              struct event *event, const char *reason, const struct run_view *view) {
    assert(entry != RUN_RETRY_POLICY);
    struct run *run = blocks_take(sizeof *run);
    if (run == NULL) {
        return ERR_MEMORY;
    }
    init_run(run, host, service, entry, event, view);
    int rc = first_step(run, reason);
    if (rc != 0) {
        run_free(run);
        return rc;
    }
    *out = run;
    return 0;
}

int run_start_batch(struct run **out, struct script_host *host, size_t service,
                    struct event *const *events, size_t count, const struct run_view *view) {
    const void **tables = calloc(count, sizeof *tables);
    struct run *run = tables == NULL ? NULL : blocks_take(sizeof *run);
    if (run == NULL) {
        free(tables);
        return ERR_MEMORY;
    }
    init_run(run, host, service, RUN_EVENT, events[0], view);
    assert(run->listed && count > 1);
    run->events = events;
    run->event_count = count;
    run->event_tables = tables;
    int rc = first_step(run, NULL);
    if (rc != 0) {
        run_free(run);
        return rc;
    }
    *out = run;
    return 0;
}

void run_note_session(struct run *run, uint64_t id, const struct call_result *result) {
    const struct call_request *request = run->request;
    if (request->kind != CALL_KIND_SQL) {
        return;
    }
    if (request->scope == SQL_BEGIN && result->code == 0 && result->status == 0) {
        run->session = id;
    } else if (request->scope == SQL_COMMIT) {
        run->session = 0;
    }
}

void run_time_out(struct run *run, int64_t timeout_ms) {
    char text[32];
    buf_reset(&run->error);
    buf_printf(&run->error, "timed out: the attempt took longer than %s (timeout)",
               conf_duration_text(timeout_ms, text));
    run->outcome = OUTCOME_ERROR;
}

void run_resume(struct run *run, const struct call_result *result) {
    assert((run->outcome == OUTCOME_CALL) == (result != NULL)); /* INV-RUN-4 */
    assert(goes_on(run->outcome) && run->thread.L != NULL);     /* INV-RUN-3 */
    if (result != NULL && run->durable != NULL && call_may_have_acted(run->request, result)) {
        run->durable->touched = true;
    }
    if (run->request != NULL) {
        call_request_free(run->request);
        run->request = NULL;
    }
    run->result = result;
    step(run);
    run->result = NULL;
}

/* --- steps --- */

struct run_durable *run_durable(struct run *run) {
    if (run->durable != NULL) {
        return run->durable;
    }
    struct run_durable *d = calloc(1, sizeof *d);
    if (d != NULL) {
        buf_init(&d->value, VALUE_BYTES_MAX + 1);
        buf_init(&d->failed, EFFECTS_BYTES_MAX);
        buf_init(&d->asked, EFFECTS_BYTES_MAX);
        effects_init(&d->effects);
    }
    run->durable = d;
    return d;
}

void run_fail_step(struct run *run, bool itself) {
    struct run_durable *d = run->durable;
    if (d == NULL || !d->open) {
        return;
    }
    if (d->step.kind == STEP_UNDO) {
        return; /* it stays open: the engine needs to know which one failed */
    }
    d->open = false;
    effects_reset(&d->effects);
    if (itself && !d->touched && d->step.kind == STEP_SAGA) {
        buf_add_lv(&d->failed, d->step.name);
    }
}

static void durable_free(struct run_durable *d) {
    buf_clear(&d->value);
    buf_clear(&d->failed);
    buf_clear(&d->asked);
    effects_clear(&d->effects);
    free(d);
}

/* The registry key of the notes is the address of this run, which the next run may get. */
static void forget_notes(struct run *run) {
    if (run->noted) {
        lua_pushnil(run->state->L); /* removing needs no memory */
        lua_rawsetp(run->state->L, LUA_REGISTRYINDEX, run);
    }
}

void run_stop(struct run *run) {
    if (run->thread.L != NULL) {
        end_thread(run, false);
    }
}

void run_abandon(struct run *run) {
    if (run->thread.L != NULL) {
        give_thread(run, false);
    }
}

static void clear_run(struct run *run) {
    run_stop(run);
    free_failures(run);
    if (run->event_tables != &run->event_table) {
        free(run->event_tables);
    }
    if (run->request != NULL) {
        call_request_free(run->request);
    }
    call_request_free(run->held);
    forget_notes(run);
    if (run->durable != NULL) {
        durable_free(run->durable);
    }
    effects_clear(&run->effects);
    buf_clear(&run->error);
    script_end(run->state);
    script_log_ended(run->host, run->service);
}

void run_free(struct run *run) {
    if (run == NULL) {
        return;
    }
    clear_run(run);
    blocks_give(run, sizeof *run);
}

int run_retry_policy(struct script_host *host, size_t service, struct event *event,
                     const char *error, const struct run_view *view, struct retry_verdict *verdict,
                     struct report *r) {
    struct run run;
    init_run(&run, host, service, RUN_RETRY_POLICY, event, view);
    *verdict = (struct retry_verdict){.dead = false};
    run.verdict = verdict;
    int rc = 0;
    if (function_for(&run) == LUA_NOREF) {
        rc = ERR_NOTFOUND;
    } else if (first_step(&run, error) != 0) {
        rc = report(r, ERR_MEMORY, "out of memory");
    } else if (run.outcome != OUTCOME_DONE) {
        rc = report(r, run.lacks != 0 ? run.lacks : ERR_SCRIPT, "%s",
                    run.error.len > 0 ? buf_str(&run.error) : "a retry policy must return");
    }
    clear_run(&run);
    return rc;
}
