/*
 * mail.c - zing.mail: one message through vars.smtp_url, suspending the handler.
 *
 * The contents of a mail usually come from the payload, so an invalid mail is a dead letter, not a
 * retry. Otherwise the server decides: 4xx is worth a retry, 5xx is final.
 */
#include "lua/api/subjects.h"

#include "lua/api/invocation.h"
#include "lua/api/outside.h"
#include "lua/host.h"

#include "lua/args.h"

#include "lua/api/mime.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECIPIENTS_MAX = 100, MAIL_TIMEOUT_MS = 30000 };

struct recipients {
    struct slice at[RECIPIENTS_MAX];
    size_t count;
};

/* A mail under construction. Slices point to Lua strings in the argument table. */
struct mailing {
    struct run *run;
    struct mime_mail mail;
    struct recipients to, cc, bcc;
    struct report fault; /* "" while it can be sent */
};

static bool take_string(lua_State *L, int index, struct mailing *m, const char *what,
                        struct slice *out) {
    if (lua_type(L, index) != LUA_TSTRING) {
        (void)report(&m->fault, ERR_INVALID, "%s must be a string, not a %s", what,
                     luaL_typename(L, index));
        return false;
    }
    out->data = lua_tolstring(L, index, &out->len);
    return true;
}

static size_t count_recipients(const struct mailing *m) {
    return m->to.count + m->cc.count + m->bcc.count;
}

static void add_recipient(lua_State *L, int index, struct mailing *m, const char *what,
                          struct recipients *list) {
    if (count_recipients(m) == RECIPIENTS_MAX) {
        (void)report(&m->fault, ERR_INVALID, "more than %d recipients", RECIPIENTS_MAX);
    } else if (take_string(L, index, m, what, &list->at[list->count])) {
        list->count++;
    }
}

static void add_recipients(lua_State *L, int index, struct mailing *m, const char *what,
                           struct recipients *list) {
    if (!lua_istable(L, index)) {
        add_recipient(L, index, m, what, list);
        return;
    }
    lua_Integer count = (lua_Integer)lua_rawlen(L, index);
    for (lua_Integer i = 1; i <= count && i <= RECIPIENTS_MAX + 1; i++) {
        lua_rawgeti(L, index, i);
        add_recipient(L, lua_gettop(L), m, what, list);
        lua_pop(L, 1);
    }
}

static void take_to(lua_State *L, int index, void *to) {
    struct mailing *m = to;
    add_recipients(L, index, m, "to", &m->to);
}

static void take_cc(lua_State *L, int index, void *to) {
    struct mailing *m = to;
    add_recipients(L, index, m, "cc", &m->cc);
}

static void take_bcc(lua_State *L, int index, void *to) {
    struct mailing *m = to;
    add_recipients(L, index, m, "bcc", &m->bcc);
}

static void take_from(lua_State *L, int index, void *to) {
    struct mailing *m = to;
    (void)take_string(L, index, m, "from", &m->mail.from);
}

static void take_subject(lua_State *L, int index, void *to) {
    struct mailing *m = to;
    (void)take_string(L, index, m, "subject", &m->mail.subject);
}

static void take_text(lua_State *L, int index, void *to) {
    struct mailing *m = to;
    (void)take_string(L, index, m, "text", &m->mail.text);
}

static void take_html(lua_State *L, int index, void *to) {
    struct mailing *m = to;
    (void)take_string(L, index, m, "html", &m->mail.html);
}

static void take_headers(lua_State *L, int index, void *to) {
    struct mailing *m = to;
    struct buf *out = &m->run->host->second;
    buf_reset(out);
    if (!lua_istable(L, index)) {
        luaL_error(L, "zing.mail: headers must be a table of name to value");
    }
    lua_pushnil(L);
    while (lua_next(L, index)) {
        struct slice name, value;
        if (take_string(L, lua_gettop(L) - 1, m, "a header's name", &name) &&
            take_string(L, lua_gettop(L), m, "a header", &value) &&
            mime_check_header(name, value, &m->fault) == 0) {
            property_add(out, name, value);
        }
        lua_pop(L, 1);
    }
    m->mail.headers = buf_slice(out);
}

static const struct args_option mail_options[] = {
    {"to", take_to},           {"cc", take_cc},     {"bcc", take_bcc},   {"from", take_from},
    {"subject", take_subject}, {"text", take_text}, {"html", take_html}, {"headers", take_headers},
};

/* --- the answer --- */

static int answered(lua_State *L, int status, lua_KContext unused) {
    (void)unused;
    (void)status;
    struct run *run = script_state_of(L)->current;
    const struct call_result *result = run->result;
    assert(result != NULL);
    if (result->code == 0 && result->status < 400) {
        lua_pushboolean(L, 1);
        return 1;
    }
    const char *why = call_result_why(result);
    if (result->status >= 500 && result->status < 600) {
        char text[320];
        (void)snprintf(text, sizeof text, "zing.mail: refused by the mail server: %s", why);
        run_set_error(run, slice_of(text));
        return api_end_attempt(L, run, OUTCOME_REJECT, "mail");
    }
    return luaL_error(L, "%szing.mail: %s", result->sent ? "outcome unknown: " : "", why);
}

