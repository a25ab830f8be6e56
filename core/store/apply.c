/*
 * apply.c - what a log says, put into the tables again.
 *
 * LMDB says in a row of its own, meta "log", which is the last turn of the log that it has. The row
 * is no part of any turn: it is written in the transaction that the turn is.
 */
#include "store/log.h"

#include "store/impl.h"

#include <assert.h>
#include <string.h>

enum { APPLIED_BYTES = 4 << 20 /* of turns that are applied in one transaction */ };

static const char position_key[] = "log";

int store_put_position(struct store *s, uint64_t number) {
    uint64_t stored = htole64(number);
    MDB_val key = {sizeof position_key - 1, (void *)(uintptr_t)position_key};
    MDB_val value = {sizeof stored, &stored};
    return store_failed(s, "log", mdb_put(s->txn, s->tables[TABLE_META], &key, &value, 0));
}

/* 0 in a store that never had a log. */
static int get_position(struct store *s, uint64_t *number) {
    struct slice value;
    int code = store_get(s, TABLE_META, slice_of(position_key), &value);
    struct reader r = reader_of(value.data, code == 0 ? value.len : 0);
    *number = code == 0 ? read_u64(&r) : 0;
    return code == ERR_NOTFOUND ? 0 : code == 0 && r.failed ? ERR_CORRUPT : code;
}

/* Deletes the rows of the home, and leaves those of others. */
static int clear(struct store *s, enum store_table t, uint8_t home, store_home *home_of) {
    uint8_t at[STORE_KEY_BYTES_MAX];
    struct slice from = {(const char *)at, 0};
    struct slice key;
    struct slice value;
    int code;
    while ((code = store_seek(s, t, from, from.len > 0, &key, &value)) == 0) {
        memcpy(at, key.data, key.len);
        from.len = key.len;
        if (home_of(t, from) == home && (code = store_del(s, t, from)) != 0) {
            return code;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int apply(struct store *s, const struct write *write, uint8_t home, store_home *home_of) {
    if (write->kind != WRITE_CLEAR && home_of(write->table, write->key) != home) {
        return ERR_CORRUPT; /* INV-STORE-10 */
    }
    switch (write->kind) {
    case WRITE_PUT:
        return store_put(s, write->table, write->key, write->value);
    case WRITE_DELETE: {
        int code = store_del(s, write->table, write->key);
        return code == ERR_NOTFOUND ? 0 : code;
    }
    case WRITE_CLEAR:
        return clear(s, write->table, home, home_of);
    }
    return ERR_CORRUPT;
}

int store_apply(struct store *s, const struct log_part *part, store_home *home_of) {
    assert(s->writes == NULL); /* what comes from a log does not go there again */
    struct reader r;
    struct write write;
    int code = writeset_read(part->body, &r);
    while (code == 0 && (code = writeset_next(&r, &write)) == 0) {
        code = apply(s, &write, part->home, home_of);
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int apply_turn(struct store *s, const struct log_turn *turn, size_t *bytes) {
    int code = 0;
    for (size_t i = 0; code == 0 && i < turn->count; i++) {
        code = store_apply(s, &turn->parts[i], s->home);
        *bytes += turn->parts[i].body.len;
    }
    return code;
}

/* As many of the missing turns as one transaction takes. */
static int apply_some(struct store *s, uint64_t last, uint64_t *number) {
    struct log_turn turn;
    size_t bytes = 0;
    int code = 0;
    while (code == 0 && *number < last && bytes < APPLIED_BYTES) {
        code = s->log->read(s->log->ctx, *number + 1, &turn);
        code = code == ERR_NOTFOUND ? ERR_LOST : code;
        code = code == 0 ? apply_turn(s, &turn, &bytes) : code;
        *number += code == 0 ? 1 : 0;
    }
    return code == 0 ? store_put_position(s, *number) : code;
}

int store_catch_up(struct store *s, uint64_t last) {
    uint64_t number = 0;
    int code = store_txn_begin(s);
    code = code == 0 ? get_position(s, &number) : code;
    while (code == 0 && number < last) {
        code = apply_some(s, last, &number);
        code = code == 0 ? store_txn_commit(s) : code;
        code = code == 0 ? store_txn_begin(s) : code;
    }
    if (s->txn != NULL) {
        store_abort(s);
    }
    s->logged = number;
    return code == 0 && number > last ? ERR_LOST : code;
}
