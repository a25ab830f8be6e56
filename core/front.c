/*
 * front.c - who may come in, and where each request goes.
 *
 * Left out on purpose: TLS (a reverse proxy does it better) and users (one token).
 */
#include "front.h"

#include "prometheus.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct front {
    const struct conf *conf;
    struct engine *engine;
    struct admin *admin;
    struct front_hooks hooks;
};

int front_new(struct front **out, const struct conf *conf, struct engine *engine,
              struct admin *admin, const struct front_hooks *hooks) {
    struct front *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return ERR_MEMORY;
    }
    *f = (struct front){conf, engine, admin, *hooks};
    *out = f;
    return 0;
}

void front_free(struct front *f) {
    free(f);
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

/* --- who may come in --- */

/* Compares digests, so that the time taken tells nothing about the token. */
static bool same_secret(const char *a, const char *b) {
    uint8_t x[crypto_generichash_BYTES];
    uint8_t y[crypto_generichash_BYTES];
    (void)crypto_generichash(x, sizeof x, (const uint8_t *)a, strlen(a), NULL, 0);
    (void)crypto_generichash(y, sizeof y, (const uint8_t *)b, strlen(b), NULL, 0);
    return sodium_memcmp(x, y, sizeof x) == 0;
}

static bool is_authorized(const struct front *f, const struct gateway_request *request) {
    static const char bearer[] = "Bearer ";
    if (f->conf->http_token[0] == '\0') {
        return true;
    }
    const char *header = gateway_header(request, "Authorization");
    return header != NULL && strncasecmp(header, bearer, sizeof bearer - 1) == 0 &&
           same_secret(header + sizeof bearer - 1, f->conf->http_token);
}

/* A page of another site can make a browser send a request here, but not without naming that site.
 */
static bool is_cross_site(const struct gateway_request *request) {
    const char *origin = gateway_header(request, "Origin");
    const char *host = gateway_header(request, "Host");
    if (origin == NULL) {
        return false;
    }
    const char *authority = strstr(origin, "://");
    return authority == NULL || host == NULL || strcmp(authority + 3, host) != 0;
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

/* The body as an endpoint wants it, or the sentence of the 400. */
static bool check_body(const struct endpoint_conf *endpoint, struct slice body, struct report *r) {
    json_error_t error;
    json_t *json = json_loadb(body.data == NULL ? "" : body.data, body.len,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (json == NULL) {
        (void)report(r, ERR_INVALID, "the body is not JSON: %s (line %d, column %d)", error.text,
                     error.line, error.column);
        return false;
    }
    bool ok = json_is_object(json);
    if (!ok) {
        (void)report(r, ERR_INVALID, "the body must be a JSON object");
    }
    for (size_t i = 0; ok && i < endpoint->required_count; i++) {
        const json_t *value = json_object_get(json, endpoint->required[i]);
        ok = value != NULL && !json_is_null(value);
        if (!ok) {
            (void)report(r, ERR_INVALID, "the field \"%s\" is missing", endpoint->required[i]);
        }
    }
    json_decref(json);
    return ok;
}

static void serve_endpoint(struct front *f, const struct endpoint_conf *endpoint,
                           struct gateway_request *request) {
    struct report r;
    struct slice body = gateway_body(request);
    if (strcmp(gateway_method(request), "POST") != 0) {
        answer_error(request, 405, "Allow: POST\n", "use POST");
    } else if (!is_json_type(gateway_header(request, "Content-Type"))) {
        answer_error(request, 415, NULL, "Content-Type must be application/json");
    } else if (body.len > f->conf->payload_bytes_max) {
        answer_error(request, 413, NULL, "the body is larger than limits.payload");
    } else if (!check_body(endpoint, body, &r)) {
        answer_error(request, 400, NULL, r.text);
    } else if (!engine_accepts(f->engine)) {
        answer_error(request, 503, "Retry-After: 5\n",
                     "the backlog or the store is full: try again later");
    } else {
        admin_publish(f->admin, request, endpoint->publish,
                      gateway_header(request, "Idempotency-Key"));
    }
}

/* --- health and metrics --- */

static void serve_ready(struct front *f, struct gateway_request *request) {
    struct engine_status s;
    engine_status(f->engine, &s);
    bool connected = f->hooks.broker_ready(f->hooks.ctx);
    bool ready = connected && s.accepts;
    json_t *body = json_pack("{s:b, s:b, s:b}", "ready", (int)ready, "broker", (int)connected,
                             "accepts", (int)s.accepts);
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

void front_request(struct front *f, struct gateway_request *request) {
    const char *path = gateway_path(request);
    bool get = strcmp(gateway_method(request), "GET") == 0;
    const struct endpoint_conf *endpoint = find_endpoint(f, path);
    if (get && strcmp(path, "/healthz") == 0) {
        gateway_answer(request, 200, NULL, NULL, slice_of("{\"ok\":true}"));
    } else if (get && strcmp(path, "/readyz") == 0) {
        serve_ready(f, request);
    } else if (!is_authorized(f, request)) {
        answer_error(request, 401, "WWW-Authenticate: Bearer\n",
                     "send the token as Authorization: Bearer (option http.token)");
    } else if (!get && is_cross_site(request)) {
        answer_error(request, 403, NULL, "a page of another site may not do this");
    } else if (endpoint != NULL) {
        serve_endpoint(f, endpoint, request);
    } else if (get && strcmp(path, "/metrics") == 0) {
        serve_metrics(f, request);
    } else {
        admin_request(f->admin, request);
    }
}
