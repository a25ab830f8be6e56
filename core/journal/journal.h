/*
 * journal.h - what is stored, as typed operations. Every function works inside the store's
 * transaction under way.
 *
 * Keys (big-endian integers, so that bytes sort as numbers; p = partition, which leads every key
 * but those of the outbox, of delayed and of meta, which are the host's own):
 *
 *   event    p8 id128 service16                        -> the event (journal/event.c draws it)
 *   ready    p8 service16 seq64                        -> id128 lane64   runnable, arrival order
 *   lane     p8 service16 lane64 seq64                 -> id128 flags8   behind or at a blocked
 * head history  p8 id128 service16 n16                    -> one attempt that did not end well
 *   timer    p8 due64 kind8 ...                        -> see struct timer
 *            (p8 | 128: due by the wall clock)
 *   outbox   seq64                                     -> a publication, until the broker has it
 *   state    p8 service16 len16 key name               -> expires64 value
 *   lock     p8 service16 len16 key name               -> expires64 owner data topic
 *   dead     p8 service16 id128                        -> dead_ms64 fingerprint64
 *   append   p8 seq64                                  -> file, line not yet known to be written
 *   step     p8 id128 service16 kind8 name             -> see journal/step.c
 *   signal   p8 service16 len16 key len16 name seq64   -> expires64 value
 *   waiter   p8 service16 len16 key len16 name seq64   -> id128 lane64 label
 *   delayed  id128                                     -> p8 due64 seq64   that publish's timer
 *   dedupeN  p8 hash128                                -> id128 (mark128)
 *            (p8 | 128: of a service with share = no)
 *            255 id128                                 -> seq64 due64 cancelled64   a publish
 *   meta     text                                      -> see journal/journal.c
 *   aside    n64                                       -> table, key, value of what cannot be read
 *   forward  p8 seq64                                  -> what another host is to take
 *   cursor   p8 source128                              -> seq64 of the last of theirs we took
 *
 * A record that does not decode is, for whoever reads, not there: it is named in the log, noted,
 * and set aside by the engine.
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

/* Reads (and, when the store is writable, first makes) the meta rows. `keep_idempotency_ms` sets
 * the width of the dedupe buckets. Begins and ends its own transaction. */
int journal_open(struct journal **out, struct store *store, int64_t keep_idempotency_ms,
                 struct report *r);
void journal_close(struct journal *j);
struct store *journal_store(struct journal *j);
/* Makes what is cached of the meta rows true again after a transaction was dropped. Begins and
 * ends its own transaction. */
int journal_reload(struct journal *j);
/* The host's own id: random, made with the store, part of the MQTT client id. Borrowed. */
const char *journal_host_id(const struct journal *j);

/* --- records that do not decode --- */

/* Moves what was noted to the table of what is set aside; *places: it told where an event waits, or
 * when it is woken. State, locks and steps stay where they are: see journal_state_read.
 * Within the writing transaction. The notes stay until journal_forget_broken, after the commit. */
int journal_set_aside(struct journal *j, bool *places);
void journal_forget_broken(struct journal *j);
/* The next noted event's key, from *at (0 to begin). False at the end. */
bool journal_broken_event(const struct journal *j, size_t *at, struct event *out);
/* Whether one of the table was noted. */
bool journal_has_broken(const struct journal *j, enum store_table t);
/* At the last commit; also outside of a transaction. */
uint64_t journal_aside_count(struct journal *j);

struct aside_row {
    uint64_t number;
    struct slice table, key, value; /* point into the store */
};

/* The one after row->number; in/out, 0 to begin. ERR_NOTFOUND. */
int journal_aside_next(struct journal *j, struct aside_row *row);
/* Whether a row decodes; needs no store. 0, ERR_CORRUPT, ERR_MEMORY. */
int journal_check_row(enum store_table t, struct slice key, struct slice value);
/* Whether a row of which nobody knows the table may be one of this. */
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

/* The next arrival number: microseconds of the clock, or one more than the last. Kept across
 * restarts by journal_mark_seq. */
uint64_t journal_next_seq(struct journal *j, int64_t now_ms);
int journal_mark_seq(struct journal *j);
/* The moment of the last commit. A store that has none yet gives the time of its last arrival
 * number (engine_ms, 0 in a new one) and no boot. */
int journal_clock_get(struct journal *j, struct clock_mark *out);
int journal_clock_put(struct journal *j, const struct clock_mark *mark);

