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

/* A mail under construction. Slices point to Lua strings in the argument table. */
struct mailing {
    struct run *run;
    struct mime_mail mail;
    struct slice to[RECIPIENTS_MAX];
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

static void add_recipient(lua_State *L, int index, struct mailing *m) {
    if (m->mail.to_count == RECIPIENTS_MAX) {
        (void)report(&m->fault, ERR_INVALID, "more than %d recipients", RECIPIENTS_MAX);
    } else if (take_string(L, index, m, "to", &m->to[m->mail.to_count])) {
        m->mail.to_count++;
    }
}

static void take_to(lua_State *L, int index, void *to) {
    if (!lua_istable(L, index)) {
        add_recipient(L, index, to);
        return;
    }
    lua_Integer count = (lua_Integer)lua_rawlen(L, index);
    for (lua_Integer i = 1; i <= count && i <= RECIPIENTS_MAX + 1; i++) {
        lua_rawgeti(L, index, i);
        add_recipient(L, lua_gettop(L), to);
        lua_pop(L, 1);
    }
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
    {"to", take_to},     {"from", take_from}, {"subject", take_subject},
    {"text", take_text}, {"html", take_html}, {"headers", take_headers},
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
    const char *why = result->error[0] == '\0' ? error_text(result->code) : result->error;
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
    if (m->fault.text[0] != '\0') {
        return;
    }
    if (m->mail.to_count == 0) {
        (void)report(&m->fault, ERR_INVALID, "`to` is missing");
    } else if (m->mail.from.data == NULL) {
        (void)report(&m->fault, ERR_INVALID,
                     "`from` is missing, and vars{} in topics.conf has no mail_from");
    } else if (m->mail.text.data == NULL && m->mail.html.data == NULL) {
        m->mail.text = slice_of("");
    }
}

/* Copies the envelope. False when out of memory. */
static bool set_envelope(struct call_request *request, const struct mime_mail *mail) {
    struct slice name, address;
    int rc = mime_address(mail->from, &name, &address, NULL);
    assert(rc == 0);
    request->mail_from = slice_dup(address);
    if (request->mail_from == NULL) {
        return false;
    }
    for (size_t i = 0; i < mail->to_count; i++) {
        rc = mime_address(mail->to[i], &name, &address, NULL);
        assert(rc == 0);
        if (call_request_to(request, address) != 0) {
            return false;
        }
    }
    return true;
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
    buf_printf(&m->run->host->second, "mail to %.*s", (int)m->mail.to[0].len, m->mail.to[0].data);
    request->label = slice_dup(buf_slice(&m->run->host->second));
    bool made = request->url != NULL && request->body != NULL && request->key != NULL &&
                request->label != NULL;
    if (!made || !set_envelope(request, &m->mail)) {
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

/* zing.mail{to=, from=, subject=, text=, html=, headers=} -> true */
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
    m.mail.to = m.to;
    args_take_options(L, 1, mail_options, sizeof mail_options / sizeof mail_options[0], "mail", &m);
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
