/*
 * schedule.c - schedules: a publish for each tick.
 *
 * The publish and the mark that the tick is settled are in one commit: whatever happens to the
 * host, a tick has run or it has not. As long as the clock runs normally, `settled_ms` only grows.
 *
 * When the clock steps (its difference from engine time changes), the previous mark is kept. If a
 * later step undoes the first one, that mark is used again: a clock that was a year ahead for a
 * minute does not suppress a year of ticks, and a minute in 1970 does not run any tick twice. After
 * any other step back, nothing fires twice: the schedule waits until the clock gets there. If that
 * would take longer than CRON_BACK_MS, the earlier time was wrong, and the schedule starts now.
 *
 * A tick is missed if the host was down at its time, or could act only more than SCHEDULE_LATE_MS
 * later: the clock jumped, the machine slept, the store was full. Of several missed ticks at most
 * the last one runs, so that a host that was down for a week does not start with a week's work.
 *
 * A schedule that is new, or whose cron or timezone was changed, starts now. One that is no longer
 * in topics.conf is forgotten, and starts from scratch if it returns.
 */
#include "engine/schedule.h"

#include "base/log.h"
#include "engine/impl.h"
#include "engine/mark.h"
#include "engine/delayed.h"
#include "engine/publish.h"
#include "engine/space.h"
#include "journal/later.h"
#include "journal/owner.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* One schedule of topics.conf. */
struct schedule {
    const struct schedule_conf *conf;
    struct schedule_mark mark; /* cron and timezone point into conf */
    int64_t next_ms;           /* the first tick after mark.settled_ms; INT64_MAX = never */
};

struct schedules {
    int64_t next_ms;         /* the earliest tick of all; INT64_MAX = none */
    uint64_t steps_followed; /* steps of the wall clock */
    struct schedule of[];    /* as many as in conf */
};

int engine_make_schedules(struct engine *e) {
    size_t count = e->conf->schedule_count;
    e->schedules = calloc(1, sizeof *e->schedules + count * sizeof *e->schedules->of);
    if (e->schedules == NULL) {
        return ERR_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        e->schedules->of[i].conf = &e->conf->schedules[i];
    }
    return 0;
}

void engine_free_schedules(struct engine *e) {
    free(e->schedules);
    e->schedules = NULL;
}

int64_t engine_next_tick_ms(const struct engine *e) {
    return e->schedules->next_ms;
}

static int64_t wall_ahead_ms(const struct engine *e) {
    return e->wall_ms - e->now_ms;
}

/* --- loading --- */

static struct schedule *schedule_named(struct engine *e, const char *name) {
    for (size_t i = 0; i < e->conf->schedule_count; i++) {
        if (strcmp(e->schedules->of[i].conf->name, name) == 0) {
            return &e->schedules->of[i];
        }
    }
    return NULL;
}

