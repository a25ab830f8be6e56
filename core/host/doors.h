/*
 * doors.h - the callbacks that connect the doors to the engine.
 */
#ifndef ZINGQ_HOST_DOORS_H
#define ZINGQ_HOST_DOORS_H

#include "host/impl.h"

struct engine_doors host_engine_doors(struct host *h);
/* Creates fetch, mqtt (with its subscriptions, not started), admin and the socket. A sentence in
 * r. */
int host_open_doors(struct host *h, struct report *r);

#endif
