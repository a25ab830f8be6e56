/*
 * front.c - where each request goes, and what endpoints accept.
 *
 * Left out on purpose: users with passwords. Tokens have roles.
 */
#include "web/front.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/webhook.h"
#include "web/assets.h"
#include "web/guard.h"
#include "web/prometheus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { FORGED_MS = 60000 };

static const char WEBHOOK_ID[] = "webhook-id";

struct front {
    const struct conf *conf;
    struct engine *engine;
    struct admin *admin;
    struct guard *guard;
    struct front_hooks hooks;
    struct route *rows; /* owned */
    struct route_table routes;
    const char *made;       /* the host's own token; borrowed */
    int64_t forged_told_ms; /* when a request with a wrong signature was last logged */
};

/* Allows resources only from this server, and no frames. Answers of the API carry these headers,
 * too: a browser that is led to one shows text, and nothing in it runs. */
const char front_headers[] =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'\n"
    "X-Content-Type-Options: nosniff\n"
    "X-Frame-Options: DENY\n"
    "Referrer-Policy: no-referrer\n"
    "Cross-Origin-Resource-Policy: same-origin\n";

/* --- endpoints --- */

static bool is_json_type(const char *type) {
    static const char json[] = "application/json";
    if (type == NULL || strncasecmp(type, json, sizeof json - 1) != 0) {
        return false;
    }
    char next = type[sizeof json - 1];
    return next == '\0' || next == ';' || next == ' ';
}

/* The first required field that is missing, or NULL. */
static const char *missing_field(const struct endpoint_conf *endpoint, const json_t *json) {
    for (size_t i = 0; i < endpoint->required_count; i++) {
        const json_t *value = json_object_get(json, endpoint->required[i]);
        if (value == NULL || json_is_null(value)) {
            return endpoint->required[i];
        }
    }
    return NULL;
}

static void answer_missing(struct gateway_request *request, const char *field) {
    char text[256];
    (void)snprintf(text, sizeof text, "the field \"%.200s\" is missing", field);
    gateway_answer_json(request, 400, NULL, json_pack("{s:s, s:s}", "error", text, "field", field));
}

/* True if the body fits the endpoint; otherwise the request has been answered. */
static bool check_body(const struct endpoint_conf *endpoint, struct gateway_request *request) {
    struct slice body = gateway_body(request);
    struct report r = {"the body must be a JSON object"};
    json_t *json;
    int code = json_read_unique(body, "the body", &json, &r);
    bool object = json_is_object(json);
    const char *missing = object ? missing_field(endpoint, json) : NULL;
    if (missing != NULL) {
        answer_missing(request, missing);
    } else if (!object) {
        gateway_answer_error(request, code == ERR_MEMORY ? 503 : 400, NULL, r.text);
    }
    json_decref(json);
    return object && missing == NULL;
}

static uint64_t body_max_of(const struct front *f, const struct endpoint_conf *endpoint) {
    uint64_t own = endpoint->body_bytes_max;
    uint64_t all = f->conf->payload_bytes_max;
    return own > 0 && own < all ? own : all;
}

/* A flood of forged requests says so once in a while. */
static void tell_forged(struct front *f, const struct endpoint_conf *endpoint, const char *why) {
    int64_t now_ms = clock_wall_ms();
    if (f->forged_told_ms == 0 || now_ms - f->forged_told_ms >= FORGED_MS ||
        now_ms < f->forged_told_ms) {
        f->forged_told_ms = now_ms;
        log_warn("http", "a request to endpoint %s was refused: %s (logged at most once a minute)",
                 endpoint->path, why);
    }
}

/* True if the endpoint wants no signature, or the request has one; otherwise it has been answered.
 */
static bool check_signature(struct front *f, const struct endpoint_conf *endpoint,
                            struct gateway_request *request) {
    bool stripe = endpoint->preset == WEBHOOK_STRIPE;
    struct webhook_headers headers = {
        .signature = gateway_header(request, stripe ? "Stripe-Signature" : "webhook-signature"),
        .id = gateway_header(request, WEBHOOK_ID),
        .timestamp = stripe ? NULL : gateway_header(request, "webhook-timestamp")};
    struct report r;
    if (endpoint->auth != AUTH_HMAC ||
        webhook_is_signed(endpoint->preset, endpoint->secrets, endpoint->secret_count, &headers,
                          gateway_body(request), clock_wall_ms() / 1000, &r)) {
        return true;
    }
    tell_forged(f, endpoint, r.text);
    gateway_answer_error(request, 401, NULL, r.text);
    return false;
}