static int forget_others(struct engine *e) {
    char name[NAME_BYTES_MAX + 1] = "";
    int code;
    while ((code = journal_schedule_next(e->journal, name)) == 0) {
        if (schedule_named(e, name) != NULL) {
            continue;
        }
        code = journal_schedule_del(e->journal, name);
        if (code != 0) {
            return code;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* True if the clock steps back to where it was before its last step. This matters only when one of
 * the marks is in the future. */
static bool undoes_step(const struct engine *e, const struct schedule_mark *m) {
    int64_t to_before = llabs(wall_ahead_ms(e) - m->before_ahead_ms);
    int64_t to_now = llabs(wall_ahead_ms(e) - m->ahead_ms);
    bool ahead = m->settled_ms > e->wall_ms || m->before_ms > m->settled_ms;
    return m->before_ms != 0 && to_before < to_now && ahead;
}

static void follow_clock(struct engine *e, struct schedule *s) {
    struct schedule_mark *m = &s->mark;
    int64_t settled_ms = m->settled_ms;
    m->ahead_ms = m->ahead_ms == INT64_MAX ? wall_ahead_ms(e) : m->ahead_ms;
    if (llabs(wall_ahead_ms(e) - m->ahead_ms) >= SCHEDULE_LATE_MS) {
        m->settled_ms = undoes_step(e, m) ? m->before_ms : settled_ms;
        m->before_ms = settled_ms;
        m->before_ahead_ms = m->ahead_ms;
        m->ahead_ms = wall_ahead_ms(e);
    }
    if (m->settled_ms > e->wall_ms + CRON_BACK_MS) {
        m->settled_ms = e->wall_ms;
    }
    if (m->settled_ms != settled_ms) {
        char tick[CRON_UTC_BYTES];
        log_info("engine", "schedule \"%s\": the clock stepped; continuing from %s", s->conf->name,
                 cron_utc_text(m->settled_ms, tick));
    }
}

/* The host that fires the schedule. */
static uint16_t owner_of(const struct engine *e, const struct schedule *s) {
    return division_owner(&e->conf->hosts.share, owner_partition_of_schedule(s->conf->name));
}

static void look_ahead(struct engine *e, struct schedule *s) {
    bool ours = owner_of(e, s) == e->conf->hosts.share.place;
    s->next_ms = ours ? cron_next(&s->conf->ticks, s->conf->zone, s->mark.settled_ms) : INT64_MAX;
    e->schedules->next_ms = s->next_ms < e->schedules->next_ms ? s->next_ms : e->schedules->next_ms;
}

static void warn_of_clock(const struct engine *e, const struct schedule *s) {
    char tick[CRON_UTC_BYTES];
    if (s->mark.settled_ms > e->wall_ms + SCHEDULE_LATE_MS) {
        log_warn("engine",
                 "schedule \"%s\": the clock is behind its last tick, %s, and it waits until then",
                 s->conf->name, cron_utc_text(s->mark.settled_ms, tick));
    }
}

static int load_schedule(struct engine *e, struct schedule *s) {
    struct slice cron = slice_of(s->conf->cron);
    struct slice zone = slice_of(s->conf->timezone);
    s->mark = (struct schedule_mark){.ahead_ms = INT64_MAX};
    int code = journal_schedule_get(e->journal, s->conf->name, &s->mark);
    if (code != 0 && code != ERR_NOTFOUND) {
        return code;
    }
    bool goes_on =
        code == 0 && slice_equal(s->mark.cron, cron) && slice_equal(s->mark.timezone, zone);
    s->mark.cron = cron;
    s->mark.timezone = zone;
    if (!goes_on) {
        s->mark.settled_ms = e->wall_ms;
        s->mark.ahead_ms = wall_ahead_ms(e);
        s->mark.before_ms = 0;
        code = journal_schedule_put(e->journal, s->conf->name, &s->mark);
        if (code != 0) {
            return code;
        }
    }
    follow_clock(e, s);
    warn_of_clock(e, s);
    look_ahead(e, s);
    return 0;
}

int engine_schedule_status(const struct engine *e, size_t schedule,
                           struct engine_schedule_status *out) {
    if (schedule >= e->conf->schedule_count) {
        return ERR_NOTFOUND;
    }
    const struct schedule *s = &e->schedules->of[schedule];
    *out = (struct engine_schedule_status){.name = s->conf->name,
                                           .cron = s->conf->cron,
                                           .timezone = s->conf->timezone,
                                           .topic = s->conf->publish,
                                           .host = owner_of(e, s),
                                           .next_ms = s->next_ms,
                                           .last_ms = s->mark.last_ms,
                                           .last_id = s->mark.last_id,
                                           .runs = s->mark.runs};
    return 0;
}

int engine_load_schedules(struct engine *e) {
    int code = forget_others(e);
    e->schedules->next_ms = INT64_MAX;
    e->schedules->steps_followed = e->status.clock_steps;
    for (size_t i = 0; i < e->conf->schedule_count && code == 0; i++) {
        code = load_schedule(e, &e->schedules->of[i]);
    }
    return code;
}

/* The wall clock has stepped: adapts each schedule. */
static void step_schedules(struct engine *e) {
    e->schedules->next_ms = INT64_MAX;
    e->schedules->steps_followed = e->status.clock_steps;
    for (size_t i = 0; i < e->conf->schedule_count; i++) {
        struct schedule *s = &e->schedules->of[i];
        follow_clock(e, s);
        warn_of_clock(e, s);
        look_ahead(e, s);
    }
}

/* --- ticking --- */

/* Gives the tick an identity, so that a consumer recognizes a duplicate, whichever host sent it. */
static void describe(const struct engine *e, const struct schedule *s, const struct uuid *id,
                     const char *tick, struct buf *out) {
    struct buf once;
    buf_init(&once, NAME_BYTES_MAX + 64);
    buf_printf(&once, "schedule/%s/%s", s->conf->name, tick);
    property_add(out, slice_of("zingq-schedule"), slice_of(s->conf->name));
    property_add(out, slice_of("zingq-tick"), slice_of(tick));
    engine_add_marked(e, slice_of(s->conf->publish), id, "idempotency-key", buf_slice(&once), out);
    out->failed = out->failed || once.failed;
    buf_clear(&once);
}

static int publish(struct engine *e, struct schedule *s, int64_t tick_ms) {
    char tick[CRON_UTC_BYTES];
    struct buf properties;
    buf_init(&properties, 4096);
    struct uuid id = uuid_next(&e->ids, e->now_ms);
    describe(e, s, &id, cron_utc_text(tick_ms, tick), &properties);
    struct publication p = {.id = id,
                            .service = SERVICE_NONE,
                            .qos = 1,
                            .topic = slice_of(s->conf->publish),
                            .payload = slice_of(s->conf->payload),
                            .properties = buf_slice(&properties)};
    int code = properties.failed ? ERR_MEMORY : engine_note_publish(e, &p.id, 0);
    if (code == 0) {
        code = engine_publish(e, &p);
    }
    buf_clear(&properties);
    s->mark.last_ms = tick_ms;
    s->mark.last_id = p.id;
    s->mark.runs++;
    return code;
}

/* True if the host could not act on a tick in time. */
static bool is_missed(const struct engine *e, int64_t tick_ms) {
    int64_t late_ms = e->wall_ms - tick_ms;
    int64_t up_ms = (e->turn_us - e->started_us) / 1000;
    return late_ms > SCHEDULE_LATE_MS || late_ms > up_ms;
}

static int fire(struct engine *e, struct schedule *s) {
    char text[CRON_UTC_BYTES];
    int64_t tick_ms = cron_latest(&s->conf->ticks, s->conf->zone, s->mark.settled_ms, e->wall_ms);
    assert(tick_ms > s->mark.settled_ms);
    bool missed = is_missed(e, tick_ms);
    bool runs = !missed || s->conf->missed == MISSED_ONCE;
    if (missed || s->next_ms != tick_ms) {
        log_info("engine", "schedule \"%s\" missed ticks up to %s: %s", s->conf->name,
                 cron_utc_text(tick_ms, text), runs ? "it runs once" : "they are skipped");
    }
    int code = runs ? publish(e, s, tick_ms) : 0;
    s->mark.settled_ms = tick_ms;
    return code == 0 ? journal_schedule_put(e->journal, s->conf->name, &s->mark) : code;
}

int engine_fire_schedules(struct engine *e) {
    size_t left = engine_space_share(e, SCHEDULES_MAX);
    if (e->schedules->steps_followed != e->status.clock_steps) {
        step_schedules(e);
    }
    if (e->schedules->next_ms > e->wall_ms) {
        return 0;
    }
    e->schedules->next_ms = INT64_MAX;
    for (size_t i = 0; i < e->conf->schedule_count; i++) {
        struct schedule *s = &e->schedules->of[i];
        if (s->next_ms <= e->wall_ms && left > 0) {
            left--;
            int code = fire(e, s);
            if (code != 0) {
                return code;
            }
        }
        look_ahead(e, s);
    }
    return 0;
}
