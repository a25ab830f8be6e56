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

struct store_log {
    void *ctx;
    /* Appends the turn, whole or not at all. 0: it is there and lasts. ERR_NETWORK: it is not there,
     * and never will be. ERR_FENCED. ERR_DOUBT: it may be there, or yet come. */
    int (*append)(void *ctx, const struct log_turn *turn);
    /* Ends every doubt: what was appended before and is not there now never will be. *last: the
     * number of the last turn, 0 = there is none. ERR_NETWORK, ERR_FENCED. */
    int (*barrier)(void *ctx, uint64_t *last);
    /* The turn of that number; its bodies are valid until the next call. ERR_NOTFOUND, ERR_NETWORK,
     * ERR_FENCED. */
    int (*read)(void *ctx, uint64_t number, struct log_turn *out);
};

/* From now on every commit goes to the log first, and `home_of` says where each row belongs. Between
 * transactions, before anything else is done with the store; the log must outlive it. The store is
 * empty, or has what an earlier store_commit or store_begin with this log left in it. ERR_MEMORY. */
int store_use_log(struct store *s, const struct store_log *log, store_home *home_of);

/* Applies what a turn changed of a home, within a transaction whose changes are not for a log.
 * ERR_CORRUPT: the body is damaged, of a newer zingq, or changes rows of another home. */
int store_apply(struct store *s, const struct log_part *part, store_home *home_of);

#endif
