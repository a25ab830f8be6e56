/*
 * reload.h - another version of topics.conf for the running host.
 */
#ifndef ZINGQ_HOST_RELOAD_H
#define ZINGQ_HOST_RELOAD_H

#include "host/impl.h"

/* SIGHUP, `zingq reload`: reads topics.conf and the scripts again. If topics.conf has changed and
 * nothing is wrong, it is taken over as soon as the attempts under way have ended; otherwise the
 * scripts alone are reloaded. `prune`: also gives up the subscriptions that it no longer has.
 * `request` is answered when that is done, and taken over; NULL = nobody waits. */
void host_reload(struct host *h, struct gateway_request *request, bool prune);
/* Between turns, when nothing read is uncommitted: takes the new version over if it is time. */
void host_reload_turn(struct host *h);
/* The host stops or leaves: lets go of a version that is not taken over yet. */
void host_reload_cancel(struct host *h);
/* Under `zingq dev`: a saved topics.conf is reloaded. */
void host_watch_conf(struct host *h);
/* Adds when topics.conf was read, and what is wrong with the version that is there now. */
void host_reload_status(const struct host *h, json_t *host);

#endif
