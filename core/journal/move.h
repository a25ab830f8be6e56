/*
 * move.h - a store's rows on their way to another store: what `zingq reshard` needs.
 *
 * A row says where it belongs (partition, service, key) and under which numbers it stands. Here it
 * is looked at without a word of what it is for, and written again under other numbers: services
 * have theirs in each store, and a row that comes among others must not have the arrival number of
 * one of them.
 */
#ifndef ZINGQ_JOURNAL_MOVE_H
#define ZINGQ_JOURNAL_MOVE_H

#include "journal/journal.h"
#include "journal/dedupe.h"
#include "journal/later.h"

#include <stdbool.h>
#include <stdint.h>

enum { ROW_NO_PARTITION = 0xff };

/* What a row says of itself; the key points into the row. */
struct row_sight {
    uint8_t partition; /* ROW_NO_PARTITION: it belongs to no key */
    bool has_service, has_id, has_key, has_seq;
    uint16_t service;
    struct uuid id;        /* of an event, or of a publish */
    struct slice key;      /* of state, locks, signals, waiters and their timers */
    uint64_t seq;          /* arrival number */
    enum timer_kind timer; /* TABLE_TIMER alone */
};

/* Not for meta and aside. In a dedupe table `id` is that of a publish asked for from outside, and
 * such a row has no partition; a key's partition may have DEDUPE_OWN set. ERR_CORRUPT. */
int journal_row_look(enum store_table t, struct slice key, struct slice value,
                     struct row_sight *out);
/* The partition that a row's key names, ROW_NO_PARTITION if none. */
uint8_t journal_key_partition(enum store_table t, struct slice key);
/* The same row with another service number and arrival number, as far as it has them, into the
 * buffers. ERR_MEMORY. */
int journal_row_write(enum store_table t, struct slice key, struct slice value, uint16_t service,
                      uint64_t seq, struct buf *new_key, struct buf *new_value);

/* What an event's record says. */
struct event_sight {
    enum event_state state;
    uint64_t seq, lane;
    struct slice key; /* points into the record */
};

/* ERR_CORRUPT. */
int journal_event_look(struct slice record, struct event_sight *out);

/* The meta rows of another store; of a `sibling`, a new store beside it, those that both may share:
 * the secret and the names of services. Both stores are in a transaction. */
int journal_meta_copy(struct store *to, struct store *from, bool sibling);

/* The last arrival number given out. */
uint64_t journal_last_seq(const struct journal *j);
int journal_set_seq(struct journal *j, uint64_t seq);

/* Up to when each bucket of idempotency keys was filled; 0 = never. */
/* What the row of a key noted lately is under in its bucket. */
struct slice journal_recent_key(struct slice row);
void journal_buckets_get(const struct journal *j, int64_t until_ms[DEDUPE_BUCKETS]);
int journal_buckets_put(struct journal *j, const int64_t until_ms[DEDUPE_BUCKETS]);
/* Secret number `n`, from 0, the store's own. */
void journal_secret_get(const struct journal *j, size_t n, struct dedupe_secret *out);
/* Keys hashed with it will be found, too. ERR_LIMIT: there are DEDUPE_SECRETS_MAX. */
int journal_secret_add(struct journal *j, const struct dedupe_secret *secret);

#endif
