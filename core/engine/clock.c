/*
 * clock.c - engine time, and the wall clock beside it; docs/time.md.
 */
#include "engine/clock.h"

#include "base/log.h"
#include "base/slew.h"
#include "engine/impl.h"

#include <inttypes.h>
#include <stdlib.h>

struct clock {
    int64_t last_ms;               /* engine time given out last */
    int64_t ahead_of_boot_ms;      /* engine time minus CLOCK_BOOTTIME */
    int64_t wall_ahead_of_boot_ms; /* wall clock minus CLOCK_BOOTTIME, at the last look */
    struct slew slew;              /* with a shared clock: how engine time gets there */
    int64_t marked_ms; /* engine time of the turn that stored it last; 0 = not since the start */
};

enum {
    STEP_MS = 1000,
    MARK_MS = 60000 /* what engine time may lose on a machine whose clocks start anew */
};

static bool is_step(int64_t ms) {
    return ms <= -STEP_MS || ms >= STEP_MS;
}

static int64_t wall_ahead_of_boot_ms(const struct clock_reading *now) {
    return now->wall_ms - now->boottime_ms;
}

static int64_t engine_time(struct engine *e, const struct clock_reading *now) {
    if (now->shared) {
        e->clock->ahead_of_boot_ms =
            slew_ahead_ms(&e->clock->slew, now->boottime_ms, wall_ahead_of_boot_ms(now));
    }
    int64_t ms = now->boottime_ms + e->clock->ahead_of_boot_ms;
    e->clock->last_ms = ms > e->clock->last_ms ? ms : e->clock->last_ms;
    return e->clock->last_ms;
}

int64_t engine_now_ms(struct engine *e) {
    struct clock_reading now;
    e->doors.read_clocks(e->doors.ctx, &now);
    return engine_time(e, &now);
}

int64_t engine_wall_ahead_ms(struct engine *e) {
    struct clock_reading now;
    e->doors.read_clocks(e->doors.ctx, &now);
    return now.wall_ms - engine_time(e, &now);
}

static void show_clock(const struct clock_reading *now, int64_t engine_ms) {
    int64_t ahead_ms = now->wall_ms - engine_ms;
    clock_show_ahead(ahead_ms);
    if (is_step(ahead_ms)) {
        log_warn("engine", "%s clock is %" PRId64 " ms %s engine time, which %s",
                 now->shared ? "the database's" : "the wall", ahead_ms < 0 ? -ahead_ms : ahead_ms,
                 ahead_ms < 0 ? "behind" : "ahead of",
                 now->shared ? "runs slower until both are the same" : "continues where it was");
    }
}

int engine_start_clock(struct engine *e) {
    struct store *store = journal_store(e->journal);
    struct clock_mark mark;
    int code = store_begin(store);
    if (code != 0) {
        return code;
    }
    code = journal_clock_get(e->journal, &mark);
    store_abort(store);
    if (code != 0) {
        return code;
    }
    struct clock_reading now;
    e->doors.read_clocks(e->doors.ctx, &now);
    e->clock->last_ms = clock_resume(&mark, &now);
    e->clock->ahead_of_boot_ms = e->clock->last_ms - now.boottime_ms;
    e->clock->wall_ahead_of_boot_ms = wall_ahead_of_boot_ms(&now);
    slew_begin(&e->clock->slew, now.boottime_ms, e->clock->ahead_of_boot_ms);
    show_clock(&now, e->clock->last_ms);
    return 0;
}

bool engine_clock_stepped(struct engine *e) {
    struct clock_reading now;
    e->doors.read_clocks(e->doors.ctx, &now);
    return is_step(wall_ahead_of_boot_ms(&now) - e->clock->wall_ahead_of_boot_ms);
}

void engine_look_at_clock(struct engine *e) {
    struct clock_reading now;
    e->doors.read_clocks(e->doors.ctx, &now);
    e->now_ms = engine_time(e, &now);
    e->wall_ms = now.wall_ms;
    int64_t step_ms = wall_ahead_of_boot_ms(&now) - e->clock->wall_ahead_of_boot_ms;
    e->clock->wall_ahead_of_boot_ms += step_ms;
    clock_show_ahead(e->wall_ms - e->now_ms);
    if (is_step(step_ms)) {
        e->status.clock_steps++;
        log_warn("engine", "%s clock stepped %s by %" PRId64 " ms: schedules and `at` follow it%s",
                 now.shared ? "the database's" : "the wall", step_ms < 0 ? "back" : "ahead",
                 step_ms < 0 ? -step_ms : step_ms,
                 now.shared ? " at once, engine time slowly" : ", nothing else");
    }
}

int engine_mark_clock(struct engine *e) {
    struct clock_mark mark;
    e->doors.read_clocks(e->doors.ctx, &mark.at);
    mark.engine_ms = engine_time(e, &mark.at);
    return journal_clock_put(e->journal, &mark);
}

void engine_clock_stored(struct engine *e) {
    e->clock->marked_ms = e->now_ms;
}

bool engine_clock_mark_is_old(const struct engine *e) {
    return e->now_ms >= e->clock->marked_ms + MARK_MS;
}

int engine_make_clock(struct engine *e) {
    e->clock = calloc(1, sizeof *e->clock);
    return e->clock == NULL ? ERR_MEMORY : 0;
}

void engine_free_clock(struct engine *e) {
    free(e->clock);
}
