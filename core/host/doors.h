/*
 * doors.h - the doors' callbacks.
 */
#ifndef ZINGQ_HOST_DOORS_H
#define ZINGQ_HOST_DOORS_H

#include "host/impl.h"

struct engine_doors host_engine_doors(struct host *h);
/* Makes fetch, mqtt (subscribed, not started), admin and the socket. A sentence in r. */
int host_open_doors(struct host *h, struct report *r);

#endif
