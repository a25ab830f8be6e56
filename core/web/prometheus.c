/*
 * prometheus.c - metrics as rows: a name, a type, a help text, and the source of the value.
 *
 * Names of services and schedules consist of letters, digits, - and _ (conf/conf.c checks it), so
 * labels need no escaping.
 */
#include "web/prometheus.h"

#include <math.h>
#include <stddef.h>

struct metric_row {
    const char *name, *type, *help;
    double (*of)(const struct engine_service_status *s);
};

static double lag(const struct engine_service_status *s) {
    return (double)books_waiting(&s->books);
}

static double dead(const struct engine_service_status *s) {
    return (double)s->books.dead;
}

static double needs_person(const struct engine_service_status *s) {
    return (double)s->books.needs_person;
}

static double running(const struct engine_service_status *s) {
    return (double)s->running;
}

static double retrying(const struct engine_service_status *s) {
    return (double)s->retrying;
}

static double sleeping(const struct engine_service_status *s) {
    return (double)s->sleeping;
}

static double queued(const struct engine_service_status *s) {
    return (double)s->queued;
}

static double tenants(const struct engine_service_status *s) {
    return (double)s->tenants;
}

static double keys_held(const struct engine_service_status *s) {
    return (double)s->keys_held;
}

static double bad_priorities(const struct engine_service_status *s) {
    return (double)s->bad_priorities;
}

static double paused(const struct engine_service_status *s) {
    return s->paused ? 1 : 0;
}

static double failure_rate(const struct engine_service_status *s) {
    return s->lately.failure_rate;
}

static double oldest(const struct engine_service_status *s) {
    return (double)s->oldest_ms / 1000;
}

static const struct metric_row service_rows[] = {
    {"zingq_lag", "gauge", "events accepted and not ended", lag},
    {"zingq_oldest_seconds", "gauge", "age of the oldest event that waits", oldest},
    {"zingq_dead", "gauge", "dead letters kept", dead},
    {"zingq_needs_person", "gauge", "of them: sagas half undone", needs_person},
    {"zingq_inflight", "gauge", "handlers under way", running},
    {"zingq_retrying", "gauge", "events put off after a failure", retrying},
    {"zingq_sleeping", "gauge", "events that sleep, wait or were put off by their handler",
     sleeping},
    {"zingq_queued", "gauge", "keys, or events without order, on disk until their turn", queued},
    {"zingq_tenants", "gauge", "tenants with events in memory, among which turns are dealt",
     tenants},
    {"zingq_keys_held", "gauge", "keys that may not start events now: key_rate, key_concurrency",
     keys_held},
    {"zingq_bad_priorities_total", "counter", "events whose priority could not be read",
     bad_priorities},
    {"zingq_paused", "gauge", "1 while handling is paused", paused},
    {"zingq_failure_ratio", "gauge", "failed share of the attempts of the last minute",
     failure_rate},
};

