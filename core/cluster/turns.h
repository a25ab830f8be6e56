/*
 * turns.h - the log of a host's store in PostgreSQL: a struct store_log on the tables of
 * cluster/schema.h.
 *
 * A turn is one statement, which is its own transaction: it raises the host's row to the turn's
 * number if the row still has our token and epoch, and adds the bodies. So whoever takes the row over,
 * by a new token, decides by the lock of one row which turn was our last.
 *
 * What is asked anyway, for a turn or whether the log is still ours, tells the database's clock, too.
 *
 * Nothing here waits for a connection to be made for longer than a moment: ERR_NETWORK then, and the
 * next call goes on.
 */
#ifndef ZINGQ_CLUSTER_TURNS_H
#define ZINGQ_CLUSTER_TURNS_H

#include "base/clock.h"
#include "base/error.h"
#include "store/log.h"

#include <stdbool.h>
#include <stdint.h>

struct turns;

/* All of them borrowed. */
struct turns_options {
    const char *url;   /* of the database */
    const char *name;  /* of the host in it */
    const char *owner; /* for people: which process it is */
    bool unused;       /* only a log that has nothing yet is taken over */
    bool reads;        /* none is: the log is read as it is, while whoever has it goes on */
    bool follows;      /* and as `reads`, again and again: only what lasts is read */
};

/* Nothing is sent yet. ERR_INVALID with a sentence: the url cannot be read. ERR_MEMORY. */
int turns_new(struct turns **out, const struct turns_options *options, struct report *r);
/* NULL is allowed. */
void turns_free(struct turns *t);
/* Connects, waiting up to wait_ms for it, makes the tables if there are none, and takes the log over:
 * from then on whoever had it is fenced. `id`: of the log that the store is a copy of, zeros if it is
 * of none yet. With a sentence: ERR_NETWORK: not now, call it again; ERR_LOST: the database has
 * no log of that name any more, ERR_FOREIGN: it has another one of that name, ERR_EXISTS: the log is to have nothing, and has something: nothing was taken over;
 * ERR_NOTFOUND: there is no log to read;
 * ERR_SCHEMA: a newer zingq has had it; else as schema_make. */
int turns_join(struct turns *t, const uint8_t id[LOG_ID_BYTES], int64_t wait_ms, struct report *r);
/* Asks whether the log is still ours, for hosts that have nothing to append. 0; ERR_FENCED;
 * ERR_NETWORK. */
int turns_check(struct turns *t);
/* The number of the log's last turn, which may not last yet: for who follows it, whether there is
 * anything to ask for. ERR_FENCED: the log has gone; ERR_NETWORK. */
int turns_last(struct turns *t, uint64_t *turn);
/* The log; of use when it has been joined. */
const struct store_log *turns_log(const struct turns *t);
/* Who writes its snapshots. */
const struct log_snapshots *turns_snapshots(const struct turns *t);

/* Lets the reading show the database's clock, as far as its answers have told it. */
void turns_read_clock(const struct turns *t, struct clock_reading *now);

/* For people. */
struct turns_state {
    bool up;           /* what was last asked was answered, and so was the last turn */
    const char *error; /* why not */
    const char *taker; /* who has taken the row over; "" = nobody */
    uint64_t turns;    /* appended since the start */
    uint64_t doubts;   /* appends without an answer */
    int64_t last_us, max_us, total_us; /* what appends took */
    int64_t clock_ahead_ms; /* this machine's clock minus the database's; 0 = not known */
};

/* The texts are valid until the next call. */
void turns_look(const struct turns *t, struct turns_state *out);

#endif
