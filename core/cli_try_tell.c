/*
 * cli_try_tell.c - what a dry run has shown, for people and for programs.
 *
 * A call may carry a secret: the values of its Authorization headers and the password in a URL are
 * not shown.
 */
#include "cli_try.h"

#include "cli_json.h"
#include "cli_text.h"
#include "value.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { TEXT_BYTES_MAX = 64 << 20 };

static const char *const outcome_names[] = {
    [OUTCOME_DONE] = "done",     [OUTCOME_CALL] = "call",       [OUTCOME_ERROR] = "error",
    [OUTCOME_RETRY] = "retry",   [OUTCOME_SNOOZE] = "snooze",   [OUTCOME_THROTTLE] = "throttle",
    [OUTCOME_REJECT] = "reject", [OUTCOME_DISCARD] = "discard",
};

/* What a person reads of each kind of effect. */
static const char *const effect_names[] = {
    [EFFECT_PUBLISH] = "publish",
    [EFFECT_STATE_SET] = "set state",
    [EFFECT_STATE_DELETE] = "delete state",
    [EFFECT_STATE_INCR] = "add to state",
    [EFFECT_LOCK] = "lock",
    [EFFECT_UNLOCK] = "unlock",
    [EFFECT_DEAD_LETTER] = "dead letter",
    [EFFECT_APPEND] = "append",
};

static bool failed(enum outcome outcome) {
    return outcome == OUTCOME_ERROR || outcome == OUTCOME_RETRY || outcome == OUTCOME_REJECT;
}

/* ---- calls ---- */

/* The URL without what stands between :// and @. */
static void add_url(struct buf *out, const char *url) {
    const char *host = strstr(url, "://");
    const char *at = host == NULL ? NULL : strchr(host + 3, '@');
    const char *slash = host == NULL ? NULL : strchr(host + 3, '/');
    if (at != NULL && (slash == NULL || at < slash)) {
        buf_add(out, url, (size_t)(host + 3 - url));
        url = at + 1;
    }
    text_add_safe(out, slice_of(url));
}

static void add_header(struct buf *out, const char *header) {
    static const char *const secret[] = {
        "authorization:", "proxy-authorization:", "cookie:", "x-api-key:"};
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++) {
        if (strncasecmp(header, secret[i], strlen(secret[i])) == 0) {
            buf_printf(out, "%.*s (not shown)", (int)strlen(secret[i]), header);
            return;
        }
    }
    text_add_safe(out, slice_of(header));
}

static void add_call(struct buf *out, const struct call_request *q) {
    bool mail = q->kind == CALL_KIND_MAIL;
    buf_printf(out, "would %s ", mail ? "mail through" : q->method);
    add_url(out, q->url);
    buf_add_str(out, "\n");
    for (size_t i = 0; mail && i < q->mail_to_count; i++) {
        buf_add_str(out, "  to ");
        text_add_safe(out, slice_of(q->mail_to[i]));
        buf_add_str(out, "\n");
    }
    for (size_t i = 0; i < q->header_count; i++) {
        buf_add_str(out, "  ");
        add_header(out, q->headers[i]);
        buf_add_str(out, "\n");
    }
    if (q->body_len > 0) {
        buf_add_str(out, "\n");
        text_add_lines(out, (struct slice){q->body, q->body_len}, "  ");
    }
}

