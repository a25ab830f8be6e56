/*
 * dedupe.h - which events, and publishes asked for from outside, are known already. Part of the journal
 * (journal.h): within the store's transaction under way.
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

#endif
