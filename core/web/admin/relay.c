/*
 * relay.c - requests about what another host has. Where hosts divide the keys,
 *
 *   a request with a service and a key      goes to the host that has the key,
 *   a request with an id                    is tried here, then at all other hosts (an event
 *                                           that is only read: web/admin/follow.c),
 *   a publish under an Idempotency-Key      goes to the host that decides about the key,
 *   ?host=N                                 goes to host N, whatever it is,
 *   what holds or lets go on a service,     goes to all of them, and so do lists
 *   a retry of all refused publishes        (web/admin/gather.c),
 *   a job about many events or letters      must say which host's: each has its own;
 *
 * every other request is about this host; a signal is stored here, and forwarded. A request that
 * came from another host is answered here, so nothing goes in circles.
 *
 * For an id, the request is repeated as an internal request of this host, and only if the answer is
 * 404 the other hosts are asked, all at once; the first one that knows the id answers.
 */
#include "web/admin/impl.h"

#include "journal/owner.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A request whose answer comes, or may come, from another host. */
struct relay {
    TAILQ_ENTRY(relay) link;
    struct admin *admin;
    struct gateway_request *request; /* waits for the answer */
    struct gateway_request *local;   /* the same, while it is answered here; or NULL */
    struct gateway_words words;      /* borrowed from the request, and from: */
    struct buf query, headers;
    bool search;                /* a 404 is not yet the final answer */
    bool once;                  /* it may be repeated: it has an Idempotency-Key */
    struct buf nothing;         /* our own 404 */
    uint64_t asked[PARTITIONS]; /* ids of the requests to other hosts */
    size_t asked_count;
    enum ask_end end; /* of the host that `why` is about */
    char why[256];    /* the first host that did not answer; "" = none */
};

static bool is_get(const struct gateway_words *words) {
    return strcmp(words->method, "GET") == 0 || strcmp(words->method, "HEAD") == 0;
}

/* ---- life ---- */

static void relay_free(struct relay *relay) {
    struct admin *a = relay->admin;
    for (size_t i = 0; i < relay->asked_count; i++) {
        ask_cancel(a->options.ask, relay->asked[i]);
    }
    TAILQ_REMOVE(&a->relays, relay, link);
    buf_clear(&relay->query);
    buf_clear(&relay->headers);
    buf_clear(&relay->nothing);
    free(relay);
}

void admin_forget_relays(struct admin *a) {
    struct relay *relay;
    while ((relay = TAILQ_FIRST(&a->relays)) != NULL) {
        if (relay->local != NULL) {
            gateway_guest_free(relay->local);
        }
        relay_free(relay);
    }
}

/* Borrows the request's words. NULL: answered 503. */
static struct relay *relay_new(struct admin *a, struct gateway_request *request, const char *once) {
    struct relay *relay = calloc(1, sizeof *relay);
    if (relay == NULL) {
        gateway_answer_error(request, 503, NULL, "out of memory");
        return NULL;
    }
    relay->admin = a;
    relay->request = request;
    buf_init(&relay->query, GATEWAY_BODY_BYTES_MAX);
    buf_init(&relay->headers, GATEWAY_BODY_BYTES_MAX);
    buf_init(&relay->nothing, READING_BYTES_MAX);
    TAILQ_INSERT_TAIL(&a->relays, relay, link);
    admin_add_pair(&relay->headers, "Idempotency-Key", once);
    admin_add_pair(&relay->headers, "traceparent", gateway_header(request, "traceparent"));
    admin_add_pair(&relay->headers, "tracestate", gateway_header(request, "tracestate"));
    relay->once = once != NULL;
    relay->words = (struct gateway_words){.method = gateway_method(request),
                                          .path = gateway_path(request),
                                          .body = gateway_body(request),
                                          .final = true};
    return relay;
}

/* Completes the words. False: answered 503. */
static bool seal(struct relay *relay) {
    if (relay->query.failed || relay->headers.failed) {
        gateway_answer_error(relay->request, 503, NULL, "out of memory");
        relay_free(relay);
        return false;
    }
    relay->words.query = buf_slice(&relay->query);
    relay->words.headers = buf_slice(&relay->headers);
    return true;
}

static struct relay *relay_of(struct admin *a, struct gateway_request *request) {
    struct relay *relay = relay_new(a, request, gateway_header(request, "Idempotency-Key"));
    if (relay == NULL) {
        return NULL;
    }
    gateway_add_query(request, "host", &relay->query);
    admin_add_pair(&relay->headers, "Content-Type", gateway_header(request, "Content-Type"));
    admin_add_pair(&relay->headers, PRIORITY_HEADER, gateway_header(request, PRIORITY_HEADER));
    return seal(relay) ? relay : NULL;
}

