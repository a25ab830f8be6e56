/*
 * forward.h - events and receipts between hosts.
 */
#ifndef ZINGQ_HOST_FORWARD_H
#define ZINGQ_HOST_FORWARD_H

#include "base/json.h"
#include "host/impl.h"

/* The engine's doors for forwards and receipts. */
int host_forward(void *ctx, uint16_t host, struct slice message);
int host_receipt(void *ctx, uint16_t host, struct slice receipt);
/* The list of hosts that are up has changed. */
void host_forward_members(struct host *h);
/* The publishing connection is up. */
void host_forward_up(struct host *h);
/* True if the message came from another host; it has been handled then. */
bool host_forward_heard(struct host *h, const struct mqtt_message *m);
/* True if this is the SUBACK for a filter of this file. */
bool host_forward_answered(struct host *h, const char *filter, uint8_t reason);

/* --- host/forward_tell.c --- */

/* Adds "forwards": how many wait for which host. */
void host_forward_status(const struct host *h, json_t *object);
void host_forward_metrics(const struct host *h, struct buf *out);
/* Calls `tell` for each host for which forwards have waited too long. */
void host_each_forward(const struct host *h, host_tell *tell, void *ctx);

#endif
