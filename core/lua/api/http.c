/*
 * http.c - zing.http: a request that suspends the handler until it is answered.
 *
 * Its parts: the call (turns options into a struct call_request that belongs to the run), earlier
 * attempts under the same key (`settle`), the suspension, and `answered`, which runs when the
 * engine resumes the handler with the result. The engine cancels: it drops the run, and the call
 * with it.
 */
#include "lua/api/subjects.h"

#include "lua/api/invocation.h"
#include "lua/api/outside.h"
#include "lua/host.h"

#include "lua/args.h"
#include "lua/document.h"

#include "lua/json.h"
#include "lua/sort.h"
#include "base/url.h"
#include "base/webhook.h"
#include "event/ledger.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    HTTP_TIMEOUT_MS = 10000,
    METHOD_BYTES_MAX = 16,
    FORM_DEPTH_MAX = 8,
    FORM_UNITS = 64, /* cost of a field in addition to its bytes: see script_charge */
    RECONCILE_AT = 3 /* stack position where that option is kept */
};

/* A call being built. */
struct asking {
    struct run *run;
    struct call_request *request; /* belongs to the run */
    const char *method;
    struct buf *body; /* the host's scratch */
    bool has_body, has_type;
    const char *secret;       /* signs it as a webhook, or NULL */
    const char *content_type; /* of the body, or NULL */
};

static void need_memory(lua_State *L, bool had) {
    if (!had) {
        luaL_error(L, "zing.http: out of memory");
    }
}

static void add_header(lua_State *L, struct asking *ask, struct slice name, struct slice value) {
    int rc = call_request_header(ask->request, name, value);
    if (rc != 0) {
        luaL_error(L, "zing.http: header %s: %s", name.data, error_text(rc));
    }
}

/* --- options --- */

static void begin_body(lua_State *L, struct asking *ask) {
    if (ask->has_body) {
        luaL_error(L, "zing.http: only one of json, form and body");
    }
    ask->has_body = true;
    buf_reset(ask->body);
}

static void take_json(lua_State *L, int index, void *to) {
    struct asking *ask = to;
    begin_body(L, ask);
    json_encode(L, index, "json", ask->body);
    ask->content_type = "application/json";
}

static void take_body(lua_State *L, int index, void *to) {
    struct asking *ask = to;
    if (lua_type(L, index) != LUA_TSTRING) {
        luaL_error(L, "zing.http: body must be a string, not a %s", luaL_typename(L, index));
    }
    size_t len;
    const char *text = lua_tolstring(L, index, &len);
    begin_body(L, ask);
    buf_add(ask->body, text, len);
}

static void take_timeout(lua_State *L, int index, void *to) {
    struct asking *ask = to;
    ask->request->timeout_ms = args_check_duration(L, index, "timeout");
    if (ask->request->timeout_ms == 0) {
        luaL_error(L, "zing.http: timeout must be more than 0");
    }
}

static void take_method(lua_State *L, int index, void *to) {
    struct asking *ask = to;
    struct slice method = args_check_text(L, index, "method");
    bool token = method.len > 0 && method.len <= METHOD_BYTES_MAX;
    for (size_t i = 0; i < method.len; i++) {
        token = token && method.data[i] >= 'A' && method.data[i] <= 'Z';
    }
    if (!token) {
        luaL_error(L, "zing.http: \"%s\" is not a method", method.data);
    }
    ask->method = method.data;
}

/* name at -2, value on top */
static void take_header(lua_State *L, struct asking *ask) {
    struct slice name = args_check_text(L, -2, "a header's name");
    if (!slice_is_plain(name, "!#$%&'*+-.^_`|~")) {
        luaL_error(L, "zing.http: \"%s\" is not a header's name", name.data);
    }
    if (lua_type(L, -1) != LUA_TSTRING && lua_type(L, -1) != LUA_TNUMBER) {
        luaL_error(L, "zing.http: header %s must be a string, not a %s", name.data,
                   luaL_typename(L, -1));
    }
    struct slice value;
    value.data = lua_tolstring(L, -1, &value.len);
    args_check_line(L, value, "a header's value");
    if (strcasecmp(name.data, "Idempotency-Key") == 0) {
        free(ask->request->key); /* the name may stand there twice, in other letters */
        ask->request->key = slice_dup(value);
        need_memory(L, ask->request->key != NULL);
    }
    ask->has_type = ask->has_type || strcasecmp(name.data, "Content-Type") == 0;
    add_header(L, ask, name, value);
}

