/*
 * state.c - zing.state: the state of this (service, key); zing.peek: the state of another key.
 *
 * A read sees what the handler has staged, then the current transaction.
 */
#include "lua/api/subjects.h"

#include "lua/api/invocation.h"
#include "lua/api/outside.h"
#include "lua/host.h"

#include "lua/args.h"

#include "base/limits.h"
#include "journal/owner.h"
#include "event/value.h"

#include <math.h>
#include <string.h>

static void raise_read(lua_State *L, int rc) {
    (void)script_raise_lack(L, rc, "the state cannot be read");
}

/* The stored value, without staged effects; len 0 = none. */
static struct slice stored_value(lua_State *L, struct run *run, struct slice name) {
    struct slice value = {NULL, 0};
    int rc = run->view->state_get(run->view->ctx, run->event, name, &value);
    if (rc == ERR_NOTFOUND) {
        return (struct slice){NULL, 0};
    }
    if (rc != 0) {
        raise_read(L, rc);
    }
    return value;
}

/* The value the handler sees; valid until the scratch or the view is used again. */
static struct slice seen_value(lua_State *L, struct run *run, struct slice name) {
    const struct effect *staged = NULL;
    if (run->durable != NULL && run->durable->open) {
        staged = effects_state(&run->durable->effects, name);
    }
    if (staged == NULL) {
        staged = effects_state(&run->effects, name);
    }
    if (staged == NULL) {
        return stored_value(L, run, name);
    }
    if (staged->kind == EFFECT_STATE_SET) {
        return staged->value;
    }
    if (staged->kind == EFFECT_STATE_DELETE) {
        return (struct slice){NULL, 0};
    }
    struct buf *sum = &run->host->scratch;
    buf_reset(sum);
    int rc = value_add(stored_value(L, run, name), staged->delta_is_int, staged->delta_int,
                       staged->delta, sum);
    if (rc != 0) {
        raise_read(L, rc);
    }
    return buf_slice(sum);
}

static int push_seen(lua_State *L, struct slice value) {
    if (value.len == 0) {
        lua_pushnil(L);
    } else {
        args_push_value(L, value);
    }
    return 1;
}

/* zing.state.get(name) -> value or nil */
static int get(lua_State *L) {
    struct run *run = api_run(L, "state.get");
    api_check_one_key(L, run, "state.get");
    struct slice name = args_check_name(L, 1, "name");
    return push_seen(L, seen_value(L, run, name));
}

struct setting {
    struct run *run;
    int64_t due_ms;
};

static void take_ttl(lua_State *L, int index, void *to) {
    struct setting *setting = to;
    int64_t ms = args_check_duration(L, index, "ttl");
    if (ms == 0) {
        luaL_error(L, "ttl must be more than 0");
    }
    setting->due_ms = setting->run->view->now_ms(setting->run->view->ctx) + ms;
}

/* zing.state.set(name, value [, {ttl=}]) */
static int set(lua_State *L) {
    static const struct args_option options[] = {{"ttl", take_ttl}};
    struct setting setting = {.run = api_staging_run(L, "state.set")};
    api_check_one_key(L, setting.run, "state.set");
    struct slice name = args_check_name(L, 1, "name");
    if (lua_isnoneornil(L, 2)) {
        return luaL_error(L, "zing.state.set: the value is nil; to remove it use "
                             "zing.state.delete");
    }
    args_take_options(L, 3, options, 1, "state.set", &setting);
    struct buf *value = &setting.run->host->scratch;
    buf_reset(value);
    args_add_value(L, 2, "value", value);
    struct effect effect = {.kind = EFFECT_STATE_SET,
                            .name = name,
                            .value = buf_slice(value),
                            .due_ms = setting.due_ms};
    api_stage(L, setting.run, &effect);
    return 0;
}

/* zing.state.delete(name) */
static int delete_name(lua_State *L) {
    struct run *run = api_staging_run(L, "state.delete");
    api_check_one_key(L, run, "state.delete");
    struct effect effect = {.kind = EFFECT_STATE_DELETE, .name = args_check_name(L, 1, "name")};
    api_stage(L, run, &effect);
    return 0;
}

/* zing.state.incr(name [, by]) -> the new value */
static int incr(lua_State *L) {
    struct run *run = api_staging_run(L, "state.incr");
    api_check_one_key(L, run, "state.incr");
    struct effect effect = {.kind = EFFECT_STATE_INCR,
                            .name = args_check_name(L, 1, "name"),
                            .delta_int = 1,
                            .delta_is_int = true};
    if (!lua_isnoneornil(L, 2)) {
        if (lua_type(L, 2) != LUA_TNUMBER) {
            return luaL_error(L, "zing.state.incr: by must be a number");
        }
        effect.delta_is_int = lua_isinteger(L, 2);
        effect.delta_int = effect.delta_is_int ? lua_tointeger(L, 2) : 0;
        effect.delta = effect.delta_is_int ? 0 : lua_tonumber(L, 2);
        if (!isfinite(effect.delta)) {
            return luaL_error(L, "zing.state.incr: by is NaN or infinite");
        }
    }
    struct slice now = seen_value(L, run, effect.name);
    struct buf *sum = &run->host->second;
    buf_reset(sum);
    if (value_add(now, effect.delta_is_int, effect.delta_int, effect.delta, sum) != 0) {
        return luaL_error(L, "zing.state.incr: the value of \"%s\" is not a number",
                          effect.name.data);
    }
    api_stage(L, run, &effect);
    return push_seen(L, buf_slice(sum));
}

