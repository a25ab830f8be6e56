/*
 * admin.c - routes as rows; one function parses a request into a command, one answers it.
 */
#include "admin.h"

#include "limits.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct admin {
    struct engine *engine;
    struct admin_hooks hooks;
};

/* A command under way and the bytes it borrows. */
struct pending {
    struct command command;
    struct gateway_request *request;
    char *service, *key, *topic, *payload, *content_type, *once;
    struct buf properties;
    bool with_status; /* the answer names where to follow the job */
};

int admin_new(struct admin **out, struct engine *engine, const struct admin_hooks *hooks) {
    struct admin *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return ERR_MEMORY;
    }
    a->engine = engine;
    a->hooks = *hooks;
    *out = a;
    return 0;
}

void admin_free(struct admin *a) {
    free(a);
}

/* --- answers --- */

static void answer_json(struct gateway_request *request, int status, json_t *body) {
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    json_decref(body);
    if (text == NULL) {
        gateway_answer(request, 500, NULL, NULL, slice_of("{\"error\":\"out of memory\"}"));
        return;
    }
    gateway_answer(request, status, NULL, NULL, slice_of(text));
    free(text);
}

static void answer_error(struct gateway_request *request, int status, const char *text) {
    answer_json(request, status, json_pack("{s:s}", "error", text));
}

static int status_of(int code) {
    switch (code) {
    case 0:
        return 200;
    case ERR_NOTFOUND:
        return 404;
    case ERR_INVALID:
    case ERR_LIMIT:
        return 400;
    case ERR_EXISTS:
        return 409;
    default:
        return 503;
    }
}

/* --- commands --- */

static void pending_free(struct pending *p) {
    free(p->service);
    free(p->key);
    free(p->topic);
    free(p->payload);
    free(p->content_type);
    buf_clear(&p->properties);
    free(p->once);
    free(p);
}

static void answer_published(struct gateway_request *request, const struct uuid *made,
                             bool with_status) {
    char id[UUID_TEXT_BYTES + 1];
    char path[64];
    (void)snprintf(path, sizeof path, "/api/events/%s", uuid_text(made, id));
    json_t *body = json_pack("{s:s}", "id", id);
    if (with_status && body != NULL) {
        (void)json_object_set_new(body, "status", json_string(path));
    }
    answer_json(request, 202, body);
}

void admin_command_done(struct admin *a, struct command *command) {
    (void)a;
    struct pending *p = command->owner;
    struct gateway_request *request = p->request;
    if (command->code != 0) {
        answer_error(request, status_of(command->code), command->report.text);
    } else if (command->kind == COMMAND_PUBLISH) {
        answer_published(request, &command->made, p->with_status);
    } else {
        answer_json(request, 200, json_pack("{s:b}", "ok", 1));
    }
    pending_free(p);
}

/* A terminated copy of what a slice of the command will borrow; false when out of memory. */
static bool keep(char **own, struct slice *borrowed, struct slice text) {
    *own = slice_dup(text);
    *borrowed = (struct slice){*own, text.len};
    return *own != NULL;
}

static bool number_of(const char *text, int64_t most, int64_t *out) {
    char *end = NULL;
    long long value = text == NULL ? 0 : strtoll(text, &end, 10);
    *out = value;
    return text == NULL || (*text != '\0' && *end == '\0' && value >= 0 && value <= most);
}

/* property0=NAME=VALUE, property1=... */
static bool fill_properties(struct pending *p, const struct gateway_request *request,
                            struct report *r) {
    char name[32];
    const char *pair = NULL;
    buf_init(&p->properties, GATEWAY_BODY_BYTES_MAX);
    for (int i = 0; i < PROPERTIES_MAX; i++) {
        (void)snprintf(name, sizeof name, "property%d", i);
        pair = gateway_query(request, name);
        if (pair == NULL) {
            break;
        }
        size_t len = strcspn(pair, "=");
        if (len == 0 || pair[len] == '\0') {
            (void)report(r, ERR_INVALID, "%s is no NAME=VALUE: \"%s\"", name, pair);
            return false;
        }
        property_add(&p->properties, (struct slice){pair, len}, slice_of(pair + len + 1));
    }
    p->command.properties = buf_slice(&p->properties);
    return !p->properties.failed;
}

