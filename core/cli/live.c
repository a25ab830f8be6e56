/*
 * live.c - see cli/live.h.
 */
#include "cli/live.h"

#include "base/about.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/memory.h"
#include "cli/json.h"
#include "cli/table.h"
#include "cli/text.h"

#include <string.h>

/* A number / a text of an object; 0 / "?" when it has none. */
static json_int_t figure(const json_t *object, const char *name) {
    return json_integer_value(json_object_get(object, name));
}

static const char *word(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "?" : text;
}

/* ---- the host ---- */

static void print_line(FILE *out, struct buf *text) {
    struct buf safe;
    buf_init(&safe, 65536);
    text_add_safe(&safe, buf_slice(text));
    (void)fprintf(out, "%s\n", buf_str(&safe));
    buf_clear(&safe);
    buf_reset(text);
}

static void add_uptime(struct buf *out, json_int_t ms) {
    char text[32];
    buf_add_str(out, conf_duration_text(ms - ms % 1000, text));
}

/* And a line for each thing to look at. */
static void print_verdict(FILE *out, struct buf *line, const json_t *status) {
    const json_t *verdict = json_object_get(status, "verdict");
    const char *level = word(verdict, "level");
    size_t i;
    json_t *one;
    if (verdict == NULL) {
        return;
    }
    buf_printf(line, "verdict %s%s", strcmp(level, "bad") == 0 ? "BAD, " : "",
               word(verdict, "text"));
    print_line(out, line);
    json_array_foreach(json_object_get(verdict, "sentences"), i, one) {
        const char *service = json_string_value(json_object_get(one, "service"));
        const char *command = json_string_value(json_object_get(one, "command"));
        const char *more = json_string_value(json_object_get(one, "more"));
        buf_printf(line, "warning %s%s%s", service == NULL ? "" : service,
                   service == NULL ? "" : ": ", word(one, "text"));
        if (more != NULL) {
            buf_add_str(line, ": ");
            buf_add_slice(line, slice_first_line(slice_of(more)));
        }
        if (command != NULL) {
            buf_printf(line, ": %s", command);
        }
        print_line(out, line);
    }
}

/* "connected" may not be enough: the warnings below it name what is missing. */
static const char *broker_word(const json_t *host) {
    const json_t *ready = json_object_get(host, "ready");
    if (!json_is_true(json_object_get(host, "connected"))) {
        return "NOT CONNECTED";
    }
    return figure(host, "subscriptions_refused") > 0 ? "connected, SUBSCRIPTIONS REFUSED"
           : ready != NULL && json_is_false(ready)   ? "connected, NOT READY"
                                                     : "connected";
}

static void add_member(struct buf *out, const json_t *one, size_t at) {
    const json_t *held = json_object_get(one, "held");
    buf_printf(out, "%s %s", at == 0 ? "hosts  " : "       ", word(one, "host"));
    if (figure(one, "count") > 1) {
        buf_printf(out, ", number %lld of %lld in \"%s\"", (long long)figure(one, "this"),
                   (long long)figure(one, "count"), word(one, "group"));
    }
    buf_printf(out, ", %s", word(one, "state"));
    if (json_is_true(json_object_get(one, "self"))) {
        buf_add_str(out, " (this host)");
    }
    if (figure(one, "stood_in_by") > 0) {
        buf_printf(out, ", host %lld stands in", (long long)figure(one, "stood_in_by"));
    }
    for (size_t i = 0; i < json_array_size(held); i++) {
        buf_printf(out, "%s\"%s\"", i == 0 ? ", holds " : ", ",
                   json_string_value(json_array_get(held, i)));
    }
}

/* A host without others and without a division prints nothing about hosts. */
static void print_members(FILE *out, const json_t *status) {
    const json_t *hosts = json_object_get(status, "hosts");
    bool divided = figure(json_array_get(hosts, 0), "count") > 1;
    struct buf line;
    size_t i;
    json_t *one;
    buf_init(&line, 65536);
    json_array_foreach(hosts, i, one) {
        if (divided || json_array_size(hosts) > 1) {
            add_member(&line, one, i);
            print_line(out, &line);
        }
    }
    buf_clear(&line);
}

