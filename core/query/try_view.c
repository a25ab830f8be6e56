/*
 * try_view.c - what a handler can read in a dry run.
 *
 * Locks come from the store; if the state comes from a file, there are none, because a file has no
 * locks.
 */
#include "query/try.h"

#include "base/clock.h"
#include "base/limits.h"
#include "query/json.h"
#include "event/value.h"
#include "journal/later.h"
#include "journal/keyed.h"
#include "journal/step.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static int64_t view_now(void *ctx) {
    const struct try_view *v = ctx;
    return v->now_ms;
}

static int64_t view_wall(void *ctx) {
    return clock_to_wall(view_now(ctx));
}

static struct uuid view_uuid(void *ctx) {
    struct try_view *v = ctx;
    return uuid_next(&v->ids, v->now_ms);
}

static double view_random(void *ctx) {
    struct try_view *v = ctx;
    return uuid_source_random(&v->ids);
}

/* A JSON value in the form the store keeps it, into v->value. */
static int take_value(struct try_view *v, const json_t *value, struct slice *out) {
    char *text = json_dumps(value);
    if (text == NULL) {
        return ERR_MEMORY;
    }
    buf_reset(&v->value);
    int code = value_from_json(slice_of(text), &v->value, NULL);
    free(text);
    *out = buf_slice(&v->value);
    return code;
}

static int view_state_get(void *ctx, const struct event *event, struct slice name,
                          struct slice *value) {
    struct try_view *v = ctx;
    int64_t expires_ms = 0;
    if (v->state != NULL) {
        char *text = slice_dup(name);
        const json_t *found = text == NULL ? NULL : json_object_get(v->state, text);
        free(text);
        return found == NULL ? ERR_NOTFOUND : take_value(v, found, value);
    }
    if (v->journal == NULL) {
        return ERR_NOTFOUND;
    }
    struct cell cell = {
        .partition = event->partition, .service = event->service, .key = event->key, .name = name};
    return journal_state_get(v->journal, &cell, v->now_ms, value, &expires_ms);
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in the file that begin with the prefix, in byte order. */
static size_t sorted_names(const json_t *state, struct slice prefix, const char **names,
                           size_t max) {
    size_t count = 0;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)state, name, value) {
        bool begins = strlen(name) >= prefix.len &&
                      (prefix.len == 0 || memcmp(name, prefix.data, prefix.len) == 0);
        if (begins && count < max) {
            names[count++] = name;
        }
    }
    if (count > 0) {
        qsort(names, count, sizeof *names, by_bytes);
    }
    return count;
}

static int list_file(struct try_view *v, struct slice prefix, void *arg,
                     int (*each)(void *arg, struct slice name, struct slice value)) {
    size_t size = json_object_size(v->state);
    const char **names = calloc(size + 1, sizeof *names);
    int code = names == NULL ? ERR_MEMORY : 0;
    size_t count = code == 0 ? sorted_names(v->state, prefix, names, size) : 0;
    for (size_t i = 0; i < count && code == 0; i++) {
        struct slice value;
        code = take_value(v, json_object_get(v->state, names[i]), &value);
        if (code == 0 && each(arg, slice_of(names[i]), value) != 0) {
            break;
        }
    }
    free((void *)names);
    return code;
}

static int view_state_list(void *ctx, const struct event *event, struct slice prefix, void *arg,
                           int (*each)(void *arg, struct slice name, struct slice value)) {
    struct try_view *v = ctx;
    struct slice value;
    int code;
    if (v->state != NULL) {
        return list_file(v, prefix, arg, each);
    }
    if (v->journal == NULL) {
        return 0;
    }
    struct cell cell = {
        .partition = event->partition, .service = event->service, .key = event->key};
    while ((code = journal_state_next(v->journal, &cell, prefix, v->now_ms, &value)) == 0) {
        if (each(arg, cell.name, value) != 0) {
            return 0;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* The service's number in the store; false if it has never accepted anything. */
static bool find_number(const struct try_view *v, struct slice name, uint16_t *number) {
    uint16_t count = v->journal == NULL ? 0 : journal_service_count(v->journal);
    for (*number = 0; *number < count; (*number)++) {
        if (slice_is(name, look_service_name(v->journal, *number))) {
            return true;
        }
    }
    return false;
}

static int view_peek(void *ctx, struct slice service, struct slice key, struct slice name,
                     struct slice *value) {
    struct try_view *v = ctx;
    int64_t expires_ms = 0;
    struct cell cell = {.key = key, .name = name};
    if (!find_number(v, service, &cell.service)) {
        return ERR_NOTFOUND;
    }
    cell.partition = journal_partition(journal_lane_of(v->journal, service, key));
    return journal_state_get(v->journal, &cell, v->now_ms, value, &expires_ms);
}

static int view_lock_get(void *ctx, const struct event *event, struct slice name,
                         struct lock_view *view) {
    struct try_view *v = ctx;
    struct lock lock;
    struct slice expired;
    bool own = event->kind == EVENT_LOCK_EXPIRED &&
               property_find(event->properties, "zingq-lock", &expired) &&
               slice_equal(expired, name);
    if (v->state != NULL || v->journal == NULL || own) {
        return ERR_NOTFOUND;
    }
    struct cell cell = {
        .partition = event->partition, .service = event->service, .key = event->key, .name = name};
    int code = journal_lock_get(v->journal, &cell, &lock);
    if (code == 0) {
        *view = (struct lock_view){lock.owner, lock.data, lock.expires_ms};
    }
    return code;
}

static int view_step_get(void *ctx, const struct event *event, enum step_kind kind,
                         struct slice name, struct step *step) {
    struct try_view *v = ctx;
    bool known = v->journal != NULL && event->durable;
    return known ? journal_step_get(v->journal, event, kind, name, step) : ERR_NOTFOUND;
}

static int view_delayed(void *ctx, const struct uuid *id) {
    struct try_view *v = ctx;
    struct delayed delayed;
    return v->journal == NULL ? ERR_NOTFOUND : journal_delayed_get(v->journal, id, &delayed);
}

void try_view_init(struct try_view *view, struct journal *j, int64_t now_ms, const json_t *state) {
    uint64_t seed;
    assert(state == NULL || json_is_object(state));
    randombytes_buf(&seed, sizeof seed);
    *view = (struct try_view){.journal = j, .now_ms = now_ms, .state = state};
    uuid_source_init(&view->ids, seed);
    buf_init(&view->value, VALUE_BYTES_MAX * 8);
    view->view = (struct run_view){.ctx = view,
                                   .now_ms = view_now,
                                   .wall_ms = view_wall,
                                   .uuid = view_uuid,
                                   .random = view_random,
                                   .state_get = view_state_get,
                                   .state_list = view_state_list,
                                   .peek = view_peek,
                                   .lock_get = view_lock_get,
                                   .step_get = view_step_get,
                                   .delayed = view_delayed};
}

void try_view_clear(struct try_view *view) {
    buf_clear(&view->value);
}
