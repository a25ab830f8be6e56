/*
 * outgoing.h - publishes that have not left this host: those of the outbox, and delayed ones.
 *
 * All functions read inside a transaction, which may be restarted between two calls.
 */
#ifndef ZINGQ_QUERY_OUTGOING_H
#define ZINGQ_QUERY_OUTGOING_H

#include "base/json.h"
#include "journal/later.h"
#include "journal/outbox.h"

#include <stdbool.h>

enum { OUTBOX_OWNERS_MAX = 256 };

/* The outbox, in the order of its rows; zeroed at the start. Of rows held behind more than
 * OUTBOX_OWNERS_MAX keys the rest count as waiting. */
struct outbox_walk {
    uint64_t seq;                       /* of the row that was read last */
    uint64_t owners[OUTBOX_OWNERS_MAX]; /* of the first refused rows */
    size_t owner_count;
};

/* The next row; its slices point into the store. *held: an earlier row of the same key was refused.
 * ERR_NOTFOUND after the last, ERR_CORRUPT. */
int outbox_walk_next(struct journal *j, struct outbox_walk *walk, struct publication *p,
                     bool *held);

/* NULL when out of memory. */
json_t *outbox_json(const struct publication *p, bool held);
json_t *delayed_json(const struct delayed *delayed, const struct publication *p);

#endif
