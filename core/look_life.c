/*
 * look_life.c - see look_life.h.
 *
 * The history keeps what did not end well and what a person did; the attempt that succeeded, or
 * is under way, is told by the event itself.
 */
#include "look_life.h"

#include "limits.h"
#include "look_json.h"

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
    int code = out->attempts == NULL ? ERR_MEMORY : 0;
    while (code == 0 && out->count <= HISTORY_MAX &&
           (code = journal_history_next(j, event, &a)) == 0) {
        code = keep_attempt(out, &a);
    }
    if (code != 0 && code != ERR_NOTFOUND) {
        life_clear(out);
        return code;
    }
    return 0;
}

void life_clear(struct life *life) {
    for (size_t i = 0; i < life->count; i++) {
        free((void *)(uintptr_t)life->attempts[i].text.data);
    }
    free(life->attempts);
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
    if (json_object_set_new(object, "history", history) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}
