/*
 * turn.c - the MQTT client while it is up: what a turn reads, queues and writes.
 *
 * The rule: no PUBACK leaves before the mqtt_flush that follows it. Writing empties libmosquitto's
 * whole queue, so while `dirty` (something was queued since the last flush) neither the keepalive
 * nor the writable watcher may write: the next flush does it for them.
 *
 * Reading until the socket is dry: mosquitto_loop_read returns success both for a handled packet
 * and for an empty socket. Only errno tells, but handling a packet may also leave EAGAIN there. So
 * dry means: EAGAIN, no callback ran, and the wire guard is empty,
 * because its buffered bytes do not wake the watcher. A packet that runs no callback queues
 * nothing, so the worst result of a wrong "dry" is one more wake-up.
 *
 * The socket's watcher is level-triggered. It is stopped when it fires, and started again when
 * mqtt_collect has read the socket dry, so that a caller who waits a little is not woken for it.
 */
#include "io/mqtt/impl.h"

#include "base/limits.h"
#include "io/mqtt/guard.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Of mqtt_collect, in addition to one per message: further input waits for the next turn. */
enum { READS_MAX = 64 };

/* ---- libmosquitto's callbacks ---- */

void mqtt_on_message(struct mosquitto *mosq, void *userdata,
                     const struct mosquitto_message *message,
                     const mosquitto_property *properties) {
    (void)mosq;
    struct mqtt *m = mqtt_heard(userdata);
    m->taken++;
    if (message->qos > 0) {
        m->dirty = m->acks = true;
    }
    if (mqtt_incoming_read(&m->incoming, message, properties) != 0) {
        m->no_memory = true; /* the connection is dropped, and the message comes again */
        return;
    }
    m->callbacks.on_message(m->callbacks.ctx, &m->incoming.message);
}

static uint32_t now_s(const struct mqtt *m) {
    return (uint32_t)(uv_now(m->loop) / 1000);
}

void mqtt_on_publish(struct mosquitto *mosq, void *userdata, int mid, int reason,
                     const mosquitto_property *properties) {
    (void)mosq;
    (void)properties;
    struct mqtt *m = mqtt_heard(userdata);
    if (mid <= 0 || mid >= MQTT_PACKET_IDS || m->sent_s[mid] == 0) {
        return; /* answered before: nothing of ours waits for it */
    }
    if (mids_take(&m->windowed, mid)) { /* else it is written: the broker has said nothing */
        m->windowed_count--;
        m->answered_s = now_s(m) + 1;
        m->latest_s = m->sent_s[mid] > m->latest_s ? m->sent_s[mid] : m->latest_s;
    }
    m->sent_s[mid] = 0;
    m->in_flight--;
    m->callbacks.on_published(m->callbacks.ctx, mid, (uint8_t)reason);
}

/* ---- reading and writing ---- */

int mqtt_read_packets(struct mqtt *m, int *err) {
    assert(!m->in_library);
    m->in_library = true;
    struct mqtt_guard *guard = mqtt_link_guard(m->link);
    mqtt_guard_enter(guard, mosquitto_socket(m->mosq));
    errno = 0;
    int rc = mosquitto_loop_read(m->mosq, 1);
    *err = errno;
    mqtt_guard_leave();
    m->in_library = false;
    if (rc == MOSQ_ERR_SUCCESS && mqtt_guard_failure(guard) != NULL) {
        rc = MOSQ_ERR_PROTOCOL; /* OpenSSL may have turned a mere "later" into this */
    }
    uint8_t reason = 0;
    if (mqtt_guard_ended(guard, &reason)) {
        rc = rc == MOSQ_ERR_SUCCESS ? MOSQ_ERR_CONN_LOST : rc;
        m->gone = true;
        m->gone_code = reason >= 0x80 ? reason : MOSQ_ERR_SUCCESS;
    }
    return m->no_memory && rc == MOSQ_ERR_SUCCESS ? MOSQ_ERR_NOMEM : rc;
}

bool mqtt_wants_write(const struct mqtt *m) {
    return mqtt_guard_unsent(mqtt_link_guard(m->link)) || mosquitto_want_write(m->mosq);
}

/* 0 or errno; libmosquitto's code for the same. */
static int flush_guard(struct mqtt *m, int *err) {
    *err = mqtt_guard_flush(mqtt_link_guard(m->link));
    return *err == 0 ? MOSQ_ERR_SUCCESS : *err == ECONNRESET ? MOSQ_ERR_CONN_LOST : MOSQ_ERR_ERRNO;
}