static bool fill_publish(struct pending *p, const struct gateway_request *request,
                         struct report *r) {
    int64_t qos = 1;
    int64_t retain = 0;
    int64_t after_ms = 0;
    const int64_t ten_years_ms = (int64_t)10 * 365 * 24 * 3600 * 1000;
    const char *qos_text = gateway_query(request, "qos");
    if ((qos_text != NULL && !number_of(qos_text, 1, &qos)) ||
        !number_of(gateway_query(request, "retain"), 1, &retain) ||
        !number_of(gateway_query(request, "after_ms"), ten_years_ms, &after_ms)) {
        (void)report(r, ERR_INVALID,
                     "qos and retain are 0 or 1, after_ms is a number of "
                     "milliseconds");
        return false;
    }
    if (topic_check(p->topic, r) != 0) {
        return false;
    }
    p->command.qos = (uint8_t)qos;
    p->command.retain = retain != 0;
    p->command.after_ms = after_ms;
    return fill_properties(p, request, r);
}

/* Path parts between slashes, percent-decoded by the gateway already. */
struct parts {
    struct slice at[6];
    size_t count;
};

static struct parts split(const char *path) {
    struct parts parts = {.count = 0};
    while (*path == '/' && parts.count < sizeof parts.at / sizeof *parts.at) {
        path++;
        size_t len = strcspn(path, "/");
        parts.at[parts.count++] = (struct slice){path, len};
        path += len;
    }
    return parts;
}

/* One command: "/api/<noun>/<name>/<verb>", or "/api/<noun>" when there is no name. */
struct route {
    const char *noun, *verb; /* verb NULL = none, and no name */
    enum command_kind kind;
    bool name_is_id; /* else it is a service */
};

static const struct route routes[] = {
    {"publish", NULL, COMMAND_PUBLISH, false},     {"dlq", "replay", COMMAND_REPLAY, true},
    {"dlq", "discard", COMMAND_DISCARD, true},     {"dlq", "edit", COMMAND_EDIT, true},
    {"services", "pause", COMMAND_PAUSE, false},   {"services", "resume", COMMAND_RESUME, false},
    {"keys", "resume", COMMAND_KEY_RESUME, false}, {"keys", "skip", COMMAND_KEY_SKIP, false},
};

static const struct route *find_route(const struct parts *parts) {
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const struct route *route = &routes[i];
        size_t count = route->verb == NULL ? 2 : 4;
        if (parts->count == count && slice_is(parts->at[1], route->noun) &&
            (route->verb == NULL || slice_is(parts->at[3], route->verb))) {
            return route;
        }
    }
    return NULL;
}

static bool fill(struct pending *p, const struct route *route, const struct parts *parts,
                 const struct gateway_request *request, struct report *r) {
    struct command *c = &p->command;
    const char *service = gateway_query(request, "service");
    struct slice name = slice_of(service);
    if (route->name_is_id && !uuid_parse(parts->at[2], &c->id)) {
        (void)report(r, ERR_INVALID, "\"%.*s\" is no event id", (int)parts->at[2].len,
                     parts->at[2].data);
        return false;
    }
    if (!route->name_is_id && route->verb != NULL) {
        name = parts->at[2];
    }
    const char *type = gateway_query(request, "content_type");
    type = type != NULL ? type : gateway_header(request, "Content-Type");
    bool kept = keep(&p->service, &c->service, name) &&
                keep(&p->key, &c->key, slice_of(gateway_query(request, "key"))) &&
                keep(&p->topic, &c->topic, slice_of(gateway_query(request, "topic"))) &&
                keep(&p->payload, &c->payload, gateway_body(request)) &&
                keep(&p->content_type, &c->content_type, slice_of(type));
    if (!kept) {
        (void)report(r, ERR_MEMORY, "out of memory");
        return false;
    }
    return route->kind != COMMAND_PUBLISH || fill_publish(p, request, r);
}

static void submit(struct admin *a, const struct route *route, const struct parts *parts,
                   struct gateway_request *request) {
    struct report r = {"out of memory"};
    struct pending *p = calloc(1, sizeof *p);
    if (p == NULL || !fill(p, route, parts, request, &r)) {
        answer_error(request, p == NULL ? 503 : 400, r.text);
        if (p != NULL) {
            pending_free(p);
        }
        return;
    }
    p->request = request;
    p->command.kind = route->kind;
    p->command.owner = p;
    engine_submit(a->engine, &p->command);
    a->hooks.wake(a->hooks.ctx);
}

