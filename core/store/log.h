/*
 * log.h - a log that has each turn before LMDB has it.
 *
 * Without a log, LMDB is what lasts. With one, the log is, and LMDB is a copy of what it says, one
 * turn behind at most: a commit is appended to the log first, then made in LMDB, and only then does
 * the caller act on it. What a host finds in its LMDB may so be older than the log, never newer.
 *
 * A log belongs to one host at a time. Once another one has taken it over, everything that this one
 * asks of it is refused (ERR_FENCED), also what was on its way.
 *
 * There is one path to what is true: after the start, after an answer that did not come (ERR_DOUBT),
 * after a commit that LMDB refused when the log had it, the next store_begin asks the log for its
 * last turn and applies those that are missing. So the caller, whose transaction failed, only has to
 * read everything anew, as after any other failure.
 *
 * A log that loses what it had confirmed may go on with other turns of the same numbers, by another
 * host. So what LMDB has is known by its last turn's number and writer, and the log knows how far each
 * writer's turns are its own (INV-STORE-14).
 *
 * Since the log is what lasts, LMDB's commits do not wait for the disk (store/unsynced.c).
 *
 * A log need not keep all its turns: a snapshot has the rows as they were after one of them, and the
 * turns up to that one can go (store/snapshot.h writes it). What LMDB has is thrown away and loaded
 * from the snapshot if it is older, or if an earlier process did not come to the end of its load. Until
 * the log's last turn is there, nobody reads such a store (INV-STORE-12).
 */
#ifndef ZINGQ_STORE_LOG_H
#define ZINGQ_STORE_LOG_H

#include "store/store.h"
#include "store/writeset.h"

#include <stddef.h>
#include <stdint.h>

/* What a turn changed of one home (store/writeset.h). */
struct log_part {
    uint8_t home;
    struct slice body;
};

struct log_turn {
    uint64_t number; /* from 1, without gaps */
    size_t count;
    struct log_part parts[HOMES]; /* in the order of homes; none is empty */
};

enum { LOG_ID_BYTES = 16 };

/* A snapshot is made of slices, which have the form of turns: parts that only put rows. */
struct log_snapshot {
    uint64_t number; /* the turn before it was begun; 0 = before the first one */
    uint32_t slices; /* 0 = there is no snapshot */
    uint64_t bytes;  /* of their bodies */
};

struct log_state {
    uint8_t id[LOG_ID_BYTES];     /* made with the log, and no other log's */
    uint8_t self[LOG_ID_BYTES];   /* who appends now: whoever takes the log over gets another one */
    uint8_t writer[LOG_ID_BYTES]; /* who appended the last turn; zeros: nobody yet */
    uint64_t last;                /* its number; 0 = there was none yet */
    uint64_t bytes;               /* of the bodies of turns after the snapshot's */
    struct log_snapshot snapshot;
};

struct store_log {
    void *ctx;
    /* Appends the turn, whole or not at all. 0: it is there and lasts. ERR_NETWORK: it is not there,
     * and never will be. ERR_FENCED. ERR_DOUBT: it may be there, or yet come. */
    int (*append)(void *ctx, const struct log_turn *turn);
    /* Ends every doubt: what was appended before and is not there now never will be. ERR_NETWORK,
     * ERR_FENCED. */
    int (*barrier)(void *ctx, struct log_state *out);
    /* Up to which turn the log has what it had when `writer` wrote: further than that it has lost it, and
     * whoever took it over then went on from there. Of those before the first that it knows, it knows
     * nothing: up to where that one began. Also answered to who is fenced. ERR_NETWORK; ERR_FENCED:
     * it has gone. */
    int (*reach)(void *ctx, const uint8_t writer[LOG_ID_BYTES], uint64_t *turn);
    /* The turn of that number; its bodies are valid until the next call. ERR_NOTFOUND, ERR_NETWORK,
     * ERR_FENCED. */
    int (*read)(void *ctx, uint64_t number, struct log_turn *out);
    /* A slice, from 0, of the snapshot that `barrier` told of. As `read`. */
    int (*read_slice)(void *ctx, uint32_t index, struct log_turn *out);
};