static void take_headers(lua_State *L, int index, void *to) {
    if (!lua_istable(L, index)) {
        luaL_error(L, "zing.http: headers must be a table of name to value");
    }
    lua_pushnil(L);
    while (lua_next(L, index)) {
        take_header(L, to);
        lua_pop(L, 1);
    }
}

/* --- form bodies --- */

/* application/x-www-form-urlencoded, as in the WHATWG URL standard. */
static void add_form_text(struct buf *out, const char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (text[i] == ' ') {
            buf_add_u8(out, '+');
        } else {
            url_add_escaped(out, (struct slice){text + i, 1}, "-._*");
        }
    }
}

static void add_form_table(lua_State *L, int index, const char *prefix, int depth, struct buf *out);

/* The name is a string at stack position `name`, the value is on top. */
static void add_form_field(lua_State *L, int name, int depth, struct buf *out) {
    size_t name_len, len;
    const char *name_text = lua_tolstring(L, name, &name_len);
    if (out->failed) { /* a shared table could be visited without end */
        luaL_error(L, "zing.http: the form is too large");
    }
    if (lua_istable(L, -1)) {
        add_form_table(L, lua_gettop(L), name_text, depth + 1, out);
        return;
    }
    if (lua_type(L, -1) != LUA_TSTRING && lua_type(L, -1) != LUA_TNUMBER &&
        lua_type(L, -1) != LUA_TBOOLEAN) {
        luaL_error(L, "zing.http: form field %s is a %s", name_text, luaL_typename(L, -1));
    }
    const char *text = luaL_tolstring(L, -1, &len);
    script_charge(L, FORM_UNITS + name_len + len);
    if (out->len > 0) {
        buf_add_u8(out, '&');
    }
    add_form_text(out, name_text, name_len);
    buf_add_u8(out, '=');
    add_form_text(out, text, len);
    lua_pop(L, 1);
}

/* Numbers, then names. */
static bool key_before(lua_State *L) {
    bool mixed = lua_type(L, -1) != lua_type(L, -2);
    return mixed ? lua_type(L, -2) == LUA_TNUMBER : lua_compare(L, -2, -1, LUA_OPLT);
}

/* Pushes an array of the table's keys in order: deterministic bodies make retries comparable. */
static lua_Integer push_sorted_keys(lua_State *L, int index) {
    lua_Integer count = 0;
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING && !lua_isinteger(L, -1)) {
            luaL_error(L, "zing.http: a form's names are strings");
        }
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, ++count);
    }
    sort_list(L, -1, count, key_before);
    return count;
}

/* {metadata = {id = 1}, tags = {"a"}} becomes metadata[id]=1&tags[]=a, as Stripe expects. */
static void add_form_table(lua_State *L, int index, const char *prefix, int depth,
                           struct buf *out) {
    if (depth > FORM_DEPTH_MAX) {
        luaL_error(L, "zing.http: the form is nested too deeply");
    }
    luaL_checkstack(L, 16, "the form is nested too deeply");
    script_charge(L, FORM_UNITS);
    lua_Integer count = push_sorted_keys(L, index);
    int keys = lua_gettop(L);
    for (lua_Integer i = 1; i <= count; i++) {
        bool item = lua_rawgeti(L, keys, i) == LUA_TNUMBER;
        lua_pushvalue(L, -1);
        lua_rawget(L, index);
        if (item && prefix == NULL) {
            luaL_error(L, "zing.http: a form is a table of name to value");
        } else if (item) {
            lua_pushfstring(L, "%s[]", prefix);
        } else if (prefix != NULL) {
            lua_pushfstring(L, "%s[%s]", prefix, lua_tostring(L, -2));
        } else {
            lua_pushvalue(L, -2);
        }
        lua_insert(L, -2);
        add_form_field(L, lua_gettop(L) - 1, depth, out);
        lua_settop(L, keys);
    }
    lua_pop(L, 1);
}

static void take_form(lua_State *L, int index, void *to) {
    struct asking *ask = to;
    if (!lua_istable(L, index)) {
        luaL_error(L, "zing.http: form must be a table of name to value");
    }
    begin_body(L, ask);
    add_form_table(L, index, NULL, 0, ask->body);
    ask->content_type = "application/x-www-form-urlencoded";
}

static void take_sign(lua_State *L, int index, void *to) {
    struct asking *ask = to;
    struct report r;
    ask->secret = args_check_text(L, index, "sign").data;
    if (webhook_check_secret(WEBHOOK_STANDARD, ask->secret, &r) != 0) {
        luaL_error(L, "zing.http: sign: %s", r.text);
    }
}

