/*
 * log.c - transactions, with a log or without: see store/log.h.
 */
#include "store/log.h"

#include "base/log.h"
#include "store/impl.h"

#include <assert.h>
#include <string.h>

/* Within a transaction: it has no rows but its own. */
static int is_bare(struct store *s, bool *bare) {
    struct slice key = {NULL, 0};
    struct slice value;
    int code;
    while ((code = store_seek(s, TABLE_META, key, key.len > 0, &key, &value)) == 0 &&
           store_owns_row(TABLE_META, key)) {
    }
    *bare = code == ERR_NOTFOUND;
    for (unsigned t = 0; *bare && t < TABLE_COUNT; t++) {
        *bare = t == TABLE_META || store_rows(s, (enum store_table)t) == 0;
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

int store_look(struct store *s, struct position *at, bool *bare, struct report *r) {
    *bare = false;
    int code = store_begin(s);
    code = code == 0 ? store_get_position(s, at) : code;
    code = code == 0 ? is_bare(s, bare) : code;
    if (s->txn != NULL) {
        store_abort(s);
    }
    return code == 0 ? 0 : report(r, code, "cannot read %s: %s", s->path, error_text(code));
}

/* INV-STORE-13: rows that were never in a log are not mixed with those of one. */
static int check_rows(struct store *s, struct report *r) {
    struct position at = {0};
    bool bare = false;
    int code = store_look(s, &at, &bare, r);
    if (code != 0) {
        return code;
    }
    if (at.known || bare) {
        memcpy(s->log_state.id, at.id, LOG_ID_BYTES);
        return at.known ? 0 : store_marked_log(s, s->log_state.id, r);
    }
    return report(
        r, ERR_INVALID,
        "%s has a store that is not the copy of this log (store.url); nothing was changed: "
        "bring it there with `zingq migrate --to URL`, or let store.path name a new folder, "
        "which is filled with what the log has",
        s->path);
}

int store_use_log(struct store *s, const struct store_log *log, store_home *home_of,
                  struct report *r) {
    assert(s->txn == NULL && !s->read_only && s->may_be_copy && s->log == NULL);
    int code = check_rows(s, r);
    if (code != 0) {
        return code;
    }
    s->writes = writeset_new();
    if (s->writes == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    s->log = log;
    s->home = home_of;
    s->unsettled = true;
    return 0;
}

bool store_has_log(const struct store *s) {
    return s->log != NULL;
}

const struct log_state *store_log_state(const struct store *s) {
    return &s->log_state;
}

/* --- INV-STORE-11: LMDB has what the log has, no more and no less, before a transaction begins --- */

bool store_is_taken(const struct store *s) {
    return s->taken;
}

bool store_is_ahead(const struct store *s) {
    return s->logged > s->shared;
}

static void tell_lost(const struct store *s) {
    if (!store_is_ahead(s)) {
        log_error("store", "%s needs turns or slices that its log lacks, after turn %llu of %llu",
                  s->path, (unsigned long long)s->logged, (unsigned long long)s->log_state.last);
        return;
    }
    log_error("store",
              "%s does not fit its log: it has turns up to %llu, and the log has lost those after "
              "%llu, which it had confirmed, or is the log of another store (store.url)",
              s->path, (unsigned long long)s->logged, (unsigned long long)s->shared);
}

int store_fenced(struct store *s) {
    uint64_t reach = 0;
    if (s->logged == 0) {
        return ERR_FENCED;
    }
    int code = s->log->reach(s->log->ctx, s->log_state.writer, &reach);
    if (code != 0) {
        return code;
    }
    s->shared = reach;
    if (!store_is_ahead(s)) {
        return ERR_FENCED;
    }
    tell_lost(s);
    return ERR_LOST;
}

static int ask(struct store *s) {
    struct log_state state;
    int code = s->log->barrier(s->log->ctx, &state);
    if (code == 0) {
        s->log_state = state;
        store_stop_syncing(s);
    }
    return code;
}

enum { ROOM_BYTES = 1 << 20, ROOMS = 12 /* each twice as large */ };

static int catch_up(struct store *s, bool *more) {
    struct writeset *writes = s->writes;
    s->writes = NULL; /* what comes from the log does not go there again */
    int code = store_catch_up(s, &s->log_state, more);
    /* What the log has cannot be turned away, and how many pages it takes is not known before. */
    for (unsigned i = 0; code == ERR_FULL && i < ROOMS; i++) {
        code = store_lend_for(s, (uint64_t)ROOM_BYTES << i);
        code = code == 0 ? store_catch_up(s, &s->log_state, more) : code;
    }
    s->writes = writes;
    return code;
}

int store_settle(struct store *s, bool *more) {
    assert(s->txn == NULL);
    *more = false;
    if (!s->unsettled) {
        return 0;
    }
    int code = s->asked ? 0 : ask(s);
    code = code == 0 ? catch_up(s, more) : code;
    s->asked = code == 0 && *more;
    s->unsettled = code != 0 || *more;
    if (!s->unsettled) {
        store_drop_torn(s);
    }
    /* Who follows reads while turns go that a snapshot has. */
    if (code == ERR_LOST && (!s->follows || store_is_ahead(s))) {
        tell_lost(s);
    }
    return code == ERR_FENCED ? store_fenced(s) : code;
}

void store_expect_more(struct store *s) {
    assert(s->txn == NULL && s->follows);
    s->unsettled = true;
}

/* --- transactions --- */

uint64_t store_make_turn(const struct writeset *writes, uint64_t number, struct log_turn *out) {
    uint64_t bytes = 0;
    out->number = number;
    out->count = 0;
    for (uint8_t home = 0; home < HOMES; home++) {
        struct slice body = writeset_body(writes, home);
        if (body.len > 0) {
            out->parts[out->count++] = (struct log_part){.home = home, .body = body};
            bytes += body.len;
        }
    }
    return bytes;
}

int store_begin(struct store *s) {
    bool more = s->unsettled;
    int code = 0;
    while (code == 0 && more) {
        code = store_settle(s, &more);
    }
    return code == 0 ? store_txn_begin(s) : code;
}

int store_begin_reading(struct store *s) {
    return store_txn_begin(s);
}

static int append(struct store *s, uint64_t number, uint64_t *bytes) {
    struct log_turn turn;
    *bytes = store_make_turn(s->writes, number, &turn);
    s->unsettled = true; /* until LMDB has it, too */
    return s->log->append(s->log->ctx, &turn);
}

static int commit_logged(struct store *s) {
    assert(!s->unsettled && !s->follows); /* store_begin began it */
    s->followed = false;
    uint64_t number = s->logged + 1;
    uint64_t bytes = 0;
    int code = store_put_position(s, number, s->log_state.self, false);
    code = code == 0 ? append(s, number, &bytes) : code;
    if (code != 0) {
        store_abort(s);
        return code == ERR_FENCED ? store_fenced(s) : code;
    }
    code = store_txn_commit(s);
    writeset_reset(s->writes);
    if (code != 0) {
        return ERR_DOUBT; /* the log has it, and so will LMDB */
    }
    s->logged = number;
    s->log_state.last = number;
    memcpy(s->log_state.writer, s->log_state.self, LOG_ID_BYTES);
    s->log_state.bytes += bytes;
    s->unsettled = false;
    return 0;
}

int store_commit(struct store *s) {
    assert(s->txn != NULL);
    return s->writes == NULL || writeset_is_empty(s->writes) ? store_txn_commit(s)
                                                             : commit_logged(s);
}

int store_leave_log(struct store *s) {
    struct position at;
    int code = store_begin(s);
    if (code != 0) {
        return code;
    }
    code = store_get_position(s, &at);
    code = code == 0 && at.partial ? ERR_BUSY : code; /* INV-STORE-12 */
    code = code == 0 ? store_drop_position(s) : code;
    if (code != 0) {
        store_abort(s);
        return code;
    }
    code = store_txn_commit(s);
    code = code == 0 ? store_sync(s) : code;
    if (code == 0) {
        writeset_free(s->writes);
        s->writes = NULL;
        s->log = NULL;
    }
    return code;
}