static void print_running(FILE *out, struct buf *line, const json_t *host) {
    buf_add_str(line, "host    running for ");
    add_uptime(line, figure(host, "uptime_ms"));
    buf_printf(line, ", process %lld, zingq %s", (long long)figure(host, "pid"),
               word(host, "version"));
    const json_t *cluster = json_object_get(host, "cluster");
    if (cluster != NULL) {
        buf_printf(line, ", shard %lld of \"%s\" on \"%s\"", (long long)figure(cluster, "shard"),
                   word(cluster, "name"), word(cluster, "host"));
    }
    print_line(out, line);
}

static void print_conf(FILE *out, struct buf *line, const json_t *host) {
    buf_printf(line, "conf    %s, read ", word(host, "conf"));
    text_add_time(line, figure(host, "conf_read_ms"), false);
    print_line(out, line);
}

static void print_broker(FILE *out, struct buf *line, const json_t *host) {
    const char *why = word(host, "broker_error");
    buf_printf(line, "broker  %s %s", word(host, "broker"), broker_word(host));
    if (!json_is_true(json_object_get(host, "connected")) && why[0] != '\0') {
        buf_printf(line, ": %s", why);
    }
    if (figure(host, "broker_dropped") > 0) {
        buf_printf(line, ", HAS DROPPED %lld messages since it started",
                   (long long)figure(host, "broker_dropped"));
    }
    print_line(out, line);
}

static void print_outbox(FILE *out, struct buf *line, const json_t *engine) {
    buf_printf(line, "outbox  %lld waiting for the broker, %lld delayed",
               (long long)figure(engine, "outbox"), (long long)figure(engine, "delayed"));
    print_line(out, line);
    if (figure(engine, "outbox_refused") > 0) {
        buf_printf(
            line,
            "        %lld REFUSED BY THE BROKER, %lld held behind them; the first is for %s: "
            "zingq outbox list --refused",
            (long long)figure(engine, "outbox_refused"), (long long)figure(engine, "outbox_held"),
            word(engine, "refused_topic"));
        print_line(out, line);
    }
    if (figure(engine, "outbox_discarded") > 0) {
        buf_printf(line,
                   "        %lld refused publishes were DISCARDED because there were too many",
                   (long long)figure(engine, "outbox_discarded"));
        print_line(out, line);
    }
}

static void print_databases(FILE *out, struct buf *line, const json_t *host) {
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(host, "databases"), i, one) {
        buf_printf(line, "%s %s: %lld of %lld connections, %lld busy, %lld statements wait%s",
                   i == 0 ? "sql    " : "       ", word(one, "name"),
                   (long long)figure(one, "open"), (long long)figure(one, "pool"),
                   (long long)figure(one, "busy"), (long long)figure(one, "waiting"),
                   json_is_string(json_object_get(one, "error")) ? ", NOT REACHED" : "");
        print_line(out, line);
    }
}

static void print_log(FILE *out, struct buf *line, const json_t *host) {
    const json_t *log = json_object_get(host, "log");
    if (log == NULL) {
        return;
    }
    buf_printf(line, "log     %s in PostgreSQL%s, turn %lld, the last one took %.1f ms",
               word(log, "name"), json_is_true(json_object_get(log, "up")) ? "" : " NOT REACHED",
               (long long)figure(log, "turn"), (double)figure(log, "append_us") / 1000);
    if (figure(log, "doubts") > 0) {
        buf_printf(line, ", %lld without an answer", (long long)figure(log, "doubts"));
    }
    print_line(out, line);
}