void admin_publish(struct admin *a, struct gateway_request *request, const char *topic,
                   const char *once) {
    struct pending *p = calloc(1, sizeof *p);
    struct command *c = p == NULL ? NULL : &p->command;
    bool kept = p != NULL && keep(&p->topic, &c->topic, slice_of(topic)) &&
                keep(&p->payload, &c->payload, gateway_body(request)) &&
                keep(&p->content_type, &c->content_type, slice_of("application/json")) &&
                keep(&p->once, &c->once, slice_of(once));
    if (!kept) {
        answer_error(request, 503, "out of memory");
        if (p != NULL) {
            pending_free(p);
        }
        return;
    }
    p->request = request;
    p->with_status = true;
    c->kind = COMMAND_PUBLISH;
    c->qos = 1;
    c->owner = p;
    engine_submit(a->engine, c);
    a->hooks.wake(a->hooks.ctx);
}

/* --- looking --- */

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

static json_t *service_json(const struct engine_service_status *s) {
    const struct figure figures[] = {
        {"accepted", s->books.accepted},
        {"waiting", books_waiting(&s->books)},
        {"done", s->books.done},
        {"dead", s->books.dead},
        {"died", s->books.died},
        {"discarded", s->books.discarded},
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
        {"rate_1min", s->lately.done_1min},
        {"failures_1min", s->lately.failures_1min},
        {"throttled_until_ms", (uint64_t)s->throttled_until_ms},
        {"oldest_ms", (uint64_t)s->oldest_ms},
        {"p50_us", (uint64_t)s->lately.p50_us},
        {"p99_us", (uint64_t)s->lately.p99_us},
    };
    char version[17];
    (void)snprintf(version, sizeof version, "%016llx", (unsigned long long)s->version);
    json_t *object =
        json_pack("{s:s, s:b, s:b, s:f, s:s, s:s?}", "name", s->name, "active", (int)s->active,
                  "paused", (int)s->paused, "failure_rate", s->lately.failure_rate,
                  "handler_version", version, "handler_error", s->script_error);
    add_figures(object, figures, sizeof figures / sizeof *figures);
    return object;
}

static json_t *engine_json(const struct engine_status *s) {
    const struct figure figures[] = {
        {"waiting", s->waiting},
        {"outbox", s->outbox},
        {"outbox_refused", s->outbox_refused},
        {"delayed", s->delayed},
        {"qos0", s->qos0},
        {"turns", s->turns},
        {"commits", s->commits},
        {"commit_us_last", (uint64_t)s->commit_us_last},
        {"commit_us_max", (uint64_t)s->commit_us_max},
        {"lua_bytes", s->lua_bytes},
        {"store_used", s->store_used},
        {"store_max", s->store_max},
    };
    json_t *object = json_pack("{s:b}", "accepts", (int)s->accepts);
    add_figures(object, figures, sizeof figures / sizeof *figures);
    return object;
}

static json_t *status_json(struct admin *a) {
    struct engine_status s;
    engine_status(a->engine, &s);
    json_t *services = json_array();
    struct engine_service_status one;
    for (size_t i = 0; engine_service_status(a->engine, i, &one) == 0; i++) {
        (void)json_array_append_new(services, service_json(&one));
    }
    return json_pack("{s:o, s:o, s:o}", "host", a->hooks.host_status(a->hooks.ctx), "engine",
                     engine_json(&s), "services", services);
}

void admin_request(struct admin *a, struct gateway_request *request) {
    struct parts parts = split(gateway_path(request));
    bool post = strcmp(gateway_method(request), "POST") == 0;
    bool get = strcmp(gateway_method(request), "GET") == 0;
    bool api = parts.count >= 2 && slice_is(parts.at[0], "api");
    const struct route *route = api ? find_route(&parts) : NULL;
    bool own = api && parts.count == 2;
    if (route != NULL && post) {
        submit(a, route, &parts, request);
    } else if (own && get && slice_is(parts.at[1], "status")) {
        answer_json(request, 200, status_json(a));
    } else if (own && post && slice_is(parts.at[1], "leave")) {
        a->hooks.leave(a->hooks.ctx);
        answer_json(request, 202, json_pack("{s:b}", "ok", 1));
    } else if (own && post && slice_is(parts.at[1], "reload")) {
        a->hooks.reload(a->hooks.ctx);
        answer_json(request, 200, json_pack("{s:b}", "ok", 1));
    } else if (route != NULL) {
        answer_error(request, 405, "use POST");
    } else {
        answer_error(request, 404, "no such path: see docs/http.md");
    }
}