/* accepted = waiting + done + dead + discarded + duplicates, always; waiting is not stored. */
struct books {
    uint64_t accepted, done, dead, discarded, duplicates;
    uint64_t handed_over; /* broker copies skipped because local hand-over had served them */
    uint64_t retries, timeouts, crashes, snoozes, throttles; /* attempts that ended so */
    uint64_t died;         /* events that ever became dead; `dead` are those that still are */
    uint64_t needs_person; /* of `dead`: their sagas could not be undone */
};

uint64_t books_waiting(const struct books *b);
int journal_books_get(struct journal *j, uint16_t service, struct books *out); /* zeros if none */
int journal_books_put(struct journal *j, uint16_t service, const struct books *b);

/* A small flag kept by name, such as "paused/<service>". ERR_NOTFOUND. */
int journal_flag_get(struct journal *j, const char *name, uint64_t *value);
int journal_flag_put(struct journal *j, const char *name, uint64_t value);

/* A text kept by name, such as the subscriptions the session holds. Points into the store.
 * ERR_NOTFOUND. */
int journal_text_get(struct journal *j, const char *name, struct slice *text);
int journal_text_put(struct journal *j, const char *name, struct slice text);

/* --- hashing --- */

/* SipHash-2-4 of (service, key): the lane; mod PARTITIONS: the partition. */
uint64_t journal_lane(struct slice service, struct slice key);
uint8_t journal_partition(uint64_t lane);

/* --- events --- */

int journal_event_put(struct journal *j, const struct event *event);
/* A copy on the heap; the caller frees it with event_free. ERR_NOTFOUND. */
int journal_event_get(struct journal *j, uint8_t partition, const struct uuid *id, uint16_t service,
                      struct event **out);
/* Whether a row says where the event waits, in ready or in lane. */
int journal_event_placed(struct journal *j, const struct event *event, bool *placed);
int journal_event_del(struct journal *j, uint8_t partition, const struct uuid *id,
                      uint16_t service);
bool journal_event_exists(struct journal *j, uint8_t partition, const struct uuid *id,
                          uint16_t service);
/* The next event of the partition in the order of (id, service), after those two or at them; in/out,
 * zeroed at the start. A copy on the heap. ERR_NOTFOUND. */
int journal_event_next(struct journal *j, uint8_t partition, struct uuid *id, uint16_t *service,
                       bool after, struct event **out);
/* The same through all partitions: the next one after *at, zeroed at the start. */
struct event_place {
    uint8_t partition;
    uint16_t service;
    struct uuid id;
};
int journal_event_scan(struct journal *j, struct event_place *at, struct event **out);
/* The last event before (id, service), for listings from the newest. */
int journal_event_prev(struct journal *j, uint8_t partition, struct uuid *id, uint16_t *service,
                       struct event **out);

/* --- rows: where a waiting event stands --- */

enum lane_flags {
    LANE_BEHIND = 0,  /* runnable once it is at the head */
    LANE_WAITING = 1, /* at the head until its timer is due */
    LANE_PARKED = 2,  /* dead, and holds the lane until a person decides */
    LANE_ASLEEP = 3, /* as LANE_WAITING, and not because it failed; until a signal comes, perhaps */
};

struct row {
    uint8_t partition;
    uint16_t service;
    uint64_t lane;
    uint64_t seq;
    struct uuid id;
    uint8_t flags; /* lane rows: enum lane_flags */
};

/* Whether a head with these flags is put off: waiting or asleep. */
bool lane_waits(uint8_t flags);

int journal_ready_put(struct journal *j, const struct row *row);
int journal_ready_del(struct journal *j, const struct row *row);
/* The first ready row of (partition, service) with a seq above *row's; in/out. ERR_NOTFOUND. */
int journal_ready_next(struct journal *j, struct row *row);
/* The next ready row of any service, in key order, after *row (zeroed at the start). ERR_NOTFOUND.
 */
int journal_ready_scan(struct journal *j, struct row *row);
int journal_lane_put(struct journal *j, const struct row *row);
int journal_lane_del(struct journal *j, const struct row *row);
/* The first row of the lane with a seq above row->seq; in/out. ERR_NOTFOUND. */
int journal_lane_next(struct journal *j, struct row *row);
/* The next lane row of any lane, in key order, after *row (zeroed at the start). ERR_NOTFOUND. */
int journal_lane_scan(struct journal *j, struct row *row);

