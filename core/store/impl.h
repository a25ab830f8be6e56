/*
 * impl.h - what the store's files on LMDB share; nobody else includes it.
 */
#ifndef ZINGQ_STORE_IMPL_H
#define ZINGQ_STORE_IMPL_H

#include "store/store.h"

#include <lmdb.h>

enum { STORE_PAGE = 4096 };

enum { TABLE_ABSENT = -1 }; /* in place of a table's handle */

struct store {
    char *path;
    uint64_t max_bytes;
    bool read_only;
    bool lent;   /* the map is larger than max_bytes by the spare room */
    int lock_fd; /* flock on DATA/zingq.lock while open to write; -1 = none */
    MDB_env *env;
    MDB_txn *txn; /* the current one, or NULL */
    MDB_dbi tables[TABLE_COUNT];
    MDB_cursor *cursors[TABLE_COUNT]; /* of txn; NULL until a seek needs one */
};

/* Whether the file has no such table: one that came later than its last writer. */
static inline bool store_lacks(const struct store *s, enum store_table t) {
    return s->tables[t] == (MDB_dbi)TABLE_ABSENT;
}

/* What LMDB returned as a code of ours: 0, ERR_NOTFOUND, ERR_FULL, ERR_CORRUPT, ERR_MEMORY,
 * ERR_DISK. */
int store_code(int rc);
/* The same in words: what LMDB says of a damaged file means little to those who have to mend it. */
const char *store_words(int rc);
/* Logs LMDB's error, once, where it is converted to one of our codes, which is returned. */
int store_failed(const struct store *s, const char *what, int rc);

/* The schema's number, once more; within a writing transaction. */
int store_write_schema(struct store *s);

/* Bytes the disk has left; UINT64_MAX when it cannot be asked: it is not known to be full. */
uint64_t store_disk_left(const struct store *s);

#endif
