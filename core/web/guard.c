/*
 * guard.c - see web/guard.h.
 *
 * A session is a random number in a cookie that scripts cannot read and other sites cannot send. It
 * is kept as its hash, in memory: a restart logs everybody out. Secrets are compared by their
 * hashes, so that the time it takes tells nothing.
 *
 * Without a token there is nothing to steal a session of, but a page could have its own name point
 * to 127.0.0.1 and talk to us as if we were its site. So only addresses and localhost are answered
 * then.
 */
#include "web/guard.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/limits.h"

#include <arpa/inet.h>
#include <assert.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

enum {
    SESSION_BYTES = 32,
    SESSION_HOURS = 12,
    HOST_BYTES_MAX = 256,
    COOKIE_BYTES_MAX = 65,
    LOGIN_BYTES_MAX = 8192
};

#define COOKIE "zingq_session="

struct hash {
    uint8_t bytes[crypto_generichash_BYTES];
};

struct session {
    struct hash hash;  /* of the cookie's value */
    uint64_t until_ms; /* of the loop's clock; 0 = free */
};

struct guard {
    const char *token;
    struct session sessions[SESSIONS_MAX];
};

int guard_new(struct guard **out, const char *token) {
    struct guard *g = calloc(1, sizeof *g);
    if (g == NULL) {
        return ERR_MEMORY;
    }
    g->token = token;
    *out = g;
    return 0;
}

void guard_free(struct guard *g) {
    free(g);
}

static struct hash hash_of(struct slice text) {
    struct hash hash;
    const char *data = text.len == 0 ? "" : text.data;
    (void)crypto_generichash(hash.bytes, sizeof hash.bytes, (const uint8_t *)data, text.len, NULL,
                             0);
    return hash;
}

