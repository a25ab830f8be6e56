/*
 * scripts.h - loading and reloading the handlers' scripts.
 */
#ifndef ZINGQ_HOST_SCRIPTS_H
#define ZINGQ_HOST_SCRIPTS_H

#include "host/impl.h"

/* Reloads changed scripts and logs what changed. */
void host_reload_scripts(struct host *h);
/* Logs which services do not run because of their scripts. */
void host_tell_scripts(struct host *h);
/* Watches the runs of handlers, within limits.lua_time. */
void host_watch_runs(struct host *h);
/* Loads all scripts. A service whose scripts do not load is logged and its events wait; if no
 * service can run, it is an error. */
int host_load_scripts(struct host *h, struct report *r);
/* Watches the scripts folder: a saved file makes host_reload_scripts due. */
void host_watch_scripts(struct host *h);

#endif
