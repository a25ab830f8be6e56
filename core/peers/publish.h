/*
 * publish.h - a message to another host: it carries what proves its sender.
 */
#ifndef ZINGQ_PEERS_PUBLISH_H
#define ZINGQ_PEERS_PUBLISH_H

#include "io/mqtt/mqtt.h"

/* Appends to the properties of a message what proves its sender. */
typedef void peers_sign(void *ctx, const struct mqtt_publish *message, struct buf *properties);

/* Publishes the message, whose properties are replaced, signed; `sign` may be NULL. Returns what
 * mqtt_publish does. */
int peers_publish(struct mqtt *mqtt, const struct mqtt_publish *message, peers_sign *sign,
                  void *ctx, int *mid, struct report *r);

#endif
