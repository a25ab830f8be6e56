/*
 * bugs_log.c - planted bugs of a store that has a log. See bugs.h.
 */
#include "bugs_impl.h"
#include "sim.h"

#include "store/impl.h"
#include "store/snapshot.h"

/* log-incomplete: a change is not noted. */
WRAP(int, writeset_add, struct writeset *w, store_home *home_of, const struct write *write) {
    return bug_strikes(BUG_LOG_INCOMPLETE, 50) ? 0 : __real_writeset_add(w, home_of, write);
}

/* log-late: a turn is in LMDB before the log has it. */
WRAP(int, store_txn_commit, struct store *s) {
    struct node *n = node_at_work();
    int code = __real_store_txn_commit(s);
    if (n != NULL && code == 0) {
        node_log_late(n);
    }
    return code;
}

/* catch-up-skipped: what the log has counts as applied. old-copy-run: where a host moves to, if there is
 * something already. */
static bool skips(void) {
    const struct node *n = node_at_work();
    bool old_copy = n != NULL && n->moved && n->starts > 1;
    return bug_is(BUG_CATCH_UP_SKIPPED) || (bug_is(BUG_OLD_COPY_RUN) && old_copy);
}

WRAP(int, store_catch_up, struct store *s, const struct log_state *state, bool *more) {
    if (!skips()) {
        return __real_store_catch_up(s, state, more);
    }
    *more = false;
    s->logged = state->last;
    return 0;
}

/* doubt-dismissed: a turn without an answer counts as lost. */
void bugs_dismiss_doubt(struct store *s) {
    s->unsettled = s->unsettled && !(bug_is(BUG_DOUBT_DISMISSED) && s->logged > 0);
}

/* fenced-acks: what it was handed last is acknowledged. */
void bugs_turn_failed(struct node *n) {
    if (bug_is(BUG_FENCED_ACKS) && n->fenced && !node_is_owner(n)) {
        broker_acknowledged(n->sim, n);
    }
}

/* snapshot-gap: a row is left out. */
WRAP(bool, store_owns_row, enum store_table t, struct slice key) {
    return __real_store_owns_row(t, key) || (t != TABLE_META && bug_strikes(BUG_SNAPSHOT_GAP, 50));
}

/* snapshot-ahead: it counts as of the turn where it ended, and trims too far. */
WRAP(const struct log_snapshot *, snapshot_head, const struct snapshot *p) {
    static struct log_snapshot ahead;
    struct node *n = node_at_work();
    ahead = *__real_snapshot_head(p);
    if (n != NULL && bug_is(BUG_SNAPSHOT_AHEAD)) {
        ahead.number = store_log_state(n->store)->last;
    }
    return &ahead;
}

/* load-cut: what is loaded counts as whole. */
WRAP(int, store_put_position, struct store *s, uint64_t number, const uint8_t *writer,
     bool partial) {
    return __real_store_put_position(s, number, writer, partial && !bug_is(BUG_LOAD_CUT));
}

/* torn-used: a file that the disk has in part is opened. sync-skipped is in node_log.c. */
WRAP(int, store_check_synced, const struct store *s, struct report *r) {
    return bug_is(BUG_TORN_USED) ? 0 : __real_store_check_synced(s, r);
}
