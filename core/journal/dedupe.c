/*
 * dedupe.c - idempotency keys, and the results of publishes that were requested from outside.
 *
 * A new key is first among those noted lately (journal/recent.c), and goes on from there, together
 * with others, into a bucket: one of DEDUPE_BUCKETS tables that are filled one after another, for an
 * eighth of the longest keep_idempotency each. When all keys of a table have expired, the whole
 * table is emptied: no row is ever deleted alone. Only the keys of events that have not ended go
 * over into the table being filled, so before a table is emptied its rows are looked at, some in
 * each turn; unless nothing waits in the whole store.
 *
 *   dedupe<i>  u8 partition | hash128  -> see journal/note.c
 *   meta "dedupe"                      -> i64 until_ms * DEDUPE_BUCKETS
 *
 * A note without noted_ms counts from the end of its bucket's time.
 */
#include "journal/impl.h"

#include "journal/move.h"
#include "journal/filters.h"
#include "journal/dedupe.h"
#include "journal/recent.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SWEEP_PAUSE_MS = 10, SWEEP_REST_MS = 60000 }; /* between looks, or when nothing is expired */

/* --- buckets --- */

static int take_buckets(struct slice key, struct slice value, void *out) {
    struct dedupe_bucket *buckets = out;
    struct reader r = reader_of(value.data, value.len);
    (void)key;
    for (size_t i = 0; i < DEDUPE_BUCKETS; i++) {
        buckets[i].until_ms = (int64_t)read_u64(&r);
    }
    return r.failed ? ERR_CORRUPT : 0;
}

