/*
 * publish.c - zing.publish, zing.reply, zing.cancel, zing.append: what leaves a handler, staged.
 */
#include "lua/api/subjects.h"

#include "lua/api/invocation.h"
#include "lua/api/outside.h"
#include "lua/host.h"

#include "lua/args.h"

#include "lua/json.h"
#include "base/limits.h"

#include <assert.h>
#include <string.h>

enum { KEY_TEXT_AT = 4 /* stack position of the text of a key that was given as a number */ };

/* The payload at `index`, valid until the scratch is used again. */
static struct slice take_payload(lua_State *L, int index, const char *what, struct effect *effect) {
    struct buf *scratch = &script_state_of(L)->host->scratch;
    struct slice text = {"", 0};
    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        text.data = lua_tolstring(L, index, &text.len);
        return text;
    case LUA_TNONE:
    case LUA_TNIL:
        return text;
    case LUA_TTABLE:
        effect->content_type = slice_of("application/json");
        break;
    default:
        break;
    }
    buf_reset(scratch);
    json_encode(L, index, what, scratch);
    return buf_slice(scratch);
}

/* The options of zing.publish. */
struct publishing {
    struct run *run;
    struct effect effect;
    const char *priority; /* its digit, or NULL */
};

static void take_after(lua_State *L, int index, void *to) {
    struct publishing *p = to;
    p->effect.due_ms =
        p->run->view->now_ms(p->run->view->ctx) + args_check_duration(L, index, "after");
    p->effect.by_wall = false;
}

static void take_at(lua_State *L, int index, void *to) {
    struct publishing *p = to;
    double at = lua_type(L, index) == LUA_TNUMBER ? lua_tonumber(L, index) : -1;
    if (!(at > 0 && at < 1e12)) {
        luaL_error(L, "at must be a time in seconds since 1970, as zing.now() gives");
    }
    p->effect.due_ms = (int64_t)(at * 1000.0);
    p->effect.by_wall = true;
}

static void take_qos(lua_State *L, int index, void *to) {
    struct publishing *p = to;
    lua_Integer qos = lua_isinteger(L, index) ? lua_tointeger(L, index) : -1;
    if (qos < 0 || qos > 2) {
        luaL_error(L, "qos must be 0, 1 or 2");
    }
    p->effect.qos = (uint8_t)qos;
}

static void take_retain(lua_State *L, int index, void *to) {
    struct publishing *p = to;
    if (!lua_isboolean(L, index)) {
        luaL_error(L, "retain must be true or false");
    }
    p->effect.retain = lua_toboolean(L, index);
}

/* A broker may answer such a property by closing the connection, on every attempt. */
static void check_carried(lua_State *L, struct slice text, const char *what) {
    struct report r;
    if (property_check(text, what, &r) != 0) {
        luaL_error(L, "%s", r.text);
    }
}

static void take_key(lua_State *L, int index, void *to) {
    struct publishing *p = to;
    if (lua_isinteger(L, index)) {
        lua_pushvalue(L, index);
        p->effect.key.data = lua_tolstring(L, -1, &p->effect.key.len);
        lua_replace(L, KEY_TEXT_AT);
        return;
    }
    p->effect.key = args_check_text(L, index, "key");
    if (p->effect.key.len > KEY_BYTES_MAX) {
        luaL_error(L, "key must have at most %d bytes", KEY_BYTES_MAX);
    }
    check_carried(L, p->effect.key, "key");
}

static void add_property(lua_State *L, struct buf *out) {
    struct slice name = args_check_text(L, -2, "a property's name");
    if (strncmp(name.data, "zingq-", 6) == 0) {
        luaL_error(L, "properties: names that begin with zingq- are ZingQueue's own");
    }
    if (lua_type(L, -1) == LUA_TBOOLEAN) {
        property_add(out, name, slice_of(lua_toboolean(L, -1) ? "true" : "false"));
        return;
    }
    if (lua_type(L, -1) != LUA_TNUMBER && lua_type(L, -1) != LUA_TSTRING) {
        luaL_error(L, "properties.%s must be a string, not a %s", name.data, luaL_typename(L, -1));
    }
    struct slice value;
    value.data = lua_tolstring(L, -1, &value.len);
    check_carried(L, name, "a property's name");
    check_carried(L, value, "a property");
    property_add(out, name, value);
}