void live_print_host(FILE *out, const json_t *status) {
    const json_t *host = json_object_get(status, "host");
    const json_t *engine = json_object_get(status, "engine");
    struct buf line;
    buf_init(&line, 16384);
    if (host == NULL) {
        buf_add_str(&line, "host    not running");
        print_line(out, &line);
    } else {
        print_verdict(out, &line, status);
        print_running(out, &line, host);
        print_conf(out, &line, host);
        print_broker(out, &line, host);
        print_members(out, status);
        print_outbox(out, &line, engine);
        print_databases(out, &line, host);
        print_log(out, &line, host);
    }
    buf_clear(&line);
}

/* ---- what it has in use ---- */

/* What the host has in use of limits.memory. */
static void print_memory(FILE *out, const json_t *status) {
    const json_t *memory = json_object_get(json_object_get(status, "host"), "memory");
    struct buf line;
    if (memory == NULL) {
        return;
    }
    buf_init(&line, 1024);
    buf_add_str(&line, "memory  ");
    text_add_bytes(&line, (uint64_t)json_integer_value(json_object_get(memory, "used")));
    buf_add_str(&line, " of ");
    text_add_bytes(&line, (uint64_t)json_integer_value(json_object_get(memory, "limit")));
    for (unsigned use = 0; use < MEMORY_USES; use++) {
        const char *name = memory_use_name((enum memory_use)use);
        buf_printf(&line, "%s %s ", use == 0 ? ":" : ",", name);
        text_add_bytes(&line, (uint64_t)json_integer_value(json_object_get(memory, name)));
    }
    print_line(out, &line);
    buf_clear(&line);
}

/* What the host has found its disk to be, if a busy host waits for it. */
static void print_disk(FILE *out, const json_t *status) {
    const json_t *disk = json_object_get(json_object_get(status, "host"), "disk");
    long long linger_ms = json_integer_value(json_object_get(disk, "linger_ms"));
    long long sync_us = json_integer_value(json_object_get(disk, "sync_us"));
    if (linger_ms > LINGER_MS_MIN) {
        (void)fprintf(out,
                      "disk    a commit waits %lld ms for more while many messages arrive "
                      "(store.linger)",
                      linger_ms);
        if (sync_us > 0) {
            (void)fprintf(out, "; a write takes %.1f ms", (double)sync_us / 1000);
        }
        (void)fprintf(out, "\n");
    }
}

/* Spans on their way to telemetry.otlp. */
static void print_spans(FILE *out, const json_t *status) {
    const json_t *t = json_object_get(json_object_get(status, "host"), "telemetry");
    const char *otlp = json_string_value(json_object_get(t, "otlp"));
    const char *error = json_string_value(json_object_get(t, "error"));
    struct buf line;
    if (otlp == NULL) {
        return;
    }
    buf_init(&line, 1024);
    buf_printf(&line, "spans   %lld sent, %lld waiting, %lld dropped; to %.300s",
               json_integer_value(json_object_get(t, "sent")),
               json_integer_value(json_object_get(t, "waiting")),
               json_integer_value(json_object_get(t, "dropped")), otlp);
    if (error != NULL) {
        buf_printf(&line, ", which does not take them: %.300s", error);
    }
    print_line(out, &line);
    buf_clear(&line);
}

void live_print_use(FILE *out, const json_t *status) {
    print_memory(out, status);
    print_disk(out, status);
    print_spans(out, status);
}

/* ---- its schedules ---- */

/* Adds "2026-01-02T03:04:05Z" for a time in JSON, which has milliseconds; "-" for null. */
static void add_moment(struct buf *out, const json_t *schedule, const char *name) {
    const char *text = json_string_value(json_object_get(schedule, name));
    if (text == NULL) {
        buf_add_str(out, "-");
        return;
    }
    buf_printf(out, "%.*sZ", (int)strcspn(text, "."), text);
}

