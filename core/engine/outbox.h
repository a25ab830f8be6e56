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
 * A publish that the broker refuses keeps its row and blocks later publishes of its own owner, the
 * (service, key) whose event published it; all others overtake it. It is tried again with nothing
 * else in flight and behind everything else, at intervals from 5 s to OUTBOX_RETRY_MS. While a
 * topic is refused, further rows for it are refused untried. Past OUTBOX_BLOCKED_MAX rows, or
 * OUTBOX_BLOCKED_BYTES_MAX, the oldest refused one is discarded, logged with its id and counted.
 *
 * Some brokers refuse by closing the connection. Then the publishes in flight are suspects, unless
 * a publish from elsewhere was sent before them and not proven harmless: suspects are sent only
 * with other suspects, first one, then twice as many each time all were answered. A publish that
 * was the first unanswered one twice, the second time alone in flight, is refused. All others
 * continue.
 *
 * "Quota exceeded", "unspecified" and "implementation specific" are temporary: such a publish is
 * sent again after a second, growing to OUTBOX_SOON_MS_MAX, and its owner waits for it. If that
 * happens for minutes while the broker accepts others, it is refused like any other. For a minute
 * after a temporary refusal no owner has two publishes in flight, which keeps their order;
 * publishes in flight together with the first such one may have overtaken it.
 */
#ifndef ZINGQ_ENGINE_OUTBOX_H
#define ZINGQ_ENGINE_OUTBOX_H

#include "base/memory.h"
#include "journal/journal.h"
#include "journal/outbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outbox;

/* ERR_MEMORY. Counts nothing yet: see outbox_load. `memory`: borrowed, NULL = no budget. */
int outbox_new(struct outbox **out, struct journal *journal, struct memory *memory);
void outbox_free(struct outbox *o);
/* Forgets all that is in memory and counts the rows on disk again; inside a transaction. */
int outbox_load(struct outbox *o);

/* The host went down while it sent the row with that id: it is refused from now on, and the second
 * time until a person retries it. Inside the transaction of outbox_load, before that. ERR_NOTFOUND:
 * there is no such row any more. */
int outbox_charge_crash(struct outbox *o, int64_t now_ms, const struct uuid *id);

/* Stores a publication and stages it; it may leave after outbox_committed. */
int outbox_add(struct outbox *o, int64_t now_ms, const struct publication *p);
/* The transaction that staged them is durable. */
void outbox_committed(struct outbox *o);

/* Sends what may go, and at its time what was refused: `publish` returns 0 and sets *mid,
 * ERR_INVALID for what can never be carried (refused, as by the broker), or another error, which
 * ends this round. At most `window` are in flight. ERR_BUSY: a packet id was returned that is still
 * in use; the connection must be dropped. */
int outbox_send(struct outbox *o, int64_t now_ms, size_t window, void *ctx,
                int (*publish)(void *ctx, const struct publication *p, int *mid));
/* The broker answered; reason >= 0x80 is a refusal. Unknown mids are not an error (late answers).
 */
void outbox_acknowledged(struct outbox *o, int64_t now_ms, int mid, uint8_t reason);
/* Whether something that is not in the outbox may be sent now, as far as the outbox is concerned:
 * it must not come between a publish that is on trial and the end of the connection. */
bool outbox_may_be_joined(const struct outbox *o);
/* Something that is not in the outbox has been sent on its connection. */
void outbox_beside(struct outbox *o);
/* The broker has answered after all of these: they were harmless. */
void outbox_beside_proven(struct outbox *o);
/* The connection is gone: publishes in flight are sent again, in order. Whether a publish of ours
 * is the likely reason; not said without end, unless the broker takes one now and then. */
bool outbox_disconnected(struct outbox *o, int64_t now_ms);
/* Deletes the acknowledged rows, notes in theirs which are refused, discards those past the quota,
 * reads more from disk when there is room; inside a transaction. */
int outbox_settle(struct outbox *o);

/* Retries refused publishes now: the one with the id, or all (NULL). Returns how many there are. */
size_t outbox_retry(struct outbox *o, int64_t now_ms, const struct uuid *id);
/* Deletes a row that is refused, or held behind one; inside a transaction. ERR_NOTFOUND; ERR_BUSY:
 * it is being tried at this moment. */
int outbox_discard(struct outbox *o, const struct uuid *id);

size_t outbox_acked(const struct outbox *o);      /* acknowledged, rows not yet deleted */
size_t outbox_in_flight(const struct outbox *o);  /* sent, not yet acknowledged */
bool outbox_wants_settle(const struct outbox *o); /* there is something for it to do */
/* When outbox_send, connected, has something to try; INT64_MAX = not by the clock. */
int64_t outbox_next_ms(struct outbox *o);
uint64_t outbox_rows(const struct outbox *o); /* not yet acknowledged, all told */
/* About what those of a service take of the store, by its number. */
uint64_t outbox_kept(const struct outbox *o, uint16_t service);
uint64_t outbox_kept_by_all(const struct outbox *o); /* services together */
uint64_t outbox_refused(const struct outbox *o);
uint64_t outbox_held(const struct outbox *o);      /* behind a refused one of their owner */
uint64_t outbox_discarded(const struct outbox *o); /* past the quota, since the start */
/* Of the first refused, until it is next changed; NULL = none. */
const char *outbox_refused_topic(const struct outbox *o);

#endif
