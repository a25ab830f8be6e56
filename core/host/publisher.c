/*
 * publisher.c - the second connection, for everything that ZingQueue publishes.
 *
 * On the first connection, nothing may be written between reading a message and the commit, because
 * libmosquitto has queued its PUBACK. Publishes are committed already and need not wait for that.
 * And a broker accepts only a few unacknowledged ones (Mosquitto: 20), so they must be acknowledged
 * and followed by others many times per turn. So they have a connection of their own, which is
 * pumped between the steps of a turn.
 *
 * Its session ends with the connection: whatever was not acknowledged is in the outbox. So the
 * broker's own figures are subscribed to here, too: the broker does not queue them for us while we
 * are away.
 */
#include "host/publisher.h"

#include "host/ask.h"
#include "host/broker.h"
#include "host/forward.h"
#include "host/join.h"
#include "host/logged.h"
#include "host/loop.h"
#include "host/members.h"
#include "host/sign.h"
#include "host/terms.h"
#include "base/log.h"

#include <assert.h>
#include <stdio.h>

static void on_message(void *ctx, const struct mqtt_message *m) {
    struct host *h = ctx;
    if (host_members_heard(h, m) || host_is_forged(h, m) ||
        (h->ask != NULL && ask_note(h->ask, m))) {
        return;
    }
    if (m->refused.len == 0 && !host_forward_heard(h, m)) {
        sys_note(h->sys, m->topic, m->payload);
        if (sys_is_mosquitto(m->topic, m->payload)) {
            host_terms_mosquitto(h);
        }
    }
}

/* The broker has answered something that is not from the outbox: if it was the last such thing,
 * nothing sent next to the outbox can be why the connection ends. */
static void note_proof(struct host *h) {
    bool asked = h->ask == NULL || ask_is_proven(h->ask);
    if (sys_is_proven(h->sys) && asked && !host_members_asks(h) && h->forwards_asked == 0) {
        engine_beside_proven(h->engine);
    }
}

static void on_published(void *ctx, int mid, uint8_t reason) {
    struct host *h = ctx;
    if (sys_published(h->sys, mid, reason, uv_now(&h->loop)) ||
        (h->ask != NULL && ask_published(h->ask, mid, reason))) {
        note_proof(h);
    } else {
        engine_published(h->engine, mid, reason);
    }
}

/* Other hosts are assumed to announce the same limit, because they use the same topics.conf. */
static size_t packet_bytes_max(const struct host *h, const struct mqtt_session *session) {
    size_t ours = h->conf->broker.packet_bytes_max;
    size_t brokers = session->packet_bytes_max;
    return brokers > 0 && (brokers < ours || ours == 0) ? brokers : ours;
}

static void on_up(void *ctx, const struct mqtt_session *session) {
    struct host *h = ctx;
    h->publisher_error[0] = '\0';
    (void)host_loss_up(&h->publisher_loss, uv_now(&h->loop));
    host_terms_up(h, true);
    sys_up(h->sys, uv_now(&h->loop));
    host_members_watch_up(h);
    host_join_watch_up(h);
    if (h->ask != NULL) {
        ask_up(h->ask);
    }
    host_forward_up(h);
    engine_connected(h->engine, session->receive_maximum, packet_bytes_max(h, session));
    host_wake(h);
}

static void on_down(void *ctx, enum mqtt_down why, const char *text) {
    struct host *h = ctx;
    if (engine_disconnected(h->engine)) {
        mqtt_forgive(h->publisher);
    }
    sys_down(h->sys, uv_now(&h->loop));
    host_members_watch_down(h);
    host_join_down(h);
    h->forwards_asked = 0;
    if (h->ask != NULL) {
        ask_down(h->ask);
    }
    h->publisher_readable = false;
    host_broker_down(h, true, why, text);
}

