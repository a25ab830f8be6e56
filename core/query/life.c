/*
 * life.c - see query/life.h.
 *
 * The history contains attempts that did not end well, and what people did; the event itself has
 * the attempt that succeeded or is running.
 */
#include "query/life.h"

#include "base/limits.h"
#include "query/json.h"
#include "journal/event.h"

#include <assert.h>
#include <stdlib.h>

static int keep_attempt(struct life *life, const struct attempt *a) {
    assert(life->count < HISTORY_MAX + 1);
    char *text = slice_dup(a->text);
    if (text == NULL) {
        return ERR_MEMORY;
    }
    struct attempt *kept = &life->attempts[life->count++];
    *kept = *a;
    kept->text.data = text;
    return 0;
}

int life_read(struct journal *j, struct event *event, struct life *out) {
    *out =
        (struct life){.event = event, .attempts = calloc(HISTORY_MAX + 1, sizeof *out->attempts)};
    struct attempt a = {0};
    if (out->attempts == NULL) {
        event_free(event);
        *out = (struct life){.event = NULL};
        return ERR_MEMORY;
    }
    int code = 0;
    while (code == 0 && out->count <= HISTORY_MAX &&
           (code = journal_history_next(j, event, &a)) == 0) {
        code = keep_attempt(out, &a);
    }
    code = code == ERR_NOTFOUND ? 0 : code;
    if (code == 0) {
        code = steps_read(j, event, &out->steps);
    }
    if (code != 0) {
        life_clear(out);
    }
    return code;
}

void life_clear(struct life *life) {
    for (size_t i = 0; i < life->count; i++) {
        free((void *)(uintptr_t)life->attempts[i].text.data);
    }
    free(life->attempts);
    steps_clear(&life->steps);
    event_free(life->event);
    *life = (struct life){0};
}

size_t life_bytes(const struct life *life) {
    const struct event *e = life->event;
    size_t bytes = e->topic.len + e->key.len + e->payload.len + e->properties.len + e->reason.len +
                   e->publishes.len;
    for (size_t i = 0; i < life->count; i++) {
        bytes += life->attempts[i].text.len;
    }
    for (size_t i = 0; i < life->steps.count; i++) {
        bytes += life->steps.items[i].step.name.len + life->steps.items[i].step.value.len;
    }
    return bytes;
}

json_t *life_json(const struct journal *j, const struct life *life) {
    json_t *object = look_event_json(j, life->event, true);
    json_t *history = json_array();
    bool ok = object != NULL && history != NULL;
    for (size_t i = 0; i < life->count && ok; i++) {
        ok = json_array_append_new(history, look_attempt_json(&life->attempts[i])) == 0;
    }
    if (!ok) {
        json_decref(history);
        json_decref(object);
        return NULL;
    }
    ok = json_object_set_new(object, "history", history) == 0;
    if (life->steps.count > 0) {
        ok = ok && json_object_set_new(object, "steps", steps_json(&life->steps, life->event)) == 0;
    }
    if (life->event->calls.len > 0) {
        ok = ok && json_object_set_new(object, "calls", calls_json(life->event)) == 0;
    }
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}