/* Collects without raising errors: a cursor is open. */
static int collect(void *arg, struct slice name, struct slice value) {
    struct buf *out = arg;
    buf_add_lv(out, name);
    buf_add_lv(out, value);
    return out->failed;
}

static bool begins_with(struct slice name, struct slice prefix) {
    return name.len >= prefix.len &&
           (prefix.len == 0 || memcmp(name.data, prefix.data, prefix.len) == 0);
}

/* Sets table[name] to the value the handler sees. */
static void set_seen(lua_State *L, struct run *run, struct slice name) {
    lua_pushlstring(L, name.data, name.len);
    push_seen(L, seen_value(L, run, name));
    lua_rawset(L, -3);
}

static void list_staged(lua_State *L, struct run *run, const struct effects *effects,
                        struct slice prefix) {
    for (size_t i = 0; i < effects->count; i++) {
        const struct effect *staged = &effects->items[i];
        if (staged->kind <= EFFECT_STATE_INCR && staged->kind >= EFFECT_STATE_SET &&
            begins_with(staged->name, prefix)) {
            set_seen(L, run, staged->name);
        }
    }
}

/* zing.state.list([prefix]) -> {name = value} */
static int list(lua_State *L) {
    struct run *run = api_run(L, "state.list");
    api_check_one_key(L, run, "state.list");
    struct slice prefix = {"", 0};
    if (!lua_isnoneornil(L, 1)) {
        prefix = args_check_text(L, 1, "prefix");
    }
    struct buf *found = &run->host->second;
    buf_reset(found);
    int rc = run->view->state_list(run->view->ctx, run->event, prefix, found, collect);
    if (found->failed) {
        return luaL_error(L, "zing.state.list: more than %d MiB; use a longer prefix",
                          EFFECTS_BYTES_MAX >> 20);
    }
    if (rc != 0 && rc != ERR_NOTFOUND) {
        raise_read(L, rc);
    }
    lua_newtable(L);
    struct reader r = reader_of(found->data, found->len);
    while (r.at < r.end) {
        struct slice name = read_lv(&r);
        struct slice value = read_lv(&r);
        lua_pushlstring(L, name.data, name.len);
        push_seen(L, value);
        lua_rawset(L, -3);
    }
    list_staged(L, run, &run->effects, prefix);
    if (run->durable != NULL) {
        list_staged(L, run, &run->durable->effects, prefix);
    }
    return 1;
}

/* Continues the handler with the other host's value. */
static int peeked(lua_State *L, int status, lua_KContext unused) {
    (void)status;
    (void)unused;
    struct slice value = buf_slice(&api_answer_of_host(L, "peek")->body);
    if (value.len > 0 && !value_is_sound(value)) {
        return luaL_error(L, "zing.peek: the other host's answer is not a value");
    }
    return push_seen(L, value);
}

/* The key belongs to another host: asks that host. */
static int peek_elsewhere(lua_State *L, struct run *run, uint16_t host, struct slice key,
                          struct slice name) {
    struct slice service = args_check_text(L, 1, "service");
    struct buf *query = &run->host->scratch;
    api_check_can_wait(L, run, "peek at a key of another host");
    lua_pushfstring(L, "/api/peek/%s", service.data);
    lua_pushfstring(L, "peek at %s of host %d", service.data, (int)host);
    buf_reset(query);
    buf_add_lv(query, slice_of("key"));
    buf_add_lv(query, key);
    buf_add_lv(query, slice_of("name"));
    buf_add_lv(query, name);
    return api_ask_host(L, run, "GET", peeked);
}

/* zing.peek(service, key, name) -> committed value or nil */
static int peek(lua_State *L) {
    struct run *run = api_run(L, "peek");
    struct slice service = args_check_text(L, 1, "service");
    lua_Integer number = 0;
    if (lua_isinteger(L, 2)) {
        number = lua_tointeger(L, 2);
        lua_pushfstring(L, "%I", number);
        lua_replace(L, 2);
    }
    struct slice key = args_check_text(L, 2, "key");
    struct slice name = args_check_name(L, 3, "name");
    if (key.len > KEY_BYTES_MAX) { /* no event has such a key; it may come from a message */
        return push_seen(L, (struct slice){NULL, 0});
    }
    uint16_t host = owner_of_key(run->host->conf, service, key);
    if (host != 0 && host != run->host->conf->hosts.share.place) {
        return peek_elsewhere(L, run, host, key, name);
    }
    struct slice value = {NULL, 0};
    int rc = run->view->peek(run->view->ctx, service, key, name, &value);
    if (rc == ERR_INVALID) {
        return luaL_error(L, "zing.peek: there is no service \"%s\"", service.data);
    }
    if (rc != 0 && rc != ERR_NOTFOUND) {
        raise_read(L, rc);
    }
    return push_seen(L, rc == 0 ? value : (struct slice){NULL, 0});
}

void api_open_state(lua_State *L) {
    static const luaL_Reg functions[] = {{"get", get},   {"set", set},   {"delete", delete_name},
                                         {"incr", incr}, {"list", list}, {NULL, NULL}};
    luaL_newlib(L, functions);
    sandbox_protect(L, "zing.state");
    lua_setfield(L, -2, "state");
    lua_pushcfunction(L, peek);
    lua_setfield(L, -2, "peek");
}
