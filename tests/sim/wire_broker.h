/*
 * wire_broker.h - an MQTT 5 broker that exists in this process only: sessions that outlive
 * connections, subscriptions, shared or not, QoS 0 and 1, flow control both ways, redelivery,
 * retained messages, wills, takeovers, keepalive. What a client sends is held to the letter of the
 * protocol, and to what CONNACK told. What the broker itself does can be spoilt in many ways.
 *
 * Left out: QoS 2, topic aliases, authentication, more than one client in a shared group.
 */
#ifndef ZINGQ_SIM_WIRE_BROKER_H
#define ZINGQ_SIM_WIRE_BROKER_H

#include "wire_packet.h"
#include "wire_session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire_conn;
struct wire_link;

/* How this broker is, and what is wrong with it now; may be changed at any moment. */
struct wire_manners {
    struct wire_terms terms;
    bool hides;             /* CONNACK does not tell the terms: what goes beyond them is refused */
    bool closes;            /* and refused by ending the connection */
    bool joined;            /* one packet with all subscription ids, instead of one each */
    bool lavish;            /* sends more than the client's Receive Maximum */
    bool wordy;             /* acknowledges with a reason string */
    uint32_t silent;        /* bits by type: these packets are not sent */
    uint8_t refuse_connack; /* a reason; 0 = no */
    uint8_t refuse_suback;  /* the same */
    uint8_t refuse_puback;
    uint8_t refuse_will;       /* a CONNECT with a will: this reason, 1 = closed without a word */
    bool no_broker;            /* what answers is none */
    uint32_t answers_twice_in; /* one PUBACK in so many is sent twice; 0 = none */
    uint32_t withholds;        /* so many PUBACKs to come are not sent */
};

struct wire_broker_figures {
    size_t connects, refusals, messages, redelivered, acknowledged, publishes, wills, goodbyes;
};

void wire_broker_begin(void);
/* Every session is forgotten. */
void wire_broker_end(void);
struct wire_manners *wire_broker_manners(void);
const struct wire_broker_figures *wire_broker_figures(void);

/* ---- the network's side ---- */

/* What accepts connections and is no broker. */
enum wire_impostor { WIRE_GENUINE, WIRE_MUTE, WIRE_WEB, WIRE_CLOSER, WIRE_IMPOSTOR_COUNT };
struct wire_conn *wire_broker_accept(struct wire_link *link, enum wire_impostor impostor);
void wire_broker_input(struct wire_conn *conn, const void *bytes, size_t len);
void wire_broker_lost(struct wire_conn *conn);
/* What has come due: a keepalive, the end of a session; and when the next will. */
void wire_broker_tick(void);
int64_t wire_broker_next_ms(void);

/* ---- the world's side ---- */

/* Someone publishes. */
void wire_broker_publish(const struct wire_message *message);
/* The client's session, or NULL. */
struct wire_session *wire_broker_session(const char *client_id);
/* Whether the client has a connection to which nothing was done. */
bool wire_broker_undisturbed(const char *client_id);
/* Every connection ends; sessions too if `forgets`. `reason`: of a DISCONNECT, 0 = without one. */
void wire_broker_restart(bool forgets, uint8_t reason);
/* One client's connection ends with a DISCONNECT. */
void wire_broker_dismiss(const char *client_id, uint8_t reason, bool bare);
/* Bytes to a client that are no answer to anything. */
void wire_broker_say(const char *client_id, const void *bytes, size_t len);
/* A PUBACK that answers nothing. */
void wire_broker_odd_puback(const char *client_id, uint16_t id);
/* The first message in flight again, on the same connection, against the protocol. */
void wire_broker_repeat(const char *client_id);

#endif
