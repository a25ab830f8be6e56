/*
 * bugs_durable.c - planted bugs of steps, sagas, signals, locks, calls and what is taken back. See
 * bugs.h.
 */
#include "bugs.h"
#include "sim.h"

#include "engine/expiry.h"
#include "engine/delayed.h"
#include "engine/locks.h"
#include "journal/later.h"
#include "journal/outbox.h"
#include "journal/keyed.h"
#include "journal/step.h"

#include <stdio.h>

/* --- steps and sagas --- */

/* step-forgotten: what a step has done is on disk, that it was done is not. fan-in-deaf: a wait for
 * several signals expects one more. */
WRAP(int, journal_step_put, struct journal *j, const struct event *event, const struct step *step) {
    bool ends = step->state == STEP_DONE && (step->kind == STEP_PLAIN || step->kind == STEP_SAGA);
    struct step other = *step;
    if (step->kind == STEP_WAIT && step->count > 0 && bug_is(BUG_FAN_IN_DEAF)) {
        other.count++;
    }
    return ends && bug_strikes(BUG_STEP_FORGOTTEN, 8) ? 0
                                                      : __real_journal_step_put(j, event, &other);
}

/* undo-skipped: nothing is undone. */
WRAP(bool, step_is_open, const struct step *step) {
    return __real_step_is_open(step) && !bug_strikes(BUG_UNDO_SKIPPED, 3);
}

/* --- signals --- */

/* signal-lost: one that nobody waits for yet is not kept. */
WRAP(int, journal_signal_put, struct journal *j, const struct cell *cell, uint64_t seq,
     struct slice value, int64_t expires_ms) {
    return bug_strikes(BUG_SIGNAL_LOST, 4)
               ? 0
               : __real_journal_signal_put(j, cell, seq, value, expires_ms);
}

/* signal-twice: one that was taken is still there. */
WRAP(int, journal_signal_del, struct journal *j, const struct cell *cell, uint64_t seq) {
    return bug_strikes(BUG_SIGNAL_TWICE, 4) ? 0 : __real_journal_signal_del(j, cell, seq);
}

/* --- locks --- */

/* lock-shared: a handler does not see that it is held. */
WRAP(int, journal_lock_read, struct journal *j, const struct cell *cell, struct lock *out) {
    return bug_strikes(BUG_LOCK_SHARED, 6) ? ERR_NOTFOUND : __real_journal_lock_read(j, cell, out);
}

/* lock-for-good: its end is told to nobody. */
WRAP(int, engine_fire_lock, struct engine *e, const struct timer *timer) {
    return bug_strikes(BUG_LOCK_FOR_GOOD, 6) ? 0 : __real_engine_fire_lock(e, timer);
}

/* expiry-stale: the end of a lock is told that was given back, or extended, meanwhile. */
WRAP(int, engine_expiry_is_stale, struct engine *e, const struct event *event, bool *stale) {
    int code = __real_engine_expiry_is_stale(e, event, stale);
    *stale = *stale && !bug_is(BUG_EXPIRY_STALE);
    return code;
}

/* --- the outside --- */

/* cancel-ignored: what was taken back leaves all the same. */
WRAP(int, engine_cancel_publish, struct engine *e, const struct uuid *id) {
    return bug_strikes(BUG_CANCEL_IGNORED, 4) ? 0 : __real_engine_cancel_publish(e, id);
}

/* sql-alone: a statement of a transaction has one of its own. key-changes: each try has an Idempotency-Key of its own. */
WRAP(int, peer_start, struct sim *s, struct node *n, uint64_t id,
     const struct call_request *request) {
    char key[128];
    struct call_request changed = *request;
    if (request->scope == SQL_WITHIN && bug_strikes(BUG_SQL_ALONE, 8)) {
        changed.scope = SQL_ALONE;
        return __real_peer_start(s, n, id, &changed);
    }
    if (!bug_is(BUG_KEY_CHANGES) || request->key == NULL) {
        return __real_peer_start(s, n, id, request);
    }
    (void)snprintf(key, sizeof key, "%s %llu", request->key, (unsigned long long)id);
    changed.key = key;
    return __real_peer_start(s, n, id, &changed);
}

/* line-lost: one that goes into a file is not kept until it is written. */
WRAP(int, journal_append_put, struct journal *j, uint8_t partition, uint64_t seq, struct slice file,
     struct slice line) {
    return bug_strikes(BUG_LINE_LOST, 4) ? 0
                                         : __real_journal_append_put(j, partition, seq, file, line);
}
