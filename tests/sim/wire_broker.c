/*
 * wire_broker.c - see wire_broker.h: connections that come, and the packets of clients.
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

/* ---- packets from the client ---- */

static bool wrong(struct wire_conn *conn, const char *what) {
    wire_wrong("the door breaks the protocol on connection %u: %s", wire_net_number(conn->link),
               what);
    return false;
}

static struct wire_session *make_session(struct slice client_id) {
    size_t at = 0;
    while (at < WIRE_SESSIONS_MAX && broker.sessions[at] != NULL && broker.sessions[at]->live) {
        at++;
    }
    assert(at < WIRE_SESSIONS_MAX);
    if (broker.sessions[at] == NULL) {
        broker.sessions[at] = calloc(1, sizeof *broker.sessions[at]);
        assert(broker.sessions[at] != NULL);
    }
    struct wire_session *s = broker.sessions[at];
    wire_session_end(s);
    s->live = true;
    (void)snprintf(s->client_id, sizeof s->client_id, "%.*s", (int)client_id.len, client_id.data);
    return s;
}

static void refuse_connect(struct wire_conn *conn, uint8_t reason) {
    struct buf out = wire_conn_packet();
    wire_tell("broker %u: CONNACK 0x%02x", wire_net_number(conn->link), reason);
    broker.figures.refusals++;
    wire_put_connack(&out, false, reason, &broker.manners.terms);
    wire_conn_say(conn, WIRE_CONNACK, &out);
    conn->will = false;
    wire_conn_end(conn);
}

