/*
 * bugs_log.c - planted bugs of a store that has a log. See bugs.h.
 */
#include "bugs_impl.h"
#include "sim.h"

#include "store/impl.h"

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

/* catch-up-skipped: what the log has counts as applied. */
WRAP(int, store_catch_up, struct store *s, const struct log_state *state) {
    if (!bug_is(BUG_CATCH_UP_SKIPPED)) {
        return __real_store_catch_up(s, state);
    }
    s->logged = state->last;
    return 0;
}

/* doubt-dismissed: a turn without an answer counts as lost. */
void bugs_dismiss_doubt(struct store *s) {
    s->unsettled = s->unsettled && !(bug_is(BUG_DOUBT_DISMISSED) && s->logged > 0);
}
