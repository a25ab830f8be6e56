/*
 * try.c - the result of a dry run, as JSON.
 *
 * A call may contain a secret: the values of its Authorization headers and the password in a URL
 * are not shown.
 */
#include "query/try.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/url.h"
#include "query/json.h"
#include "event/value.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

enum { TEXT_BYTES_MAX = 64 << 20 };

static const char *const outcome_names[] = {
    [OUTCOME_DONE] = "done",     [OUTCOME_CALL] = "call",       [OUTCOME_ERROR] = "error",
    [OUTCOME_RETRY] = "retry",   [OUTCOME_SNOOZE] = "snooze",   [OUTCOME_THROTTLE] = "throttle",
    [OUTCOME_REJECT] = "reject", [OUTCOME_DISCARD] = "discard", [OUTCOME_KEEP] = "step",
    [OUTCOME_SLEEP] = "sleep",   [OUTCOME_WAIT] = "wait",       [OUTCOME_YIELD] = "yield",
};

/* What each kind of effect is called. */
static const char *const effect_names[] = {
    [EFFECT_PUBLISH] = "publish",
    [EFFECT_STATE_SET] = "set state",
    [EFFECT_STATE_DELETE] = "delete state",
    [EFFECT_STATE_INCR] = "add to state",
    [EFFECT_LOCK] = "lock",
    [EFFECT_UNLOCK] = "unlock",
    [EFFECT_DEAD_LETTER] = "dead letter",
    [EFFECT_APPEND] = "append",
    [EFFECT_CANCEL] = "cancel",
    [EFFECT_SIGNAL] = "signal",
};

const char *try_outcome_name(const struct run *run) {
    return outcome_names[run->outcome];
}

const char *try_effect_name(const struct effect *effect) {
    assert((size_t)effect->kind < sizeof effect_names / sizeof *effect_names);
    return effect_names[effect->kind];
}

bool try_failed(const struct run *run) {
    return run->outcome == OUTCOME_ERROR || run->outcome == OUTCOME_RETRY ||
           run->outcome == OUTCOME_REJECT;
}

/* ---- calls ---- */

void try_add_url(struct buf *out, const char *url) {
    url_add_public(out, slice_of(url));
}

void try_add_header(struct buf *out, const char *header) {
    static const char *const secret[] = {
        "authorization:", "proxy-authorization:", "cookie:", "x-api-key:"};
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++) {
        if (strncasecmp(header, secret[i], strlen(secret[i])) == 0) {
            buf_printf(out, "%.*s (not shown)", (int)strlen(secret[i]), header);
            return;
        }
    }
    buf_add_str(out, header);
}

/* The text as a string, or a note if it is not UTF-8. */
static json_t *string_or_remark(struct slice text) {
    json_t *string = json_stringn(text.len == 0 ? "" : text.data, text.len);
    return string != NULL ? string : json_string("(not UTF-8)");
}

