/*
 * migrate.c - see store/migrate.h.
 */
#include "store/migrate.h"

#include "store/impl.h"
#include "store/snapshot.h"

#include <string.h>

enum { SLICE_BYTES = 1 << 20 };

static int check_store(struct store *s, struct report *r) {
    struct position at = {0};
    bool bare = false;
    int code = store_look(s, &at, &bare, r);
    if (code != 0) {
        return code;
    }
    if (at.known) {
        return report(r, ERR_INVALID, "%s is the copy of a log already", s->path);
    }
    return bare ? report(r, ERR_NOTFOUND, "there is nothing in %s", s->path) : 0;
}

static int check_log(const struct store_log *log, struct log_state *state, struct report *r) {
    int code = log->barrier(log->ctx, state);
    if (code != 0) {
        return report(r, code, "cannot read the log: %s", error_text(code));
    }
    return state->last == 0 && state->snapshot.slices == 0
               ? 0
               : report(r, ERR_EXISTS,
                        "the log has a store already, and nothing was changed: choose another "
                        "store.name, or empty it. To go on with what it has, let store.path name a "
                        "new folder");
}

static int send_all(struct snapshot *p, const struct log_snapshots *door) {
    const struct log_turn *slice;
    uint32_t index = 0;
    int code;
    while ((code = snapshot_next(p, &slice)) == 0 &&
           (code = door->add(door->ctx, index, slice)) == 0) {
        index++;
    }
    return code == ERR_NOTFOUND ? door->finish(door->ctx, snapshot_head(p)) : code;
}

/* INV-STORE-13: the store is changed with the log alone, from here on. */
static int become_copy(struct store *s, const struct log_state *state) {
    memcpy(s->log_state.id, state->id, LOG_ID_BYTES);
    int code = store_begin(s);
    if (code != 0) {
        return code;
    }
    code = store_put_position(s, 0, state->writer, false);
    if (code != 0) {
        store_abort(s);
        return code;
    }
    return store_commit(s);
}

int store_migrate(struct store *s, const struct log_doors *doors, store_home *home_of,
                  struct log_snapshot *out, struct report *r) {
    struct log_state state;
    int code = check_store(s, r);
    code = code == 0 ? check_log(doors->log, &state, r) : code;
    if (code != 0) {
        return code;
    }
    struct snapshot *p = snapshot_new(s, home_of, SLICE_BYTES);
    if (p == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    code = send_all(p, doors->snapshots);
    *out = *snapshot_head(p);
    snapshot_free(p);
    if (code != 0) {
        return report(
            r, code,
            "cannot bring %s into the log: %s; the folder is as it was. Try again: if the "
            "log has a store then, that is this one, and whole",
            s->path, error_text(code));
    }
    code = become_copy(s, &state);
    return code == 0
               ? 0
               : report(r, code,
                        "the log has everything, but %s cannot be written: %s. Let store.path "
                        "name a new folder, which is filled with what the log has",
                        s->path, error_text(code));
}
