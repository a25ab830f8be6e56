/*
 * end.c - how an attempt ends for an event: done, retried, put off, dead. Each event of a batch
 * ends in its own way.
 *
 * The event's effects, if any, have been applied by then.
 */
#include "engine/end.h"

#include "base/log.h"
#include "engine/history.h"
#include "engine/impl.h"
#include "engine/lane.h"
#include "engine/memory.h"
#include "engine/metrics.h"
#include "engine/place.h"
#include "engine/retry.h"
#include "engine/saga.h"
#include "engine/services.h"
#include "engine/spans.h"
#include "engine/waiters.h"
#include "engine/watch.h"
#include "journal/event.h"

#include <assert.h>

/* --- waiting again --- */

static int64_t at_least_1ms(int64_t ms) {
    return ms > 0 ? ms : 1;
}

static int sleep_until(struct engine *e, struct engine_service *s, struct lane_item *item,
                       int64_t due_ms) {
    engine_show_ending(e, s, item->event, EVENT_SLEEPING, (struct slice){NULL, 0});
    return engine_put_off(e, item, EVENT_SLEEPING, due_ms);
}

static int item_snoozed(struct engine *e, struct engine_service *s, struct lane_item *item,
                        const struct verdict *v) {
    int code = engine_note_attempt(e, item->event, ATTEMPT_SNOOZE, v->error);
    item->event->snoozes++;
    engine_count(e, s, BOOK_SNOOZES, 1);
    return code == 0 ? sleep_until(e, s, item, e->now_ms + at_least_1ms(v->after_ms)) : code;
}

/* In a service with order the event itself holds up its key, as long as it sleeps. */
static void throttle_key(struct engine *e, const struct engine_service *s, struct lane_item *item,
                         int64_t until_ms) {
    uint64_t key = lane_flows_of(item->lane).key;
    item->holds_key = key != 0;
    if (key != 0) {
        lanes_throttle_key(e->lanes, s->index, key, until_ms);
    }
}

static int item_throttled(struct engine *e, struct engine_service *s, struct lane_item *item,
                          const struct verdict *v) {
    int64_t until_ms = e->now_ms + at_least_1ms(v->after_ms);
    if (v->key_only) {
        throttle_key(e, s, item, until_ms);
    } else {
        engine_throttle(e, s, until_ms);
    }
    int code = engine_note_attempt(e, item->event, ATTEMPT_THROTTLE, v->error);
    item->event->throttles++;
    engine_count(e, s, BOOK_THROTTLES, 1);
    return code == 0 ? sleep_until(e, s, item, until_ms) : code;
}

/* --- failing --- */

/* After a failure: the delay before the next attempt; or -1, and the reason to be dead. */
static int next_delay(struct engine *e, struct engine_service *s, struct event *event,
                      const struct verdict *v, int64_t *delay_ms, struct buf *reason) {
    struct retry_verdict verdict;
    struct report r;
    bool own = v->outcome == OUTCOME_RETRY && v->after_ms >= 0;
    int code = run_retry_policy(e->scripts, s->index, event, v->error, &e->view, &verdict, &r);
    if (code == 0) {
        *delay_ms = verdict.dead ? -1 : own ? v->after_ms : verdict.after_ms;
        if (verdict.dead) {
            buf_add_str(reason, verdict.reason);
        }
        return 0;
    }
    if (code != ERR_NOTFOUND && code != ERR_SCRIPT && engine_waits_for_lack(e, s)) {
        return code;
    }
    if (code != ERR_NOTFOUND) {
        log_error("engine",
                  "the retry policy of service \"%s\" failed, the numbers of topics.conf "
                  "are used error=\"%s\"",
                  s->conf->name, r.text);
    }
    if (event->errors > s->conf->retries) {
        *delay_ms = -1;
        buf_add_str(reason, v->error);
        return 0;
    }
    *delay_ms =
        own ? v->after_ms : service_backoff_ms(s->conf, event->errors, uuid_source_random(&e->ids));
    return 0;
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
    code = next_delay(e, s, event, v, &delay_ms, &reason);
    code = code == 0 ? engine_need_text(e, s, &reason) : code;
    code = code == 0 && delay_ms < 0 ? engine_need(e, s, v->lacks) : code;
    if (code == 0 && delay_ms >= 0) {
        code = engine_try_again(e, s, item, v->error, delay_ms);
    } else if (code == 0) {
        code = engine_fail_for_good(e, s, item, buf_str(&reason));
    }
    buf_clear(&reason);
    return code;
}

static int item_rejected(struct engine *e, struct engine_service *s, struct lane_item *item,
                         const struct verdict *v) {
    metrics_failed(&s->metrics, e->now_ms);
    int code = engine_note_attempt(e, item->event, ATTEMPT_REJECT, v->error);
    return code == 0 ? engine_fail_for_good(e, s, item, v->error) : code;
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
    engine_end_event(e, event, EVENT_DONE);
    engine_count(e, s, BOOK_DONE, 1);
    metrics_done(&s->metrics, e->now_ms, (e->now_ms - engine_round_ms(e, event)) * 1000);
    engine_show_ending(e, s, event, EVENT_DONE, (struct slice){NULL, 0});
    if (e->traces) {
        engine_trace_end(e, s, event);
    }
    code = journal_event_put(e->journal, event);
    return code == 0 ? engine_leave_lane(e, item) : code;
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