static void take_properties(lua_State *L, int index, void *to) {
    struct publishing *p = to;
    struct buf *out = &script_state_of(L)->host->second;
    if (!lua_istable(L, index)) {
        luaL_error(L, "properties must be a table of name to string");
    }
    buf_reset(out);
    int count = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        add_property(L, out);
        lua_pop(L, 1);
        if (++count > PROPERTIES_MAX) {
            luaL_error(L, "properties: more than %d", PROPERTIES_MAX);
        }
    }
    if (out->failed) {
        luaL_error(L, "properties: too large");
    }
    p->effect.properties = buf_slice(out);
}

static void take_priority(lua_State *L, int index, void *to) {
    static const char *const digits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    struct publishing *p = to;
    lua_Integer priority = lua_isinteger(L, index) ? lua_tointeger(L, index) : -1;
    if (priority >= 0 && priority < PRIORITIES) {
        p->priority = digits[priority];
        return;
    }
    luaL_error(L, "priority must be an integer from 0 to 9");
}

/* It travels as a property, after those that were given. */
static void add_priority(lua_State *L, struct publishing *p) {
    struct buf *out = &script_state_of(L)->host->second;
    if (p->priority == NULL) {
        return;
    }
    if (p->effect.properties.len == 0) {
        buf_reset(out);
    }
    property_add(out, slice_of("zingq-priority"), slice_of(p->priority));
    if (out->failed) {
        luaL_error(L, "properties: too large");
    }
    p->effect.properties = buf_slice(out);
}

static void take_content_type(lua_State *L, int index, void *to) {
    struct publishing *p = to;
    p->effect.content_type = args_check_text(L, index, "content_type");
    check_carried(L, p->effect.content_type, "content_type");
}

static void take_response_topic(lua_State *L, int index, void *to) {
    struct publishing *p = to;
    p->effect.response_topic = args_check_text(L, index, "response_topic");
    check_carried(L, p->effect.response_topic, "response_topic");
}

static void take_correlation(lua_State *L, int index, void *to) {
    struct publishing *p = to;
    if (lua_type(L, index) != LUA_TSTRING) {
        luaL_error(L, "correlation must be a string");
    }
    p->effect.correlation.data = lua_tolstring(L, index, &p->effect.correlation.len);
}

static void take_replace(lua_State *L, int index, void *to) {
    struct publishing *p = to;
    p->effect.owner = args_check_name(L, index, "replace");
}

static void take_max_wait(lua_State *L, int index, void *to) {
    struct publishing *p = to;
    p->effect.max_wait_ms = args_check_duration(L, index, "max_wait");
}

static const struct args_option publish_options[] = {
    {"after", take_after},
    {"at", take_at},
    {"qos", take_qos},
    {"retain", take_retain},
    {"properties", take_properties},
    {"key", take_key},
    {"priority", take_priority},
    {"content_type", take_content_type},
    {"response_topic", take_response_topic},
    {"correlation", take_correlation},
    {"replace", take_replace},
    {"max_wait", take_max_wait},
};

/* The name's id: the name belongs to the service; where hosts divide the keys, to the event's key,
 * which has one host. */
static struct uuid id_of_name(const struct run *run, struct slice name) {
    const struct conf *conf = run->host->conf;
    struct slice key =
        division_is_divided(&conf->hosts.share) ? run->event->key : (struct slice){NULL, 0};
    char scope[NAME_BYTES_MAX + 1 + KEY_BYTES_MAX];
    const char *service = service_origin(&conf->services[run->service]);
    size_t len = strlen(service) + 1;
    assert(len + key.len <= sizeof scope);
    memcpy(scope, service, len);
    if (key.len > 0) {
        memcpy(scope + len, key.data, key.len);
    }
    return uuid_of_name((struct slice){scope, len + key.len}, name);
}

static void check_replace(lua_State *L, const struct effect *effect) {
    if (effect->owner.data != NULL && effect->due_ms == 0) {
        luaL_error(L, "zing.publish: replace is for a publish that waits: add after or at");
    }
    if (effect->max_wait_ms > 0 && (effect->owner.data == NULL || effect->by_wall)) {
        luaL_error(L, "zing.publish: max_wait goes with replace and after");
    }
}

