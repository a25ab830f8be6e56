/*
 * sampling.c - a look at the engine every 5 seconds, for the history.
 *
 * Steps are those of the wall clock. A rate is what a total has grown by since the last look, so the
 * first look after a start, and the first at a service, only remember the totals.
 */
#include "web/admin/impl.h"

#include "base/clock.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a service had counted when it was last looked at. */
struct total {
    char name[NAME_BYTES_MAX + 1];
    uint64_t look; /* the number of that look */
    uint64_t done, failed;
};

struct sampling {
    uint64_t look; /* their number */
    int64_t wall_ms, loop_ms;
    uint64_t commits, commit_us;
    struct total totals[HISTORY_SERIES_MAX];
    size_t count;
};

/* --- looking --- */

struct look {
    struct sampling *sampling;
    struct history *history;
    int64_t from_ms, to_ms; /* wall clock */
    double seconds;         /* 0 = there is nothing to compare with */
    float sums[HISTORY_FIGURES];
};

/* NULL: there are too many. */
static struct total *total_of(struct sampling *s, const char *name) {
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->totals[i].name, name) == 0) {
            return &s->totals[i];
        }
    }
    if (s->count == HISTORY_SERIES_MAX) {
        return NULL;
    }
    struct total *total = &s->totals[s->count++];
    (void)snprintf(total->name, sizeof total->name, "%s", name);
    return total;
}

/* Replaces the total by what it is now. */
static float grown(const struct look *look, uint64_t *total, uint64_t now, bool known) {
    uint64_t then = *total;
    *total = now;
    return known && now >= then ? (float)((double)(now - then) / look->seconds) : NAN;
}

static void look_at_service(struct look *look, const struct engine_service_status *s) {
    struct total *total = total_of(look->sampling, s->name);
    uint64_t waiting = books_waiting(&s->books);
    uint64_t put_off = s->retrying + s->sleeping;
    bool ended = s->lately.done_1min > 0 || s->lately.p99_us > 0; /* 0 is less than a tick */
    if (total == NULL) {
        return;
    }
    bool known = look->seconds > 0 && total->look + 1 == look->sampling->look;
    total->look = look->sampling->look;
    float figures[HISTORY_FIGURES] = {
        [SERVICE_RATE] = grown(look, &total->done, s->books.done, known),
        [SERVICE_FAILURES] = grown(look, &total->failed, s->books.retries + s->books.died, known),
        [SERVICE_WAITING] = (float)waiting,
        [SERVICE_DEAD] = (float)s->books.dead,
        [SERVICE_P50] = ended ? (float)s->lately.p50_us : NAN,
        [SERVICE_P99] = ended ? (float)s->lately.p99_us : NAN,
        [SERVICE_READY] = (float)(waiting > put_off ? waiting - put_off : 0)};
    if (known) {
        history_note(look->history, HISTORY_SERVICE, s->name, look->from_ms, look->to_ms, figures);
    }
    static const unsigned pairs[][2] = {{HOST_RATE, SERVICE_RATE},
                                        {HOST_FAILURES, SERVICE_FAILURES},
                                        {HOST_WAITING, SERVICE_WAITING},
                                        {HOST_DEAD, SERVICE_DEAD}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        float value = figures[pairs[i][1]];
        look->sums[pairs[i][0]] += isnan(value) ? 0 : value;
    }
}

static void look_at_host(struct look *look, const struct engine_status *status) {
    struct sampling *s = look->sampling;
    uint64_t commits = status->commits - s->commits;
    uint64_t commit_us = status->commit.sum_us - s->commit_us;
    s->commits = status->commits;
    s->commit_us = status->commit.sum_us;
    if (look->seconds > 0) {
        look->sums[HOST_OUTBOX] = (float)status->outbox;
        look->sums[HOST_DELAYED] = (float)status->delayed;
        look->sums[HOST_COMMIT] = commits == 0 ? NAN : (float)commit_us / (float)commits;
        const float room[HISTORY_FIGURES] = {[ROOM_STORE] = (float)status->store_used,
                                             [ROOM_LEFT] = (float)status->store_room,
                                             [ROOM_LUA] = (float)status->lua_bytes};
        history_note(look->history, HISTORY_HOST, "", look->from_ms, look->to_ms, look->sums);
        history_note(look->history, HISTORY_ROOM, "", look->from_ms, look->to_ms, room);
    }
}

/* Of the time since the last look, what really passed: not what a step of the clock made up. */
static void measure(struct look *look, int64_t wall_ms, int64_t loop_ms) {
    struct sampling *s = look->sampling;
    int64_t passed_ms = loop_ms - s->loop_ms;
    look->to_ms = wall_ms;
    look->from_ms = s->wall_ms > wall_ms - passed_ms ? s->wall_ms : wall_ms - passed_ms;
    if (s->look > 0 && look->from_ms >= 0 && look->from_ms < wall_ms) {
        look->seconds = (double)passed_ms / 1000;
    }
    s->wall_ms = wall_ms;
    s->loop_ms = loop_ms;
    s->look++;
}

static void take_sample(struct admin *a, int64_t wall_ms) {
    struct look look = {.sampling = a->sampling, .history = a->history};
    struct engine_service_status service;
    struct engine_status status;
    measure(&look, wall_ms, clock_monotonic_ms());
    for (size_t i = 0; engine_shown_service(a->engine, &i, &service);) {
        look_at_service(&look, &service);
    }
    engine_status(a->engine, &status);
    look_at_host(&look, &status);
}

/* At the end of each step. */
static void on_time(uv_timer_t *timer) {
    struct admin *a = timer->data;
    int64_t step_ms = (int64_t)history_scales[HISTORY_15_MINUTES].step_s * 1000;
    int64_t now_ms = clock_wall_ms();
    if (now_ms / step_ms != a->sampling->wall_ms / step_ms) { /* not a moment too early */
        take_sample(a, now_ms);
    }
    int started =
        uv_timer_start(&a->sampling_timer, on_time, (uint64_t)(step_ms - now_ms % step_ms), 0);
    assert(started == 0);
}

int admin_start_sampling(struct admin *a) {
    a->sampling = calloc(1, sizeof *a->sampling);
    int code =
        a->sampling == NULL ? ERR_MEMORY : history_open(&a->history, a->options.conf->store_path);
    if (code == 0) {
        int started = uv_timer_start(&a->sampling_timer, on_time, 0, 0);
        assert(started == 0);
    }
    return code;
}

void admin_stop_sampling(struct admin *a) {
    history_close(a->history);
    free(a->sampling);
}
