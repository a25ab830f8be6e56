/*
 * status.c - the current state of the host, as JSON: GET /api/status, /api/services.
 */
#include "web/admin/impl.h"

#include "web/admin/verdict.h"

#include "query/json.h"

#include <inttypes.h>
#include <math.h>

struct figure {
    const char *name;
    uint64_t value;
};

static void add_figures(json_t *object, const struct figure *figures, size_t count) {
    for (size_t i = 0; i < count; i++) {
        (void)json_object_set_new(object, figures[i].name,
                                  json_integer((json_int_t)figures[i].value));
    }
}

static void add_kept(json_t *object, const struct engine_service_status *s) {
    struct figure kept[RUN_QUOTAS];
    for (unsigned i = 0; i < RUN_QUOTAS; i++) {
        kept[i] = (struct figure){engine_quota_name((enum run_quota)i), s->kept[i]};
    }
    json_t *bytes = json_object();
    json_t *full = json_array();
    add_figures(bytes, kept, RUN_QUOTAS);
    for (unsigned i = 0; i < RUN_QUOTAS; i++) {
        if (s->kept_full[i]) {
            (void)json_array_append_new(full, json_string(kept[i].name));
        }
    }
    (void)json_object_set_new(object, "kept_full", full);
    (void)json_object_set_new(object, "kept_bytes", bytes);
    (void)json_object_set_new(object, "held_back", json_boolean(s->held_back));
}

/* What waits in memory, the highest priority first. */
static void add_priorities(json_t *object, const struct engine_service_status *s) {
    json_t *waiting = json_object();
    for (unsigned i = PRIORITIES; s->ranks && i-- > 0;) {
        const char name[] = {(char)('0' + i), '\0'};
        const struct figure figure = {name, s->by_priority[i]};
        add_figures(waiting, &figure, s->by_priority[i] > 0 ? 1 : 0);
    }
    (void)json_object_set_new(object, "priorities", waiting);
    (void)json_object_set_new(object, "bad_priorities",
                              json_integer((json_int_t)s->bad_priorities));
}

/* Seconds, or null. */
static void add_forecast(json_t *object, const char *name, double s) {
    (void)json_object_set_new(object, name,
                              isnan(s) ? json_null() : json_integer((json_int_t)ceil(s)));
}

static void add_details(struct admin *a, json_t *object, const struct engine_service_status *s) {
    add_kept(object, s);
    add_priorities(object, s);
    add_forecast(object, "clears_in_s", admin_clears_s(a, s->name));
}

json_t *admin_service_json(struct admin *a, const struct engine_service_status *s) {
    const struct figure figures[] = {
        {"accepted", s->books.accepted},
        {"waiting", books_waiting(&s->books)},
        {"done", s->books.done},
        {"dead", s->books.dead},
        {"died", s->books.died},
        {"needs_person", s->books.needs_person},
        {"discarded", s->books.discarded},
        {"expired", s->books.expired},
        {"duplicates", s->books.duplicates},
        {"handed_over", s->books.handed_over},
        {"retries", s->books.retries},
        {"timeouts", s->books.timeouts},
        {"crashes", s->books.crashes},
        {"snoozes", s->books.snoozes},
        {"throttles", s->books.throttles},
        {"lag", books_waiting(&s->books)},
        {"inflight", s->running},
        {"retrying", s->retrying},
        {"sleeping", s->sleeping},
        {"queued", s->queued},
        {"tenants", s->tenants},
        {"keys_held", s->keys_held},
        {"rate_1min", s->lately.done_1min},
        {"failures_1min", s->lately.failures_1min},
        {"throttled_until_ms", (uint64_t)s->throttled_until_ms},
        {"oldest_ms", (uint64_t)s->oldest_ms},
        {"taken_events", s->taken_events},
        {"taken_values", s->taken_values},
        {"taken_left", s->taken_left},
        {"p50_us", (uint64_t)s->lately.p50_us},
        {"p99_us", (uint64_t)s->lately.p99_us},
    };
    char version[17];
    (void)snprintf(version, sizeof version, "%016llx", (unsigned long long)s->version);
    json_t *object = json_pack("{s:s, s:b, s:b, s:b, s:s?, s:b, s:b, s:f, s:s, s:s?}", "name",
                               s->name, "active", (int)s->active, "removed", (int)s->removed,
                               "taking", (int)s->taking, "heir", s->heir, "paused", (int)s->paused,
                               "held", (int)s->held, "failure_rate", s->lately.failure_rate,
                               "handler_version", version, "handler_error", s->script_error);
    add_figures(object, figures, sizeof figures / sizeof *figures);
    add_details(a, object, s);
    return object;
}

