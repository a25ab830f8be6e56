/*
 * link.h - one connection of the MQTT door: from a new libmosquitto handle to a socket that the
 * loop watches. Part of the MQTT door (io/mqtt/mqtt.h).
 *
 * Connecting blocks (name lookup, TCP), so it runs on a thread of its own. Until mqtt_link_joined
 * is true, only that thread touches the handle; afterwards only the loop's thread does.
 */
#ifndef ZINGQ_IO_MQTT_LINK_H
#define ZINGQ_IO_MQTT_LINK_H

#include "io/mqtt/mqtt.h"

#include <mosquitto.h>

struct mqtt_link;

struct mqtt_link_settings {
    const struct broker_conf *conf;
    const char *client_id;
    const struct mqtt_publish *will;           /* NULL = none */
    const mosquitto_property *will_properties; /* copied */
    void *owner;                               /* for mqtt_link_owner and on_event */
    unsigned skip_addresses;                   /* of the name, from the first: they did not work */
};

/* A configured handle that is not connected. ERR_MEMORY, ERR_SYSTEM, ERR_INVALID. */
int mqtt_link_new(struct mqtt_link **out, uv_loop_t *loop,
                  const struct mqtt_link_settings *settings, struct report *r);
/* Closes the socket without writing, and frees everything: now, after the loop has run once, or, if
 * a connect is still under way, when that ends. */
void mqtt_link_free(struct mqtt_link *link);

/* Starts connecting; sends `wake` when it has ended, unless the link was freed by then. ERR_SYSTEM
 * when no thread can be started. */
int mqtt_link_connect(struct mqtt_link *link, uv_async_t *wake, struct report *r);
/* True if connecting has ended; then *code is MOSQ_ERR_* and *err the errno that belongs to it. */
bool mqtt_link_joined(struct mqtt_link *link, int *code, int *err);

/* The handle; its user data is the link. */
struct mosquitto *mqtt_link_handle(struct mqtt_link *link);
void *mqtt_link_owner(const struct mqtt_link *link);
/* The layers between the handle and its socket. */
struct mqtt_guard *mqtt_link_guard(const struct mqtt_link *link);
/* libmosquitto's first complaint while connecting, or "". */
const char *mqtt_link_complaint(const struct mqtt_link *link);
/* Stops recording complaints: formatting them costs time for every packet. */
void mqtt_link_settled(struct mqtt_link *link);

/* Watches the socket for `events` (enum uv_poll_event; 0 = not at all); `on_event` gets the owner.
 * The socket must be connected. ERR_SYSTEM. */
int mqtt_link_watch(struct mqtt_link *link, int events,
                    void (*on_event)(void *owner, int status, int events));
/* Sends a TCP acknowledgement now: a broker without TCP_NODELAY, which is Mosquitto's default,
 * sends no further small packet before it, and the kernel waits up to 40 ms when we have nothing to
 * send. */
void mqtt_link_acknowledge(struct mqtt_link *link);
/* True if the peer has closed the connection; data that it sent before may still be unread. */
bool mqtt_link_closing(const struct mqtt_link *link);
/* True if the peer has closed and nothing is left to read. */
bool mqtt_link_ended(const struct mqtt_link *link);

#endif
