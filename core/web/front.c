/*
 * front.c - where each request goes, and what endpoints accept.
 *
 * Left out on purpose: TLS (a reverse proxy does it better) and users (one token).
 */
#include "web/front.h"

#include "web/assets.h"
#include "web/guard.h"
#include "web/prometheus.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct front {
    const struct conf *conf;
    struct engine *engine;
    struct admin *admin;
    struct guard *guard;
    struct front_hooks hooks;
};

/* Everything comes from here and nothing from elsewhere; nobody frames us. The answers of the API
 * carry it, too: a browser that is led to one shows text, and nothing in it runs. */
const char front_headers[] =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'\n"
    "X-Content-Type-Options: nosniff\n"
    "X-Frame-Options: DENY\n"
    "Referrer-Policy: no-referrer\n"
    "Cross-Origin-Resource-Policy: same-origin\n";

int front_new(struct front **out, const struct conf *conf, struct engine *engine,
              struct admin *admin, const struct front_hooks *hooks) {
    struct front *f = calloc(1, sizeof *f);
    if (f == NULL || guard_new(&f->guard, conf->http_token) != 0) {
        free(f);
        return ERR_MEMORY;
    }
    f->conf = conf;
    f->engine = engine;
    f->admin = admin;
    f->hooks = *hooks;
    *out = f;
    return 0;
}

void front_free(struct front *f) {
    if (f != NULL) {
        guard_free(f->guard);
        free(f);
    }
}

static void answer_error(struct gateway_request *request, int status, const char *headers,
                         const char *text) {
    json_t *body = json_pack("{s:s}", "error", text);
    char *json = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    json_decref(body);
    gateway_answer(request, status, NULL, headers,
                   slice_of(json == NULL ? "{\"error\":\"out of memory\"}" : json));
    free(json);
}

/* --- endpoints --- */

static const struct endpoint_conf *find_endpoint(const struct front *f, const char *path) {
    for (size_t i = 0; i < f->conf->endpoint_count; i++) {
        if (strcmp(f->conf->endpoints[i].path, path) == 0) {
            return &f->conf->endpoints[i];
        }
    }
    return NULL;
}

static bool is_json_type(const char *type) {
    static const char json[] = "application/json";
    if (type == NULL || strncasecmp(type, json, sizeof json - 1) != 0) {
        return false;
    }
    char next = type[sizeof json - 1];
    return next == '\0' || next == ';' || next == ' ';
}

/* The first field that should be there and is not, or NULL. */
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
    json_t *body = json_pack("{s:s, s:s}", "error", text, "field", field);
    char *json = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    json_decref(body);
    gateway_answer(request, 400, NULL, NULL, slice_of(json == NULL ? "{}" : json));
    free(json);
}