static void head(struct buf *out, const char *name, const char *type, const char *help) {
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_service_rows(struct engine *engine, struct buf *out) {
    for (size_t r = 0; r < sizeof service_rows / sizeof *service_rows; r++) {
        const struct metric_row *row = &service_rows[r];
        struct engine_service_status s;
        head(out, row->name, row->type, row->help);
        for (size_t i = 0; engine_shown_service(engine, &i, &s);) {
            buf_printf(out, "%s{service=\"%s\"} %.17g\n", row->name, s.name, row->of(&s));
        }
    }
}

/* The outcomes of zingq_events_total: each is one field of the books. */
static const struct outcome_row {
    const char *outcome;
    size_t offset;
} outcome_rows[] = {
    {"accepted", offsetof(struct books, accepted)},
    {"done", offsetof(struct books, done)},
    {"died", offsetof(struct books, died)},
    {"discarded", offsetof(struct books, discarded)},
    {"expired", offsetof(struct books, expired)},
    {"duplicate", offsetof(struct books, duplicates)},
    {"handed_over", offsetof(struct books, handed_over)},
    {"retried", offsetof(struct books, retries)},
    {"timed_out", offsetof(struct books, timeouts)},
    {"crashed", offsetof(struct books, crashes)},
    {"snoozed", offsetof(struct books, snoozes)},
    {"throttled", offsetof(struct books, throttles)},
};

static void write_outcomes(struct engine *engine, struct buf *out) {
    struct engine_service_status s;
    head(out, "zingq_events_total", "counter", "what became of events and attempts");
    for (size_t i = 0; engine_shown_service(engine, &i, &s);) {
        for (size_t r = 0; r < sizeof outcome_rows / sizeof *outcome_rows; r++) {
            const char *field = (const char *)&s.books + outcome_rows[r].offset;
            buf_printf(out, "zingq_events_total{service=\"%s\",outcome=\"%s\"} %llu\n", s.name,
                       outcome_rows[r].outcome, (unsigned long long)*(const uint64_t *)field);
        }
    }
}

/* Of services with priorities. */
static void write_priorities(struct engine *engine, struct buf *out) {
    struct engine_service_status s;
    head(out, "zingq_waiting_in_memory", "gauge", "events in memory that wait, by priority");
    for (size_t i = 0; engine_shown_service(engine, &i, &s);) {
        for (unsigned p = 0; s.ranks && p < PRIORITIES; p++) {
            buf_printf(out, "zingq_waiting_in_memory{service=\"%s\",priority=\"%u\"} %llu\n",
                       s.name, p, (unsigned long long)s.by_priority[p]);
        }
    }
}

static void write_kept(struct engine *engine, struct buf *out) {
    struct engine_service_status s;
    head(out, "zingq_kept_bytes", "gauge", "what a service keeps in the store beyond its events");
    for (size_t i = 0; engine_service_status(engine, i, &s) == 0; i++) {
        for (unsigned kind = 0; kind < RUN_QUOTAS; kind++) {
            buf_printf(out, "zingq_kept_bytes{service=\"%s\",kind=\"%s\"} %llu\n", s.name,
                       engine_quota_name((enum run_quota)kind), (unsigned long long)s.kept[kind]);
        }
    }
}

static void write_histogram(struct buf *out, const char *name, const char *label,
                            const struct histogram *h) {
    uint64_t seen = 0;
    const char *comma = label[0] == '\0' ? "" : ",";
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[i];
        if (i + 1 < HISTOGRAM_BUCKETS) {
            buf_printf(out, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, label, comma,
                       histogram_bound(i), (unsigned long long)seen);
        }
    }
    buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, label, comma,
               (unsigned long long)seen);
    buf_printf(out, "%s_sum%s%s%s %.6f\n", name, label[0] == '\0' ? "" : "{", label,
               label[0] == '\0' ? "" : "}", (double)h->sum_us / 1e6);
    buf_printf(out, "%s_count%s%s%s %llu\n", name, label[0] == '\0' ? "" : "{", label,
               label[0] == '\0' ? "" : "}", (unsigned long long)seen);
}

static void write_histograms(struct engine *engine, struct buf *out) {
    struct engine_service_status s;
    head(out, "zingq_handler_seconds", "histogram", "time of one attempt, waits included");
    for (size_t i = 0; engine_shown_service(engine, &i, &s);) {
        struct buf label;
        buf_init(&label, 256);
        buf_printf(&label, "service=\"%s\"", s.name);
        write_histogram(out, "zingq_handler_seconds", buf_str(&label), &s.handler);
        buf_clear(&label);
    }
}

static void write_schedules(struct engine *engine, struct buf *out) {
    struct engine_schedule_status s;
    head(out, "zingq_schedule_runs_total", "counter", "ticks of a schedule that ran");
    for (size_t i = 0; engine_schedule_status(engine, i, &s) == 0; i++) {
        buf_printf(out, "zingq_schedule_runs_total{schedule=\"%s\"} %llu\n", s.name,
                   (unsigned long long)s.runs);
    }
}

