/*
 * dedupe.c - idempotency keys, and the results of publishes that were requested from outside.
 *
 * They are in DEDUPE_BUCKETS tables that are filled one after another, for an eighth of the longest
 * keep_idempotency each. When all keys of a table have expired, the whole table is emptied: no row
 * is ever deleted alone, and inserts stay close together in a small tree. Only the keys of events
 * that have not ended go over into the table being filled, so before a table is emptied its rows
 * are looked at, some in each turn; unless nothing waits in the whole store.
 *
 *   dedupe<i>  u8 partition | hash128  -> id128 | (hash128 mark) | i64 noted_ms
 *
 * noted_ms is missing in rows of earlier versions: then it counts as the end of the table's time.
 *
 * The keys are hashed with the store's own secret. Keys that came from other stores are kept as
 * they are, and are looked up with the secrets of those stores until the last of them has expired:
 *
 *   meta "secret/<n>"  -> i64 until_ms | 16 bytes   n from 1, without gaps
 *   meta "dedupe"      -> i64 until_ms * DEDUPE_BUCKETS
 */
#include "journal/impl.h"

#include "journal/move.h"
#include "journal/dedupe.h"
#include "journal/event.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert(crypto_shorthash_siphashx24_BYTES == sizeof(struct dedupe_hash), "128 bits");

enum { SWEEP_PAUSE_MS = 10, SWEEP_REST_MS = 60000 }; /* between looks, or when nothing is expired */

/* --- secrets --- */

static void secret_name(size_t n, char name[32]) {
    (void)snprintf(name, 32, "secret/%zu", n);
}

static int read_secret(struct slice value, struct dedupe_secret *out) {
    struct reader r = reader_of(value.data, value.len);
    out->until_ms = (int64_t)read_u64(&r);
    struct slice bytes = read_bytes(&r, sizeof out->bytes);
    if (r.failed || r.at != r.end) {
        return ERR_CORRUPT;
    }
    memcpy(out->bytes, bytes.data, sizeof out->bytes);
    return 0;
}

/* Room for `count` secrets. */
static int make_room(struct journal *j, size_t count) {
    struct dedupe_secret *secrets = realloc(j->secrets, count * sizeof *secrets);
    if (secrets == NULL) {
        return ERR_MEMORY;
    }
    j->secrets = secrets;
    return 0;
}

/* A secret that cannot be read ends the list: messages it was for may be accepted again. */
int journal_load_secrets(struct journal *j) {
    int code = 0;
    for (j->secret_count = 0; j->secret_count < DEDUPE_SECRETS_MAX; j->secret_count++) {
        char name[32];
        struct slice value;
        secret_name(j->secret_count + 1, name);
        code = store_get(j->store, TABLE_META, slice_of(name), &value);
        code = code == 0 ? make_room(j, j->secret_count + 1) : code;
        code = code == 0 ? read_secret(value, &j->secrets[j->secret_count]) : code;
        if (code != 0) {
            break;
        }
    }
    return code == ERR_NOTFOUND || code == ERR_CORRUPT ? 0 : code;
}

static int write_secret(struct journal *j, size_t n) {
    char name[32];
    const struct dedupe_secret *secret = &j->secrets[n - 1];
    secret_name(n, name);
    buf_reset(&j->record);
    buf_add_u64(&j->record, (uint64_t)secret->until_ms);
    buf_add(&j->record, secret->bytes, sizeof secret->bytes);
    return store_put(j->store, TABLE_META, slice_of(name), buf_slice(&j->record));
}

/* Moves the last secret into the place of number n. */
static int drop_secret(struct journal *j, size_t n) {
    char name[32];
    j->secrets[n - 1] = j->secrets[j->secret_count - 1];
    int code = write_secret(j, n);
    secret_name(j->secret_count, name);
    j->secret_count--;
    return code == 0 ? store_del(j->store, TABLE_META, slice_of(name)) : code;
}

void journal_secret_get(const struct journal *j, size_t n, struct dedupe_secret *out) {
    assert(n <= j->secret_count);
    if (n > 0) {
        *out = j->secrets[n - 1];
        return;
    }
    out->until_ms = 0;
    memcpy(out->bytes, j->secret, sizeof out->bytes);
}

int journal_secret_add(struct journal *j, const struct dedupe_secret *secret) {
    if (memcmp(secret->bytes, j->secret, sizeof j->secret) == 0) {
        return 0;
    }
    size_t n = 1;
    while (n <= j->secret_count &&
           memcmp(secret->bytes, j->secrets[n - 1].bytes, sizeof secret->bytes) != 0) {
        n++;
    }
    if (n <= j->secret_count) {
        struct dedupe_secret *known = &j->secrets[n - 1];
        known->until_ms = secret->until_ms > known->until_ms ? secret->until_ms : known->until_ms;
        return write_secret(j, n);
    }
    int code = n > DEDUPE_SECRETS_MAX ? ERR_LIMIT : make_room(j, n);
    if (code != 0) {
        return code;
    }
    j->secrets[n - 1] = *secret;
    j->secret_count = n;
    return write_secret(j, n);
}