/* --- history --- */

#define ATTEMPT_END_LIST(X)                                                                        \
    X(ATTEMPT_ERROR, "error")                                                                      \
    X(ATTEMPT_TIMEOUT, "timeout")                                                                  \
    X(ATTEMPT_CRASH, "crash")                                                                      \
    X(ATTEMPT_REJECT, "reject")                                                                    \
    X(ATTEMPT_SNOOZE, "snooze")                                                                    \
    X(ATTEMPT_THROTTLE, "throttle")                                                                \
    X(ATTEMPT_REPLAY, "replay") /* not a run: a person asked for another round */                  \
    X(ATTEMPT_EDIT, "edit")     /* not a run: a person changed the payload; text = the original */

enum attempt_end {
#define X(end, name) end,
    ATTEMPT_END_LIST(X)
#undef X
};

/* "error", "timeout"...; never NULL. */
const char *attempt_end_name(enum attempt_end end);

struct attempt {
    uint16_t n; /* position in the history, from 1 */
    enum attempt_end end;
    int64_t at_ms; /* when it started */
    uint32_t duration_us;
    uint64_t version;  /* of the handler */
    struct slice text; /* error with traceback; points into the store */
};

/* Appends; past HISTORY_MAX the second-oldest makes room (the first failure tells the most). */
int journal_history_add(struct journal *j, const struct event *event, const struct attempt *a);
/* The attempt after a->n; in/out, n = 0 to begin. ERR_NOTFOUND. */
int journal_history_next(struct journal *j, const struct event *event, struct attempt *a);
int journal_history_clear(struct journal *j, const struct event *event);

/* --- dead letters --- */

struct dead_row {
    uint8_t partition;
    uint16_t service;
    struct uuid id;
    int64_t dead_ms;
    uint64_t fingerprint; /* of the reason with its numbers and ids taken out: groups */
};

uint64_t journal_fingerprint(struct slice reason);
int journal_dead_put(struct journal *j, const struct dead_row *row);
int journal_dead_del(struct journal *j, const struct dead_row *row);
/* The next in key order after *row (zeroed at the start). ERR_NOTFOUND. */
int journal_dead_next(struct journal *j, struct dead_row *row);

/* --- dedupe --- */

struct dedupe_hash {
    uint8_t bytes[16];
};

enum {
    DEDUPE_SECRET_BYTES = 16,
    DEDUPE_OWN = 0x80 /* | partition: of a service that every host runs for itself, and so alone of
                         this store, wherever the partition goes */
};

/* Of another store. It counts as long as a bucket does that is filled up to until_ms. */
struct dedupe_secret {
    int64_t until_ms;
    uint8_t bytes[DEDUPE_SECRET_BYTES];
};

/* A keyed hash (SipHash, the key is the store's own secret, so nobody can aim for a collision). */
struct dedupe_hash journal_dedupe_hash(const struct journal *j, struct slice service,
                                       struct slice scope, struct slice key);
/* For a while a store may hold keys of other stores, hashed with their secrets: after a reshard.
 * Secret 0 is the store's own, which journal_dedupe_hash uses; how many there are. */
size_t journal_secret_count(const struct journal *j);
struct dedupe_hash journal_dedupe_hash_with(const struct journal *j, size_t secret,
                                            struct slice service, struct slice scope,
                                            struct slice key);
/* Looks the hash up in every live bucket; when it is new, notes it with `id` in the one being
 * filled. 0: new. ERR_EXISTS: *earlier is the event that had it. */
int journal_dedupe(struct journal *j, int64_t now_ms, uint8_t partition,
                   const struct dedupe_hash *hash, const struct uuid *id, struct uuid *earlier);

/* Gives back the room of keys whose time has run out, should nothing else come to do it. */
int journal_dedupe_trim(struct journal *j, int64_t now_ms);

/* The same as journal_dedupe with a mark beside the id: the hash of what came under the key, so
 * that something else under the same key can be told from a repetition. */
struct dedupe_note {
    struct uuid id;
    bool marked;
    struct dedupe_hash mark;
};

/* Only looks it up. ERR_NOTFOUND. */
int journal_dedupe_find(struct journal *j, int64_t now_ms, uint8_t partition,
                        const struct dedupe_hash *hash, struct dedupe_note *note);
