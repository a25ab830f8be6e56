/*
 * status.c - what can be asked between turns: the engine's state, its services' state, and the
 * host's stored texts.
 */
#include "engine/append.h"
#include "engine/attempt.h"
#include "engine/files.h"
#include "engine/forwards.h"
#include "engine/impl.h"
#include "engine/input.h"
#include "engine/kept.h"
#include "engine/rows.h"
#include "engine/lane.h"
#include "engine/memory.h"
#include "engine/metrics.h"
#include "engine/outbox.h"
#include "engine/services.h"
#include "engine/space.h"
#include "journal/event.h"

#include <string.h>

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
    e->status.starved = engine_starved(e);
    e->status.calls_starved = engine_late_calls(e);
    e->status.lua_bytes = script_memory(e->scripts);
    e->status.accepts = engine_accepts(e);
    e->status.file_bytes = engine_file_bytes(e);
    e->status.store_low = engine_space_words(e);
    e->status.set_aside = journal_aside_count(e->journal);
    int64_t since_ms;
    e->status.old_reader = engine_old_reader(e, &since_ms);
    e->status.old_reader_s = (e->now_ms - since_ms) / 1000;
    *out = e->status;
}

int64_t engine_enter(struct engine *e, enum phase phase) {
    int64_t now_us = e->doors.monotonic_us(e->doors.ctx);
    bool sleeps = e->phases.now == PHASE_OTHER && e->doors.idle_us != NULL;
    int64_t idle_us = sleeps ? e->doors.idle_us(e->doors.ctx) : e->phases.idle_us;
    phases_enter(&e->phases, now_us, idle_us, phase);
    return now_us;
}

void engine_look_at_turns(struct engine *e, struct engine_turns *out) {
    (void)engine_enter(e, e->phases.now);
    *out = (struct engine_turns){.waiting = e->waiting,
                                 .outbox = outbox_rows(e->outbox),
                                 .in_flight = outbox_in_flight(e->outbox),
                                 .window = engine_window(e)};
    phases_sum(&e->phases, &out->lately);
    memcpy(out->total_us, e->phases.total_us, sizeof out->total_us);
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

/* Sequence numbers are microseconds of the clock, so the lowest one of the waiting rows is the
 * oldest. Lane rows are sorted by lane, not by time: a bounded number of them is examined. */
static int64_t oldest_wait(struct engine *e, const struct engine_service *s) {
    enum { LANE_ROWS_LOOKED_AT = 1000 };
    struct store *store = journal_store(e->journal);
    if (books_waiting(&s->books) == 0 || store_begin_reading(store) != 0) {
        return 0;
    }
    uint64_t oldest = UINT64_MAX;
    struct rows_state rows;
    engine_look_at_rows(s, &rows);
    for (uint8_t p = 0; p < PARTITIONS; p++) {
        struct row row = {.partition = p, .service = s->number};
        if (journal_ready_next(e->journal, &row) == 0 && row.seq < oldest) {
            oldest = row.seq;
        }
        struct row lane = {.partition = p, .service = s->number};
        for (int i = 0; rows.lane_rows > 0 && i < LANE_ROWS_LOOKED_AT / PARTITIONS &&
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

enum { KEPT_LEAST = 4096 }; /* with less room than this nothing of a usual size is kept */

static void look_at_priorities(const struct engine *e, const struct engine_service *s,
                               struct engine_service_status *out) {
    out->ranks = s->ranks;
    out->bad_priorities = s->bad_priorities;
    for (unsigned i = 0; i < PRIORITIES; i++) {
        out->by_priority[i] = lanes_of_priority(e->lanes, s->index, i);
    }
}

int engine_service_status(struct engine *e, size_t service, struct engine_service_status *out) {
    if (service >= e->service_count) {
        return ERR_NOTFOUND;
    }
    struct engine_service *s = &e->services[service];
    struct rows_state rows;
    engine_look_at_rows(s, &rows);
    *out = (struct engine_service_status){.name = s->conf->name,
                                          .active = s->active,
                                          .paused = s->paused || !s->active,
                                          .removed = s->removed,
                                          .taking = s->taking > 0,
                                          .taken_events = s->taken_events,
                                          .taken_values = s->taken_values,
                                          .taken_left = s->taken_left,
                                          .heir = s->heir == NULL ? NULL : s->heir->conf->name,
                                          .held = s->held,
                                          .starved = s->starved,
                                          .held_back = s->held_back,
                                          .books = s->books,
                                          .handler = s->handler,
                                          .oldest_ms = oldest_wait(e, s),
                                          .running = lanes_running(e->lanes, s->index),
                                          .retrying = rows.put_off,
                                          .sleeping = rows.asleep,
                                          .queued = rows.queued,
                                          .tenants = lanes_tenants(e->lanes, s->index),
                                          .keys_held = lanes_keys_held(e->lanes, s->index),
                                          .throttled_until_ms = s->throttled_until_ms};
    look_at_priorities(e, s, out);
    for (unsigned i = 0; i < RUN_QUOTAS; i++) {
        enum run_quota kind = (enum run_quota)i;
        out->kept[i] = engine_kept(e, s, kind);
        out->kept_full[i] = out->kept[i] > 0 && engine_kept_room(e, s, kind) < KEPT_LEAST;
    }
    if (!s->removed) {
        out->version = script_version(e->scripts, s->index);
        out->script_error = script_error(e->scripts, s->index);
    }
    metrics_summarise(&s->metrics, engine_now_ms(e), &out->lately);
    return 0;
}

static bool left_nothing(const struct engine_service *s) {
    return s->removed && !s->moving && books_waiting(&s->books) == 0 && s->books.dead == 0;
}

bool engine_shown_service(struct engine *e, size_t *service, struct engine_service_status *out) {
    while (*service < e->service_count && left_nothing(&e->services[*service])) {
        ++*service;
    }
    return engine_service_status(e, (*service)++, out) == 0;
}
