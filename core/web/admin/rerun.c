/*
 * rerun.c - POST /api/replay: runs done or discarded events of a service again.
 *
 * Running them again repeats their effects on the outside world, so nobody should request it by
 * accident: the request must say that it only counts (dry=1), how many events its sender expects
 * (confirm=), or that it is intended (yes=1).
 *
 * Events that had not ended when the job was requested, or at as_of_ms, are left alone. So a job
 * that is requested twice does its work once, and between counting and confirming the number can
 * only shrink.
 */
#include "web/admin/job.h"

#include "base/clock.h"
#include "base/log.h"
#include "query/json.h"
#include "store/store.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- finding ---- */

/* An event that would run. ERR_NOTFOUND: it is one too many. */
static int note_good(struct admin *a, struct job *b, const struct event *event) {
    if (!b->force && engine_needs_force(a->engine, event)) {
        b->old++;
        return 0;
    }
    if (b->found == JOB_LETTERS_MAX) {
        b->cut = true;
        return ERR_NOTFOUND;
    }
    b->found++;
    int code = rerun_tally_note(&b->rerun.tally, event, RERUN_GOOD);
    return code != 0 || b->rerun.dry ? code : admin_job_push(b, event, rerun_order(event));
}

static int find_event(struct admin *a, struct job *b, struct journal *j) {
    struct job_rerun *rerun = &b->rerun;
    struct event *event = NULL;
    int code = rerun_walk_next(j, &rerun->filter, &rerun->walk, &event);
    if (code != 0 || event == NULL) {
        return code;
    }
    enum rerun_verdict verdict = rerun_judge(&rerun->filter, event);
    code = verdict == RERUN_GOOD ? note_good(a, b, event)
                                 : rerun_tally_note(&rerun->tally, event, verdict);
    event_free(event);
    return code;
}

/* A part of so many would not consist of the first events of each key. */
static bool found_all(struct admin *a, struct job *b) {
    char text[128];
    if (b->cut) {
        (void)snprintf(text, sizeof text,
                       "there are more than %d events: choose fewer, by from and to or by key",
                       JOB_LETTERS_MAX);
        admin_job_fail(a, b, text);
        return false;
    }
    if (b->rerun.dry) {
        admin_job_end(a, b, JOB_DONE);
        return false;
    }
    if (b->rerun.confirmed > 0 && b->found > b->rerun.confirmed) {
        (void)snprintf(text, sizeof text,
                       "%" PRIu64 " events were found, only %" PRIu64 " were confirmed", b->found,
                       b->rerun.confirmed);
        admin_job_fail(a, b, text);
        return false;
    }
    log_info("admin", "replay service=%s events=%" PRIu64 " job=%" PRIu64, b->service, b->found,
             b->id);
    return true;
}

/* ---- its answer ---- */

/* topics.conf may have changed since the job began. */
static const struct service_conf *find_conf(const struct admin *a, const struct job *b,
                                            bool *paused) {
    struct engine_service_status s;
    size_t i;
    if (!conf_find_service(a->options.conf, slice_of(b->service), &i)) {
        return NULL;
    }
    *paused = engine_service_status(a->engine, i, &s) == 0 && s.paused;
    return &a->options.conf->services[i];
}

static bool add_filter(const struct admin *a, const struct job *b, json_t *object) {
    const struct rerun_filter *filter = &b->rerun.filter;
    char id[UUID_TEXT_BYTES + 1];
    const char *event = filter->by_id ? uuid_text(&filter->id, id) : NULL;
    bool paused = false;
    const struct service_conf *s = find_conf(a, b, &paused);
    json_t *more =
        json_pack("{s:b, s:b, s:b, s:s?, s:i, s:s?, s:I}", "dry", (int)b->rerun.dry, "force",
                  (int)b->force, "paused", (int)paused, "handler", s == NULL ? NULL : s->handler,
                  "batch", s == NULL ? 1 : (int)s->batch, "event", event, "as_of_ms",
                  (json_int_t)clock_to_wall(filter->ended_by_ms));
    bool ok = more != NULL && json_object_update(object, more) == 0;
    json_decref(more);
    ok = ok && look_json_time(object, "from", filter->from_ms) &&
         look_json_time(object, "to", filter->to_ms == INT64_MAX ? 0 : filter->to_ms);
    if (!filter->by_key) {
        return ok && json_object_set_new(object, "key", json_null()) == 0;
    }
    return ok && look_json_bytes(object, "key", filter->key);
}

