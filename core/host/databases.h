/*
 * databases.h - the databases of handlers: opened, and shown.
 */
#ifndef ZINGQ_HOST_DATABASES_H
#define ZINGQ_HOST_DATABASES_H

#include "host/impl.h"
#include "base/json.h"

/* Creates h->pg; connections are made when the first statement needs one. ERR_MEMORY. */
int host_open_databases(struct host *h,
                        void (*on_done)(void *ctx, uint64_t id, struct call_result *result));
/* Adds `databases`, a list, unless there are none. */
void host_database_status(const struct host *h, json_t *object);
void host_database_metrics(const struct host *h, struct buf *out);

#endif
