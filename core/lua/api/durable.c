/*
 * durable.c - the records of steps, sleeps and waits.
 */
#include "lua/api/durable.h"

#include "lua/api/invocation.h"
#include "lua/host.h"

#include <assert.h>
#include <lauxlib.h>
#include <string.h>

struct run_durable *api_durable(lua_State *L, const char *call) {
    struct run *run = api_staging_run(L, call);
    if (run->entry != RUN_EVENT && run->entry != RUN_UNDO) {
        luaL_error(L, "zing.%s is not for on_dead and the policy scripts: they must not wait",
                   call);
    }
    api_check_one_event(L, run, call);
    api_check_no_session(L, run, call);
    api_check_can_yield(L, run, call);
    struct run_durable *d = run_durable(run);
    if (d == NULL) {
        (void)script_raise_lack(L, ERR_MEMORY, lua_pushfstring(L, "zing.%s", call));
    } else if (d->open) {
        luaL_error(L, "zing.%s cannot be called inside the step \"%s\": put it before or after it",
                   call, d->name);
    }
    return d;
}

bool api_look_up_step(lua_State *L, struct run *run, enum step_kind kind, struct slice name,
                      struct step *step) {
    int rc = run->view->step_get(run->view->ctx, run->event, kind, name, step);
    if (rc != 0 && rc != ERR_NOTFOUND) {
        (void)script_raise_lack(L, rc, "the steps of this event cannot be read");
    }
    return rc == 0;
}

void api_push_notes(lua_State *L, struct run *run) {
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, run) == LUA_TTABLE) {
        return;
    }
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, run);
    run->noted = true;
}

lua_Integer api_count_use(lua_State *L, struct run *run, const char *of, struct slice name) {
    api_push_notes(L, run);
    lua_pushstring(L, of);
    lua_pushlstring(L, name.data, name.len);
    lua_concat(L, 2);
    lua_pushvalue(L, -1);
    lua_Integer count = lua_rawget(L, -3) == LUA_TNUMBER ? lua_tointeger(L, -1) : 0;
    lua_pop(L, 1);
    lua_pushinteger(L, count + 1);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    return count + 1;
}

void api_set_step(struct run_durable *d, enum step_kind kind, struct slice name) {
    assert(d != NULL && name.len <= STEP_LABEL_BYTES_MAX);
    memcpy(d->name, name.data, name.len);
    d->name[name.len] = '\0';
    buf_reset(&d->value);
    d->step = (struct step){.kind = kind, .name = {d->name, name.len}};
}