/* Writes snapshots to the log, while turns are appended, and on another thread. Who has been fenced
 * from the log is fenced from here. Each call may be made again after ERR_NETWORK, which leaves open
 * whether it was done; ERR_FENCED. */
struct log_snapshots {
    void *ctx;
    /* Keeps slice number `index` of the snapshot of slice->number, in place of one that is there. It
     * counts only when the snapshot is finished. */
    int (*add)(void *ctx, uint32_t index, const struct log_turn *slice);
    /* All slices are there: from now on this is the snapshot. ERR_LOST: one of them is missing, and
     * the snapshot never counts. */
    int (*finish)(void *ctx, const struct log_snapshot *snapshot);
    /* Deletes some of what no start needs any more: turns up to the snapshot's, slices of others and
     * of those that were not finished. Not between `add` and `finish`. *more: there is more. */
    int (*trim)(void *ctx, bool *more);
};

/* From now on every commit goes to the log first, and `home_of` says where each row belongs. Between
 * transactions, before anything else is done with the store, which was opened as `logged`; the log
 * must outlive it. ERR_INVALID: the store has rows, and they never were in a log. ERR_MEMORY,
 * ERR_DISK, ERR_CORRUPT. Each with a sentence in r. */
int store_use_log(struct store *s, const struct store_log *log, store_home *home_of,
                  struct report *r);

/* Whether every commit goes to a log first. */
bool store_has_log(const struct store *s);
/* What the log has, as far as it is known; valid as long as the store. Before the first transaction
 * only the id of the log that the store is a copy of; zeros: of none yet. */
const struct log_state *store_log_state(const struct store *s);

/* A descriptor of the store's file, for another thread to sync it: a disk that fails to write must not stay
 * unnoticed because commits do not wait. To be closed; -1: they do wait, or there is none to be had. */
int store_unsynced_file(const struct store *s);
/* That failed, and what was committed may be read back as it was before: the next start loads the store
 * again (INV-STORE-15). */
void store_doubt_file(struct store *s);

/* Once the log's last turn is there: whether somebody else may have had the log before this process, and
 * not who had this store. Why he has it no more is not known. */
bool store_is_taken(const struct store *s);
/* After ERR_LOST: whether LMDB has what the log lacks. If not, the log has a gap. */
bool store_is_ahead(const struct store *s);
/* Somebody else has the log, as it was told behind the store's back: whether the turns of this store
 * are all there still. ERR_FENCED: they are; ERR_LOST; ERR_NETWORK: ask again. */
int store_fenced(struct store *s);

/* A step of what the next store_begin would do before it begins, so that the caller can do something
 * else between two: a load takes minutes. Between transactions. *more: there is more to do. Errors as
 * those of store_begin; what was done before is kept for the next call. */
int store_settle(struct store *s, bool *more);
/* Of a store that follows its log (store_options): the next store_settle asks what the log has by now.
 * ERR_LOST from it, and store_is_ahead is false: what it was reading has gone, because a newer snapshot
 * has it; the next one loads that. */
void store_expect_more(struct store *s);

/* The store, which may have a log, is one of its own from now on: with all that the log has, and
 * without a log. Between transactions. ERR_BUSY: it is being loaded, by whoever has its log; else as
 * store_begin and store_commit. */
int store_leave_log(struct store *s);

/* Whether the row is the store's own: each store has its own one, and no log has it. */
bool store_owns_row(enum store_table t, struct slice key);
/* Whether the row says that its store is being loaded from a log, and lacks rows (INV-STORE-12). */
bool store_row_says_partial(enum store_table t, struct slice key, struct slice value);

/* Applies what a turn changed of a home, within a transaction whose changes are not for a log.
 * ERR_CORRUPT: the body is damaged, of a newer zingq, or changes rows of another home. */
int store_apply(struct store *s, const struct log_part *part, store_home *home_of);

#endif