static void take_reconcile(lua_State *L, int index, void *to) {
    (void)to;
    luaL_checktype(L, index, LUA_TFUNCTION);
    lua_pushvalue(L, index);
    lua_replace(L, RECONCILE_AT);
}

/* The last row is only for zing.http.request. */
static const struct args_option http_options[] = {
    {"json", take_json},       {"form", take_form},       {"body", take_body},
    {"headers", take_headers}, {"timeout", take_timeout}, {"reconcile", take_reconcile},
    {"sign", take_sign},       {"method", take_method},
};

/* --- the answer --- */

static int decode_body(lua_State *L) {
    struct slice text;
    text.data = lua_tolstring(L, lua_upvalueindex(1), &text.len);
    document_push(L, text, lua_tostring(L, lua_upvalueindex(2)));
    return 1;
}

/* Sets name = value in the table at `headers`. If a name is repeated, all its values are kept as a
 * list in `lists`, for join_values. */
static void add_value(lua_State *L, int headers, int lists, struct slice name, struct slice value) {
    lua_pushlstring(L, name.data, name.len);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, lists) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, headers) == LUA_TNIL) { /* the usual case */
            lua_pop(L, 1);
            lua_pushlstring(L, value.data, value.len);
            lua_rawset(L, headers);
            return;
        }
        lua_createtable(L, 2, 0);
        lua_insert(L, -2);
        lua_rawseti(L, -2, 1);
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, lists);
    }
    lua_pushlstring(L, value.data, value.len);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 2);
}

/* Joins several values of one name, as RFC 9110 allows. */
static void join_values(lua_State *L, int headers, int lists) {
    lua_pushnil(L);
    while (lua_next(L, lists)) {
        int list = lua_gettop(L);
        lua_Integer count = (lua_Integer)lua_rawlen(L, list);
        luaL_Buffer b;
        luaL_buffinit(L, &b);
        for (lua_Integer i = 1; i <= count; i++) {
            luaL_addstring(&b, i == 1 ? "" : ", ");
            lua_rawgeti(L, list, i);
            luaL_addvalue(&b);
        }
        luaL_pushresult(&b);
        lua_pushvalue(L, list - 1);
        lua_insert(L, -2);
        lua_rawset(L, headers);
        lua_settop(L, list - 1);
    }
}

/* Pushes {name = value} for "name: value\n"* */
static void push_headers(lua_State *L, struct slice text) {
    lua_newtable(L);
    lua_newtable(L);
    int lists = lua_gettop(L), headers = lists - 1;
    script_charge(L, text.len);
    const char *at = text.data, *end = text.data + text.len;
    while (text.len > 0 && at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        line_end = line_end == NULL ? end : line_end;
        const char *colon = memchr(at, ':', (size_t)(line_end - at));
        if (colon != NULL) {
            const char *value = colon + 1;
            while (value < line_end && *value == ' ') {
                value++;
            }
            add_value(L, headers, lists, (struct slice){at, (size_t)(colon - at)},
                      (struct slice){value, (size_t)(line_end - value)});
        }
        at = line_end < end ? line_end + 1 : end;
    }
    join_values(L, headers, lists);
    lua_pop(L, 1);
}

static void push_answer(lua_State *L, const struct call_result *result, int label) {
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, result->status);
    lua_setfield(L, -2, "status");
    push_headers(L, buf_slice(&result->headers));
    lua_setfield(L, -2, "headers");
    lua_pushlstring(L, result->body.data == NULL ? "" : result->body.data, result->body.len);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "body");
    lua_pushfstring(L, "the answer of %s", lua_tostring(L, label));
    lua_pushcclosure(L, decode_body, 2);
    lua_setfield(L, -2, "json");
}

/* Continues the handler; the label "POST http://..." is on top. */
static int answered(lua_State *L, int status, lua_KContext unused) {
    (void)unused;
    (void)status;
    struct run *run = script_state_of(L)->current;
    const struct call_result *result = run->result;
    assert(result != NULL);
    int label = lua_gettop(L);
    if (result->code == 0) {
        push_answer(L, result, label);
        return 1;
    }
    const char *why = call_result_why(result);
    return luaL_error(L, "%s%s: %s (%s)", result->sent ? "outcome unknown: " : "",
                      lua_tostring(L, label), why,
                      result->sent ? "the request had left" : "the request had not left");
}

/* --- the call --- */

