/*
 * ask.h - requests between hosts, as the host's loop serves them.
 */
#ifndef ZINGQ_HOST_ASK_H
#define ZINGQ_HOST_ASK_H

#include "host/impl.h"

/* Creates h->ask if there are other hosts. ERR_MEMORY. */
int host_open_asks(struct host *h);
/* Publishes waiting requests and answers. Call it before the outbox, which uses up the window. */
void host_ask_send(struct host *h);
/* Starts a handler's call that asks another host; ERR_LIMIT, ERR_MEMORY. Allowed within a turn. */
int host_ask_start(struct host *h, uint64_t id, const struct call_request *request);
/* True if the call was one of these; its answer will be dropped. */
bool host_ask_cancel(struct host *h, uint64_t id);
/* Drops all requests under way. Call it after admin is closed. */
void host_close_asks(struct host *h);
/* True if host_ask_work has something to do. */
bool host_ask_due(const struct host *h);
/* Serves requests of other hosts and of handlers, and delivers answers. Between turns only. */
void host_ask_work(struct host *h);

#endif