static bool add_figures(const struct admin *a, const struct job *b, json_t *object) {
    const struct rerun_tally *t = &b->rerun.tally;
    return add_filter(a, b, object) && look_json_count(object, "keys", t->keys) &&
           look_json_count(object, "waiting", t->waits) &&
           look_json_count(object, "dead", t->dead) && look_json_count(object, "locks", t->locks) &&
           look_json_time(object, "first_at", t->first_ms) &&
           look_json_time(object, "last_at", t->last_ms);
}

/* ---- the request ---- */

/* The services that have an event with this id. */
struct owners {
    const struct admin *admin;
    struct buf names; /* separated by ", " */
    size_t count;
    uint16_t service; /* the first of them */
};

static int note_owner(void *ctx, struct event *event) {
    struct owners *owners = ctx;
    if (owners->count > 0 && owners->service == event->service) {
        event_free(event);
        return 0;
    }
    buf_add_str(&owners->names, owners->count > 0 ? ", " : "");
    buf_add_str(&owners->names,
                look_service_name(engine_journal(owners->admin->engine), event->service));
    owners->service = owners->count == 0 ? event->service : owners->service;
    owners->count++;
    event_free(event);
    return 0;
}

/* Finds the service of an event that is named only by its id: 0, or an HTTP status with a
 * sentence. */
static int find_owner(struct admin *a, const struct uuid *id, char name[NAME_BYTES_MAX + 1],
                      struct report *r) {
    char text[UUID_TEXT_BYTES + 1];
    struct owners owners = {.admin = a};
    struct store *store = journal_store(engine_journal(a->engine));
    int code = store_begin_reading(store);
    if (code != 0) {
        (void)report(r, code, "reading the store failed: %s", error_text(code));
        return 503;
    }
    buf_init(&owners.names, (size_t)SERVICES_MAX * (NAME_BYTES_MAX + 2));
    code = look_each_by_id(engine_journal(a->engine), id, &owners, note_owner);
    store_abort(store);
    int status = 0;
    if (code != 0) {
        (void)report(r, code, "reading the store failed: %s", error_text(code));
        status = 503;
    } else if (owners.count == 0) {
        (void)report(r, ERR_NOTFOUND, "no event %s here", uuid_text(id, text));
        status = 404;
    } else if (owners.count > 1) {
        (void)report(r, ERR_INVALID, "services %s have an event %s: name one (service)",
                     buf_str(&owners.names), uuid_text(id, text));
        status = 400;
    } else {
        (void)snprintf(name, NAME_BYTES_MAX + 1, "%s", buf_str(&owners.names));
    }
    buf_clear(&owners.names);
    return status;
}

static int no_service(const struct conf *conf, const char *name, struct report *r) {
    const char *names[SERVICES_MAX];
    for (size_t i = 0; i < conf->service_count; i++) {
        names[i] = conf->services[i].name;
    }
    const char *meant = conf_suggest(name, names, conf->service_count);
    (void)report(r, ERR_NOTFOUND, "no service \"%.*s\" in topics.conf%s%s%s", NAME_BYTES_MAX, name,
                 meant == NULL ? "" : " (did you mean \"", meant == NULL ? "" : meant,
                 meant == NULL ? "" : "\"?)");
    return 404;
}

/* Finds the service by its name or the event's id: 0, or an HTTP status with a sentence. */
static int find_service(struct admin *a, struct job *b, const char *name, struct report *r) {
    const struct conf *conf = a->options.conf;
    char owner[NAME_BYTES_MAX + 1] = "";
    if (name == NULL && !b->rerun.filter.by_id) {
        (void)report(r, ERR_INVALID, "of which service? Give service=");
        return 400;
    }
    if (name == NULL) {
        int status = find_owner(a, &b->rerun.filter.id, owner, r);
        if (status != 0) {
            return status;
        }
        name = owner;
    }
    size_t i = 0;
    if (!conf_find_service(conf, slice_of(name), &i)) {
        return no_service(conf, name, r);
    }
    b->rerun.filter.service = engine_service_number(a->engine, i);
    (void)snprintf(b->service, sizeof b->service, "%s", name);
    return 0;
}

