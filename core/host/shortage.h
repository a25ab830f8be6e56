/*
 * shortage.h - resources that the host is short of.
 */
#ifndef ZINGQ_HOST_SHORTAGE_H
#define ZINGQ_HOST_SHORTAGE_H

#include "host/impl.h"

/* The gateway callback make_room: closes idle connections of fetch; false if there were none. */
bool host_make_room(void *ctx);
/* Calls `tell` for each resource that is short. */
void host_each_shortage(const struct host *h, host_tell *tell, void *ctx);
void host_shortage_metrics(const struct host *h, struct buf *out);

#endif
