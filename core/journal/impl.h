/*
 * impl.h - what the journal's files share; nobody else includes it.
 */
#ifndef ZINGQ_JOURNAL_IMPL_H
#define ZINGQ_JOURNAL_IMPL_H

#include "journal/journal.h"
#include "journal/dedupe.h"
#include "journal/kept.h"
#include "base/memory.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

struct dedupe_bucket {
    int64_t until_ms; /* keys noted in it came before; 0 = never used */
};

enum { DEDUPE_KEY_BYTES = 17 };

/* How far an expired bucket has been searched for keys of events that have not ended. */
struct dedupe_sweep {
    bool begun;
    size_t bucket;
    uint8_t at[DEDUPE_KEY_BYTES]; /* the last row looked at; zeroed at first */
};

struct broken_row;
struct recent;
struct filters;

/* The flag that says whether what services keep has been counted; 1: all but their letters. */
#define KEPT_FLAG "kept"
enum { KEPT_WITH_LETTERS = 2 };

/* What a service keeps: journal/kept.c. */
struct kept {
    uint64_t bytes[KEPT_KINDS];
    bool dirty; /* not stored yet */
};

struct journal {
    struct store *store;
    char host_id[UUID_TEXT_BYTES + 1];
    uint8_t secret[DEDUPE_SECRET_BYTES]; /* keys the dedupe hash */
    struct dedupe_secret *secrets;       /* of other stores; NULL until there is one */
    size_t secret_count;
    char **names;   /* service names by number */
    char **origins; /* their first names, where those are others; else NULL */
    uint16_t name_count;
    uint64_t seq;               /* the last one given out */
    int64_t keep_ms, bucket_ms; /* the longest of all services */
    struct dedupe_bucket buckets[DEDUPE_BUCKETS];
    struct dedupe_sweep sweep;
    struct recent *recent;   /* NULL until one is needed */
    struct filters *filters; /* NULL until then, too */
    struct memory *memory;   /* what filters take; NULL = any */
    struct kept *kept;       /* by the service's number */
    size_t kept_count;
    uint64_t kept_by_all[KEPT_KINDS];
    bool kept_counted;
    bool old_events;           /* a reader's: events have the keys of schema 3 */
    struct buf record;         /* for encoding one record; reused */
    struct broken_row *broken; /* BROKEN_ROWS_MAX; NULL until one is found */
    size_t broken_count;
};

/* Where a timer's partition is named: its due time is of the wall clock. */
enum { BY_WALL = 0x80 };
static_assert((int)PARTITIONS <= (int)BY_WALL, "a partition leaves the bit free");

static inline uint8_t timer_shelf(uint8_t partition, bool by_wall) {
    return by_wall ? partition | BY_WALL : partition;
}

/* Ids have 48 bits for a time; what lies beyond is damage. */
static inline bool is_time(int64_t ms) {
    const int64_t most = INT64_C(1) << 48;
    return ms > -most && ms < most;
}

/* A store key being built: 511 bytes are LMDB's maximum. */
struct key {
    uint8_t bytes[511];
    size_t len;
};

static inline void key_u8(struct key *k, uint8_t v) {
    k->bytes[k->len++] = v;
}

static inline void key_fixed(struct key *k, const void *bytes, size_t len) {
    memcpy(k->bytes + k->len, bytes, len);
    k->len += len;
}

static inline void key_u16(struct key *k, uint16_t v) {
    const uint16_t be = htobe16(v);
    key_fixed(k, &be, sizeof be);
}

static inline void key_u64(struct key *k, uint64_t v) {
    const uint64_t be = htobe64(v);
    key_fixed(k, &be, sizeof be);
}

static inline void key_uuid(struct key *k, const struct uuid *id) {
    key_fixed(k, id->bytes, UUID_BYTES);
}

/* False when the bytes do not fit a key. */
bool key_bytes(struct key *k, struct slice s);
/* The key of a row in the store, which always fits. */
void key_set(struct key *k, struct slice row);

static inline struct slice key_slice(const struct key *k) {
    return (struct slice){(const char *)k->bytes, k->len};
}

/* The next 16 bytes; zero when the reader has failed. */
struct uuid read_uuid(struct reader *r);

/* ERR_MEMORY when the record in hand could not be built, else writes it under the key. */
int journal_put_record(struct journal *j, enum store_table t, const struct key *k);
/* The same in TABLE_META. */
int journal_put_meta(struct journal *j, const char *name);

/* The row after `from` within the prefix (the first prefix_len bytes of from). ERR_NOTFOUND. */
int journal_seek_prefix(struct journal *j, enum store_table t, const struct key *from,
                        size_t prefix_len, bool after, struct slice *key, struct slice *value);

/* Whether the key is longer than the prefix and begins with it. */
bool journal_key_begins(struct slice key, const char *prefix);

/* --- records that do not decode: journal/aside.c --- */

struct broken_row {
    enum store_table table;
    struct key key;
    uint64_t sum; /* of the value */
};

/* Logs the row, once, and notes that it is to be set aside. */
void journal_broken(struct journal *j, enum store_table t, struct slice key, struct slice value);

/* Reads a row; slices in `out` may point into the store. ERR_CORRUPT: it does not decode. */
typedef int journal_taker(struct slice key, struct slice value, void *out);

/* The row of that key. One that does not decode is noted, and ERR_NOTFOUND. */
int journal_take(struct journal *j, enum store_table t, const struct key *k, journal_taker *take,
                 void *out);
