/*
 * snapshot.c - see store/snapshot.h.
 */
#include "store/snapshot.h"

#include "store/impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct snapshot {
    struct store *store;
    store_home *home_of;
    size_t slice_bytes;
    struct log_snapshot head;
    bool begun;
    uint64_t logged_bytes;  /* of the turns since the last snapshot, when it began */
    struct writeset *rows;  /* of the slice, */
    struct log_turn slice;  /* which points into them */
    enum store_table table; /* where the walk is: after that row */
    size_t key_len;
    char key[STORE_KEY_BYTES_MAX];
};

struct snapshot *snapshot_new(struct store *s, store_home *home_of, size_t slice_bytes) {
    struct snapshot *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    p->store = s;
    p->home_of = home_of;
    p->slice_bytes = slice_bytes;
    p->rows = writeset_new();
    if (p->rows == NULL) {
        free(p);
        return NULL;
    }
    return p;
}

void snapshot_free(struct snapshot *p) {
    if (p != NULL) {
        writeset_free(p->rows);
        free(p);
    }
}

/* The next row from where the walk is, which goes on there. ERR_NOTFOUND: there is none. */
static int next_row(struct snapshot *p, struct write *out) {
    int code = ERR_NOTFOUND;
    while (code == ERR_NOTFOUND && p->table < TABLE_COUNT) {
        const struct slice from = {p->key, p->key_len};
        code = store_seek(p->store, p->table, from, from.len > 0, &out->key, &out->value);
        if (code == ERR_NOTFOUND) {
            p->table++;
            p->key_len = 0;
        }
    }
    if (code == 0) {
        out->kind = WRITE_PUT;
        out->table = p->table;
        memcpy(p->key, out->key.data, out->key.len);
        p->key_len = out->key.len;
    }
    return code;
}

/* Within a transaction. A slice has at least one row. */
static int fill_slice(struct snapshot *p) {
    struct write row;
    size_t bytes = 0;
    int code = 0;
    while (code == 0 && bytes < p->slice_bytes && (code = next_row(p, &row)) == 0) {
        if (!store_owns_row(row.table, row.key)) {
            bytes += row.key.len + row.value.len;
            code = writeset_add(p->rows, p->home_of, &row);
        }
    }
    return code == ERR_NOTFOUND && bytes > 0 ? 0 : code;
}

int snapshot_next(struct snapshot *p, const struct log_turn **slice) {
    struct store *s = p->store;
    writeset_reset(p->rows);
    int code = store_begin(s);
    if (code != 0) {
        return code;
    }
    if (!p->begun) {
        p->begun = true;
        p->head.number = s->logged;
        p->logged_bytes = s->log_state.bytes;
    }
    code = fill_slice(p);
    store_abort(s);
    if (code == 0) {
        p->head.bytes += store_make_turn(p->rows, p->head.number, &p->slice);
        p->head.slices++;
        *slice = &p->slice;
    }
    return code;
}

const struct log_snapshot *snapshot_head(const struct snapshot *p) {
    return &p->head;
}

void snapshot_done(const struct snapshot *p) {
    struct log_state *state = &p->store->log_state;
    assert(p->head.number >= state->snapshot.number);
    state->snapshot = p->head;
    state->bytes = state->bytes > p->logged_bytes ? state->bytes - p->logged_bytes : 0;
}
