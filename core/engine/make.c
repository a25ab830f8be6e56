/*
 * make.c - creates an engine from topics.conf and a store, and frees it.
 *
 * A change of topics.conf makes the services anew, with all that is counted by their index, and
 * loads them as a start does. What is not about services stays: time, input, what leaves the host.
 */
#include "engine/append.h"
#include "engine/attempt.h"
#include "engine/backlog.h"
#include "engine/bury.h"
#include "engine/clock.h"
#include "engine/division.h"
#include "engine/files.h"
#include "engine/kept.h"
#include "engine/forwards.h"
#include "engine/apply.h"
#include "engine/crash.h"
#include "engine/item.h"
#include "engine/memory.h"
#include "engine/place.h"
#include "engine/quota.h"
#include "engine/publish.h"
#include "engine/retention.h"
#include "engine/rows.h"
#include "engine/share.h"
#include "engine/space.h"
#include "engine/spans.h"
#include "engine/timers.h"
#include "engine/watch.h"
#include "engine/impl.h"
#include "engine/input.h"
#include "engine/lane.h"
#include "engine/load.h"
#include "engine/mark.h"
#include "engine/move.h"
#include "engine/outbox.h"
#include "engine/receive.h"
#include "engine/removed.h"
#include "engine/rename.h"
#include "engine/schedule.h"
#include "engine/services.h"
#include "engine/view.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static bool is_wanted(const struct engine *e, const char *name) {
    for (size_t i = 0; i < e->only_count; i++) {
        if (strcmp(e->only[i], name) == 0) {
            return true;
        }
    }
    return e->only_count == 0;
}

static int check_wanted(const struct engine *e, struct report *r) {
    for (size_t i = 0; i < e->only_count; i++) {
        if (!conf_has_service(e->conf, e->only[i])) {
            return report(r, ERR_INVALID, "--service: there is no service \"%s\" in %s", e->only[i],
                          e->conf->file);
        }
    }
    return 0;
}

static struct engine_service *add_service(struct engine *e, const struct service_conf *conf) {
    struct engine_service *s = &e->services[e->service_count];
    s->conf = conf;
    s->index = e->service_count++;
    s->name = slice_of(conf->name);
    return s;
}

static int make_services(struct engine *e) {
    const struct conf *conf = e->conf;
    const struct service_conf *removed;
    e->services = calloc(conf->service_count + SERVICES_MAX, sizeof *e->services);
    if (e->services == NULL) {
        return ERR_MEMORY;
    }
    for (size_t i = 0; i < conf->service_count; i++) {
        add_service(e, &conf->services[i])->active = is_wanted(e, conf->services[i].name);
    }
    for (size_t i = 0; (removed = engine_removed(e, i)) != NULL; i++) {
        add_service(e, removed)->removed = true;
    }
    int code = 0; /* known from here on, even if the store cannot be read next */
    for (size_t i = 0; code == 0 && i < e->service_count; i++) {
        code = engine_number_service(e, &e->services[i]);
    }
    return code;
}

/* A part of the engine. */
struct part {
    int (*make)(struct engine *e);
    void (*free)(struct engine *e);
};

/* In order of creation; they are freed in reverse order. */
static const struct part lasting[] = {
    {engine_make_clock, engine_free_clock},       {engine_make_shares, engine_free_shares},
    {engine_make_space, engine_free_space},       {engine_make_items, engine_free_items},
    {engine_make_timers, engine_free_timers},     {engine_make_trim, engine_free_trim},
    {engine_make_sources, engine_free_sources},   {engine_make_publishing, engine_free_publishing},
    {engine_make_applying, engine_free_applying}, {engine_make_watch, engine_free_watch},
    {engine_make_suspects, engine_free_suspects}, {engine_make_deaths, engine_free_deaths},
    {engine_make_inputs, engine_free_inputs},     {engine_make_marks, engine_free_marks},
    {engine_make_shortage, engine_free_shortage},
};

static int make_lanes(struct engine *e) {
    e->lanes = lanes_new(e->service_count);
    return e->lanes == NULL ? ERR_MEMORY : 0;
}

static void free_lanes(struct engine *e) {
    lanes_free(e->lanes);
    e->lanes = NULL;
}

/* What is counted by the services' index, or points into topics.conf: the same for these. */
static const struct part of_services[] = {
    {make_lanes, free_lanes},
    {engine_make_rows, engine_free_rows},
    {engine_make_windows, engine_free_windows},
    {engine_make_backlogs, engine_free_backlogs},
    {engine_make_schedules, engine_free_schedules},
    {engine_make_attempts, engine_free_attempts},
    {engine_make_quotas, engine_free_quotas},
    {engine_make_moves, engine_free_moves},
    {engine_make_files, engine_free_files},
    {engine_make_spans, engine_free_spans},
};

enum {
    LASTING = sizeof lasting / sizeof *lasting,
    OF_SERVICES = sizeof of_services / sizeof *of_services
};

static int make_parts(struct engine *e, const struct part *parts, size_t count, struct report *r) {
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++) {
        code = parts[i].make(e);
    }
    return code == 0 ? 0 : report(r, code, "out of memory");
}

static void free_parts(struct engine *e, const struct part *parts, size_t count) {
    for (size_t i = count; i > 0; i--) {
        parts[i - 1].free(e);
    }
}

