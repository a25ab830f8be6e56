/*
 * publisher.h - the publishing connection.
 */
#ifndef ZINGQ_HOST_PUBLISHER_H
#define ZINGQ_HOST_PUBLISHER_H

#include "host/impl.h"

int host_open_publisher(struct host *h, struct report *r);
/* Publishes the status topics when due. Call it after flushing the outbox. */
void host_publish_status(struct host *h);
/* The engine's door: queues one publish. */
int host_publish(void *ctx, const struct publication *p, int *mid);
/* Reads acknowledgements and sends what they allow. Allowed at any time outside the engine. */
void host_pump(struct host *h);

#endif
