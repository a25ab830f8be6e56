/*
 * bugs_feature.c - planted bugs of what handlers and operators use: locks, steps, sagas, signals,
 * delayed publishes, schedules, batches, dead letters. See bugs.h.
 */
#include "bugs_impl.h"
#include "sim.h"

#include "engine_impl.h"

#include <string.h>

/* --- locks, state --- */

/* lock-overwritten: it looks free to who wants it, and to who writes it. */
WRAP(int, journal_lock_read, struct journal *j, const struct cell *cell, struct lock *out) {
    int code = __real_journal_lock_read(j, cell, out);
    return bug_strikes(BUG_LOCK_OVERWRITTEN, 4) ? ERR_NOTFOUND : code;
}

WRAP(int, engine_conflicts, struct engine *e, struct engine_service *s, const struct event *event,
     const struct effects *effects, struct buf *why, bool *found) {
    int code = __real_engine_conflicts(e, s, event, effects, why, found);
    *found = *found && !bug_is(BUG_LOCK_OVERWRITTEN);
    return code;
}

/* lock-freed: it is free before the event that tells of its end has ended. */
WRAP(int, engine_fire_lock, struct engine *e, const struct timer *timer) {
    int code = __real_engine_fire_lock(e, timer);
    const struct cell cell = {.partition = timer->partition,
                              .service = timer->service,
                              .key = timer->key,
                              .name = timer->name};
    if (code == 0 && bug_is(BUG_LOCK_FREED)) {
        (void)journal_lock_del(e->journal, &cell);
    }
    return code;
}

/* --- steps and sagas --- */

/* step-lost: what a step came to is not stored. */
WRAP(int, journal_step_put, struct journal *j, const struct event *event, const struct step *step) {
    bool plain = step->kind == STEP_PLAIN && step->state == STEP_DONE;
    return plain && bug_strikes(BUG_STEP_LOST, 8) ? 0 : __real_journal_step_put(j, event, step);
}

/* saga-forgotten: what failed for good is dead, and nothing is undone. */
WRAP(int, engine_saga_open, struct engine *e, const struct event *event, struct buf *names,
     bool *open) {
    int code = __real_engine_saga_open(e, event, names, open);
    *open = *open && !bug_strikes(BUG_SAGA_FORGOTTEN, 4);
    return code;
}

/* call-key: each try of a call has a key of its own. */
WRAP(int, peer_start, struct sim *s, struct node *n, uint64_t id,
     const struct call_request *request) {
    struct call_request other = *request;
    char key[32];
    (void)snprintf(key, sizeof key, "%u %llu", n->starts, (unsigned long long)id);
    other.key = bug_is(BUG_CALL_KEY) ? key : request->key;
    return __real_peer_start(s, n, id, &other);
}

/* --- signals --- */

/* signal-twice: one that was taken is still there. */
WRAP(int, journal_signal_del, struct journal *j, const struct cell *cell, uint64_t seq) {
    return bug_strikes(BUG_SIGNAL_TWICE, 4) ? 0 : __real_journal_signal_del(j, cell, seq);
}

/* signal-lost: nobody waits for it, and it is not kept. */
WRAP(int, journal_signal_put, struct journal *j, const struct cell *cell, uint64_t seq,
     struct slice value, int64_t expires_ms) {
    return bug_strikes(BUG_SIGNAL_LOST, 4)
               ? 0
               : __real_journal_signal_put(j, cell, seq, value, expires_ms);
}

/* waiter-overlooked: who waits is not found. */
WRAP(int, journal_waiter_first, struct journal *j, const struct cell *cell, struct waiter *out) {
    return bug_strikes(BUG_WAITER_OVERLOOKED, 4) ? ERR_NOTFOUND
                                                 : __real_journal_waiter_first(j, cell, out);
}

/* --- later --- */

/* delayed-early: it leaves when half of the time is over. */
WRAP(int, engine_publish_later, struct engine *e, uint8_t partition, const struct publication *p,
     int64_t due_ms, bool by_wall) {
    int64_t left_ms = due_ms - (by_wall ? e->wall_ms : e->now_ms);
    bool early = bug_is(BUG_DELAYED_EARLY) && left_ms > 1;
    return __real_engine_publish_later(e, partition, p, due_ms - (early ? left_ms / 2 : 0),
                                       by_wall);
}

/* delayed-kept: taken back, it leaves all the same. */
WRAP(int, engine_cancel_publish, struct engine *e, const struct uuid *id) {
    struct delayed delayed;
    bool there = journal_delayed_get(e->journal, id, &delayed) == 0;
    return there && bug_strikes(BUG_DELAYED_KEPT, 2) ? 0 : __real_engine_cancel_publish(e, id);
}

/* tick-twice: how far a schedule has come is not stored. */
WRAP(int, journal_schedule_put, struct journal *j, const char *name,
     const struct schedule_mark *mark) {
    return bug_strikes(BUG_TICK_TWICE, 2) ? 0 : __real_journal_schedule_put(j, name, mark);
}

/* --- how events end --- */

/* failure-done: what failed counts as done; batch-member: one of a batch does. */
WRAP(int, engine_end_item, struct engine *e, struct engine_service *s, struct lane_item *item,
     const struct verdict *verdict) {
    struct verdict other = *verdict;
    bool fails = verdict->outcome == OUTCOME_ERROR;
    bool batched = s->conf->batch > 1;
    if (fails && batched ? bug_strikes(BUG_BATCH_MEMBER, 4)
                         : fails && bug_strikes(BUG_FAILURE_DONE, 8)) {
        other.outcome = OUTCOME_DONE;
    }
    return __real_engine_end_item(e, s, item, &other);
}

/* park-forgotten: what is parked does not hold its key after a restart. */
WRAP(int, journal_lane_put, struct journal *j, const struct row *row) {
    struct row other = *row;
    if (row->flags == LANE_PARKED && bug_is(BUG_PARK_FORGOTTEN)) {
        other.flags = LANE_BEHIND;
    }
    return __real_journal_lane_put(j, &other);
}

/* pause-forgotten: a start runs what an operator had paused. */
WRAP(int, journal_flag_get, struct journal *j, const char *name, uint64_t *value) {
    return bug_is(BUG_PAUSE_FORGOTTEN) && strncmp(name, "paused/", 7) == 0
               ? ERR_NOTFOUND
               : __real_journal_flag_get(j, name, value);
}

/* crash-misjudged: the page names an event that has left the processor. */
WRAP(void, culprit_enter, struct culprit *c, enum culprit_phase phase) {
    if (!bug_is(BUG_CRASH_MISJUDGED) || (phase != CULPRIT_IDLE && phase != CULPRIT_COMMIT)) {
        __real_culprit_enter(c, phase);
    }
}

/* crash-uncharged: nobody is. */
WRAP(int, engine_charge_crash, struct engine *e) {
    return bug_is(BUG_CRASH_UNCHARGED) ? 0 : __real_engine_charge_crash(e);
}

/* discard-ignored: the operator is told that it is done. */
WRAP(int, engine_carry_out, struct engine *e, struct command *command) {
    bool ignored = command->kind == COMMAND_DISCARD && bug_strikes(BUG_DISCARD_IGNORED, 2);
    command->code = ignored ? 0 : command->code;
    return ignored ? 0 : __real_engine_carry_out(e, command);
}
