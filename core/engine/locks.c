/*
 * locks.c - the lock that an expiry event (EVENT_LOCK_EXPIRED) reports, and when it is released. It
 * stays locked until that event has ended or has done something: so nobody can take what
 * on_lock_expired has yet to clean up.
 */
#include "engine/locks.h"

#include "base/json_read.h"
#include "engine/impl.h"
#include "engine/item.h"
#include "journal/keyed.h"

/* When that lock expired; the payload was made by lock_json. It is read without memory, which could
 * be short: an expiry taken for that of another lock would be lost. */
static int64_t expired_ms(const struct event *event) {
    struct json_reader r;
    json_open_text(&r, event->payload);
    bool object = json_next(&r) == JSON_BEGIN_OBJECT;
    while (object && json_next(&r) == JSON_NAME) {
        bool wanted = slice_is(r.text, "expires_ms");
        enum json_token token = json_next(&r);
        if (wanted) {
            return token == JSON_WHOLE ? r.whole : 0;
        }
        object = json_skip(&r, token);
    }
    return 0;
}

bool engine_is_expired_lock(const struct event *event, struct slice name, const struct lock *lock) {
    struct slice expired;
    return event->kind == EVENT_LOCK_EXPIRED &&
           property_find(event->properties, "zingq-lock", &expired) && slice_equal(expired, name) &&
           lock->expires_ms == expired_ms(event);
}

int engine_free_expired_lock(struct engine *e, const struct event *event) {
    struct slice name;
    struct lock lock;
    if (event->kind != EVENT_LOCK_EXPIRED ||
        !property_find(event->properties, "zingq-lock", &name)) {
        return 0;
    }
    struct cell cell = engine_cell(event, name);
    int code = journal_lock_get(e->journal, &cell, &lock);
    if (code == 0 && engine_is_expired_lock(event, name, &lock)) {
        code = journal_lock_del(e->journal, &cell);
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* An expiry is stale if its lock was extended or released afterwards, even if a new lock in its
 * place has expired since: another event reports that one. If the lock is gone because its expiry
 * event ended dead, a replay of that event still handles it; so does a handler that has done a step
 * already. */
int engine_expiry_is_stale(struct engine *e, const struct event *event, bool *stale) {
    struct slice name;
    struct lock lock;
    *stale = false;
    if (event->kind != EVENT_LOCK_EXPIRED || event->durable ||
        !property_find(event->properties, "zingq-lock", &name)) {
        return 0;
    }
    struct cell cell = engine_cell(event, name);
    int code = journal_lock_get(e->journal, &cell, &lock);
    if (code == 0) {
        *stale = !engine_is_expired_lock(event, name, &lock);
    } else if (code == ERR_NOTFOUND) {
        *stale = !event->replayed;
    }
    return code == ERR_NOTFOUND ? 0 : code;
}