void live_print_schedules(FILE *out, const json_t *status) {
    const json_t *list = json_object_get(status, "schedules");
    struct buf line;
    size_t i;
    json_t *one;
    buf_init(&line, 16384);
    json_array_foreach(list, i, one) {
        buf_printf(&line, "schedule %s: next ", word(one, "name"));
        add_moment(&line, one, "next_at");
        buf_add_str(&line, ", last ");
        add_moment(&line, one, "last_at");
        buf_printf(&line, ", %lld run%s", (long long)figure(one, "runs"),
                   figure(one, "runs") == 1 ? "" : "s");
        print_line(out, &line);
    }
    buf_clear(&line);
}

/* ---- its services ---- */

static const struct table_column columns[] = {
    {"SERVICE", false},  {"RATE", true},     {"LAG", true},      {"OLDEST", true},
    {"IN FLIGHT", true}, {"RETRYING", true}, {"SLEEPING", true}, {"FAILED", true},
    {"P50", true},       {"P99", true},      {"DEAD", true},     {"", false},
};

/* Events done per second, over the last minute. */
static void add_rate(struct buf *out, json_int_t a_minute) {
    if (a_minute >= 600) {
        text_add_count(out, (uint64_t)a_minute / 60);
    } else {
        buf_printf(out, "%.1f", (double)a_minute / 60);
    }
    buf_add_str(out, "/s");
}

static void add_latency(struct buf *out, const json_t *service, const char *name) {
    json_int_t us = figure(service, name);
    if (us > 0) {
        text_add_duration_us(out, us);
    } else if (figure(service, "rate_1min") > 0) {
        buf_add_str(out, "<1 ms"); /* accepted and done in one turn */
    }
}

static void add_remarks(struct buf *out, const json_t *service) {
    const char *error = json_string_value(json_object_get(service, "handler_error"));
    const char *between = "";
    if (json_is_true(json_object_get(service, "paused"))) {
        buf_add_str(out, "paused");
        between = "; ";
    }
    if (json_is_true(json_object_get(service, "held"))) {
        buf_printf(out, "%sheld because of another host", between);
        between = "; ";
    }
    if (!json_is_true(json_object_get(service, "active"))) {
        buf_printf(out, "%snot run by this host", between);
        between = "; ";
    }
    if (figure(service, "keys_held") > 0) {
        buf_printf(out, "%s%lld keys at their limits", between,
                   (long long)figure(service, "keys_held"));
        between = "; ";
    }
    if (figure(service, "queued") > 0) {
        buf_printf(out, "%s%lld on disk until their turns", between,
                   (long long)figure(service, "queued"));
        between = "; ";
    }
    if (cli_add_priorities(out, service, between)) {
        between = "; ";
    }
    if (figure(service, "clears_in_s") > 0) {
        char about[ABOUT_BYTES];
        buf_printf(out, "%sbacklog clears in %s", between,
                   about_seconds((double)figure(service, "clears_in_s"), about));
        between = "; ";
    }
    if (error != NULL) {
        buf_printf(out, "%sscript refused: ", between);
        text_add_safe(out, slice_first_line(slice_of(error)));
    }
}

static void add_service(struct table *table, const json_t *service) {
    json_int_t dead = figure(service, "dead");
    json_int_t oldest_ms = figure(service, "oldest_ms");
    double failed = json_number_value(json_object_get(service, "failure_rate"));
    struct buf text;
    char age[32];
    buf_init(&text, 16384);
    text_add_safe(&text, slice_of(word(service, "name")));
    table_take(table, STYLE_PLAIN, &text);
    add_rate(&text, figure(service, "rate_1min"));
    table_take(table, STYLE_PLAIN, &text);
    table_add_count(table, STYLE_PLAIN, (uint64_t)figure(service, "lag"));
    buf_add_str(&text, oldest_ms <= 0 ? "" : conf_duration_text(oldest_ms, age));
    table_take(table, STYLE_PLAIN, &text);
    table_add_count(table, STYLE_PLAIN, (uint64_t)figure(service, "inflight"));
    table_add_count(table, STYLE_PLAIN, (uint64_t)figure(service, "retrying"));
    table_add_count(table, STYLE_PLAIN, (uint64_t)figure(service, "sleeping"));
    buf_printf(&text, "%.1f %%", failed * 100);
    table_take(table, failed > 0 ? STYLE_WARN : STYLE_PLAIN, &text);
    add_latency(&text, service, "p50_us");
    table_take(table, STYLE_PLAIN, &text);
    add_latency(&text, service, "p99_us");
    table_take(table, STYLE_PLAIN, &text);
    table_add_count(table, dead > 0 ? STYLE_BAD : STYLE_PLAIN, (uint64_t)dead);
    add_remarks(&text, service);
    table_take(table, STYLE_WARN, &text);
    buf_clear(&text);
}

