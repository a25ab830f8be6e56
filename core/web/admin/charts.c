/*
 * charts.c - GET /api/history: what the charts show.
 *
 * A day of many services does not fit one answer: it is given in pages, which end between two services.
 */
#include "web/admin/impl.h"

#include "base/clock.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Of a page after the first, "END.INDEX": all pages end with the same step, and each begins with another
 * series. False: it is not that. */
static bool take_place(struct reading *r) {
    const char *place = gateway_query(r->request, "before");
    uint64_t end = 0;
    uint64_t index = 0;
    if (place == NULL) {
        return true;
    }
    place = admin_parse_number(place, 10, r->of.history.end, '.', &end);
    place = admin_parse_number(place, 10, HISTORY_SERIES_MAX, '\0', &index);
    if (place == NULL || end <= history_scales[r->of.history.range].steps) {
        return false;
    }
    r->of.history.end = (uint32_t)end;
    r->at = index;
    return true;
}

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
    if (!take_place(r)) {
        (void)report(report_out, ERR_INVALID, "before must be the value of Zingq-Next");
        return 400;
    }
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
        if (history_kind_of(s) != HISTORY_SERVICE && r->text[0] == NULL && r->at == 0) {
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
    const struct history_series *s = history_series(a->history, r->at);
    if (s != NULL && !admin_read_full(r)) {
        add_service(r, s);
        r->at++;
        return 0;
    }
    if (s != NULL) {
        (void)snprintf(r->next, sizeof r->next, "%" PRIu32 ".%zu", r->of.history.end, r->at);
    }
    buf_add_str(&r->out, "}}");
    return ERR_NOTFOUND;
}

static void clear(struct reading *r) {
    (void)r;
}

void admin_show_history(void *ctx, const struct call *call) {
    static const struct reading_kind kind = {
        READING_ITEMS_MAX, false, NULL, begin, step, NULL, clear};
    admin_read_as(ctx, &kind, call);
}
