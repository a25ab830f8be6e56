/*
 * session.h - the broker session of the subscribing connection.
 */
#ifndef ZINGQ_HOST_SESSION_H
#define ZINGQ_HOST_SESSION_H

#include "host/impl.h"

/* Subscribes every service that runs here, and gives up subscriptions that only an earlier run
 * had. */
int host_subscribe(struct host *h, struct report *r);
/* After a change of topics.conf: subscribes to what is new. What it no longer has stays subscribed
 * until host_prune, or the next start. */
int host_subscribe_anew(struct host *h, struct report *r);
/* Gives up what topics.conf no longer has. */
int host_prune(struct host *h);
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
