/*
 * guard.c - see web/guard.h.
 *
 * A session is a random number in a cookie that scripts cannot read and other sites cannot send.
 * Only its hash is kept, in memory: a restart logs everybody out. A session can do what the token
 * it began with can do, and ends with that token. Secrets are compared by their hashes, so that the
 * time this takes reveals nothing.
 *
 * A resource that needs no token could be reached by a web page that lets its own name resolve to
 * 127.0.0.1 and talks to us as if we were its site. So resources that are open only by default are
 * served only under addresses and localhost.
 *
 * An address that has sent too many wrong tokens must wait (web/brake.h), whatever it sends, unless
 * it sends the token that we created ourselves: nobody can guess that one, so nobody can lock its
 * owner out.
 */
#include "web/guard.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "web/brake.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    SESSION_BYTES = 32,
    SESSION_HOURS = 12,
    HOST_BYTES_MAX = 256,
    COOKIE_BYTES_MAX = 65,
};

#define COOKIE "zingq_session="

struct hash {
    uint8_t bytes[crypto_generichash_BYTES];
};

struct token {
    struct hash hash;
    char name[NAME_BYTES_MAX + 1];
    enum role role;
    bool made;        /* created by us: it cannot be guessed */
    char **endpoints; /* owned; none = all */
    size_t endpoint_count;
};

struct session {
    struct hash hash;  /* of the cookie's value */
    struct hash token; /* the token that it began with */
    int64_t until_ms;  /* monotonic; 0 = free */
};

struct guard {
    struct token *tokens; /* the first is http.token, or the one created in its place */
    size_t token_count;
    bool named; /* topics.conf has a token */
    struct session sessions[SESSIONS_MAX];
    struct brake brake;
};

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

/* ---- tokens ---- */

static void clear_tokens(struct token *tokens, size_t count) {
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < tokens[i].endpoint_count; k++) {
            free(tokens[i].endpoints[k]);
        }
        free(tokens[i].endpoints);
    }
    free(tokens);
}

static void fill_token(struct token *t, const char *name, const char *value, enum role role) {
    t->hash = hash_of(slice_of(value));
    t->role = role;
    (void)snprintf(t->name, sizeof t->name, "%s", name);
}

static bool copy_endpoints(struct token *t, const struct token_conf *from) {
    t->endpoints = calloc(from->endpoint_count + 1, sizeof *t->endpoints);
    for (size_t i = 0; i < from->endpoint_count && t->endpoints != NULL; i++) {
        t->endpoints[i] = slice_dup(slice_of(from->endpoints[i]));
        if (t->endpoints[i] == NULL) {
            return false;
        }
        t->endpoint_count++;
    }
    return t->endpoints != NULL;
}

/* Ends sessions whose token is gone or has another role now. */
static void end_sessions(struct guard *g, const struct token *tokens, size_t count) {
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *s = &g->sessions[i];
        bool lives = false;
        for (size_t k = 0; k < count; k++) {
            lives = lives || same_hash(&s->token, &tokens[k].hash);
        }
        s->until_ms = lives ? s->until_ms : 0;
    }
}

int guard_set(struct guard *g, const struct conf *conf, const char *made) {
    size_t count = conf->token_count + 1;
    struct token *tokens = calloc(count, sizeof *tokens);
    if (tokens == NULL) {
        return ERR_MEMORY;
    }
    bool named = conf->http_token[0] != '\0';
    fill_token(&tokens[0], "http.token", named ? conf->http_token : made, ROLE_ADMIN);
    tokens[0].made = !named;
    for (size_t i = 0; i < conf->token_count; i++) {
        const struct token_conf *t = &conf->tokens[i];
        fill_token(&tokens[i + 1], t->name, t->value, t->role);
        if (!copy_endpoints(&tokens[i + 1], t)) {
            clear_tokens(tokens, count);
            return ERR_MEMORY;
        }
    }
    end_sessions(g, tokens, count);
    clear_tokens(g->tokens, g->token_count);
    g->tokens = tokens;
    g->token_count = count;
    g->named = named || conf->token_count > 0;
    return 0;
}

int guard_new(struct guard **out) {
    *out = calloc(1, sizeof **out);
    return *out == NULL ? ERR_MEMORY : 0;
}

void guard_free(struct guard *g) {
    if (g != NULL) {
        clear_tokens(g->tokens, g->token_count);
        free(g);
    }
}

