/*
 * retry.c - an event waits again after an attempt: put off, asleep, or ready again after a failure.
 */
#include "engine/retry.h"

#include "base/log.h"
#include "engine/history.h"
#include "engine/impl.h"
#include "engine/item.h"
#include "engine/lane.h"
#include "engine/metrics.h"
#include "engine/place.h"
#include "engine/services.h"
#include "engine/timers.h"
#include "engine/watch.h"
#include "journal/later.h"

#include <string.h>

int engine_put_off(struct engine *e, struct lane_item *item, enum event_state state,
                   int64_t due_ms) {
    struct event *event = item->event;
    event->state = (uint8_t)(event->undo == UNDO_NONE ? state : EVENT_COMPENSATING);
    event->due_ms = due_ms;
    uint8_t flags = event->state != EVENT_SLEEPING ? LANE_WAITING
                    : item->holds_key              ? LANE_HOLDS_KEY
                                                   : LANE_ASLEEP;
    if (due_ms == 0) { /* until something wakes it */
        return engine_lane_block(e, item, flags);
    }
    struct row row = engine_row(event);
    struct timer timer = engine_wake_timer(&row, due_ms);
    int code = engine_timer_put(e, &timer);
    return code == 0 ? engine_lane_block(e, item, flags) : code;
}

int engine_note_failure(struct engine *e, struct engine_service *s, struct event *event,
                        enum attempt_end end, const char *text) {
    if (end == ATTEMPT_TIMEOUT) {
        event->timeouts++;
        engine_count(e, s, BOOK_TIMEOUTS, 1);
    }
    metrics_failed(&s->metrics, e->now_ms);
    return engine_note_attempt(e, event, end, text);
}

/* The log is where the author of a handler looks first. The traceback is in `zingq trace`. */
static void log_retry(const struct engine_service *s, const struct event *event, const char *error,
                      int64_t delay_ms) {
    char id[UUID_TEXT_BYTES + 1];
    log_info("engine",
             "attempt failed service=%s event=%s attempt=%u again_in_ms=%lld error=\"%.*s\"",
             s->conf->name, uuid_text(&event->id, id), event->attempts, (long long)delay_ms,
             (int)strcspn(error, "\n"), error);
}

int engine_try_again(struct engine *e, struct engine_service *s, struct lane_item *item,
                     const char *error, int64_t delay_ms) {
    struct event *event = item->event;
    bool undoes = event->undo != UNDO_NONE;
    engine_show_ending(e, s, event, undoes ? EVENT_COMPENSATING : EVENT_RETRYING, slice_of(error));
    log_retry(s, event, error, delay_ms);
    engine_count(e, s, BOOK_RETRIES, 1);
    return engine_put_off(e, item, EVENT_RETRYING, e->now_ms + (delay_ms > 0 ? delay_ms : 1));
}