/* Parses which events; 0 or ERR_INVALID. */
static int parse_filter(struct admin *a, const struct gateway_request *request, struct job *b,
                        struct report *r) {
    struct rerun_filter *filter = &b->rerun.filter;
    const char *id = gateway_query(request, "id");
    const char *key = gateway_query(request, "key");
    const char *from = gateway_query(request, "from_ms");
    uint64_t from_ms;
    uint64_t to_ms;
    uint64_t as_of_ms;
    uint64_t now_ms = (uint64_t)clock_to_wall(admin_now_ms(a));
    if (!admin_option(request, "from_ms", 0, INT64_MAX, 0, &from_ms, r) ||
        !admin_option(request, "to_ms", 0, INT64_MAX, INT64_MAX, &to_ms, r)) {
        return ERR_INVALID;
    }
    if (!admin_number(gateway_query(request, "as_of_ms"), 1, now_ms, now_ms, &as_of_ms)) {
        return report(r, ERR_INVALID,
                      "as_of_ms must be milliseconds since 1970-01-01 UTC, not in the future");
    }
    if (id == NULL && key == NULL && from == NULL) {
        return report(r, ERR_INVALID, "which events? Give from_ms=, key= or id=");
    }
    if (from_ms >= to_ms) {
        return report(r, ERR_INVALID, "from_ms must lie before to_ms");
    }
    if (id != NULL && !uuid_parse(slice_of(id), &filter->id)) {
        return report(r, ERR_INVALID, "\"%.64s\" is not an event id", id);
    }
    if (key != NULL && strlen(key) > KEY_BYTES_MAX) {
        return report(r, ERR_INVALID, "a key has at most %d bytes", KEY_BYTES_MAX);
    }
    filter->by_id = id != NULL;
    filter->by_key = key != NULL;
    (void)snprintf(b->rerun.key, sizeof b->rerun.key, "%s", key == NULL ? "" : key);
    filter->key = slice_of(b->rerun.key);
    filter->from_ms = clock_to_engine((int64_t)from_ms);
    filter->to_ms = clock_to_engine((int64_t)to_ms);
    filter->ended_by_ms = clock_to_engine((int64_t)as_of_ms);
    return 0;
}

/* Parses whether it is intended; 0 or ERR_INVALID. */
static int parse_consent(const struct gateway_request *request, struct job *b, struct report *r) {
    uint64_t dry;
    uint64_t yes;
    if (!admin_option(request, "dry", 0, 1, 0, &dry, r) ||
        !admin_option(request, "yes", 0, 1, 0, &yes, r) ||
        !admin_option(request, "confirm", 1, INT64_MAX, 0, &b->rerun.confirmed, r)) {
        return ERR_INVALID;
    }
    b->rerun.dry = dry != 0;
    unsigned said =
        (dry != 0 ? 1u : 0u) + (yes != 0 ? 1u : 0u) + (b->rerun.confirmed > 0 ? 1u : 0u);
    if (said != 1) {
        return report(r, ERR_INVALID,
                      "say one of dry=1, which only counts, confirm=COUNT, which runs no more than "
                      "were counted, and yes=1");
    }
    return admin_job_pace(request, b, r);
}

void admin_rerun(void *ctx, const struct call *call) {
    struct admin *a = ctx;
    struct gateway_request *request = call->request;
    struct report r = {""};
    struct job *b = admin_job_new(a, request);
    if (b == NULL) {
        return;
    }
    int code = parse_filter(a, request, b, &r);
    code = code == 0 ? parse_consent(request, b, &r) : code;
    int status = code == 0 ? find_service(a, b, gateway_query(request, "service"), &r) : 400;
    if (status != 0) {
        gateway_answer_error(request, status, NULL, r.text);
        admin_job_free(b);
        return;
    }
    b->kind = COMMAND_RERUN;
    b->find = find_event;
    b->found_all = found_all;
    b->add_figures = add_figures;
    rerun_walk_init(&b->rerun.walk, engine_journal(a->engine), &b->rerun.filter);
    admin_job_begin(a, b, request);
}
