/*
 * store.h - ordered key/value tables on LMDB, and the turn's one write transaction.
 *
 * Owns: the environment, its tables, the lock that keeps a second host out, the schema version.
 * Does not know what a record means; journal/journal.h does. Every change of a row passes one place
 * in lmdb.c, where a log can have it before the commit: store/log.h.
 *
 * A store that an older version wrote, opened read only, may lack newer tables: they read as empty.
 *
 * A store opened for writing is for one thread of one process. Readers (the commands) open it read
 * only, next to a running host; LMDB shows them the last commit.
 *
 * Commits are fully synced: after store_commit the batch survives a power cut (LMDB's default
 * flags; MDB_NOSYNC, MDB_NOMETASYNC, MDB_WRITEMAP are left out on purpose: they gained nothing
 * worth their risk). With a log (store/log.h) it survives because the log has it.
 */
#ifndef ZINGQ_STORE_STORE_H
#define ZINGQ_STORE_STORE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

/* Raised when a stored format changes. 2: steps, signals, waiters; calls in an event. 3: delayed
 * publishes by the wall clock; rows of tenants; idempotency keys noted lately. 4: keys of events
 * (journal/regroup.c). 5: letters by time with their group (journal/letter.c). */
enum { STORE_SCHEMA = 5 };

/* The numbers stand in logs (store/writeset.c): a new table comes right before TABLE_DEDUPE. */
enum store_table {
    TABLE_META,
    TABLE_EVENT,
    TABLE_READY,
    TABLE_LANE,
    TABLE_HISTORY,
    TABLE_OUTBOX,
    TABLE_TIMER,
    TABLE_STATE,
    TABLE_LOCK,
    TABLE_DEAD,
    TABLE_APPEND,
    TABLE_STEP,
    TABLE_SIGNAL,
    TABLE_WAITER,
    TABLE_DELAYED,
    TABLE_ASIDE,
    TABLE_FORWARD,
    TABLE_CURSOR,
    TABLE_LETTER,
    TABLE_TENANT,
    TABLE_DEDUPE,                                 /* the first of DEDUPE_BUCKETS tables */
    TABLE_RECENT = TABLE_DEDUPE + DEDUPE_BUCKETS, /* the first of RECENT_TABLES */
    TABLE_COUNT = TABLE_RECENT + RECENT_TABLES,
};

enum { STORE_TABLE_NAME_BYTES = 16 };

/* The name in the file: "event", "dedupe3". Written to `out`. */
const char *store_table_name(enum store_table t, char out[STORE_TABLE_NAME_BYTES]);

/* The table of that name; false when there is none. */
bool store_table_named(struct slice name, enum store_table *t);

struct store;

struct store_options {
    const char *path;   /* folder; created when missing, unless read_only */
    uint64_t max_bytes; /* store.max_size: the map */
    bool read_only;
    bool for_a_look; /* read only: only a small file is checked page by page */
    bool logged;     /* it may be the copy of a log (store/log.h): who writes keeps it one */
    bool rebuilt;    /* from its log, which the caller has: it may have gone, or be torn */
    bool follows;    /* its log is somebody else's: it is kept up to date, and begins no turn */
};

/* Opening an older schema for writing updates it. ERR_BUSY: another host has the folder.
 * ERR_SCHEMA: written by a newer version. ERR_NOTFOUND (read only): nothing there. ERR_INVALID: it is
 * the copy of a log, and is to be written as if it were not. ERR_BUSY (read only): it is the copy of a
 * log that is being loaded; or, unless `rebuilt`, that was not synced when its machine went down.
 * ERR_DISK. Each with a sentence in r. */
int store_open(struct store **out, const struct store_options *options, struct report *r);
/* Drops an open transaction. */
void store_close(struct store *s);

/* Begins the only transaction: for writing, or for reading if opened read only. After any error in
 * it, only store_abort makes sense. ERR_FULL, ERR_DISK, ERR_CORRUPT; with a log (store/log.h) also
 * ERR_FENCED, ERR_LOST, ERR_NETWORK. */
int store_begin(struct store *s);
/* For a transaction that writes nothing, and is ended by store_abort: with a log, it reads what LMDB
 * has, which may lack the last turn, and asks the log for nothing. */
int store_begin_reading(struct store *s);
/* Durable when it returns 0; otherwise nothing of the transaction is stored: ERR_FULL when the map
 * or the disk has no room, ERR_DISK for everything else. With a log also ERR_FENCED, ERR_NETWORK;
 * and ERR_DOUBT: it may be stored, the next store_begin finds out. */