/* The key under which the sender repeats it: the one that is signed, if there is one. */
static const char *key_of(const struct endpoint_conf *endpoint,
                          const struct gateway_request *request) {
    bool standard = endpoint->preset == WEBHOOK_STANDARD;
    return gateway_header(request, standard ? WEBHOOK_ID : "Idempotency-Key");
}

static void serve_endpoint(void *ctx, const struct call *call) {
    struct front *f = ctx;
    struct gateway_request *request = call->request;
    const struct endpoint_conf *endpoint = &f->conf->endpoints[call->route->kind];
    const char *once = key_of(endpoint, request);
    const char *priority = NULL;
    struct report r;
    if (!check_signature(f, endpoint, request)) {
        return;
    }
    if (!is_json_type(gateway_header(request, "Content-Type"))) {
        gateway_answer_error(request, 415, NULL, "Content-Type must be application/json");
    } else if (once != NULL && strlen(once) > ONCE_BYTES_MAX) {
        gateway_answer_error(request, 400, NULL, ONCE_TOO_LONG);
    } else if (endpoint->auth != AUTH_HMAC && !admin_find_priority(request, &priority, &r)) {
        gateway_answer_error(request, 400, NULL, r.text); /* of a webhook it is not signed */
    } else if (!engine_accepts(f->engine)) {
        gateway_answer_error(request, 503, NULL, BACKLOG_FULL);
    } else if (check_body(endpoint, request)) {
        admin_publish(f->admin, request, endpoint->publish, once, priority);
    }
}

/* --- health and metrics --- */

static void serve_health(void *ctx, const struct call *call) {
    (void)ctx;
    gateway_answer(call->request, 200, NULL, NULL, slice_of("{\"ok\":true}"));
}

static void serve_ready(void *ctx, const struct call *call) {
    const struct front *f = ctx;
    struct engine_status s;
    engine_status(f->engine, &s);
    bool connected = f->hooks.broker_ready(f->hooks.ctx);
    bool ready = connected && s.accepts;
    json_t *why = json_array();
    if (why != NULL && !connected) {
        f->hooks.broker_reasons(f->hooks.ctx, why);
    }
    if (why != NULL && !s.accepts) {
        (void)json_array_append_new(why, json_string("the backlog or the store is full, or the "
                                                     "database of its log is away"));
    }
    json_t *body = json_pack("{s:b, s:b, s:b, s:o}", "ready", (int)ready, "broker", (int)connected,
                             "accepts", (int)s.accepts, "why", why);
    gateway_answer_json(call->request, ready ? 200 : 503, NULL, body);
}

static void serve_metrics(void *ctx, const struct call *call) {
    const struct front *f = ctx;
    struct buf out;
    buf_init(&out, 16 << 20);
    prometheus_write(f->engine, f->admin, &out);
    f->hooks.host_metrics(f->hooks.ctx, &out);
    gateway_answer(call->request, out.failed ? 500 : 200, "text/plain; version=0.0.4", NULL,
                   buf_slice(&out));
    buf_clear(&out);
}

/* --- the dashboard --- */

static void serve_asset(void *ctx, const struct call *call) {
    (void)ctx;
    struct gateway_request *request = call->request;
    const struct asset *asset = asset_find(gateway_path(request));
    char headers[128];
    if (asset == NULL) {
        gateway_answer_error(request, 404, NULL, "the dashboard has no such file");
        return;
    }
    const char *known = gateway_header(request, "If-None-Match");
    (void)snprintf(headers, sizeof headers, "ETag: %s\nCache-Control: no-cache\n", asset->etag);
    bool same = known != NULL && strcmp(known, asset->etag) == 0;
    struct slice body = {(const char *)asset->data, asset->len};
    gateway_answer(request, same ? 304 : 200, asset->type, headers,
                   same ? (struct slice){NULL, 0} : body);
}

static void serve_login(void *ctx, const struct call *call) {
    const struct front *f = ctx;
    bool post = strcmp(call->route->method, "POST") == 0;
    if (!post || is_json_type(gateway_header(call->request, "Content-Type"))) {
        guard_login(f->guard, call->request);
    } else {
        gateway_answer_error(call->request, 415, NULL, "Content-Type must be application/json");
    }
}