static void on_subscribed(void *ctx, const char *filter, uint8_t reason) {
    struct host *h = ctx;
    bool others = host_members_watched(h, filter, reason) ||
                  host_forward_answered(h, filter, reason) ||
                  (h->ask != NULL && ask_subscribed(h->ask, filter, reason));
    if (!others) {
        sys_answered(h->sys, reason);
    }
    note_proof(h);
}

static void on_readable(void *ctx) {
    struct host *h = ctx;
    h->publisher_readable = true;
    host_wake(h);
}

int host_publish(void *ctx, const struct publication *p, int *mid) {
    struct host *h = ctx;
    struct mqtt_publish out = {.topic = p->topic.data,
                               .payload = p->payload,
                               .content_type = p->content_type,
                               .response_topic = p->response_topic,
                               .correlation = p->correlation,
                               .properties = p->properties,
                               .qos = p->qos,
                               .retain = p->retain};
    struct report r;
    if (sys_wants_to_be_alone(h->sys, uv_now(&h->loop))) {
        return ERR_BUSY; /* this publish must not be blamed for a loss now */
    }
    int code = mqtt_publish(h->publisher, &out, mid, &r);
    if (code == ERR_INVALID) {
        log_error("broker", "%s", r.text);
    }
    return code;
}

void host_pump(struct host *h) {
    enum { ACKS_AT_ONCE = 256 };
    h->publisher_readable = mqtt_collect(h->publisher, ACKS_AT_ONCE);
    host_ask_send(h);
    if (engine_send(h->engine) != 0) {
        log_error("broker", "a packet id was reused that the broker has not acknowledged yet: "
                            "reconnecting");
        mqtt_drop(h->publisher);
        return;
    }
    engine_send_forwards(h->engine);
    mqtt_flush(h->publisher);
}

/* After the outbox's flush: unacknowledged messages must not use up its window. */
void host_publish_status(struct host *h) {
    size_t up = 0;
    size_t silent = 0;
    size_t gone = 0;
    if (host_members_asks(h) || !sys_is_due(h->sys)) {
        return;
    }
    host_members_counts(h, &up, &silent, &gone);
    const struct sys_host host = {.now_ms = uv_now(&h->loop),
                                  .uptime_ms = host_now_ms(h) - h->started_ms,
                                  .connected = mqtt_session(h->subscriber)->connected,
                                  .hosts_up = up,
                                  .hosts_gone = gone,
                                  .hosts_known = host_members_known(h)};
    if (sys_publish(h->sys, h->publisher, &host)) {
        engine_published_beside(h->engine);
        mqtt_flush(h->publisher);
        if (sys_wants_to_be_alone(h->sys, uv_now(&h->loop))) {
            /* ends the outbox's wait if the status publish is not answered */
            int failed = uv_timer_start(&h->alone_timer, host_on_timer, SYS_ALONE_MS + 1, 0);
            assert(failed == 0); /* only a closing handle refuses */
        }
    }
}

int host_open_publisher(struct host *h, struct report *r) {
    const struct mqtt_callbacks callbacks = {.ctx = h,
                                             .on_message = on_message,
                                             .on_published = on_published,
                                             .on_up = on_up,
                                             .on_down = on_down,
                                             .on_subscribed = on_subscribed,
                                             .on_readable = on_readable,
                                             .may_connect = host_log_may_connect};
    int len =
        snprintf(h->publisher_client_id, sizeof h->publisher_client_id, "%s-out", h->client_id);
    if (len < 0 || (size_t)len > 255) {
        return report(r, ERR_INVALID, "broker.client_id is too long: the limit is 251 bytes");
    }
    int code = sys_new(&h->sys, h->conf, h->engine, h->client_id);
    if (code != 0) {
        return report(r, code, "cannot prepare the status topics: %s", error_text(code));
    }
    const struct mqtt_publish will = sys_will(h->sys);
    return mqtt_new(&h->publisher, &h->loop, &h->publisher_conf, h->publisher_client_id, &will,
                    &callbacks, r);
}