/* ERR_EXISTS: *earlier is the note that stands. */
int journal_dedupe_marked(struct journal *j, int64_t now_ms, uint8_t partition,
                          const struct dedupe_hash *hash, const struct dedupe_note *note,
                          struct dedupe_note *earlier);

/* What was noted under the hash is as if it had never come. */
int journal_dedupe_forget(struct journal *j, int64_t now_ms, uint8_t partition,
                          const struct dedupe_hash *hash);

/* --- publishes asked for from outside --- */

/* What became of one, kept as long as an idempotency key: so that whoever asked for it can follow
 * it before it is an event, and where it never becomes one here. */
struct publish_note {
    uint64_t seq;         /* of its outbox row, while there is one */
    int64_t due_ms;       /* when it leaves; 0 = at once */
    int64_t cancelled_ms; /* when somebody took it back; 0 = nobody did */
};

int journal_publish_note_put(struct journal *j, int64_t now_ms, const struct uuid *id,
                             const struct publish_note *note);
/* ERR_NOTFOUND. */
int journal_publish_note_get(struct journal *j, int64_t now_ms, const struct uuid *id,
                             struct publish_note *out);
/* The note says from now on that the publish was taken back. ERR_NOTFOUND. */
int journal_publish_note_cancel(struct journal *j, int64_t now_ms, const struct uuid *id);

/* --- delayed publishes, schedules (journal/later.c) --- */

/* Where a delayed publish waits: what names its timer. */
struct delayed {
    uint8_t partition;
    bool by_wall; /* due_ms is of the wall clock */
    int64_t due_ms;
    uint64_t seq;
};

int journal_delayed_put(struct journal *j, const struct uuid *id, const struct delayed *delayed);
/* ERR_NOTFOUND. */
int journal_delayed_get(struct journal *j, const struct uuid *id, struct delayed *out);
/* ERR_NOTFOUND. */
int journal_delayed_del(struct journal *j, const struct uuid *id);
struct publication; /* below */
/* The one after *id, in the order of ids (zero at the start), and what it will publish; the slices
 * point into the store. ERR_NOTFOUND. */
int journal_delayed_next(struct journal *j, struct uuid *id, struct delayed *out,
                         struct publication *p);
/* How far a schedule has come. */
struct schedule_mark {
    int64_t settled_ms;          /* ticks up to here have run or were let go */
    int64_t ahead_ms;            /* what the wall clock it follows is ahead of engine time;
                                    INT64_MAX = a zingq of schema 2 wrote it */
    int64_t before_ms;           /* settled_ms by the wall clock before it stepped; 0 = none */
    int64_t before_ahead_ms;     /* ahead_ms of that */
    int64_t last_ms;             /* the tick of the last run; 0 = none yet */
    uint64_t runs;               /* since the store was made */
    struct uuid last_id;         /* of the last run's publish */
    struct slice cron, timezone; /* as they were then; once read they point into the store */
};

/* ERR_NOTFOUND. */
int journal_schedule_get(struct journal *j, const char *name, struct schedule_mark *out);
int journal_schedule_put(struct journal *j, const char *name, const struct schedule_mark *mark);
int journal_schedule_del(struct journal *j, const char *name);
/* The name of the schedule after `name` ("" = the first), into `name`. ERR_NOTFOUND. */
int journal_schedule_next(struct journal *j, char name[NAME_BYTES_MAX + 1]);

/* --- outbox --- */

/* A publish on its way: to services of this host, to the broker, or both. */
struct publication {
    struct uuid id;    /* zingq-id */
    struct uuid cause; /* zero = none */
    uint16_t hops;
    uint8_t qos;
    bool retain;
    struct slice topic; /* terminated once decoded */
    struct slice payload, key, content_type, response_topic, correlation;
    struct slice properties; /* user properties; in the outbox with ours added, ready to send */
    uint64_t owner;          /* lane of the event that published it; 0 = none: it holds nobody */
    int64_t refused_ms;      /* when the broker first refused it; 0 = it did not */
    uint8_t refused_reason;  /* of its PUBACK; 0 = it closed the connection, or cannot carry it; or
                                one of: */
#define REFUSED_CRASH 1      /* the host went down while it was sent */
#define REFUSED_CRASHES 2    /* more than once: only a person sends it again */
};

void publication_encode(const struct publication *p, struct buf *out);
/* Slices point into `record`. ERR_CORRUPT. */
int publication_decode(struct slice record, struct publication *out);