static void serve_logout(void *ctx, const struct call *call) {
    const struct front *f = ctx;
    guard_logout(f->guard, call->request);
}

/* --- routes --- */

/* Anyone may ask whether we are alive, and may load the page, which asks for the token itself. */
static const struct route own_routes[] = {
    {"GET", "/healthz", ACCESS_ALWAYS, serve_health, 0},
    {"GET", "/readyz", ACCESS_ALWAYS, serve_ready, 0},
    {"GET", "/", ACCESS_ANYONE, serve_asset, 0},
    {"GET", "/assets/*", ACCESS_ANYONE, serve_asset, 0},
    {"POST", "/login", ACCESS_ANYONE, serve_login, 0},
    {"GET", "/login", ACCESS_ANYONE, serve_login, 0},
    {"POST", "/logout", ACCESS_ANYONE, serve_logout, 0},
    {"GET", "/metrics", ACCESS_READ, serve_metrics, 0},
};

enum { OWN_ROUTES = sizeof own_routes / sizeof *own_routes };

/* Endpoints without `auth` are open on loopback, but only under host names that are surely ours. */
static enum access endpoint_access(const struct endpoint_conf *endpoint) {
    switch (endpoint->auth) {
    case AUTH_TOKEN:
        return ACCESS_SUBMIT;
    case AUTH_HMAC: /* its signature is checked once the body is there */
    case AUTH_NONE:
        return ACCESS_ANYONE;
    case AUTH_UNSAID:
        break;
    }
    return ACCESS_OPEN;
}

/* Our own rows, plus one per endpoint. */
static int make_routes(struct front *f) {
    size_t count = f->conf->endpoint_count;
    struct route *rows = calloc(OWN_ROUTES + count, sizeof *rows);
    if (rows == NULL) {
        return ERR_MEMORY;
    }
    free(f->rows);
    memcpy(rows, own_routes, sizeof own_routes);
    for (size_t i = 0; i < count; i++) {
        const struct endpoint_conf *endpoint = &f->conf->endpoints[i];
        rows[OWN_ROUTES + i] = (struct route){"POST", endpoint->path, endpoint_access(endpoint),
                                              serve_endpoint, (int)i};
    }
    f->rows = rows;
    f->routes = (struct route_table){rows, OWN_ROUTES + count};
    return 0;
}

int front_new(struct front **out, const struct front_options *options) {
    struct front *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return ERR_MEMORY;
    }
    f->conf = options->conf;
    f->engine = options->engine;
    f->admin = options->admin;
    f->hooks = options->hooks;
    f->made = options->made_token;
    if (guard_new(&f->guard) != 0 || front_change(f) != 0) {
        front_free(f);
        return ERR_MEMORY;
    }
    *out = f;
    return 0;
}

int front_change(struct front *f) {
    int code = guard_set(f->guard, f->conf, f->made);
    return code == 0 ? make_routes(f) : code;
}

void front_free(struct front *f) {
    if (f != NULL) {
        guard_free(f->guard);
        free(f->rows);
        free(f);
    }
}

/* --- the path of a request --- */

/* Ours, or one of the API. */
static void find_route(const struct front *f, const struct gateway_request *request,
                       struct call *call) {
    const char *method = gateway_method(request);
    const char *path = gateway_path(request);
    if (!route_find(&f->routes, method, path, call)) {
        (void)route_find(&admin_routes, method, path, call);
    }
}

/* What the request requires; a client that may not know a path is not told that it does not exist.
 * On loopback, metrics are open until topics.conf names a token. */
static enum access access_of(const struct front *f, const struct call *call) {
    if (call->route == NULL) {
        return ACCESS_READ;
    }
    bool metrics = call->route->serve == serve_metrics;
    return metrics && !guard_is_named(f->guard) ? ACCESS_OPEN : call->route->access;
}

static const char *endpoint_of(const struct call *call) {
    return call->route != NULL && call->route->serve == serve_endpoint ? call->route->pattern
                                                                       : NULL;
}

/* Over a unix socket, the owner of this process needs no token unless topics.conf names one. */
static bool is_owner(const struct front *f, const struct gateway_request *request) {
    struct address from = gateway_from(request);
    return !guard_is_named(f->guard) && address_is_user(&from, geteuid());
}

