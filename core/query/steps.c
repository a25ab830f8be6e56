/*
 * steps.c - see query/steps.h. Compensations have records of their own in the store; here each is
 * looked up for the step that it undoes.
 */
#include "query/steps.h"

#include "base/json.h"
#include "event/call.h"
#include "event/ledger.h"
#include "base/limits.h"
#include "query/json.h"
#include "event/value.h"
#include "journal/step.h"

#include <stdlib.h>
#include <string.h>

enum { STEPS_ROOM_FIRST = 8 };

/* ---- reading ---- */

/* Doubled each time: most events have few. */
static bool make_room(struct steps *steps) {
    if (steps->count < steps->room) {
        return true;
    }
    size_t room = steps->room == 0 ? STEPS_ROOM_FIRST : 2 * steps->room;
    struct shown_step *items = realloc(steps->items, room * sizeof *items);
    if (items == NULL) {
        return false;
    }
    steps->items = items;
    steps->room = room;
    return true;
}

static int keep_step(struct steps *steps, const struct step *step) {
    size_t len = step->name.len + step->value.len;
    char *bytes = make_room(steps) ? malloc(len + 1) : NULL;
    if (bytes == NULL) {
        return ERR_MEMORY;
    }
    struct step *kept = &steps->items[steps->count++].step;
    *kept = *step;
    if (step->name.len > 0) {
        memcpy(bytes, step->name.data, step->name.len);
    }
    if (step->value.len > 0) {
        memcpy(bytes + step->name.len, step->value.data, step->value.len);
    }
    kept->name.data = bytes; /* the one to free */
    kept->value.data = bytes + step->name.len;
    return 0;
}

/* Nothing is stored when a sleep is over: the event's progress shows it. */
static void settle_sleep(struct step *step, const struct event *event) {
    bool lasts = event->state == EVENT_SLEEPING && event->due_ms == step->due_ms;
    bool was_cut = event_state_ended(event->state) && event->ended_ms < step->due_ms;
    if (step->kind == STEP_SLEEP && step->state == STEP_WAITING && !lasts && !was_cut) {
        step->state = STEP_DONE;
    }
}

static int by_order(const void *a, const void *b) {
    const struct step *x = &((const struct shown_step *)a)->step;
    const struct step *y = &((const struct shown_step *)b)->step;
    return (x->order > y->order) - (x->order < y->order);
}

static int keep_with_undo(struct journal *j, const struct event *event, struct steps *steps,
                          const struct step *step) {
    struct step undo;
    bool undone = false;
    int code = keep_step(steps, step);
    if (code == 0 && step->kind == STEP_SAGA) {
        code = journal_step_get(j, event, STEP_UNDO, step->name, &undo);
        undone = code == 0 && undo.state == STEP_DONE;
        code = code == ERR_NOTFOUND ? 0 : code;
    }
    if (code == 0) {
        steps->items[steps->count - 1].undone = undone;
    }
    return code;
}

int steps_read(struct journal *j, const struct event *event, struct steps *out) {
    *out = (struct steps){.items = NULL};
    if (!event->durable) {
        return 0;
    }
    struct step step = {.name = {NULL, 0}};
    int code = 0;
    while (code == 0 && !out->cut && (code = journal_step_next(j, event, &step)) == 0) {
        out->cut = out->count == STEPS_SHOWN_MAX;
        if (!out->cut) {
            settle_sleep(&step, event);
            code = keep_with_undo(j, event, out, &step);
        }
    }
    if (code != 0 && code != ERR_NOTFOUND) {
        steps_clear(out);
        return code;
    }
    if (out->count > 0) {
        qsort(out->items, out->count, sizeof *out->items, by_order);
    }
    return 0;
}

const struct step *steps_waiting(const struct steps *steps, const struct event *event) {
    const struct step *last = steps->count > 0 ? &steps->items[steps->count - 1].step : NULL;
    return event->continues && last != NULL && last->state == STEP_WAITING ? last : NULL;
}

void steps_clear(struct steps *steps) {
    for (size_t i = 0; i < steps->count; i++) {
        free((void *)(uintptr_t)steps->items[i].step.name.data);
    }
    free(steps->items);
    *steps = (struct steps){.items = NULL};
}

const char *steps_undo_text(const struct event *event, const struct shown_step *shown) {
    if (shown->step.kind != STEP_SAGA || event->undo == UNDO_NONE) {
        return "";
    }
    if (!step_is_open(&shown->step)) {
        return "nothing to undo";
    }
    return shown->undone ? "undone" : "NOT undone";
}

bool steps_value_is_text(const struct step *step) {
    return step->kind == STEP_UNDO || step->kind == STEP_CAUSE ||
           (step->kind == STEP_WAIT && step->state == STEP_WAITING);
}

/* ---- as JSON ---- */

/* The result, as its JSON value; a compensation's error and a cause are texts. */
static bool set_value(json_t *object, const struct step *step) {
    if (step->value.len == 0) {
        return true;
    }
    if (steps_value_is_text(step)) {
        const char *name = step->kind == STEP_WAIT ? "signal" : "error";
        return look_json_bytes(object, name, step->value);
    }
    struct buf text;
    buf_init(&text, VALUE_BYTES_MAX * 8);
    json_t *value =
        value_to_json(step->value, &text) == 0 ? json_read(buf_slice(&text), "value", NULL) : NULL;
    bool ok = value != NULL ? json_object_set_new(object, "result", value) == 0
                            : look_json_bytes(object, "result", buf_slice(&text));
    buf_clear(&text);
    return ok;
}

static json_t *step_json(const struct event *event, const struct shown_step *shown) {
    const struct step *step = &shown->step;
    const char *undo = steps_undo_text(event, shown);
    json_t *object = json_object();
    bool ok = object != NULL && look_json_text(object, "kind", step_kind_name(step->kind)) &&
              look_json_bytes(object, "name", step->name) &&
              look_json_text(object, "state", step_state_name(step->state)) &&
              look_json_time(object, "at", step->at_ms) && set_value(object, step);
    ok = ok && (step->due_ms == 0 || look_json_time(object, "due_at", step->due_ms));
    const char *count = step->kind == STEP_WAIT ? "missing" : "tries";
    ok = ok && (step->count == 0 || look_json_count(object, count, step->count));
    ok = ok && (undo[0] == '\0' || look_json_text(object, "undo", undo));
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *steps_json(const struct steps *steps, const struct event *event) {
    json_t *array = json_array();
    for (size_t i = 0; array != NULL && i < steps->count; i++) {
        if (json_array_append_new(array, step_json(event, &steps->items[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

/* An SQLSTATE is a text, because it may begin with zeros. */
static bool add_status(json_t *object, uint32_t status) {
    char text[CALL_STATUS_BYTES];
    return call_is_sqlstate(status)
               ? look_json_text(object, "status", call_status_text(status, text))
               : look_json_count(object, "status", status);
}

json_t *calls_json(const struct event *event) {
    json_t *array = json_array();
    struct call_note note;
    for (size_t at = 0; array != NULL && ledger_next(event->calls, &at, &note);) {
        json_t *object = json_object();
        bool ok = object != NULL && look_json_bytes(object, "call", note.label) &&
                  look_json_bytes(object, "key", note.key) &&
                  look_json_text(object, "state", call_note_state_name(note.state)) &&
                  add_status(object, note.status) &&
                  look_json_time(object, "asked_at", note.first_ms) &&
                  look_json_count(object, "asks", note.asks);
        if (!ok || json_array_append(array, object) != 0) {
            json_decref(array);
            array = NULL;
        }
        json_decref(object);
    }
    return array;
}
