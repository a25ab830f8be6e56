/*
 * sign.h - marks on the messages between hosts.
 */
#ifndef ZINGQ_HOST_SIGN_H
#define ZINGQ_HOST_SIGN_H

#include "host/impl.h"

/* Appends the mark that the other hosts look for to the properties of a message to one of them. */
void host_sign(void *ctx, const struct mqtt_publish *message, struct buf *properties);
/* True for a message between hosts that none of ours has sent: it is refused. */
bool host_is_forged(struct host *h, const struct mqtt_message *m);

#endif