/* What the broker says instead of CONNACK 0; whether it was something. */
static bool declines(struct wire_conn *conn, const struct wire_packet *p) {
    const struct wire_manners *m = &broker.manners;
    if (conn->impostor == WIRE_MUTE) {
        return true;
    }
    if (conn->impostor == WIRE_CLOSER) {
        conn->will = false;
        wire_conn_end(conn);
        return true;
    }
    if (m->no_broker || conn->impostor == WIRE_WEB) {
        static const char text[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
        wire_net_send(conn->link, text, sizeof text - 1);
        conn->will = false;
        wire_conn_end(conn);
        return true;
    }
    if (p->will && m->refuse_will == 1) {
        wire_tell("broker %u: closes over the will", wire_net_number(conn->link));
        conn->will = false;
        wire_conn_end(conn);
        return true;
    }
    bool beyond =
        p->will && ((m->terms.no_retain && p->will_retain) || p->will_qos > m->terms.qos_max);
    uint8_t reason = p->will ? m->refuse_will : 0;
    reason = reason == 0 && beyond ? (p->will_qos > m->terms.qos_max ? 0x9b : 0x9a) : reason;
    reason = m->refuse_connack != 0 ? m->refuse_connack : reason;
    if (reason != 0) {
        refuse_connect(conn, reason);
    }
    return reason != 0;
}

static void welcome(struct wire_conn *conn, bool present) {
    static const struct wire_terms nothing = {.qos_max = 2};
    struct buf out = wire_conn_packet();
    conn->told = broker.manners.hides ? nothing : broker.manners.terms;
    conn->keepalive_s = conn->told.keepalive_s > 0 ? conn->told.keepalive_s : conn->keepalive_s;
    wire_tell("broker %u: CONNACK, session %s", wire_net_number(conn->link),
              present ? "present" : "new");
    wire_put_connack(&out, present, 0, &conn->told);
    wire_conn_say(conn, WIRE_CONNACK, &out);
}

static bool on_connect(struct wire_conn *conn, const struct wire_packet *p) {
    if (conn->session != NULL) {
        return wrong(conn, "a second CONNECT");
    }
    conn->keepalive_s = p->keepalive_s;
    conn->receive_max = p->receive_max;
    conn->packet_max = p->packet_max;
    conn->will = p->will;
    wire_tell("broker %u: CONNECT %.*s%s", wire_net_number(conn->link), (int)p->client_id.len,
              p->client_id.data, p->will ? " with a will" : "");
    if (declines(conn, p)) {
        return false;
    }
    char client_id[64];
    (void)snprintf(client_id, sizeof client_id, "%.*s", (int)p->client_id.len, p->client_id.data);
    struct wire_session *s = wire_broker_session(client_id);
    if (s != NULL && s->conn != NULL) {
        uint32_t expiry_s = s->expiry_s;
        s->expiry_s = UINT32_MAX; /* the session goes over to the new connection */
        wire_conn_dismiss(s->conn, 0x8e, false);
        s->expiry_s = expiry_s;
    }
    bool present = s != NULL && !p->clean;
    if (s != NULL && p->clean) {
        wire_session_end(s);
        s->live = true;
    }
    s = s != NULL ? s : make_session(p->client_id);
    s->conn = conn;
    s->expiry_s = p->session_expiry_s;
    conn->session = s;
    broker.figures.connects++;
    welcome(conn, present);
    wire_session_resume(s);
    wire_conn_send_queued(s);
    return true;
}

bool wire_conn_waits(const struct wire_conn *conn, uint16_t id) {
    return (conn->open_ids[id / 8] >> id % 8 & 1) != 0;
}

static void mark(struct wire_conn *conn, uint16_t id, bool open) {
    uint8_t bit = (uint8_t)(1u << id % 8);
    if (open) {
        conn->open_ids[id / 8] |= bit;
        conn->open_count++;
    } else {
        conn->open_ids[id / 8] &= (uint8_t)~bit;
        conn->open_count--;
    }
}

static const char *publish_fault(const struct wire_conn *conn, const struct wire_packet *p) {
    const struct wire_terms *told = &conn->told;
    size_t window = told->receive_max > 0 ? told->receive_max : UINT16_MAX;
    if (p->qos > told->qos_max) {
        return "a PUBLISH with more QoS than CONNACK told";
    }
    if (p->retain && told->no_retain) {
        return "a retained PUBLISH, and CONNACK told there are none";
    }
    if (p->qos > 0 && wire_conn_waits(conn, p->id)) {
        return "a packet id that is in use";
    }
    if (p->qos > 0 && conn->open_count + 1 > window) {
        return "more publishes than our Receive Maximum";
    }
    return p->dup ? "DUP with a new packet" : NULL;
}

static void answer_publish(struct wire_conn *conn, uint16_t id, uint8_t reason) {
    struct buf out = wire_conn_packet();
    if (broker.manners.withholds > 0) {
        broker.manners.withholds--;
        wire_tell("broker %u: withholds the PUBACK id %u", wire_net_number(conn->link), id);
        wire_net_disturb(conn->link);
        return;
    }
    wire_tell("broker %u: PUBACK id %u 0x%02x", wire_net_number(conn->link), id, reason);
    wire_put_ack(&out, WIRE_PUBACK, id, reason, broker.manners.wordy);
    uint32_t twice_in = broker.manners.answers_twice_in;
    if (twice_in > 0 && ++broker.acks % twice_in == 0) {
        wire_put_ack(&out, WIRE_PUBACK, id, reason, false);
    }
    if ((broker.manners.silent >> WIRE_PUBACK & 1) == 0) {
        mark(conn, id, false);
    }
    wire_conn_say(conn, WIRE_PUBACK, &out);
}

/* The number behind the first letter, "o12;". */
static bool read_number(struct slice payload, char letter, uint32_t *number) {
    *number = 0;
    size_t at = 1;
    while (at < payload.len && payload.data[at] >= '0' && payload.data[at] <= '9') {
        *number = *number * 10 + (uint32_t)(payload.data[at++] - '0');
    }
    return at > 1 && at < payload.len && payload.data[0] == letter && payload.data[at] == ';';
}

/* As wire_outbox.c makes them. */
static bool same_publish(const struct wire_packet *p, uint32_t number) {
    char text[16];
    size_t len = (size_t)snprintf(text, sizeof text, "o%u;", number);
    for (size_t i = len; i < p->payload.len; i++) {
        if (p->payload.data[i] != (char)('a' + i % 26)) {
            return false;
        }
    }
    return slice_is(p->topic, "out/x") && slice_is(p->content_type, "text/plain") &&
           p->correlation.len == len && memcmp(p->correlation.data, text, len) == 0;
}

static bool on_publish(struct wire_conn *conn, const struct wire_packet *p) {
    const char *fault = publish_fault(conn, p);
    const struct wire_terms *terms = &broker.manners.terms;
    uint32_t number = 0;
    if (fault != NULL) {
        return wrong(conn, fault);
    }
    if (p->qos > 0) {
        mark(conn, p->id, true);
    }
    bool beyond = p->qos > terms->qos_max || (p->retain && terms->no_retain);
    if (beyond) { /* kept from the client: it finds out */
        wire_conn_dismiss(conn, p->qos > terms->qos_max ? 0x9b : 0x9a, false);
        return false;
    }
    bool ours = read_number(p->payload, 'o', &number);
    wire_tell("broker %u: hears publish %u id %u QoS %u", wire_net_number(conn->link), number,
              p->id, p->qos);
    uint8_t reason = p->qos > 0 ? broker.manners.refuse_puback : 0;
    if (ours && !same_publish(p, number)) {
        return wrong(conn, "a publish that is not as it was asked for");
    }
    if (ours && reason < 0x80) {
        wire_check_reached(number);
        broker.figures.publishes++;
    }
    if (p->qos > 0) {
        answer_publish(conn, p->id, reason);
    }
    return true;
}

static bool on_puback(struct wire_conn *conn, const struct wire_packet *p) {
    if (conn->sent_count == 0 || conn->sents[0].id != p->id) {
        wire_wrong("the door breaks the protocol: PUBACK id %u, and id %u was to come", p->id,
                   conn->sent_count == 0 ? 0 : conn->sents[0].id);
        return false;
    }
    uint32_t number = conn->sents[0].number;
    conn->sent_count--;
    memmove(conn->sents, conn->sents + 1, conn->sent_count * sizeof conn->sents[0]);
    wire_tell("broker %u: hears PUBACK id %u of message %u", wire_net_number(conn->link), p->id,
              number);
    wire_check_acknowledged(number);
    broker.figures.acknowledged++;
    (void)wire_session_acknowledge(conn->session, p->id);
    wire_conn_send_queued(conn->session);
    return true;
}

static uint8_t judge_filter(const struct wire_conn *conn, const struct wire_sub *sub,
                            const struct wire_terms *terms, const char **fault) {
    bool shared = wire_filter_plain(sub->filter) != sub->filter;
    bool wild = strpbrk(sub->filter, "+#") != NULL;
    uint8_t reason = 0;
    const struct wire_terms *told = &conn->told;
    if ((shared && told->no_shared) || (wild && told->no_wildcard) ||
        (sub->id != 0 && told->no_ids)) {
        *fault = "a subscription of a kind that CONNACK told there is none of";
    }
    reason = shared && terms->no_shared ? 0x9e : reason;
    reason = wild && terms->no_wildcard ? 0xa2 : reason;
    reason = sub->id != 0 && terms->no_ids ? 0xa1 : reason;
    return reason == 0 ? broker.manners.refuse_suback : reason;
}

static void send_retained(struct wire_session *s, const struct wire_sub *sub, bool is_new) {
    uint8_t handling = sub->options >> 4 & 3;
    bool shared = wire_filter_plain(sub->filter) != sub->filter;
    if (shared || handling == 2 || (handling == 1 && !is_new)) {
        return;
    }
    for (size_t i = 0; i < broker.retained_count; i++) {
        if (wire_filter_matches(sub->filter, broker.retained[i].topic)) {
            wire_session_deliver(s, &broker.retained[i], sub);
        }
    }
    wire_conn_send_queued(s);
}

static bool on_subscribe(struct wire_conn *conn, const struct wire_packet *p) {
    struct wire_sub sub = {.id = p->subscription_id, .options = p->options[0]};
    (void)snprintf(sub.filter, sizeof sub.filter, "%.*s", (int)p->filters[0].len,
                   p->filters[0].data);
    const char *fault = p->filter_count == 1 ? NULL : "more than one filter";
    const struct wire_terms *terms = &broker.manners.terms;
    uint8_t reason = judge_filter(conn, &sub, terms, &fault);
    wire_tell("broker %u: SUBSCRIBE %s, 0x%02x", wire_net_number(conn->link), sub.filter, reason);
    if (fault != NULL) {
        return wrong(conn, fault);
    }
    if (reason >= 0x9a && broker.manners.closes) {
        wire_conn_dismiss(conn, reason, false);
        return false;
    }
    bool is_new = reason == 0 && wire_session_subscribe(conn->session, &sub);
    uint8_t granted = (sub.options & 3) < terms->qos_max ? sub.options & 3 : terms->qos_max;
    struct buf out = wire_conn_packet();
    wire_put_answer(&out, WIRE_SUBACK, p->id, reason == 0 ? granted : reason);
    wire_conn_say(conn, WIRE_SUBACK, &out);
    if (reason == 0) {
        send_retained(conn->session, &sub, is_new);
    }
    return true;
}

static bool on_unsubscribe(struct wire_conn *conn, const struct wire_packet *p) {
    bool was = wire_session_unsubscribe(conn->session, p->filters[0]);
    wire_tell("broker %u: UNSUBSCRIBE %.*s", wire_net_number(conn->link), (int)p->filters[0].len,
              p->filters[0].data);
    struct buf out = wire_conn_packet();
    wire_put_answer(&out, WIRE_UNSUBACK, p->id, was ? 0 : 0x11);
    wire_conn_say(conn, WIRE_UNSUBACK, &out);
    return true;
}

static bool on_disconnect(struct wire_conn *conn, const struct wire_packet *p) {
    wire_tell("broker %u: hears DISCONNECT 0x%02x", wire_net_number(conn->link), p->reason);
    conn->will = conn->will && p->reason == 4;
    broker.figures.goodbyes++;
    if (p->expiry_told) {
        conn->session->expiry_s = p->session_expiry_s;
    }
    wire_conn_publish_will(conn);
    wire_conn_end(conn);
    return false;
}

static bool on_ping(struct wire_conn *conn) {
    struct buf out = wire_conn_packet();
    wire_put_pingresp(&out);
    wire_conn_say(conn, WIRE_PINGRESP, &out);
    return true;
}

static bool on_packet(struct wire_conn *conn, const void *bytes, size_t size) {
    struct wire_packet p;
    const char *fault = wire_packet_read(&p, bytes, size);
    if (fault == NULL && (conn->session == NULL) != (p.type == WIRE_CONNECT)) {
        fault = conn->session == NULL ? "a packet before CONNECT" : "a second CONNECT";
    }
    if (fault == NULL && conn->told.packet_max > 0 && size > conn->told.packet_max) {
        fault = "a packet larger than our Maximum Packet Size";
    }
    if (fault != NULL) {
        wire_wrong("the door breaks the protocol on connection %u: %s: %s",
                   wire_net_number(conn->link), wire_packet_name(p.type), fault);
        return false;
    }
    conn->heard_ms = wire_clock_ms();
    switch (p.type) {
    case WIRE_CONNECT:
        return on_connect(conn, &p);
    case WIRE_PUBLISH:
        return on_publish(conn, &p);
    case WIRE_PUBACK:
        return on_puback(conn, &p);
    case WIRE_SUBSCRIBE:
        return on_subscribe(conn, &p);
    case WIRE_UNSUBSCRIBE:
        return on_unsubscribe(conn, &p);
    case WIRE_PINGREQ:
        return on_ping(conn);
    case WIRE_DISCONNECT:
        return on_disconnect(conn, &p);
    default:
        return wrong(conn, "a packet of a QoS 2 handshake");
    }
}

/* ---- the network's side ---- */

struct wire_conn *wire_broker_accept(struct wire_link *link, enum wire_impostor impostor) {
    struct wire_conn *conn = calloc(1, sizeof *conn);
    assert(conn != NULL);
    conn->link = link;
    conn->impostor = impostor;
    conn->heard_ms = wire_clock_ms();
    conn->told.qos_max = 2;
    buf_init(&conn->in, CONN_BYTES_MAX);
    conn->next = broker.conns;
    broker.conns = conn;
    return conn;
}

void wire_broker_input(struct wire_conn *conn, const void *bytes, size_t len) {
    buf_add(&conn->in, bytes, len);
    assert(!conn->in.failed);
    size_t at = 0;
    bool more = true;
    while (more && !conn->ended) {
        size_t size = wire_packet_size(conn->in.data + at, conn->in.len - at);
        if (size == SIZE_MAX) {
            (void)wrong(conn, "a packet without a length");
            break;
        }
        if (size == 0) {
            break;
        }
        more = on_packet(conn, conn->in.data + at, size);
        at += size;
    }
    memmove(conn->in.data, conn->in.data + at, conn->in.len - at);
    conn->in.len -= at;
    wire_conn_sweep();
}
