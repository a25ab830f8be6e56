/* peer.c - see peer.h. */
#include "peer.h"

#include "memory.h"
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- its books --- */

static struct sim_deed *deed_under(struct sim_peer *peer, const char *key) {
    for (size_t i = peer->deed_count; i-- > 0;) {
        if (strcmp(peer->deeds[i].key, key) == 0) {
            return &peer->deeds[i];
        }
    }
    return NULL;
}

/* Once a key; the same answer ever after. */
static long do_deed(struct sim *s, const struct sim_call *call) {
    struct sim_peer *peer = &s->peer;
    const char *path = call->mail ? "/mail" : call->url + strcspn(call->url + 7, "/") + 7;
    struct sim_deed *deed = deed_under(peer, call->key);
    if (deed != NULL) {
        deed->asked++;
        if (strcmp(deed->what, call->body) != 0 && !call->mail) {
            sim_fail(s, "one key, two requests: %s for %s and for %s", call->key, deed->what,
                     call->body);
        }
        return deed->status;
    }
    if (peer->deed_count == peer->deed_cap) {
        peer->deed_cap = peer->deed_cap * 2 + 64;
        peer->deeds = made(realloc(peer->deeds, peer->deed_cap * sizeof *peer->deeds));
    }
    bool declined = strstr(call->body, "declined") != NULL && strcmp(path, "/charge") == 0;
    peer->deeds[peer->deed_count++] = (struct sim_deed){.key = made_copy(slice_of(call->key)),
                                                        .path = made_copy(slice_of(path)),
                                                        .what = made_copy(slice_of(call->body)),
                                                        .asked = 1,
                                                        .status = declined ? 402 : 200};
    return declined ? 402 : 200;
}

size_t peer_deeds(const struct sim *s, const char *path, const char *what) {
    size_t count = 0;
    for (size_t i = 0; i < s->peer.deed_count; i++) {
        const struct sim_deed *deed = &s->peer.deeds[i];
        count +=
            deed->status == 200 && strcmp(deed->path, path) == 0 && strcmp(deed->what, what) == 0
                ? 1
                : 0;
    }
    return count;
}

/* --- calls --- */

static const char *header(const struct call_request *request, const char *name) {
    size_t len = strlen(name);
    for (size_t i = 0; i < request->header_count; i++) {
        if (strncmp(request->headers[i], name, len) == 0 && request->headers[i][len] == ':') {
            return request->headers[i] + len + 2;
        }
    }
    return "";
}

int peer_start(struct sim *s, struct node *n, uint64_t id, const struct call_request *request) {
    if (request->kind == CALL_KIND_SQL) {
        return database_start(s, n, id, request);
    }
    struct sim_call *call = made(calloc(1, sizeof *call));
    const char *key = request->key != NULL ? request->key : header(request, "Idempotency-Key");
    *call = (struct sim_call){.node = n->place,
                              .id = id,
                              .mail = request->kind == CALL_KIND_MAIL,
                              .ask = request->kind == CALL_KIND_ASK,
                              .url = made_copy(slice_of(request->url)),
                              .key = made_copy(slice_of(key)),
                              .body = made_copy((struct slice){request->body, request->body_len}),
                              .asked_ms = s->true_ms,
                              .timeout_ms = request->kind == CALL_KIND_ASK ? ASK_ANSWER_MS
                                                                           : request->timeout_ms};
    if (s->peer.last_call == NULL) {
        s->peer.calls = call;
    } else {
        s->peer.last_call->next = call;
    }
    s->peer.last_call = call;
    return 0;
}

static void nobody_waits(struct sim *s, unsigned node, bool all, uint64_t id) {
    for (struct sim_call *call = s->peer.calls; call != NULL; call = call->next) {
        if (call->node == node && (all || call->id == id)) {
            call->node = 0;
        }
    }
}

void peer_cancel(struct sim *s, struct node *n, uint64_t id) {
    nobody_waits(s, n->place, false, id);
    database_cancel(s, n, id);
}

void peer_forget(struct sim *s, const struct node *n) {
    nobody_waits(s, n->place, true, 0);
    database_forget(s, n);
}

static void reply(struct sim *s, const struct sim_call *call, int code, long status, bool sent) {
    struct call_result result = {.code = code, .status = status, .sent = sent};
    if (call->node == 0) {
        return;
    }
    struct node *n = sim_place(s, call->node);
    buf_init(&result.headers, 4096);
    buf_init(&result.body, 4096);
    buf_printf(&result.body, "{\"id\":\"%s\"}", call->key);
    (void)snprintf(result.error, sizeof result.error, "%s", code == 0 ? "" : error_text(code));
    engine_call_done(n->engine, call->id, &result);
    call_result_clear(&result);
}

/* done and said · done, and the answer is an error or lost · not done, and the answer is the same */
static void answer(struct sim *s, const struct sim_call *call, bool faults) {
    uint64_t fate = faults ? sim_below(s, 12) : 11;
    bool late = s->true_ms - call->asked_ms >= call->timeout_ms;
    if (fate != 1 && fate != 3 && fate != 5) {
        long status = call->ask ? 404 : do_deed(s, call);
        if (fate > 5 && !late) {
            reply(s, call, 0, call->mail ? 250 : status, true);
            return;
        }
    }
    if (late || fate <= 1) {
        reply(s, call, ERR_TIMEOUT, 0, true);
    } else if (fate <= 3) {
        reply(s, call, 0, call->mail ? 451 : 500, true);
    } else {
        reply(s, call, ERR_NETWORK, 0, fate == 4);
    }
}

static void free_call(struct sim_call *call) {
    free(call->url);
    free(call->key);
    free(call->body);
    free(call);
}

void peer_answer(struct sim *s, bool faults) {
    struct sim_call *call = s->peer.calls;
    s->peer.calls = s->peer.last_call = NULL;
    while (call != NULL) {
        struct sim_call *next = call->next;
        call->next = NULL;
        if (faults && sim_below(s, 3) == 0) {
            if (s->peer.last_call == NULL) {
                s->peer.calls = call;
            } else {
                s->peer.last_call->next = call;
            }
            s->peer.last_call = call;
        } else {
            answer(s, call, faults && call->node != 0);
            free_call(call);
        }
        call = next;
    }
    database_answer(s, faults || s->database.calm++ < DATABASE_CALM);
}

size_t peer_open(const struct sim *s) {
    size_t count = database_open(s);
    for (const struct sim_call *call = s->peer.calls; call != NULL; call = call->next) {
        count++;
    }
    return count;
}

void peer_clear(struct sim *s) {
    database_clear(s);
    while (s->peer.calls != NULL) {
        struct sim_call *call = s->peer.calls;
        s->peer.calls = call->next;
        free_call(call);
    }
    for (size_t i = 0; i < s->peer.deed_count; i++) {
        free(s->peer.deeds[i].key);
        free(s->peer.deeds[i].path);
        free(s->peer.deeds[i].what);
    }
    free(s->peer.deeds);
    s->peer = (struct sim_peer){0};
}
