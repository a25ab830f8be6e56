/*
 * watch.c - attempts that ended, kept for watchers: a few, shortened, in memory only.
 *
 * When more attempts end than fit, a failure replaces a success; the others are only counted.
 */
#include "engine/watch.h"

#include "engine/impl.h"
#include "engine/services.h"

#include <stdlib.h>
#include <string.h>

struct watch {
    struct ending *endings; /* ENDINGS_MAX, owned; NULL = nobody watches */
    size_t count;
    uint64_t missed;
};

int engine_watch(struct engine *e, bool watched) {
    if (!watched) {
        free(e->watch->endings);
        e->watch->endings = NULL;
    } else if (e->watch->endings == NULL) {
        e->watch->endings = calloc(ENDINGS_MAX, sizeof *e->watch->endings);
    }
    e->watch->count = 0;
    e->watch->missed = 0;
    return watched && e->watch->endings == NULL ? ERR_MEMORY : 0;
}

void engine_forget_endings(struct engine *e) {
    e->watch->count = 0;
    e->watch->missed = 0;
}

size_t engine_endings(struct engine *e, struct ending *out, uint64_t *missed) {
    size_t count = e->watch->count;
    *missed = e->watch->missed;
    if (count > 0) {
        memcpy(out, e->watch->endings, count * sizeof *out);
    }
    engine_forget_endings(e);
    return count;
}

static size_t keep_text(char room[ENDING_TEXT_MAX], struct slice text) {
    size_t len = text.len < ENDING_TEXT_MAX ? text.len : ENDING_TEXT_MAX;
    while (len > 0 && len < text.len && ((unsigned char)text.data[len] & 0xC0) == 0x80) {
        len--; /* do not cut a character in two */
    }
    if (len > 0) {
        memcpy(room, text.data, len);
    }
    return len;
}

/* The slot for the next one, or NULL when it is only counted. */
static struct ending *make_room(struct engine *e, enum event_state state) {
    if (e->watch->count < ENDINGS_MAX) {
        return &e->watch->endings[e->watch->count++];
    }
    e->watch->missed++;
    for (size_t i = ENDINGS_MAX; i > 0 && state != EVENT_DONE; i--) {
        struct ending *success = &e->watch->endings[i - 1];
        if (success->state == EVENT_DONE) {
            memmove(success, success + 1, (ENDINGS_MAX - i) * sizeof *success);
            return &e->watch->endings[ENDINGS_MAX - 1];
        }
    }
    return NULL;
}

void engine_show_ending(struct engine *e, const struct engine_service *s, const struct event *event,
                        enum event_state state, struct slice text) {
    struct ending *ending = e->watch->endings == NULL ? NULL : make_room(e, state);
    if (ending == NULL) {
        return;
    }
    ending->service = s->index;
    ending->id = event->id;
    ending->state = (uint8_t)state;
    ending->attempts = event->attempts;
    ending->duration_us = event->duration_us;
    ending->at_ms = e->now_ms;
    ending->topic_bytes = keep_text(ending->topic, event->topic);
    ending->key_bytes = keep_text(ending->key, event->key);
    ending->reason_bytes = keep_text(ending->reason, slice_first_line(text));
}

int engine_make_watch(struct engine *e) {
    e->watch = calloc(1, sizeof *e->watch);
    return e->watch == NULL ? ERR_MEMORY : 0;
}

void engine_free_watch(struct engine *e) {
    if (e->watch != NULL) {
        free(e->watch->endings);
        free(e->watch);
    }
}