/* Compares all of them, so that the time this takes does not reveal which one matched. */
static const struct token *find_token(const struct guard *g, const struct hash *hash) {
    const struct token *found = NULL;
    for (size_t i = 0; i < g->token_count; i++) {
        found = same_hash(&g->tokens[i].hash, hash) ? &g->tokens[i] : found;
    }
    return found;
}

bool guard_is_named(const struct guard *g) {
    return g->named;
}

/* ---- sessions ---- */

/* The value of our cookie, which may be one of several. */
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

static const struct session *find_session(const struct guard *g, struct slice cookie) {
    struct hash hash = hash_of(cookie);
    const struct session *found = NULL;
    for (size_t i = 0; i < SESSIONS_MAX && cookie.len > 0; i++) {
        const struct session *s = &g->sessions[i];
        if (same_hash(&s->hash, &hash) && s->until_ms > clock_monotonic_ms()) {
            found = s;
        }
    }
    return found;
}

/* A free slot, or that of the session that ends first. */
static struct session *room_for_session(struct guard *g) {
    struct session *room = &g->sessions[0];
    for (size_t i = 1; i < SESSIONS_MAX; i++) {
        room = g->sessions[i].until_ms < room->until_ms ? &g->sessions[i] : room;
    }
    return room;
}

static void begin_session(struct guard *g, const struct token *token,
                          char cookie[COOKIE_BYTES_MAX]) {
    uint8_t random[SESSION_BYTES];
    struct session *s = room_for_session(g);
    randombytes_buf(random, sizeof random);
    (void)sodium_bin2hex(cookie, COOKIE_BYTES_MAX, random, sizeof random);
    s->hash = hash_of(slice_of(cookie));
    s->token = token->hash;
    s->until_ms = clock_monotonic_ms() + (int64_t)SESSION_HOURS * 3600 * 1000;
}

/* ---- who is asking ---- */

static int64_t wait_ms(const struct guard *g, const struct gateway_request *request) {
    struct address from = gateway_from(request);
    return brake_wait_ms(&g->brake, &from, clock_monotonic_ms());
}

static enum guard_verdict judge(const struct guard *g, const struct gateway_request *request,
                                const char *text, const struct token **out) {
    struct hash hash = hash_of(slice_of(text));
    const struct token *token = find_token(g, &hash);
    *out = token;
    if ((token == NULL || !token->made) && wait_ms(g, request) > 0) {
        return GUARD_BRAKED;
    }
    return token == NULL ? GUARD_WRONG : GUARD_KNOWN;
}

enum guard_verdict guard_look(const struct guard *g, const struct gateway_request *request,
                              struct visitor *out) {
    static const char bearer[] = "Bearer ";
    const char *header = gateway_header(request, "Authorization");
    const struct token *token = NULL;
    enum guard_verdict verdict = GUARD_NOBODY;
    if (header != NULL && strncasecmp(header, bearer, sizeof bearer - 1) == 0) {
        verdict = judge(g, request, header + sizeof bearer - 1, &token);
    } else {
        const struct session *s = find_session(g, cookie_of(request));
        token = s == NULL ? NULL : find_token(g, &s->token);
        verdict = token == NULL ? GUARD_NOBODY : GUARD_KNOWN;
    }
    if (verdict == GUARD_KNOWN) {
        *out = (struct visitor){token->name, token->role, (size_t)(token - g->tokens)};
    }
    return verdict;
}

void guard_note_wrong(struct guard *g, const struct gateway_request *request) {
    char text[ADDRESS_TEXT_BYTES];
    struct address from = gateway_from(request);
    uint32_t wrong = brake_note(&g->brake, &from, clock_monotonic_ms());
    if (wrong > 0) {
        address_text(&from, text);
        log_warn("http", "wrong token from=%s count=%" PRIu32, text, wrong);
    }
}

static bool role_may(enum role role, enum access access) {
    switch (access) {
    case ACCESS_ALWAYS:
    case ACCESS_ANYONE:
    case ACCESS_OPEN:
        return true;
    case ACCESS_READ:
        return role == ROLE_READ || role == ROLE_OPERATE || role == ROLE_ADMIN;
    case ACCESS_SUBMIT:
        return role == ROLE_SUBMIT || role == ROLE_OPERATE || role == ROLE_ADMIN;
    case ACCESS_OPERATE:
        return role == ROLE_OPERATE || role == ROLE_ADMIN;
    case ACCESS_ADMIN:
        return role == ROLE_ADMIN;
    case ACCESS_SOCKET:
        return false;
    }
    return false;
}

