/*
 * wire_sender.c - the other half of wire_broker.c: what the broker sends, how its connections end,
 * what comes due, what the world makes it do. Every packet goes through wire_conn_say, which is
 * where some are left out.
 */
#include "wire_broker_impl.h"

#include "wire_check.h"
#include "wire_net.h"
#include "wire_os.h"
#include "wire_tell.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct wire_broker_state broker;

void wire_broker_begin(void) {
    assert(broker.conns == NULL);
    memset(&broker, 0, sizeof broker);
    broker.manners.terms.qos_max = 2;
}

void wire_broker_end(void) {
    assert(broker.conns == NULL);
    for (size_t i = 0; i < WIRE_SESSIONS_MAX; i++) {
        free(broker.sessions[i]);
        broker.sessions[i] = NULL;
    }
}

struct wire_manners *wire_broker_manners(void) {
    return &broker.manners;
}

const struct wire_broker_figures *wire_broker_figures(void) {
    return &broker.figures;
}

/* ---- sending ---- */

void wire_conn_say(struct wire_conn *conn, uint8_t type, struct buf *out) {
    assert(!out->failed);
    bool silent = (broker.manners.silent >> type & 1) != 0;
    if (silent) {
        wire_tell("broker %u: keeps its %s to itself", wire_net_number(conn->link),
                  wire_packet_name(type));
        wire_net_disturb(conn->link);
    } else {
        wire_net_send(conn->link, out->data, out->len);
    }
    buf_clear(out);
}

struct buf wire_conn_packet(void) {
    struct buf out;
    buf_init(&out, CONN_BYTES_MAX);
    return out;
}

/* ---- ends ---- */

void wire_conn_publish_will(const struct wire_conn *conn) {
    if (!conn->will) {
        return;
    }
    broker.figures.wills++;
    wire_tell("broker %u: publishes the will", wire_net_number(conn->link));
}

void wire_conn_sweep(void) {
    for (struct wire_conn **at = &broker.conns; *at != NULL;) {
        struct wire_conn *conn = *at;
        if (conn->ended) {
            *at = conn->next;
            buf_clear(&conn->in);
            free(conn->sents);
            free(conn);
        } else {
            at = &conn->next;
        }
    }
}

static void leave_session(struct wire_conn *conn) {
    struct wire_session *s = conn->session;
    if (s == NULL || s->conn != conn) {
        return;
    }
    s->conn = NULL;
    s->ends_ms = wire_clock_ms() + (int64_t)s->expiry_s * 1000;
    if (s->expiry_s == 0) {
        wire_session_end(s);
    }
}

void wire_broker_lost(struct wire_conn *conn) {
    wire_tell("broker %u: the connection is gone", wire_net_number(conn->link));
    wire_conn_publish_will(conn);
    leave_session(conn);
    conn->ended = true;
    wire_conn_sweep();
}

void wire_conn_end(struct wire_conn *conn) {
    if (conn->ended) {
        return;
    }
    conn->ended = true;
    leave_session(conn);
    wire_net_close(conn->link);
}

void wire_conn_dismiss(struct wire_conn *conn, uint8_t reason, bool bare) {
    struct buf out = wire_conn_packet();
    wire_tell("broker %u: DISCONNECT 0x%02x", wire_net_number(conn->link), reason);
    wire_put_disconnect(&out, reason, bare);
    wire_conn_say(conn, WIRE_DISCONNECT, &out);
    wire_conn_publish_will(conn);
    wire_conn_end(conn);
}

/* ---- messages to the client ---- */

static void note_sent(struct wire_conn *conn, uint16_t id, uint32_t number) {
    if (conn->sent_count == conn->sent_cap) {
        conn->sent_cap = conn->sent_cap == 0 ? 64 : conn->sent_cap * 2;
        conn->sents = realloc(conn->sents, conn->sent_cap * sizeof *conn->sents);
        assert(conn->sents != NULL);
    }
    conn->sents[conn->sent_count++] = (struct sent){id, number};
}

