/*
 * telemetry.h - the host's spans on their way to telemetry.otlp (io/otlp/otlp.h).
 */
#ifndef ZINGQ_HOST_TELEMETRY_H
#define ZINGQ_HOST_TELEMETRY_H

#include "base/json.h"
#include "host/impl.h"

/* Creates h->otlp if topics.conf names a receiver, and ends it if it does not any more. ERR_MEMORY. */
int host_use_telemetry(struct host *h);
/* The engine's door. */
void host_take_spans(void *ctx, struct slice spans, size_t count, uint64_t dropped);
/* Sends what is left, with h->loop, on which nothing of the host may run any more. */
void host_end_telemetry(struct host *h);
/* Adds `telemetry`, if a receiver is named. */
void host_telemetry_status(const struct host *h, json_t *object);
void host_telemetry_metrics(const struct host *h, struct buf *out);

#endif
