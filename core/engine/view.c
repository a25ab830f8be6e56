/*
 * view.c - what a handler can look at (the transaction under way), and the status.
 */
#include "engine/impl.h"

#include "journal/event.h"
#include "journal/dedupe.h"
#include "journal/later.h"
#include "journal/keyed.h"
#include "journal/step.h"

#include <assert.h>

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
    cell.partition = journal_partition(journal_lane(s->name, key));
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
        return ERR_NOTFOUND; /* to its handler it is free */
    }
    const struct engine_service *s = engine_service_of(e, event->service);
    bool ran_out = lock.expires_ms != 0 && lock.expires_ms <= e->now_ms;
    if (ran_out && !script_has(e->scripts, s->index, "on_lock_expired")) {
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
                                .delayed = view_delayed};
}

/* --- status --- */

struct journal *engine_journal(struct engine *e) {
    return e->journal;
}

void engine_status(struct engine *e, struct engine_status *out) {
    e->status.waiting = e->waiting;
    e->status.outbox = outbox_rows(e->outbox);
    e->status.outbox_refused = outbox_refused(e->outbox);
    e->status.outbox_held = outbox_held(e->outbox);
    e->status.forwards_waiting = forwards_rows(e->forwards);
    e->status.outbox_discarded = outbox_discarded(e->outbox);
    struct append_state files;
    append_look(e->append, &files);
    e->status.append_waiting = files.waiting;
    e->status.append_file = files.file;
    e->status.append_error = files.error;
    e->status.refused_topic = outbox_refused_topic(e->outbox);
    e->status.lua_bytes = script_memory(e->scripts);
    e->status.accepts = engine_accepts(e);
    e->status.store_low = e->store_low ? e->space_words : NULL;
    e->status.set_aside = journal_aside_count(e->journal);
    int64_t since_ms;
    e->status.old_reader = engine_old_reader(e, &since_ms);
    e->status.old_reader_s = (e->now_ms - since_ms) / 1000;
    *out = e->status;
}

bool engine_runs(const struct engine *e, size_t service) {
    return service < e->service_count && e->services[service].active;
}

uint16_t engine_service_number(const struct engine *e, size_t service) {
    assert(service < e->service_count);
    return e->services[service].number;
}

bool engine_service_by_number(const struct engine *e, uint32_t number, size_t *service) {
    for (size_t i = 0; i < e->service_count; i++) {
        if (e->services[i].number == number) {
            *service = i;
            return true;
        }
    }
    return false;
}

int engine_recall(struct engine *e, const char *name, struct buf *out) {
    struct store *store = journal_store(e->journal);
    int code = store_begin(store);
    if (code != 0) {
        return code;
    }
    struct slice text;
    code = journal_text_get(e->journal, name, &text);
    if (code == 0) {
        buf_add_slice(out, text);
    }
    store_abort(store);
    return code == 0 && out->failed ? ERR_MEMORY : code;
}

int engine_remember(struct engine *e, const char *name, struct slice text) {
    struct store *store = journal_store(e->journal);
    int code = store_begin(store);
    if (code != 0) {
        return code;
    }
    code = journal_text_put(e->journal, name, text);
    if (code == 0) {
        return store_commit(store);
    }
    store_abort(store);
    return code;
}

/* Sequence numbers are microseconds of the clock, so the lowest of the waiting rows tells since
 * when. Lane rows are in the order of lanes, not of time: a bounded number of them is looked at. */
static int64_t oldest_wait(struct engine *e, const struct engine_service *s) {
    enum { LANE_ROWS_LOOKED_AT = 1000 };
    struct store *store = journal_store(e->journal);
    if (books_waiting(&s->books) == 0 || store_begin(store) != 0) {
        return 0;
    }
    uint64_t oldest = UINT64_MAX;
    for (uint8_t p = 0; p < PARTITIONS; p++) {
        struct row row = {.partition = p, .service = s->number};
        if (journal_ready_next(e->journal, &row) == 0 && row.seq < oldest) {
            oldest = row.seq;
        }
        struct row lane = {.partition = p, .service = s->number};
        for (int i = 0; s->lane_rows > 0 && i < LANE_ROWS_LOOKED_AT / PARTITIONS &&
                        journal_lane_scan(e->journal, &lane) == 0 && lane.partition == p &&
                        lane.service == s->number;
             i++) {
            oldest = lane.seq < oldest ? lane.seq : oldest;
        }
    }
    store_abort(store);
    int64_t waited = engine_now_ms(e) - (int64_t)(oldest / 1000);
    return oldest == UINT64_MAX || waited < 0 ? 0 : waited;
}

int engine_service_status(struct engine *e, size_t service, struct engine_service_status *out) {
    if (service >= e->service_count) {
        return ERR_NOTFOUND;
    }
    struct engine_service *s = &e->services[service];
    *out = (struct engine_service_status){.name = s->conf->name,
                                          .active = s->active,
                                          .paused = s->paused || !s->active,
                                          .held = s->held,
                                          .books = s->books,
                                          .handler = s->handler,
                                          .oldest_ms = oldest_wait(e, s),
                                          .running = lanes_running(e->lanes, s->index),
                                          .retrying = s->put_off,
                                          .sleeping = s->asleep,
                                          .throttled_until_ms = s->throttled_until_ms,
                                          .version = script_version(e->scripts, s->index),
                                          .script_error = script_error(e->scripts, s->index)};
    metrics_summarise(&s->metrics, engine_now_ms(e), &out->lately);
    return 0;
}
