/*
 * view.c - what a handler can read: the current transaction.
 */
#include "engine/view.h"

#include "engine/append_owner.h"
#include "engine/files.h"
#include "engine/impl.h"
#include "engine/item.h"
#include "engine/kept.h"
#include "engine/locks.h"
#include "engine/services.h"
#include "engine/share.h"
#include "journal/dedupe.h"
#include "journal/keyed.h"
#include "journal/later.h"
#include "journal/step.h"

static int64_t view_now(void *ctx) {
    const struct engine *e = ctx;
    return e->now_ms;
}

static int64_t view_wall(void *ctx) {
    const struct engine *e = ctx;
    return e->wall_ms;
}

static struct uuid view_uuid(void *ctx) {
    struct engine *e = ctx;
    return uuid_next(&e->ids, e->now_ms);
}

static double view_random(void *ctx) {
    struct engine *e = ctx;
    return uuid_source_random(&e->ids);
}

static int view_state_get(void *ctx, const struct event *event, struct slice name,
                          struct slice *value) {
    struct engine *e = ctx;
    struct cell cell = engine_cell(event, name);
    int64_t expires_ms;
    return journal_state_read(e->journal, &cell, e->now_ms, value, &expires_ms);
}

static int view_state_list(void *ctx, const struct event *event, struct slice prefix, void *arg,
                           int (*each)(void *arg, struct slice name, struct slice value)) {
    struct engine *e = ctx;
    struct cell cell = engine_cell(event, (struct slice){NULL, 0});
    struct slice value;
    int code;
    while ((code = journal_state_next(e->journal, &cell, prefix, e->now_ms, &value)) == 0) {
        if (each(arg, cell.name, value) != 0) {
            return 0;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int view_peek(void *ctx, struct slice service, struct slice key, struct slice name,
                     struct slice *value) {
    struct engine *e = ctx;
    const struct engine_service *s = engine_service_named(e, service);
    if (s == NULL) {
        return ERR_NOTFOUND;
    }
    struct cell cell = {.service = s->number, .key = key, .name = name};
    cell.partition = journal_partition(journal_lane(s->origin, key));
    int64_t expires_ms;
    return journal_state_read(e->journal, &cell, e->now_ms, value, &expires_ms);
}

static int view_step_get(void *ctx, const struct event *event, enum step_kind kind,
                         struct slice name, struct step *step) {
    const struct engine *e = ctx;
    return event->durable ? journal_step_read(e->journal, event, kind, name, step) : ERR_NOTFOUND;
}

static int view_lock_get(void *ctx, const struct event *event, struct slice name,
                         struct lock_view *view) {
    struct engine *e = ctx;
    struct cell cell = engine_cell(event, name);
    struct lock lock;
    int code = journal_lock_read(e->journal, &cell, &lock);
    if (code != 0) {
        return code;
    }
    if (engine_is_expired_lock(event, name, &lock)) {
        return ERR_NOTFOUND; /* for its handler the lock is free */
    }
    const struct engine_service *s = engine_service_of(e, event->service);
    bool ran_out = lock.expires_ms != 0 && lock.expires_ms <= e->now_ms;
    if (ran_out && !engine_service_has(e, s, "on_lock_expired")) {
        return ERR_NOTFOUND;
    }
    *view = (struct lock_view){lock.owner, lock.data, lock.expires_ms};
    return 0;
}

static int view_delayed(void *ctx, const struct uuid *id) {
    struct engine *e = ctx;
    struct delayed delayed;
    struct publish_note note;
    int code = journal_delayed_get(e->journal, id, &delayed);
    if (code != ERR_NOTFOUND) {
        return code;
    }
    code = journal_publish_note_get(e->journal, e->now_ms, id, &note);
    return code == 0 ? ERR_EXISTS : code;
}

/* Whether those of the event's service may not grow. */
static bool are_files_full(const struct engine *e, const struct event *event) {
    size_t service;
    return engine_service_by_number(e, event->service, &service) &&
           engine_files_full(e, &e->services[service]);
}

/* A file whose service is no longer in topics.conf is free for other services. */
static int view_file_owner(void *ctx, const struct event *event, struct slice file,
                           const char **service) {
    const struct engine *e = ctx;
    uint16_t number;
    size_t index;
    int code = append_owner(e->journal, file, &number);
    if (code != 0 && code != ERR_NOTFOUND) {
        return code;
    }
    bool other = code == 0 && number != event->service &&
                 engine_service_by_number(e, number, &index) && !e->services[index].removed;
    if (!other) {
        return are_files_full(e, event) ? ERR_FULL : ERR_NOTFOUND;
    }
    *service = e->services[index].conf->name;
    return 0;
}

static uint64_t view_room(void *ctx, const struct event *event, enum run_quota kind) {
    const struct engine *e = ctx;
    size_t service;
    if (!engine_service_by_number(e, event->service, &service)) {
        return UINT64_MAX;
    }
    return kind == RUN_QUOTA_PUBLISHES ? e->status.store_max / PUBLISHES_PARTS
                                       : engine_kept_room(e, &e->services[service], kind);
}

static int64_t view_forgotten(void *ctx, const struct event *event) {
    const struct engine *e = ctx;
    size_t service;
    return engine_service_by_number(e, event->service, &service) ? e->services[service].forgotten_ms
                                                                 : 0;
}

static bool view_is_long(void *ctx) {
    const struct engine *e = ctx;
    int64_t us = e->doors.monotonic_us(e->doors.ctx) - engine_seen_us(e);
    return us >= TURN_MS_MAX * 1000;
}

void engine_view_init(struct engine *e) {
    e->view = (struct run_view){.ctx = e,
                                .now_ms = view_now,
                                .wall_ms = view_wall,
                                .uuid = view_uuid,
                                .random = view_random,
                                .state_get = view_state_get,
                                .state_list = view_state_list,
                                .peek = view_peek,
                                .lock_get = view_lock_get,
                                .step_get = view_step_get,
                                .delayed = view_delayed,
                                .file_owner = view_file_owner,
                                .room = view_room,
                                .forgotten_ms = view_forgotten,
                                .is_long = view_is_long};
}
