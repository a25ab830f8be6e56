/*
 * event.c - the event as a handler sees it, and the expired lock.
 *
 * The event is an ordinary table whose fields are created when first read: most handlers read two
 * or three. It knows its invocation by identity, so if an event is kept beyond its handler, reading
 * a further field is an error, and never gives another event's field.
 */
#include "lua/api/subjects.h"

#include "lua/api/invocation.h"
#include "lua/host.h"

#include "lua/args.h"
#include "lua/document.h"

#include "base/clock.h"
#include "lua/json.h"

#include <assert.h>

/* Registry keys of the metatables of an event and of a list of them. */
static const char event_key = 'e';
static const char list_key = 'l';

static void push_slice(lua_State *L, struct slice s) {
    lua_pushlstring(L, s.data == NULL ? "" : s.data, s.len);
}

static void push_uuid(lua_State *L, const struct uuid *id) {
    char text[UUID_TEXT_BYTES + 1];
    lua_pushlstring(L, uuid_text(id, text), UUID_TEXT_BYTES);
}

static void push_optional(lua_State *L, struct slice s) {
    if (s.len == 0) {
        lua_pushnil(L);
    } else {
        push_slice(L, s);
    }
}

/* The event a handler sees: in a batch, one of several. */
static struct event *seen(const struct run *run) {
    return run->events[run->event_seen];
}

static void push_id(lua_State *L, struct run *run) {
    push_uuid(L, &seen(run)->id);
}

static void push_cause(lua_State *L, struct run *run) {
    if (uuid_is_zero(&seen(run)->cause)) {
        lua_pushnil(L);
    } else {
        push_uuid(L, &seen(run)->cause);
    }
}

static void push_topic(lua_State *L, struct run *run) {
    push_slice(L, seen(run)->topic);
}

static void push_levels(lua_State *L, struct run *run) {
    struct slice topic = seen(run)->topic;
    lua_createtable(L, 4, 0);
    size_t from = 0;
    lua_Integer level = 0;
    for (size_t at = 0; at <= topic.len; at++) {
        if (at == topic.len || topic.data[at] == '/') {
            lua_pushlstring(L, topic.data + from, at - from);
            lua_rawseti(L, -2, ++level);
            from = at + 1;
        }
    }
}

static void push_payload(lua_State *L, struct run *run) {
    push_slice(L, seen(run)->payload);
}

/* Bad JSON ends the event, because a retry cannot fix it. Where the handler cannot be suspended, it
 * is an ordinary error. */
static void push_json(lua_State *L, struct run *run) {
    struct report r = {""};
    if (document_try(L, seen(run)->payload, "payload", &r)) {
        return;
    }
    if (L != run->thread.L || !lua_isyieldable(L)) {
        luaL_error(L, "%s", r.text);
    }
    run->culprit = run->event_count > 1 ? run->event_seen + 1 : 0;
    run_set_error(run, slice_of(r.text));
    (void)api_end_attempt(L, run, OUTCOME_REJECT, "json"); /* does not return */
}

static void push_key(lua_State *L, struct run *run) {
    push_slice(L, seen(run)->key);
}

static void push_properties(lua_State *L, struct run *run) {
    struct slice name, value;
    size_t at = 0;
    lua_newtable(L);
    while (property_next(seen(run)->properties, &at, &name, &value)) {
        push_slice(L, name);
        lua_pushvalue(L, -1);
        /* If a name occurs more than once, the first one counts. */
        if (lua_rawget(L, -3) != LUA_TNIL) {
            lua_pop(L, 2);
            continue;
        }
        lua_pop(L, 1);
        push_slice(L, value);
        lua_rawset(L, -3);
    }
}

static void push_attempt(lua_State *L, struct run *run) {
    lua_pushinteger(L, seen(run)->attempts == 0 ? 1 : seen(run)->attempts);
}

