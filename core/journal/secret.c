/*
 * secret.c - the hashes of idempotency keys, and the secrets they are made with.
 *
 * The keys are hashed with the store's own secret. Keys that came from other stores are kept as
 * they are, and are looked up with the secrets of those stores until the last of them has expired:
 *
 *   meta "secret/<n>"  -> i64 until_ms | 16 bytes   n from 1, without gaps
 */
#include "journal/impl.h"

#include "journal/move.h"
#include "journal/dedupe.h"
#include "journal/recent.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert(crypto_shorthash_siphashx24_BYTES == sizeof(struct dedupe_hash), "128 bits");

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

int journal_secret_write(struct journal *j, size_t n) {
    char name[32];
    const struct dedupe_secret *secret = &j->secrets[n - 1];
    secret_name(n, name);
    buf_reset(&j->record);
    buf_add_u64(&j->record, (uint64_t)secret->until_ms);
    buf_add(&j->record, secret->bytes, sizeof secret->bytes);
    return journal_put_meta(j, name);
}

int journal_secret_drop(struct journal *j, size_t n) {
    char name[32];
    j->secrets[n - 1] = j->secrets[j->secret_count - 1];
    int code = journal_secret_write(j, n);
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
        return journal_secret_write(j, n);
    }
    int code = n > DEDUPE_SECRETS_MAX ? ERR_LIMIT : make_room(j, n);
    if (code != 0) {
        return code;
    }
    j->secrets[n - 1] = *secret;
    j->secret_count = n;
    return journal_secret_write(j, n);
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
