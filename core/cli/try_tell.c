/*
 * try_tell.c - the result of a dry run, for people and for programs.
 */
#include "cli/try.h"

#include "cli/json.h"
#include "cli/text.h"
#include "base/json_write.h"
#include "event/value.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { TEXT_BYTES_MAX = 64 << 20 };

/* ---- calls ---- */

static void add_statement(struct buf *out, const struct call_request *q) {
    buf_printf(out, "ask database \"%s\":\n", q->url);
    text_add_lines(out, (struct slice){q->body, q->body_len}, "  ");
    for (size_t i = 0; i < q->param_count; i++) {
        buf_printf(out, "  $%zu = ", i + 1);
        text_add_safe(out, slice_of(q->params[i] == NULL ? "null" : q->params[i]));
        buf_add_str(out, "\n");
    }
}

static void add_call(struct buf *out, const struct call_request *q) {
    if (q->kind == CALL_KIND_ASK) {
        buf_add_str(out, "ask: ");
        text_add_safe(out, slice_of(q->label));
        buf_add_str(out, "; a dry run does not ask other hosts\n");
        return;
    }
    if (q->kind == CALL_KIND_SQL) {
        add_statement(out, q);
        return;
    }
    bool mail = q->kind == CALL_KIND_MAIL;
    struct buf line;
    buf_init(&line, TEXT_BYTES_MAX);
    buf_printf(out, "%s ", mail ? "mail through" : q->method);
    try_add_url(&line, q->url);
    text_add_safe(out, buf_slice(&line));
    buf_add_str(out, "\n");
    for (size_t i = 0; mail && i < q->mail_to_count; i++) {
        buf_add_str(out, "  to ");
        text_add_safe(out, slice_of(q->mail_to[i]));
        buf_add_str(out, "\n");
    }
    for (size_t i = 0; i < q->header_count; i++) {
        buf_reset(&line);
        try_add_header(&line, q->headers[i]);
        buf_add_str(out, "  ");
        text_add_safe(out, buf_slice(&line));
        buf_add_str(out, "\n");
    }
    buf_clear(&line);
    if (q->body_len > 0) {
        buf_add_str(out, "\n");
        text_add_lines(out, (struct slice){q->body, q->body_len}, "  ");
    }
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
    char text[JSON_REAL_BYTES];
    if (effect->delta_is_int) {
        buf_printf(out, "%+" PRId64, effect->delta_int);
    } else if (isfinite(effect->delta)) {
        buf_add_str(out, json_real_text(effect->delta, text));
    } else { /* the sum of several */
        buf_printf(out, "%g", effect->delta);
    }
}

/* Appends what follows the name of an effect. */
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
    case EFFECT_PUBLISH:
        if (effect->owner.data != NULL) {
            buf_add_str(out, "  in place of what waits as ");
            text_add_safe(out, effect->owner);
        }
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
        text_add_ago(out, cli->now_ms, try_effect_due(effect));
        buf_add_str(out, ")");
    }
}

static void print_effect(const struct cli *cli, const struct effect *effect) {
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    text_add_safe(&text, effect->name);
    add_details(cli, &text, effect);
    (void)printf("would %-14s %s\n", try_effect_name(effect), buf_str(&text));
    buf_clear(&text);
}

/* ---- the result ---- */

static const char *meaning(const struct run *run) {
    static const char *const texts[] = {
        [OUTCOME_DONE] = "the handler returned",
        [OUTCOME_CALL] = "it waits for a call; the rest depends on the response",
        [OUTCOME_ERROR] = "it raised an error",
        [OUTCOME_RETRY] = "it asked for a retry",
        [OUTCOME_SNOOZE] = "it put the event off",
        [OUTCOME_THROTTLE] = "it asked the whole service to slow down",
        [OUTCOME_REJECT] = "the event would become a dead letter immediately",
        [OUTCOME_DISCARD] = "the event would be discarded",
        [OUTCOME_KEEP] = "a step would be stored",
        [OUTCOME_SLEEP] = "it would sleep",
        [OUTCOME_WAIT] = "it would wait for the signal",
    };
    return texts[run->outcome];
}

/* Prints what a handler that leaves memory waits for. */
static void print_wait(const struct cli *cli, const struct run *run) {
    const struct run_durable *d = run->durable;
    char time[32];
    if (run->outcome == OUTCOME_WAIT) {
        struct buf name;
        buf_init(&name, TEXT_BYTES_MAX);
        text_add_safe(&name, slice_of(d->signal));
        (void)printf(" \"%s\"", buf_str(&name));
        buf_clear(&name);
    }
    if (d->step.due_ms != 0) {
        (void)printf(" for %s", conf_duration_text(d->step.due_ms - cli->now_ms, time));
    }
    (void)printf(" and continue after that");
}

static void print_outcome(const struct cli *cli, const struct run *run) {
    char after[32];
    enum text_style style = try_failed(run) ? STYLE_BAD : STYLE_GOOD;
    text_print(stdout, cli->colour, style, try_outcome_name(run));
    (void)printf(": %s", meaning(run));
    if (run->outcome == OUTCOME_SLEEP || run->outcome == OUTCOME_WAIT) {
        print_wait(cli, run);
    }
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
        (void)printf("the retry script returned: dead: %s\n", buf_str(&text));
    } else {
        (void)printf("the retry script returned: again in %s\n",
                     conf_duration_text(verdict->after_ms, after));
    }
    buf_clear(&text);
}

void try_tell_call(const struct run *run, bool live) {
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    buf_add_str(&text, live ? "live: " : "would ");
    add_call(&text, run->request);
    (void)fputs(buf_str(&text), stdout);
    buf_clear(&text);
}

static void print_end(const struct try_calls *calls) {
    if (calls->live == NULL || calls->count == 0) {
        (void)printf("nothing was changed\n");
    } else {
        (void)printf("%" PRIu64 " call%s really made; nothing was stored or published\n",
                     calls->count, calls->count == 1 ? " was" : "s were");
    }
}

static void print_run(const struct cli *cli, const struct run *run,
                      const struct retry_verdict *verdict, const struct try_calls *calls) {
    print_outcome(cli, run);
    if (verdict != NULL) {
        print_verdict(verdict);
    }
    if (try_failed(run) && run->effects.count > 0) {
        (void)printf("%zu effects would be dropped:\n", run->effects.count);
    }
    for (size_t i = 0; i < run->effects.count; i++) {
        print_effect(cli, &run->effects.items[i]);
    }
    if (run->outcome == OUTCOME_CALL && run->request != NULL) {
        try_tell_call(run, false);
    }
    print_end(calls);
}

int try_tell(const struct cli *cli, const struct run *run, const struct retry_verdict *verdict,
             const struct try_calls *calls) {
    int status = 0;
    if (cli->json) {
        json_t *document = try_json(run, verdict);
        if (document != NULL && calls->count > 0) {
            (void)json_object_set(document, "calls", calls->made);
        }
        status = cli_print_json(document);
    } else {
        print_run(cli, run, verdict, calls);
    }
    return status != 0 ? status : try_failed(run) ? EXIT_NO : EXIT_GOOD;
}
