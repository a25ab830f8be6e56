/*
 * make.c - an engine is made from topics.conf, and what it has in memory from the store: at
 * the start, and again after a turn that failed.
 */
#include "engine/impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct engine_service *engine_service_of(struct engine *e, uint16_t number) {
    for (size_t i = 0; i < e->service_count; i++) {
        if (e->services[i].number == number) {
            return &e->services[i];
        }
    }
    return NULL;
}

struct engine_service *engine_service_named(struct engine *e, struct slice name) {
    for (size_t i = 0; i < e->service_count; i++) {
        if (slice_equal(e->services[i].name, name)) {
            return &e->services[i];
        }
    }
    return NULL;
}

/* --- loading --- */

static int load_service(struct engine *e, struct engine_service *s) {
    char flag[sizeof "paused/" + NAME_BYTES_MAX] = "paused/";
    uint64_t paused = 0;
    strncat(flag, s->conf->name, NAME_BYTES_MAX);
    s->lane_rows = 0;
    s->parked_rows = 0;
    s->put_off = 0;
    s->asleep = 0;
    s->unloaded_total = 0;
    s->room_ms = 0;
    s->books_dirty = false;
    memset(s->unloaded, 0, sizeof s->unloaded);
    memset(s->loaded, 0, sizeof s->loaded);
    int code = journal_service_number(e->journal, s->conf->name, &s->number);
    if (code == 0) {
        code = journal_books_get(e->journal, s->number, &s->books);
    }
    if (code == 0) {
        code = journal_flag_get(e->journal, flag, &paused);
        code = code == ERR_NOTFOUND ? 0 : code;
    }
    lanes_limit(e->lanes, s->index, s->conf->concurrency, s->conf->rate_per_s);
    lanes_batch(e->lanes, s->index, s->conf->batch, s->conf->linger_ms);
    s->paused = paused != 0;
    engine_hold(e, s);
    lanes_throttle(e->lanes, s->index, s->throttled_until_ms);
    e->waiting += books_waiting(&s->books);
    return code;
}

static int load_all(struct engine *e) {
    int code = 0;
    e->waiting = 0;
    e->body_bytes = 0;
    for (size_t i = 0; code == 0 && i < e->service_count; i++) {
        code = load_service(e, &e->services[i]);
    }
    if (code == 0) {
        code = engine_charge_crash(e);
    }
    if (code == 0) {
        code = engine_load_rows(e);
    }
    if (code == 0) {
        code = engine_load_timers(e);
    }
    if (code == 0) {
        code = engine_mend(e);
    }
    if (code == 0) {
        code = engine_load_schedules(e);
    }
    if (code == 0) {
        code = outbox_load(e->outbox);
    }
    if (code == 0) {
        code = append_load(e->append);
    }
    engine_forget_receipts(e);
    return code == 0 ? forwards_load(e->forwards) : code;
}

int engine_load(struct engine *e) {
    engine_look_at_clock(e);
    lanes_free(e->lanes);
    e->lanes = lanes_new(e->service_count);
    if (e->lanes == NULL) {
        return ERR_MEMORY;
    }
    int code = store_begin(journal_store(e->journal));
    if (code != 0) {
        return code;
    }
    code = load_all(e);
    bool places; /* they have been put right: engine_mend */
    code = code == 0 ? journal_set_aside(e->journal, &places) : code;
    if (code != 0) {
        store_abort(journal_store(e->journal));
        return code;
    }
    code = store_commit(journal_store(e->journal));
    if (code == 0) {
        journal_forget_broken(e->journal);
        culprit_settle(e->culprit);
    }
    return code;
}

static bool is_wanted(const struct engine_options *options, const char *name) {
    for (size_t i = 0; i < options->only_count; i++) {
        if (strcmp(options->only[i], name) == 0) {
            return true;
        }
    }
    return options->only_count == 0;
}

static int check_wanted(const struct engine_options *options, struct report *r) {
    for (size_t i = 0; i < options->only_count; i++) {
        if (!conf_has_service(options->conf, options->only[i])) {
            return report(r, ERR_INVALID, "--service: there is no service \"%s\" in %s",
                          options->only[i], options->conf->file);
        }
    }
    return 0;
}

static int make_schedules(struct engine *e, struct report *r) {
    const struct conf *conf = e->conf;
    e->schedules = calloc(conf->schedule_count + 1, sizeof *e->schedules);
    if (e->schedules == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    for (size_t i = 0; i < conf->schedule_count; i++) {
        e->schedules[i].conf = &conf->schedules[i];
    }
    return 0;
}

static int make_services(struct engine *e, const struct engine_options *options, struct report *r) {
    const struct conf *conf = options->conf;
    e->services = calloc(conf->service_count + 1, sizeof *e->services);
    if (e->services == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    e->service_count = conf->service_count;
    for (size_t i = 0; i < conf->service_count; i++) {
        struct engine_service *s = &e->services[i];
        s->conf = &conf->services[i];
        s->index = i;
        s->number = UINT16_MAX;
        s->name = slice_of(s->conf->name);
        s->active = is_wanted(options, s->conf->name);
    }
    return check_wanted(options, r);
}

int engine_new(struct engine **out, const struct engine_options *options, struct report *r) {
    assert(options->scripts != NULL && options->store != NULL);
    struct engine *e = calloc(1, sizeof *e);
    if (e == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    e->conf = options->conf;
    e->doors = *options->doors;
    e->scripts = options->scripts;
    e->culprit = options->culprit;
    e->unproven = CAREFUL_EVENTS;
    e->started_us = e->doors.monotonic_us(e->doors.ctx);
    uuid_source_init(&e->ids, options->seed);
    buf_init(&e->scratch, 1 << 20);
    buf_init(&e->properties, EFFECTS_BYTES_MAX);
    buf_init(&e->publishes, EFFECTS_BYTES_MAX);
    engine_view_init(e);
    int code = make_services(e, options, r);
    if (code == 0) {
        code = make_schedules(e, r);
    }
    if (code == 0) {
        code = journal_open(&e->journal, options->store, e->conf->keep_idempotency_ms, r);
    }
    if (code == 0) {
        code = engine_check_division(e, r);
    }
    if (code == 0) {
        code = engine_start_clock(e);
    }
    if (code == 0) {
        code = outbox_new(&e->outbox, e->journal);
    }
    if (code == 0) {
        code = append_new(&e->append, e->journal, e->conf->store_path);
    }
    if (code == 0) {
        code = engine_open_forwards(e, options->seed);
    }
    if (code == 0) {
        code = engine_recover(e);
        code = code == 0 ? 0 : report(r, code, "cannot load the store: %s", error_text(code));
    }
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

void engine_free(struct engine *e) {
    if (e == NULL) {
        return;
    }
    engine_forget_inputs(e);
    engine_forget_invocations(e);
    lanes_free(e->lanes);
    outbox_free(e->outbox);
    append_free(e->append);
    forwards_free(e->forwards);
    free(e->sources);
    journal_close(e->journal);
    buf_clear(&e->scratch);
    buf_clear(&e->properties);
    buf_clear(&e->publishes);
    for (size_t i = 0; i < e->qos0_topic_count; i++) {
        free(e->qos0_topics[i]);
    }
    free(e->endings);
    free(e->schedules);
    free(e->services);
    free(e);
}