/* ---- the answer ---- */

static void pass_on(struct relay *relay, const struct gateway_reply *reply) {
    bool json = strcmp(reply->content_type, "application/json") == 0;
    gateway_answer(relay->request, reply->status, json ? NULL : reply->content_type, reply->headers,
                   reply->body);
    relay_free(relay);
}

/* Nothing was done, or nobody knows: says what the client can do about it. */
static void fail(struct relay *relay) {
    char text[512];
    const char *what = "";
    int status = 503;
    if (relay->end == ASK_UNSENT && !is_get(&relay->words)) {
        what = "; nothing was done";
    } else if (relay->end == ASK_SILENT && relay->once) {
        what = "; it may have been carried out: send it again under the same Idempotency-Key";
    } else if (relay->end == ASK_SILENT) {
        what = is_get(&relay->words) ? "" : "; it may have been carried out";
        status = 504;
    }
    (void)snprintf(text, sizeof text, "%s%s%s",
                   relay->search ? "this host has nothing of that id, and " : "", relay->why, what);
    gateway_answer_error(relay->request, status, NULL, text);
    relay_free(relay);
}

/* All hosts have answered. */
static void conclude(struct relay *relay) {
    if (relay->why[0] != '\0') {
        fail(relay);
        return;
    }
    assert(relay->search);
    gateway_answer(relay->request, 404, NULL, NULL, buf_slice(&relay->nothing));
    relay_free(relay);
}

static void note_failure(struct relay *relay, enum ask_end end, const char *why) {
    if (relay->why[0] == '\0' || (relay->end == ASK_UNSENT && end == ASK_SILENT)) {
        relay->end = end;
        (void)snprintf(relay->why, sizeof relay->why, "%s", why);
    }
}

static void on_end(void *ctx, uint64_t id, const struct ask_outcome *outcome) {
    struct relay *relay = ctx;
    size_t i = 0;
    while (i < relay->asked_count && relay->asked[i] != id) {
        i++;
    }
    assert(i < relay->asked_count);
    relay->asked[i] = relay->asked[--relay->asked_count];
    if (outcome->end == ASK_ANSWERED && !(relay->search && outcome->reply->status == 404)) {
        pass_on(relay, outcome->reply);
        return;
    }
    if (outcome->end != ASK_ANSWERED) {
        note_failure(relay, outcome->end, outcome->why);
    }
    if (relay->asked_count == 0) {
        conclude(relay);
    }
}

/* ---- asking ---- */

/* 0, or an error after recording it. */
static int ask_host(struct relay *relay, uint16_t place) {
    struct ask *ask = relay->admin->options.ask;
    struct report r = {""};
    uint64_t *id = &relay->asked[relay->asked_count];
    int code = ask_start(ask, place, &relay->words, relay, on_end, id, &r);
    if (code == 0) {
        relay->asked_count++;
    } else {
        note_failure(relay, ASK_UNSENT, r.text);
    }
    return code;
}

static void send_to(struct relay *relay, uint16_t place) {
    int code = ask_host(relay, place);
    if (code == ERR_INVALID) {
        gateway_answer_error(relay->request, 413, NULL, relay->why);
        relay_free(relay);
    } else if (code != 0) {
        fail(relay);
    }
}

static void ask_everybody(struct relay *relay) {
    const struct division *share = &relay->admin->options.conf->hosts.share;
    for (uint16_t place = 1; place <= share->count; place++) {
        if (place != share->place) {
            (void)ask_host(relay, place);
        }
    }
    if (relay->asked_count == 0) {
        conclude(relay);
    }
}

static void on_local_answer(void *ctx, const struct gateway_reply *reply) {
    struct relay *relay = ctx;
    relay->local = NULL;
    if (reply->status != 404) {
        pass_on(relay, reply);
        return;
    }
    buf_add_slice(&relay->nothing, reply->body);
    ask_everybody(relay);
}

static void search(struct relay *relay) {
    relay->search = true;
    if (gateway_guest_new(&relay->local, &relay->words, relay, on_local_answer) != 0) {
        gateway_answer_error(relay->request, 503, NULL, "out of memory");
        relay_free(relay);
        return;
    }
    relay->admin->request_here(relay->admin, relay->local);
}

/* ---- where a request goes ---- */

