/*
 * bind.c - see trial/bind.h.
 *
 * Worlds are userdata that end with their Lua state at the latest. Functions that fail return nil
 * and a sentence: test.lua knows which line of the test is at fault.
 */
#include "trial/bind.h"

#include "trial/bind_look.h"
#include "trial/values.h"
#include "trial/world.h"

#include "io/pg/pg.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

enum { HEADERS_BYTES_MAX = 1 << 20, BODY_BYTES_MAX = 64 << 20, NAMES_MAX = SERVICES_MAX + 1 };

static int fail(lua_State *L, const char *sentence) {
    lua_pushnil(L);
    lua_pushstring(L, sentence);
    return 2;
}

static struct world *world_of(lua_State *L) {
    struct world **w = luaL_checkudata(L, 1, BIND_WORLD);
    luaL_argcheck(L, *w != NULL, 1, "the world has ended");
    return *w;
}

static struct slice text_at(lua_State *L, int index) {
    struct slice text;
    text.data = luaL_checklstring(L, index, &text.len);
    return text;
}

static struct slice optional_text(lua_State *L, int index) {
    return lua_isnoneornil(L, index) ? (struct slice){"", 0} : text_at(L, index);
}

/* table[name] = the bytes. */
static void set_text(lua_State *L, const char *name, struct slice text) {
    lua_pushlstring(L, text.len == 0 ? "" : text.data, text.len);
    lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, lua_Integer number) {
    lua_pushinteger(L, number);
    lua_setfield(L, -2, name);
}

/* ---- JSON and durations ---- */

static int decode(lua_State *L) {
    struct report r = {""};
    json_t *value = json_read(text_at(L, 1), "the text", &r);
    if (value == NULL) {
        return fail(L, r.text);
    }
    values_push(L, value);
    json_decref(value);
    return 1;
}

static int encode(lua_State *L) {
    struct report r = {""};
    struct buf out;
    luaL_checkany(L, 1);
    json_t *value = values_read(L, 1, &r);
    if (value == NULL) {
        return fail(L, r.text);
    }
    buf_init(&out, BODY_BYTES_MAX);
    json_write(value, &out, 0);
    json_decref(value);
    if (out.failed) {
        buf_clear(&out);
        return fail(L, "it is too large");
    }
    lua_pushlstring(L, out.data, out.len);
    buf_clear(&out);
    return 1;
}

static int duration(lua_State *L) {
    struct report r = {""};
    int64_t ms = 0;
    if (lua_type(L, 1) == LUA_TNUMBER) { /* seconds, as everywhere in handlers */
        lua_pushinteger(L, (lua_Integer)(lua_tonumber(L, 1) * 1000));
        return 1;
    }
    if (conf_parse_duration(luaL_checkstring(L, 1), &ms, &r) != 0) {
        return fail(L, r.text);
    }
    lua_pushinteger(L, ms);
    return 1;
}

/* rows{rows =, columns =, count =} or rows{sqlstate =, message =}: what `answer` takes for it. */
static int rows(lua_State *L) {
    struct report r = {""};
    struct call_result result = {.code = 0};
    luaL_checktype(L, 1, LUA_TTABLE);
    json_t *written = values_read(L, 1, &r);
    int code = written == NULL ? ERR_INVALID : pg_written_answer(&result, written, &r);
    json_decref(written);
    if (code == 0) {
        lua_newtable(L);
        set_integer(L, "status", result.status);
        set_text(L, "headers", buf_slice(&result.headers));
        set_text(L, "body", buf_slice(&result.body));
        set_text(L, "error", slice_of(result.error));
    }
    call_result_clear(&result);
    return code == 0 ? 1 : fail(L, r.text);
}

static int matches(lua_State *L) {
    lua_pushboolean(L, filter_matches(luaL_checkstring(L, 1), luaL_checkstring(L, 2)));
    return 1;
}

/* ---- a world's life ---- */

/* The list of names in field "services" of the table at 1; they stay on the stack. */
static size_t take_names(lua_State *L, const char **names) {
    lua_getfield(L, 1, "services");
    int list = lua_gettop(L);
    lua_Integer count = (lua_Integer)lua_rawlen(L, list);
    luaL_argcheck(L, count < NAMES_MAX, 1, "too many services");
    luaL_checkstack(L, NAMES_MAX, NULL);
    for (lua_Integer i = 0; i < count; i++) {
        lua_rawgeti(L, list, i + 1);
        names[i] = luaL_checkstring(L, -1);
    }
    return (size_t)count;
}

