/*
 * journal.c - opening the journal: the host's identity, and the cached meta rows.
 */
#include "journal/impl.h"

#include "journal/filters.h"
#include "journal/recent.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static int take_host(struct slice key, struct slice value, void *out) {
    struct journal *j = out;
    struct uuid id;
    (void)key;
    if (value.len != UUID_TEXT_BYTES || !uuid_parse(value, &id)) {
        return ERR_CORRUPT;
    }
    memcpy(j->host_id, value.data, UUID_TEXT_BYTES);
    return 0;
}

static int take_secret(struct slice key, struct slice value, void *out) {
    struct journal *j = out;
    (void)key;
    if (value.len != sizeof j->secret) {
        return ERR_CORRUPT;
    }
    memcpy(j->secret, value.data, sizeof j->secret);
    return 0;
}

static int load_identity(struct journal *j, bool *host, bool *secret) {
    int code = journal_meta_take(j, "host", take_host, j);
    *host = code == 0;
    if (code == 0 || code == ERR_NOTFOUND) {
        code = journal_meta_take(j, "secret", take_secret, j);
    }
    *secret = code == 0;
    return code == ERR_NOTFOUND ? 0 : code;
}

static int make_host_id(struct journal *j) {
    uint64_t seed;
    randombytes_buf(&seed, sizeof seed);
    struct uuid_source source;
    uuid_source_init(&source, seed);
    struct uuid id = uuid_next(&source, 0);
    randombytes_buf(id.bytes, 6); /* the identity should not contain a time */
    (void)uuid_text(&id, j->host_id);
    return store_put(j->store, TABLE_META, slice_of("host"), slice_of(j->host_id));
}

static int make_secret(struct journal *j) {
    randombytes_buf(j->secret, sizeof j->secret);
    return store_put(j->store, TABLE_META, slice_of("secret"),
                     (struct slice){(const char *)j->secret, sizeof j->secret});
}

/* Creates a host id and a secret in a new store, or if they cannot be read. */
static int load_or_make_identity(struct journal *j, bool *made) {
    bool host = false;
    bool secret = false;
    int code = load_identity(j, &host, &secret);
    bool whole = host && secret;
    if (code != 0 || whole) {
        return code;
    }
    if (store_read_only(j->store)) { /* readers need neither */
        return journal_has_broken(j, TABLE_META) ? 0 : ERR_NOTFOUND;
    }
    bool places;
    *made = true;
    code = journal_set_aside(j, &places);
    if (code == 0 && !host) {
        code = make_host_id(j);
    }
    return code == 0 && !secret ? make_secret(j) : code;
}

/* Which keys events have, for who only reads: journal/regroup.c. ERR_BUSY: some have old ones. */
static int load_event_keys(struct journal *j) {
    uint32_t schema;
    unsigned group = EVENT_GROUPS;
    if (!store_read_only(j->store)) {
        return 0;
    }
    int code = store_schema(j->store, &schema);
    if (code == 0) {
        j->old_events = schema < EVENT_KEYS_SCHEMA;
        code = j->old_events ? 0 : journal_regrouped(j, &group);
    }
    return code == 0 && group < EVENT_GROUPS ? ERR_BUSY : code;
}

static int load_all(struct journal *j, bool *made) {
    int code = load_or_make_identity(j, made);
    if (code == 0) {
        code = load_event_keys(j);
    }
    if (code == 0) {
        code = journal_load_names(j);
    }
    if (code == 0) {
        code = journal_load_seq(j);
    }
    if (code == 0) {
        code = journal_load_buckets(j);
    }
    if (code == 0) {
        code = journal_load_secrets(j);
    }
    if (code == 0) {
        code = journal_load_kept(j);
    }
    if (code == 0 && j->broken_count > 0 && !store_read_only(j->store)) {
        bool places;
        *made = true;
        code = journal_set_aside(j, &places);
    }
    return code;
}

int journal_reload(struct journal *j) {
    int code = store_begin(j->store);
    if (code != 0) {
        return code;
    }
    bool made = false;
    code = load_all(j, &made);
    if (code == 0 && made) {
        code = store_commit(j->store);
        if (code == 0) {
            journal_forget_broken(j);
        }
        return code;
    }
    store_abort(j->store);
    return code;
}

void journal_keep_keys(struct journal *j, int64_t keep_idempotency_ms) {
    assert(keep_idempotency_ms >= 0);
    j->keep_ms = keep_idempotency_ms;
    j->bucket_ms = keep_idempotency_ms / (DEDUPE_BUCKETS - 1) + 1;
}

int journal_open(struct journal **out, struct store *store, int64_t keep_idempotency_ms,
                 struct report *r) {
    if (sodium_init() < 0) {
        return report(r, ERR_SYSTEM, "libsodium cannot start: no source of randomness");
    }
    struct journal *j = calloc(1, sizeof *j);
    if (j == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    j->store = store;
    journal_keep_keys(j, keep_idempotency_ms);
    buf_init(&j->record, (size_t)1 << 30);
    int code = store_read_only(store) ? 0 : journal_regroup_events(j);
    if (code != 0) {
        journal_close(j);
        return report(r, code, "cannot bring the store's events up to date: %s", error_text(code));
    }
    code = journal_reload(j);
    if (code != 0) {
        journal_close(j);
        return code == ERR_BUSY
                   ? report(r, code,
                            "the store is being brought up to date by a newer version: start its "
                            "host, and wait until it is ready")
                   : report(r, code, "cannot read the store's meta rows: %s", error_text(code));
    }
    *out = j;
    return 0;
}

void journal_close(struct journal *j) {
    if (j == NULL) {
        return;
    }
    journal_free_names(j);
    recent_forget(j);
    filters_free(j);
    free(j->secrets);
    free(j->broken);
    free(j->kept);
    buf_clear(&j->record);
    free(j);
}

void journal_use_memory(struct journal *j, struct memory *memory) {
    assert(j->filters == NULL); /* they are counted where they are taken */
    j->memory = memory;
}

struct store *journal_store(struct journal *j) {
    return j->store;
}

const char *journal_host_id(const struct journal *j) {
    return j->host_id;
}
