/*
 * session.h - the session of the connection that subscribes.
 */
#ifndef ZINGQ_HOST_SESSION_H
#define ZINGQ_HOST_SESSION_H

#include "host/impl.h"

/* Subscribes every service that runs here, gives up what an earlier run had and this one has not.
 */
int host_subscribe(struct host *h, struct report *r);
/* Connected: was the session there if it should have been? */
void host_session_up(struct host *h, bool present);
/* What was to be given up is given up. */
void host_session_tidied(struct host *h);
/* Whether this data folder ever had a session at a broker of topics.conf: then that can be good. */
bool host_had_session(struct host *h);
/* Nothing is subscribed any more: the next start expects no session. */
void host_session_ended(struct host *h);

#endif