/* open{services = {...}, vars = {...}, now = ms} */
static int open_world(lua_State *L) {
    struct bind *bind = lua_touserdata(L, lua_upvalueindex(1));
    const char *names[NAMES_MAX];
    char path[4096];
    struct report r = {""};
    luaL_checktype(L, 1, LUA_TTABLE);
    struct world **w = lua_newuserdatauv(L, sizeof(struct world *), 0);
    *w = NULL;
    luaL_setmetatable(L, BIND_WORLD);
    int self = lua_gettop(L);
    (void)snprintf(path, sizeof path, "%s/%u", bind->folder, ++bind->worlds);
    struct world_options options = {.conf_file = bind->conf_file, .path = path, .only = names};
    options.only_count = take_names(L, names);
    lua_getfield(L, 1, "now");
    options.now_ms = luaL_checkinteger(L, -1);
    lua_getfield(L, 1, "vars");
    json_t *vars = lua_isnil(L, -1) ? NULL : values_read(L, -1, &r);
    bool wrong = vars == NULL && !lua_isnil(L, -1);
    options.vars = vars;
    int code = wrong ? ERR_INVALID : world_new(w, &options, &r);
    json_decref(vars);
    if (code != 0) {
        *w = NULL;
        return fail(L, r.text);
    }
    lua_pushvalue(L, self);
    return 1;
}

static int close_world(lua_State *L) {
    struct world **w = luaL_checkudata(L, 1, BIND_WORLD);
    world_free(*w);
    *w = NULL;
    return 0;
}

static int crash(lua_State *L) {
    struct report r = {""};
    if (world_crash(world_of(L), &r) != 0) {
        return fail(L, r.text);
    }
    lua_pushboolean(L, true);
    return 1;
}