/* Of the services that the store names, those that topics.conf no longer has are served, too. */
static int find_services(struct engine *e, struct report *r) {
    int code = engine_find_removed(e);
    code = code == 0 ? make_services(e) : code;
    return code == 0 ? 0 : report(r, code, "cannot load the store: %s", error_text(code));
}

/* What the journal keeps, each read from it as it is opened. */
static int open_stored(struct engine *e, const struct engine_options *options, struct report *r) {
    engine_load_marks(e);
    int code = engine_check_division(e, r);
    if (code != 0) {
        return code;
    }
    code = engine_start_clock(e);
    code = code == 0 ? outbox_new(&e->outbox, e->journal, e->memory) : code;
    code = code == 0 ? append_new(&e->append, e->journal, e->conf->store_path) : code;
    code = code == 0 ? forwards_new(&e->forwards, e->journal, &e->conf->hosts.share, options->seed)
                     : code;
    return code == 0 ? 0 : report(r, code, "cannot load the store: %s", error_text(code));
}

static int recover(struct engine *e, struct report *r) {
    int code = engine_recover(e);
    return code == 0 ? 0 : report(r, code, "cannot load the store: %s", error_text(code));
}

int engine_new(struct engine **out, const struct engine_options *options, struct report *r) {
    assert(options->scripts != NULL && options->store != NULL);
    struct engine *e = calloc(1, sizeof *e);
    if (e == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    e->conf = options->conf;
    e->doors = *options->doors;
    e->only = options->only;
    e->only_count = options->only_count;
    e->started_us = e->doors.monotonic_us(e->doors.ctx);
    e->scripts = options->scripts;
    e->culprit = options->culprit;
    memory_init(&e->own_memory, options->conf->memory_bytes);
    e->memory = options->memory != NULL ? options->memory : &e->own_memory;
    uuid_source_init(&e->ids, options->seed);
    buf_init(&e->scratch, 1 << 20);
    engine_view_init(e);
    int code = journal_open(&e->journal, options->store, conf_keep_idempotency(e->conf, NULL), r);
    if (code == 0) {
        journal_use_memory(e->journal, e->memory);
    }
    code = code == 0 ? check_wanted(e, r) : code;
    code = code == 0 ? engine_take_names(e, r) : code;
    code = code == 0 ? find_services(e, r) : code;
    code = code == 0 ? make_parts(e, lasting, LASTING, r) : code;
    code = code == 0 ? make_parts(e, of_services, OF_SERVICES, r) : code;
    code = code == 0 ? open_stored(e, options, r) : code;
    code = code == 0 ? recover(e, r) : code;
    if (code != 0) {
        engine_free(e);
        return code;
    }
    *out = e;
    return 0;
}

const char *engine_host_id(const struct engine *e) {
    return journal_host_id(e->journal);
}

/* Monitoring must not see figures begin anew: those since the start, and, if the store cannot be
 * read next, the books. */
static void keep_figures(struct engine *e, const struct engine_service *before, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct engine_service *s = engine_service_of(e, before[i].number);
        if (s != NULL) {
            s->books = before[i].books;
            s->metrics = before[i].metrics;
            s->handler = before[i].handler;
            s->letter_lines = before[i].letter_lines;
            s->taken_events = before[i].taken_events;
            s->taken_values = before[i].taken_values;
            s->taken_left = before[i].taken_left;
            s->bad_priorities = before[i].bad_priorities;
            s->bad_priorities_told_ms = before[i].bad_priorities_told_ms;
        }
    }
}

void engine_free(struct engine *e) {
    if (e == NULL) {
        return;
    }
    free_parts(e, of_services, OF_SERVICES);
    free_parts(e, lasting, LASTING);
    outbox_free(e->outbox);
    append_free(e->append);
    forwards_free(e->forwards);
    engine_free_removed(e);
    journal_close(e->journal);
    buf_clear(&e->scratch);
    free(e->services);
    free(e);
}

/* --- another topics.conf --- */

/* Attempts and what waits in memory are let go, as after a failed turn. */
static int make_services_anew(struct engine *e, struct report *r) {
    engine_let_all_go(e);
    free_parts(e, of_services, OF_SERVICES);
    engine_free_removed(e);
    e->services = NULL;
    e->service_count = 0;
    int code = find_services(e, r);
    return code == 0 ? make_parts(e, of_services, OF_SERVICES, r) : code;
}

int engine_reconfigure(struct engine *e, struct script_host *scripts, struct report *r) {
    struct engine_service *before = e->services;
    size_t count = e->service_count;
    assert(!engine_has_messages(e));
    journal_keep_keys(e->journal, conf_keep_idempotency(e->conf, NULL));
    int code = journal_reload(e->journal);
    code = code == 0 ? check_wanted(e, r) : report(r, code, "cannot read the store");
    code = code == 0 ? engine_take_names(e, r) : code;
    if (code != 0) {
        return code;
    }
    code = make_services_anew(e, r);
    if (code == 0) {
        e->scripts = scripts;
        e->draining = false;
        keep_figures(e, before, count);
        engine_load_services(e);
    }
    free(before);
    return code == 0 ? 0 : ERR_MEMORY; /* whatever it was: what the engine had is gone */
}
