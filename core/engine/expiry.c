/*
 * expiry.c - an expired lock: makes the event that informs its service.
 */
#include "engine/expiry.h"

#include "engine/admit.h"
#include "engine/impl.h"
#include "engine/services.h"
#include "engine/timers.h"
#include "base/json_write.h"
#include "journal/keyed.h"
#include "journal/later.h"

enum { INACTIVE_DELAY_MS = 60 * 1000 };

/* The expired lock as JSON: {"name", "owner", "expires_ms", "data"}. Invalid UTF-8 in a name or an
 * owner is replaced: the handler may stumble over it, the engine must not. */
static int lock_json(const struct cell *cell, const struct lock *lock, struct buf *out) {
    buf_add_str(out, "{\"name\":");
    (void)json_quote(cell->name, out);
    buf_add_str(out, ",\"owner\":");
    (void)json_quote(lock->owner, out);
    buf_printf(out, ",\"expires_ms\":%lld,\"data\":", (long long)lock->expires_ms);
    buf_add_slice(out, lock->data.len == 0 ? slice_of("null") : lock->data);
    buf_add_str(out, "}");
    return out->failed ? ERR_MEMORY : 0;
}

static int admit_expiry(struct engine *e, struct engine_service *s, const struct cell *cell,
                        const struct lock *lock) {
    struct buf payload;
    struct buf properties;
    buf_init(&payload, EFFECTS_BYTES_MAX * 2);
    buf_init(&properties, 4 * TOPIC_BYTES_MAX);
    property_add(&properties, slice_of("zingq-lock"), cell->name);
    property_add(&properties, slice_of("zingq-lock-topic"), lock->topic);
    int code = lock_json(cell, lock, &payload);
    struct event_bytes bytes = {.topic = slice_of("zingq/lock-expired"),
                                .key = cell->key,
                                .payload = buf_slice(&payload),
                                .content_type = slice_of("application/json"),
                                .properties = buf_slice(&properties)};
    struct event *event = code != 0 || properties.failed ? NULL : event_new(&bytes);
    buf_clear(&properties);
    buf_clear(&payload);
    if (event == NULL) {
        return ERR_MEMORY;
    }
    if (event->key.data == NULL) {
        event->key = (struct slice){"", 0};
    }
    event->kind = EVENT_LOCK_EXPIRED;
    bool duplicate;
    return engine_admit(e, s, event, ADMIT_OWN, &duplicate);
}

int engine_fire_lock(struct engine *e, const struct timer *timer) {
    struct engine_service *s = engine_service_of(e, timer->service);
    struct cell cell = {.partition = timer->partition,
                        .service = timer->service,
                        .key = timer->key,
                        .name = timer->name};
    struct lock lock;
    int code = journal_lock_get(e->journal, &cell, &lock);
    if (code == 0 && (s == NULL || !s->active)) {
        struct timer later = *timer;
        later.due_ms = e->now_ms + INACTIVE_DELAY_MS;
        return engine_timer_put(e, &later);
    }
    /* Released or extended in the meantime. A timer that was put off is due after the expiry. */
    if (code != 0 || lock.expires_ms == 0 || lock.expires_ms > timer->due_ms) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    if (!engine_service_has(e, s, "on_lock_expired")) {
        return journal_lock_del(e->journal, &cell);
    }
    return admit_expiry(e, s, &cell, &lock);
}