static json_t *engine_json(struct admin *a, const struct engine_status *s) {
    const struct figure figures[] = {
        {"waiting", s->waiting},
        {"outbox", s->outbox},
        {"outbox_refused", s->outbox_refused},
        {"outbox_held", s->outbox_held},
        {"outbox_discarded", s->outbox_discarded},
        {"delayed", s->delayed},
        {"append_waiting", s->append_waiting},
        {"forwards_waiting", s->forwards_waiting},
        {"forwards_taken", s->forwards_taken},
        {"forwards_repeated", s->forwards_repeated},
        {"forwards_refused", s->forwards_refused},
        {"qos0", s->qos0},
        {"turns", s->turns},
        {"clock_steps", s->clock_steps},
        {"commits", s->commits},
        {"commit_us_last", (uint64_t)s->commit_us_last},
        {"commit_us_max", (uint64_t)s->commit_us_max},
        {"lua_bytes", s->lua_bytes},
        {"store_used", s->store_used},
        {"store_max", s->store_max},
        {"store_room", s->store_room},
        {"file_bytes", s->file_bytes},
        {"set_aside", s->set_aside},
    };
    json_t *object =
        json_pack("{s:b, s:s*}", "accepts", (int)s->accepts, "refused_topic", s->refused_topic);
    add_figures(object, figures, sizeof figures / sizeof *figures);
    add_forecast(object, "full_in_s", admin_full_s(a));
    return object;
}

static json_t *phases_json(const struct engine_turns *t) {
    json_t *phases = json_array();
    for (unsigned i = 0; i < PHASES; i++) {
        const struct figure figures[] = {{"us", (uint64_t)t->lately.us[i]},
                                         {"longest_us", (uint64_t)t->lately.longest_us[i]},
                                         {"total_us", t->total_us[i]}};
        json_t *one = json_pack("{s:s}", "name", phase_name((enum phase)i));
        add_figures(one, figures, sizeof figures / sizeof *figures);
        (void)json_array_append_new(phases, one);
    }
    return phases;
}

static json_t *turns_json(struct admin *a) {
    struct engine_turns t;
    engine_look_at_turns(a->engine, &t);
    const struct figure figures[] = {
        {"seconds", PHASES_SECONDS},
        {"count", t.lately.counts[COUNT_TURNS]},
        {"messages", t.lately.counts[COUNT_MESSAGES]},
        {"events", t.lately.counts[COUNT_EVENTS]},
        {"publishes", t.lately.counts[COUNT_PUBLISHES]},
        {"waiting", t.waiting},
        {"waiting_most", t.lately.most[QUEUE_WAITING]},
        {"outbox", t.outbox},
        {"outbox_most", t.lately.most[QUEUE_OUTBOX]},
        {"in_flight", t.in_flight},
        {"window", t.window},
    };
    json_t *turns = json_pack("{s:o}", "phases", phases_json(&t));
    add_figures(turns, figures, sizeof figures / sizeof *figures);
    return turns;
}

/* `verdict` may be NULL. */
static json_t *services_json(struct admin *a, struct verdict *verdict) {
    json_t *services = json_array();
    struct engine_service_status one;
    for (size_t i = 0; engine_shown_service(a->engine, &i, &one);) {
        (void)json_array_append_new(services, admin_service_json(a, &one));
        if (verdict != NULL) {
            verdict_of_service(verdict, &one, admin_now_ms(a));
        }
    }
    return services;
}

json_t *admin_services_json(struct admin *a) {
    return services_json(a, NULL);
}

static json_t *schedules_json(struct admin *a) {
    json_t *schedules = json_array();
    struct engine_schedule_status s;
    for (size_t i = 0; engine_schedule_status(a->engine, i, &s) == 0; i++) {
        char id[UUID_TEXT_BYTES + 1];
        json_t *one = json_pack("{s:s, s:s, s:s, s:s, s:i, s:I, s:s?}", "name", s.name, "cron",
                                s.cron, "timezone", s.timezone, "topic", s.topic, "host",
                                (int)s.host, "runs", (json_int_t)s.runs, "last_id",
                                s.runs == 0 ? NULL : uuid_text(&s.last_id, id));
        (void)look_json_wall_time(one, "next_at", s.next_ms == INT64_MAX ? 0 : s.next_ms);
        (void)look_json_wall_time(one, "last_at", s.last_ms);
        (void)json_array_append_new(schedules, one);
    }
    return schedules;
}

json_t *admin_status_json(struct admin *a) {
    const struct admin_hooks *hooks = &a->options.hooks;
    struct engine_status s;
    struct verdict verdict;
    json_t *host = hooks->host_status(hooks->ctx);
    engine_status(a->engine, &s);
    verdict_begin(&verdict);
    verdict_of_host(&verdict, host);
    verdict_of_engine(&verdict, &s, admin_full_s(a));
    json_t *services = services_json(a, &verdict);
    json_t *status =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "verdict", verdict_end(&verdict), "host",
                  host, "engine", engine_json(a, &s), "turns", turns_json(a), "services", services,
                  "schedules", schedules_json(a), "jobs", admin_jobs_json(a));
    if (status != NULL) {
        hooks->add_hosts(hooks->ctx, status);
    }
    return status;
}
