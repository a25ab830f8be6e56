/*
 * telemetry.c - see host/telemetry.h.
 */
#include "host/telemetry.h"

#include "base/url.h"

int host_use_telemetry(struct host *h) {
    bool on = telemetry_is_on(&h->conf->telemetry);
    const struct otlp_options options = {.loop = &h->loop,
                                         .conf = &h->conf->telemetry,
                                         .instance = h->client_id,
                                         .memory = &h->memory};
    if (on && h->otlp == NULL) {
        return otlp_new(&h->otlp, &options);
    }
    if (on) {
        otlp_again(h->otlp);
    } else {
        otlp_end(h->otlp, NULL);
        h->otlp = NULL;
    }
    return 0;
}

void host_take_spans(void *ctx, struct slice spans, size_t count, uint64_t dropped) {
    struct host *h = ctx;
    if (h->otlp != NULL) { /* the engine starts before it */
        otlp_add(h->otlp, spans, count, dropped);
    }
}

static void close_own(uv_handle_t *handle, void *arg) {
    if (handle->data == arg && !uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

void host_end_telemetry(struct host *h) {
    bool ended = h->otlp == NULL;
    if (!ended) {
        uv_walk(&h->loop, close_own, h);
        otlp_end(h->otlp, &ended);
        h->otlp = NULL;
    }
    while (!ended) {
        (void)uv_run(&h->loop, UV_RUN_ONCE);
    }
}

void host_telemetry_status(const struct host *h, json_t *object) {
    struct otlp_state s;
    char url[URL_SHOWN_BYTES];
    if (h->otlp == NULL) {
        return;
    }
    otlp_look(h->otlp, &s);
    json_t *telemetry =
        json_pack("{s:s, s:I, s:I, s:I, s:s?}", "otlp", url_shown(h->conf->telemetry.otlp, url),
                  "sent", (json_int_t)s.sent, "waiting", (json_int_t)s.waiting, "dropped",
                  (json_int_t)s.dropped, "error", s.error);
    (void)json_object_set_new(object, "telemetry", telemetry);
}

void host_telemetry_metrics(const struct host *h, struct buf *out) {
    struct otlp_state s;
    if (h->otlp == NULL) {
        return;
    }
    otlp_look(h->otlp, &s);
    buf_printf(out,
               "# HELP zingq_spans_sent_total spans that telemetry.otlp has taken\n"
               "# TYPE zingq_spans_sent_total counter\nzingq_spans_sent_total %llu\n"
               "# HELP zingq_spans_dropped_total spans for which there was no room, or that "
               "telemetry.otlp refused\n"
               "# TYPE zingq_spans_dropped_total counter\nzingq_spans_dropped_total %llu\n"
               "# HELP zingq_spans_waiting spans that telemetry.otlp has not taken yet\n"
               "# TYPE zingq_spans_waiting gauge\nzingq_spans_waiting %zu\n"
               "# HELP zingq_telemetry_up 0: telemetry.otlp did not take the last request\n"
               "# TYPE zingq_telemetry_up gauge\nzingq_telemetry_up %d\n",
               (unsigned long long)s.sent, (unsigned long long)s.dropped, s.waiting,
               s.error == NULL ? 1 : 0);
}
