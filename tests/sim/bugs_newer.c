/*
 * bugs_newer.c - planted bugs of what came last: tenants, filters of idempotency keys, publishes under
 * a name, fan-in, waits that are over, another topics.conf. See bugs.h.
 */
#include "bugs.h"
#include "sim.h"

#include "conf/change.h"
#include "engine/signal_message.h"
#include "engine/waiters.h"
#include "journal/event.h"
#include "journal/filters.h"
#include "journal/later.h"
#include "journal/recent.h"

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

/* signal-text: the JSON of an operator's signal is a string. */
WRAP(int, engine_signal_value, struct slice payload, struct buf *out) {
    if (!bug_is(BUG_SIGNAL_TEXT)) {
        return __real_engine_signal_value(payload, out);
    }
    buf_add_u8(out, 's');
    buf_add_slice(out, payload);
    return 0;
}

/* waits-kept: an event has ended, and waits for a signal. */
WRAP(int, engine_forget_waits, struct engine *e, const struct event *event) {
    bool ended = event_state_ended((enum event_state)event->state);
    return ended && bug_is(BUG_WAITS_KEPT) ? 0 : __real_engine_forget_waits(e, event);
}

/* waiter-kept: an event has its signal, and still waits for it. */
WRAP(int, engine_drop_waiter, struct engine *e, const struct cell *cell, uint64_t seq) {
    return bug_strikes(BUG_WAITER_KEPT, 4) ? 0 : __real_engine_drop_waiter(e, cell, seq);
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

/* --- another topics.conf --- */

/* reload-unheard: nothing of another topics.conf is taken over, and the operator is told that it is. */
WRAP(void, conf_exchange, struct conf *running, struct conf *fresh) {
    if (!bug_is(BUG_RELOAD_UNHEARD)) {
        __real_conf_exchange(running, fresh);
    }
}
