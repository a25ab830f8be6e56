/*
 * memory.h - the budget of memory, for status and metrics.
 */
#ifndef ZINGQ_HOST_MEMORY_H
#define ZINGQ_HOST_MEMORY_H

#include "base/json.h"
#include "host/impl.h"

/* Adds {"memory": {"limit", "used", and each use by its name}}, in bytes. */
void host_memory_status(const struct host *h, json_t *host);
void host_memory_metrics(const struct host *h, struct buf *out);

#endif
