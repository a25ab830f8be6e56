/*
 * logged_tell.c - the log of the store, for people: status, readiness, metrics.
 */
#include "host/logged.h"

#include "base/log.h"
#include "base/slew.h"
#include "host/loop.h"

#include <inttypes.h>
#include <stdlib.h>

bool host_log_is_up(const struct host *h) {
    struct turns_state state = {.up = true};
    if (h->log.turns != NULL) {
        turns_look(h->log.turns, &state);
    }
    return state.up;
}

/* What is put off and what has a date follows the database's. */
static void tell_clock(const struct host *h, host_tell *tell, void *ctx) {
    struct turns_state state;
    struct report r;
    turns_look(h->log.turns, &state);
    if (llabs(state.clock_ahead_ms) > SLEW_APART_MS) {
        (void)report(
            &r, 0,
            "this machine's clock is %.1f s %s that of the database (store.url), which timers "
            "and schedules follow: set both by NTP",
            (double)llabs(state.clock_ahead_ms) / 1000,
            state.clock_ahead_ms < 0 ? "behind" : "ahead of");
        tell(ctx, false, r.text);
    }
}

/* A log that only grows is no reason yet to accept nothing. */
static void tell_failed(const struct host *h, host_tell *tell, void *ctx) {
    const struct host_log *log = &h->log;
    struct report r;
    if (log->failed != 0) {
        (void)report(&r, 0,
                     "for %lld s no snapshot could be sent to the store's log (store.url), which "
                     "grows meanwhile: %s",
                     (long long)(host_now_ms(h) - log->failed_ms) / 1000, error_text(log->failed));
        tell(ctx, false, r.text);
    }
}

void host_each_of_log(const struct host *h, host_tell *tell, void *ctx) {
    struct turns_state state;
    struct report r;
    tell_failed(h, tell, ctx);
    if (h->log.turns != NULL) {
        tell_clock(h, tell, ctx);
    }
    if (host_log_is_up(h)) {
        return;
    }
    turns_look(h->log.turns, &state);
    (void)report(&r, 0,
                 "the database of the store's log (store.url) does not answer: %s. Nothing is "
                 "accepted until it does",
                 state.error[0] == '\0' ? "connecting" : state.error);
    tell(ctx, true, r.text);
}

static void say_away(void *ctx, bool blocks, const char *text) {
    (void)ctx;
    if (blocks) {
        log_warn("host", "%s", text);
    }
}

void host_log_notice(struct host *h) {
    bool away = !host_log_is_up(h);
    if (away == h->log.away) {
        return;
    }
    h->log.away = away;
    if (away) {
        host_each_of_log(h, say_away, NULL);
    } else {
        log_info("host", "the database of the store's log answers again");
    }
}

void host_log_status(const struct host *h, json_t *object) {
    struct turns_state state;
    if (h->log.turns == NULL) {
        return;
    }
    const struct log_state *log = store_log_state(h->store);
    turns_look(h->log.turns, &state);
    json_t *one = json_pack(
        "{s:s, s:b, s:s?, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "name", h->log.name, "up",
        (int)state.up, "error", state.up ? NULL : state.error, "turn", (json_int_t)log->last,
        "bytes", (json_int_t)log->bytes, "snapshot_turn", (json_int_t)log->snapshot.number,
        "append_us", (json_int_t)state.last_us, "append_max_us", (json_int_t)state.max_us, "doubts",
        (json_int_t)state.doubts, "clock_ahead_ms", (json_int_t)state.clock_ahead_ms);
    if (h->log.failed != 0) {
        (void)json_object_set_new(one, "snapshot_error", json_string(error_text(h->log.failed)));
        (void)json_object_set_new(one, "snapshot_failing_s",
                                  json_integer((host_now_ms(h) - h->log.failed_ms) / 1000));
    }
    (void)json_object_set_new(object, "log", one);
    const struct cluster_conf *cluster = &h->conf->cluster;
    if (cluster->name[0] != '\0') {
        (void)json_object_set_new(object, "cluster",
                                  json_pack("{s:s, s:s, s:i}", "name", cluster->name, "host",
                                            cluster->host, "shard",
                                            (int)h->conf->hosts.share.place));
    }
}

void host_log_metrics(const struct host *h, struct buf *out) {
    struct turns_state state;
    if (h->log.turns == NULL) {
        return;
    }
    const struct log_state *log = store_log_state(h->store);
    turns_look(h->log.turns, &state);
    buf_printf(out,
               "# HELP zingq_log_up 1 while the database of the store's log answers\n"
               "# TYPE zingq_log_up gauge\nzingq_log_up %d\n"
               "# HELP zingq_log_turn the log's last turn\n"
               "# TYPE zingq_log_turn gauge\nzingq_log_turn %" PRIu64 "\n"
               "# HELP zingq_log_bytes bytes of the turns since the last snapshot\n"
               "# TYPE zingq_log_bytes gauge\nzingq_log_bytes %" PRIu64 "\n"
               "# HELP zingq_log_append_seconds what the database took for turns\n"
               "# TYPE zingq_log_append_seconds summary\n"
               "zingq_log_append_seconds_sum %.6f\nzingq_log_append_seconds_count %" PRIu64 "\n"
               "# HELP zingq_log_doubts_total turns that the database did not answer\n"
               "# TYPE zingq_log_doubts_total counter\nzingq_log_doubts_total %" PRIu64 "\n"
               "# HELP zingq_log_clock_ahead_seconds the machine's clock minus the database's\n"
               "# TYPE zingq_log_clock_ahead_seconds gauge\nzingq_log_clock_ahead_seconds %.3f\n",
               state.up ? 1 : 0, log->last, log->bytes, (double)state.total_us / 1e6, state.turns,
               state.doubts, (double)state.clock_ahead_ms / 1000);
}
