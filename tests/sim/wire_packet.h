/*
 * wire_packet.h - MQTT 5 packets as a broker sees them: what a client sends is read strictly, what
 * a broker sends is written, also wrongly. Pure: bytes in, bytes out. It shares no code with the
 * door, so that a misunderstanding is not made twice.
 */
#ifndef ZINGQ_SIM_WIRE_PACKET_H
#define ZINGQ_SIM_WIRE_PACKET_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WIRE_CONNECT = 1,
    WIRE_CONNACK = 2,
    WIRE_PUBLISH = 3,
    WIRE_PUBACK = 4,
    WIRE_PUBREC = 5,
    WIRE_PUBREL = 6,
    WIRE_PUBCOMP = 7,
    WIRE_SUBSCRIBE = 8,
    WIRE_SUBACK = 9,
    WIRE_UNSUBSCRIBE = 10,
    WIRE_UNSUBACK = 11,
    WIRE_PINGREQ = 12,
    WIRE_PINGRESP = 13,
    WIRE_DISCONNECT = 14,
};

enum { WIRE_FILTERS_MAX = 4, WIRE_IDS_MAX = 4 };

/* A packet that came; slices point into its bytes. */
struct wire_packet {
    uint8_t type;
    uint16_t id;
    uint8_t reason;
    /* CONNECT */
    struct slice client_id;
    bool clean;
    uint16_t keepalive_s, receive_max;
    uint32_t session_expiry_s, packet_max;
    bool will, will_retain, expiry_told;
    uint8_t will_qos;
    struct slice will_topic, will_payload;
    /* PUBLISH */
    struct slice topic, payload, content_type, correlation;
    uint8_t qos;
    bool retain, dup;
    /* SUBSCRIBE, UNSUBSCRIBE */
    struct slice filters[WIRE_FILTERS_MAX];
    uint8_t options[WIRE_FILTERS_MAX];
    size_t filter_count;
    uint32_t subscription_id; /* 0 = none */
};

/* How many bytes the first packet has; 0: they are not all there; SIZE_MAX: it has no length. */
size_t wire_packet_size(const void *bytes, size_t len);
/* NULL, or the rule of MQTT 5 that the packet breaks. */
const char *wire_packet_read(struct wire_packet *out, const void *bytes, size_t len);
const char *wire_packet_name(uint8_t type);

/* ---- what a broker sends ---- */

/* What may be wrong with a PUBLISH. */
enum wire_spoil {
    WIRE_GOOD,
    WIRE_TOPIC_CONTROL,    /* a control character in the topic */
    WIRE_TOPIC_NO_UTF8,    /* no UTF-8 in the topic */
    WIRE_UNKNOWN_PROPERTY, /* 0x7e */
    WIRE_TWICE,            /* the content type twice */
    WIRE_PROPERTIES_OUT,   /* the properties' length goes beyond the packet */
    WIRE_USER_NO_UTF8,     /* no UTF-8 in a user property */
    WIRE_WRONG_PLACE,      /* a property of CONNACK */
    WIRE_ALIAS,            /* a topic alias, though we take none */
    WIRE_ID_0,             /* subscription identifier 0 */
    WIRE_CUT_STRING,       /* a property's string goes beyond the properties */
    WIRE_TOO_LARGE,        /* more bytes than we said we take */
    WIRE_SPOIL_COUNT
};

struct wire_publish {
    const char *topic;
    struct slice payload;
    uint16_t id; /* of the packet; with QoS 0 none */
    uint8_t qos;
    bool retain, dup;
    const uint32_t *ids; /* of subscriptions */
    size_t id_count;
    enum wire_spoil spoil;
    const char *rich; /* NULL, or what the content type, the correlation and a user property are */
};

/* What CONNACK tells. */
struct wire_terms {
    uint16_t receive_max; /* 0 = not told */
    uint32_t packet_max;  /* 0 = not told */
    uint8_t qos_max;
    bool no_retain, no_wildcard, no_shared, no_ids;
    uint16_t keepalive_s; /* 0 = not told */
    uint8_t odd;          /* an odd property more: 1 unknown, 2 a client id, 3 one twice */
};

void wire_put_connack(struct buf *out, bool present, uint8_t reason,
                      const struct wire_terms *terms);
void wire_put_publish(struct buf *out, const struct wire_publish *p);
/* PUBACK, PUBREC, PUBREL, PUBCOMP; `long_form`: with a reason string, even without a failure. */
void wire_put_ack(struct buf *out, uint8_t type, uint16_t id, uint8_t reason, bool long_form);
/* SUBACK, UNSUBACK: one answer. */
void wire_put_answer(struct buf *out, uint8_t type, uint16_t id, uint8_t reason);
void wire_put_pingresp(struct buf *out);
/* `reason` 0 and `bare`: nothing behind the fixed header. */
void wire_put_disconnect(struct buf *out, uint8_t reason, bool bare);

#endif