/* libmosquitto calls write once per packet, so the guard collects them. A DISCONNECT it must write
 * at once: the socket is closed before libmosquitto returns. */
int mqtt_write_packets(struct mqtt *m, int *err) {
    assert(!m->in_library);
    struct mqtt_guard *guard = mqtt_link_guard(m->link);
    int rc = flush_guard(m, err);
    m->wrote_ms = uv_now(m->loop);
    if (rc != MOSQ_ERR_SUCCESS || mqtt_guard_unsent(guard)) {
        return rc;
    }
    m->in_library = true;
    mqtt_guard_enter(guard, mosquitto_socket(m->mosq));
    if (!m->leaving) {
        mqtt_guard_collect();
    }
    errno = 0;
    rc = mosquitto_loop_write(m->mosq, 1);
    *err = errno;
    mqtt_guard_leave();
    m->in_library = false;
    return rc == MOSQ_ERR_SUCCESS && !m->gone ? flush_guard(m, err) : rc;
}

static void on_socket(void *owner, int status, int events);

/* Sets the watcher to what the state requires. */
static void watch(struct mqtt *m) {
    int events = m->unsent ? UV_WRITABLE : 0;
    if (m->held) {
        events |= UV_DISCONNECT;
    } else if (!m->readable) {
        events |= UV_READABLE;
    }
    if (mqtt_link_watch(m->link, events, on_socket) != 0) {
        mqtt_lose(m, MOSQ_ERR_ERRNO, errno);
    }
}

/* A broker that ends a connection sends its reason and closes. A write would fail then and discard
 * the unread reason: so we would never learn to connect differently. Whatever was to be written is
 * no longer useful. */
static bool leave_unwritten(struct mqtt *m) {
    if (m->held || !mqtt_link_closing(m->link)) {
        return false;
    }
    m->readable = true;
    m->unsent = false;
    m->wrote_ms = uv_now(m->loop); /* no keepalive is needed */
    watch(m);
    return true;
}

bool mqtt_write_or_leave(struct mqtt *m) {
    assert(m->state == UP && !m->dirty);
    if (mqtt_wants_write(m)) {
        if (leave_unwritten(m)) {
            return false;
        }
        int err = 0;
        int rc = mqtt_write_packets(m, &err);
        if (rc != MOSQ_ERR_SUCCESS || m->gone) {
            mqtt_lose(m, rc, err);
            return true;
        }
    }
    m->unsent = mqtt_wants_write(m);
    watch(m);
    return true;
}

void mqtt_write_queued(struct mqtt *m) {
    if (!mqtt_write_or_leave(m)) {
        mqtt_tell_readable(m);
    }
}

/* ---- the keepalive, the watcher ---- */

/* While unread input waits, a PINGRESP would be behind it, and libmosquitto would conclude that the
 * broker is dead. So a packet without effect shows the broker that we are alive: an UNSUBSCRIBE of
 * a filter that we never had, whose answer can be read at any time. */
static int show_life(struct mqtt *m) {
    uint64_t half_ms = (uint64_t)m->session.keepalive_s * 1000 / 2;
    if (half_ms == 0 || uv_now(m->loop) - m->wrote_ms < half_ms) {
        return MOSQ_ERR_SUCCESS;
    }
    return mosquitto_unsubscribe_v5(m->mosq, NULL, "zingq/none", NULL);
}

/* Answers come in the order of the publishes (MQTT 5, 4.6). So one that is late is only late while others
 * come, unless it has been passed over. A broker that is slow must not be sent all of them again. */
static bool publish_unanswered(const struct mqtt *m) {
    uint32_t now = now_s(m) + 1;
    bool silent = m->answered_s == 0 || now - m->answered_s > MQTT_ANSWER_S;
    for (size_t i = 0; m->in_flight > 0 && i < MQTT_PACKET_IDS; i++) {
        uint32_t sent = m->sent_s[i];
        if (sent != 0 && now - sent > MQTT_ANSWER_S && (silent || sent < m->latest_s)) {
            return true;
        }
    }
    return false;
}

/* An answer that has not come by now never will: a reconnect asks again. Input or output that waits
 * on our side is not the broker's fault. Returns whether the connection was dropped. */
