/*
 * step.c - zing.step, and zing.saga with its compensations.
 *
 * A step runs its function once per event: its result is stored, on disk, before the next line
 * runs. Its parts: the call (is there a record already?), the open step (its function runs,
 * including its calls), storing it (the run yields OUTCOME_KEEP), and the continuation.
 *
 * To undo its saga, an event runs its handler once more (RUN_UNDO), as far as there are records,
 * because the compensations are functions of the handler and may use what it computed. Where the
 * records end, it unwinds with an error that nothing catches. Then the compensations run as steps
 * of their own, the last one first.
 *
 * Left out on purpose: steps within steps, and sleeping within a step. A step is done in one go;
 * work that takes days consists of several.
 */
#include "lua/api/subjects.h"

#include "lua/api/durable.h"
#include "lua/api/invocation.h"
#include "lua/host.h"

#include "lua/args.h"

#include <assert.h>
#include <string.h>

/* Registry keys: the object that closes an open step; the object that zing.saga() returns. */
static const char guard_key = 'g';
static const char saga_key = 's';

enum { COMPENSATION_FIELDS = 4 /* name, function, result, how */ };

/* Pushes nil for the empty value. */
static void push_result(lua_State *L, struct slice value) {
    if (value.len == 0) {
        lua_pushnil(L);
    } else {
        args_push_value(L, value);
    }
}

/* --- an open step --- */

/* The __close of the guard: an error leaves the step, or the run is dropped. */
static int close_guard(lua_State *L) {
    struct run *run = script_state_of(L)->current;
    if (run != NULL) {
        run_fail_step(run, !lua_isnoneornil(L, 2));
    }
    return 0;
}

static void begin_step(struct run_durable *d) {
    d->calls = 0;
    d->statements = 0;
    buf_reset(&d->asked);
    d->touched = false;
    d->open = true;
}

static void open_step(lua_State *L, struct run *run) {
    struct run_durable *d = run->durable;
    (void)lua_newuserdatauv(L, 0, 0);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &guard_key);
    lua_setmetatable(L, -2);
    lua_toclose(L, -1);
    begin_step(d);
}

/* Requests that durable->step is stored, and continues in `next` once it is on disk. */
static int keep(lua_State *L, struct run *run, lua_KContext context, lua_KFunction next) {
    run->durable->step.value = buf_slice(&run->durable->value);
    run->outcome = OUTCOME_KEEP;
    run->yielded = true;
    return lua_yieldk(L, 0, context, next);
}

static int kept(lua_State *L, int status, lua_KContext unused) {
    (void)status;
    (void)unused;
    push_result(L, buf_slice(&script_state_of(L)->current->durable->value));
    return 1;
}

/* The step's function has returned; its result is on top. */
static int finished(lua_State *L, int status, lua_KContext unused) {
    (void)status;
    (void)unused;
    struct run *run = script_state_of(L)->current;
    struct run_durable *d = run->durable;
    buf_reset(&d->value);
    if (!lua_isnil(L, -1)) {
        args_add_value(L, -1, "the step's result", &d->value);
    }
    d->open = false;
    d->step.state = STEP_DONE;
    return keep(L, run, 0, kept);
}

/* Runs the function at `index` as the step that durable->step names. */
static int run_step(lua_State *L, struct run *run, int index) {
    open_step(L, run);
    lua_pushvalue(L, index);
    lua_callk(L, 0, 1, 0, finished);
    return finished(L, LUA_OK, 0);
}

/* Checks that no other step of this run has used the name. */
static struct slice check_step_name(lua_State *L, struct run *run, int index) {
    struct slice name = args_check_name(L, index, "a step's name");
    if (api_count_use(L, run, "step ", name) > 1) {
        luaL_error(L,
                   "two steps are named \"%s\": the name is what a step's result is found by, so "
                   "each needs its own (add a number in a loop)",
                   name.data);
    }
    return name;
}

/* zing.step(name, fn) -> what fn returned */
static int step(lua_State *L) {
    struct run_durable *d = api_durable(L, "step");
    struct run *run = script_state_of(L)->current;
    lua_settop(L, 2);
    struct slice name = check_step_name(L, run, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    struct step found;
    if (api_look_up_step(L, run, STEP_PLAIN, name, &found)) {
        push_result(L, found.value);
        return 1;
    }
    if (run->entry == RUN_UNDO) {
        return api_unwind(L);
    }
    api_set_step(d, STEP_PLAIN, name);
    return run_step(L, run, 2);
}

/* --- sagas --- */

/* Appends {name, function, result, how} to the notes. The function is at 4. */
static void note_compensation(lua_State *L, struct run *run, const struct step *found) {
    api_push_notes(L, run);
    lua_createtable(L, COMPENSATION_FIELDS, 0);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, 4);
    lua_rawseti(L, -2, 2);
    push_result(L, found->value);
    lua_rawseti(L, -2, 3);
    lua_pushstring(L, found->state == STEP_DONE ? "done" : "unknown");
    lua_rawseti(L, -2, 4);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
}

