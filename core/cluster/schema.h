/*
 * schema.h - the tables of a cluster in PostgreSQL, and the statements on them.
 *
 *   zq.format    one row: the format of what follows
 *   zq.store     a row for each store, which each of its turns updates: the fence. `schema` is the
 *                highest STORE_SCHEMA (store/store.h) that has had it: an older zingq cannot read it
 *   zq.reign     who had each store, and after which turn it began: a row for each process that has
 *                appended something, the last thousand
 *   zq.log       what each turn changed: its parts, packed (store/log.h); `bytes` of them before that
 *   zq.snap      the slices of snapshots, likewise; those that the store's row names count
 *   zq.cluster   a row for each cluster, zq.host for each of its hosts, zq.shard for each of its
 *                shards and who has it (cluster/cluster.h)
 *
 * A host is whoever knows the row's token. Its epoch is raised to make sure that a statement that
 * nobody waits for any more will not be carried out.
 */
#ifndef ZINGQ_CLUSTER_SCHEMA_H
#define ZINGQ_CLUSTER_SCHEMA_H

#include "base/error.h"
#include "io/pg/line.h"

enum { CLUSTER_FORMAT = 2, CLUSTER_SERVER_LEAST = 12 };

/* Makes the tables unless they are there, and checks that this program knows their format. With a
 * sentence: ERR_NETWORK; ERR_REFUSED, a right is missing; ERR_SCHEMA, a newer zingq made them;
 * ERR_INVALID, the server is too old. */
int schema_make(struct pg_line *line, struct report *r);
/* The same, but makes nothing: ERR_NOTFOUND if they are not there. */
int schema_find(struct pg_line *line, struct report *r);

#endif
