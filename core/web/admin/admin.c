/*
 * admin.c - routes as rows; one function parses a request into a command, one answers it.
 */
#include "web/admin/impl.h"

#include "query/json.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A command of a request, and the bytes it borrows. */
struct pending {
    struct order order; /* first, so that an order of this file is a pending */
    struct gateway_request *request;
    char *service, *key, *topic, *payload, *content_type, *once;
    struct buf properties;
};

static void on_closed(uv_handle_t *handle) {
    struct admin *a = handle->data;
    assert(a->handles > 0);
    if (--a->handles == 0) {
        free(a);
    }
}

int admin_new(struct admin **out, const struct admin_options *options) {
    struct admin *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return ERR_MEMORY;
    }
    a->options = *options;
    a->engine = options->engine;
    TAILQ_INIT(&a->readings);
    TAILQ_INIT(&a->relays);
    TAILQ_INIT(&a->follows);
    const int rcs[] = {uv_idle_init(options->loop, &a->reader),
                       uv_timer_init(options->loop, &a->bulk_timer),
                       uv_timer_init(options->loop, &a->live_timer)};
    a->reader.data = a->bulk_timer.data = a->live_timer.data = a;
    for (size_t i = 0; i < sizeof rcs / sizeof *rcs; i++) {
        assert(rcs[i] == 0); /* libuv documents no failure */
        a->handles++;
    }
    *out = a;
    return 0;
}

void admin_free(struct admin *a) {
    if (a == NULL) {
        return;
    }
    admin_forget_readings(a);
    admin_forget_relays(a);
    admin_forget_follows(a);
    admin_forget_bulks(a);
    uv_close((uv_handle_t *)&a->reader, on_closed);
    uv_close((uv_handle_t *)&a->bulk_timer, on_closed);
    uv_close((uv_handle_t *)&a->live_timer, on_closed);
}

int64_t admin_now_ms(const struct admin *a) {
    return engine_now_ms(a->engine);
}

/* --- answers --- */

void admin_answer_json(struct gateway_request *request, int status, json_t *body) {
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    json_decref(body);
    if (text == NULL) {
        gateway_answer(request, 500, NULL, NULL, slice_of("{\"error\":\"out of memory\"}"));
        return;
    }
    gateway_answer(request, status, NULL, status == 503 ? "Retry-After: 5\n" : NULL,
                   slice_of(text));
    free(text);
}

void admin_answer_error(struct gateway_request *request, int status, const char *text) {
    admin_answer_json(request, status, json_pack("{s:s}", "error", text));
}