static bool same_hash(const struct hash *a, const struct hash *b) {
    return sodium_memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static bool is_token(const struct guard *g, const char *text) {
    struct hash given = hash_of(slice_of(text));
    struct hash wanted = hash_of(slice_of(g->token));
    return same_hash(&given, &wanted);
}

static uint64_t now_ms(void) {
    return (uint64_t)clock_monotonic_ms();
}

/* ---- sessions ---- */

/* The value of our cookie among the others. */
static struct slice cookie_of(const struct gateway_request *request) {
    const char *at = gateway_header(request, "Cookie");
    while (at != NULL && *at != '\0') {
        at += strspn(at, " ;");
        size_t len = strcspn(at, ";");
        if (strncmp(at, COOKIE, sizeof COOKIE - 1) == 0) {
            return (struct slice){at + sizeof COOKIE - 1, len - (sizeof COOKIE - 1)};
        }
        at += len;
    }
    return (struct slice){NULL, 0};
}

static struct session *find_session(struct guard *g, struct slice cookie) {
    struct hash hash = hash_of(cookie);
    struct session *found = NULL;
    for (size_t i = 0; i < SESSIONS_MAX && cookie.len > 0; i++) {
        struct session *s = &g->sessions[i];
        if (same_hash(&s->hash, &hash) && s->until_ms > now_ms()) {
            found = s;
        }
    }
    return found;
}

/* A free place, or that of the session that ends first. */
static struct session *room_for_session(struct guard *g) {
    struct session *room = &g->sessions[0];
    for (size_t i = 1; i < SESSIONS_MAX; i++) {
        room = g->sessions[i].until_ms < room->until_ms ? &g->sessions[i] : room;
    }
    return room;
}

static void begin_session(struct guard *g, char cookie[COOKIE_BYTES_MAX]) {
    uint8_t random[SESSION_BYTES];
    struct session *s = room_for_session(g);
    randombytes_buf(random, sizeof random);
    (void)sodium_bin2hex(cookie, COOKIE_BYTES_MAX, random, sizeof random);
    s->hash = hash_of(slice_of(cookie));
    s->until_ms = now_ms() + (uint64_t)SESSION_HOURS * 3600 * 1000;
}

/* ---- who it is ---- */

bool guard_knows(struct guard *g, const struct gateway_request *request) {
    static const char bearer[] = "Bearer ";
    if (g->token[0] == '\0') {
        return true;
    }
    const char *header = gateway_header(request, "Authorization");
    if (header != NULL && strncasecmp(header, bearer, sizeof bearer - 1) == 0) {
        return is_token(g, header + sizeof bearer - 1);
    }
    return find_session(g, cookie_of(request)) != NULL;
}

/* Browsers say where a request comes from, and pages cannot make them lie: newer ones in
 * Sec-Fetch-Site, all in Origin. Programs say nothing. */
bool guard_is_cross_site(const struct gateway_request *request) {
    const char *site = gateway_header(request, "Sec-Fetch-Site");
    if (site != NULL) {
        return strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
    }
    const char *origin = gateway_header(request, "Origin");
    const char *host = gateway_header(request, "Host");
    if (origin == NULL) {
        return false;
    }
    const char *authority = strstr(origin, "://");
    return authority == NULL || host == NULL || strcasecmp(authority + 3, host) != 0;
}

/* The host of "host:port" or "[v6]:port". */
static bool host_part(const char *header, char host[HOST_BYTES_MAX]) {
    bool bracket = header[0] == '[';
    const char *from = header + (bracket ? 1 : 0);
    size_t len = strcspn(from, bracket ? "]" : ":");
    if (len == 0 || len >= HOST_BYTES_MAX) {
        return false;
    }
    memcpy(host, from, len);
    host[len] = '\0';
    return true;
}

bool guard_is_misdirected(const struct guard *g, const struct gateway_request *request) {
    char host[HOST_BYTES_MAX];
    struct in6_addr address;
    const char *header = gateway_header(request, "Host");
    if (g->token[0] != '\0' || header == NULL) {
        return false;
    }
    return !host_part(header, host) ||
           (strcasecmp(host, "localhost") != 0 && inet_pton(AF_INET, host, &address) != 1 &&
            inet_pton(AF_INET6, host, &address) != 1);
}

/* ---- login, logout ---- */

static void set_cookie(struct gateway_request *request, const char *value, long age_s) {
    char headers[256];
    const char *proto = gateway_header(request, "X-Forwarded-Proto");
    bool tls = proto != NULL && strcmp(proto, "https") == 0;
    (void)snprintf(headers, sizeof headers,
                   "Set-Cookie: " COOKIE "%s; HttpOnly; SameSite=Strict; Path=/; Max-Age=%ld%s\n",
                   value, age_s, tls ? "; Secure" : "");
    gateway_answer(request, 200, NULL, headers, slice_of("{\"ok\":true}"));
}

void guard_login(struct guard *g, struct gateway_request *request) {
    char cookie[COOKIE_BYTES_MAX];
    struct slice body = gateway_body(request);
    if (body.len > LOGIN_BYTES_MAX) {
        body.len = 0; /* a stranger's: not worth parsing */
    }
    json_t *json = json_loadb(body.len == 0 ? "" : body.data, body.len, 0, NULL);
    const char *token = json_string_value(json_object_get(json, "token"));
    bool right = token != NULL && is_token(g, token);
    json_decref(json);
    if (token == NULL) {
        gateway_answer(request, 400, NULL, NULL,
                       slice_of("{\"error\":\"send {\\\"token\\\": \\\"...\\\"}\"}"));
    } else if (!right) {
        gateway_answer(request, 401, NULL, NULL, slice_of("{\"error\":\"wrong token\"}"));
    } else {
        begin_session(g, cookie);
        set_cookie(request, cookie, (long)SESSION_HOURS * 3600);
    }
}

void guard_logout(struct guard *g, struct gateway_request *request) {
    struct session *s = find_session(g, cookie_of(request));
    if (s != NULL) {
        *s = (struct session){.until_ms = 0};
    }
    set_cookie(request, "", 0);
}
