/*
 * record.c - building keys, and reading and writing records.
 */
#include "journal/impl.h"

#include <assert.h>
#include <string.h>

bool key_bytes(struct key *k, struct slice s) {
    if (s.len > sizeof k->bytes - k->len) {
        return false;
    }
    if (s.len > 0) {
        memcpy(k->bytes + k->len, s.data, s.len);
        k->len += s.len;
    }
    return true;
}

void key_set(struct key *k, struct slice row) {
    k->len = 0;
    bool fits = key_bytes(k, row);
    assert(fits);
}

struct uuid read_uuid(struct reader *r) {
    struct uuid id = {{0}};
    struct slice s = read_bytes(r, UUID_BYTES);
    if (s.data != NULL) {
        memcpy(id.bytes, s.data, UUID_BYTES);
    }
    return id;
}

static int put(struct journal *j, enum store_table t, struct slice key) {
    return j->record.failed ? ERR_MEMORY : store_put(j->store, t, key, buf_slice(&j->record));
}

int journal_put_record(struct journal *j, enum store_table t, const struct key *k) {
    return put(j, t, key_slice(k));
}

int journal_put_meta(struct journal *j, const char *name) {
    return put(j, TABLE_META, slice_of(name));
}

int journal_seek_prefix(struct journal *j, enum store_table t, const struct key *from,
                        size_t prefix_len, bool after, struct slice *key, struct slice *value) {
    assert(prefix_len <= from->len);
    int code = store_seek(j->store, t, key_slice(from), after, key, value);
    if (code != 0) {
        return code;
    }
    if (key->len < prefix_len || memcmp(key->data, from->bytes, prefix_len) != 0) {
        return ERR_NOTFOUND;
    }
    return 0;
}

bool journal_key_begins(struct slice key, const char *prefix) {
    size_t len = strlen(prefix);
    return key.len > len && memcmp(key.data, prefix, len) == 0;
}
