/*
 * forward_tell.c - what waits for other hosts, for status, the metrics and the log.
 */
#include "host/forward.h"

#include <inttypes.h>

/* The next other host after *n (start with 0), and what waits for it; false at the end. */
static bool next_host(const struct host *h, uint16_t *n, struct forwards_state *state) {
    const struct division *d = &h->conf->hosts.share;
    do {
        ++*n;
    } while (*n == d->place);
    if (*n <= d->count) {
        engine_look_at_forwards(h->engine, *n, state);
    }
    return *n <= d->count;
}

static int64_t waited_ms(const struct host *h, const struct forwards_state *state) {
    int64_t ms = state->oldest_ms == 0 ? 0 : engine_now_ms(h->engine) - state->oldest_ms;
    return ms < 0 ? 0 : ms;
}

void host_forward_status(const struct host *h, json_t *object) {
    struct forwards_state state;
    json_t *list = json_array();
    for (uint16_t n = 0; list != NULL && next_host(h, &n, &state);) {
        (void)json_array_append_new(
            list, json_pack("{s:i, s:I, s:I, s:b, s:b, s:I}", "host", (int)n, "waiting",
                            (json_int_t)state.rows, "oldest_ms", (json_int_t)waited_ms(h, &state),
                            "up", (int)state.up, "stalled", (int)state.stalled, "forwarded",
                            (json_int_t)state.receipts));
    }
    (void)json_object_set_new(object, "forwards", list);
}

/* One line per host. */
static void add_gauge(const struct host *h, struct buf *out, const char *name, const char *help,
                      const char *type,
                      double (*value)(const struct host *h, const struct forwards_state *state)) {
    struct forwards_state state;
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
    for (uint16_t n = 0; next_host(h, &n, &state);) {
        buf_printf(out, "%s{host=\"%u\"} %.15g\n", name, (unsigned)n, value(h, &state));
    }
}

static double rows(const struct host *h, const struct forwards_state *state) {
    (void)h;
    return (double)state->rows;
}

static double oldest(const struct host *h, const struct forwards_state *state) {
    return (double)waited_ms(h, state) / 1000;
}

static double receipts(const struct host *h, const struct forwards_state *state) {
    (void)h;
    return (double)state->receipts;
}

static double again(const struct host *h, const struct forwards_state *state) {
    (void)h;
    return (double)state->again;
}

void host_forward_metrics(const struct host *h, struct buf *out) {
    struct engine_status s;
    engine_status(h->engine, &s);
    add_gauge(h, out, "zingq_forward_waiting", "events that wait for the host that owns their keys",
              "gauge", rows);
    add_gauge(h, out, "zingq_forward_oldest_seconds", "age of the oldest of them", "gauge", oldest);
    add_gauge(h, out, "zingq_forwards_total", "events that host has stored, by its receipts",
              "counter", receipts);
    add_gauge(h, out, "zingq_forwards_again_total",
              "messages sent again because no receipt arrived", "counter", again);
    buf_printf(
        out,
        "# HELP zingq_forwards_taken_total events taken from other hosts\n"
        "# TYPE zingq_forwards_taken_total counter\nzingq_forwards_taken_total %" PRIu64 "\n"
        "# HELP zingq_forwards_repeated_total events from other hosts that were repeated or too "
        "early\n"
        "# TYPE zingq_forwards_repeated_total counter\n"
        "zingq_forwards_repeated_total %" PRIu64 "\n"
        "# HELP zingq_forwards_refused_total messages from other hosts that were not understood\n"
        "# TYPE zingq_forwards_refused_total counter\n"
        "zingq_forwards_refused_total %" PRIu64 "\n",
        s.forwards_taken, s.forwards_repeated, s.forwards_refused);
}

/* A host that is away holds up only its own keys: this one stays ready. */
void host_each_forward(const struct host *h, host_tell *tell, void *ctx) {
    struct forwards_state state;
    struct report r;
    for (uint16_t n = 0; next_host(h, &n, &state);) {
        if (state.rows > 0 && (!state.up || state.stalled)) {
            (void)report(
                &r, 0, "%" PRIu64 " events wait for host %u, %s; the oldest for %" PRId64 " s",
                state.rows, (unsigned)n, state.up ? "which sends no receipts" : "which is down",
                waited_ms(h, &state) / 1000);
            tell(ctx, false, r.text);
        }
    }
}