int live_print_services(FILE *out, bool colour, size_t width, const json_t *status) {
    const json_t *list = json_object_get(status, "services");
    struct table *table = table_new(columns, sizeof columns / sizeof *columns);
    size_t i;
    const json_t *one;
    if (table == NULL) {
        return ERR_MEMORY;
    }
    json_array_foreach(list, i, one) {
        add_service(table, one);
    }
    int code = table_print(table, out, colour, width);
    table_free(table);
    return code;
}

/* ---- the hosts that divide the keys ---- */

static const struct table_column division_columns[] = {
    {"HOST", false},    {"RATE", true}, {"WAITING", true}, {"IN FLIGHT", true}, {"RETRYING", true},
    {"SLEEPING", true}, {"DEAD", true}, {"OUTBOX", true},  {"", false},
};

/* `host` is its number, or "all". */
static void add_host(struct table *table, const char *host, const json_t *row) {
    static const char *const counts[] = {"waiting",  "inflight", "retrying",
                                         "sleeping", "dead",     "outbox"};
    const char *text = json_string_value(json_object_get(row, "text"));
    const char *level = json_string_value(json_object_get(row, "level"));
    struct buf cell;
    buf_init(&cell, 16384);
    table_add(table, STYLE_PLAIN, host);
    add_rate(&cell, figure(row, "rate_1min"));
    table_take(table, STYLE_PLAIN, &cell);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        json_int_t count = figure(row, counts[i]);
        bool dead = strcmp(counts[i], "dead") == 0 && count > 0;
        table_add_count(table, dead ? STYLE_BAD : STYLE_PLAIN, (uint64_t)count);
    }
    text_add_safe(&cell, slice_of(text));
    table_take(table, level != NULL && strcmp(level, "good") != 0 ? STYLE_WARN : STYLE_PLAIN,
               &cell);
    buf_clear(&cell);
}

static void add_missing(struct table *table, const char *host, const json_t *one) {
    const char *why = json_string_value(json_object_get(one, "why"));
    struct buf cell;
    buf_init(&cell, 16384);
    table_add(table, STYLE_PLAIN, host);
    for (size_t i = 2; i < sizeof division_columns / sizeof *division_columns; i++) {
        table_add(table, STYLE_PLAIN, "?");
    }
    text_add_safe(&cell, slice_of(why == NULL ? "does not answer" : why));
    table_take(table, STYLE_BAD, &cell);
    buf_clear(&cell);
}

int live_print_division(FILE *out, bool colour, size_t width, const json_t *division) {
    char host[32];
    size_t i;
    const json_t *one;
    if (division == NULL) {
        return 0;
    }
    struct table *table =
        table_new(division_columns, sizeof division_columns / sizeof *division_columns);
    if (table == NULL) {
        return ERR_MEMORY;
    }
    json_array_foreach(json_object_get(division, "hosts"), i, one) {
        (void)snprintf(host, sizeof host, "%lld", (long long)figure(one, "host"));
        add_host(table, host, one);
    }
    json_array_foreach(json_object_get(division, "missing"), i, one) {
        (void)snprintf(host, sizeof host, "%lld", (long long)figure(one, "host"));
        add_missing(table, host, one);
    }
    add_host(table, "all", division);
    int code = table_print(table, out, colour, width);
    table_free(table);
    return code;
}