static void push_received_at(lua_State *L, struct run *run) {
    lua_pushnumber(L, (double)clock_to_wall(seen(run)->accepted_ms) / 1000.0);
}

static void push_service(lua_State *L, struct run *run) {
    lua_pushstring(L, run->host->conf->services[run->service].name);
}

static void push_content_type(lua_State *L, struct run *run) {
    push_optional(L, seen(run)->content_type);
}

static void push_response_topic(lua_State *L, struct run *run) {
    push_optional(L, seen(run)->response_topic);
}

static void push_qos(lua_State *L, struct run *run) {
    lua_pushinteger(L, seen(run)->qos);
}

static void push_replayed(lua_State *L, struct run *run) {
    lua_pushboolean(L, seen(run)->replayed);
}

static int cancelled(lua_State *L);

/* It knows its event, to be refused after the handler has ended. */
static void push_cancelled(lua_State *L, struct run *run) {
    (void)run;
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, cancelled, 1);
}

/* field, and the function that pushes it */
static const struct {
    const char *name;
    void (*push)(lua_State *L, struct run *run);
} fields[] = {
    {"id", push_id},
    {"topic", push_topic},
    {"levels", push_levels},
    {"payload", push_payload},
    {"json", push_json},
    {"key", push_key},
    {"properties", push_properties},
    {"attempt", push_attempt},
    {"received_at", push_received_at},
    {"service", push_service},
    {"content_type", push_content_type},
    {"qos", push_qos},
    {"replayed", push_replayed},
    {"cause", push_cause},
    {"response_topic", push_response_topic},
    {"cancelled", push_cancelled},
};

enum { FIELDS = sizeof fields / sizeof fields[0] };

/* The run that the object at the bottom belongs to, as its event or one of its events:
 * run->event_seen. Handlers go through a list in order, so the last one and the next are tried
 * first. */
static struct run *run_of(lua_State *L, const char *field) {
    struct run *run = script_state_of(L)->current;
    const void *object = lua_topointer(L, 1);
    for (size_t n = 0; run != NULL && n < run->event_count; n++) {
        size_t i = (run->event_seen + n) % run->event_count;
        if (run->event_tables[i] == object) {
            run->event_seen = i;
            return run;
        }
    }
    luaL_error(L, "event.%s: the event's handler has ended", field);
    return NULL;
}

static int told(lua_State *L, int status, lua_KContext unused) {
    (void)status;
    (void)unused;
    lua_pushboolean(L, script_state_of(L)->current->cancelled);
    return 1;
}

/* event.cancelled() -> whether a person has cancelled the event. Cancels are carried out between
 * runs, so a long run gives way first; not where the handler cannot be suspended. */
static int cancelled(lua_State *L) {
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    struct run *run = run_of(L, "cancelled");
    const struct run_view *view = run->view;
    bool handles = run->entry == RUN_EVENT || run->entry == RUN_UNDO;
    bool yields = handles && L == run->thread.L && lua_isyieldable(L);
    if (!yields || run->cancelled || view->is_long == NULL || !view->is_long(view->ctx)) {
        return told(L, LUA_OK, 0);
    }
    run->outcome = OUTCOME_YIELD;
    run->yielded = true;
    return lua_yieldk(L, 0, 0, told);
}

/* A field that an event never has is a misspelt one: nil would make a handler do the wrong
 * thing. */
static int refuse_field(lua_State *L, const char *field) {
    const char *names[FIELDS];
    for (size_t i = 0; i < FIELDS; i++) {
        names[i] = fields[i].name;
    }
    const char *meant = conf_suggest(field, names, FIELDS);
    return luaL_error(L, "an event has no field \"%s\"%s%s%s", field,
                      meant == NULL ? "" : " (did you mean \"", meant == NULL ? "" : meant,
                      meant == NULL ? "" : "\"?)");
}

