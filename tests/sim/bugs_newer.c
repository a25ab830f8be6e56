/*
 * bugs_newer.c - planted bugs of what came last: tenants, filters of idempotency keys, publishes under
 * a name, fan-in, quotas, lines of files after a backup, another topics.conf. See bugs.h.
 */
#include "bugs.h"
#include "sim.h"

#include "conf/change.h"
#include "engine/quota.h"
#include "engine/waiters.h"
#include "journal/event.h"
#include "journal/filters.h"
#include "journal/later.h"
#include "journal/recent.h"

#include <unistd.h>

/* --- duplicates --- */

/* filter-unnoted: a filter that is made does not learn of the rows that come. */
WRAP(void, filters_note, struct journal *j, size_t bucket, const struct key *k) {
    if (!bug_is(BUG_FILTER_UNNOTED)) {
        __real_filters_note(j, bucket, k);
    }
}

/* note-dropped: a key looks as if it were no longer needed. */
WRAP(int, journal_note_counts, struct journal *j, struct dedupe_time time, const struct key *k,
     const struct dedupe_note *note) {
    return bug_strikes(BUG_NOTE_DROPPED, 4) ? ERR_NOTFOUND
                                            : __real_journal_note_counts(j, time, k, note);
}

/* --- what waits --- */

/* tenant-unread: what waits for the turn of its tenant is not looked for. */
WRAP(int, journal_tenant_next, struct journal *j, struct row *row) {
    return bug_is(BUG_TENANT_UNREAD) ? ERR_NOTFOUND : __real_journal_tenant_next(j, row);
}

/* waits-kept: an event has ended, and waits for a signal. */
WRAP(int, engine_forget_waits, struct engine *e, const struct event *event) {
    bool ended = event_state_ended((enum event_state)event->state);
    return ended && bug_is(BUG_WAITS_KEPT) ? 0 : __real_engine_forget_waits(e, event);
}

/* --- publishes under a name --- */

/* replace-mixed: all names are one. */
WRAP(struct uuid, uuid_of_name, struct slice scope, struct slice name) {
    return __real_uuid_of_name(scope, bug_is(BUG_REPLACE_MIXED) ? slice_of("one") : name);
}

/* delayed-unkept: nothing says where it waits. */
WRAP(int, journal_delayed_put, struct journal *j, const struct uuid *id,
     const struct delayed *delayed) {
    return bug_strikes(BUG_DELAYED_UNKEPT, 4) ? 0 : __real_journal_delayed_put(j, id, delayed);
}

/* --- files, quotas, another topics.conf --- */

/* line-uncut: what a file has beyond its store, after a crash or in a backup, stays. */
WRAP(int, ftruncate, int fd, off_t length) {
    return bug_is(BUG_LINE_UNCUT) ? 0 : __real_ftruncate(fd, length);
}

/* quota-unread: a start does not count the dead letters that there are. */
WRAP(int, engine_load_quotas, struct engine *e) {
    return bug_is(BUG_QUOTA_UNREAD) ? 0 : __real_engine_load_quotas(e);
}

/* reload-unheard: nothing of another topics.conf is taken over, and the operator is told that it is. */
WRAP(void, conf_exchange, struct conf *running, struct conf *fresh) {
    if (!bug_is(BUG_RELOAD_UNHEARD)) {
        __real_conf_exchange(running, fresh);
    }
}