int admin_status_of(int code) {
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

/* `status` names where to follow the job. */
static void answer_published(struct gateway_request *request, const struct uuid *made) {
    char id[UUID_TEXT_BYTES + 1];
    char path[64];
    (void)snprintf(path, sizeof path, "/api/events/%s", uuid_text(made, id));
    admin_answer_json(request, 202, json_pack("{s:s, s:s}", "id", id, "status", path));
}

static void answer_command(struct admin *a, struct order *order) {
    (void)a;
    struct pending *p = (struct pending *)order;
    const struct command *command = &order->command;
    if (command->code != 0) {
        admin_answer_error(p->request, admin_status_of(command->code), command->report.text);
    } else if (command->kind == COMMAND_PUBLISH) {
        answer_published(p->request, &command->made);
    } else {
        admin_answer_json(p->request, 200, json_pack("{s:b}", "ok", 1));
    }
    pending_free(p);
}

void admin_command_done(struct admin *a, struct command *command) {
    struct order *order = command->owner;
    order->done(a, order);
}

void admin_submit(struct admin *a, struct order *order) {
    order->command.owner = order;
    engine_submit(a->engine, &order->command);
    a->options.hooks.wake(a->options.hooks.ctx);
}

/* A terminated copy of what a slice of the command will borrow; false when out of memory. */
static bool keep(char **own, struct slice *borrowed, struct slice text) {
    *own = slice_dup(text);
    *borrowed = (struct slice){*own, text.len};
    return *own != NULL;
}

bool admin_number(const char *text, uint64_t least, uint64_t most, uint64_t otherwise,
                  uint64_t *out) {
    char *end = NULL;
    *out = text == NULL ? otherwise : strtoull(text, &end, 10);
    return text == NULL ||
           (*text >= '0' && *text <= '9' && *end == '\0' && *out >= least && *out <= most);
}

bool admin_service(struct admin *a, struct gateway_request *request, const char *name,
                   bool *by_service, uint16_t *service) {
    char text[NAME_BYTES_MAX + 64];
    *by_service = name != NULL;
    if (name == NULL || look_service_number(engine_journal(a->engine), name, service) == 0) {
        return true;
    }
    (void)snprintf(text, sizeof text, "no service \"%.*s\" here", NAME_BYTES_MAX, name);
    admin_answer_error(request, 404, text);
    return false;
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
    p->order.command.properties = buf_slice(&p->properties);
    return !p->properties.failed;
}

/* An Idempotency-Key, if there is one. */
static bool fill_once(struct pending *p, const struct gateway_request *request, struct report *r) {
    struct slice once = slice_of(gateway_header(request, "Idempotency-Key"));
    if (once.len > ONCE_BYTES_MAX) {
        (void)report(r, ERR_LIMIT, ONCE_TOO_LONG);
        return false;
    }
    return keep(&p->once, &p->order.command.once, once);
}

static bool fill_publish(struct pending *p, const struct gateway_request *request,
                         struct report *r) {
    uint64_t qos = 1;
    uint64_t retain = 0;
    uint64_t after_ms = 0;
    const uint64_t ten_years_ms = (uint64_t)10 * 365 * 24 * 3600 * 1000;
    if (!admin_number(gateway_query(request, "qos"), 0, 1, 1, &qos) ||
        !admin_number(gateway_query(request, "retain"), 0, 1, 0, &retain) ||
        !admin_number(gateway_query(request, "after_ms"), 0, ten_years_ms, 0, &after_ms)) {
        (void)report(r, ERR_INVALID,
                     "qos and retain are 0 or 1, after_ms is a number of "
                     "milliseconds");
        return false;
    }
    if (topic_check(p->topic, r) != 0) {
        return false;
    }
    p->order.command.qos = (uint8_t)qos;
    p->order.command.retain = retain != 0;
    p->order.command.after_ms = (int64_t)after_ms;
    return fill_once(p, request, r) && fill_properties(p, request, r);
}

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

/* One command: "/api/<noun>/<name>/<verb>", "/api/<noun>/<id>", or "/api/<noun>". */
struct route {
    const char *noun, *verb; /* verb NULL = none, and no name but an id */
    enum command_kind kind;
    bool name_is_id; /* else it is a service */
};

static const struct route routes[] = {
    {"publish", NULL, COMMAND_PUBLISH, false},
    {"dlq", "replay", COMMAND_REPLAY, true},
    {"dlq", "discard", COMMAND_DISCARD, true},
    {"dlq", "edit", COMMAND_EDIT, true},
    {"services", "pause", COMMAND_PAUSE, false},
    {"services", "resume", COMMAND_RESUME, false},
    {"keys", "resume", COMMAND_KEY_RESUME, false},
    {"keys", "skip", COMMAND_KEY_SKIP, false},
    {"cancel", NULL, COMMAND_CANCEL, true},
    {"outbox", "retry", COMMAND_OUTBOX_RETRY, true},
    {"outbox", "discard", COMMAND_OUTBOX_DISCARD, true},
};

static const struct route *find_route(const struct parts *parts) {
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const struct route *route = &routes[i];
        size_t count = route->verb != NULL ? 4 : route->name_is_id ? 3 : 2;
        if (parts->count == count && slice_is(parts->at[1], route->noun) &&
            (route->verb == NULL || slice_is(parts->at[3], route->verb))) {
            return route;
        }
    }
    return NULL;
}

