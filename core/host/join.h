/*
 * join.h - whether this host may take events next to the others.
 */
#ifndef ZINGQ_HOST_JOIN_H
#define ZINGQ_HOST_JOIN_H

#include "host/impl.h"

void host_join_open(struct host *h);
void host_join_up(struct host *h, bool session_present);
void host_join_down(struct host *h); /* either connection is lost */
void host_join_watch_up(struct host *h);
/* True while the subscribing connection must not be read: its session may not be ours to take. */
bool host_join_waits(const struct host *h);
/* As soon as this can be decided: takes part, or ends the host. */
void host_join_try(struct host *h, int64_t now_ms);
/* topics.conf has changed: judges what this host runs now. */
void host_join_change(struct host *h, int64_t now_ms);
/* Holds services, or resumes them. */
void host_join_judge(struct host *h, int64_t now_ms);
/* The service (in conf->services) has no subscriptions because of another host; it subscribes again
 * when it is resumed. */
bool host_join_left(const struct host *h, size_t service);
/* Replaces the turn of a host that does not take part: drops what arrives without acknowledging it,
 * and ends the host when its subscriptions are gone. False: the host takes part. */
bool host_join_is_refused(struct host *h);
void host_join_unsubscribed(struct host *h);

#endif
