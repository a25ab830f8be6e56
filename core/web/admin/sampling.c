/*
 * sampling.c - a look at the engine every 5 seconds for the charts, and GET /api/history.
 *
 * Steps are those of the wall clock. A rate is what a total has grown by since the last look, so the
 * first look after a start, and the first at a service, only remember the totals.
 */
#include "web/admin/impl.h"

#include "base/clock.h"

#include <assert.h>
#include <inttypes.h>
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

/* --- forecasts --- */

static double foresee(const struct admin *a, enum history_kind kind, const char *name,
                      unsigned figure) {
    double s = history_empty_s(a->history, kind, name, figure, clock_wall_ms());
    return s > FORECAST_S_MAX ? NAN : s;
}

double admin_clears_s(const struct admin *a, const char *service) {
    return foresee(a, HISTORY_SERVICE, service, SERVICE_READY);
}

double admin_full_s(const struct admin *a) {
    return foresee(a, HISTORY_ROOM, "", ROOM_LEFT);
}

void admin_write_metrics(struct admin *a, struct buf *out) {
    struct engine_service_status s;
    double full_s = admin_full_s(a);
    buf_add_str(out,
                "# HELP zingq_clears_seconds until its backlog is done, if it goes on falling\n"
                "# TYPE zingq_clears_seconds gauge\n");
    for (size_t i = 0; engine_shown_service(a->engine, &i, &s);) {
        double clears_s = admin_clears_s(a, s.name);
        if (!isnan(clears_s)) {
            buf_printf(out, "zingq_clears_seconds{service=\"%s\"} %.0f\n", s.name, clears_s);
        }
    }
    buf_add_str(out,
                "# HELP zingq_store_full_seconds until the store accepts nothing, if it goes on "
                "growing\n# TYPE zingq_store_full_seconds gauge\n");
    if (!isnan(full_s)) {
        buf_printf(out, "zingq_store_full_seconds %.0f\n", full_s);
    }
}

/* --- GET /api/history --- */

static int begin(struct admin *a, struct reading *r, const char *name, struct report *report_out) {
    (void)a;
    (void)name;
    const char *range = gateway_query(r->request, "range");
    const char *service = gateway_query(r->request, "service");
    size_t i = range == NULL ? HISTORY_15_MINUTES : 0;
    while (range != NULL && i < HISTORY_RANGES && strcmp(range, history_scales[i].name) != 0) {
        i++;
    }
    if (i == HISTORY_RANGES) {
        (void)report(report_out, ERR_INVALID, "range is \"15m\" or \"24h\"");
        return 400;
    }
    r->text[0] = service == NULL ? NULL : slice_dup(slice_of(service));
    if (service != NULL && r->text[0] == NULL) {
        (void)report(report_out, ERR_MEMORY, "%s", error_text(ERR_MEMORY));
        return 503;
    }
    r->of.history.range = (enum history_range)i;
    r->of.history.end = (uint32_t)(clock_wall_ms() / 1000) / history_scales[i].step_s;
    return 0;
}

static void add_figure(struct reading *r, const struct history_series *s, unsigned figure) {
    const struct history_scale *scale = &history_scales[r->of.history.range];
    for (uint32_t i = scale->steps; i > 0; i--) {
        float value = history_figure(s, r->of.history.range, r->of.history.end - i, figure);
        buf_add_str(&r->out, i == scale->steps ? "[" : ",");
        if (isnan(value)) {
            buf_add_str(&r->out, "null");
        } else {
            buf_printf(&r->out, "%.7g", (double)value);
        }
    }
    buf_add_str(&r->out, "]");
}

/* The members of an object, each with a comma before it but the first. */
static void add_series(struct reading *r, const struct history_series *s, bool *first) {
    const char *name;
    for (unsigned i = 0; (name = history_figure_name(history_kind_of(s), i)) != NULL; i++) {
        buf_printf(&r->out, "%s\"%s\":", *first ? "" : ",", name);
        add_figure(r, s, i);
        *first = false;
    }
}

static void add_host(struct admin *a, struct reading *r) {
    const struct history_scale *scale = &history_scales[r->of.history.range];
    const struct history_series *s;
    bool first = true;
    buf_printf(&r->out, "{\"range\":\"%s\",\"step\":%" PRIu32 ",\"from\":%" PRIu64 ",\"host\":{",
               scale->name, scale->step_s,
               (uint64_t)(r->of.history.end - scale->steps) * scale->step_s);
    for (size_t i = 0; (s = history_series(a->history, i)) != NULL; i++) {
        if (history_kind_of(s) != HISTORY_SERVICE && r->text[0] == NULL) {
            add_series(r, s, &first);
        }
    }
    buf_add_str(&r->out, "},\"services\":{");
}

static void add_service(struct reading *r, const struct history_series *s) {
    const char *name = history_name_of(s);
    bool first = true;
    if (history_kind_of(s) != HISTORY_SERVICE || name[0] == '\0' ||
        (r->text[0] != NULL && strcmp(r->text[0], name) != 0) ||
        !history_is_known(s, r->of.history.range, r->of.history.end)) {
        return;
    }
    buf_printf(&r->out, "%s\"%s\":{", r->items++ == 0 ? "" : ",", name);
    add_series(r, s, &first);
    buf_add_str(&r->out, "}");
}

static int step(struct admin *a, struct reading *r) {
    if (!r->collected) {
        r->collected = true;
        add_host(a, r);
        return 0;
    }
    const struct history_series *s = history_series(a->history, r->at++);
    if (s == NULL) {
        buf_add_str(&r->out, "}}");
        return ERR_NOTFOUND;
    }
    add_service(r, s);
    return 0;
}

static void clear(struct reading *r) {
    (void)r;
}

void admin_show_history(void *ctx, const struct call *call) {
    static const struct reading_kind kind = {1, false, begin, step, clear};
    admin_read_as(ctx, &kind, call);
}
