/*
 * ask.h - requests between hosts.
 */
#ifndef ZINGQ_HOST_ASK_H
#define ZINGQ_HOST_ASK_H

#include "host/impl.h"

/* Makes h->ask when there are other hosts. ERR_MEMORY. */
int host_open_asks(struct host *h);
/* Publishes requests and answers that wait; before the outbox, whose window is never empty. */
void host_ask_send(struct host *h);
/* Begins a handler's call of the kind that asks; ERR_LIMIT, ERR_MEMORY. Allowed in the turn. */
int host_ask_start(struct host *h, uint64_t id, const struct call_request *request);
/* Whether it was such a call; nobody waits for it any more. */
bool host_ask_cancel(struct host *h, uint64_t id);
/* After admin: what is under way is forgotten. */
void host_close_asks(struct host *h);
/* Whether host_ask_work has something to do. */
bool host_ask_due(const struct host *h);
/* Serves what other hosts and the handlers ask, hands over the answers. Between turns. */
void host_ask_work(struct host *h);

#endif