/* world:services() → {{name =, key =, filters = {...}}, ...} */
static int services(lua_State *L) {
    const struct world *w = world_of(L);
    lua_newtable(L);
    for (size_t i = 0; i < w->only_count; i++) {
        size_t index = 0;
        (void)conf_find_service(w->conf, slice_of(w->only[i]), &index);
        const struct service_conf *s = &w->conf->services[index];
        lua_newtable(L);
        set_text(L, "name", slice_of(s->name));
        lua_newtable(L);
        for (size_t f = 0; f < s->filter_count; f++) {
            lua_pushstring(L, s->filters[f]);
            lua_rawseti(L, -2, (lua_Integer)f + 1);
        }
        lua_setfield(L, -2, "filters");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* ---- time and turns ---- */

static int now(lua_State *L) {
    lua_pushinteger(L, world_of(L)->now_ms);
    return 1;
}

static int jump(lua_State *L) {
    struct world *w = world_of(L);
    lua_Integer to = luaL_checkinteger(L, 2);
    w->now_ms = to > w->now_ms ? to : w->now_ms;
    return 0;
}

/* When a turn becomes due by time alone; nil: never. */
static int next_due(lua_State *L) {
    struct world *w = world_of(L);
    int64_t next = engine_next_ms(w->engine);
    if (next == INT64_MAX) {
        return 0;
    }
    lua_pushinteger(L, next - (engine_now_ms(w->engine) - w->now_ms));
    return 1;
}

static int due(lua_State *L) {
    lua_pushboolean(L, engine_due(world_of(L)->engine));
    return 1;
}

/* world:turn(blind, deaf) */
static int turn(lua_State *L) {
    int code = world_turn(world_of(L), lua_toboolean(L, 2), lua_toboolean(L, 3));
    if (code != 0) {
        return fail(L, error_text(code));
    }
    lua_pushboolean(L, true);
    return 1;
}

/* How many turns have stored something. */
static int commits(lua_State *L) {
    struct engine_status status;
    engine_status(world_of(L)->engine, &status);
    lua_pushinteger(L, (lua_Integer)status.commits);
    return 1;
}

/* The ids of the events whose attempts ended since the last time. */
static int endings(lua_State *L) {
    struct world *w = world_of(L);
    struct ending list[ENDINGS_MAX];
    char id[UUID_TEXT_BYTES + 1];
    uint64_t missed = 0;
    size_t count = engine_endings(w->engine, list, &missed);
    lua_newtable(L);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, uuid_text(&list[i].id, id));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* ---- messages and commands ---- */

/* The list of {name, value} at the index, in the format of property_add. */
static void take_properties(lua_State *L, int index, luaL_Buffer *out) {
    struct buf pairs;
    lua_Integer count = lua_istable(L, index) ? (lua_Integer)lua_rawlen(L, index) : 0;
    buf_init(&pairs, BODY_BYTES_MAX);
    for (lua_Integer i = 1; i <= count; i++) {
        size_t name_len = 0;
        size_t len = 0;
        lua_rawgeti(L, index, i);
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        const char *name = lua_tolstring(L, -2, &name_len);
        const char *value = lua_tolstring(L, -1, &len);
        if (name != NULL && value != NULL) {
            property_add(&pairs, (struct slice){name, name_len}, (struct slice){value, len});
        }
        lua_pop(L, 3);
    }
    luaL_buffinit(L, out);
    luaL_addlstring(out, pairs.len == 0 ? "" : pairs.data, pairs.len);
    buf_clear(&pairs);
    luaL_pushresult(out);
}

/* world:offer(service, topic, payload, properties, content_type) */
static int offer(lua_State *L) {
    struct world *w = world_of(L);
    struct report r = {""};
    size_t index = 0;
    luaL_Buffer b;
    const char *topic = luaL_checkstring(L, 3);
    struct event_bytes bytes = {.topic = slice_of(topic), .payload = text_at(L, 4)};
    bytes.content_type = optional_text(L, 6);
    take_properties(L, 5, &b);
    bytes.properties = text_at(L, -1);
    int code = topic_check(topic, &r);
    code = code == 0 ? world_service(w, luaL_checkstring(L, 2), &index, &r) : code;
    if (code == 0 && (code = world_offer(w, index, &bytes)) != 0) {
        (void)report(&r, code, "%s", error_text(code));
    }
    if (code != 0) {
        return fail(L, r.text);
    }
    lua_pushboolean(L, true);
    return 1;
}

static struct slice field(lua_State *L, int index, const char *name) {
    struct slice text = {"", 0};
    if (lua_getfield(L, index, name) == LUA_TSTRING) {
        text.data = lua_tolstring(L, -1, &text.len); /* stays in the table */
    }
    lua_pop(L, 1);
    return text;
}

/* world:command(kind, {service =, key =, name =, payload =, id =}) */
static int command(lua_State *L) {
    static const char *const names[] = {"signal", "replay", "discard", NULL};
    static const enum command_kind kinds[] = {COMMAND_SIGNAL, COMMAND_REPLAY, COMMAND_DISCARD};
    struct world *w = world_of(L);
    struct command c = {.kind = kinds[luaL_checkoption(L, 2, NULL, names)]};
    luaL_checktype(L, 3, LUA_TTABLE);
    c.service = field(L, 3, "service");
    c.key = field(L, 3, "key");
    c.name = field(L, 3, "name");
    c.payload = field(L, 3, "payload");
    struct slice id = field(L, 3, "id");
    if (id.len > 0 && !uuid_parse(id, &c.id)) {
        return fail(L, "that is not the id of an event");
    }
    int code = world_command(w, &c);
    if (code != 0) {
        return fail(L, w->report.text[0] != '\0' ? w->report.text : error_text(code));
    }
    lua_pushboolean(L, true);
    return 1;
}

/* ---- what left ---- */

static void push_properties(lua_State *L, struct slice properties) {
    struct slice name;
    struct slice value;
    size_t at = 0;
    lua_newtable(L);
    while (property_next(properties, &at, &name, &value)) {
        lua_pushlstring(L, name.data, name.len);
        lua_pushlstring(L, value.data, value.len);
        lua_rawset(L, -3);
    }
}

/* What was published since the last time. */
static int published(lua_State *L) {
    struct world *w = world_of(L);
    char id[UUID_TEXT_BYTES + 1];
    lua_newtable(L);
    for (size_t i = 0; i < w->published_count; i++) {
        const struct publication *p = &w->published[i].p;
        lua_newtable(L);
        set_text(L, "id", slice_of(uuid_text(&p->id, id)));
        set_text(L, "topic", p->topic);
        set_text(L, "payload", p->payload);
        set_text(L, "content_type", p->content_type);
        set_integer(L, "qos", p->qos);
        lua_pushboolean(L, p->retain);
        lua_setfield(L, -2, "retain");
        push_properties(L, p->properties);
        lua_setfield(L, -2, "properties");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    world_forget_published(w);
    return 1;
}

static void push_strings(lua_State *L, char *const *list, size_t count) {
    lua_newtable(L);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, list[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* "other": one that no test can answer. */
static const char *kind_name(enum call_kind kind) {
    return kind == CALL_KIND_HTTP   ? "http"
           : kind == CALL_KIND_MAIL ? "mail"
           : kind == CALL_KIND_SQL  ? "sql"
                                    : "other";
}

static void push_params(lua_State *L, const struct call_request *q) {
    lua_newtable(L);
    for (size_t i = 0; i < q->param_count; i++) {
        if (q->params[i] == NULL) {
            lua_pushlightuserdata(L, NULL); /* JSON's null */
        } else {
            lua_pushstring(L, q->params[i]);
        }
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_statement(lua_State *L, const struct call_request *q) {
    static const char *const scopes[] = {
        [SQL_ALONE] = "alone", [SQL_READS] = "reads",   [SQL_REPEATS] = "repeats",
        [SQL_BEGIN] = "begin", [SQL_WITHIN] = "within", [SQL_COMMIT] = "commit"};
    set_text(L, "scope", slice_of(scopes[q->scope]));
    set_integer(L, "session", (lua_Integer)q->session);
    push_params(L, q);
    lua_setfield(L, -2, "params");
}

static void push_call(lua_State *L, struct world *w, const struct world_call *call) {
    const struct call_request *q = call->request;
    char id[UUID_TEXT_BYTES + 1] = "";
    struct uuid event;
    if (engine_caller(w->engine, call->id, &event)) {
        (void)uuid_text(&event, id);
    }
    lua_newtable(L);
    set_integer(L, "call", (lua_Integer)call->id);
    set_text(L, "kind", slice_of(kind_name(q->kind)));
    set_text(L, "event", slice_of(id));
    set_text(L, "method", slice_of(q->method));
    set_text(L, "url", slice_of(q->url));
    set_text(L, "label", slice_of(q->label));
    set_text(L, "key", slice_of(q->key));
    set_text(L, "from", slice_of(q->mail_from));
    set_text(L, "body", (struct slice){q->body, q->body_len});
    set_integer(L, "timeout", q->timeout_ms);
    push_strings(L, q->headers, q->header_count);
    lua_setfield(L, -2, "lines");
    push_strings(L, q->mail_to, q->mail_to_count);
    lua_setfield(L, -2, "to");
    if (q->kind == CALL_KIND_SQL) {
        push_statement(L, q);
    }
}

/* The calls that were started since the last time. */
static int asked(lua_State *L) {
    struct world *w = world_of(L);
    lua_Integer count = 0;
    lua_newtable(L);
    for (size_t i = 0; i < w->call_count; i++) {
        if (!w->calls[i].told) {
            w->calls[i].told = true;
            push_call(L, w, &w->calls[i]);
            lua_rawseti(L, -2, ++count);
        }
    }
    return 1;
}

/* world:answer(call, {status =, headers = "name: value\n"*, body =, failed = "timeout", sent =}):
 * false when nobody waits for it any more. */
static int answer(lua_State *L) {
    struct world *w = world_of(L);
    struct call_result result = {.sent = true};
    uint64_t call = (uint64_t)luaL_checkinteger(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    struct slice failed = field(L, 3, "failed");
    lua_getfield(L, 3, "status");
    result.status = (long)lua_tointeger(L, -1);
    lua_getfield(L, 3, "sent");
    result.sent = lua_isnil(L, -1) || lua_toboolean(L, -1);
    if (failed.len > 0) {
        result.code = slice_is(failed, "timeout") ? ERR_TIMEOUT : ERR_NETWORK;
        (void)snprintf(result.error, sizeof result.error, "%s", error_text(result.code));
    }
    buf_init(&result.headers, HEADERS_BYTES_MAX);
    buf_init(&result.body, BODY_BYTES_MAX);
    buf_add_slice(&result.headers, field(L, 3, "headers"));
    buf_add_slice(&result.body, field(L, 3, "body"));
    struct slice words = field(L, 3, "error");
    if (words.len > 0) {
        (void)snprintf(result.error, sizeof result.error, "%s", words.data);
    }
    lua_pushboolean(L, world_answer(w, call, &result));
    call_result_clear(&result);
    return 1;
}

void bind_open(lua_State *L, struct bind *bind) {
    static const luaL_Reg methods[] = {{"close", close_world},
                                       {"__gc", close_world},
                                       {"crash", crash},
                                       {"services", services},
                                       {"now", now},
                                       {"jump", jump},
                                       {"next", next_due},
                                       {"due", due},
                                       {"turn", turn},
                                       {"endings", endings},
                                       {"commits", commits},
                                       {"offer", offer},
                                       {"command", command},
                                       {"published", published},
                                       {"asked", asked},
                                       {"answer", answer},
                                       {NULL, NULL}};
    static const luaL_Reg functions[] = {{"decode", decode},     {"encode", encode},
                                         {"duration", duration}, {"matches", matches},
                                         {"rows", rows},         {NULL, NULL}};
    (void)luaL_newmetatable(L, VALUES_ARRAY);
    lua_pop(L, 1);
    if (luaL_newmetatable(L, BIND_WORLD)) {
        luaL_setfuncs(L, methods, 0);
        bind_look_open(L);
        lua_pushvalue(L, -1);
        lua_setfield(L, -2, "__index");
    }
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_pushlightuserdata(L, bind);
    lua_pushcclosure(L, open_world, 1);
    lua_setfield(L, -2, "open");
    luaL_getmetatable(L, VALUES_ARRAY);
    lua_setfield(L, -2, "array");
}
