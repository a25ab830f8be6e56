/*
 * wire.h - translates what goes over an MQTT connection: message properties to and from
 * libmosquitto's lists, reason codes to sentences. Part of the MQTT door (io/mqtt/mqtt.h); keeps no
 * state.
 */
#ifndef ZINGQ_IO_MQTT_WIRE_H
#define ZINGQ_IO_MQTT_WIRE_H

#include "io/mqtt/mqtt.h"

#include <mosquitto.h>

/* A received PUBLISH, with the memory that its slices point into. */
struct mqtt_incoming {
    struct mqtt_message message;
    struct buf properties; /* backs message.properties; kept from message to message */
    struct buf refused;    /* the same for message.refused */
    char *strings[3];      /* back content type, response topic, correlation; malloc'd */
};

void mqtt_incoming_init(struct mqtt_incoming *in);
void mqtt_incoming_clear(struct mqtt_incoming *in);
/* Fills in->message from a libmosquitto message; libmosquitto does not expose `dup`. The pointers
 * live until the next call, or until message and list are freed. Keeps at most PROPERTIES_MAX + 1
 * user properties, so that the reader notices the excess. ERR_MEMORY. */
int mqtt_incoming_read(struct mqtt_incoming *in, const struct mosquitto_message *message,
                       const mosquitto_property *properties);

/* The property list of a publish; the caller frees *out with mosquitto_property_free_all, also
 * after an error. `scratch` is memory to work in. ERR_INVALID (r), ERR_MEMORY. */
int mqtt_properties_make(const struct mqtt_publish *publish, struct buf *scratch,
                         mosquitto_property **out, struct report *r);
/* An upper bound for the bytes of the PUBLISH packet. */
uint64_t mqtt_publish_size(const struct mqtt_publish *publish);

/* The contents of a broker's CONNACK, with the defaults of MQTT 5, 3.2.2.3. session->client_id,
 * ->connects and ->connected are left alone. */
void mqtt_session_read(struct mqtt_session *session, bool session_present,
                       const mosquitto_property *properties, uint16_t keepalive_s,
                       uint32_t session_expiry_s);

/* A CONNACK that refuses: its consequence, and the message. `where` is "host:port". */
enum mqtt_down mqtt_refusal(uint8_t reason, const struct broker_conf *conf, const char *client_id,
                            const char *where, struct report *r);
/* The end of an established connection. `code`: >= 0x80 the reason of the broker's DISCONNECT, 0
 * its DISCONNECT without one, else a MOSQ_ERR_*; `err` is the errno with MOSQ_ERR_ERRNO. */
enum mqtt_down mqtt_ending(int code, int err, const char *client_id, const char *where,
                           struct report *r);
/* A connect that failed before CONNACK, the same way; `detail` is libmosquitto's complaint
 * or "". */
void mqtt_failure(int code, int err, const struct broker_conf *conf, const char *where,
                  const char *detail, struct report *r);

#endif