/* Upvalue: field name to position in `fields`. */
static int index_event(lua_State *L) {
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNUMBER) {
        if (lua_isinteger(L, 2)) {
            return luaL_error(L,
                              "event[%I]: this is one event; a list of them is for a service "
                              "with `batch` in topics.conf",
                              lua_tointeger(L, 2));
        }
        return refuse_field(L, luaL_tolstring(L, 2, NULL));
    }
    size_t field = (size_t)lua_tointeger(L, -1);
    assert(field < FIELDS);
    struct run *run = run_of(L, fields[field].name);
    fields[field].push(L, run);
    if (lua_isfunction(L, -1)) {
        return 1; /* it is no part of what the event says */
    }
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -2);
    lua_rawset(L, 1);
    return 1;
}

static int next_field(lua_State *L) {
    lua_settop(L, 2);
    if (lua_next(L, 1)) {
        return 2;
    }
    lua_pushnil(L);
    return 1;
}

/* Leaves out json, because walking over an event must not end it, and the function. */
static int pairs_of_event(lua_State *L) {
    lua_settop(L, 1);
    for (size_t i = 0; i < FIELDS; i++) {
        if (fields[i].push != push_json && fields[i].push != push_cancelled) {
            lua_getfield(L, 1, fields[i].name);
            lua_pop(L, 1);
        }
    }
    lua_pushcfunction(L, next_field);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

/* Explains the error of a handler written for one event. */
static int index_list(lua_State *L) {
    if (lua_type(L, 2) == LUA_TSTRING) {
        return luaL_error(L,
                          "\"%s\" of a list of events: a service with `batch` in topics.conf "
                          "gives its handler several, as in `for i, event in ipairs(events)`",
                          lua_tostring(L, 2));
    }
    lua_pushnil(L);
    return 1;
}

static void open_list(lua_State *L) {
    lua_createtable(L, 0, 3);
    lua_pushcfunction(L, index_list);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "events");
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &list_key);
}

void api_open_event(lua_State *L) {
    open_list(L);
    lua_createtable(L, 0, 4);
    lua_createtable(L, 0, FIELDS);
    for (size_t i = 0; i < FIELDS; i++) {
        lua_pushinteger(L, (lua_Integer)i);
        lua_setfield(L, -2, fields[i].name);
    }
    lua_pushcclosure(L, index_event, 1);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, pairs_of_event);
    lua_setfield(L, -2, "__pairs");
    lua_pushliteral(L, "event");
    lua_setfield(L, -2, "__metatable");
    lua_pushliteral(L, "event");
    lua_setfield(L, -2, "__name");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &event_key);
}

static void push_object(lua_State *L, struct run *run, size_t i) {
    lua_createtable(L, 0, 4);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &event_key);
    lua_setmetatable(L, -2);
    run->event_tables[i] = lua_topointer(L, -1);
}

void api_push_event(lua_State *L, struct run *run) {
    push_object(L, run, 0);
}

void api_push_events(lua_State *L, struct run *run) {
    lua_createtable(L, (int)run->event_count, 0);
    for (size_t i = 0; i < run->event_count; i++) {
        push_object(L, run, i);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, &list_key);
    lua_setmetatable(L, -2);
}

/* The payload is {"name", "owner", "expires_ms", "data"}. */
void api_push_lock_event(lua_State *L, struct run *run) {
    document_push(L, run->event->payload, "the expired lock");
    luaL_checktype(L, -1, LUA_TTABLE);
    lua_getfield(L, -1, "expires_ms");
    lua_pushnumber(L, lua_tonumber(L, -1) / 1000.0);
    lua_setfield(L, -3, "expires_at");
    lua_pop(L, 1);
    lua_pushnil(L);
    lua_setfield(L, -2, "expires_ms");
    if (lua_getfield(L, -1, "data") == LUA_TLIGHTUSERDATA) {
        lua_pushnil(L);
        lua_setfield(L, -3, "data");
    }
    lua_pop(L, 1);
    push_key(L, run);
    lua_setfield(L, -2, "key");
}
