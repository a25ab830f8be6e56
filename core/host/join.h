/*
 * join.h - whether this host may take events beside the others.
 */
#ifndef ZINGQ_HOST_JOIN_H
#define ZINGQ_HOST_JOIN_H

#include "host/impl.h"

void host_join_open(struct host *h);
void host_join_up(struct host *h, bool session_present);
void host_join_down(struct host *h); /* either connection is lost */
void host_join_watch_up(struct host *h);
/* Whether the subscribing connection must not be read: what its session has is not ours yet. */
bool host_join_waits(const struct host *h);
/* Takes part, or ends the host, when that can be known. */
void host_join_try(struct host *h, int64_t now_ms);
/* Holds services, or goes on with them. */
void host_join_judge(struct host *h, int64_t now_ms);
/* In place of a turn when the host is not to take part: what comes is dropped, nothing is
 * acknowledged, and the host ends when its subscriptions are gone. False: it is. */
bool host_join_is_refused(struct host *h);
void host_join_unsubscribed(struct host *h);

#endif
