/*
 * ask.h - requests between the hosts of a division, over MQTT.
 *
 * A request of the API is sent as a message to zingq/ask/<group>/<n>, and its answer to
 * zingq/answer/<group>/<m> of the host that asked. Nothing of it is durable: a request is carried
 * out at most once, and without an answer within ASK_ANSWER_MS nobody knows whether it was. What
 * must not be lost is forwarded instead, or asked again under an Idempotency-Key.
 *
 * Both topics are subscribed to on the publishing connection, with QoS 0: whatever comes while that
 * is down is too old anyway. Publishes use QoS 1, because the PUBACK tells if no host is there; if
 * another client listens to everything, the host's presence tells.
 *
 * A request that arrives again, repeated by the broker or by somebody who recorded it, is not
 * carried out again (peers/ask_ticket.c).
 *
 * Without hosts.secret, clients that may publish on these topics can do everything that the admin
 * API can.
 */
#ifndef ZINGQ_PEERS_ASK_H
#define ZINGQ_PEERS_ASK_H

#include "conf/conf.h"
#include "base/error.h"
#include "io/httpd/gateway.h"
#include "peers/publish.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct ask;

struct ask_options {
    uv_loop_t *loop; /* borrowed, like everything below */
    const struct conf *conf;
    void *ctx;
    /* Takes over a request of another host and answers it; from ask_work only. */
    void (*serve)(void *ctx, struct gateway_request *request);
    /* True if that host is known to be away; may be NULL. */
    bool (*is_away)(void *ctx, uint16_t place);
    peers_sign *sign; /* may be NULL */
    /* ask_send and ask_work have something to do. */
    void (*wake)(void *ctx);
};

/* Only for a host among several. ERR_MEMORY. */
int ask_new(struct ask **out, const struct ask_options *options);
/* Drops requests under way without on_end; those of other hosts must not be answered afterwards.
 * The loop must run once more before it ends. NULL is allowed. */
void ask_free(struct ask *a);

/* --- asking --- */

enum ask_end {
    ASK_ANSWERED,
    ASK_UNSENT, /* it was not executed: it was not sent, or no host was there to take it */
    ASK_SILENT, /* no answer came: the outcome is unknown */
};

struct ask_outcome {
    enum ask_end end;
    const struct gateway_reply *reply; /* if ANSWERED */
    const char *why;                   /* otherwise; "host 2 did not answer within 5 s" */
};

typedef void ask_on_end(void *ctx, uint64_t id, const struct ask_outcome *outcome);

/* Asks that host; the words are copied. on_end is called once, from ask_work, unless ask_cancel
 * was. Ids are never 0 and never reused. ERR_LIMIT: too many are under way; ERR_INVALID: larger
 * than a packet may be; ERR_MEMORY; a sentence in r. */
int ask_start(struct ask *a, uint16_t place, const struct gateway_words *words, void *ctx,
              ask_on_end *on_end, uint64_t *id, struct report *r);
/* Cancels the wait for the answer. An unknown id is not an error. */
void ask_cancel(struct ask *a, uint64_t id);

/* True if ask_work has something to do. */
bool ask_due(const struct ask *a);
/* Delivers finished requests, serves incoming ones. Between turns. */
void ask_work(struct ask *a);

/* --- the publishing connection --- */

void ask_up(struct ask *a);
void ask_down(struct ask *a);
/* Publishes waiting messages, as far as the broker accepts them. Returns whether something was
 * sent. */
bool ask_send(struct ask *a, struct mqtt *mqtt);
/* True if the message, the PUBACK, or the SUBACK belongs here. */
bool ask_note(struct ask *a, const struct mqtt_message *m);
bool ask_published(struct ask *a, int mid, uint8_t reason);
bool ask_subscribed(struct ask *a, const char *filter, uint8_t reason);
/* True if the broker has answered everything sent on this connection. */
bool ask_is_proven(const struct ask *a);

/* --- status --- */

/* True if other hosts cannot reach this one, or vice versa; the sentence in r. */
bool ask_warning(const struct ask *a, struct report *r);
/* Prometheus text, appended. */
void ask_write_metrics(const struct ask *a, struct buf *out);

#endif