/* What must be said expressly. */
static bool fill_flags(struct command *c, const struct gateway_request *request, struct report *r) {
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"force", &c->force},
                 {"compensate", &c->compensate},
                 {"publish", &c->publish_only},
                 {"without_compensation", &c->without_compensation}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        uint64_t number;
        if (!admin_number(gateway_query(request, flags[i].name), 0, 1, 0, &number)) {
            (void)report(r, ERR_INVALID, "%s is 0 or 1", flags[i].name);
            return false;
        }
        *flags[i].flag = number != 0;
    }
    return true;
}

static bool fill(struct pending *p, const struct route *route, const struct parts *parts,
                 const struct gateway_request *request, struct report *r) {
    struct command *c = &p->order.command;
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
    if (!fill_flags(c, request, r)) {
        return false;
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

/* An endpoint refuses while its host accepts nothing, and so does this host what another one's
 * endpoint has relayed to it. A person may publish all the same. */
static bool is_full_for(struct admin *a, const struct route *route,
                        const struct gateway_request *request) {
    return route->kind == COMMAND_PUBLISH && gateway_is_final(request) &&
           gateway_header(request, "Idempotency-Key") != NULL && !engine_accepts(a->engine);
}

static void submit(struct admin *a, const struct route *route, const struct parts *parts,
                   struct gateway_request *request) {
    struct report r = {"out of memory"};
    if (is_full_for(a, route, request)) {
        admin_answer_error(request, 503, BACKLOG_FULL);
        return;
    }
    struct pending *p = calloc(1, sizeof *p);
    if (p == NULL || !fill(p, route, parts, request, &r)) {
        admin_answer_error(request, p == NULL ? 503 : 400, r.text);
        if (p != NULL) {
            pending_free(p);
        }
        return;
    }
    p->request = request;
    p->order.done = answer_command;
    p->order.command.kind = route->kind;
    admin_submit(a, &p->order);
}

void admin_publish(struct admin *a, struct gateway_request *request, const char *topic,
                   const char *once) {
    if (admin_relay_publish(a, request, topic)) {
        return;
    }
    struct pending *p = calloc(1, sizeof *p);
    struct command *c = p == NULL ? NULL : &p->order.command;
    bool kept = p != NULL && keep(&p->topic, &c->topic, slice_of(topic)) &&
                keep(&p->payload, &c->payload, gateway_body(request)) &&
                keep(&p->content_type, &c->content_type, slice_of("application/json")) &&
                keep(&p->once, &c->once, slice_of(once));
    if (!kept) {
        admin_answer_error(request, 503, "out of memory");
        if (p != NULL) {
            pending_free(p);
        }
        return;
    }
    p->request = request;
    p->order.done = answer_command;
    c->kind = COMMAND_PUBLISH;
    c->qos = 1;
    admin_submit(a, &p->order);
}

/* --- requests --- */

static void get_status(struct admin *a, struct gateway_request *request) {
    admin_answer_json(request, 200, admin_status_json(a));
}

static void get_services(struct admin *a, struct gateway_request *request) {
    admin_answer_json(request, 200, admin_services_json(a));
}

static void get_hosts(struct admin *a, struct gateway_request *request) {
    json_t *hosts = json_object();
    if (hosts != NULL) {
        a->options.hooks.add_hosts(a->options.hooks.ctx, hosts);
    }
    admin_answer_json(request, 200, hosts);
}

static void post_leave(struct admin *a, struct gateway_request *request) {
    a->options.hooks.leave(a->options.hooks.ctx);
    admin_answer_json(request, 202, json_pack("{s:b}", "ok", 1));
}

static void post_reload(struct admin *a, struct gateway_request *request) {
    a->options.hooks.reload(a->options.hooks.ctx);
    admin_answer_json(request, 200, json_pack("{s:b}", "ok", 1));
}

static void post_replay(struct admin *a, struct gateway_request *request) {
    admin_bulk(a, COMMAND_REPLAY, request);
}

static void post_discard(struct admin *a, struct gateway_request *request) {
    admin_bulk(a, COMMAND_DISCARD, request);
}

/* What is neither a command of one thing nor read from the store. */
static const struct {
    const char *path, *method;
    void (*serve)(struct admin *a, struct gateway_request *request);
} plain[] = {
    {"/api/status", "GET", get_status},         {"/api/services", "GET", get_services},
    {"/api/hosts", "GET", get_hosts},           {"/api/live", "GET", admin_live},
    {"/api/leave", "POST", post_leave},         {"/api/reload", "POST", post_reload},
    {"/api/dlq/replay", "POST", post_replay},   {"/api/dlq/discard", "POST", post_discard},
    {"/api/dlq/stop", "POST", admin_bulk_stop}, {"/api/replay", "POST", admin_rerun},
    {"/api/replay", "GET", admin_bulk_show},    {"/api/replay/stop", "POST", admin_bulk_stop},
};

/* The methods a path knows, as rows of `Allow`. */
struct allowed {
    bool get, post;
};

static void answer_nothing(struct gateway_request *request, const struct allowed *allowed) {
    if (!allowed->get && !allowed->post) {
        admin_answer_error(request, 404, "no such path: see docs/http.md");
        return;
    }
    const char *text = allowed->get ? "{\"error\":\"use GET\"}" : "{\"error\":\"use POST\"}";
    gateway_answer(request, 405, NULL, allowed->get ? "Allow: GET, HEAD\n" : "Allow: POST\n",
                   slice_of(text));
}

static bool serve_plain(struct admin *a, struct gateway_request *request, const char *method,
                        struct allowed *allowed) {
    const char *path = gateway_path(request);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (strcmp(plain[i].path, path) != 0) {
            continue;
        }
        if (strcmp(plain[i].method, method) == 0) {
            plain[i].serve(a, request);
            return true;
        }
        *(plain[i].method[0] == 'G' ? &allowed->get : &allowed->post) = true;
    }
    return false;
}

void admin_request(struct admin *a, struct gateway_request *request) {
    struct parts parts = split(gateway_path(request));
    struct allowed allowed = {false, false};
    const char *method = gateway_method(request);
    method = strcmp(method, "HEAD") == 0 ? "GET" : method;
    if (admin_relay(a, &parts, request)) {
        return;
    }
    if (serve_plain(a, request, method, &allowed)) {
        return;
    }
    bool api = parts.count >= 2 && slice_is(parts.at[0], "api");
    const struct route *route = api ? find_route(&parts) : NULL;
    const struct reading_kind *kind = api ? admin_find_kind(&parts) : NULL;
    bool try =
        api && parts.count == 4 && slice_is(parts.at[1], "dlq") && slice_is(parts.at[3], "try");
    bool signal = api && parts.count >= 3 && slice_is(parts.at[1], "signals");
    allowed.post = allowed.post || route != NULL || try || signal;
    bool peek = api && parts.count == 3 && slice_is(parts.at[1], "peek");
    allowed.get = allowed.get || peek || (kind != NULL && !allowed.post);
    if (kind != NULL && strcmp(method, "GET") == 0) {
        admin_read(a, kind, &parts, request);
    } else if (peek && strcmp(method, "GET") == 0) {
        admin_peek(a, parts.at[2], request);
    } else if (try && strcmp(method, "POST") == 0) {
        admin_try(a, parts.at[2], request);
    } else if (signal && strcmp(method, "POST") == 0) {
        admin_signal(a, &parts, request);
    } else if (route != NULL && strcmp(method, "POST") == 0) {
        submit(a, route, &parts, request);
    } else {
        answer_nothing(request, &allowed);
    }
}