static void send_delivery(struct wire_conn *conn, const struct wire_delivery *d) {
    struct buf payload = wire_conn_packet();
    buf_printf(&payload, "m%u;", d->message.number);
    while (payload.len < d->message.bytes) {
        buf_add_u8(&payload, (uint8_t)('a' + payload.len % 26));
    }
    char rich[16];
    bool is_rich = wire_check_is_rich(&d->message, rich);
    const struct wire_publish publish = {.topic = d->message.topic,
                                         .payload = buf_slice(&payload),
                                         .id = d->id,
                                         .qos = d->message.qos,
                                         .retain = d->message.retain,
                                         .dup = d->dup,
                                         .ids = d->ids,
                                         .id_count = d->id_count,
                                         .spoil = d->message.spoil,
                                         .rich = is_rich ? rich : NULL};
    struct buf out = wire_conn_packet();
    wire_put_publish(&out, &publish);
    bool fits =
        conn->packet_max == 0 || out.len <= conn->packet_max || d->message.spoil == WIRE_TOO_LARGE;
    wire_tell("broker %u: PUBLISH message %u id %u%s%s %s", wire_net_number(conn->link),
              d->message.number, d->id, d->dup ? " again" : "", d->message.spoil ? " spoilt" : "",
              d->message.topic);
    assert(fits); /* plans make no message too large by accident */
    broker.figures.messages++;
    broker.figures.redelivered += d->dup;
    wire_conn_say(conn, WIRE_PUBLISH, &out);
    buf_clear(&payload);
    if (d->message.qos > 0) {
        note_sent(conn, d->id, d->message.number);
    }
}

static bool may_send(const struct wire_conn *conn) {
    size_t most = conn->receive_max + (broker.manners.lavish ? LAVISH : 0u);
    return conn->sent_count < most;
}

static void drop_delivery(struct wire_session *s, size_t i) {
    s->queued--;
    memmove(&s->queue[i], &s->queue[i + 1], (s->queued - i) * sizeof s->queue[0]);
}

void wire_conn_send_queued(struct wire_session *s) {
    struct wire_conn *conn = s->conn;
    for (size_t i = 0; i < s->queued && conn != NULL && !conn->ended && may_send(conn);) {
        struct wire_delivery *d = &s->queue[i];
        if (d->out) {
            i++;
            continue;
        }
        if (d->message.qos == 0) {
            send_delivery(conn, d);
            drop_delivery(s, i);
            continue;
        }
        d->id = d->id != 0 ? d->id : wire_session_next_id(s);
        d->out = true;
        send_delivery(conn, d);
        i++;
    }
}

static void retain(const struct wire_message *message) {
    size_t i = 0;
    while (i < broker.retained_count && strcmp(broker.retained[i].topic, message->topic) != 0) {
        i++;
    }
    if (i < RETAINED_MAX) {
        broker.retained[i] = *message;
        broker.retained_count += i == broker.retained_count;
    }
}

void wire_broker_publish(const struct wire_message *message) {
    wire_tell("someone publishes message %u QoS %u to %s", message->number, message->qos,
              message->topic);
    wire_check_published(message);
    if (message->retain) {
        retain(message);
    }
    for (size_t i = 0; i < WIRE_SESSIONS_MAX; i++) {
        struct wire_session *s = broker.sessions[i];
        if (s != NULL && s->live && (s->conn != NULL || message->qos > 0)) {
            wire_session_route(s, message, broker.manners.joined);
            wire_conn_send_queued(s);
        }
    }
}

bool wire_broker_undisturbed(const char *client_id) {
    const struct wire_session *s = wire_broker_session(client_id);
    return s != NULL && s->conn != NULL && !wire_net_disturbed(s->conn->link);
}

struct wire_session *wire_broker_session(const char *client_id) {
    for (size_t i = 0; i < WIRE_SESSIONS_MAX; i++) {
        struct wire_session *s = broker.sessions[i];
        if (s != NULL && s->live && strcmp(s->client_id, client_id) == 0) {
            return s;
        }
    }
    return NULL;
}

/* ---- time ---- */

/* A connection that is not greeted has as long as one without a keepalive of its own. */
static int64_t silence_ends_ms(const struct wire_conn *conn) {
    enum { GREETING_MS = 60000 };
    if (conn->session == NULL) {
        return conn->heard_ms + GREETING_MS;
    }
    return conn->keepalive_s == 0 ? INT64_MAX
                                  : conn->heard_ms + (int64_t)conn->keepalive_s * 1500 + 1;
}

