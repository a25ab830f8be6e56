/*
 * ask_visit.c - requests of other hosts to this one.
 *
 * A visit is in one list at a time: arrived (its request is bytes), served (admin has the request),
 * replies (its reply is bytes that wait to be sent). Every request gets an answer, if only an
 * error, unless too many replies wait to be sent.
 */
#include "peers/impl.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void free_visit(struct visit *visit) {
    if (visit->request != NULL) {
        gateway_guest_free(visit->request);
    }
    buf_clear(&visit->payload);
    free(visit);
}

static void free_visits(struct visit_list *list) {
    struct visit *visit;
    while ((visit = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, visit, link);
        free_visit(visit);
    }
}

void ask_forget_visits(struct ask *a) {
    free_visits(&a->arrived);
    free_visits(&a->served);
    free_visits(&a->replies);
}

/* ---- serving ---- */

/* Replaces the request by the reply. False when it is too large, or out of memory. */
static bool write_reply(struct visit *visit, const struct gateway_reply *reply) {
    struct ask *a = visit->ask;
    buf_clear(&visit->payload);
    buf_init(&visit->payload, a->payload_max);
    ask_write_reply(reply, &visit->payload);
    return !visit->payload.failed;
}

static void write_error(struct visit *visit, int status, const char *text) {
    char body[256];
    int len =
        snprintf(body, sizeof body, "{\"error\":\"host %u: %s\"}", visit->ask->share->place, text);
    assert(len > 0 && (size_t)len < sizeof body);
    const struct gateway_reply reply = {.status = status,
                                        .content_type = "application/json",
                                        .headers = status == 503 ? "Retry-After: 5\n" : NULL,
                                        .body = slice_of(body)};
    visit->replaced = true;
    if (!write_reply(visit, &reply)) {
        buf_reset(&visit->payload); /* an empty one is not sent */
    }
}

static void queue_reply(struct visit *visit) {
    struct ask *a = visit->ask;
    if (a->reply_bytes + visit->payload.len > ASK_WAITING_BYTES_MAX) {
        write_error(visit, 503, "too many answers wait to be sent: try again");
    }
    if (visit->payload.len == 0 || a->reply_count >= ASKED_MAX * 2) {
        free_visit(visit); /* the host that asked times out, and reports that itself */
        return;
    }
    a->reply_count++;
    a->reply_bytes += visit->payload.len;
    TAILQ_INSERT_TAIL(&a->replies, visit, link);
    a->options.wake(a->options.ctx);
}

static void queue_ticket(struct visit *visit) {
    const struct gateway_reply reply = ask_ticket_reply(visit->ask);
    visit->replaced = true;
    if (!write_reply(visit, &reply)) {
        buf_reset(&visit->payload);
    }
    queue_reply(visit);
}

/* It has been answered: there is room for another one. */
static void forget_request(struct visit *visit) {
    struct ask *a = visit->ask;
    assert(a->visit_count > 0 && a->visit_bytes >= visit->request_bytes);
    a->visit_count--;
    a->visit_bytes -= visit->request_bytes;
}

static void on_answered(void *ctx, const struct gateway_reply *reply) {
    struct visit *visit = ctx;
    struct ask *a = visit->ask;
    visit->request = NULL;
    TAILQ_REMOVE(&a->served, visit, link);
    forget_request(visit);
    if (!write_reply(visit, reply)) {
        write_error(visit, 507,
                    "the answer is larger than hosts send each other: ask for less "
                    "(limit=), or ask that host itself");
    }
    queue_reply(visit);
}

static void serve(struct ask *a, struct visit *visit) {
    struct ask_request request;
    struct slice payload = buf_slice(&visit->payload);
    int code = ask_read_request(&request, payload);
    if (code == 0) {
        code = gateway_guest_new(&visit->request, &request.words, visit, on_answered);
        ask_request_clear(&request);
    }
    if (code == 0) {
        buf_clear(&visit->payload); /* the request has a copy */
        TAILQ_INSERT_TAIL(&a->served, visit, link);
        a->visits++;
        a->options.serve(a->options.ctx, visit->request); /* may have freed both on return */
        return;
    }
    forget_request(visit);
    write_error(visit,
                code == ERR_MEMORY   ? 503
                : code == ERR_SCHEMA ? 501
                                     : 400,
                code == ERR_SCHEMA    ? "it runs a version that asks otherwise"
                : code == ERR_INVALID ? "that is not a request"
                                      : error_text(code));
    queue_reply(visit);
}