/* True if the client is allowed to do this; otherwise the request has been answered. */
static bool check_visitor(struct front *f, const struct call *call, enum access access) {
    struct visitor visitor;
    if (is_owner(f, call->request)) {
        return true;
    }
    switch (guard_look(f->guard, call->request, &visitor)) {
    case GUARD_KNOWN:
        break;
    case GUARD_BRAKED:
        guard_answer_braked(f->guard, call->request);
        return false;
    case GUARD_WRONG:
        guard_note_wrong(f->guard, call->request);
        /* fall through */
    case GUARD_NOBODY:
        gateway_answer_error(call->request, 401, "WWW-Authenticate: Bearer\n",
                             "send the token as Authorization: Bearer (`zingq dashboard` prints a "
                             "link that logs in)");
        return false;
    }
    gateway_set_who(call->request, visitor.name);
    if (access != ACCESS_SOCKET && !guard_may(f->guard, &visitor, access, endpoint_of(call))) {
        char text[NAME_BYTES_MAX + 64];
        (void)snprintf(text, sizeof text, "the token \"%s\" may not do this", visitor.name);
        gateway_answer_error(call->request, 403, NULL, text);
        return false;
    }
    return true;
}

/* True if the request may be served; otherwise it has been answered. */
static bool let_in(struct front *f, const struct call *call) {
    struct gateway_request *request = call->request;
    enum access access = access_of(f, call);
    const char *method = gateway_method(request);
    bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    if (access == ACCESS_ALWAYS) {
        return true;
    }
    if (!reads && guard_is_cross_site(request)) {
        gateway_answer_error(request, 403, NULL, "a page of another site may not do this");
        return false;
    }
    if (access == ACCESS_OPEN && guard_is_misdirected(request)) {
        gateway_answer_error(request, 421, NULL,
                             "without a token only requests to localhost or to an address are "
                             "answered: say auth = none to be reached by a name");
        return false;
    }
    return access <= ACCESS_OPEN || check_visitor(f, call, access);
}

void front_request(struct front *f, struct gateway_request *request) {
    struct call call = {.request = request};
    find_route(f, request, &call);
    if (!let_in(f, &call)) {
        return;
    }
    if (call.route != NULL && call.route->access == ACCESS_SOCKET) {
        call.route = NULL; /* over TCP this path does not exist */
        call.allowed = false;
    }
    if (!call.allowed) {
        route_refuse(&call);
    } else if (call.table == &admin_routes) {
        admin_serve(f->admin, &call);
    } else {
        call.route->serve(f, &call);
    }
}

/* True if a request that needs this access will be let in. */
static bool may_come(const struct front *f, const struct gateway_request *request,
                     const struct call *call, enum access access) {
    struct visitor visitor;
    return is_owner(f, request) || (guard_look(f->guard, request, &visitor) == GUARD_KNOWN &&
                                    guard_may(f->guard, &visitor, access, endpoint_of(call)));
}

struct gateway_welcome front_welcome(struct front *f, const struct gateway_request *request) {
    static const struct gateway_welcome nothing = {0, PURSE_SMALL, false};
    struct call call = {.request = NULL};
    find_route(f, request, &call);
    enum access access = access_of(f, &call);
    if (access == ACCESS_ALWAYS) {
        return (struct gateway_welcome){0, PURSE_SMALL, true};
    }
    if (!call.allowed || guard_is_cross_site(request) ||
        (access == ACCESS_OPEN && guard_is_misdirected(request))) {
        return nothing;
    }
    if (call.route->serve == serve_endpoint) {
        const struct endpoint_conf *endpoint = &f->conf->endpoints[call.route->kind];
        enum gateway_purse purse = access <= ACCESS_OPEN ? PURSE_OPEN : PURSE_KNOWN;
        bool comes = purse == PURSE_OPEN || may_come(f, request, &call, access);
        return comes ? (struct gateway_welcome){body_max_of(f, endpoint), purse, false} : nothing;
    }
    if (access <= ACCESS_OPEN) {
        return (struct gateway_welcome){LOGIN_BYTES_MAX, PURSE_SMALL, false};
    }
    return may_come(f, request, &call, access)
               ? (struct gateway_welcome){GATEWAY_BODY_BYTES_MAX, PURSE_KNOWN, false}
               : nothing;
}