static bool drop_unanswered(struct mqtt *m) {
    struct report r;
    if (m->held || m->readable || m->unsent) {
        return false;
    }
    if (publish_unanswered(m)) {
        (void)report(&r, 0, "the broker at %s has not acknowledged a publish for %d s", m->where,
                     MQTT_ANSWER_S);
        mqtt_lose_saying(m, r.text);
        return true;
    }
    for (size_t i = 0; i < m->sub_count; i++) {
        const struct mqtt_subscription *sub = &m->subs[i];
        if (sub->mid != 0 && now_s(m) - sub->asked_s > MQTT_ANSWER_S) {
            (void)report(&r, 0, "the broker at %s has not answered the %s %s for %d s", m->where,
                         sub->leaving ? "end of the subscription" : "subscription",
                         mqtt_wire_filter(m, sub), MQTT_ANSWER_S);
            mqtt_lose_saying(m, r.text);
            return true;
        }
    }
    return false;
}

void mqtt_on_tick(uv_timer_t *timer) {
    struct mqtt *m = timer->data;
    assert(m->state == UP);
    if (m->dirty) {
        return;
    }
    if (drop_unanswered(m)) {
        return;
    }
    m->in_library = true;
    int rc = m->held || m->readable ? show_life(m) : mosquitto_loop_misc(m->mosq);
    if (rc == MOSQ_ERR_SUCCESS && !m->gone) {
        rc = mqtt_ask_refused(m);
    }
    m->in_library = false;
    if (rc != MOSQ_ERR_SUCCESS || m->gone) {
        mqtt_lose(m, rc, errno);
        return;
    }
    if (mqtt_wants_write(m)) {
        mqtt_write_queued(m);
    }
}

void mqtt_tell_readable(struct mqtt *m) {
    if (m->state == UP && m->readable && !m->held) {
        m->callbacks.on_readable(m->callbacks.ctx);
    }
}

static void on_socket(void *owner, int status, int events) {
    struct mqtt *m = owner;
    assert(m->state == UP);
    if (m->held && (status < 0 || (events & UV_DISCONNECT) != 0)) {
        mqtt_lose(m, MOSQ_ERR_CONN_LOST, 0);
        return;
    }
    if ((events & UV_WRITABLE) != 0) {
        m->unsent = false;
        if (!m->dirty) {
            mqtt_write_queued(m);
            if (m->state != UP) {
                return;
            }
        }
    }
    if (!m->held && (status < 0 || (events & UV_READABLE) != 0)) {
        m->readable = true;
        /* A broken socket is always ready. Reading gives the reason, and may come much later. */
        m->unsent = m->unsent && status >= 0;
    }
    watch(m);
    mqtt_tell_readable(m);
}

/* ---- the turn ---- */

bool mqtt_collect(struct mqtt *m, size_t messages_max) {
    assert(messages_max > 0);
    m->taken = 0;
    if (m->state == UP) {
        mqtt_guard_look(mqtt_link_guard(m->link));
    }
    for (size_t reads = 0; m->state == UP && !m->held; reads++) {
        size_t before = m->heard;
        int err = 0;
        int rc = mqtt_read_packets(m, &err);
        if (rc != MOSQ_ERR_SUCCESS || m->gone) {
            mqtt_lose(m, rc, err);
            return false;
        }
        bool dry = m->heard == before && err == EAGAIN;
        if (dry && !mqtt_guard_pending(mqtt_link_guard(m->link))) {
            m->readable = false;
            if (!m->dirty && m->acknowledged != m->heard) {
                mqtt_link_acknowledge(m->link); /* otherwise the next flush carries it */
                m->acknowledged = m->heard;
            }
            watch(m);
            return false;
        }
        if (m->taken >= messages_max || reads >= messages_max + READS_MAX) {
            m->readable = true;
            return true;
        }
    }
    if (m->state == UP) {
        watch(m); /* a callback held us */
    }
    return false;
}

void mqtt_hold(struct mqtt *m, bool hold) {
    if (m->held == hold) {
        return;
    }
    m->held = hold;
    if (m->state != UP) {
        return;
    }
    m->readable = true; /* unknown: what TLS has read ahead does not wake the watcher */
    if (!hold) {
        int failed = uv_async_send(&m->wake);
        assert(failed == 0);
    }
    if (!m->in_library) {
        watch(m);
    }
}