/* `code` of journal_take; ERR_CORRUPT instead of ERR_NOTFOUND when the row does not decode. */
int journal_if_broken(const struct journal *j, enum store_table t, const struct key *k, int code);
/* The row after `k`, or at it, within the prefix, as journal_seek_prefix; rows that do not decode
 * are noted and skipped. `k` may be overwritten. */
int journal_take_next(struct journal *j, enum store_table t, struct key *k, size_t prefix_len,
                      bool after, journal_taker *take, void *out);
/* Whether a row decodes: 0, ERR_CORRUPT, ERR_MEMORY. Each file's own tables. */
int journal_check_meta(struct slice key, struct slice value);
int journal_check_event(enum store_table t, struct slice key, struct slice value);
int journal_check_place(enum store_table t, struct slice key, struct slice value);
int journal_check_dead(struct slice key, struct slice value);
int journal_check_letter(struct slice key, struct slice value);
int journal_check_keyed(enum store_table t, struct slice key, struct slice value);
int journal_check_dedupe(enum store_table t, struct slice key, struct slice value);
int journal_check_aside(struct slice key, struct slice value);
int journal_check_step(enum store_table t, struct slice key, struct slice value);
int journal_check_later(enum store_table t, struct slice key, struct slice value);
int journal_check_forward(enum store_table t, struct slice key, struct slice value);
int journal_check_outbox(enum store_table t, struct slice key, struct slice value);
struct row;
struct event_place;
struct letter_row;

/* --- keys of events, and of what belongs to them: journal/event_key.c --- */

/* partition8 id128 service16 lead the keys of an event's history and steps, and were its own key
 * before schema 4; today that has the group in the partition's place, and the partition behind. */
enum { OWNER_ID_AT = 1, OWNER_SERVICE_AT = OWNER_ID_AT + UUID_BYTES };
enum { OWNER_KEY_BYTES = OWNER_SERVICE_AT + sizeof(uint16_t), EVENT_KEYS_SCHEMA = 4 };

/* Begins the key. */
void journal_owner_key(struct key *k, uint8_t partition, const struct uuid *id, uint16_t service);
/* Cuts it off the key of what belongs to an event; *rest is what follows. False: there is none, or it
 * is in no partition. */
bool journal_take_owner_key(struct slice key, struct reader *rest);
/* Of an event, or where a walk of the group is. */
void journal_event_key_in(const struct journal *j, struct key *k, uint8_t group,
                          const struct event_place *place);
void journal_event_key(const struct journal *j, struct key *k, uint8_t partition,
                       const struct uuid *id, uint16_t service);
/* Reads a key, also one of schema 3. False: it is no key of an event. */
bool journal_take_event_key(struct slice key, struct event_place *out);
/* Whether the key is one of schema 3. */
bool journal_event_is_old(struct slice key);
/* 0: the key is of the form that this journal's events have, so that a walk goes on from it.
 * ERR_CORRUPT; ERR_SCHEMA, of a reader: a host that was started since gives events their keys. */
int journal_event_key_fits(const struct journal *j, struct slice key);
/* The group whose events get their keys next, EVENT_GROUPS when all have them. */
int journal_regrouped(struct journal *j, unsigned *group);
/* Gives events of schema 3 their keys, a part in each transaction; a start after a crash goes on
 * with it. Begins and ends its own transactions. */
int journal_regroup_events(struct journal *j);

/* INV-JOURNAL-2: the row is in the partition of its lane, and says what rows say. */
bool journal_row_is_sound(const struct row *row);

/* --- what is cached of the meta rows: journal/meta.c, journal/dedupe.c --- */

/* The meta row of that name, as journal_take. */
int journal_meta_take(struct journal *j, const char *name, journal_taker *take, void *out);
int journal_load_names(struct journal *j);
/* As many names, all unknown. ERR_MEMORY. */
int journal_forget_names(struct journal *j, uint16_t count);
/* `origin` "" or the name itself: the service has its first name. ERR_MEMORY. */
int journal_note_name(struct journal *j, uint16_t number, const char *name, const char *origin);
void journal_free_names(struct journal *j);
int journal_load_seq(struct journal *j);
int journal_load_buckets(struct journal *j);
/* INV-JOURNAL-15: whether the row has a number that was not given out yet. That is damage, since
 * all that comes would stand before the row: it is noted. A little ahead, the number counts as
 * given out. Who reads beside the host knows the numbers of when it began: nothing is ahead. */
bool journal_is_ahead(struct journal *j, enum store_table t, const struct key *k, uint64_t seq);
/* What the services keep, as far as the store says. */
int journal_load_kept(struct journal *j);
/* Writes and deletes a row that is counted. */
int journal_kept_put(struct journal *j, enum kept_kind kind, enum store_table t,
                     const struct key *k, struct slice value);
int journal_kept_del(struct journal *j, enum kept_kind kind, enum store_table t,
                     const struct key *k);
/* A row that is there is counted. */
int journal_kept_row(struct journal *j, enum kept_kind kind, enum store_table t, struct slice key,
                     struct slice value);
/* A row of TABLE_LETTER was written, or deleted. */
int journal_kept_letter(struct journal *j, const struct letter_row *row, bool added);
int journal_check_kept(struct slice value);
/* The secrets of other stores, as the rows have them. */
int journal_load_secrets(struct journal *j);
/* If exactly one row with that prefix, a service's number, could not be read, and exactly one
 * number has no name, they belong together: both are repaired. */
int journal_mend_name(struct journal *j, struct slice prefix);

#endif
