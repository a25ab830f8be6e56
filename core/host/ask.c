/*
 * ask.c - requests between hosts, connected to the rest: admin answers a request of another host as
 * if it had come over the socket, and requests to other hosts share the publishing connection.
 *
 * A handler's request takes the same way: its call is a request to this host's own admin, which
 * knows the host that has to answer. It begins within a turn, and its answer may come outside of
 * one, when the engine must not be called; so both wait for host_ask_work.
 */
#include "host/ask.h"

#include "host/loop.h"
#include "host/members.h"
#include "host/sign.h"
#include "base/json.h"
#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>

enum host_call_state { CALL_WAITS, CALL_SERVED, CALL_ENDED };

/* A handler's request. */
struct host_call {
    STAILQ_ENTRY(host_call) link;
    struct host *host;
    uint64_t id;
    enum host_call_state state;
    bool dropped;                    /* nobody waits for its answer any more */
    struct gateway_request *request; /* until it is answered */
    struct call_result result;       /* after that */
};

/* ---- other hosts ---- */

static void serve(void *ctx, struct gateway_request *request) {
    struct host *h = ctx;
    admin_request(h->admin, request);
}

static void wake(void *ctx) {
    struct host *h = ctx;
    host_wake(h);
}

/* If presences cannot be seen, no host is known to be away. */
static bool is_away(void *ctx, uint16_t place) {
    const struct host *h = ctx;
    return host_members_known(h) && !host_member_up(h, place);
}

int host_open_asks(struct host *h) {
    const struct ask_options options = {.loop = &h->loop,
                                        .conf = h->conf,
                                        .ctx = h,
                                        .serve = serve,
                                        .is_away = is_away,
                                        .sign = host_sign,
                                        .wake = wake};
    return division_is_divided(&h->conf->hosts.share) ? ask_new(&h->ask, &options) : 0;
}

void host_ask_send(struct host *h) {
    if (h->ask != NULL && !sys_wants_to_be_alone(h->sys, uv_now(&h->loop)) &&
        ask_send(h->ask, h->publisher)) {
        engine_published_beside(h->engine);
    }
}

/* ---- handlers ---- */

/* Copies the error message out of an answer. */
static void take_sentence(struct call_result *result, struct slice body) {
    json_t *answer = json_read(body, "answer", NULL);
    const char *text = json_string_value(json_object_get(answer, "error"));
    (void)snprintf(result->error, sizeof result->error, "%s",
                   text == NULL ? "it was refused without a reason" : text);
    json_decref(answer);
}

static void on_answer(void *ctx, const struct gateway_reply *reply) {
    struct host_call *call = ctx;
    struct call_result *result = &call->result;
    call->host->asks_served--;
    call->request = NULL;
    call->state = CALL_ENDED;
    *result = (struct call_result){.status = reply->status, .sent = true};
    buf_init(&result->headers, 1);
    buf_init(&result->body, reply->body.len + 1);
    buf_add_slice(&result->body, reply->body);
    if (result->body.failed) {
        result->code = ERR_MEMORY;
    } else if (reply->status >= 400) {
        take_sentence(result, reply->body);
    }
    host_wake(call->host);
}

int host_ask_start(struct host *h, uint64_t id, const struct call_request *request) {
    if (h->ask_count >= CALLS_MAX) {
        return ERR_LIMIT;
    }
    struct host_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return ERR_MEMORY;
    }
    const struct gateway_words words = {.method = request->method,
                                        .path = request->url,
                                        .query = {request->query, request->query_len}};
    int code = gateway_guest_new(&call->request, &words, call, on_answer);
    if (code != 0) {
        free(call);
        return code;
    }
    call->host = h;
    call->id = id;
    STAILQ_INSERT_TAIL(&h->asks, call, link);
    h->ask_count++;
    host_wake(h);
    return 0;
}

static void free_call(struct host_call *call) {
    if (call->request != NULL) {
        gateway_guest_free(call->request);
    }
    call_result_clear(&call->result);
    free(call);
}

bool host_ask_cancel(struct host *h, uint64_t id) {
    struct host_call *call = STAILQ_FIRST(&h->asks);
    while (call != NULL && (call->id != id || call->dropped)) {
        call = STAILQ_NEXT(call, link);
    }
    if (call != NULL) {
        call->dropped = true; /* admin may still have the request: freed when it is answered */
    }
    return call != NULL;
}

/* Oldest first; beyond the number that can be asked at once, requests would fail. */
static void serve_calls(struct host *h) {
    struct host_call *call;
    STAILQ_FOREACH(call, &h->asks, link) {
        if (h->asks_served == ASKS_OF_HANDLERS_MAX) {
            return;
        }
        if (call->state == CALL_WAITS && !call->dropped) {
            call->state = CALL_SERVED;
            h->asks_served++;
            admin_request(h->admin, call->request);
        }
    }
}

static bool is_over(const struct host_call *call) {
    return call->state == CALL_ENDED || (call->dropped && call->state == CALL_WAITS);
}

static void end_calls(struct host *h) {
    struct host_calls over = STAILQ_HEAD_INITIALIZER(over);
    struct host_calls left = STAILQ_HEAD_INITIALIZER(left);
    struct host_call *call;
    while ((call = STAILQ_FIRST(&h->asks)) != NULL) {
        STAILQ_REMOVE_HEAD(&h->asks, link);
        if (is_over(call)) {
            STAILQ_INSERT_TAIL(&over, call, link);
        } else {
            STAILQ_INSERT_TAIL(&left, call, link);
        }
    }
    STAILQ_CONCAT(&h->asks, &left);
    while ((call = STAILQ_FIRST(&over)) != NULL) {
        STAILQ_REMOVE_HEAD(&over, link);
        h->ask_count--;
        if (!call->dropped) {
            engine_call_done(h->engine, call->id, &call->result);
        }
        free_call(call);
    }
}

/* ---- the turn ---- */

bool host_ask_due(const struct host *h) {
    const struct host_call *call;
    STAILQ_FOREACH(call, &h->asks, link) {
        bool next = call->state == CALL_WAITS && h->asks_served < ASKS_OF_HANDLERS_MAX;
        if (next || is_over(call)) {
            return true;
        }
    }
    return h->ask != NULL && ask_due(h->ask);
}

void host_ask_work(struct host *h) {
    serve_calls(h);
    if (h->ask != NULL) {
        ask_work(h->ask);
    }
    end_calls(h);
}

void host_close_asks(struct host *h) {
    struct host_call *call;
    while ((call = STAILQ_FIRST(&h->asks)) != NULL) {
        STAILQ_REMOVE_HEAD(&h->asks, link);
        free_call(call);
    }
    ask_free(h->ask);
}
