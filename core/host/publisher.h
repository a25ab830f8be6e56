/*
 * publisher.h - the connection that publishes.
 */
#ifndef ZINGQ_HOST_PUBLISHER_H
#define ZINGQ_HOST_PUBLISHER_H

#include "host/impl.h"

int host_open_publisher(struct host *h, struct report *r);
/* Publishes the status topics when they are due. After the outbox's flush. */
void host_publish_status(struct host *h);
/* The engine's door: queues a publish. */
int host_publish(void *ctx, const struct publication *p, int *mid);
/* Takes acknowledgements, sends what may follow. Allowed at any time outside the engine. */
void host_pump(struct host *h);

#endif
