/*
 * migrate.h - a store brought into a log that has nothing yet. The way back needs nothing of its own:
 * an empty store that is given the log has all of it, and leaves it (store/log.h).
 */
#ifndef ZINGQ_STORE_MIGRATE_H
#define ZINGQ_STORE_MIGRATE_H

#include "store/log.h"

/* What is needed of a log. */
struct log_doors {
    const struct store_log *log;
    const struct log_snapshots *snapshots;
};

/* Of a store without a log, opened as `logged`, between transactions: all of it is what the log had
 * before its first turn, and the store is the copy of the log from now on. Whenever it is cut off, the
 * store has everything, and the log has everything or nothing. Each with a sentence in r: ERR_EXISTS:
 * the log has something. ERR_NOTFOUND: the store has nothing. ERR_INVALID: it is the copy of a log.
 * ERR_NETWORK, ERR_FENCED, ERR_MEMORY, and the errors of store_begin and store_commit. *out: what was
 * brought. */
int store_migrate(struct store *s, const struct log_doors *doors, store_home *home_of,
                  struct log_snapshot *out, struct report *r);

#endif