/* The peer knows the call by this key, which is the same in every attempt. A request that only
 * reads needs none. */
static void set_key(lua_State *L, struct asking *ask) {
    char made[CALL_KEY_BYTES];
    struct call_request *request = ask->request;
    (void)api_next_call_key(ask->run, CALL_KIND_HTTP, made);
    if (call_only_reads(request)) {
        free(request->key);
        request->key = NULL;
        return;
    }
    if (request->key != NULL || ask->run->listed) {
        return; /* its own; of a batch none: another batch would send a different request */
    }
    add_header(L, ask, slice_of("Idempotency-Key"), slice_of(made));
    request->key = slice_dup(slice_of(made));
    need_memory(L, request->key != NULL);
}

/* As standard-webhooks: the id is the call's key, so that the receiver knows a repeated one. */
static void add_signature(lua_State *L, struct asking *ask) {
    const struct call_request *request = ask->request;
    char text[WEBHOOK_SIGNATURE_BYTES];
    int64_t now_s = ask->run->view->wall_ms(ask->run->view->ctx) / 1000;
    if (request->key == NULL) {
        luaL_error(L, "zing.http: only a call with an Idempotency-Key can be signed");
    }
    (void)snprintf(text, sizeof text, "%lld", (long long)now_s);
    add_header(L, ask, slice_of("webhook-id"), slice_of(request->key));
    add_header(L, ask, slice_of("webhook-timestamp"), slice_of(text));
    struct slice body = {request->body, request->body_len};
    add_header(L, ask, slice_of("webhook-signature"),
               slice_of(webhook_sign(ask->secret, request->key, now_s, body, text)));
}

static void add_body(lua_State *L, struct asking *ask) {
    if (ask->body->failed) {
        luaL_error(L, "zing.http: the body is too large");
    }
    ask->request->body = slice_dup(buf_slice(ask->body));
    need_memory(L, ask->request->body != NULL);
    ask->request->body_len = ask->body->len;
}

static void finish_request(lua_State *L, struct asking *ask, struct slice url) {
    struct call_request *request = ask->request;
    if (ask->content_type != NULL && !ask->has_type) {
        add_header(L, ask, slice_of("Content-Type"), slice_of(ask->content_type));
    }
    request->url = slice_dup(url);
    request->method = slice_dup(slice_of(ask->method));
    need_memory(L, request->url != NULL && request->method != NULL);
    set_key(L, ask);
    if (ask->has_body) {
        add_body(L, ask);
    }
    if (ask->secret != NULL) {
        add_signature(L, ask);
    }
}

/* Pushes the URL without credentials and query. */
static const char *public_url(lua_State *L, struct slice url) {
    struct buf *text = &script_state_of(L)->host->scratch;
    buf_reset(text);
    url_add_public(text, url);
    return lua_pushlstring(L, text->data, text->len);
}

static struct slice check_url(lua_State *L, int index) {
    struct slice url = args_check_text(L, index, "url");
    if (strncasecmp(url.data, "http://", 7) != 0 && strncasecmp(url.data, "https://", 8) != 0) {
        luaL_error(L, "zing.http: \"%s\" is not an http:// or https:// URL", public_url(L, url));
    }
    for (size_t i = 0; i < url.len; i++) {
        if ((unsigned char)url.data[i] <= ' ' || url.data[i] == 0x7f) {
            luaL_error(L, "zing.http: the URL holds a space or a control character");
        }
    }
    return url;
}

/* Pushes "POST http://host/path" without possible secrets: credentials and the query. */
static void push_label(lua_State *L, const char *method, struct slice url) {
    const char *host = strstr(url.data, "://") + 3;
    const char *shown = host + url_login_bytes(slice_of(host));
    lua_pushstring(L, method);
    lua_pushliteral(L, " ");
    lua_pushlstring(L, url.data, (size_t)(host - url.data));
    lua_pushlstring(L, shown, strcspn(shown, "?#"));
    lua_concat(L, 4);
}

/* --- earlier attempts --- */

static int send_request(lua_State *L, struct run *run) {
    lua_pushstring(L, run->request->label);
    api_note_call(run);
    run->outcome = OUTCOME_CALL;
    run->yielded = true;
    return lua_yieldk(L, 0, 0, answered);
}

/* The peer may have forgotten the key by now, and nobody knows whether the call was carried out: a
 * person must check before it is made again. This does not apply to a batch, whose calls do not
 * belong to one event. */
