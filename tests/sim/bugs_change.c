/*
 * bugs_change.c - planted bugs of what changes while a host runs: another topics.conf, events that are
 * cancelled, publishes that are replaced. See bugs.h.
 */
#include "bugs.h"
#include "sim.h"

#include "conf/change.h"
#include "engine/delayed.h"
#include "engine/removed.h"
#include "engine/rename.h"
#include "engine/withdraw.h"
#include "journal/journal.h"

#include <string.h>

/* --- another topics.conf --- */

/* rename-forgotten: a service with another name is a new one. */
WRAP(int, engine_take_names, struct engine *e, struct report *r) {
    return bug_is(BUG_RENAME_FORGOTTEN) ? 0 : __real_engine_take_names(e, r);
}

/* removed-forgotten: what topics.conf has no more is unknown. */
WRAP(const struct service_conf *, engine_removed, const struct engine *e, size_t n) {
    return bug_is(BUG_REMOVED_FORGOTTEN) ? NULL : __real_engine_removed(e, n);
}

/* rules-forgotten: what comes for a service that was removed has no key. */
WRAP(int, journal_text_get, struct journal *j, const char *name, struct slice *text) {
    bool rules = strncmp(name, "rules/", 6) == 0;
    return rules && bug_is(BUG_RULES_FORGOTTEN) ? ERR_NOTFOUND
                                                : __real_journal_text_get(j, name, text);
}

/* mistake-taken: what only a restart can change is taken over. */
WRAP(int, conf_check_change, const struct conf *running, const struct conf *fresh,
     struct report *r) {
    return bug_is(BUG_MISTAKE_TAKEN) ? 0 : __real_conf_check_change(running, fresh, r);
}

/* --- taken back --- */

/* withdraw-forgotten: a cancelled event still waits. */
WRAP(int, engine_withdraw, struct engine *e, struct engine_service *s, const struct event *event) {
    return bug_strikes(BUG_WITHDRAW_FORGOTTEN, 2) ? 0 : __real_engine_withdraw(e, s, event);
}

/* replace-kept: a publish that another one replaces leaves, too. */
WRAP(int, engine_replace_publish, struct engine *e, struct publication *p, int64_t max_wait_ms,
     int64_t *due_ms) {
    return bug_is(BUG_REPLACE_KEPT) ? 0 : __real_engine_replace_publish(e, p, max_wait_ms, due_ms);
}