int journal_load_buckets(struct journal *j) {
    int code = journal_meta_take(j, "dedupe", take_buckets, j->buckets);
    j->sweep.begun = false; /* what it carried over may be lost */
    recent_forget(j);
    filters_forget(j);
    if (code == ERR_NOTFOUND) {
        memset(j->buckets, 0, sizeof j->buckets);
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int mark_buckets(struct journal *j) {
    buf_reset(&j->record);
    for (size_t i = 0; i < DEDUPE_BUCKETS; i++) {
        buf_add_u64(&j->record, (uint64_t)j->buckets[i].until_ms);
    }
    return journal_put_meta(j, "dedupe");
}

void journal_buckets_get(const struct journal *j, int64_t until_ms[DEDUPE_BUCKETS]) {
    for (size_t i = 0; i < DEDUPE_BUCKETS; i++) {
        until_ms[i] = j->buckets[i].until_ms;
    }
}

int journal_buckets_put(struct journal *j, const int64_t until_ms[DEDUPE_BUCKETS]) {
    for (size_t i = 0; i < DEDUPE_BUCKETS; i++) {
        j->buckets[i].until_ms = until_ms[i];
    }
    return mark_buckets(j);
}

static int empty_bucket(struct journal *j, size_t bucket) {
    filters_drop(j, bucket);
    return store_empty(j->store, TABLE_DEDUPE + bucket);
}

static bool is_expired(const struct journal *j, size_t bucket, int64_t now_ms) {
    return j->buckets[bucket].until_ms + j->keep_ms <= now_ms;
}

static bool is_used(const struct journal *j, size_t bucket) {
    return j->buckets[bucket].until_ms != 0;
}

/* False: no event of the store is still to run, so that no key is held by one. */
static bool something_waits(struct journal *j) {
    return store_rows(j->store, TABLE_READY) + store_rows(j->store, TABLE_LANE) > 0;
}

/* The bucket being filled. When its time is over, a new one is started in place of the oldest. A
 * bucket whose keys are still needed (keep_idempotency was shortened, or an event may hold one) is
 * never reused: then the newest one is kept longer. */
static int filling_bucket(struct journal *j, int64_t now_ms, size_t *out) {
    size_t newest = 0;
    size_t oldest = 0;
    for (size_t i = 1; i < DEDUPE_BUCKETS; i++) {
        newest = j->buckets[i].until_ms > j->buckets[newest].until_ms ? i : newest;
        oldest = j->buckets[i].until_ms < j->buckets[oldest].until_ms ? i : oldest;
    }
    *out = newest;
    if (j->buckets[newest].until_ms > now_ms) {
        return 0;
    }
    if (!is_used(j, oldest)) {
        *out = oldest;
    } else if (is_expired(j, oldest, now_ms) && !something_waits(j)) {
        int code = empty_bucket(j, oldest);
        if (code != 0) {
            return code;
        }
        *out = oldest;
    }
    j->buckets[*out].until_ms = now_ms + j->bucket_ms;
    return mark_buckets(j);
}

/* --- keys --- */

static struct key dedupe_key(uint8_t partition, const struct dedupe_hash *hash) {
    struct key k = {.len = 0};
    key_u8(&k, partition);
    (void)key_bytes(&k, (struct slice){(const char *)hash->bytes, sizeof hash->bytes});
    return k;
}

/* The row in the bucket. ERR_NOTFOUND. */
static int take_from_bucket(struct journal *j, size_t bucket, const struct key *k,
                            struct dedupe_note *note) {
    int code = is_used(j, bucket) && filters_may_have(j, bucket, k)
                   ? journal_take(j, TABLE_DEDUPE + bucket, k, journal_take_note, note)
                   : ERR_NOTFOUND;
    if (code == 0 && note->noted_ms == 0) {
        note->noted_ms = j->buckets[bucket].until_ms;
    }
    return code;
}

/* The note of that key that counts. ERR_NOTFOUND. */
static int find_note(struct journal *j, struct dedupe_time time, const struct key *k,
                     struct note_place *at, struct dedupe_note *note) {
    int code = recent_find(j, time, k, at, note);
    for (size_t i = 0; code == ERR_NOTFOUND && i < DEDUPE_BUCKETS; i++) {
        *at = (struct note_place){.table = TABLE_DEDUPE + i, .row = *k};
        code = take_from_bucket(j, i, k, note);
        code = code == 0 ? journal_note_counts(j, time, k, note) : code;
    }
    return code;
}

int journal_dedupe_find(struct journal *j, struct dedupe_time time, uint8_t partition,
                        const struct dedupe_hash *hash, struct dedupe_note *note) {
    struct key k = dedupe_key(partition, hash);
    struct note_place at;
    return find_note(j, time, &k, &at, note);
}

int journal_dedupe_forget(struct journal *j, struct dedupe_time time, uint8_t partition,
                          const struct dedupe_hash *hash) {
    struct key k = dedupe_key(partition, hash);
    struct dedupe_note note;
    struct note_place at;
    int code = find_note(j, time, &k, &at, &note);
    if (code == 0) {
        code = store_del(j->store, at.table, key_slice(&at.row));
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* The secrets of other stores are kept as long as a key may be hashed with them. */
static int keep_secrets(struct journal *j, int64_t until_ms) {
    int code = 0;
    for (size_t n = 1; code == 0 && n <= j->secret_count; n++) {
        if (j->secrets[n - 1].until_ms < until_ms) {
            j->secrets[n - 1].until_ms = until_ms;
            code = journal_secret_write(j, n);
        }
    }
    return code;
}

/* Writes the note into the bucket being filled, unless a later one is there. */
static int put_into_bucket(struct journal *j, int64_t now_ms, const struct key *k,
                           const struct dedupe_note *note) {
    size_t filling;
    struct dedupe_note there;
    int code = filling_bucket(j, now_ms, &filling);
    if (code != 0) {
        return code;
    }
    code = take_from_bucket(j, filling, k, &there);
    if (code != ERR_NOTFOUND && (code != 0 || there.noted_ms >= note->noted_ms)) {
        return code;
    }
    filters_note(j, filling, k);
    code = journal_write_note(j, TABLE_DEDUPE + filling, k, note);
    return code == 0 ? keep_secrets(j, j->buckets[filling].until_ms) : code;
}

int journal_dedupe_marked(struct journal *j, struct dedupe_time time, uint8_t partition,
                          const struct dedupe_hash *hash, const struct dedupe_note *note,
                          struct dedupe_note *earlier) {
    struct key k = dedupe_key(partition, hash);
    struct note_place at;
    size_t filling; /* there is one whose time has not come, as for every key that is noted */
    int code = filling_bucket(j, time.now_ms, &filling);
    code = code == 0 ? find_note(j, time, &k, &at, earlier) : code;
    if (code != ERR_NOTFOUND) {
        return code == 0 ? ERR_EXISTS : code;
    }
    struct dedupe_note noted = *note;
    noted.noted_ms = time.now_ms;
    code = recent_add(j, &k, &noted);
    return code == ERR_LIMIT ? put_into_bucket(j, time.now_ms, &k, &noted) : code;
}

int journal_dedupe(struct journal *j, struct dedupe_time time, uint8_t partition,
                   const struct dedupe_hash *hash, const struct uuid *id, struct uuid *earlier) {
    const struct dedupe_note note = {.id = *id};
    struct dedupe_note found;
    int code = journal_dedupe_marked(j, time, partition, hash, &note, &found);
    if (code == ERR_EXISTS) {
        *earlier = found.id;
    }
    return code;
}

/* --- the end of their time --- */

/* Lets the key of an event that has not ended go over into the bucket being filled. *stays: that is
 * this one, which is filled again. */
static int carry_over(struct journal *j, int64_t now_ms, const struct key *k,
                      const struct dedupe_note *note, bool *stays) {
    size_t filling;
    int code = filling_bucket(j, now_ms, &filling);
    *stays = filling == j->sweep.bucket;
    return code != 0 || *stays ? code : put_into_bucket(j, now_ms, k, note);
}

/* Looks at the next row. *ends: there is none. Notes about publishes come last, and are not
 * held. */
static int sweep_row(struct journal *j, int64_t now_ms, bool *ends, bool *stays) {
    struct key k = {.len = 0};
    struct slice key;
    struct slice value;
    struct dedupe_note note;
    (void)key_bytes(&k, (struct slice){(const char *)j->sweep.at, DEDUPE_KEY_BYTES});
    int code = journal_seek_prefix(j, TABLE_DEDUPE + j->sweep.bucket, &k, 0, true, &key, &value);
    *ends = code == ERR_NOTFOUND || (code == 0 && (uint8_t)key.data[0] == UINT8_MAX);
    if (code != 0 || *ends) {
        return *ends ? 0 : code;
    }
    key_set(&k, key);
    memset(j->sweep.at, UINT8_MAX, sizeof j->sweep.at); /* past a key that is no key */
    memcpy(j->sweep.at, k.bytes, k.len < sizeof j->sweep.at ? k.len : sizeof j->sweep.at);
    if (journal_take_note(key, value, &note) != 0) {
        return 0;
    }
    code = journal_note_find_holder(j, &k, &note);
    if (code != 0) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    note.noted_ms = note.noted_ms != 0 ? note.noted_ms : j->buckets[j->sweep.bucket].until_ms;
    return carry_over(j, now_ms, &k, &note, stays);
}

/* *done: no key in the bucket is needed any more. */
static int sweep(struct journal *j, int64_t now_ms, size_t bucket, size_t rows, bool *done) {
    bool stays = false;
    int code = 0;
    *done = !something_waits(j);
    if (!j->sweep.begun || j->sweep.bucket != bucket) {
        j->sweep = (struct dedupe_sweep){.begun = true, .bucket = bucket};
    }
    for (size_t i = 0; code == 0 && !*done && !stays && i < rows; i++) {
        code = sweep_row(j, now_ms, done, &stays);
    }
    j->sweep.begun = code == 0 && !*done && !stays;
    return code;
}

static int trim_bucket(struct journal *j, int64_t now_ms, size_t bucket, size_t rows) {
    bool done;
    int code = sweep(j, now_ms, bucket, rows, &done);
    if (code != 0 || !done) {
        return code;
    }
    code = empty_bucket(j, bucket);
    j->buckets[bucket].until_ms = 0;
    return code == 0 ? mark_buckets(j) : code;
}

/* Lets keys that were noted lately go on into the bucket being filled. */
static int fill_bucket(struct journal *j, int64_t now_ms, size_t rows) {
    const struct dedupe_time time = {.now_ms = now_ms, .keep_ms = j->keep_ms};
    struct key k;
    struct dedupe_note note;
    int code = 0;
    rows = recent_rows_due(j, rows);
    for (size_t i = 0; code == 0 && i < rows; i++) {
        code = recent_go_on(j, now_ms, j->bucket_ms, &k, &note);
        if (code != 0) {
            break;
        }
        code = journal_note_counts(j, time, &k, &note);
        code = code == 0 ? put_into_bucket(j, now_ms, &k, &note) : code == ERR_NOTFOUND ? 0 : code;
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* One bucket, or one secret, at a time. *next_ms is later if there is no more to do. */
static int empty_buckets(struct journal *j, int64_t now_ms, size_t rows, int64_t *next_ms) {
    for (size_t i = 0; i < DEDUPE_BUCKETS; i++) {
        if (is_used(j, i) && is_expired(j, i, now_ms)) {
            return trim_bucket(j, now_ms, i, rows);
        }
    }
    for (size_t n = 1; n <= j->secret_count; n++) {
        if (j->secrets[n - 1].until_ms + j->keep_ms <= now_ms) {
            return journal_secret_drop(j, n);
        }
    }
    *next_ms = now_ms + (j->bucket_ms < SWEEP_REST_MS ? j->bucket_ms : SWEEP_REST_MS);
    for (size_t i = 0; i < DEDUPE_BUCKETS; i++) {
        int64_t end_ms = j->buckets[i].until_ms + j->keep_ms;
        *next_ms = is_used(j, i) && end_ms < *next_ms ? end_ms : *next_ms;
    }
    return 0;
}

bool journal_dedupe_is_behind(const struct journal *j) {
    return recent_is_full(j);
}

int journal_dedupe_trim(struct journal *j, int64_t now_ms, size_t rows, int64_t *next_ms) {
    int64_t pause_ms = now_ms + SWEEP_PAUSE_MS;
    size_t filter_rows = store_changed(j->store) ? FILTER_ROWS : FILTER_ROWS_IDLE;
    *next_ms = pause_ms;
    int code = fill_bucket(j, now_ms, rows);
    code = code == 0 ? empty_buckets(j, now_ms, rows, next_ms) : code;
    bool more = false;
    code = code == 0 ? filters_read(j, filter_rows, &more) : code;
    *next_ms = more && pause_ms < *next_ms ? pause_ms : *next_ms;
    int64_t due_ms = recent_due_ms(j, now_ms, j->bucket_ms);
    due_ms = due_ms < pause_ms ? pause_ms : due_ms;
    *next_ms = due_ms < *next_ms ? due_ms : *next_ms;
    return code;
}

/* --- publishes requested from outside --- */

/* A partition that no key has. Ids sort by time, so rows are appended. */
static struct key publish_note_key(const struct uuid *id) {
    struct key k = {.len = 0};
    key_u8(&k, UINT8_MAX);
    key_uuid(&k, id);
    return k;
}

static int take_publish_note(struct slice key, struct slice value, void *out) {
    struct publish_note *note = out;
    struct reader r = reader_of(value.data, value.len);
    note->seq = read_u64(&r);
    note->due_ms = (int64_t)read_u64(&r);
    note->cancelled_ms = r.at < r.end ? (int64_t)read_u64(&r) : 0; /* older notes end here */
    return r.failed || r.at != r.end || key.len != DEDUPE_KEY_BYTES ? ERR_CORRUPT : 0;
}

/* The note about the publish in any bucket that still counts. ERR_NOTFOUND. */
static int find_publish_note(struct journal *j, int64_t now_ms, const struct key *k, size_t *bucket,
                             struct publish_note *out) {
    for (*bucket = 0; *bucket < DEDUPE_BUCKETS; ++*bucket) {
        if (!is_used(j, *bucket) || is_expired(j, *bucket, now_ms) ||
            !filters_may_have(j, *bucket, k)) {
            continue;
        }
        int code = journal_take(j, TABLE_DEDUPE + *bucket, k, take_publish_note, out);
        if (code != ERR_NOTFOUND) {
            return code;
        }
    }
    return ERR_NOTFOUND;
}

static int write_publish_note(struct journal *j, size_t bucket, const struct key *k,
                              const struct publish_note *note) {
    buf_reset(&j->record);
    buf_add_u64(&j->record, note->seq);
    buf_add_u64(&j->record, (uint64_t)note->due_ms);
    buf_add_u64(&j->record, (uint64_t)note->cancelled_ms);
    filters_note(j, bucket, k);
    return journal_put_record(j, TABLE_DEDUPE + bucket, k);
}

int journal_publish_note_put(struct journal *j, int64_t now_ms, const struct uuid *id,
                             const struct publish_note *note) {
    size_t filling;
    int code = filling_bucket(j, now_ms, &filling);
    if (code != 0) {
        return code;
    }
    struct key k = publish_note_key(id);
    return write_publish_note(j, filling, &k, note);
}

int journal_publish_note_get(struct journal *j, int64_t now_ms, const struct uuid *id,
                             struct publish_note *out) {
    struct key k = publish_note_key(id);
    size_t bucket;
    return find_publish_note(j, now_ms, &k, &bucket, out);
}

int journal_publish_note_cancel(struct journal *j, int64_t now_ms, const struct uuid *id) {
    struct key k = publish_note_key(id);
    struct publish_note note;
    size_t bucket;
    int code = find_publish_note(j, now_ms, &k, &bucket, &note);
    if (code != 0) {
        return code;
    }
    note.cancelled_ms = now_ms;
    return write_publish_note(j, bucket, &k, &note);
}

int journal_check_dedupe(enum store_table t, struct slice key, struct slice value) {
    struct dedupe_bucket buckets[DEDUPE_BUCKETS];
    struct dedupe_note note;
    struct publish_note publish;
    if (t == TABLE_META && slice_is(key, "dedupe")) {
        return take_buckets(key, value, buckets);
    }
    if (t == TABLE_META) {
        return value.len == sizeof(uint64_t) + DEDUPE_SECRET_BYTES ? 0 : ERR_CORRUPT;
    }
    if (t >= TABLE_RECENT) {
        return journal_check_recent(key, value);
    }
    bool asked = key.len > 0 && (uint8_t)key.data[0] == UINT8_MAX;
    return asked ? take_publish_note(key, value, &publish) : journal_take_note(key, value, &note);
}
