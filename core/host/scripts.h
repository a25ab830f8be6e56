/*
 * scripts.h - loading and reloading the handlers' scripts.
 */
#ifndef ZINGQ_HOST_SCRIPTS_H
#define ZINGQ_HOST_SCRIPTS_H

#include "host/impl.h"

/* Reloads changed scripts and logs what changed. */
void host_reload(struct host *h);
/* Loads all scripts. A service whose scripts do not load is logged and its events wait; if no
 * service can run, it is an error. */
int host_load_scripts(struct host *h, struct report *r);
/* Watches the scripts folder: a saved file makes host_reload due. */
void host_watch_scripts(struct host *h);

#endif
