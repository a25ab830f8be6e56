/*
 * basics.c - zing.now, zing.uuid, zing.config, zing.secret: what a handler can find out.
 */
#include "lua/api/subjects.h"

#include "lua/api/invocation.h"
#include "lua/host.h"

#include "lua/args.h"

#include "base/clock.h"

/* zing.now() -> seconds since 1970, with the milliseconds as a fraction */
static int now(lua_State *L) {
    struct run *run = script_state_of(L)->current;
    if (run != NULL) {
        lua_pushnumber(L, (double)run->view->wall_ms(run->view->ctx) / 1000.0);
        return 1;
    }
    lua_pushnumber(L, (double)clock_wall_ms() / 1000.0);
    return 1;
}

/* zing.uuid() -> a new UUIDv7 */
static int new_uuid(lua_State *L) {
    struct run *run = api_run(L, "uuid");
    char text[UUID_TEXT_BYTES + 1];
    struct uuid id = run->view->uuid(run->view->ctx);
    lua_pushlstring(L, uuid_text(&id, text), UUID_TEXT_BYTES);
    return 1;
}

/* zing.secret(name) -> its value; raises if the service may not read it, or topics.conf has none */
static int secret(lua_State *L) {
    struct slice name = args_check_text(L, 1, "name");
    const struct script_state *state = script_state_of(L);
    const struct conf *conf = state->host->conf;
    const struct service_conf *service = &conf->services[state->service];
    if (!service_has_secret(service, name)) {
        return luaL_error(L,
                          "zing.secret: service \"%s\" is not given \"%s\": add secrets = "
                          "{\"%s\"} to it in topics.conf",
                          service->name, name.data, name.data);
    }
    const char *value = conf_var(conf, name.data);
    if (value == NULL) {
        return luaL_error(L, "zing.secret: vars{} in topics.conf has no \"%s\"", name.data);
    }
    lua_pushstring(L, value);
    return 1;
}

static void push_config(lua_State *L) {
    const struct conf *conf = script_state_of(L)->host->conf;
    lua_createtable(L, 0, (int)conf->var_count);
    for (size_t i = 0; i < conf->var_count; i++) {
        if (!conf->vars[i].secret) {
            lua_pushstring(L, conf->vars[i].value);
            lua_setfield(L, -2, conf->vars[i].name);
        }
    }
    sandbox_protect(L, "zing.config");
}

void api_open_basics(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"now", now}, {"uuid", new_uuid}, {"secret", secret}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    push_config(L);
    lua_setfield(L, -2, "config");
}