static int stage_publish(lua_State *L, struct publishing *p) {
    struct run *run = p->run;
    char text[UUID_TEXT_BYTES + 1];
    bool again = false;
    p->effect.kind = EFFECT_PUBLISH;
    p->effect.id = run->view->uuid(run->view->ctx);
    if (p->effect.owner.data != NULL) {
        p->effect.id = id_of_name(run, p->effect.owner);
        again = effects_publish(&run->effects, &p->effect.id) != NULL;
    }
    api_stage(L, run, &p->effect);
    if (again) {
        (void)effects_withdraw(&run->effects, &p->effect.id); /* the earlier one */
    }
    lua_pushlstring(L, uuid_text(&p->effect.id, text), UUID_TEXT_BYTES);
    return 1;
}

/* Where the broker lets only hosts publish. Other topics with a $ are a broker's services, such as
 * $aws/things/x/shadow/update. */
static bool is_for_hosts(const char *topic) {
    bool service =
        topic[0] == '$' && strncmp(topic, "$SYS", 4) != 0 && strncmp(topic, "$share", 6) != 0;
    return topic_is_own(topic) && !service;
}

/* zing.publish(topic, payload [, options]) -> id */
static int publish(lua_State *L) {
    struct publishing p = {.run = api_staging_run(L, "publish"), .effect = {.qos = 1}};
    lua_settop(L, 3);
    struct report r = {""};
    p.effect.name = args_check_text(L, 1, "topic");
    if (topic_check(p.effect.name.data, &r) != 0) {
        return luaL_error(L, "zing.publish: %s", r.text);
    }
    if (is_for_hosts(p.effect.name.data)) {
        return luaL_error(
            L,
            "zing.publish: \"%s\": topics that begin with zingq/ or $SYS/ are not for "
            "scripts; zing.signal sends signals",
            p.effect.name.data);
    }
    p.effect.value = take_payload(L, 2, "payload", &p.effect);
    lua_pushnil(L); /* at KEY_TEXT_AT */
    args_take_options(L, 3, publish_options, sizeof publish_options / sizeof publish_options[0],
                      "publish", &p);
    check_replace(L, &p.effect);
    add_priority(L, &p);
    return stage_publish(L, &p);
}

/* The requester chooses the topic: we do not publish for him where he may not publish himself. The
 * event ends like one with bad JSON; where the handler cannot be suspended, it is an ordinary
 * error. */
static void check_reply_topic(lua_State *L, struct run *run, const char *topic) {
    const struct conf *conf = run->host->conf;
    struct report r = {""};
    if (topic_check(topic, &r) == 0 &&
        service_may_reply(&conf->services[run->service], conf, topic, &r)) {
        return;
    }
    const char *text = lua_pushfstring(L, "zing.reply: the response topic: %s", r.text);
    if (L != run->thread.L || !lua_isyieldable(L)) {
        luaL_error(L, "%s", text);
    }
    run_set_error(run, slice_of(text));
    (void)api_end_attempt(L, run, OUTCOME_REJECT, "reply"); /* does not return */
}

/* zing.reply(payload) -> id, or nil if nobody asked for an answer */
static int reply(lua_State *L) {
    struct publishing p = {.run = api_staging_run(L, "reply"), .effect = {.qos = 1}};
    const struct event *event = p.run->event;
    api_check_one_event(L, p.run, "reply");
    lua_settop(L, 1);
    if (event->response_topic.len == 0) {
        lua_pushnil(L);
        return 1;
    }
    struct buf *topic = &p.run->host->second;
    buf_reset(topic);
    buf_add_slice(topic, event->response_topic);
    check_reply_topic(L, p.run, buf_str(topic));
    p.effect.name = event->response_topic;
    p.effect.correlation = event->correlation;
    p.effect.value = take_payload(L, 1, "payload", &p.effect);
    return stage_publish(L, &p);
}

enum whereabouts { WAITS_HERE, GONE, UNKNOWN_HERE };

/* Where the publish with this id is, as far as this attempt knows. */
static enum whereabouts find_publish(lua_State *L, const struct run *run, const struct uuid *id) {
    if (effects_cancels(&run->effects, id)) {
        return GONE;
    }
    int code = run->view->delayed(run->view->ctx, id);
    if (code != 0 && code != ERR_NOTFOUND && code != ERR_EXISTS) {
        (void)script_raise_lack(L, code, "the delayed publishes cannot be read");
    }
    return code == 0 ? WAITS_HERE : code == ERR_EXISTS ? GONE : UNKNOWN_HERE;
}

