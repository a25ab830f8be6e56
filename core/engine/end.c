/*
 * end.c - how an attempt ends for an event: done, again later, put off, dead. Of a batch,
 * each event ends its own way.
 *
 * The event's effects, if it has any, are applied by then.
 */
#include "engine/impl.h"

#include "base/log.h"
#include "journal/event.h"
#include "journal/later.h"

#include <assert.h>
#include <string.h>

/* --- waiting again --- */

int engine_put_off(struct engine *e, struct lane_item *item, enum event_state state,
                   int64_t due_ms) {
    struct event *event = item->event;
    event->state = (uint8_t)(event->undo == UNDO_NONE ? state : EVENT_COMPENSATING);
    event->due_ms = due_ms;
    uint8_t flags = event->state == EVENT_SLEEPING ? LANE_ASLEEP : LANE_WAITING;
    if (due_ms == 0) { /* until somebody wakes it */
        return engine_lane_block(e, item, flags);
    }
    struct row row = engine_row(event);
    struct timer timer = engine_wake_timer(&row, due_ms);
    int code = engine_timer_put(e, &timer);
    return code == 0 ? engine_lane_block(e, item, flags) : code;
}

static int64_t at_least_1ms(int64_t ms) {
    return ms > 0 ? ms : 1;
}

static int sleep_until(struct engine *e, struct engine_service *s, struct lane_item *item,
                       int64_t due_ms) {
    s->books_dirty = true;
    engine_note_ending(e, s, item->event, EVENT_SLEEPING, (struct slice){NULL, 0});
    return engine_put_off(e, item, EVENT_SLEEPING, due_ms);
}

static int item_snoozed(struct engine *e, struct engine_service *s, struct lane_item *item,
                        const struct verdict *v) {
    int code = engine_note_attempt(e, item->event, ATTEMPT_SNOOZE, v->error);
    item->event->snoozes++;
    s->books.snoozes++;
    return code == 0 ? sleep_until(e, s, item, e->now_ms + at_least_1ms(v->after_ms)) : code;
}

static int item_throttled(struct engine *e, struct engine_service *s, struct lane_item *item,
                          const struct verdict *v) {
    int64_t until_ms = e->now_ms + at_least_1ms(v->after_ms);
    lanes_throttle(e->lanes, s->index, until_ms);
    s->throttled_until_ms = until_ms;
    int code = engine_note_attempt(e, item->event, ATTEMPT_THROTTLE, v->error);
    item->event->throttles++;
    s->books.throttles++;
    return code == 0 ? sleep_until(e, s, item, until_ms) : code;
}

/* --- failing --- */

/* After a failure: the delay before the next attempt, or dead with a reason in `reason`. */
static bool next_delay(struct engine *e, struct engine_service *s, struct event *event,
                       const struct verdict *v, int64_t *delay_ms, struct buf *reason) {
    struct retry_verdict verdict;
    struct report r;
    bool own = v->outcome == OUTCOME_RETRY && v->after_ms >= 0;
    int code = run_retry_policy(e->scripts, s->index, event, v->error, &e->view, &verdict, &r);
    if (code == 0) {
        *delay_ms = own ? v->after_ms : verdict.after_ms;
        if (verdict.dead) {
            buf_add_str(reason, verdict.reason);
        }
        return !verdict.dead;
    }
    if (code != ERR_NOTFOUND) {
        log_error("engine",
                  "the retry policy of service \"%s\" failed, the numbers of topics.conf "
                  "are used error=\"%s\"",
                  s->conf->name, r.text);
    }
    if (event->errors > s->conf->retries) {
        buf_add_str(reason, v->error);
        return false;
    }
    *delay_ms =
        own ? v->after_ms : service_backoff_ms(s->conf, event->errors, uuid_source_random(&e->ids));
    return true;
}

int engine_note_failure(struct engine *e, struct engine_service *s, struct event *event,
                        enum attempt_end end, const char *text) {
    s->books_dirty = true;
    if (end == ATTEMPT_TIMEOUT) {
        event->timeouts++;
        s->books.timeouts++;
    }
    metrics_failed(&s->metrics, e->now_ms);
    return engine_note_attempt(e, event, end, text);
}

/* Whoever writes a handler looks at the log first. The traceback is for `zingq trace`. */
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
    engine_note_ending(e, s, event, undoes ? EVENT_COMPENSATING : EVENT_RETRYING, slice_of(error));
    log_retry(s, event, error, delay_ms);
    s->books.retries++;
    return engine_put_off(e, item, EVENT_RETRYING, e->now_ms + at_least_1ms(delay_ms));
}

static int item_failed(struct engine *e, struct engine_service *s, struct lane_item *item,
                       const struct verdict *v) {
    struct event *event = item->event;
    event->errors++;
    int code = engine_note_failure(e, s, event, v->end, v->error);
    if (code != 0) {
        return code;
    }
    struct buf reason;
    buf_init(&reason, ERROR_BYTES_MAX + 1024);
    int64_t delay_ms = 0;
    if (next_delay(e, s, event, v, &delay_ms, &reason)) {
        code = engine_try_again(e, s, item, v->error, delay_ms);
    } else {
        code = engine_bury_item(e, s, item, buf_str(&reason));
    }
    buf_clear(&reason);
    return code;
}

static int item_rejected(struct engine *e, struct engine_service *s, struct lane_item *item,
                         const struct verdict *v) {
    metrics_failed(&s->metrics, e->now_ms);
    int code = engine_note_attempt(e, item->event, ATTEMPT_REJECT, v->error);
    return code == 0 ? engine_bury_item(e, s, item, v->error) : code;
}

/* --- done --- */

static int item_done(struct engine *e, struct engine_service *s, struct lane_item *item,
                     const struct verdict *v) {
    struct event *event = item->event;
    (void)v;
    int code = engine_forget_waits(e, event);
    if (code != 0) {
        return code;
    }
    engine_note_end(e, s, event, EVENT_DONE);
    s->books.done++;
    metrics_done(&s->metrics, e->now_ms, (e->now_ms - engine_round_ms(e, event)) * 1000);
    engine_note_ending(e, s, event, EVENT_DONE, (struct slice){NULL, 0});
    code = journal_event_put(e->journal, event);
    if (code == 0) {
        code = engine_unplace(e, item);
    }
    return code == 0 ? engine_lane_next(e, item) : code;
}

int engine_end_item(struct engine *e, struct engine_service *s, struct lane_item *item,
                    const struct verdict *v) {
    static int (*const ends[])(struct engine *, struct engine_service *, struct lane_item *,
                               const struct verdict *) = {
        [OUTCOME_DONE] = item_done,          [OUTCOME_ERROR] = item_failed,
        [OUTCOME_RETRY] = item_failed,       [OUTCOME_SNOOZE] = item_snoozed,
        [OUTCOME_THROTTLE] = item_throttled, [OUTCOME_REJECT] = item_rejected,
    };
    assert((size_t)v->outcome < sizeof ends / sizeof *ends && ends[v->outcome] != NULL);
    return ends[v->outcome](e, s, item, v);
}
