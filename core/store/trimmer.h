/*
 * trimmer.h - keeps a log short: makes a snapshot when the turns since the last one outgrow it, and
 * then has the log delete what nobody needs any more. So a log is at most about three times what the
 * store has, and a start applies no more than it loads.
 *
 * What is read is read on the thread of the store, a slice between two turns; what is sent may be sent
 * on another thread, so that no turn waits for it:
 *
 *   trimmer_prepare  on the store's thread: is there something to send?
 *   trimmer_send     on any thread: sends it
 *   trimmer_sent     on the store's thread: it was sent
 *
 * A snapshot that is cut off costs nothing but its slices: the next one takes their place.
 */
#ifndef ZINGQ_STORE_TRIMMER_H
#define ZINGQ_STORE_TRIMMER_H

#include "store/log.h"

struct trimmer;

struct trimmer_options {
    struct store *store; /* with a log */
    store_home *home_of;
    const struct log_snapshots *door;
    size_t slice_bytes;     /* of a slice: what a turn waits for */
    uint64_t log_bytes_min; /* of turns: for fewer, there is no snapshot */
};

enum {
    TRIMMER_SLICE_BYTES = 256 << 10, /* read in less than a millisecond */
    TRIMMER_LOG_BYTES_MIN = 8 << 20  /* applied in less than a second */
};

/* NULL: out of memory. */
struct trimmer *trimmer_new(const struct trimmer_options *options);
/* Not while something is being sent. */
void trimmer_free(struct trimmer *t);

/* Between transactions. 0: something is to be sent. ERR_NOTFOUND: there is nothing to do now. Errors
 * as those of store_begin, ERR_MEMORY: a snapshot has come to nothing; the next one is due when the log has grown. */
int trimmer_prepare(struct trimmer *t);
void trimmer_send(struct trimmer *t);
/* 0; ERR_NETWORK: it is sent once more next time; ERR_FENCED. */
int trimmer_sent(struct trimmer *t);

#endif