/* During the undo: repeats what the step did when it ran. */
static int replay_saga_step(lua_State *L, struct run *run, const struct step *found) {
    if (found == NULL) {
        return api_unwind(L);
    }
    if (step_is_open(found)) {
        note_compensation(L, run, found);
    }
    if (found->state != STEP_DONE) {
        return luaL_error(L, "saga step \"%s\" did not succeed", lua_tostring(L, 2));
    }
    push_result(L, found->value);
    return 1;
}

/* The step is recorded, so its compensation cannot be forgotten: now runs its action. */
static int registered(lua_State *L, int status, lua_KContext unused) {
    (void)status;
    (void)unused;
    return run_step(L, script_state_of(L)->current, 3);
}

/* saga:step(name, action [, compensation]) -> what action returned */
static int saga_step(lua_State *L) {
    struct run_durable *d = api_durable(L, "saga");
    struct run *run = script_state_of(L)->current;
    lua_settop(L, 4);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &saga_key);
    if (!lua_rawequal(L, 1, -1)) {
        return luaL_error(L, "call it as saga:step(name, action, compensation), with a colon");
    }
    lua_pop(L, 1);
    struct slice name = check_step_name(L, run, 2);
    luaL_checktype(L, 3, LUA_TFUNCTION);
    if (!lua_isnil(L, 4)) {
        luaL_checktype(L, 4, LUA_TFUNCTION);
    }
    struct step found;
    bool known = api_look_up_step(L, run, STEP_SAGA, name, &found);
    if (run->entry == RUN_UNDO) {
        return replay_saga_step(L, run, known ? &found : NULL);
    }
    if (known && found.state == STEP_DONE) {
        push_result(L, found.value);
        return 1;
    }
    api_set_step(d, STEP_SAGA, name);
    if (known && found.state == STEP_UNKNOWN) {
        return run_step(L, run, 3);
    }
    /* Begun and not ended: nobody knows what became of it. */
    d->step.state = known && found.state == STEP_BEGUN ? STEP_UNKNOWN : STEP_BEGUN;
    return keep(L, run, 0, registered);
}

/* zing.saga() -> the saga of this event */
static int saga(lua_State *L) {
    (void)api_durable(L, "saga");
    lua_rawgetp(L, LUA_REGISTRYINDEX, &saga_key);
    return 1;
}

/* --- undoing --- */

static int undo_next(lua_State *L, struct run *run, lua_Integer n);

static int undo_kept(lua_State *L, int status, lua_KContext n) {
    (void)status;
    return undo_next(L, script_state_of(L)->current, (lua_Integer)n - 1);
}

static int undone(lua_State *L, int status, lua_KContext n) {
    (void)status;
    struct run *run = script_state_of(L)->current;
    run->durable->open = false;
    run->durable->step.state = STEP_DONE;
    return keep(L, run, n, undo_kept);
}

/* Opens the undo of the compensation on top; false if it has been undone already. */
static bool begin_undo(lua_State *L, struct run *run) {
    struct run_durable *d = run->durable;
    struct slice name;
    struct step found;
    lua_rawgeti(L, -1, 1);
    name.data = lua_tolstring(L, -1, &name.len);
    bool known = api_look_up_step(L, run, STEP_UNDO, name, &found);
    if (known && found.state == STEP_DONE) {
        return false;
    }
    api_set_step(d, STEP_UNDO, name);
    d->step.count = known ? found.count : 0;
    begin_step(d);
    return true;
}

/* Undoes the n-th compensation and all before it; the notes are at 1. */
static int undo_next(lua_State *L, struct run *run, lua_Integer n) {
    for (; n > 0; n--) {
        lua_settop(L, 1);
        lua_rawgeti(L, 1, n);
        if (!begin_undo(L, run)) {
            continue;
        }
        if (lua_rawgeti(L, 2, 2) == LUA_TNIL) { /* a step that needs no compensation */
            return undone(L, LUA_OK, (lua_KContext)n);
        }
        lua_rawgeti(L, 2, 3);
        lua_rawgeti(L, 2, 4);
        lua_callk(L, 2, 0, (lua_KContext)n, undone);
        return undone(L, LUA_OK, (lua_KContext)n);
    }
    return 0;
}

/* The handler has come as far as it could. */
static int replayed(lua_State *L, int status, lua_KContext unused) {
    (void)unused;
    (void)status; /* most of them end here with an error */
    struct run *run = script_state_of(L)->current;
    script_state_of(L)->unwinding = false;
    script_check_time(L);
    int lacks = run_durable(run) == NULL ? ERR_MEMORY : script_lacks(script_state_of(L));
    if (lacks != 0) { /* it may have come further than this: the next try knows more steps */
        return script_raise_lack(L, lacks, "the handler cannot be repeated to undo its saga");
    }
    effects_reset(&run->effects); /* it ran only for its notes */
    lua_settop(L, 0);
    api_push_notes(L, run);
    return undo_next(L, run, (lua_Integer)lua_rawlen(L, 1));
}

int api_undo(lua_State *L) {
    int status = lua_pcallk(L, 1, 0, 0, 0, replayed);
    return replayed(L, status, 0);
}

void api_open_step(lua_State *L) {
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, close_guard);
    lua_setfield(L, -2, "__close");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &guard_key);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, saga_step);
    lua_setfield(L, -2, "step");
    sandbox_protect(L, "the saga");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &saga_key);
    static const luaL_Reg functions[] = {{"step", step}, {"saga", saga}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
