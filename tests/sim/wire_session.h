/*
 * wire_session.h - a session of the simulated broker: what a client subscribed to, and what waits
 * for it or waits for its PUBACK. It outlives connections.
 */
#ifndef ZINGQ_SIM_WIRE_SESSION_H
#define ZINGQ_SIM_WIRE_SESSION_H

#include "wire_packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WIRE_SUBS_MAX = 24, WIRE_QUEUE_MAX = 3000, WIRE_TOPIC_BYTES = 48, WIRE_FILTER_BYTES = 80 };

struct wire_conn;

/* A message as a publisher made it. */
struct wire_message {
    uint32_t number;
    char topic[WIRE_TOPIC_BYTES];
    uint32_t bytes; /* of the payload */
    uint8_t qos;
    bool retain;
    enum wire_spoil spoil;
};

/* One on its way to a client. */
struct wire_delivery {
    struct wire_message message;
    uint32_t ids[WIRE_IDS_MAX];
    size_t id_count;
    uint16_t id; /* of its packet; 0 = not sent yet */
    bool out;    /* sent on this connection */
    bool dup;    /* sent on an earlier one */
};

struct wire_sub {
    char filter[WIRE_FILTER_BYTES]; /* as it was sent */
    uint32_t id;
    uint8_t options;
};

struct wire_session {
    char client_id[64];
    bool live;
    uint32_t expiry_s;
    int64_t ends_ms; /* while nobody is connected */
    struct wire_conn *conn;
    struct wire_sub subs[WIRE_SUBS_MAX];
    size_t sub_count;
    struct wire_delivery queue[WIRE_QUEUE_MAX]; /* in order; what was sent stands first */
    size_t queued;
    uint16_t last_id;
};

/* Forgets everything. */
void wire_session_end(struct wire_session *s);
/* The filter behind $share/<group>/, or the filter itself. */
const char *wire_filter_plain(const char *filter);
bool wire_filter_matches(const char *filter, const char *topic);

/* Adds or replaces; whether it is new. */
bool wire_session_subscribe(struct wire_session *s, const struct wire_sub *sub);
/* Whether there was one. */
bool wire_session_unsubscribe(struct wire_session *s, struct slice filter);
/* Queues the message for each subscription that matches: one packet each, or one with all ids. */
void wire_session_route(struct wire_session *s, const struct wire_message *message, bool joined);
/* Queues it for one of them. */
void wire_session_deliver(struct wire_session *s, const struct wire_message *message,
                          const struct wire_sub *sub);
/* A packet id that is not in use. */
uint16_t wire_session_next_id(struct wire_session *s);
/* Takes the delivery with this packet id out; whether there was one. */
bool wire_session_acknowledge(struct wire_session *s, uint16_t id);
/* A new connection: what was sent and not acknowledged is sent again. */
void wire_session_resume(struct wire_session *s);

#endif
