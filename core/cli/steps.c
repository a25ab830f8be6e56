/*
 * steps.c - see cli/steps.h.
 */
#include "cli/steps.h"

#include "cli/text.h"
#include "event/call.h"
#include "event/ledger.h"
#include "base/limits.h"
#include "event/value.h"

#include <inttypes.h>
#include <stdio.h>

enum { LINE_BYTES_MAX = 1 << 16, RESULT_SHOWN = 160 };

static void add_result(struct buf *out, const struct step *step) {
    struct buf json;
    buf_init(&json, (size_t)VALUE_BYTES_MAX * 8);
    struct slice text = slice_first_line(step->value);
    if (!steps_value_is_text(step) && step->value.len > 0 &&
        value_to_json(step->value, &json) == 0) {
        text = buf_slice(&json);
    }
    if (step->kind == STEP_WAIT && step->state == STEP_WAITING) {
        text.len = 0; /* the signal's name, which the step has already */
    }
    bool long_one = text.len > RESULT_SHOWN;
    text.len = long_one ? RESULT_SHOWN : text.len;
    if (text.len > 0) {
        buf_add_str(out, "  ");
        text_add_safe(out, text);
        buf_add_str(out, long_one ? "..." : "");
    }
    buf_clear(&json);
}

static void add_step(const struct cli *cli, struct buf *out, const struct step *step) {
    buf_printf(out, "%s ", step_kind_name(step->kind));
    if (step->name.len > 0) {
        text_add_safe(out, step->name);
        buf_printf(out, ": %s", step_state_name(step->state));
    }
    if (step->state == STEP_WAITING && step->due_ms != 0) {
        buf_add_str(out, ", ends ");
        text_add_ago(out, cli->now_ms, step->due_ms);
    } else if (step->state != STEP_WAITING) {
        bool slept = step->kind == STEP_SLEEP; /* the record has the time when it began */
        buf_add_str(out, " ");
        text_add_ago(out, cli->now_ms, slept ? step->due_ms : step->at_ms);
    }
    if (step->count > 0 && step->kind == STEP_WAIT) {
        buf_printf(out, ", %" PRIu32 " more to come", step->count);
    } else if (step->count > 0) {
        buf_printf(out, ", %" PRIu32 " failed %s", step->count, step->count == 1 ? "try" : "tries");
    }
    add_result(out, step);
}

void life_print_steps(const struct cli *cli, const struct life *life, const char *indent) {
    for (size_t i = 0; i < life->steps.count; i++) {
        const struct shown_step *shown = &life->steps.items[i];
        const char *undo = steps_undo_text(life->event, shown);
        struct buf line;
        buf_init(&line, LINE_BYTES_MAX);
        add_step(cli, &line, &shown->step);
        (void)printf("%s  %s%s%s\n", indent, buf_str(&line), undo[0] == '\0' ? "" : "  -> ", undo);
        buf_clear(&line);
    }
    if (life->steps.cut) {
        (void)printf("%s  and more: only %d steps are shown\n", indent, STEPS_SHOWN_MAX);
    }
}

void life_print_calls(const struct cli *cli, const struct life *life, const char *indent) {
    struct call_note note;
    for (size_t at = 0; ledger_next(life->event->calls, &at, &note);) {
        struct buf line;
        char status[CALL_STATUS_BYTES];
        buf_init(&line, LINE_BYTES_MAX);
        text_add_safe(&line, note.label);
        buf_printf(&line, ": %s", call_note_state_name(note.state));
        if (note.status > 0) {
            buf_printf(&line, " %s", call_status_text(note.status, status));
        }
        buf_printf(&line, ", asked %" PRIu32 " time%s, first ", note.asks,
                   note.asks == 1 ? "" : "s");
        text_add_ago(&line, cli->now_ms, note.first_ms);
        if (note.key.len > 0) {
            buf_add_str(&line, ", key ");
            text_add_safe(&line, note.key);
        }
        (void)printf("%s  call %s\n", indent, buf_str(&line));
        buf_clear(&line);
    }
}
