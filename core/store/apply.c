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

/* INV-STORE-12: from now on, and until the log's last turn is there, the position says that rows are
 * missing. */
static int begin_load(struct store *s, const struct log_snapshot *snapshot, struct load *load) {
    *load = (struct load){.snapshot = *snapshot};
    int code = empty_all(s);
    return code == 0 ? store_put_position(s, snapshot->number, s->log_state.writer, true) : code;
}

/* As many slices as one transaction takes. */
static int load_some(struct store *s, struct load *load) {
    struct log_turn slice;
    size_t bytes = 0;
    int code = 0;
    while (code == 0 && load->slices < load->snapshot.slices && bytes < APPLIED_BYTES) {
        code = s->log->read_slice(s->log->ctx, load->slices, &slice);
        code = code == ERR_NOTFOUND ? ERR_LOST : code;
        code = code == 0 ? apply_turn(s, &slice, &bytes) : code;
        load->slices += code == 0 ? 1 : 0;
    }
    return code;
}

/* --- catching up --- */

/* As many of the missing turns as one transaction takes. */
static int apply_some(struct store *s, const struct position *at, uint64_t last) {
    struct log_turn turn;
    uint64_t number = at->number;
    size_t bytes = 0;
    int code = 0;
    while (code == 0 && number < last && bytes < APPLIED_BYTES) {
        code = s->log->read(s->log->ctx, number + 1, &turn);
        code = code == ERR_NOTFOUND ? ERR_LOST : code;
        code = code == 0 ? apply_turn(s, &turn, &bytes) : code;
        number += code == 0 ? 1 : 0;
    }
    bool partial = at->partial && number < last;
    return code == 0 ? store_put_position(s, number, s->log_state.writer, partial) : code;
}

static bool is_load_of(const struct load *load, const struct log_snapshot *snapshot) {
    return load->snapshot.number == snapshot->number && load->snapshot.slices == snapshot->slices &&
           load->snapshot.bytes == snapshot->bytes;
}

/* INV-STORE-14: turns that LMDB has are those that the log has. Finds out up to where. */
static int compare(struct store *s, const struct log_state *state, const struct position *at) {
    static const uint8_t unknown[LOG_ID_BYTES];
    uint64_t reach = state->last;
    bool same = memcmp(at->writer, state->writer, LOG_ID_BYTES) == 0 ||
                memcmp(at->writer, unknown, LOG_ID_BYTES) == 0;
    int code = same ? 0 : s->log->reach(s->log->ctx, at->writer, &reach);
    if (code != 0) {
        return code;
    }
    s->shared = reach < state->last ? reach : state->last;
    if (!s->compared) {
        s->taken =
            state->last > 0 && (at->followed || at->partial || at->number + 1 < state->last ||
                                memcmp(at->writer, state->writer, LOG_ID_BYTES) != 0);
        s->compared = true;
    }
    bool other = at->known && memcmp(at->id, state->id, LOG_ID_BYTES) != 0;
    return other || at->number > s->shared ? ERR_LOST : 0;
}

/* One transaction's worth. A load that this process has begun goes on where it was. */
static int catch_up(struct store *s, const struct log_state *state, const struct position *at,
                    struct load *load, bool *more) {
    const struct log_snapshot *snapshot = &state->snapshot;
    bool broken_off = at->partial && !is_load_of(load, snapshot);
    *more = true;
    if (snapshot->slices > 0 && (!at->known || broken_off || at->number < snapshot->number)) {
        return begin_load(s, snapshot, load);
    }
    if (broken_off) {
        return ERR_LOST; /* of a snapshot that is no longer there */
    }
    if (at->partial && load->slices < snapshot->slices) {
        return load_some(s, load);
    }
    if (at->number < state->last || (at->partial && at->number == state->last)) {
        return apply_some(s, at, state->last);
    }
    *more = false;
    return 0;
}

int store_catch_up(struct store *s, const struct log_state *state, bool *more) {
    struct load load = s->load;
    struct position at = {0};
    *more = false;
    int code = store_txn_begin(s);
    code = code == 0 ? store_get_position(s, &at) : code;
    code = code == 0 ? compare(s, state, &at) : code;
    s->followed = s->follows || at.followed;
    code = code == 0 ? catch_up(s, state, &at, &load, more) : code;
    code = code == 0 && *more ? store_txn_commit(s) : code;
    if (s->txn != NULL) {
        store_abort(s);
    }
    if (code == 0) {
        s->load = load;
    }
    s->logged = at.number;
    return code;
}
