/*
 * impl.h - what the store's files on LMDB share; nobody else includes it.
 */
#ifndef ZINGQ_STORE_IMPL_H
#define ZINGQ_STORE_IMPL_H

#include "store/log.h"
#include "store/store.h"
#include "store/writeset.h"

#include <lmdb.h>

enum { STORE_PAGE = 4096 };

enum { TABLE_ABSENT = -1 }; /* in place of a table's handle */

/* A snapshot that is being loaded, and how many of its slices LMDB has. */
struct load {
    struct log_snapshot snapshot;
    uint32_t slices;
};

struct store {
    char *path;
    uint64_t max_bytes;
    bool read_only;
    bool for_a_look;
    bool rebuilt;
    bool follows;
    uint64_t map_bytes; /* size of the map: max_bytes, or more while room is lent */
    int lock_fd;        /* flock on DATA/zingq.lock while open to write; -1 = none */
    MDB_env *env;
    MDB_txn *txn; /* the current one, or NULL */
    bool changed; /* it has written something */
    MDB_dbi tables[TABLE_COUNT];
    MDB_cursor *cursors[TABLE_COUNT]; /* of txn; NULL until a seek needs one */
    bool may_be_copy;                 /* of a log: options.logged */
    const struct store_log *log;      /* NULL = none, as what follows: store/log.c */
    store_home *home;                 /* of a row */
    struct writeset *writes;          /* what txn changes; NULL while that is not for a log */
    struct log_state log_state;       /* of the log */
    uint64_t logged;                  /* the log's last turn that LMDB has, */
    bool unsettled;                   /* unless that is to be found out */
    uint64_t shared;                  /* of what LMDB has, the log has it up to that turn */
    bool asked;                       /* log_state is what the log has said for that */
    bool compared;                    /* LMDB's position with that, since it was opened: */
    bool taken;                       /* store_is_taken */
    bool followed;                    /* nobody has begun a turn here since it followed the log */
    struct load load;                 /* the last one that was begun */
    bool unsynced;                    /* commits do not wait for the disk: store/unsynced.c */
    bool doubted;                     /* the disk failed to write some of them */
};

/* True if the file lacks this table, because it is newer than the file's last writer. */
static inline bool store_lacks(const struct store *s, enum store_table t) {
    return s->tables[t] == (MDB_dbi)TABLE_ABSENT;
}

/* Converts a result of LMDB to a code of ours: 0, ERR_NOTFOUND, ERR_FULL, ERR_CORRUPT, ERR_MEMORY,
 * ERR_DISK. */
int store_code(int rc);
/* The same as a text: LMDB's own texts about a damaged file mean little to those who have to repair
 * it. */
const char *store_words(int rc);
/* Logs LMDB's error, once, where it is converted; returns our code. */
int store_tell(const struct store *s, const char *what, int rc);
static inline int store_failed(const struct store *s, const char *what, int rc) {
    return rc == 0 ? 0 : store_tell(s, what, rc);
}

/* The transaction in LMDB alone. Errors as those of store_begin and store_commit. */
int store_txn_begin(struct store *s);
int store_txn_commit(struct store *s);

/* What LMDB says of itself, in a row of meta that is no part of any turn: store/position.c. */
#define STORE_POSITION_KEY "log"

struct position {
    bool known; /* it is the copy of a log; if not, the rest is 0 */
    uint8_t id[LOG_ID_BYTES];
    uint64_t number;              /* the log's last turn that it has, */
    bool partial;                 /* unless it is being loaded from a snapshot, and lacks rows */
    uint8_t writer[LOG_ID_BYTES]; /* who had appended that one, or a later one; zeros: unknown */
    bool followed;                /* and not this store: it has followed the log of another one */
};

int store_get_position(struct store *s, struct position *out);
/* Of its log. */
int store_put_position(struct store *s, uint64_t number, const uint8_t writer[LOG_ID_BYTES],
                       bool partial);
/* It is no copy from now on. */
int store_drop_position(struct store *s);
/* A copy is not opened to be written without its log (options.logged). ERR_INVALID: it is one, ERR_DISK,
 * ERR_CORRUPT; each with a sentence. */
int store_refuse_copy(const struct store *s, MDB_txn *txn, struct report *r);
/* Between transactions: where the store is in its log, and whether it has no rows but its own. With a
 * sentence, the errors of store_begin and store_get. */
int store_look(struct store *s, struct position *at, bool *bare, struct report *r);

/* The bodies as a turn, or a slice; returns their bytes. Valid until the set is changed. */
uint64_t store_make_turn(const struct writeset *writes, uint64_t number, struct log_turn *out);
/* Brings LMDB nearer to what the log says, by a transaction. *more: it is not there yet. ERR_LOST: LMDB
 * has more than that, or is the copy of another log; or the log lacks what it should have. Sets
 * s->logged and s->shared. */
int store_catch_up(struct store *s, const struct log_state *state, bool *more);

/* --- store/unsynced.c --- */

/* INV-STORE-15, before the file is opened: a torn one is put aside by who can build it again. ERR_BUSY:
 * only its host can; ERR_DISK. Each with a sentence. */
int store_check_synced(const struct store *s, struct report *r);
/* The log of which a store without a position was the copy when it was torn; zeros: of none that is
 * known. ERR_DISK, with a sentence. */
int store_marked_log(const struct store *s, uint8_t id[LOG_ID_BYTES], struct report *r);
/* What was put aside is not needed any more. */
void store_drop_torn(const struct store *s);
/* From now on commits do not wait for the disk, if a later start can find that out. Between
 * transactions, and when the log's id is known. */
void store_stop_syncing(struct store *s);
/* All is on the disk, and commits wait again. Between transactions. ERR_DISK, which is logged. */
int store_sync(struct store *s);
/* A file just opened by who does not build it again: what a process that was killed has left is synced,
 * and says so no more. ERR_DISK, with a sentence. */
int store_sync_killed(struct store *s, struct report *r);

/* Writes the schema's number again; within a write transaction. */
int store_write_schema(struct store *s);

/* Bytes left on the disk; UINT64_MAX if unknown, so that it does not count as full. */
uint64_t store_disk_left(const struct store *s);

#endif