/* True if another host may have it, and can be asked. */
static bool may_ask(const struct run *run) {
    return division_is_divided(&run->host->conf->hosts.share) &&
           (run->entry == RUN_EVENT || run->entry == RUN_UNDO);
}

/* Continues the handler: was it still waiting at another host? */
static int cancelled(lua_State *L, int status, lua_KContext unused) {
    (void)status;
    (void)unused;
    lua_pushboolean(L, api_answer_of_host(L, "cancel")->status != 404);
    return 1;
}

static int cancel_elsewhere(lua_State *L, struct run *run, const struct uuid *id) {
    char text[UUID_TEXT_BYTES + 1];
    struct buf *query = &run->host->scratch;
    api_check_forward(L, run);
    api_check_can_wait(L, run, "cancel of a publish that is not of this host");
    lua_pushfstring(L, "/api/cancel/%s", uuid_text(id, text));
    lua_pushfstring(L, "cancel of %s at any host", text);
    buf_reset(query);
    buf_add_lv(query, slice_of("publish"));
    buf_add_lv(query, slice_of("1"));
    return api_ask_host(L, run, "POST", cancelled);
}

/* zing.cancel(id) -> whether it was still waiting */
static int cancel(lua_State *L) {
    struct run *run = api_staging_run(L, "cancel");
    struct effect effect = {.kind = EFFECT_CANCEL, .name = args_check_text(L, 1, "id")};
    if (!uuid_parse(effect.name, &effect.id)) {
        return luaL_error(L, "zing.cancel: id must be what zing.publish gave");
    }
    bool was = effects_withdraw(&run->effects, &effect.id);
    /* One under a name may have been staged in place of one that waits. */
    bool whole = was && uuid_is_v7(&effect.id);
    enum whereabouts where = whole ? GONE : find_publish(L, run, &effect.id);
    if (where == UNKNOWN_HERE && !was && may_ask(run)) {
        return cancel_elsewhere(L, run, &effect.id);
    }
    if (where == WAITS_HERE) {
        api_stage(L, run, &effect);
        was = true;
    }
    lua_pushboolean(L, was);
    return 1;
}

/* The file belongs to the service that wrote to it first. */
static void check_owner(lua_State *L, const struct run *run, struct slice file) {
    const struct run_view *view = run->view;
    const char *owner = NULL;
    int code = view->file_owner == NULL ? ERR_NOTFOUND
                                        : view->file_owner(view->ctx, run->event, file, &owner);
    if (code == 0) {
        luaL_error(L, "zing.append: \"%s\" belongs to service \"%s\", which wrote it first",
                   file.data, owner);
    }
    if (code == ERR_FULL) {
        luaL_error(L,
                   "zing.append: the files of this service take a quarter of store.max_size: move "
                   "them out of the data folder's files/");
    }
    if (code != ERR_NOTFOUND) {
        (void)script_raise_lack(L, code, "zing.append: the file's owner cannot be read");
    }
}

/* zing.append(file, line) */
static int append(lua_State *L) {
    struct run *run = api_staging_run(L, "append");
    struct slice file = args_check_text(L, 1, "file");
    bool plain = file.len > 0 && file.len <= STATE_NAME_BYTES_MAX && file.data[0] != '.' &&
                 strchr(file.data, '/') == NULL && strstr(file.data, "..") == NULL;
    if (!plain) {
        return luaL_error(L, "zing.append: \"%s\" is not a plain file name", file.data);
    }
    check_owner(L, run, file);
    size_t len;
    const char *line = luaL_checklstring(L, 2, &len);
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) {
        len--;
    }
    if (memchr(line, '\n', len) != NULL) {
        return luaL_error(L, "zing.append: a line has no line break inside");
    }
    struct effect effect = {.kind = EFFECT_APPEND, .name = file, .value = {line, len}};
    api_stage(L, run, &effect);
    return 0;
}

void api_open_publish(lua_State *L) {
    static const luaL_Reg functions[] = {{"publish", publish},
                                         {"reply", reply},
                                         {"cancel", cancel},
                                         {"append", append},
                                         {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