static void give_up(struct wire_conn *conn) {
    if (conn->session != NULL && !wire_net_disturbed(conn->link)) {
        wire_wrong("the door lets the keepalive of connection %u pass, %u s",
                   wire_net_number(conn->link), conn->keepalive_s);
    }
    wire_conn_dismiss(conn, 0x8d, false);
}

void wire_broker_tick(void) {
    int64_t now_ms = wire_clock_ms();
    for (struct wire_conn *conn = broker.conns; conn != NULL; conn = conn->next) {
        if (!conn->ended && silence_ends_ms(conn) <= now_ms) {
            give_up(conn);
        }
    }
    wire_conn_sweep();
    for (size_t i = 0; i < WIRE_SESSIONS_MAX; i++) {
        struct wire_session *s = broker.sessions[i];
        if (s != NULL && s->live && s->conn == NULL && s->ends_ms <= now_ms) {
            wire_tell("broker: the session of %s has expired", s->client_id);
            wire_session_end(s);
        }
    }
}

int64_t wire_broker_next_ms(void) {
    int64_t next_ms = INT64_MAX;
    for (const struct wire_conn *conn = broker.conns; conn != NULL; conn = conn->next) {
        int64_t ms = silence_ends_ms(conn);
        next_ms = ms < next_ms ? ms : next_ms;
    }
    for (size_t i = 0; i < WIRE_SESSIONS_MAX; i++) {
        const struct wire_session *s = broker.sessions[i];
        if (s != NULL && s->live && s->conn == NULL && s->ends_ms < next_ms) {
            next_ms = s->ends_ms;
        }
    }
    return next_ms;
}

/* ---- the world's side ---- */

void wire_broker_restart(bool forgets, uint8_t reason) {
    wire_tell("the broker restarts%s", forgets ? " and has lost its sessions" : "");
    for (struct wire_conn *conn = broker.conns; conn != NULL; conn = conn->next) {
        wire_net_disturb(conn->link);
        if (reason != 0 && conn->session != NULL && !conn->ended) {
            wire_conn_dismiss(conn, reason, false);
        } else {
            wire_conn_end(conn);
        }
    }
    wire_conn_sweep();
    for (size_t i = 0; forgets && i < WIRE_SESSIONS_MAX; i++) {
        if (broker.sessions[i] != NULL) {
            wire_session_end(broker.sessions[i]);
        }
    }
}

static struct wire_conn *conn_of(const char *client_id) {
    struct wire_session *s = wire_broker_session(client_id);
    return s != NULL ? s->conn : NULL;
}

void wire_broker_dismiss(const char *client_id, uint8_t reason, bool bare) {
    struct wire_conn *conn = conn_of(client_id);
    if (conn != NULL) {
        wire_net_disturb(conn->link);
        wire_conn_dismiss(conn, reason, bare);
        wire_conn_sweep();
    }
}

void wire_broker_say(const char *client_id, const void *bytes, size_t len) {
    struct wire_conn *conn = conn_of(client_id);
    if (conn != NULL) {
        wire_tell("broker %u: says %zu bytes of its own", wire_net_number(conn->link), len);
        wire_net_disturb(conn->link);
        wire_net_send(conn->link, bytes, len);
    }
}

void wire_broker_odd_puback(const char *client_id, uint16_t id) {
    struct wire_conn *conn = conn_of(client_id);
    if (conn != NULL && !wire_conn_waits(conn, id)) {
        struct buf out = wire_conn_packet();
        wire_put_ack(&out, WIRE_PUBACK, id, 0, false);
        wire_tell("broker %u: PUBACK id %u, which answers nothing", wire_net_number(conn->link),
                  id);
        wire_net_disturb(conn->link);
        wire_conn_say(conn, WIRE_PUBACK, &out);
    }
}

void wire_broker_repeat(const char *client_id) {
    struct wire_conn *conn = conn_of(client_id);
    if (conn != NULL && conn->session->queued > 0 && conn->session->queue[0].out) {
        wire_net_disturb(conn->link);
        conn->session->queue[0].dup = true;
        send_delivery(conn, &conn->session->queue[0]);
    }
}
