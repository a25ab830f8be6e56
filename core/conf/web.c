/*
 * web.c - the front door in topics.conf: endpoints, tokens, and access.
 */
#include "conf/options.h"

#include "base/limits.h"

#include <string.h>

/* Paths that the front door answers itself. */
static bool is_reserved_path(const char *path) {
    static const char *const own[] = {
        "/metrics",     "/healthz",    "/readyz",     "/login",        "/logout",      "/assets",
        "/api/audit",   "/api/cancel", "/api/dlq",    "/api/events",   "/api/hosts",   "/api/jobs",
        "/api/keys",    "/api/leave",  "/api/live",   "/api/login",    "/api/outbox",  "/api/peek",
        "/api/publish", "/api/reload", "/api/replay", "/api/services", "/api/signals", "/api/state",
        "/api/status",  "/api/try"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        size_t len = strlen(own[i]);
        if (strncmp(path, own[i], len) == 0 && (path[len] == '\0' || path[len] == '/')) {
            return true;
        }
    }
    return strcmp(path, "/") == 0;
}

int conf_finish_endpoint(const struct conf_place *place, void *object) {
    static const char legal[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
    struct endpoint_conf *e = object;
    const char *path = place->title;
    if (path[0] != '/' || strspn(path, legal) != strlen(path)) {
        return conf_fail(place,
                         "an endpoint is identified by its path: a slash, then letters, digits "
                         "and - . _ ~ /, as in \"/api/send-email\"");
    }
    if (is_reserved_path(path)) {
        return conf_fail(place, "this path is reserved by zingq, choose another");
    }
    e->path = slice_dup(slice_of(path));
    e->line = place->line;
    return e->path == NULL ? ERR_MEMORY : 0;
}

/* ---- tokens ---- */

/* Short ones can be guessed by trying. */
static bool is_short(const char *token) {
    return strlen(token) < TOKEN_BYTES_MIN;
}

int conf_finish_token(const struct conf_place *place, void *object) {
    struct token_conf *t = object;
    if (t->value[0] == '\0' && !place->no_secrets) {
        return conf_fail(place, "its value is empty, so anyone could use it");
    }
    if (t->endpoint_count > 0 && t->role != ROLE_SUBMIT) {
        return conf_fail(place, "endpoints requires role = submit; the other roles do not concern "
                                "single endpoints");
    }
    t->name = slice_dup(slice_of(place->title));
    t->line = place->line;
    return t->name == NULL ? ERR_MEMORY : 0;
}

static bool has_endpoint(const struct conf *c, const char *path) {
    for (size_t i = 0; i < c->endpoint_count; i++) {
        if (strcmp(c->endpoints[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

static int check_token(const struct conf_place *place, const struct conf *c,
                       const struct token_conf *t) {
    if (is_short(t->value) && !conf_is_loopback(c)) {
        return conf_fail(place,
                         "a token of fewer than %d bytes can be guessed, and http.listen can "
                         "be reached from other machines: make a longer one",
                         TOKEN_BYTES_MIN);
    }
    for (size_t i = 0; i < t->endpoint_count; i++) {
        if (!has_endpoint(c, t->endpoints[i])) {
            return conf_fail(place, "there is no endpoint \"%s\"", t->endpoints[i]);
        }
    }
    return 0;
}

static int check_tokens(const struct conf_place *listen, const struct conf *c) {
    for (size_t i = 0; i < c->token_count; i++) {
        struct conf_place place = *listen;
        place.section = CONF_SPECS[CONF_TOKEN].name;
        place.title = c->tokens[i].name;
        place.option = NULL;
        place.line = c->tokens[i].line;
        int code = conf_pardon(&place, check_token(&place, c, &c->tokens[i]));
        if (code != 0) {
            return code;
        }
    }
    return 0;
}

/* ---- access ---- */

bool conf_is_loopback(const struct conf *c) {
    const char *listen = c->http_listen;
    return listen[0] == '\0' || strncmp(listen, "unix:", 5) == 0 ||
           strncmp(listen, "127.", 4) == 0 || strncmp(listen, "[::1]:", 6) == 0;
}

/* auth = hmac, and what goes with it. */
static int check_signing(const struct conf_place *place, const struct endpoint_conf *e) {
    struct report r;
    if (e->auth != AUTH_HMAC) {
        return e->preset == WEBHOOK_NONE && e->secret_count == 0
                   ? 0
                   : conf_fail(place, "preset and secret go with auth = hmac");
    }
    if (e->preset == WEBHOOK_NONE || e->secret_count == 0) {
        return conf_fail(place, "auth = hmac needs a preset, stripe or standard-webhooks, and a "
                                "secret, such as secret = \"env:WEBHOOK_SECRET\"");
    }
    for (size_t i = 0; i < e->secret_count; i++) {
        if (webhook_check_secret(e->preset, e->secrets[i], &r) != 0) {
            return conf_fail(place, "%s", r.text);
        }
    }
    return 0;
}

/* If there is an http.token, an endpoint without `auth` requires a token; otherwise it is open on
 * loopback. */
static int settle_endpoints(const struct conf_place *listen, struct conf *c) {
    for (size_t i = 0; i < c->endpoint_count; i++) {
        struct endpoint_conf *e = &c->endpoints[i];
        struct conf_place place = *listen;
        place.section = CONF_SPECS[CONF_ENDPOINT].name;
        place.title = e->path;
        place.option = NULL;
        place.line = e->line;
        int code = conf_pardon(&place, check_signing(&place, e));
        if (code != 0) {
            return code;
        }
        if (e->auth == AUTH_UNSAID && !conf_is_loopback(c)) {
            return conf_fail(&place, "http.listen is reachable from other machines: set who may "
                                     "use this endpoint, auth = hmac, auth = token or auth = none");
        }
        if (e->auth == AUTH_UNSAID && c->http_token[0] != '\0') {
            e->auth = AUTH_TOKEN;
        }
    }
    return 0;
}

int conf_check_web(const struct conf_place *listen, const struct conf_place *token,
                   struct conf *c) {
    if (listen->no_secrets) {
        return 0; /* who may come in is a matter of tokens */
    }
    bool away = !conf_is_loopback(c);
    if (away && c->http_token[0] == '\0' && c->token_count == 0) {
        return conf_fail(listen,
                         "\"%s\" can be reached from other machines, and there is no http.token: "
                         "set the environment variable ZINGQ_TOKEN, or listen on 127.0.0.1",
                         c->http_listen);
    }
    if (away && c->http_token[0] != '\0' && is_short(c->http_token)) {
        return conf_fail(
            token,
            "a token of fewer than %d bytes can be guessed, and http.listen can be "
            "reached from other machines: make a longer one, as `openssl rand -hex 16` "
            "does",
            TOKEN_BYTES_MIN);
    }
    if ((c->http_cert_file[0] == '\0') != (c->http_key_file[0] == '\0')) {
        struct conf_place place = *listen;
        place.option = c->http_cert_file[0] == '\0' ? "key_file" : "cert_file";
        return conf_fail(&place, "cert_file and key_file only work together");
    }
    int code = settle_endpoints(listen, c);
    return code == 0 ? check_tokens(listen, c) : code;
}
