/*
 * apply.c - what a log says, put into the tables again.
 */
#include "store/log.h"

#include "store/impl.h"

#include <assert.h>
#include <string.h>

enum { APPLIED_BYTES = 4 << 20 /* of turns that are applied in one transaction */ };

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

/* What applies a body: which home's, and whether it is the first of a turn that changes all. */
struct applying {
    struct store *store;
    store_home *home_of;
    uint8_t home;
    bool first_of_all;
};

/* A clear is in the bodies of all homes (store/writeset.h). With the first one that is applied the
 * whole table can go at once: the other homes have not put anything yet. What is left for their
 * clears is what they put before that, and what they walk past is no more than that. */
static int apply_clear(const struct applying *a, enum store_table t) {
    return a->first_of_all ? store_empty(a->store, t) : clear(a->store, t, a->home, a->home_of);
}

static int apply(const struct applying *a, const struct write *write) {
    struct store *s = a->store;
    if (write->kind != WRITE_CLEAR && a->home_of(write->table, write->key) != a->home) {
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
        return apply_clear(a, write->table);
    }
    return ERR_CORRUPT;
}

static int apply_body(const struct applying *a, struct slice body) {
    assert(a->store->writes == NULL); /* what comes from a log does not go there again */
    struct reader r;
    struct write write;
    int code = writeset_read(body, &r);
    while (code == 0 && (code = writeset_next(&r, &write)) == 0) {
        code = apply(a, &write);
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

int store_apply(struct store *s, const struct log_part *part, store_home *home_of) {
    const struct applying a = {.store = s, .home_of = home_of, .home = part->home};
    return apply_body(&a, part->body);
}

static int apply_turn(struct store *s, const struct log_turn *turn, size_t *bytes) {
    int code = 0;
    for (size_t i = 0; code == 0 && i < turn->count; i++) {
        const struct applying a = {.store = s,
                                   .home_of = s->home,
                                   .home = turn->parts[i].home,
                                   .first_of_all = i == 0 && turn->count == HOMES};
        code = apply_body(&a, turn->parts[i].body);
        *bytes += turn->parts[i].body.len;
    }
    return code;
}

/* --- loading a snapshot --- */

/* Within a transaction: nothing is left but the store's own rows. */
static int empty_all(struct store *s) {
    struct slice key = {NULL, 0};
    struct slice value;
    int code = 0;
    for (unsigned t = 0; code == 0 && t < TABLE_COUNT; t++) {
        code = t == TABLE_META ? 0 : store_empty(s, (enum store_table)t);
    }
    char at[STORE_KEY_BYTES_MAX];
    while (code == 0 && (code = store_seek(s, TABLE_META, key, key.len > 0, &key, &value)) == 0) {
        memcpy(at, key.data, key.len);
        key.data = at;
        code = store_owns_row(TABLE_META, key) ? 0 : store_del(s, TABLE_META, key);
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* As many slices as one transaction takes. */
static int load_some(struct store *s, const struct log_snapshot *snapshot, uint32_t *done) {
    struct log_turn slice;
    size_t bytes = 0;
    int code = 0;
    while (code == 0 && *done < snapshot->slices && bytes < APPLIED_BYTES) {
        code = s->log->read_slice(s->log->ctx, *done, &slice);
        code = code == ERR_NOTFOUND ? ERR_LOST : code;
        code = code == 0 ? apply_turn(s, &slice, &bytes) : code;
        *done += code == 0 ? 1 : 0;
    }
    return code;
}

/* Ends a transaction and begins the next one. */
static int go_on(struct store *s) {
    int code = store_txn_commit(s);
    return code == 0 ? store_txn_begin(s) : code;
}

/* INV-STORE-12: until the last slice is there, the position says that rows are missing. */
static int load(struct store *s, const struct log_snapshot *snapshot) {
    uint32_t done = 0;
    int code = empty_all(s);
    code = code == 0 ? store_put_position(s, snapshot->number, true) : code;
    code = code == 0 ? go_on(s) : code;
    while (code == 0 && done < snapshot->slices) {
        code = load_some(s, snapshot, &done);
        if (code == 0 && done == snapshot->slices) {
            code = store_put_position(s, snapshot->number, false);
        }
        code = code == 0 ? go_on(s) : code;
    }
    return code;
}

/* --- catching up --- */

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
    return code == 0 ? store_put_position(s, *number, false) : code;
}

/* Where the turns to be applied begin: after what LMDB has, or has now from the snapshot. */
static int find_start(struct store *s, const struct log_state *state, uint64_t *number) {
    const struct log_snapshot *snapshot = &state->snapshot;
    struct position at;
    int code = store_get_position(s, &at);
    *number = at.number;
    if (code != 0) {
        return code;
    }
    if (at.known && memcmp(at.id, state->id, LOG_ID_BYTES) != 0) {
        return ERR_LOST;
    }
    if (snapshot->slices > 0 && (!at.known || at.partial || at.number < snapshot->number)) {
        *number = snapshot->number;
        return load(s, snapshot);
    }
    return at.partial ? ERR_LOST : 0; /* of a snapshot that is no longer there */
}

int store_catch_up(struct store *s, const struct log_state *state) {
    uint64_t number = 0;
    int code = store_txn_begin(s);
    code = code == 0 ? find_start(s, state, &number) : code;
    while (code == 0 && number < state->last) {
        code = apply_some(s, state->last, &number);
        code = code == 0 ? go_on(s) : code;
    }
    if (s->txn != NULL) {
        store_abort(s);
    }
    s->logged = number;
    return code == 0 && number > state->last ? ERR_LOST : code;
}
