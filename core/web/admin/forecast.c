/*
 * forecast.c - a straight line through the figures of the last minutes, where they are nearly one.
 */
#include "web/admin/forecast.h"

#include "web/admin/impl.h"

#include "base/clock.h"
#include "base/limits.h"

#include <math.h>

/* In steps: of the shortest trend, and how old the newest figure may be. */
enum { TREND_LEAST = 12, TREND_FRESH = 3 };

/* Sums for a straight line through the points (seconds before now, figure). */
struct line {
    unsigned count;
    double x, y, xx, xy, yy;
};

static void add_point(struct line *line, double x, double y) {
    line->count++;
    line->x += x;
    line->y += y;
    line->xx += x * x;
    line->xy += x * y;
    line->yy += y * y;
}

/* In how many seconds the line reaches 0; NAN: it does not, or is hardly a line. */
static double end_of(const struct line *l, double last) {
    static const double steadiness = 0.7; /* of the changes, the share that the line explains */
    double n = l->count;
    double xx = n * l->xx - l->x * l->x;
    double xy = n * l->xy - l->x * l->y;
    double yy = n * l->yy - l->y * l->y;
    bool falls = l->count >= TREND_LEAST && xy < 0 && xy * xy >= steadiness * xx * yy;
    return falls ? last / -(xy / xx) : NAN;
}

static double fit(const struct history_series *s, unsigned figure, uint32_t now, uint32_t steps) {
    const uint32_t step_s = history_scales[HISTORY_15_MINUTES].step_s;
    struct line line = {0};
    float last = NAN;
    for (uint32_t i = steps; i > 0; i--) {
        float value = history_figure(s, HISTORY_15_MINUTES, now - i, figure);
        if (!isnan(value)) {
            add_point(&line, -(double)i * step_s, value);
            last = i <= TREND_FRESH ? value : last;
        }
    }
    return last > 0 ? end_of(&line, last) : NAN;
}

/* Of shorter and shorter times, the first in which it falls steadily: what was before a burst says
 * nothing of what comes after it. */
double forecast_empty_s(const struct history *h, enum history_kind kind, const char *name,
                        unsigned figure, int64_t now_ms) {
    const struct history_series *s = history_find(h, kind, name);
    uint32_t now = (uint32_t)(now_ms / 1000) / history_scales[HISTORY_15_MINUTES].step_s;
    double empty_s = NAN;
    for (uint32_t steps = HISTORY_TREND_STEPS; s != NULL && isnan(empty_s) && steps >= TREND_LEAST;
         steps /= 2) {
        empty_s = fit(s, figure, now, steps);
    }
    return empty_s > FORECAST_S_MAX ? NAN : empty_s;
}

double admin_clears_s(const struct admin *a, const char *service) {
    return forecast_empty_s(a->history, HISTORY_SERVICE, service, SERVICE_READY, clock_wall_ms());
}

double admin_full_s(const struct admin *a) {
    return forecast_empty_s(a->history, HISTORY_ROOM, "", ROOM_LEFT, clock_wall_ms());
}