/* Whether the body is as the endpoint wants it; otherwise it is answered. */
static bool check_body(const struct endpoint_conf *endpoint, struct gateway_request *request) {
    struct slice body = gateway_body(request);
    struct report r = {"the body must be a JSON object"};
    json_error_t error;
    json_t *json = json_loadb(body.data == NULL ? "" : body.data, body.len,
                              JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    bool object = json_is_object(json);
    const char *missing = object ? missing_field(endpoint, json) : NULL;
    if (json == NULL) {
        (void)report(&r, ERR_INVALID, "the body is not JSON: %s (line %d, column %d)", error.text,
                     error.line, error.column);
    }
    if (missing != NULL) {
        answer_missing(request, missing);
    } else if (!object) {
        answer_error(request, 400, NULL, r.text);
    }
    json_decref(json);
    return object && missing == NULL;
}

static void serve_endpoint(struct front *f, const struct endpoint_conf *endpoint,
                           struct gateway_request *request) {
    const char *once = gateway_header(request, "Idempotency-Key");
    if (strcmp(gateway_method(request), "POST") != 0) {
        answer_error(request, 405, "Allow: POST\n", "use POST");
    } else if (!is_json_type(gateway_header(request, "Content-Type"))) {
        answer_error(request, 415, NULL, "Content-Type must be application/json");
    } else if (gateway_body(request).len > f->conf->payload_bytes_max) {
        answer_error(request, 413, NULL, "the body is larger than limits.payload");
    } else if (once != NULL && strlen(once) > ONCE_BYTES_MAX) {
        answer_error(request, 400, NULL, ONCE_TOO_LONG);
    } else if (!engine_accepts(f->engine)) {
        answer_error(request, 503, "Retry-After: 5\n", BACKLOG_FULL);
    } else if (check_body(endpoint, request)) {
        admin_publish(f->admin, request, endpoint->publish, once);
    }
}

/* --- health and metrics --- */

static void serve_ready(struct front *f, struct gateway_request *request) {
    struct engine_status s;
    engine_status(f->engine, &s);
    bool connected = f->hooks.broker_ready(f->hooks.ctx);
    bool ready = connected && s.accepts;
    json_t *why = json_array();
    if (why != NULL && !connected) {
        f->hooks.broker_reasons(f->hooks.ctx, why);
    }
    if (why != NULL && !s.accepts) {
        (void)json_array_append_new(why, json_string("the backlog or the store is full"));
    }
    json_t *body = json_pack("{s:b, s:b, s:b, s:o}", "ready", (int)ready, "broker", (int)connected,
                             "accepts", (int)s.accepts, "why", why);
    char *json = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    json_decref(body);
    gateway_answer(request, ready ? 200 : 503, NULL, NULL, slice_of(json == NULL ? "{}" : json));
    free(json);
}

static void serve_metrics(struct front *f, struct gateway_request *request) {
    struct buf out;
    buf_init(&out, 16 << 20);
    prometheus_write(f->engine, &out);
    f->hooks.host_metrics(f->hooks.ctx, &out);
    gateway_answer(request, out.failed ? 500 : 200, "text/plain; version=0.0.4", NULL,
                   buf_slice(&out));
    buf_clear(&out);
}

/* --- the dashboard --- */

static void serve_asset(const struct asset *asset, struct gateway_request *request) {
    char headers[128];
    const char *known = gateway_header(request, "If-None-Match");
    (void)snprintf(headers, sizeof headers, "ETag: %s\nCache-Control: no-cache\n", asset->etag);
    bool same = known != NULL && strcmp(known, asset->etag) == 0;
    struct slice body = {(const char *)asset->data, asset->len};
    gateway_answer(request, same ? 304 : 200, asset->type, headers,
                   same ? (struct slice){NULL, 0} : body);
}

/* --- the way of a request --- */

/* What anyone may have: whether we live, and the page, which asks for the token itself. */
static bool serve_anyone(struct front *f, struct gateway_request *request, bool get) {
    const char *path = gateway_path(request);
    const struct asset *asset = get ? asset_find(path) : NULL;
    if (get && strcmp(path, "/healthz") == 0) {
        gateway_answer(request, 200, NULL, NULL, slice_of("{\"ok\":true}"));
    } else if (get && strcmp(path, "/readyz") == 0) {
        serve_ready(f, request);
    } else if (guard_is_misdirected(f->guard, request)) {
        answer_error(request, 421, NULL,
                     "without an http.token only requests to localhost or to an address are "
                     "answered: set one to be reached by a name");
    } else if (!get && guard_is_cross_site(request)) {
        answer_error(request, 403, NULL, "a page of another site may not do this");
    } else if (asset != NULL) {
        serve_asset(asset, request);
    } else {
        return false;
    }
    return true;
}

static bool serve_session(struct front *f, struct gateway_request *request) {
    const char *path = gateway_path(request);
    bool login = strcmp(path, "/login") == 0;
    if (!login && strcmp(path, "/logout") != 0) {
        return false;
    }
    if (strcmp(gateway_method(request), "POST") != 0) {
        answer_error(request, 405, "Allow: POST\n", "use POST");
    } else if (login && !is_json_type(gateway_header(request, "Content-Type"))) {
        answer_error(request, 415, NULL, "Content-Type must be application/json");
    } else if (login) {
        guard_login(f->guard, request);
    } else {
        guard_logout(f->guard, request);
    }
    return true;
}

void front_request(struct front *f, struct gateway_request *request) {
    const char *path = gateway_path(request);
    const char *method = gateway_method(request);
    bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    const struct endpoint_conf *endpoint = find_endpoint(f, path);
    if (serve_anyone(f, request, get) || serve_session(f, request)) {
        return;
    }
    if (!guard_knows(f->guard, request)) {
        answer_error(request, 401, "WWW-Authenticate: Bearer\n",
                     "send the token as Authorization: Bearer (option http.token)");
    } else if (endpoint != NULL) {
        serve_endpoint(f, endpoint, request);
    } else if (get && strcmp(path, "/metrics") == 0) {
        serve_metrics(f, request);
    } else {
        admin_request(f->admin, request);
    }
}

bool front_wants_body(struct front *f, const struct gateway_request *request) {
    bool login = strcmp(gateway_path(request), "/login") == 0;
    return !guard_is_misdirected(f->guard, request) && !guard_is_cross_site(request) &&
           (login || guard_knows(f->guard, request));
}
