/*
 * scripts.h - the handlers' code while the host runs.
 */
#ifndef ZINGQ_HOST_SCRIPTS_H
#define ZINGQ_HOST_SCRIPTS_H

#include "host/impl.h"

/* Reads the scripts again and logs what changed. */
void host_reload(struct host *h);
/* A service whose scripts do not load is logged, and its events wait; when there is no other, it is
 * an error. */
int host_load_scripts(struct host *h, struct report *r);
/* From now on a saved file makes host_reload due. */
void host_watch_scripts(struct host *h);

#endif