bool guard_may(const struct guard *g, const struct visitor *visitor, enum access access,
               const char *endpoint) {
    const struct token *t = &g->tokens[visitor->token];
    bool ours = endpoint == NULL || t->endpoint_count == 0;
    for (size_t i = 0; i < t->endpoint_count && !ours; i++) {
        ours = strcmp(t->endpoints[i], endpoint) == 0;
    }
    return ours && role_may(t->role, access);
}

/* ---- cross-site requests ---- */

/* Browsers say where a request comes from, and pages cannot forge it: newer ones in Sec-Fetch-Site,
 * all of them in Origin. Other programs send neither. */
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

bool guard_is_misdirected(const struct gateway_request *request) {
    char host[HOST_BYTES_MAX];
    struct in6_addr address;
    const char *header = gateway_header(request, "Host");
    if (header == NULL) {
        return false;
    }
    return !host_part(header, host) ||
           (strcasecmp(host, "localhost") != 0 && inet_pton(AF_INET, host, &address) != 1 &&
            inet_pton(AF_INET6, host, &address) != 1);
}

/* ---- login, logout ---- */

/* Answers the request; a `page` is redirected to the dashboard. */
static void set_cookie(struct gateway_request *request, const char *value, long age_s, bool page) {
    char headers[256];
    bool tls = gateway_is_secure(request);
    (void)snprintf(headers, sizeof headers,
                   "Set-Cookie: " COOKIE "%s; HttpOnly; SameSite=Strict; Path=/; Max-Age=%ld%s\n%s",
                   value, age_s, tls ? "; Secure" : "", page ? "Location: /\n" : "");
    gateway_answer(request, page ? 303 : 200, NULL, headers, slice_of("{\"ok\":true}"));
}

/* The token of the body, or of a login link: owned, NULL = none. */
static char *token_of(const struct gateway_request *request, bool link) {
    struct slice body = gateway_body(request);
    if (link) {
        const char *text = gateway_query(request, "token");
        return text == NULL ? NULL : slice_dup(slice_of(text));
    }
    json_t *json = json_read(body, "the body", NULL);
    const char *text = json_string_value(json_object_get(json, "token"));
    char *token = text == NULL ? NULL : slice_dup(slice_of(text));
    json_decref(json);
    return token;
}

static void let_in(struct guard *g, struct gateway_request *request, const struct token *token,
                   bool link) {
    char cookie[COOKIE_BYTES_MAX];
    char text[ADDRESS_TEXT_BYTES];
    struct address from = gateway_from(request);
    address_text(&from, text);
    log_info("http", "login token=\"%s\" from=%s", token->name, text);
    begin_session(g, token, cookie);
    set_cookie(request, cookie, (long)SESSION_HOURS * 3600, link);
}

void guard_answer_braked(const struct guard *g, struct gateway_request *request) {
    char headers[64];
    (void)snprintf(headers, sizeof headers, "Retry-After: %" PRId64 "\n",
                   wait_ms(g, request) / 1000 + 1);
    gateway_answer_error(request, 429, headers,
                         "too many wrong tokens came from your address: wait a little");
}

void guard_login(struct guard *g, struct gateway_request *request) {
    bool link = strcmp(gateway_method(request), "POST") != 0;
    char *text = token_of(request, link);
    const struct token *token = NULL;
    enum guard_verdict verdict = text == NULL ? GUARD_NOBODY : judge(g, request, text, &token);
    free(text);
    switch (verdict) {
    case GUARD_KNOWN:
        let_in(g, request, token, link);
        break;
    case GUARD_NOBODY:
        gateway_answer_error(request, 400, NULL,
                             link ? "the link has no token: /login?token=..."
                                  : "send {\"token\": \"...\"}");
        break;
    case GUARD_WRONG:
        guard_note_wrong(g, request);
        gateway_answer_error(request, 401, NULL, "wrong token");
        break;
    case GUARD_BRAKED:
        guard_answer_braked(g, request);
        break;
    }
}

void guard_logout(struct guard *g, struct gateway_request *request) {
    const struct session *s = find_session(g, cookie_of(request));
    if (s != NULL) {
        g->sessions[s - g->sessions] = (struct session){.until_ms = 0};
    }
    set_cookie(request, "", 0, false);
}
