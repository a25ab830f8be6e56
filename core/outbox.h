/*
 * outbox.h - publishes that are committed and not yet acknowledged by the broker.
 *
 * The rows are the journal's; this is the window on them in memory: what is in flight, what goes
 * next, and how many rows are only on disk. Order is kept: while a row waits on disk, later ones
 * join it there.
 *
 * The outbox is the host's, not a partition's: a partition that moves away leaves behind what its
 * events have published, and the host sends it. One sequence also keeps the rows of a commit side
 * by side on a few pages, where a sequence for each partition touched one page for each.
 *
 * A publish the broker refuses for good (not authorized, packet too large...) keeps its row, is
 * counted, and is tried again every OUTBOX_RETRY_MS: the broker's configuration may be mended.
 *
 * Some brokers say no by closing the connection. When that happens twice before everything sent was
 * answered, publishes go one at a time: one that is alone in flight at the end of three connections
 * is taken for refused. Else it would come again at each connect, and hold up all others for ever.
 */
#ifndef ZINGQ_OUTBOX_H
#define ZINGQ_OUTBOX_H

#include "journal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outbox;

/* ERR_MEMORY. Counts nothing yet: see outbox_load. */
int outbox_new(struct outbox **out, struct journal *journal);
void outbox_free(struct outbox *o);
/* Forgets all that is in memory and counts the rows on disk again; inside a transaction. */
int outbox_load(struct outbox *o);

/* Stores a publication and stages it; it may leave after outbox_committed. */
int outbox_add(struct outbox *o, int64_t now_ms, const struct publication *p);
/* The transaction that staged them is durable. */
void outbox_committed(struct outbox *o);

/* Sends what may go, and at its time what was refused: `publish` returns 0 and sets *mid,
 * ERR_INVALID for what can never be carried (refused, as by the broker), or another error, which
 * ends this round. At most `window` are in flight. */
void outbox_send(struct outbox *o, int64_t now_ms, size_t window, void *ctx,
                 int (*publish)(void *ctx, const struct publication *p, int *mid));
/* The broker answered; reason >= 0x80 is a refusal. Unknown mids are no error (late answers). */
void outbox_acknowledged(struct outbox *o, int mid, uint8_t reason);
/* The connection is gone: what was in flight goes again, in order. */
void outbox_disconnected(struct outbox *o);
/* Deletes the acknowledged rows, reads more from disk when there is room; inside a transaction. */
int outbox_settle(struct outbox *o);

size_t outbox_acked(const struct outbox *o);      /* acknowledged, rows not yet deleted */
bool outbox_wants_settle(const struct outbox *o); /* rows on disk could come into memory now */
uint64_t outbox_rows(const struct outbox *o);     /* not yet acknowledged, all told */
uint64_t outbox_refused(const struct outbox *o);

#endif
