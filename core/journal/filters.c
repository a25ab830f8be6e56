/*
 * filters.c - see journal/filters.h. One filter is made at a time; the one that it replaces serves
 * until it is complete, and rows that are written meanwhile go into both.
 */
#include "journal/filters.h"

#include "base/bloom.h"
#include "base/log.h"
#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { HASHES_MIN = 1024 };

struct filters {
    struct bloom *of[DEDUPE_BUCKETS]; /* NULL: not read yet */
    struct bloom *next;               /* being made for the bucket `reading`; or NULL */
    size_t reading;
    struct key at;                /* the last row read */
    bool damaged[DEDUPE_BUCKETS]; /* its rows cannot all be read: it has no filter */
};

/* The last bytes of a key are random: those of a hash, or of an id. */
static uint64_t hash_of(const uint8_t *key) {
    uint64_t hash;
    memcpy(&hash, key + DEDUPE_KEY_BYTES - sizeof hash, sizeof hash);
    return hash;
}

bool filters_may_have(const struct journal *j, size_t bucket, const struct key *k) {
    assert(bucket < DEDUPE_BUCKETS && k->len == DEDUPE_KEY_BYTES);
    const struct bloom *b = j->filters == NULL ? NULL : j->filters->of[bucket];
    return b == NULL || bloom_may_have(b, hash_of(k->bytes));
}

void filters_note(struct journal *j, size_t bucket, const struct key *k) {
    assert(bucket < DEDUPE_BUCKETS && k->len == DEDUPE_KEY_BYTES);
    struct filters *f = j->filters;
    if (f != NULL && f->of[bucket] != NULL) {
        bloom_add(f->of[bucket], hash_of(k->bytes));
    }
    if (f != NULL && f->next != NULL && f->reading == bucket) {
        bloom_add(f->next, hash_of(k->bytes));
    }
}

/* --- making and dropping --- */

static struct bloom *make(struct journal *j, uint64_t hashes) {
    size_t bytes = bloom_bytes(hashes);
    size_t share = memory_share(j->memory, MEMORY_KEYS);
    size_t used = j->memory == NULL ? 0 : j->memory->used[MEMORY_KEYS];
    struct bloom *b = used < share && bytes <= share - used ? bloom_new(hashes) : NULL;
    if (b != NULL) {
        memory_take(j->memory, MEMORY_KEYS, bytes);
    }
    return b;
}

static void drop(struct journal *j, struct bloom **b) {
    if (*b != NULL) {
        memory_give(j->memory, MEMORY_KEYS, bloom_bytes(bloom_hashes(*b)));
        free(*b);
        *b = NULL;
    }
}

void filters_drop(struct journal *j, size_t bucket) {
    assert(bucket < DEDUPE_BUCKETS);
    if (j->filters != NULL) {
        drop(j, &j->filters->of[bucket]);
    }
    if (j->filters != NULL && j->filters->reading == bucket) {
        drop(j, &j->filters->next);
    }
}

void filters_forget(struct journal *j) {
    for (size_t i = 0; i < DEDUPE_BUCKETS; i++) {
        filters_drop(j, i);
    }
}

void filters_free(struct journal *j) {
    filters_forget(j);
    free(j->filters);
    j->filters = NULL;
}

/* --- reading --- */

/* Begins the first one that is missing or too small, if there is room for it. It has some for rows
 * to come. */
static bool begin(struct journal *j) {
    struct filters *f = j->filters;
    for (size_t i = 0; f->next == NULL && i < DEDUPE_BUCKETS; i++) {
        uint64_t rows = f->damaged[i] ? 0 : store_rows(j->store, TABLE_DEDUPE + i);
        if (rows > 0 && (f->of[i] == NULL || rows > bloom_hashes(f->of[i]))) {
            f->next = make(j, rows + rows / 2 + HASHES_MIN);
            f->reading = i;
            f->at.len = 0;
        }
    }
    return f->next != NULL;
}

/* Reads a row into the next filter, which is in use from its last one on. */
static int read_row(struct journal *j) {
    struct filters *f = j->filters;
    struct slice key;
    struct slice value;
    int code = store_seek(j->store, TABLE_DEDUPE + f->reading, key_slice(&f->at), f->at.len > 0,
                          &key, &value);
    if (code == ERR_NOTFOUND) {
        drop(j, &f->of[f->reading]);
        f->of[f->reading] = f->next;
        f->next = NULL;
        return 0;
    }
    if (code != 0) {
        f->damaged[f->reading] = code == ERR_CORRUPT;
        return code;
    }
    key_set(&f->at, key);
    if (key.len == DEDUPE_KEY_BYTES) { /* no other is looked up */
        bloom_add(f->next, hash_of(f->at.bytes));
    }
    return 0;
}

static void tell_damage(const struct journal *j) {
    char name[STORE_TABLE_NAME_BYTES];
    log_error("store",
              "%s cannot be read as a whole: its keys are looked up on disk from now on; `zingq "
              "doctor --store` reads the whole store",
              store_table_name(TABLE_DEDUPE + j->filters->reading, name));
}

int filters_read(struct journal *j, size_t rows, bool *more) {
    if (j->filters == NULL) {
        j->filters = calloc(1, sizeof *j->filters);
    }
    *more = j->filters != NULL;
    int code = 0;
    for (size_t i = 0; code == 0 && *more && i < rows; i++) {
        *more = j->filters->next != NULL || begin(j);
        code = *more ? read_row(j) : 0;
    }
    if (code == ERR_CORRUPT) {
        tell_damage(j);
    }
    return code;
}
