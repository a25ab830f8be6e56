/*
 * services.c - the services of topics.conf as this host runs them: by name, by number, by index.
 */
#include "engine/services.h"

#include "engine/impl.h"
#include "engine/lane.h"
#include "journal/flags.h"

#include <assert.h>
#include <stdio.h>

struct engine_service *engine_service_of(struct engine *e, uint16_t number) {
    for (size_t i = 0; i < e->service_count; i++) {
        if (e->services[i].number == number) {
            return &e->services[i];
        }
    }
    return NULL;
}

struct engine_service *engine_service_left(struct engine *e, struct slice name) {
    for (size_t i = 0; i < e->service_count; i++) {
        if (slice_equal(e->services[i].name, name)) {
            return &e->services[i];
        }
    }
    return NULL;
}

struct engine_service *engine_service_known(struct engine *e, struct slice name) {
    struct engine_service *s = engine_service_left(e, name);
    for (size_t i = 0; s == NULL && i < e->service_count; i++) {
        s = service_was(e->services[i].conf, name) ? &e->services[i] : NULL;
    }
    return s == NULL || s->heir == NULL ? s : s->heir;
}

struct engine_service *engine_service_named(struct engine *e, struct slice name) {
    struct engine_service *s = engine_service_known(e, name);
    if (s != NULL && !s->removed) {
        return s;
    }
    for (size_t i = 0; i < e->service_count; i++) { /* hosts that divide the keys move nothing */
        struct engine_service *other = &e->services[i];
        if (!other->removed && service_was(other->conf, name)) {
            return other;
        }
    }
    return NULL;
}

bool engine_service_has(const struct engine *e, const struct engine_service *s,
                        const char *reserved) {
    return !s->removed && script_has(e->scripts, s->index, reserved);
}

int engine_number_service(struct engine *e, struct engine_service *s) {
    int code = journal_service_number(e->journal, s->conf->name, &s->number);
    if (code == 0) {
        const char *origin = journal_service_origin(e->journal, s->number);
        (void)snprintf(s->origin_text, sizeof s->origin_text, "%s", origin);
        s->origin = slice_of(s->origin_text);
    }
    return code;
}

const char *engine_service_group(const struct engine *e, size_t service) {
    assert(service < e->service_count);
    return e->services[service].origin.data;
}

const struct service_conf *engine_service_conf(const struct engine *e, size_t service) {
    assert(service < e->service_count);
    return e->services[service].conf;
}