/* The only host that can answer, or 0. */
static uint16_t owner_of(const struct admin *a, const struct call *call) {
    struct slice service;
    struct slice key;
    const struct parts *parts = &call->parts;
    const char *once = gateway_header(call->request, "Idempotency-Key");
    const char *topic = gateway_query(call->request, "topic");
    if (admin_names_key(call, &service, &key)) {
        return owner_of_key(a->options.conf, service, key);
    }
    bool publishes = parts->count == 2 && slice_is(parts->at[1], "publish");
    return publishes && once != NULL && topic != NULL
               ? owner_of_once(a->options.conf, slice_of(topic), slice_of(once))
               : 0;
}

/* Handles ?host=N; true when the request has been answered or relayed. */
static bool go_to(struct admin *a, struct gateway_request *request, const char *text) {
    const struct division *share = &a->options.conf->hosts.share;
    uint64_t place = 0;
    char wrong[128];
    if (!admin_number(text, 1, share->count, 0, &place)) {
        (void)snprintf(wrong, sizeof wrong, "host is a number from 1 to %u: hosts.count",
                       share->count);
        gateway_answer_error(request, 400, NULL, wrong);
        return true;
    }
    if (a->options.ask == NULL || place == share->place) {
        return false;
    }
    struct relay *relay = relay_of(a, request);
    if (relay != NULL) {
        send_to(relay, (uint16_t)place);
    }
    return true;
}

/* What holds for a service holds for it on all hosts; and each host may have refused publishes. */
static bool is_for_all(const struct call *call) {
    const struct route *route = call->route;
    struct uuid id;
    bool every = route->kind == COMMAND_OUTBOX_RETRY && call->parts.count >= 3 &&
                 uuid_parse(call->parts.at[2], &id) && uuid_is_zero(&id);
    return route->serve == admin_command &&
           (every || route->kind == COMMAND_PAUSE || route->kind == COMMAND_RESUME ||
            route->kind == COMMAND_MOVE);
}

static bool begins_job(const struct route *route) {
    return route->serve == admin_job_start || route->serve == admin_rerun;
}

/* A replay of one event, which is searched for. */
static bool reruns_event(const struct call *call) {
    return call->route->serve == admin_rerun && gateway_query(call->request, "id") != NULL &&
           gateway_query(call->request, "service") == NULL;
}

/* Otherwise whoever asks for all of a service would get a part of it, and not notice. */
static void refuse_part(const struct admin *a, struct gateway_request *request) {
    char text[160];
    (void)snprintf(text, sizeof text,
                   "hosts divide the keys, and each has its own part: choose one, host=1 to "
                   "host=%u (--host)",
                   (unsigned)a->options.conf->hosts.share.count);
    gateway_answer_error(request, 400, NULL, text);
}

bool admin_relay(struct admin *a, const struct call *call) {
    struct gateway_request *request = call->request;
    const struct parts *parts = &call->parts;
    const char *host = gateway_query(request, "host");
    if (gateway_is_final(request)) {
        return false;
    }
    if (host != NULL) {
        return go_to(a, request, host);
    }
    if (a->options.ask == NULL) {
        return false;
    }
    if (is_for_all(call)) {
        admin_gather_change(a, request);
        return true;
    }
    uint16_t owner = owner_of(a, call);
    bool elsewhere = owner != 0 && owner != a->options.conf->hosts.share.place;
    bool by_id = admin_names_id(parts) || reruns_event(call);
    if (owner == 0 && begins_job(call->route) && !by_id) {
        refuse_part(a, request);
        return true;
    }
    if (!elsewhere && !by_id) {
        return false;
    }
    if (!elsewhere && slice_is(parts->at[1], "events")) {
        admin_follow(a, parts->at[2], request);
        return true;
    }
    struct relay *relay = relay_of(a, request);
    if (relay != NULL && elsewhere) {
        send_to(relay, owner);
    } else if (relay != NULL) {
        search(relay);
    }
    return true;
}

bool admin_relay_publish(struct admin *a, struct gateway_request *request, const char *topic,
                         const char *once, const char *priority) {
    uint16_t owner = once == NULL || a->options.ask == NULL
                         ? 0
                         : owner_of_once(a->options.conf, slice_of(topic), slice_of(once));
    if (owner == 0 || owner == a->options.conf->hosts.share.place) {
        return false;
    }
    struct relay *relay = relay_new(a, request, once);
    if (relay == NULL) {
        return true;
    }
    relay->words.path = "/api/publish";
    admin_add_pair(&relay->query, "topic", topic);
    admin_add_pair(&relay->query, "content_type", "application/json");
    admin_add_pair(&relay->headers, PRIORITY_HEADER, priority);
    if (seal(relay)) {
        send_to(relay, owner);
    }
    return true;
}
