/*
 * bugs_store.c - planted bugs of what is stored: rows that are not written, not deleted, not read. See
 * bugs.h.
 */
#include "bugs_impl.h"
#include "sim.h"

#include "engine/timers.h"
#include "journal/event.h"
#include "journal/dedupe.h"
#include "journal/filters.h"
#include "journal/later.h"
#include "journal/outbox.h"
#include "journal/forward.h"
#include "journal/keyed.h"

/* dedupe-late: what is to be noted in the next transaction. */
enum { NOTES_MAX = 512 };
static struct {
    struct journal *journal;
    struct {
        struct dedupe_time time;
        uint8_t partition;
        struct dedupe_hash hash;
        struct uuid id;
    } notes[NOTES_MAX];
    size_t count;
} late;

void bugs_store_begin(void) {
    late.count = 0;
}

/* --- duplicates --- */

/* dedupe-missing: it is not noted. */
WRAP(int, journal_dedupe, struct journal *j, struct dedupe_time time, uint8_t partition,
     const struct dedupe_hash *hash, const struct uuid *id, struct uuid *earlier) {
    struct dedupe_note note;
    if (bug_strikes(BUG_DEDUPE_MISSING, 4)) {
        return 0;
    }
    if (!bug_is(BUG_DEDUPE_LATE) || late.count == NOTES_MAX) {
        return __real_journal_dedupe(j, time, partition, hash, id, earlier);
    }
    int code = journal_dedupe_find(j, time, partition, hash, &note);
    if (code != ERR_NOTFOUND) {
        return code == 0 ? ERR_EXISTS : code;
    }
    late.journal = j;
    late.notes[late.count].time = time;
    late.notes[late.count].partition = partition;
    late.notes[late.count].hash = *hash;
    late.notes[late.count++].id = *id;
    return 0;
}

WRAP(int, store_begin, struct store *s) {
    bugs_dismiss_doubt(s);
    int code = __real_store_begin(s);
    struct uuid earlier;
    struct node *n = node_at_work();
    bool ours = code == 0 && n != NULL && n->engine != NULL && late.count > 0 &&
                late.journal == engine_journal(n->engine);
    for (size_t i = 0; ours && i < late.count; i++) {
        (void)__real_journal_dedupe(late.journal, late.notes[i].time, late.notes[i].partition,
                                    &late.notes[i].hash, &late.notes[i].id, &earlier);
    }
    late.count = ours ? 0 : late.count;
    return code;
}

/* What a process that dies remembers dies with it. */
WRAP(void, journal_close, struct journal *j) {
    late.count = late.journal == j ? 0 : late.count;
    __real_journal_close(j);
}

/* dedupe-short: notes are dropped long before their time. */
WRAP(int, journal_open, struct journal **out, struct store *store, int64_t keep_ms,
     struct report *r) {
    return __real_journal_open(out, store, bug_is(BUG_DEDUPE_SHORT) ? 1000 : keep_ms, r);
}

/* dedupe-filter: no bucket is asked. */
WRAP(bool, filters_may_have, const struct journal *j, size_t bucket, const struct key *k) {
    return !bug_is(BUG_DEDUPE_FILTER) && __real_filters_may_have(j, bucket, k);
}

/* --- events and their rows --- */

/* retry-count: the attempt is not on disk. */
WRAP(int, journal_event_put, struct journal *j, const struct event *event) {
    struct event less = *event;
    if (bug_is(BUG_RETRY_COUNT) && event->state == EVENT_RETRYING && event->attempts > 0) {
        less.attempts--;
    }
    return __real_journal_event_put(j, &less);
}

/* row-missing: the event is stored, and nothing says that it waits. priority-forgotten: nothing says
 * how urgent it is. */
WRAP(int, journal_ready_put, struct journal *j, const struct row *row) {
    struct row calm = *row;
    if (bug_is(BUG_PRIORITY_FORGOTTEN)) {
        calm.rank = 0;
    }
    return bug_strikes(BUG_ROW_MISSING, 16) ? 0 : __real_journal_ready_put(j, &calm);
}