struct dedupe_time engine_keys_time(const struct engine *e, const struct engine_service *s) {
    return (struct dedupe_time){.now_ms = e->now_ms,
                                .keep_ms = conf_keep_idempotency(e->conf, s->conf)};
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

int engine_set_paused(struct engine *e, struct engine_service *s, bool paused) {
    s->paused = paused;
    engine_hold(e, s);
    return flags_put(e->journal, FLAG_PAUSED, s->conf->name, paused ? 1 : 0);
}

void engine_hold(struct engine *e, const struct engine_service *s) {
    lanes_pause(e->lanes, s->index,
                s->paused || s->held || s->starved || s->held_back || !s->active || s->removed ||
                    s->taking > 0 || !script_runs(e->scripts, s->index));
}

void engine_hold_service(struct engine *e, size_t service, bool held) {
    assert(service < e->service_count);
    e->services[service].held = held;
    engine_hold(e, &e->services[service]);
}

void engine_scripts_changed(struct engine *e) {
    for (size_t i = 0; i < e->service_count; i++) {
        engine_hold(e, &e->services[i]);
    }
}

/* --- books --- */

void engine_count(struct engine *e, struct engine_service *s, enum book book, int64_t by) {
    struct books *b = &s->books;
    uint64_t *const counts[] = {
        [BOOK_ACCEPTED] = &b->accepted,
        [BOOK_DONE] = &b->done,
        [BOOK_DEAD] = &b->dead,
        [BOOK_DIED] = &b->died,
        [BOOK_DISCARDED] = &b->discarded,
        [BOOK_EXPIRED] = &b->expired,
        [BOOK_NEEDS_PERSON] = &b->needs_person,
        [BOOK_DUPLICATES] = &b->duplicates,
        [BOOK_HANDED_OVER] = &b->handed_over,
        [BOOK_RETRIES] = &b->retries,
        [BOOK_TIMEOUTS] = &b->timeouts,
        [BOOK_CRASHES] = &b->crashes,
        [BOOK_SNOOZES] = &b->snoozes,
        [BOOK_THROTTLES] = &b->throttles,
    };
    uint64_t waited = books_waiting(b);
    assert(by >= 0 || *counts[book] >= (uint64_t)-by); /* INV-ENGINE-4 */
    *counts[book] += (uint64_t)by;
    e->waiting += s->removed ? 0 : books_waiting(b) - waited;
    s->books_dirty = true;
}

int engine_write_books(struct engine *e) {
    for (size_t i = 0; i < e->service_count; i++) {
        struct engine_service *s = &e->services[i];
        int code = s->books_dirty ? journal_books_put(e->journal, s->number, &s->books) : 0;
        if (code != 0) {
            return code;
        }
        s->books_dirty = false;
    }
    return 0;
}

int engine_load_books(struct engine *e, struct engine_service *s) {
    int code = journal_books_get(e->journal, s->number, &s->books);
    s->books_dirty = false;
    return code;
}

void engine_sum_waiting(struct engine *e) {
    e->waiting = 0;
    for (size_t i = 0; i < e->service_count; i++) {
        const struct engine_service *s = &e->services[i];
        e->waiting += s->removed ? 0 : books_waiting(&s->books);
    }
}

/* --- rates and throttles --- */

void engine_throttle(struct engine *e, struct engine_service *s, int64_t until_ms) {
    lanes_throttle(e->lanes, s->index, until_ms);
    if (until_ms > s->throttled_until_ms) {
        s->throttled_until_ms = until_ms;
        s->pace_dirty = true;
    }
}

static int load_ms(struct engine *e, const struct engine_service *s, enum service_flag flag,
                   int64_t *out) {
    uint64_t ms = 0;
    int code = flags_get(e->journal, flag, s->conf->name, &ms);
    *out = (int64_t)ms;
    return code == ERR_NOTFOUND ? 0 : code;
}

int engine_load_pace(struct engine *e, struct engine_service *s) {
    s->pace_dirty = false;
    int code = load_ms(e, s, FLAG_RATE, &s->rate_full_ms);
    code = code == 0 ? load_ms(e, s, FLAG_THROTTLED, &s->throttled_until_ms) : code;
    if (code == 0) {
        lanes_resume(e->lanes, s->index, s->rate_full_ms, e->now_ms);
    }
    if (code == 0 && s->throttled_until_ms > e->now_ms) {
        lanes_throttle(e->lanes, s->index, s->throttled_until_ms);
    }
    return code;
}

int engine_load_window(struct engine *e, struct engine_service *s) {
    int64_t window_ms = s->conf->idempotency_window_ms;
    int64_t before_ms = 0;
    int code = load_ms(e, s, FLAG_WINDOW, &before_ms);
    code = code == 0 ? load_ms(e, s, FLAG_FORGOTTEN, &s->forgotten_ms) : code;
    if (code != 0 || before_ms == window_ms) {
        return code;
    }
    int64_t kept_from_ms = e->now_ms - before_ms;
    if (before_ms > 0 && before_ms < window_ms && kept_from_ms > s->forgotten_ms) {
        s->forgotten_ms = kept_from_ms;
        code = flags_put(e->journal, FLAG_FORGOTTEN, s->conf->name, (uint64_t)kept_from_ms);
    }
    return code == 0 ? flags_put(e->journal, FLAG_WINDOW, s->conf->name, (uint64_t)window_ms)
                     : code;
}

static int write_pace(struct engine *e, struct engine_service *s) {
    int64_t full_ms = lanes_full_ms(e->lanes, s->index);
    int code = 0;
    if (s->pace_dirty) {
        code =
            flags_put(e->journal, FLAG_THROTTLED, s->conf->name, (uint64_t)s->throttled_until_ms);
        s->pace_dirty = false;
    }
    if (code == 0 && full_ms > s->rate_full_ms + 1) { /* 1: it was rounded */
        code = flags_put(e->journal, FLAG_RATE, s->conf->name, (uint64_t)full_ms);
        s->rate_full_ms = full_ms;
    }
    return code;
}

int engine_write_paces(struct engine *e) {
    int code = 0;
    for (size_t i = 0; code == 0 && i < e->service_count; i++) {
        code = write_pace(e, &e->services[i]);
    }
    return code;
}