/* `record` is what publication_encode wrote. */
int journal_outbox_put(struct journal *j, uint64_t seq, struct slice record);
int journal_outbox_del(struct journal *j, uint64_t seq);
/* The first with a seq above *seq; in/out; the record points into the store. ERR_NOTFOUND. */
int journal_outbox_next(struct journal *j, uint64_t *seq, struct slice *record);

/* --- what belongs to other hosts (journal/forward.c) --- */

enum forward_kind { FORWARD_MESSAGE = 1, FORWARD_SIGNAL = 2 };

/* A message for a service, or a signal, on its way to the host that owns its partition. */
struct forward {
    enum forward_kind kind;
    uint8_t qos;          /* MESSAGE: it came with */
    bool retained;        /* the same */
    struct slice service; /* its name: numbers differ from host to host */
    struct slice key;
    struct slice topic;   /* MESSAGE; terminated once decoded */
    struct slice name;    /* SIGNAL */
    struct slice payload; /* SIGNAL: the value */
    struct slice content_type, response_topic, correlation, properties;
};

void forward_encode(const struct forward *f, struct buf *out);
/* Slices point into `record`. ERR_CORRUPT. */
int forward_decode(struct slice record, struct forward *out);

/* `record` is what forward_encode wrote. Within a partition rows are in the order of seq. */
int journal_forward_put(struct journal *j, uint8_t partition, uint64_t seq, struct slice record);
int journal_forward_del(struct journal *j, uint8_t partition, uint64_t seq);
/* The first of the partition with a seq above *seq; in/out; the record points into the store.
 * ERR_NOTFOUND. */
int journal_forward_next(struct journal *j, uint8_t partition, uint64_t *seq, struct slice *record);

/* The last forward of a source, a host's own id, that was taken into the partition; 0 = none. */
int journal_cursor_get(struct journal *j, uint8_t partition, const struct uuid *source,
                       uint64_t *seq);
int journal_cursor_put(struct journal *j, uint8_t partition, const struct uuid *source,
                       uint64_t seq);

/* --- timers --- */

enum timer_kind {
    TIMER_EVENT = 1,   /* an event's next attempt: row */
    TIMER_LOCK = 2,    /* a lock runs out: service, key, name */
    TIMER_STATE = 3,   /* a state value runs out: the same */
    TIMER_PUBLISH = 4, /* a delayed publish: seq names it, record holds it */
    TIMER_SIGNAL = 5,  /* a signal nobody waited for: service, key, name, seq */
};

struct timer {
    enum timer_kind kind;
    uint8_t partition;
    bool by_wall;           /* due_ms is of the wall clock, not engine time */
    int64_t due_ms;         /* above 0 */
    struct row row;         /* TIMER_EVENT (service, lane, seq, id) */
    uint16_t service;       /* TIMER_LOCK, TIMER_STATE, TIMER_SIGNAL */
    struct slice key, name; /* the same; once read they point into the store */
    uint64_t seq;           /* TIMER_PUBLISH, TIMER_SIGNAL */
    struct slice record;    /* TIMER_PUBLISH: a publication encoded */
};

int journal_timer_put(struct journal *j, const struct timer *timer);
/* ERR_NOTFOUND when there was none. */
int journal_timer_del(struct journal *j, const struct timer *timer);
/* The earliest timer of the partition by that clock, whatever its due time. ERR_NOTFOUND. */
int journal_timer_first(struct journal *j, uint8_t partition, bool by_wall, struct timer *out);
/* The record of a TIMER_PUBLISH; points into the store. ERR_NOTFOUND. */
int journal_timer_record(struct journal *j, const struct timer *timer, struct slice *record);
/* How many timers of the kind there are; looks at every row. */
int journal_timer_count(struct journal *j, enum timer_kind kind, uint64_t *count);

/* --- keyed state and locks --- */

/* Names (service, key) and, for one value, `name`. */
struct cell {
    uint8_t partition;
    uint16_t service;
    struct slice key, name;
};

/* A value whose time has run out is not found. */
int journal_state_get(struct journal *j, const struct cell *cell, int64_t now_ms,
                      struct slice *value, int64_t *expires_ms);
/* The same for a handler, which must not take what cannot be read for nothing: ERR_CORRUPT. */
int journal_state_read(struct journal *j, const struct cell *cell, int64_t now_ms,
                       struct slice *value, int64_t *expires_ms);