int store_commit(struct store *s);
void store_abort(struct store *s);
bool store_active(const struct store *s);
/* Whether the transaction has written anything: if not, its commit costs nothing. */
bool store_changed(const struct store *s);
bool store_read_only(const struct store *s);

/* The schema of what is stored, within a transaction: an older one in a store that is only read.
 * ERR_NOTFOUND, ERR_CORRUPT. */
int store_schema(struct store *s, uint32_t *schema);

enum { STORE_KEY_BYTES_MAX = 511 }; /* LMDB's */

/* Values point into the map: valid until the next write or the transaction's end. Keys have at
 * least one byte. */
int store_get(struct store *s, enum store_table t, struct slice key, struct slice *value);
int store_put(struct store *s, enum store_table t, struct slice key, struct slice value);
/* ERR_NOTFOUND when there was no such row. */
int store_del(struct store *s, enum store_table t, struct slice key);
/* Empties a table, freeing its pages. */
int store_empty(struct store *s, enum store_table t);
/* The first row whose key is >= `from`, or > `from` when `after`; ERR_NOTFOUND at the end. */
int store_seek(struct store *s, enum store_table t, struct slice from, bool after,
               struct slice *key, struct slice *value);
/* The last row whose key is < `before`. */
int store_seek_back(struct store *s, enum store_table t, struct slice before, struct slice *key,
                    struct slice *value);
/* The row before *key, in/out: the key that the last call for this table found, so that LMDB need not
 * search. Nothing may have been written since. ERR_NOTFOUND. */
int store_before(struct store *s, enum store_table t, struct slice *key, struct slice *value);
int store_count(struct store *s, enum store_table t, uint64_t *rows);
/* The same for who can do without: 0 when they cannot be counted. */
uint64_t store_rows(struct store *s, enum store_table t);

/* Rows of a table at the last commit; also allowed outside of a transaction, and next to one. 0
 * when they cannot be counted. */
uint64_t store_rows_kept(struct store *s, enum store_table t);
/* Bytes of their pages. */
uint64_t store_bytes_kept(struct store *s, enum store_table t);

struct store_space {
    uint64_t used; /* bytes of pages that cannot be reused: those with rows, and `held` */
    uint64_t held; /* of these, freed pages that a reader of another process still holds */
    uint64_t max;  /* max_bytes */
};

/* As of the last commit. Reads the free list: not for every turn. */
int store_usage(struct store *s, struct store_space *out);
/* How much of the map the file uses so far: cheap; counts free pages in it as used. */
uint64_t store_taken(struct store *s);
/* How far the file may grow: max_bytes, or less when its disk has less room. Cheap. */
uint64_t store_limit(struct store *s);
/* Room beyond the end of the file, even beyond max_bytes, for two cases that free pages do not
 * help:
 *
 *   SPARE   deleting takes pages before it frees any, so a full store could not be emptied; use it
 *           for nothing else
 *   PIECES  a value larger than a page needs pages side by side, and free ones may be scattered: as
 *           many bytes as are free; what fits into the free pages by its size then fits. Never
 *           beyond STORE_GROWTH_MAX times max_bytes
 */
enum store_lent { STORE_LENT_NOTHING, STORE_LENT_SPARE, STORE_LENT_PIECES };

/* Measured from the present end of the file: lend again when that was used up. Between
 * transactions. ERR_DISK. */
int store_lend(struct store *s, enum store_lent what);
/* SPARE, or more: room to write a record of so many bytes anew, twice, before the old one is freed.
 * ERR_DISK. */
int store_lend_for(struct store *s, uint64_t record_bytes);
/* How many bytes PIECES lends; 0 = the file is as large as it may become. */
uint64_t store_pieces(struct store *s, const struct store_space *space);
/* Clears reader slots of processes that died; returns how many. */
int store_clear_readers(struct store *s);
/* Another process that reads a commit older than the last one: space freed since then cannot be
 * reused. */
struct store_reader {
    long pid; /* 0 = there is none */
    uint64_t commit;
};

/* The reader with the oldest commit. */
struct store_reader store_old_reader(struct store *s);
/* A failed write can leave LMDB refusing all further ones: closes and opens the environment again.
 */
int store_reopen(struct store *s, struct report *r);

#endif
