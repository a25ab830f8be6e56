/*
 * dedupe.h - which events, and publishes requested from outside, are already known. Part of the
 * journal (journal.h): inside the current store transaction.
 */
#ifndef ZINGQ_JOURNAL_DEDUPE_H
#define ZINGQ_JOURNAL_DEDUPE_H

#include "journal/journal.h"

/* --- dedupe --- */

struct dedupe_hash {
    uint8_t bytes[16];
};

enum {
    DEDUPE_SECRET_BYTES = 16,
    DEDUPE_OWN = 0x80 /* | partition: of a service that every host runs for itself, and so alone of
                         this store, wherever the partition goes */
};

/* The secret of another store. It is valid as long as a bucket filled up to until_ms. */
struct dedupe_secret {
    int64_t until_ms;
    uint8_t bytes[DEDUPE_SECRET_BYTES];
};

/* A keyed hash (SipHash; the key is the store's own secret, so collisions cannot be forced). */
struct dedupe_hash journal_dedupe_hash(const struct journal *j, struct slice service,
                                       struct slice scope, struct slice key);
/* The number of secrets. After a reshard a store temporarily has keys of other stores, hashed with
 * their secrets. Secret 0 is the store's own, which journal_dedupe_hash uses. */
size_t journal_secret_count(const struct journal *j);
struct dedupe_hash journal_dedupe_hash_with(const struct journal *j, size_t secret,
                                            struct slice service, struct slice scope,
                                            struct slice key);
/* How long a key counts: for keep_ms, and in any case until the event that has it has ended. */
struct dedupe_time {
    int64_t now_ms, keep_ms;
};

/* Looks the hash up; when it is new, notes it with `id`. 0: new. ERR_EXISTS: *earlier is the event
 * that had it. */
int journal_dedupe(struct journal *j, struct dedupe_time time, uint8_t partition,
                   const struct dedupe_hash *hash, const struct uuid *id, struct uuid *earlier);

/* Frees the space of expired keys, and puts those noted lately in order; looks at so many rows at
 * most, or at two for each key noted since. *next_ms: when there is more to do; now if
 * journal_dedupe_is_behind. */
bool journal_dedupe_is_behind(const struct journal *j);
int journal_dedupe_trim(struct journal *j, int64_t now_ms, size_t rows, int64_t *next_ms);

/* The same as journal_dedupe with a mark in addition to the id: the hash of the content sent under
 * the key, so that other content under the same key can be distinguished from a repetition. */
struct dedupe_note {
    struct uuid id;
    bool marked;
    struct dedupe_hash mark;
    int64_t noted_ms; /* out; 0 = unknown */
};

/* Looks it up without noting it. ERR_NOTFOUND. */
int journal_dedupe_find(struct journal *j, struct dedupe_time time, uint8_t partition,
                        const struct dedupe_hash *hash, struct dedupe_note *note);
/* ERR_EXISTS: *earlier is the existing note. */
int journal_dedupe_marked(struct journal *j, struct dedupe_time time, uint8_t partition,
                          const struct dedupe_hash *hash, const struct dedupe_note *note,
                          struct dedupe_note *earlier);

/* Forgets the note under the hash, as if the key had never been used. */
int journal_dedupe_forget(struct journal *j, struct dedupe_time time, uint8_t partition,
                          const struct dedupe_hash *hash);

/* --- publishes asked for from outside --- */

/* The outcome of one, kept as long as an idempotency key, so that its sender can follow it before
 * it becomes an event, and if it never becomes one here. */
struct publish_note {
    uint64_t seq;         /* of its outbox row, while there is one */
    int64_t due_ms;       /* when it leaves; 0 = at once */
    int64_t cancelled_ms; /* when it was cancelled; 0 = it was not */
};

int journal_publish_note_put(struct journal *j, int64_t now_ms, const struct uuid *id,
                             const struct publish_note *note);
/* ERR_NOTFOUND. */
int journal_publish_note_get(struct journal *j, int64_t now_ms, const struct uuid *id,
                             struct publish_note *out);
/* Records in the note that the publish was cancelled. ERR_NOTFOUND. */
int journal_publish_note_cancel(struct journal *j, int64_t now_ms, const struct uuid *id);

#endif
