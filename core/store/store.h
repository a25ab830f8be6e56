/*
 * store.h - ordered key/value tables on LMDB, and the turn's one write transaction.
 *
 * Owns: the environment, its tables, the lock that keeps a second host out, the schema version.
 * Never knows what a record means; journal/journal.h does. Every write of the program passes one function
 * in here, so a replica can be fed from there, commit by commit.
 *
 * A store opened read only that an older zingq wrote may lack tables that came later: they are
 * empty.
 *
 * A store opened to write is for one thread of one process. Readers (the commands) open it read
 * only, beside a running host; LMDB gives them the last commit, whole.
 *
 * Commits are synced fully: after store_commit the batch survives a power cut (LMDB's default
 * flags; MDB_NOSYNC, MDB_NOMETASYNC, MDB_WRITEMAP are left out on purpose: they gained nothing
 * worth their risk).
 */
#ifndef ZINGQ_STORE_STORE_H
#define ZINGQ_STORE_STORE_H

#include "base/buf.h"
#include "base/error.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

/* Raised when a stored form changes. 2: steps, signals, waiters; calls in an event. 3: delayed
 * publishes by the wall clock. */
enum { STORE_SCHEMA = 3 };

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
    TABLE_DEDUPE, /* the first of DEDUPE_BUCKETS tables */
    TABLE_COUNT = TABLE_DEDUPE + DEDUPE_BUCKETS,
};

enum { STORE_TABLE_NAME_BYTES = 16 };

/* As the file has it: "event", "dedupe3". Into `out`. */
const char *store_table_name(enum store_table t, char out[STORE_TABLE_NAME_BYTES]);

/* The table of that name; false when there is none. */
bool store_table_named(struct slice name, enum store_table *t);

struct store;

struct store_options {
    const char *path;   /* folder; made when missing, unless read_only */
    uint64_t max_bytes; /* store.max_size: the map */
    bool read_only;
};

/* A store with an older schema is brought up to date when it is opened to write.
 * ERR_BUSY: another host has the folder. ERR_SCHEMA: written by a newer zingq. ERR_NOTFOUND (read
 * only): nothing there. ERR_DISK. Each with a sentence in r. */
int store_open(struct store **out, const struct store_options *options, struct report *r);
/* An open transaction is dropped. */
void store_close(struct store *s);

/* One transaction at a time: to write, or to read when opened read only. After any error inside it
 * only store_abort makes sense. ERR_FULL, ERR_DISK, ERR_CORRUPT. */
int store_begin(struct store *s);
/* Durable when it returns 0; otherwise nothing of the transaction is stored: ERR_FULL when the map
 * or the disk has no room, ERR_DISK for the rest. */
int store_commit(struct store *s);
void store_abort(struct store *s);
bool store_active(const struct store *s);
bool store_read_only(const struct store *s);

/* Values point into the map: valid until the next write or the transaction's end. Keys are 1 to
 * 511 bytes. */
int store_get(struct store *s, enum store_table t, struct slice key, struct slice *value);
int store_put(struct store *s, enum store_table t, struct slice key, struct slice value);
/* ERR_NOTFOUND when there was none. */
int store_del(struct store *s, enum store_table t, struct slice key);
/* Empties a table, its pages at once. */
int store_empty(struct store *s, enum store_table t);
/* The first row whose key is >= `from`, or > `from` when `after`; ERR_NOTFOUND past the end. */
int store_seek(struct store *s, enum store_table t, struct slice from, bool after,
               struct slice *key, struct slice *value);
/* The last row whose key is < `before`. */
int store_seek_back(struct store *s, enum store_table t, struct slice before, struct slice *key,
                    struct slice *value);
uint64_t store_rows(struct store *s, enum store_table t);

/* Rows of a table at the last commit: also outside of a transaction, and beside one. 0 when they
 * cannot be counted. */
uint64_t store_rows_kept(struct store *s, enum store_table t);
/* Bytes of the pages they take. */
uint64_t store_bytes_kept(struct store *s, enum store_table t);

struct store_space {
    uint64_t used; /* bytes of pages that cannot be written to: of rows, and `held` */
    uint64_t held; /* of them freed ones, which a reader of another process still keeps */
    uint64_t max;  /* max_bytes */
};

/* At the last commit. Looks through the free list: for now and then, not for every turn. */
int store_usage(struct store *s, struct store_space *out);
/* Bytes the file has taken of the map so far: cheap; free pages inside count as taken. */
uint64_t store_taken(struct store *s);
/* Bytes the file may grow to: max_bytes, or less when its disk has less left. Cheap. */
uint64_t store_limit(struct store *s);
/* Deleting takes pages, too, before it gives any back: a full store cannot be emptied. While lent,
 * there is room for that beyond max_bytes; it is meant for nothing else. Between transactions. */
int store_lend(struct store *s, bool lent);
/* Clears reader slots of processes that died; returns how many. */
int store_clear_readers(struct store *s);
/* A process, other than this one, that reads a commit older than the last one: space freed since
 * stays taken. */
struct store_reader {
    long pid; /* 0 = there is none */
    uint64_t commit;
};

/* The one whose commit is the oldest. */
struct store_reader store_old_reader(struct store *s);
/* A failed write can leave LMDB refusing all further ones: closes and opens the environment again.
 */
int store_reopen(struct store *s, struct report *r);

#endif