void mqtt_flush(struct mqtt *m) {
    assert(!m->in_library);
    if (m->state == UP && m->ids_end) {
        mqtt_lose_saying(m, "the broker left a publish unanswered while 65,000 others were sent");
    } else if (m->state == UP) {
        m->dirty = m->acks = false;
        mqtt_write_queued(m);
    }
}

static int publish_error(int rc, const struct mqtt_publish *publish, struct report *r) {
    switch (rc) {
    case MOSQ_ERR_NOMEM:
        return report(r, ERR_MEMORY, "out of memory");
    case MOSQ_ERR_NO_CONN:
        return report(r, ERR_NETWORK, "there is no connection to the broker");
    case MOSQ_ERR_QOS_NOT_SUPPORTED:
        return report(r, ERR_INVALID, "the broker does not accept QoS %u publishes", publish->qos);
    case MOSQ_ERR_INVAL:
        return report(r, ERR_INVALID,
                      "\"%s\" is not a topic to publish to: it must not be empty or contain + or #",
                      publish->topic);
    default:
        return report(r, ERR_INVALID, "cannot publish to \"%s\": %s", publish->topic,
                      mosquitto_strerror(rc));
    }
}

static int check_publish(struct mqtt *m, const struct mqtt_publish *publish, struct report *r) {
    if (m->state != UP) {
        return report(r, ERR_NETWORK, "there is no connection to the broker");
    }
    if (m->ids_end) {
        return report(r, ERR_BUSY, "the broker has left a publish unanswered for too long");
    }
    if (publish->qos > 0 && m->windowed_count >= m->session.receive_maximum) {
        return report(r, ERR_BUSY, "the broker accepts no more than %u unacknowledged publishes",
                      m->session.receive_maximum);
    }
    uint64_t size = mqtt_publish_size(publish);
    uint64_t max = m->session.packet_bytes_max != 0 ? m->session.packet_bytes_max : 268435455;
    if (size > max) {
        return report(
            r, ERR_INVALID, "the message for \"%s\" makes a packet of %llu bytes; %s accepts %llu",
            publish->topic, (unsigned long long)size,
            m->session.packet_bytes_max != 0 ? "the broker" : "MQTT", (unsigned long long)max);
    }
    return 0;
}

/* libmosquitto just increments packet ids and reuses one even if it is in flight. So the next ids
 * are checked well ahead, a few more than subscriptions may take in between. */
static void note_sent(struct mqtt *m, int mid) {
    assert(mid > 0 && mid < MQTT_PACKET_IDS);
    m->sent_s[mid] = now_s(m) + 1;
    uint16_t ahead = (uint16_t)(mid + MQTT_PACKET_IDS_AHEAD);
    while (m->looked_at != ahead) {
        m->looked_at++;
        /* ids up to `mid` belong to this round: only at the start of a connection */
        if (m->sent_s[m->looked_at] != 0 && (uint16_t)(mid - m->looked_at) > 32768) {
            m->ids_end = true;
        }
    }
    m->in_flight++;
}

int mqtt_publish(struct mqtt *m, const struct mqtt_publish *publish, int *mid, struct report *r) {
    assert(publish->topic != NULL && publish->qos <= 2);
    int error = check_publish(m, publish, r);
    if (error != 0) {
        return error;
    }
    mosquitto_property *properties = NULL;
    error = mqtt_properties_make(publish, &m->scratch, &properties, r);
    if (error == 0) {
        int qos = publish->qos > 1 ? 1 : publish->qos;
        qos = qos > m->session.qos_max ? m->session.qos_max : qos;
        bool retain = publish->retain && m->session.retain_available;
        assert(!m->in_library);
        mqtt_guard_enter(mqtt_link_guard(m->link), mosquitto_socket(m->mosq));
        int rc = mosquitto_publish_v5(m->mosq, mid, publish->topic, (int)publish->payload.len,
                                      publish->payload.data, qos, retain, properties);
        mqtt_guard_leave();
        error = rc == MOSQ_ERR_SUCCESS ? 0 : publish_error(rc, publish, r);
    }
    mosquitto_property_free_all(&properties);
    if (error == 0) {
        note_sent(m, *mid);
        if (publish->qos > 0) {
            mids_add(&m->windowed, *mid);
            m->windowed_count++;
        }
        m->dirty = true;
    }
    return error;
}
