/*
 * journal.h - what is stored, as typed operations. Every function works inside the store's
 * transaction under way.
 *
 * Keys (big-endian integers, so that bytes sort as numbers; p = partition, which leads every key
 * but those of events, and of the outbox, of delayed and of meta, which are the host's own):
 *
 *   event    group8 id128 service16 p8                 -> the event (journal/event.c draws it)
 *            group = journal_group(p): a turn's events are few pages, and one of them, of a
 *            partition, can still be found; before schema 4: p8 id128 service16
 *   ready    p8 service16 seq64                        -> id128 lane64 (key64 tenant64 (rank8))
 *            runnable, in order of arrival
 *   lane     p8 service16 lane64 seq64                 -> id128 flags8 (key64 tenant64 (rank8))
 *            at a blocked head or behind
 *   tenant   p8 service16 tenant64 seq64               -> id128 lane64 (rank8)   heads for their turn
 *   history  p8 id128 service16 n16                    -> one attempt that did not end well
 *   timer    p8 due64 kind8 ...                        -> see struct timer
 *            (p8 | 128: due by the wall clock)
 *   outbox   seq64                                     -> a publication, until the broker has it
 *   state    p8 service16 len16 key name               -> expires64 value
 *   lock     p8 service16 len16 key name               -> expires64 owner data topic
 *   dead     p8 service16 id128                        -> dead_ms64 fingerprint64
 *   letter   p8 service16 kind8 dead_ms64 id128        -> see journal/letter.c
 *   append   p8 seq64                                  -> file, line not yet known to be written
 *   step     p8 id128 service16 kind8 name             -> see journal/step.c
 *   signal   p8 service16 len16 key len16 name seq64   -> expires64 value
 *   waiter   p8 service16 len16 key len16 name seq64   -> id128 lane64 label
 *   delayed  id128                                     -> p8 due64 seq64   that publish's timer
 *   dedupeN  p8 hash128                                -> id128 (mark128) noted64
 *            (p8 | 128: of a service with share = no)
 *            255 id128                                 -> seq64 due64 cancelled64   a publish
 *   recentN  n64 p8 hash128                            -> the same, until it goes on to a dedupeN
 *   meta     text                                      -> see journal/meta.c
 *   aside    n64                                       -> table, key, value of what cannot be read
 *   forward  p8 seq64                                  -> what another host is to take
 *   cursor   p8 source128                              -> seq64 of the last of theirs we took
 *
 * A record that does not decode is treated as absent by readers: it is named in the log, noted, and
 * set aside by the engine.
 *
 * partition = hash(service, key) mod PARTITIONS. An event that is not ended has exactly one row in
 * ready or in lane; one that ended has none, except a parked one (lane, with LANE_PARKED).
 */
#ifndef ZINGQ_JOURNAL_JOURNAL_H
#define ZINGQ_JOURNAL_JOURNAL_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "event/event.h"
#include "base/limits.h"
#include "event/step.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct journal;
struct memory;

/* Reads (and, when the store is writable, first makes) the meta rows. `keep_idempotency_ms`, the
 * longest of all services, sets the width of the dedupe buckets. Begins and ends its own
 * transaction. */
int journal_open(struct journal **out, struct store *store, int64_t keep_idempotency_ms,
                 struct report *r);
void journal_close(struct journal *j);
/* From now on what the journal keeps of idempotency keys in memory is bounded by their share of this
 * budget, which must outlive the journal. Without one it is not bounded. */
void journal_use_memory(struct journal *j, struct memory *memory);
struct store *journal_store(struct journal *j);
/* Changes the width of the dedupe buckets, as journal_open sets it. */
void journal_keep_keys(struct journal *j, int64_t keep_idempotency_ms);
/* Reloads the cached meta rows after a transaction was dropped. Begins and ends its own
 * transaction. */
int journal_reload(struct journal *j);
/* The host's own id: random, made with the store, part of the MQTT client id. Borrowed. */
const char *journal_host_id(const struct journal *j);

/* --- records that do not decode --- */

/* Moves the noted records to the table of records set aside; *places: one of them gave the position
 * of an event, or the time when it is woken. State, locks and steps stay where they are: see
 * journal_state_read. Within the writing transaction. The notes are kept until
 * journal_forget_broken, after the commit. */
int journal_set_aside(struct journal *j, bool *places);
void journal_forget_broken(struct journal *j);
/* The next noted event's key, from *at (0 to begin). False at the end. */
bool journal_broken_event(const struct journal *j, size_t *at, struct event *out);
/* Whether one of the table was noted. */
bool journal_has_broken(const struct journal *j, enum store_table t);
/* The count at the last commit; also outside a transaction. */
uint64_t journal_aside_count(struct journal *j);

