/*
 * shortage.h - what the host lacks.
 */
#ifndef ZINGQ_HOST_SHORTAGE_H
#define ZINGQ_HOST_SHORTAGE_H

#include "host/impl.h"

/* gateway's callback. */
bool host_make_room(void *ctx);
/* Calls `tell` for each thing that is lacking. */
void host_each_shortage(const struct host *h, host_tell *tell, void *ctx);
void host_shortage_metrics(const struct host *h, struct buf *out);

#endif