/* --- the call --- */

static void check_complete(struct mailing *m) {
    struct slice name;
    struct slice address;
    if (m->fault.text[0] != '\0') {
        return;
    }
    if (count_recipients(m) == 0) {
        (void)report(&m->fault, ERR_INVALID, "`to` is missing");
    } else if (m->mail.from.data == NULL) {
        (void)report(&m->fault, ERR_INVALID,
                     "`from` is missing, and vars{} in topics.conf has no mail_from");
    } else if (m->mail.text.data == NULL && m->mail.html.data == NULL) {
        m->mail.text = slice_of("");
    }
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < m->bcc.count; i++) { /* nothing else looks at these */
        rc = mime_address(m->bcc.at[i], &name, &address, &m->fault);
    }
}

static bool add_to_envelope(struct call_request *request, const struct recipients *list) {
    struct slice name;
    struct slice address = {NULL, 0};
    for (size_t i = 0; i < list->count; i++) {
        int rc = mime_address(list->at[i], &name, &address, NULL);
        assert(rc == 0);
        if (call_request_to(request, address) != 0) {
            return false;
        }
    }
    return true;
}

/* Copies the envelope. False when out of memory. */
static bool set_envelope(struct call_request *request, const struct mailing *m) {
    struct slice name;
    struct slice address = {NULL, 0};
    int rc = mime_address(m->mail.from, &name, &address, NULL);
    assert(rc == 0);
    request->mail_from = slice_dup(address);
    return request->mail_from != NULL && add_to_envelope(request, &m->to) &&
           add_to_envelope(request, &m->cc) && add_to_envelope(request, &m->bcc);
}

static void fill_request(lua_State *L, struct mailing *m, const struct buf *message) {
    struct call_request *request = api_new_request(L, m->run);
    const char *url = conf_var(m->run->host->conf, "smtp_url");
    if (url == NULL || url[0] == '\0') {
        luaL_error(L, "zing.mail: vars{} in topics.conf has no smtp_url");
    }
    request->kind = CALL_KIND_MAIL;
    request->timeout_ms = MAIL_TIMEOUT_MS;
    request->url = slice_dup(slice_of(url));
    request->body = slice_dup(buf_slice(message));
    request->body_len = message->len;
    request->key = slice_dup(m->mail.message_id);
    buf_reset(&m->run->host->second);
    const struct recipients *list = m->to.count > 0 ? &m->to : m->cc.count > 0 ? &m->cc : &m->bcc;
    buf_printf(&m->run->host->second, "mail to %.*s", (int)list->at[0].len, list->at[0].data);
    request->label = slice_dup(buf_slice(&m->run->host->second));
    bool made = request->url != NULL && request->body != NULL && request->key != NULL &&
                request->label != NULL;
    if (!made || !set_envelope(request, m)) {
        luaL_error(L, "zing.mail: out of memory");
    }
}

static int refuse(lua_State *L, struct mailing *m) {
    struct buf *text = &m->run->host->scratch;
    buf_reset(text);
    buf_printf(text, "zing.mail: %s", m->fault.text);
    run_set_error(m->run, buf_slice(text));
    return api_end_attempt(L, m->run, OUTCOME_REJECT, "mail");
}

/* zing.mail{to=, cc=, bcc=, from=, subject=, text=, html=, headers=} -> true */
static int mail(lua_State *L) {
    struct run *run = api_staging_run(L, "mail");
    struct mailing m = {.run = run, .fault = {""}};
    api_check_can_wait(L, run, "mail");
    api_check_forward(L, run);
    if (run->held != NULL) {
        return luaL_error(L, "a reconcile function may only read: no zing.mail");
    }
    lua_settop(L, 1);
    luaL_checktype(L, 1, LUA_TTABLE);
    m.mail.from = slice_of(conf_var(run->host->conf, "mail_from"));
    args_take_options(L, 1, mail_options, sizeof mail_options / sizeof mail_options[0], "mail", &m);
    m.mail.to = m.to.at;
    m.mail.to_count = m.to.count;
    m.mail.cc = m.cc.at;
    m.mail.cc_count = m.cc.count;
    char message_id[CALL_KEY_BYTES];
    m.mail.message_id = slice_of(api_next_call_key(run, CALL_KIND_MAIL, message_id));
    m.mail.date_ms = run->view->wall_ms(run->view->ctx);
    struct buf *message = &run->host->scratch;
    buf_reset(message);
    check_complete(&m);
    if (m.fault.text[0] != '\0' || mime_write(&m.mail, message, &m.fault) != 0) {
        return refuse(L, &m);
    }
    fill_request(L, &m, message);
    api_note_call(run);
    run->outcome = OUTCOME_CALL;
    run->yielded = true;
    return lua_yieldk(L, 0, 0, answered);
}

void api_open_mail(lua_State *L) {
    lua_pushcfunction(L, mail);
    lua_setfield(L, -2, "mail");
}