int journal_state_put(struct journal *j, const struct cell *cell, struct slice value,
                      int64_t expires_ms);
int journal_state_del(struct journal *j, const struct cell *cell);
/* The next cell of (service, key) whose name begins with `prefix` and sorts after cell->name
 * (len 0: the first); in/out, the name points into the store. ERR_NOTFOUND. */
int journal_state_next(struct journal *j, struct cell *cell, struct slice prefix, int64_t now_ms,
                       struct slice *value);

struct lock {
    struct slice owner, data;
    struct slice topic; /* of the event that took it: a dead letter made at its expiry carries it */
    int64_t expires_ms; /* 0 = never */
};

/* A lock is found as long as its record exists, whether its time has run out or not. ERR_NOTFOUND.
 */
int journal_lock_get(struct journal *j, const struct cell *cell, struct lock *out);
/* The same for a handler: ERR_CORRUPT. */
int journal_lock_read(struct journal *j, const struct cell *cell, struct lock *out);
int journal_lock_put(struct journal *j, const struct cell *cell, const struct lock *lock);
int journal_lock_del(struct journal *j, const struct cell *cell);

/* Any cell of state or locks, in key order, for `zingq state list`: the one after *cell (zeroed at
 * the start). `table` is TABLE_STATE or TABLE_LOCK. ERR_NOTFOUND. */
int journal_cell_scan(struct journal *j, enum store_table table, struct cell *cell,
                      struct slice *value);

/* --- steps: what an event has done for good --- */

/* ERR_NOTFOUND. The value points into the store, the name is the one asked for. */
int journal_step_get(struct journal *j, const struct event *event, enum step_kind kind,
                     struct slice name, struct step *out);
/* The same for a handler: ERR_CORRUPT. */
int journal_step_read(struct journal *j, const struct event *event, enum step_kind kind,
                      struct slice name, struct step *out);
int journal_step_put(struct journal *j, const struct event *event, const struct step *step);
/* ERR_NOTFOUND when there was none. */
int journal_step_del(struct journal *j, const struct event *event, enum step_kind kind,
                     struct slice name);
/* The next in the order of kind and name after *step (name.data NULL = the first); in/out.
 * ERR_NOTFOUND. */
int journal_step_next(struct journal *j, const struct event *event, struct step *step);
/* All of them. */
int journal_step_clear(struct journal *j, const struct event *event);

/* --- signals, and who waits for them --- */

/* The cell's name is the signal's. Signals of one cell are taken in the order of their seq. */
int journal_signal_put(struct journal *j, const struct cell *cell, uint64_t seq, struct slice value,
                       int64_t expires_ms);
/* ERR_NOTFOUND when it was not there (any more). */
int journal_signal_del(struct journal *j, const struct cell *cell, uint64_t seq);
/* The oldest of the cell whose seq is above *seq (in/out) that has not run out. ERR_NOTFOUND. */
int journal_signal_next(struct journal *j, const struct cell *cell, int64_t now_ms, uint64_t *seq,
                        struct slice *value);

/* Any signal kept under the cell's key, in the order of name and seq: the one after (cell->name,
 * *seq), name.data NULL at the start. The name points into the store then. ERR_NOTFOUND. */
int journal_signal_scan(struct journal *j, struct cell *cell, uint64_t *seq, int64_t *expires_ms,
                        struct slice *value);

/* An event that waits; row.seq orders those of one cell. */
struct waiter {
    struct row row;     /* of the event */
    struct slice label; /* of its step record; points into the store once read */
};

int journal_waiter_put(struct journal *j, const struct cell *cell, const struct waiter *waiter);
int journal_waiter_del(struct journal *j, const struct cell *cell, uint64_t seq);
/* The one that has waited longest. ERR_NOTFOUND. */
int journal_waiter_first(struct journal *j, const struct cell *cell, struct waiter *out);

/* --- lines for files --- */

/* One row a line; seq orders the lines of a partition. */
int journal_append_put(struct journal *j, uint8_t partition, uint64_t seq, struct slice file,
                       struct slice line);
int journal_append_del(struct journal *j, uint8_t partition, uint64_t seq);
int journal_append_next(struct journal *j, uint8_t *partition, uint64_t *seq, struct slice *file,
                        struct slice *line);

#endif
