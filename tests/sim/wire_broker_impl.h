/*
 * wire_broker_impl.h - the inside of the simulated broker, shared by wire_broker.c (what clients
 * send) and wire_sender.c (what it sends, how connections end, what the world makes it do).
 */
#ifndef ZINGQ_SIM_WIRE_BROKER_IMPL_H
#define ZINGQ_SIM_WIRE_BROKER_IMPL_H

#include "wire_broker.h"

enum {
    WIRE_SESSIONS_MAX = 4,
    RETAINED_MAX = 16,
    CONN_BYTES_MAX = 4 << 20,
    LAVISH = 7, /* packets beyond the Receive Maximum */
};

struct sent {
    uint16_t id;
    uint32_t number;
};

struct wire_conn {
    struct wire_conn *next;
    struct wire_link *link;
    struct wire_session *session; /* NULL until CONNECT */
    struct buf in;
    bool ended;
    enum wire_impostor impostor;
    uint16_t keepalive_s;
    int64_t heard_ms;
    uint16_t receive_max; /* the client's */
    uint32_t packet_max;
    struct wire_terms told; /* what CONNACK said */
    struct sent *sents;     /* waiting for a PUBACK each, in order */
    size_t sent_count, sent_cap;
    uint8_t open_ids[65536 / 8]; /* of the client's publishes without an answer */
    size_t open_count;
    bool will, will_retain;
    char will_topic[WIRE_TOPIC_BYTES];
};

/* There is one broker at a time. */
struct wire_broker_state {
    struct wire_manners manners;
    struct wire_session *sessions[WIRE_SESSIONS_MAX];
    struct wire_conn *conns; /* an ended one is freed by wire_conn_sweep */
    struct wire_message retained[RETAINED_MAX];
    size_t retained_count;
    struct wire_broker_figures figures;
    uint32_t acks;
};
extern struct wire_broker_state broker;

/* An empty packet to be written and said. */
struct buf wire_conn_packet(void);
/* Sends it, unless the broker is silent about its type; frees it. */
void wire_conn_say(struct wire_conn *conn, uint8_t type, struct buf *out);
/* Whether a publish of the client with this id has no answer yet. */
bool wire_conn_waits(const struct wire_conn *conn, uint16_t id);
/* Ends the connection; with a DISCONNECT, and the will. */
void wire_conn_end(struct wire_conn *conn);
void wire_conn_dismiss(struct wire_conn *conn, uint8_t reason, bool bare);
void wire_conn_publish_will(const struct wire_conn *conn);
void wire_conn_sweep(void);
/* Sends what waits and may go. */
void wire_conn_send_queued(struct wire_session *s);

#endif