static void write_turns(struct engine *engine, struct buf *out) {
    struct engine_turns t;
    engine_look_at_turns(engine, &t);
    head(out, "zingq_turn_seconds_total", "counter", "time of the engine's thread in each phase");
    for (unsigned i = 0; i < PHASES; i++) {
        buf_printf(out, "zingq_turn_seconds_total{phase=\"%s\"} %.6f\n", phase_name((enum phase)i),
                   (double)t.total_us[i] / 1e6);
    }
    head(out, "zingq_turn_longest_seconds", "gauge", "longest stay in a phase, last 10 seconds");
    for (unsigned i = 0; i < PHASES; i++) {
        buf_printf(out, "zingq_turn_longest_seconds{phase=\"%s\"} %.6f\n",
                   phase_name((enum phase)i), (double)t.lately.longest_us[i] / 1e6);
    }
    head(out, "zingq_outbox_in_flight", "gauge", "publishes sent and not acknowledged");
    buf_printf(out, "zingq_outbox_in_flight %zu\n", t.in_flight);
    head(out, "zingq_outbox_window", "gauge", "how many of them the broker takes");
    buf_printf(out, "zingq_outbox_window %zu\n", t.window);
}

/* What is not foreseen has no line. */
static void write_forecasts(struct engine *engine, const struct admin *admin, struct buf *out) {
    struct engine_service_status s;
    double full_s = admin_full_s(admin);
    head(out, "zingq_clears_seconds", "gauge", "until its backlog is done, if it goes on falling");
    for (size_t i = 0; engine_shown_service(engine, &i, &s);) {
        double clears_s = admin_clears_s(admin, s.name);
        if (!isnan(clears_s)) {
            buf_printf(out, "zingq_clears_seconds{service=\"%s\"} %.0f\n", s.name, clears_s);
        }
    }
    head(out, "zingq_store_full_seconds", "gauge",
         "until the store accepts nothing, if it goes on growing");
    if (!isnan(full_s)) {
        buf_printf(out, "zingq_store_full_seconds %.0f\n", full_s);
    }
}

void prometheus_write(struct engine *engine, const struct admin *admin, struct buf *out) {
    struct engine_status s;
    engine_status(engine, &s);
    write_turns(engine, out);
    write_service_rows(engine, out);
    write_outcomes(engine, out);
    write_kept(engine, out);
    write_priorities(engine, out);
    write_histograms(engine, out);
    write_schedules(engine, out);
    write_forecasts(engine, admin, out);
    head(out, "zingq_commit_seconds", "histogram", "time of one commit, its fsync included");
    write_histogram(out, "zingq_commit_seconds", "", &s.commit);
    const struct {
        const char *name, *type, *help;
        double value;
    } figures[] = {
        {"zingq_outbox", "gauge", "publishes the broker has not acknowledged", (double)s.outbox},
        {"zingq_outbox_refused", "gauge", "of them refused by the broker",
         (double)s.outbox_refused},
        {"zingq_outbox_held", "gauge", "publishes behind a refused one of their key",
         (double)s.outbox_held},
        {"zingq_outbox_discarded_total", "counter", "refused publishes discarded past the quota",
         (double)s.outbox_discarded},
        {"zingq_append_waiting", "gauge", "lines of zing.append whose files cannot be written",
         (double)s.append_waiting},
        {"zingq_delayed", "gauge", "publishes waiting for their time", (double)s.delayed},
        {"zingq_qos0_total", "counter", "messages that came with QoS 0", (double)s.qos0},
        {"zingq_clock_steps_total", "counter", "steps of the wall clock of a second or more",
         (double)s.clock_steps},
        {"zingq_turns_total", "counter", "turns of the engine", (double)s.turns},
        {"zingq_store_used_bytes", "gauge", "pages of the store in use", (double)s.store_used},
        {"zingq_store_set_aside", "gauge", "records of the store that cannot be read",
         (double)s.set_aside},
        {"zingq_files_bytes", "gauge", "files of zing.append, a part of the store",
         (double)s.file_bytes},
        {"zingq_store_max_bytes", "gauge", "store.max_size", (double)s.store_max},
        {"zingq_accepts", "gauge", "0 while new events are held back", s.accepts ? 1 : 0},
    };
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        head(out, figures[i].name, figures[i].type, figures[i].help);
        buf_printf(out, "%s %.17g\n", figures[i].name, figures[i].value);
    }
}