static void refuse_forgotten_key(lua_State *L, struct run *run, const struct call_note *note) {
    int64_t window_ms = run->host->conf->services[run->service].idempotency_window_ms;
    int64_t age_ms = run->view->now_ms(run->view->ctx) - note->first_ms;
    if (age_ms <= window_ms || run->event->forced || run->event_count > 1) {
        return;
    }
    char age[32];
    char window[32];
    struct buf *text = &run->host->scratch;
    buf_reset(text);
    buf_printf(text,
               "outcome unknown: %s was asked %s ago and never answered; its Idempotency-Key %.*s "
               "is older than idempotency_window (%s), so asking again might do it twice: look "
               "there what became of it, then `zingq dlq replay --force`, or give the call a "
               "reconcile function",
               run->request->label, conf_duration_text(age_ms / 1000 * 1000, age),
               (int)note->key.len, note->key.data, conf_duration_text(window_ms, window));
    run_set_error(run, buf_slice(text));
    (void)api_end_attempt(L, run, OUTCOME_REJECT, "http"); /* does not return */
}

/* reconcile(key) has returned: an answer to continue with, or nil to send the request again. */
static int reconciled(lua_State *L, int status, lua_KContext unused) {
    (void)unused;
    struct run *run = script_state_of(L)->current;
    struct call_request *request = run->held;
    run->held = NULL;
    if (status != LUA_OK && status != LUA_YIELD) {
        call_request_free(request);
        return lua_error(L);
    }
    if (run->request != NULL) {
        call_request_free(run->request);
    }
    run->request = request;
    if (lua_isnil(L, -1)) {
        return send_request(L, run);
    }
    need_memory(L, ledger_settle(run->event, slice_of(request->key)) == 0);
    return 1;
}

/* Sends the request, unless an earlier attempt with unknown outcome must be settled first. */
static int settle(lua_State *L, struct run *run) {
    struct call_note note;
    bool unknown = run->request->key != NULL &&
                   ledger_find(run->event->calls, slice_of(run->request->key), &note) &&
                   (note.state == CALL_ASKED || note.state == CALL_UNKNOWN);
    if (!unknown) {
        return send_request(L, run);
    }
    if (lua_isnil(L, RECONCILE_AT)) {
        refuse_forgotten_key(L, run, &note);
        return send_request(L, run);
    }
    run->held = run->request;
    run->request = NULL;
    lua_pushvalue(L, RECONCILE_AT);
    lua_pushlstring(L, note.key.data, note.key.len);
    int status = lua_pcallk(L, 1, 1, 0, 0, reconciled);
    return reconciled(L, status, 0);
}

/* zing.http.x(url [, options]); the upvalue is the method, or nil for request. */
static int ask(lua_State *L) {
    struct run *run = api_staging_run(L, "http");
    api_check_can_wait(L, run, "http");
    lua_settop(L, RECONCILE_AT);
    lua_pushnil(L);
    lua_replace(L, RECONCILE_AT);
    struct slice url = check_url(L, 1);
    const char *fixed = lua_tostring(L, lua_upvalueindex(1));
    struct asking asking = {.run = run,
                            .request = api_new_request(L, run),
                            .method = fixed == NULL ? "GET" : fixed,
                            .body = &run->host->scratch};
    asking.request->kind = CALL_KIND_HTTP;
    asking.request->timeout_ms = HTTP_TIMEOUT_MS;
    size_t rows = sizeof http_options / sizeof http_options[0];
    args_take_options(L, 2, http_options, fixed == NULL ? rows : rows - 1, "http", &asking);
    finish_request(L, &asking, url);
    push_label(L, asking.method, url);
    asking.request->label = slice_dup(slice_of(lua_tostring(L, -1)));
    need_memory(L, asking.request->label != NULL);
    if (!call_only_reads(asking.request)) {
        api_check_forward(L, run);
        if (run->held != NULL) {
            return luaL_error(L, "a reconcile function may only read: GET or HEAD");
        }
    }
    return settle(L, run);
}

void api_open_http(lua_State *L) {
    static const struct {
        const char *name, *method;
    } calls[] = {
        {"get", "GET"}, {"post", "POST"}, {"put", "PUT"}, {"delete", "DELETE"}, {"request", NULL}};
    lua_newtable(L);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        lua_pushstring(L, calls[i].method); /* NULL pushes nil */
        lua_pushcclosure(L, ask, 1);
        lua_setfield(L, -2, calls[i].name);
    }
    sandbox_protect(L, "zing.http");
    lua_setfield(L, -2, "http");
}