size_t journal_secret_count(const struct journal *j) {
    return j->secret_count + 1;
}

static struct dedupe_hash hash_of(const uint8_t *secret, struct slice service, struct slice scope,
                                  struct slice key) {
    /* Chains two 128-bit halves: the hash of (service, scope) is the key for hashing the key, so
     * that no other division of the three texts gives the same input. */
    struct dedupe_hash inner;
    struct dedupe_hash outer;
    uint8_t chained[crypto_shorthash_siphashx24_KEYBYTES];
    (void)crypto_shorthash_siphashx24(inner.bytes, (const uint8_t *)service.data, service.len,
                                      secret);
    memcpy(chained, inner.bytes, sizeof chained);
    (void)crypto_shorthash_siphashx24(inner.bytes, (const uint8_t *)scope.data, scope.len, chained);
    memcpy(chained, inner.bytes, sizeof chained);
    (void)crypto_shorthash_siphashx24(outer.bytes, (const uint8_t *)key.data, key.len, chained);
    return outer;
}

struct dedupe_hash journal_dedupe_hash(const struct journal *j, struct slice service,
                                       struct slice scope, struct slice key) {
    return hash_of(j->secret, service, scope, key);
}

struct dedupe_hash journal_dedupe_hash_with(const struct journal *j, size_t secret,
                                            struct slice service, struct slice scope,
                                            struct slice key) {
    assert(secret <= j->secret_count);
    return hash_of(secret == 0 ? j->secret : j->secrets[secret - 1].bytes, service, scope, key);
}

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
    return store_put(j->store, TABLE_META, slice_of("dedupe"), buf_slice(&j->record));
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
        int code = store_empty(j->store, TABLE_DEDUPE + oldest);
        if (code != 0) {
            return code;
        }
        *out = oldest;
    }
    j->buckets[*out].until_ms = now_ms + j->bucket_ms;
    return mark_buckets(j);
}

/* --- keys --- */

static int take_note(struct slice key, struct slice value, void *out) {
    struct dedupe_note *note = out;
    struct reader r = reader_of(value.data, value.len);
    note->id = read_uuid(&r);
    note->marked = value.len >= UUID_BYTES + sizeof note->mark.bytes;
    if (note->marked) {
        struct slice mark = read_bytes(&r, sizeof note->mark.bytes);
        if (mark.data != NULL) {
            memcpy(note->mark.bytes, mark.data, mark.len);
        }
    }
    note->noted_ms = r.at < r.end ? (int64_t)read_u64(&r) : 0;
    return r.failed || r.at != r.end || key.len != DEDUPE_KEY_BYTES ? ERR_CORRUPT : 0;
}

static int write_note(struct journal *j, size_t bucket, const struct key *k,
                      const struct dedupe_note *note) {
    buf_reset(&j->record);
    buf_add(&j->record, note->id.bytes, UUID_BYTES);
    if (note->marked) {
        buf_add(&j->record, note->mark.bytes, sizeof note->mark.bytes);
    }
    buf_add_u64(&j->record, (uint64_t)note->noted_ms);
    return journal_put_record(j, TABLE_DEDUPE + bucket, k);
}

static struct key dedupe_key(uint8_t partition, const struct dedupe_hash *hash) {
    struct key k = {.len = 0};
    key_u8(&k, partition);
    (void)key_bytes(&k, (struct slice){(const char *)hash->bytes, sizeof hash->bytes});
    return k;
}

/* True while the event that has the key has not ended. */
static bool is_held(struct journal *j, const struct key *k, const struct dedupe_note *note) {
    return journal_event_waits(j, k->bytes[0] & ~DEDUPE_OWN, &note->id);
}

static int64_t noted_ms(const struct journal *j, size_t bucket, const struct dedupe_note *note) {
    return note->noted_ms != 0 ? note->noted_ms : j->buckets[bucket].until_ms;
}

/* The row of that key that counts: it is younger than keep_ms, or its event has not ended.
 * ERR_NOTFOUND. */
static int find_note(struct journal *j, struct dedupe_time time, const struct key *k,
                     size_t *bucket, struct dedupe_note *note) {
    for (*bucket = 0; *bucket < DEDUPE_BUCKETS; ++*bucket) {
        int code = is_used(j, *bucket) ? journal_take(j, TABLE_DEDUPE + *bucket, k, take_note, note)
                                       : ERR_NOTFOUND;
        if (code == 0 && noted_ms(j, *bucket, note) + time.keep_ms <= time.now_ms &&
            !is_held(j, k, note)) {
            continue;
        }
        if (code != ERR_NOTFOUND) {
            return code;
        }
    }
    return ERR_NOTFOUND;
}