/* tenant-forgotten: a lane waits for the turn of its tenant, who does not know of it. */
WRAP(int, journal_tenant_put, struct journal *j, const struct row *row) {
    return bug_strikes(BUG_TENANT_FORGOTTEN, 16) ? 0 : __real_journal_tenant_put(j, row);
}

/* lane-early: a key that has an event in front which waits looks free. */
WRAP(int, journal_lane_next, struct journal *j, struct row *row) {
    return bug_strikes(BUG_LANE_EARLY, 16) ? ERR_NOTFOUND : __real_journal_lane_next(j, row);
}

/* lane-split: some events of a key stand in another lane of the same partition. */
WRAP(uint64_t, journal_lane, struct slice service, struct slice key) {
    uint64_t lane = __real_journal_lane(service, key);
    return bug_strikes(BUG_LANE_SPLIT, 10) ? lane + PARTITIONS : lane;
}

/* --- timers --- */

/* timer-lost: it is not written. timer-early: it is due when half of the time is over. */
WRAP(int, engine_timer_put, struct engine *e, const struct timer *timer) {
    struct timer sooner = *timer;
    int64_t left_ms = timer->due_ms - engine_now_ms(e);
    if (bug_strikes(BUG_TIMER_LOST, 20)) {
        return 0;
    }
    if (bug_is(BUG_TIMER_EARLY) && !timer->by_wall && left_ms > 1) {
        sooner.due_ms -= left_ms / 2;
    }
    return __real_engine_timer_put(e, &sooner);
}

/* timers-forgotten: a start does not look for them. */
WRAP(int, journal_timer_first, struct journal *j, uint8_t partition, bool by_wall,
     struct timer *out) {
    return bug_is(BUG_TIMERS_FORGOTTEN) && bugs_are_loading()
               ? ERR_NOTFOUND
               : __real_journal_timer_first(j, partition, by_wall, out);
}

/* --- publishes and forwards --- */

/* outbox-kept: the row stays. */
WRAP(int, journal_outbox_del, struct journal *j, uint64_t seq) {
    return bug_strikes(BUG_OUTBOX_KEPT, 20) ? 0 : __real_journal_outbox_del(j, seq);
}

/* cursor-stays: how far a host's forwards have come is not written; cursor-ahead: further than that.
 */
WRAP(int, journal_cursor_put, struct journal *j, uint8_t partition, const struct uuid *source,
     uint64_t seq) {
    if (bug_strikes(BUG_CURSOR_STAYS, 4)) {
        return 0;
    }
    return __real_journal_cursor_put(j, partition, source,
                                     seq + (bug_strikes(BUG_CURSOR_AHEAD, 4) ? 1000000 : 0));
}

/* --- books and state --- */

/* books-late: not with what they tell of, but with what changes them next. */
WRAP(int, journal_books_put, struct journal *j, uint16_t service, const struct books *b) {
    return bug_strikes(BUG_BOOKS_LATE, 3) ? 0 : __real_journal_books_put(j, service, b);
}

/* books-not-loaded: a start begins them anew. */
WRAP(int, journal_books_get, struct journal *j, uint16_t service, struct books *out) {
    int code = __real_journal_books_get(j, service, out);
    if (code == 0 && bug_is(BUG_BOOKS_NOT_LOADED)) {
        *out = (struct books){0};
    }
    return code;
}

/* state-lost: a write is forgotten. state-astray: it is written for another key. */
WRAP(int, journal_state_put, struct journal *j, const struct cell *cell, struct slice value,
     int64_t expires_ms) {
    struct cell other = *cell;
    if (bug_strikes(BUG_STATE_LOST, 50)) {
        return 0;
    }
    if (bug_strikes(BUG_STATE_ASTRAY, 50)) {
        other.key = slice_of("k1");
    }
    return __real_journal_state_put(j, &other, value, expires_ms);
}
