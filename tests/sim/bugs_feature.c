/*
 * bugs_feature.c - planted bugs of waits, delayed publishes, schedules, batches, deaths, and of what
 * operators ask for. See bugs.h.
 */
#include "bugs_impl.h"
#include "sim.h"

#include "engine/cancel.h"
#include "engine/command.h"
#include "engine/crash.h"
#include "engine/end.h"
#include "engine/impl.h"
#include "engine/delayed.h"
#include "engine/publish.h"
#include "engine/quota.h"
#include "journal/event.h"
#include "journal/outbox.h"
#include "journal/keyed.h"

#include <string.h>

/* --- waits, delays, ticks --- */

/* waiter-overlooked: who waits is not found. */
WRAP(int, journal_waiter_first, struct journal *j, const struct cell *cell, struct waiter *out) {
    return bug_strikes(BUG_WAITER_OVERLOOKED, 4) ? ERR_NOTFOUND
                                                 : __real_journal_waiter_first(j, cell, out);
}

/* delayed-early: it leaves when half of the time is over. */
WRAP(int, engine_delay_publish, struct engine *e, uint8_t partition, const struct publication *p,
     int64_t due_ms, bool by_wall) {
    int64_t left_ms = due_ms - (by_wall ? e->wall_ms : e->now_ms);
    bool early = bug_is(BUG_DELAYED_EARLY) && left_ms > 1;
    return __real_engine_delay_publish(e, partition, p, due_ms - (early ? left_ms / 2 : 0),
                                       by_wall);
}

/* tick-lost: it counts as settled, and has not run. */
WRAP(int, engine_publish, struct engine *e, const struct publication *p) {
    struct slice name;
    bool ticks = property_find(p->properties, "zingq-schedule", &name);
    return ticks && bug_strikes(BUG_TICK_LOST, 4) ? 0 : __real_engine_publish(e, p);
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

/* origin-forgotten: a renamed service looks for its keys under its new name. */
WRAP(struct slice, journal_origin_of, const struct journal *j, struct slice service) {
    return bug_is(BUG_ORIGIN_FORGOTTEN) ? service : __real_journal_origin_of(j, service);
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

/* letter-kept: nothing is looked at. */
WRAP(int, engine_expire_letters, struct engine *e) {
    return bug_is(BUG_LETTER_KEPT) ? 0 : __real_engine_expire_letters(e);
}

/* letter-uncounted: it is dead no more, and nothing else. */
WRAP(void, engine_count, struct engine *e, struct engine_service *s, enum book book, int64_t by) {
    if (book != BOOK_EXPIRED || !bug_strikes(BUG_LETTER_UNCOUNTED, 2)) {
        __real_engine_count(e, s, book, by);
    }
}

/* cancel-unkept: the same of an event that has not ended: it goes on. */
WRAP(int, engine_cancel_event, struct engine *e, struct command *command, bool *found) {
    *found = bug_strikes(BUG_CANCEL_UNKEPT, 2);
    return *found ? 0 : __real_engine_cancel_event(e, command, found);
}

/* discard-ignored: the operator is told that it is done. */
WRAP(int, engine_carry_out, struct engine *e, struct command *command) {
    bool ignored = command->kind == COMMAND_DISCARD && bug_strikes(BUG_DISCARD_IGNORED, 2);
    command->code = ignored ? 0 : command->code;
    return ignored ? 0 : __real_engine_carry_out(e, command);
}
