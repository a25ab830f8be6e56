/*
 * snapshots.h - writes the snapshots of a host's log to PostgreSQL; for cluster/turns.c.
 */
#ifndef ZINGQ_CLUSTER_SNAPSHOTS_H
#define ZINGQ_CLUSTER_SNAPSHOTS_H

#include "base/error.h"
#include "cluster/impl.h"

struct snapshots;

/* Nothing is sent yet. The url and the row are borrowed. ERR_INVALID, ERR_MEMORY, with a sentence. */
int snapshots_new(struct snapshots **out, const char *url, const struct log_row *row,
                  struct report *r);
/* NULL is allowed. */
void snapshots_free(struct snapshots *s);
const struct log_snapshots *snapshots_door(const struct snapshots *s);

#endif
