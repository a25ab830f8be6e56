/*
 * session.h - the broker session of the subscribing connection.
 */
#ifndef ZINGQ_HOST_SESSION_H
#define ZINGQ_HOST_SESSION_H

#include "host/impl.h"

/* Subscribes every service that runs here, and gives up subscriptions that only an earlier run
 * had. */
int host_subscribe(struct host *h, struct report *r);
/* Connected: checks whether the session was present if it should have been. */
void host_session_up(struct host *h, bool present);
/* All subscriptions that had to be given up are gone. */
void host_session_tidied(struct host *h);
/* True if this data folder ever had a session at a broker of topics.conf, which that broker may
 * still hold. */
bool host_had_session(struct host *h);
/* Nothing is subscribed any more: the next start expects no session. */
void host_session_ended(struct host *h);

#endif