void ask_serve_arrived(struct ask *a) {
    struct visit *visit;
    while ((visit = TAILQ_FIRST(&a->arrived)) != NULL) {
        TAILQ_REMOVE(&a->arrived, visit, link);
        serve(a, visit);
    }
}

/* ---- messages ---- */

/* The number of the host that wants the answer; 0: the topic names no host of the division. */
static uint16_t asker(const struct ask *a, struct slice topic) {
    char expected[OWNER_TOPIC_BYTES];
    for (uint16_t place = 1; place <= a->share->count; place++) {
        (void)owner_topic(a->options.conf, "answer", place, expected);
        if (slice_is(topic, expected)) {
            return place;
        }
    }
    return 0;
}

void ask_note_request(struct ask *a, const struct mqtt_message *m) {
    uint16_t from = asker(a, m->response_topic);
    if (from == 0 || m->correlation.len != CORRELATION_BYTES) {
        return; /* nobody to answer */
    }
    bool valid = ask_ticket_is_valid(a, m->correlation);
    if (valid && ask_ticket_seen(a, m->correlation)) {
        a->repeated++;
        return; /* the first one is answered */
    }
    struct visit *visit = calloc(1, sizeof *visit);
    if (visit == NULL) {
        return;
    }
    visit->ask = a;
    visit->from = from;
    memcpy(visit->correlation, m->correlation.data, CORRELATION_BYTES);
    buf_init(&visit->payload, a->payload_max);
    if (!valid) {
        queue_ticket(visit);
        return;
    }
    if (a->visit_count >= ASKED_MAX) {
        write_error(visit, 503, "too many requests of other hosts at once: try again");
        queue_reply(visit);
        return;
    }
    if (a->visit_bytes + m->payload.len > ASK_WAITING_BYTES_MAX) {
        write_error(visit, 503, "too much of other hosts waits: try again");
        queue_reply(visit);
        return;
    }
    buf_add_slice(&visit->payload, m->payload);
    if (visit->payload.failed) {
        write_error(visit, 413, "the request is larger than its limits.payload allows");
        queue_reply(visit);
        return;
    }
    a->visit_count++;
    visit->request_bytes = visit->payload.len;
    a->visit_bytes += visit->request_bytes;
    TAILQ_INSERT_TAIL(&a->arrived, visit, link);
    a->options.wake(a->options.ctx);
}

static int send_reply(struct ask *a, struct mqtt *mqtt, struct visit *visit) {
    char topic[OWNER_TOPIC_BYTES];
    int mid = 0;
    (void)owner_topic(a->options.conf, "answer", visit->from, topic);
    const struct mqtt_publish message = {
        .topic = topic,
        .payload = buf_slice(&visit->payload),
        .correlation = {(const char *)visit->correlation, CORRELATION_BYTES},
        .qos = 1};
    int code = ask_publish(a, mqtt, &message, &mid);
    if (code != 0 && code != ERR_INVALID) {
        return code;
    }
    TAILQ_REMOVE(&a->replies, visit, link);
    a->reply_count--;
    a->reply_bytes -= visit->payload.len;
    if (code == 0 || visit->replaced) {
        free_visit(visit);
        return 0;
    }
    write_error(visit, 507,
                "the answer is larger than the broker's packets: ask for less "
                "(limit=), or ask that host itself");
    queue_reply(visit);
    return 0;
}

int ask_send_replies(struct ask *a, struct mqtt *mqtt, bool *sent) {
    struct visit *visit;
    while ((visit = TAILQ_FIRST(&a->replies)) != NULL) {
        int code = send_reply(a, mqtt, visit);
        if (code != 0) {
            return code;
        }
        *sent = true;
    }
    return 0;
}