static json_t *call_json(const struct call_request *q) {
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    add_url(&text, q->url);
    json_t *headers = json_array();
    json_t *to = json_array();
    json_t *object =
        json_pack("{s:s, s:s?, s:s, s:o, s:o}", "kind", q->kind == CALL_KIND_MAIL ? "mail" : "http",
                  "method", q->method, "url", buf_str(&text), "headers", headers, "to", to);
    bool ok = object != NULL;
    for (size_t i = 0; i < q->header_count && ok; i++) {
        buf_reset(&text);
        add_header(&text, q->headers[i]);
        ok = json_array_append_new(headers, json_string(buf_str(&text))) == 0;
    }
    for (size_t i = 0; i < q->mail_to_count && ok; i++) {
        ok = json_array_append_new(to, json_string(q->mail_to[i])) == 0;
    }
    ok = ok && cli_json_bytes(object, "body", (struct slice){q->body, q->body_len});
    buf_clear(&text);
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* ---- effects ---- */

static void add_value(struct buf *out, const struct effect *effect) {
    struct buf json;
    buf_init(&json, TEXT_BYTES_MAX);
    if (effect->kind != EFFECT_STATE_SET || value_to_json(effect->value, &json) != 0) {
        text_add_safe(out, effect->value);
    } else {
        text_add_safe(out, buf_slice(&json));
    }
    buf_clear(&json);
}

static void add_delta(struct buf *out, const struct effect *effect) {
    char text[VALUE_REAL_BYTES];
    if (effect->delta_is_int) {
        buf_printf(out, "%+" PRId64, effect->delta_int);
    } else {
        buf_add_str(out, value_real_text(effect->delta, text));
    }
}

/* What follows the name of an effect. */
static void add_details(const struct cli *cli, struct buf *out, const struct effect *effect) {
    switch (effect->kind) {
    case EFFECT_STATE_INCR:
        buf_add_str(out, "  ");
        add_delta(out, effect);
        break;
    case EFFECT_LOCK:
    case EFFECT_UNLOCK:
        buf_add_str(out, "  owner ");
        text_add_safe(out, effect->owner);
        break;
    case EFFECT_DEAD_LETTER:
        text_add_safe(out, effect->owner);
        break;
    default:
        break;
    }
    if (effect->value.len > 0) {
        buf_add_str(out, "  ");
        add_value(out, effect);
    }
    if (effect->due_ms != 0) {
        buf_add_str(out, effect->kind == EFFECT_PUBLISH ? "  (due " : "  (expires ");
        text_add_ago(out, cli->now_ms, effect->due_ms);
        buf_add_str(out, ")");
    }
}

static void print_effect(const struct cli *cli, const struct effect *effect) {
    struct buf text;
    assert((size_t)effect->kind < sizeof effect_names / sizeof *effect_names);
    buf_init(&text, TEXT_BYTES_MAX);
    text_add_safe(&text, effect->name);
    add_details(cli, &text, effect);
    (void)printf("would %-14s %s\n", effect_names[effect->kind], buf_str(&text));
    buf_clear(&text);
}

static bool set_value(json_t *object, const struct effect *effect) {
    struct buf json;
    bool ok;
    buf_init(&json, TEXT_BYTES_MAX);
    if (effect->kind == EFFECT_STATE_SET && value_to_json(effect->value, &json) == 0) {
        json_t *value = json_loadb(json.data, json.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        ok = value != NULL ? json_object_set_new(object, "value", value) == 0
                           : cli_json_bytes(object, "value", buf_slice(&json));
    } else {
        ok = cli_json_bytes(object, "value", effect->value);
    }
    buf_clear(&json);
    return ok;
}

static json_t *effect_json(const struct effect *effect) {
    struct buf delta;
    buf_init(&delta, 64);
    json_t *object = json_pack("{s:s, s:i, s:b}", "kind", effect_names[effect->kind], "qos",
                               (int)effect->qos, "retain", (int)effect->retain);
    bool ok = object != NULL && cli_json_bytes(object, "name", effect->name) &&
              set_value(object, effect) && cli_json_time(object, "due_at", effect->due_ms);
    if (ok && effect->kind == EFFECT_STATE_INCR) {
        ok = json_object_set_new(object, "delta",
                                 effect->delta_is_int ? json_integer(effect->delta_int)
                                                      : json_real(effect->delta)) == 0;
    }
    if (ok && effect->owner.len > 0) {
        ok = cli_json_bytes(object, effect->kind == EFFECT_DEAD_LETTER ? "reason" : "owner",
                            effect->owner);
    }
    buf_clear(&delta);
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* ---- the whole ---- */

static const char *meaning(const struct run *run) {
    static const char *const texts[] = {
        [OUTCOME_DONE] = "the handler returned",
        [OUTCOME_CALL] = "it waits for a call; the rest depends on the answer",
        [OUTCOME_ERROR] = "it raised an error",
        [OUTCOME_RETRY] = "it asked to be tried again",
        [OUTCOME_SNOOZE] = "it put the event off",
        [OUTCOME_THROTTLE] = "it asked the whole service to slow down",
        [OUTCOME_REJECT] = "the event would be dead at once",
        [OUTCOME_DISCARD] = "the event would be discarded",
    };
    return texts[run->outcome];
}

static void print_outcome(const struct cli *cli, const struct run *run) {
    char after[32];
    enum text_style style = failed(run->outcome) ? STYLE_BAD : STYLE_GOOD;
    text_print(stdout, cli->colour, style, outcome_names[run->outcome]);
    (void)printf(": %s", meaning(run));
    if (run->after_ms > 0) {
        (void)printf(", in %s", conf_duration_text(run->after_ms, after));
    }
    (void)printf("\n");
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    text_add_lines(&text, buf_slice(&run->error), "  ");
    (void)fputs(buf_str(&text), stdout);
    buf_clear(&text);
}

static void print_verdict(const struct retry_verdict *verdict) {
    char after[32];
    struct buf text;
    buf_init(&text, 8192);
    if (verdict->dead) {
        text_add_safe(&text, slice_of(verdict->reason));
        (void)printf("the retry script says: dead: %s\n", buf_str(&text));
    } else {
        (void)printf("the retry script says: again in %s\n",
                     conf_duration_text(verdict->after_ms, after));
    }
    buf_clear(&text);
}

static void print_run(const struct cli *cli, const struct run *run,
                      const struct retry_verdict *verdict) {
    print_outcome(cli, run);
    if (verdict != NULL) {
        print_verdict(verdict);
    }
    if (failed(run->outcome) && run->effects.count > 0) {
        (void)printf("%zu effects would be dropped:\n", run->effects.count);
    }
    for (size_t i = 0; i < run->effects.count; i++) {
        print_effect(cli, &run->effects.items[i]);
    }
    if (run->outcome == OUTCOME_CALL && run->request != NULL) {
        struct buf text;
        buf_init(&text, TEXT_BYTES_MAX);
        add_call(&text, run->request);
        (void)fputs(buf_str(&text), stdout);
        buf_clear(&text);
    }
    (void)printf("nothing was changed\n");
}

static json_t *run_json(const struct run *run, const struct retry_verdict *verdict) {
    json_t *effects = json_array();
    bool ok = effects != NULL;
    for (size_t i = 0; i < run->effects.count && ok; i++) {
        ok = json_array_append_new(effects, effect_json(&run->effects.items[i])) == 0;
    }
    json_t *call = run->outcome == OUTCOME_CALL && run->request != NULL ? call_json(run->request)
                                                                        : json_null();
    json_t *retry = verdict == NULL ? json_null()
                    : verdict->dead ? json_pack("{s:s}", "dead", verdict->reason)
                                    : json_pack("{s:I}", "after_ms", (json_int_t)verdict->after_ms);
    json_t *object = json_pack("{s:s, s:I, s:o, s:o, s:o}", "outcome", outcome_names[run->outcome],
                               "after_ms", (json_int_t)run->after_ms, "effects", effects, "call",
                               call, "retry_script", retry);
    ok = ok && object != NULL && cli_json_bytes(object, "error", buf_slice(&run->error));
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

int try_tell(const struct cli *cli, const struct run *run, const struct retry_verdict *verdict) {
    int status = 0;
    if (cli->json) {
        status = cli_print_json(run_json(run, verdict));
    } else {
        print_run(cli, run, verdict);
    }
    return status != 0 ? status : failed(run->outcome) ? EXIT_NO : EXIT_GOOD;
}