json_t *try_call_json(const struct call_request *q) {
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    json_t *headers = json_array();
    json_t *to = json_array();
    json_t *params = json_array();
    static const char *const kinds[] = {[CALL_KIND_HTTP] = "http",
                                        [CALL_KIND_MAIL] = "mail",
                                        [CALL_KIND_ASK] = "ask",
                                        [CALL_KIND_SQL] = "sql"};
    json_t *object =
        json_pack("{s:s, s:s?, s:s?, s:o, s:o, s:o}", "kind", kinds[q->kind], "method", q->method,
                  "label", q->label, "headers", headers, "to", to, "params", params);
    try_add_url(&text, q->url);
    bool ok = object != NULL && look_json_bytes(object, "url", buf_slice(&text));
    for (size_t i = 0; i < q->header_count && ok; i++) {
        buf_reset(&text);
        try_add_header(&text, q->headers[i]);
        ok = json_array_append_new(headers, string_or_remark(buf_slice(&text))) == 0;
    }
    for (size_t i = 0; i < q->mail_to_count && ok; i++) {
        ok = json_array_append_new(to, string_or_remark(slice_of(q->mail_to[i]))) == 0;
    }
    for (size_t i = 0; i < q->param_count && ok; i++) {
        json_t *param =
            q->params[i] == NULL ? json_null() : string_or_remark(slice_of(q->params[i]));
        ok = json_array_append_new(params, param) == 0;
    }
    ok = ok && look_json_bytes(object, "body", (struct slice){q->body, q->body_len});
    buf_clear(&text);
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* ---- effects ---- */

static bool set_value(json_t *object, const struct effect *effect) {
    struct buf json;
    bool ok;
    buf_init(&json, TEXT_BYTES_MAX);
    bool value_form = effect->kind == EFFECT_STATE_SET || effect->kind == EFFECT_SIGNAL;
    if (value_form && value_to_json(effect->value, &json) == 0) {
        json_t *value = json_read(buf_slice(&json), "value", NULL);
        ok = value != NULL ? json_object_set_new(object, "value", value) == 0
                           : look_json_bytes(object, "value", buf_slice(&json));
    } else {
        ok = look_json_bytes(object, "value", effect->value);
    }
    buf_clear(&json);
    return ok;
}

int64_t try_effect_due(const struct effect *effect) {
    return clock_due(effect->due_ms, effect->by_wall);
}

static json_t *effect_json(const struct effect *effect) {
    struct buf delta;
    buf_init(&delta, 64);
    json_t *object = json_pack("{s:s, s:i, s:b}", "kind", try_effect_name(effect), "qos",
                               (int)effect->qos, "retain", (int)effect->retain);
    bool ok = object != NULL && look_json_bytes(object, "name", effect->name) &&
              set_value(object, effect) && look_json_time(object, "due_at", try_effect_due(effect));
    if (ok && effect->kind == EFFECT_STATE_INCR) {
        ok = json_object_set_new(object, "delta",
                                 effect->delta_is_int ? json_integer(effect->delta_int)
                                                      : json_real(effect->delta)) == 0;
    }
    if (ok && effect->owner.len > 0) {
        ok = look_json_bytes(object, effect->kind == EFFECT_DEAD_LETTER ? "reason" : "owner",
                             effect->owner);
    }
    buf_clear(&delta);
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* ---- steps ---- */

static bool take_effects(struct run *run) {
    struct effects *staged = &run->durable->effects;
    int code = 0;
    for (size_t i = 0; i < staged->count && code == 0; i++) {
        code = effects_add(&run->effects, &staged->items[i]);
    }
    effects_reset(staged);
    return code == 0;
}

void try_go_on(struct run *run) {
    while (run->outcome == OUTCOME_KEEP && take_effects(run)) {
        run_resume(run, NULL);
    }
}

/* ---- the result ---- */

/* What a handler that leaves memory waits for: until when, for which signal. */
static bool set_wait(json_t *object, const struct run *run) {
    if (run->outcome != OUTCOME_SLEEP && run->outcome != OUTCOME_WAIT) {
        return true;
    }
    bool ok = look_json_time(object, "due_at", run->durable->step.due_ms);
    return run->outcome == OUTCOME_SLEEP
               ? ok
               : ok && look_json_bytes(object, "signal", slice_of(run->durable->signal));
}

json_t *try_json(const struct run *run, const struct retry_verdict *verdict) {
    json_t *effects = json_array();
    bool ok = effects != NULL;
    for (size_t i = 0; i < run->effects.count && ok; i++) {
        ok = json_array_append_new(effects, effect_json(&run->effects.items[i])) == 0;
    }
    json_t *call = run->outcome == OUTCOME_CALL && run->request != NULL
                       ? try_call_json(run->request)
                       : json_null();
    json_t *retry = verdict == NULL ? json_null()
                    : verdict->dead ? json_pack("{s:s}", "dead", verdict->reason)
                                    : json_pack("{s:I}", "after_ms", (json_int_t)verdict->after_ms);
    json_t *object = json_pack("{s:s, s:I, s:o, s:o, s:o}", "outcome", outcome_names[run->outcome],
                               "after_ms", (json_int_t)run->after_ms, "effects", effects, "call",
                               call, "retry_script", retry);
    ok = ok && object != NULL && look_json_bytes(object, "error", buf_slice(&run->error)) &&
         set_wait(object, run);
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}