int journal_dedupe_find(struct journal *j, struct dedupe_time time, uint8_t partition,
                        const struct dedupe_hash *hash, struct dedupe_note *note) {
    struct key k = dedupe_key(partition, hash);
    size_t bucket;
    return find_note(j, time, &k, &bucket, note);
}

int journal_dedupe_forget(struct journal *j, struct dedupe_time time, uint8_t partition,
                          const struct dedupe_hash *hash) {
    struct key k = dedupe_key(partition, hash);
    struct dedupe_note note;
    size_t bucket;
    int code = find_note(j, time, &k, &bucket, &note);
    if (code == 0) {
        code = store_del(j->store, TABLE_DEDUPE + bucket, key_slice(&k));
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

int journal_dedupe_marked(struct journal *j, struct dedupe_time time, uint8_t partition,
                          const struct dedupe_hash *hash, const struct dedupe_note *note,
                          struct dedupe_note *earlier) {
    size_t filling;
    int code = filling_bucket(j, time.now_ms, &filling);
    if (code != 0) {
        return code;
    }
    struct key k = dedupe_key(partition, hash);
    size_t bucket;
    code = find_note(j, time, &k, &bucket, earlier);
    if (code != ERR_NOTFOUND) {
        return code == 0 ? ERR_EXISTS : code;
    }
    struct dedupe_note noted = *note;
    noted.noted_ms = time.now_ms;
    return write_note(j, filling, &k, &noted);
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

/* The secrets of other stores are kept as long as a key may be hashed with them. */
static int keep_secrets(struct journal *j, int64_t until_ms) {
    int code = 0;
    for (size_t n = 1; code == 0 && n <= j->secret_count; n++) {
        if (j->secrets[n - 1].until_ms < until_ms) {
            j->secrets[n - 1].until_ms = until_ms;
            code = write_secret(j, n);
        }
    }
    return code;
}

/* Writes the key of an event that has not ended into the bucket being filled. *stays: that is this
 * one, which is filled again. */
static int carry_over(struct journal *j, int64_t now_ms, const struct key *k,
                      const struct dedupe_note *note, bool *stays) {
    size_t filling;
    struct slice there;
    int code = filling_bucket(j, now_ms, &filling);
    *stays = filling == j->sweep.bucket;
    if (code != 0 || *stays) {
        return code;
    }
    code = store_get(j->store, TABLE_DEDUPE + filling, key_slice(k), &there);
    if (code != ERR_NOTFOUND) {
        return code;
    }
    struct dedupe_note carried = *note;
    carried.noted_ms = noted_ms(j, j->sweep.bucket, note);
    code = write_note(j, filling, k, &carried);
    return code == 0 ? keep_secrets(j, j->buckets[filling].until_ms) : code;
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
    k.len = 0;
    (void)key_bytes(&k, key);
    memset(j->sweep.at, UINT8_MAX, sizeof j->sweep.at); /* past a key that is no key */
    memcpy(j->sweep.at, k.bytes, k.len < sizeof j->sweep.at ? k.len : sizeof j->sweep.at);
    if (take_note(key, value, &note) != 0 || !is_held(j, &k, &note)) {
        return 0;
    }
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
    code = store_empty(j->store, TABLE_DEDUPE + bucket);
    j->buckets[bucket].until_ms = 0;
    return code == 0 ? mark_buckets(j) : code;
}

/* One bucket, or one secret, at a time. */
int journal_dedupe_trim(struct journal *j, int64_t now_ms, size_t rows, int64_t *next_ms) {
    *next_ms = now_ms + SWEEP_PAUSE_MS;
    for (size_t i = 0; i < DEDUPE_BUCKETS; i++) {
        if (is_used(j, i) && is_expired(j, i, now_ms)) {
            return trim_bucket(j, now_ms, i, rows);
        }
    }
    for (size_t n = 1; n <= j->secret_count; n++) {
        if (j->secrets[n - 1].until_ms + j->keep_ms <= now_ms) {
            return drop_secret(j, n);
        }
    }
    *next_ms = now_ms + (j->bucket_ms < SWEEP_REST_MS ? j->bucket_ms : SWEEP_REST_MS);
    for (size_t i = 0; i < DEDUPE_BUCKETS; i++) {
        int64_t end_ms = j->buckets[i].until_ms + j->keep_ms;
        *next_ms = is_used(j, i) && end_ms < *next_ms ? end_ms : *next_ms;
    }
    return 0;
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
        if (!is_used(j, *bucket) || is_expired(j, *bucket, now_ms)) {
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
    bool asked = key.len > 0 && (uint8_t)key.data[0] == UINT8_MAX;
    return asked ? take_publish_note(key, value, &publish) : take_note(key, value, &note);
}