struct aside_row {
    uint64_t number;
    struct slice table, key, value; /* point into the store */
};

/* The one after row->number; in/out, 0 to begin. ERR_NOTFOUND. */
int journal_aside_next(struct journal *j, struct aside_row *row);
/* Whether a row decodes; needs no store. 0, ERR_CORRUPT, ERR_MEMORY. ERR_SCHEMA: it says that a newer
 * zingq wrote the store. */
int journal_check_row(enum store_table t, struct slice key, struct slice value);
/* Whether it says something of its own store alone, which another one finds out for itself: the
 * schema, what is counted, which turn of its log it has, and whose its files are. */
bool journal_row_is_own(enum store_table t, struct slice key);
/* Whether a row of unknown table may belong to this one. */
bool journal_row_fits(enum store_table t, struct slice key, struct slice value);
/* The row in words: `event 0192… of service "seats" (key 00…)`. `j` NULL: without names. */
void journal_key_text(const struct journal *j, enum store_table t, struct slice key,
                      struct buf *out);

/* --- meta: services, sequence, books --- */

/* The stored number of a service's name; a new name gets the next one (ERR_NOTFOUND when the store
 * is read only). */
int journal_service_number(struct journal *j, const char *name, uint16_t *number);
/* NULL when there is no such number; borrowed until journal_close. */
const char *journal_service_name(const struct journal *j, uint16_t number);
uint16_t journal_service_count(const struct journal *j);

/* The number of a known name; makes none. */
bool journal_service_find(const struct journal *j, const char *name, uint16_t *number);

/* A service that has another name than at first keeps its rows: its origin, the first name, is what
 * its lanes and idempotency keys are hashed with. NULL when there is no such number; otherwise
 * borrowed until the service is renamed. */
const char *journal_service_origin(const struct journal *j, uint16_t number);
/* By name; an unknown one is its own origin. */
struct slice journal_origin_of(const struct journal *j, struct slice service);
/* journal_lane of the service by its current name. */
uint64_t journal_lane_of(const struct journal *j, struct slice service, struct slice key);
/* A new service; the name must be free. ERR_LIMIT, ERR_MEMORY. */
int journal_service_add(struct journal *j, const char *name, const char *origin, uint16_t *number);
/* The service of that number gets another name, which must be free; its rows stay. */
int journal_service_rename(struct journal *j, uint16_t number, const char *name);

/* The next arrival number: microseconds of the clock, or one more than the last. Kept across
 * restarts by journal_mark_seq. */
uint64_t journal_next_seq(struct journal *j, int64_t now_ms);
int journal_mark_seq(struct journal *j);
/* The moment of the last commit. For a store without one, the time of its last arrival number
 * (engine_ms, 0 in a new store) and no boot. */
int journal_clock_get(struct journal *j, struct clock_mark *out);
int journal_clock_put(struct journal *j, const struct clock_mark *mark);

/* accepted = waiting + done + dead + discarded + expired + duplicates, always; waiting is not
 * stored. */
/* No service's number. */
enum { SERVICE_NONE = UINT16_MAX };

struct books {
    uint64_t accepted, done, dead, discarded, duplicates;
    uint64_t handed_over; /* broker copies skipped because local hand-over had served them */
    uint64_t retries, timeouts, crashes, snoozes, throttles; /* attempts that ended so */
    uint64_t died; /* all events that ever became dead; `dead` counts those that still are */
    uint64_t needs_person; /* of `dead`: their sagas could not be undone */
    uint64_t expired;      /* dead letters that a quota took */
};

uint64_t books_waiting(const struct books *b);
int journal_books_get(struct journal *j, uint16_t service, struct books *out); /* zeros if none */
int journal_books_put(struct journal *j, uint16_t service, const struct books *b);

/* A number kept by name; those of services: journal/flags.h. ERR_NOTFOUND. */
int journal_flag_get(struct journal *j, const char *name, uint64_t *value);
int journal_flag_put(struct journal *j, const char *name, uint64_t value);
int journal_flag_del(struct journal *j, const char *name);

/* A text kept by name, such as the subscriptions the session holds. Points into the store.
 * ERR_NOTFOUND. */
int journal_text_get(struct journal *j, const char *name, struct slice *text);
int journal_text_put(struct journal *j, const char *name, struct slice text);

/* --- hashing --- */

/* SipHash-2-4 of (service, key): the lane; mod PARTITIONS: the partition. `service` is its origin:
 * see journal_lane_of. */
uint64_t journal_lane(struct slice service, struct slice key);
uint8_t journal_partition(uint64_t lane);
/* Partitions whose events are stored together. */
uint8_t journal_group(uint8_t partition);

#endif
