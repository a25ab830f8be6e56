/*
 * wait.c - zing.sleep, zing.wait, zing.wait_all: the handler leaves memory until a time or a
 * signal, then runs again from its first line; zing.signal: the other side of a wait.
 *
 * A wait is over when its record says so. If it is not, the run yields: only the engine knows
 * whether the signal has come already.
 */
#include "lua/api/subjects.h"

#include "lua/api/durable.h"
#include "lua/api/invocation.h"
#include "lua/host.h"

#include "lua/args.h"

#include <stdio.h>
#include <string.h>

/* "name#2" is the record of the second wait for a name, "#3" that of the third unnamed sleep. */
static struct slice check_unnumbered(lua_State *L, int index, const char *what) {
    struct slice name = args_check_name(L, index, what);
    size_t end = name.len;
    while (end > 0 && name.data[end - 1] >= '0' && name.data[end - 1] <= '9') {
        end--;
    }
    if (end > 0 && end < name.len && name.data[end - 1] == '#') {
        luaL_error(L, "%s, \"%s\", must not end in # and a number: so zing counts sleeps and waits",
                   what, name.data);
    }
    return name;
}

/* --- sleep --- */

/* Its name, or "#3" for the third one without a name. */
static struct slice sleep_label(lua_State *L, struct run *run, struct run_durable *d,
                                char text[16]) {
    if (lua_isnoneornil(L, 2)) {
        int len = snprintf(text, 16, "#%u", ++d->sleeps);
        return (struct slice){text, (size_t)len};
    }
    struct slice name = check_unnumbered(L, 2, "a sleep's name");
    if (api_count_use(L, run, "sleep ", name) > 1) {
        luaL_error(L, "two sleeps are named \"%s\": give each its own name, or none", name.data);
    }
    return name;
}

/* zing.sleep(duration [, name]) */
static int sleep_until(lua_State *L) {
    struct run_durable *d = api_durable(L, "sleep");
    struct run *run = script_state_of(L)->current;
    int64_t ms = args_check_duration(L, 1, "duration");
    char text[16];
    struct slice label = sleep_label(L, run, d, text);
    int64_t now_ms = run->view->now_ms(run->view->ctx);
    struct step found = {.due_ms = now_ms + ms};
    bool known = api_look_up_step(L, run, STEP_SLEEP, label, &found);
    if (ms == 0 || (known && found.due_ms <= now_ms)) {
        return 0;
    }
    if (run->entry == RUN_UNDO) {
        return api_unwind(L);
    }
    api_set_step(d, STEP_SLEEP, label);
    d->step.state = STEP_WAITING;
    d->step.due_ms = found.due_ms;
    return api_end_attempt(L, run, OUTCOME_SLEEP, "sleep");
}

/* --- wait --- */

/* Pushes the result in the record; returns 0 if the wait is not over. Of a wait for several it is a
 * list, also if the script waited for one when the signal came. */
static int push_ended_wait(lua_State *L, struct run *run, struct slice label, uint32_t wanted) {
    struct step found;
    if (!api_look_up_step(L, run, STEP_WAIT, label, &found) || found.state == STEP_WAITING) {
        return 0;
    }
    if (found.state == STEP_TIMEOUT) {
        lua_pushnil(L);
        lua_pushliteral(L, "timeout");
        return 2;
    }
    args_push_value(L, found.value);
    if (wanted > 0 && found.value.data[0] != 'l') {
        lua_createtable(L, 1, 0);
        lua_insert(L, -2);
        lua_rawseti(L, -2, 1);
    }
    return 1;
}

static int signalled(lua_State *L, int status, lua_KContext unused) {
    (void)status;
    (void)unused;
    struct run *run = script_state_of(L)->current;
    int results = push_ended_wait(L, run, run->durable->step.name, run->durable->wanted);
    return results > 0 ? results : luaL_error(L, "the wait is not over");
}

/* wanted 0: one signal. The timeout is at that index. */
static int wait_for(lua_State *L, struct run_durable *d, uint32_t wanted, int timeout) {
    struct run *run = script_state_of(L)->current;
    struct slice name = check_unnumbered(L, 1, "a signal's name");
    int64_t timeout_ms =
        lua_isnoneornil(L, timeout) ? -1 : args_check_duration(L, timeout, "timeout");
    char label[STEP_LABEL_BYTES_MAX + 1];
    lua_Integer count = api_count_use(L, run, "wait ", name);
    int len = count == 1 ? snprintf(label, sizeof label, "%s", name.data)
                         : snprintf(label, sizeof label, "%s#%lld", name.data, (long long)count);
    struct slice labelled = {label, (size_t)len};
    int results = push_ended_wait(L, run, labelled, wanted);
    if (results > 0) {
        return results;
    }
    if (run->entry == RUN_UNDO) {
        return api_unwind(L);
    }
    api_set_step(d, STEP_WAIT, labelled);
    memcpy(d->signal, name.data, name.len + 1);
    d->wanted = wanted;
    d->step.state = STEP_WAITING;
    d->step.due_ms = timeout_ms < 0 ? 0 : run->view->now_ms(run->view->ctx) + timeout_ms;
    run->outcome = OUTCOME_WAIT;
    run->yielded = true;
    return lua_yieldk(L, 0, 0, signalled);
}

/* zing.wait(name [, timeout]) -> value | nil, "timeout" */
static int wait_one(lua_State *L) {
    return wait_for(L, api_durable(L, "wait"), 0, 2);
}

/* zing.wait_all(name, n [, timeout]) -> list of n values | nil, "timeout" */
static int wait_all(lua_State *L) {
    struct run_durable *d = api_durable(L, "wait_all");
    lua_Integer wanted = luaL_checkinteger(L, 2);
    if (wanted < 0 || wanted > WAIT_ALL_MAX) {
        return luaL_error(L, "zing.wait_all: n is %I, 0 to %d are possible", (LUAI_UACINT)wanted,
                          WAIT_ALL_MAX);
    }
    if (wanted == 0) {
        lua_newtable(L);
        return 1;
    }
    return wait_for(L, d, (uint32_t)wanted, 3);
}

/* --- signal --- */

/* zing.signal(service, key, name [, value]) */
static int send_signal(lua_State *L) {
    struct run *run = api_staging_run(L, "signal");
    lua_settop(L, 4);
    struct effect effect = {.kind = EFFECT_SIGNAL, .owner = args_check_text(L, 1, "service")};
    size_t service;
    if (!conf_find_heir(run->host->conf, effect.owner, &service)) {
        return luaL_error(L, "zing.signal: there is no service \"%s\" in topics.conf",
                          effect.owner.data);
    }
    effect.key = args_check_key(L, 2, "key");
    effect.name = args_check_name(L, 3, "a signal's name");
    if (lua_isnil(L, 4)) {
        lua_pushboolean(L, 1);
        lua_replace(L, 4);
    }
    struct buf *value = &run->host->scratch;
    buf_reset(value);
    args_add_value(L, 4, "value", value);
    effect.value = buf_slice(value);
    api_stage(L, run, &effect);
    return 0;
}

void api_open_wait(lua_State *L) {
    static const luaL_Reg functions[] = {{"sleep", sleep_until},
                                         {"wait", wait_one},
                                         {"wait_all", wait_all},
                                         {"signal", send_signal},
                                         {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
