/*
 * forward.h - events and receipts between hosts.
 */
#ifndef ZINGQ_HOST_FORWARD_H
#define ZINGQ_HOST_FORWARD_H

#include "host/impl.h"

/* The engine's doors. */
int host_forward(void *ctx, uint16_t host, struct slice message);
int host_receipt(void *ctx, uint16_t host, struct slice receipt);
/* A host came, or went away. */
void host_forward_members(struct host *h);
/* The connection that publishes stands. */
void host_forward_up(struct host *h);
/* Whether the message was from another host; then it has been taken. */
bool host_forward_heard(struct host *h, const struct mqtt_message *m);
/* Whether it is the SUBACK of a filter of this file. */
bool host_forward_answered(struct host *h, const char *filter, uint8_t reason);

/* --- host/forward_tell.c --- */

/* Adds "forwards": what waits for whom. */
void host_forward_status(const struct host *h, json_t *object);
void host_forward_metrics(const struct host *h, struct buf *out);
/* What has waited too long. */
void host_each_forward(const struct host *h, host_tell *tell, void *ctx);

#endif
