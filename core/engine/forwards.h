/*
 * forwards.h - events on their way to the hosts that own their keys.
 *
 * A row is stored in the turn that decides it (forwards_add), sent in a message to its owner after
 * the commit, and deleted when the owner's receipt confirms that it is stored there. Losses in
 * between, on either side or at the broker, only cost time: without a receipt it is sent again.
 *
 * A message holds many rows. Each names its predecessor in its partition, if that has no receipt
 * yet; the owner takes a row only if it has that one, and stores the number of the last row it took
 * (journal_cursor). So rows of a partition are taken once each, in order, even if messages are
 * lost, repeated or reordered.
 *
 * Memory holds a window of messages without receipts for each host; the rest waits on disk. None
 * are made for a host that is down. A message without a receipt is sent again after a while, alone
 * and at growing intervals, until one arrives: an owner that accepts nothing is not flooded with
 * repetitions.
 */
#ifndef ZINGQ_ENGINE_FORWARDS_H
#define ZINGQ_ENGINE_FORWARDS_H

#include "conf/division.h"
#include "journal/journal.h"
#include "journal/forward.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct forwards;

/* `division` is copied. ERR_MEMORY. Counts nothing yet: see forwards_load. */
int forwards_new(struct forwards **out, struct journal *journal, const struct division *division,
                 uint64_t token);
void forwards_free(struct forwards *f);
/* Forgets all that is in memory and counts the rows on disk again; inside a transaction. */
int forwards_load(struct forwards *f);

/* Stores one for the partition's owner, this host itself perhaps; inside a transaction. */
int forwards_add(struct forwards *f, int64_t now_ms, uint8_t partition,
                 const struct forward *forward);
/* Makes messages of what may leave next; inside a transaction. A row that no message can carry is
 * given to `too_large`, which finds another end for it; it is deleted here. NULL: it waits. */
int forwards_build(struct forwards *f, void *ctx,
                   int (*too_large)(void *ctx, const struct forward *forward));
/* Deletes the rows that have receipts; inside a transaction. */
int forwards_settle(struct forwards *f);
/* The next row of a partition that is this host's own, into `record`: for the caller, who may
 * delete it, to decide; inside a transaction. ERR_NOTFOUND: all have been looked at since
 * forwards_load. */
int forwards_next_own(struct forwards *f, uint8_t *partition, uint64_t *seq, struct buf *record);

/* Hands what may go to `send`, which returns 0 or an error that ends this round. */
void forwards_send(struct forwards *f, int64_t now_ms, void *ctx,
                   int (*send)(void *ctx, uint16_t host, struct slice message));
/* Nothing is sent for FORWARD_PAUSE_MS. */
void forwards_pause(struct forwards *f, int64_t now_ms);
/* Takes a receipt. One that cannot be read, or is for another host or run, changes nothing. */
void forwards_receipt(struct forwards *f, int64_t now_ms, struct slice receipt);
/* message_bytes_max: of a message's payload, as broker and owner take it. */
void forwards_connected(struct forwards *f, size_t message_bytes_max);
void forwards_disconnected(struct forwards *f, int64_t now_ms);
/* A host has come up or gone away. Until this is called all count as up. */
void forwards_member(struct forwards *f, int64_t now_ms, uint16_t host, bool up);

/* Whether a turn has something to do here; receipted rows wait a little for more of them. */
bool forwards_want_turn(const struct forwards *f, int64_t now_ms);
/* When something is due by the clock: a turn, or forwards_send; INT64_MAX = nothing. */
int64_t forwards_next_ms(const struct forwards *f);

struct forwards_state {
    uint64_t rows;     /* without a receipt */
    int64_t oldest_ms; /* when the first of them was accepted; 0 = there is none, or unknown */
    bool up;           /* the host takes them, as far as is known */
    bool stalled;      /* it gave no receipt for a while */
    uint64_t receipts, again; /* rows receipted, messages sent again */
};

/* What waits for the host with that number, from 1. */
void forwards_look(const struct forwards *f, uint16_t host, struct forwards_state *out);
/* Rows that forwards_next_own has. */
uint64_t forwards_own(const struct forwards *f);
/* Rows that wait for one host: of the host that has most of them. */
uint64_t forwards_most(const struct forwards *f);
/* Rows that wait for all hosts. */
uint64_t forwards_rows(const struct forwards *f);

/* --- messages and receipts, as bytes (engine/forwards_packet.c) --- */

/* Who sent a message. */
struct forward_sender {
    uint16_t count, to, from; /* hosts in all, and numbers of two */
    struct uuid source;       /* the sender's store */
    uint64_t token;           /* of this run of the sender: a receipt repeats it */
};

struct forward_entry {
    uint8_t partition;
    uint64_t seq, previous; /* previous: to be taken before this one; 0 = none */
    struct slice record;
};

void forward_message_begin(struct buf *out, const struct forward_sender *sender);
void forward_message_add(struct buf *out, const struct forward_entry *entry);
/* Bytes that an entry takes beside its record, and a message beside its entries. */
enum { FORWARD_ENTRY_BYTES = 21, FORWARD_HEAD_BYTES = 34 };
/* ERR_CORRUPT: it is no such message. `*at` is for forward_message_next. */
int forward_message_read(struct slice message, struct forward_sender *sender, size_t *at);
/* ERR_NOTFOUND at the end; ERR_CORRUPT. The record has been decoded, into `forward`. */
int forward_message_next(struct slice message, size_t *at, struct forward_entry *entry,
                         struct forward *forward);

/* The same for a receipt: the head of the message it answers, and how far each partition is. */
void forward_receipt_begin(struct buf *out, const struct forward_sender *sender);
void forward_receipt_add(struct buf *out, uint8_t partition, uint64_t seq);
int forward_receipt_read(struct slice receipt, struct forward_sender *sender, size_t *at);
int forward_receipt_next(struct slice receipt, size_t *at, uint8_t *partition, uint64_t *seq);

#endif
