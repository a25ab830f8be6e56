/*
 * position.c - which turns of its log a store has.
 *
 * The row meta "log" says it, and says that a store is the copy of a log: whoever changes such a store
 * on its own makes it something that no log has. It is written in the transaction that a turn is.
 *
 *   log      16 bytes: id of the log | u64 number of the turn | u8 flags, 1 = rows are missing: it is being
 *            loaded from a snapshot, or applies the turns after it, 2 = it has followed the log of another
 *            process | 16 bytes: who wrote that turn, or a later one that the log had then; absent in rows
 *            of earlier versions
 */
#include "store/impl.h"

#include <string.h>

enum { FLAGS_AT = LOG_ID_BYTES + 8, POSITION_BYTES = FLAGS_AT + 1 + LOG_ID_BYTES };
enum { FLAG_PARTIAL = 1, FLAG_FOLLOWED = 2 };

int store_put_position(struct store *s, uint64_t number, const uint8_t writer[LOG_ID_BYTES],
                       bool partial) {
    char bytes[POSITION_BYTES];
    uint64_t stored = htole64(number);
    memcpy(bytes, s->log_state.id, LOG_ID_BYTES);
    memcpy(bytes + LOG_ID_BYTES, &stored, sizeof stored);
    bytes[FLAGS_AT] = (char)((partial ? FLAG_PARTIAL : 0) | (s->followed ? FLAG_FOLLOWED : 0));
    memcpy(bytes + FLAGS_AT + 1, writer, LOG_ID_BYTES);
    MDB_val key = {sizeof STORE_POSITION_KEY - 1, (void *)(uintptr_t)STORE_POSITION_KEY};
    MDB_val value = {sizeof bytes, bytes};
    return store_failed(s, "log", mdb_put(s->txn, s->tables[TABLE_META], &key, &value, 0));
}

int store_drop_position(struct store *s) {
    MDB_val key = {sizeof STORE_POSITION_KEY - 1, (void *)(uintptr_t)STORE_POSITION_KEY};
    int rc = mdb_del(s->txn, s->tables[TABLE_META], &key, NULL);
    return rc == MDB_NOTFOUND ? 0 : store_failed(s, "log", rc);
}

static int read_position(struct slice value, struct position *out) {
    struct reader r = reader_of(value.data, value.len);
    struct slice id = read_bytes(&r, LOG_ID_BYTES);
    out->known = true;
    out->number = read_u64(&r);
    uint8_t flags = read_u8(&r);
    out->partial = (flags & FLAG_PARTIAL) != 0;
    out->followed = (flags & FLAG_FOLLOWED) != 0;
    struct slice writer = r.at == r.end ? (struct slice){NULL, 0} : read_bytes(&r, LOG_ID_BYTES);
    if (r.failed || r.at != r.end) {
        return ERR_CORRUPT;
    }
    memcpy(out->id, id.data, LOG_ID_BYTES);
    if (writer.len > 0) {
        memcpy(out->writer, writer.data, LOG_ID_BYTES);
    }
    return 0;
}

int store_get_position(struct store *s, struct position *out) {
    MDB_val key = {sizeof STORE_POSITION_KEY - 1, (void *)(uintptr_t)STORE_POSITION_KEY};
    MDB_val value;
    *out = (struct position){0};
    int rc = mdb_get(s->txn, s->tables[TABLE_META], &key, &value);
    if (rc != 0) {
        return rc == MDB_NOTFOUND ? 0 : store_failed(s, "log", rc);
    }
    return read_position((struct slice){value.mv_data, value.mv_size}, out);
}

/* INV-STORE-13 */
int store_refuse_copy(const struct store *s, MDB_txn *txn, struct report *r) {
    MDB_val key = {sizeof STORE_POSITION_KEY - 1, (void *)(uintptr_t)STORE_POSITION_KEY};
    MDB_val value;
    if (s->read_only || s->may_be_copy) {
        return 0;
    }
    int rc = mdb_get(txn, s->tables[TABLE_META], &key, &value);
    if (rc != 0) {
        return rc == MDB_NOTFOUND ? 0
                                  : report(r, store_code(rc), "cannot read the store %s: %s",
                                           s->path, store_words(rc));
    }
    return report(r, ERR_INVALID,
                  "%s is the copy of a log (store.url), which would not have what is changed here; "
                  "nothing was changed: `zingq migrate --to FOLDER` makes a store of its own of it",
                  s->path);
}

bool store_row_says_partial(enum store_table t, struct slice key, struct slice value) {
    struct position at = {0};
    return t == TABLE_META && slice_is(key, STORE_POSITION_KEY) && read_position(value, &at) == 0 &&
           at.partial;
}

bool store_owns_row(enum store_table t, struct slice key) {
    return t == TABLE_META && (slice_is(key, STORE_POSITION_KEY) || slice_is(key, "schema") ||
                               slice_is(key, "schema by"));
}
