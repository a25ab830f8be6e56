/*
 * linger.h - how long a busy host waits between two turns, so that a commit is for more events.
 */
#ifndef ZINGQ_HOST_LINGER_H
#define ZINGQ_HOST_LINGER_H

#include "base/json.h"
#include "host/impl.h"

/* store.linger; with "auto" it measures the disk of the store, which must be open. */
void host_choose_linger(struct host *h);
/* Adds {"disk": {"linger_ms", and "sync_us" if it was measured}}. */
void host_linger_status(const struct host *h, json_t *host);

#endif
