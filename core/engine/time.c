/*
 * time.c - what the clock brings: due timers, time-outs, retention.
 *
 * Timers are rows; memory holds only the earliest due time of each partition by either clock.
 * Retention looks at a bounded number of rows a turn, so a day that expires never stalls the engine.
 */
#include "engine/impl.h"

#include "journal/event.h"
#include "journal/dedupe.h"
#include "journal/later.h"
#include "journal/outbox.h"
#include "journal/keyed.h"
#include "journal/step.h"

#include <stdlib.h>
#include <string.h>

enum { INACTIVE_DELAY_MS = 60 * 1000 };

/* --- timers --- */

static int64_t *earliest(struct engine *e, bool by_wall) {
    return by_wall ? e->wall_timer_ms : e->timer_ms;
}

static int look_up_timer(struct engine *e, uint8_t p, bool by_wall, struct timer *timer) {
    int code = journal_timer_first(e->journal, p, by_wall, timer);
    earliest(e, by_wall)[p] = code == 0 ? timer->due_ms : INT64_MAX;
    return code;
}

int engine_load_timers(struct engine *e) {
    for (unsigned i = 0; i < 2 * PARTITIONS; i++) {
        struct timer timer;
        int code = look_up_timer(e, (uint8_t)(i % PARTITIONS), i >= PARTITIONS, &timer);
        if (code != 0 && code != ERR_NOTFOUND) {
            return code;
        }
    }
    return journal_timer_count(e->journal, TIMER_PUBLISH, &e->status.delayed);
}

static int64_t least(const int64_t ms[PARTITIONS]) {
    int64_t found = INT64_MAX;
    for (size_t p = 0; p < PARTITIONS; p++) {
        found = ms[p] < found ? ms[p] : found;
    }
    return found;
}

int64_t engine_earliest_timer(const struct engine *e) {
    return least(e->timer_ms);
}

int64_t engine_earliest_by_wall(struct engine *e) {
    int64_t timer = least(e->wall_timer_ms);
    int64_t found = e->schedule_ms < timer ? e->schedule_ms : timer;
    return found == INT64_MAX ? found : found - engine_wall_ahead_ms(e);
}

struct timer engine_wake_timer(const struct row *row, int64_t due_ms) {
    return (struct timer){
        .kind = TIMER_EVENT, .partition = row->partition, .due_ms = due_ms, .row = *row};
}

int engine_drop_wake(struct engine *e, const struct event *event) {
    struct row row = engine_row(event);
    struct timer timer = engine_wake_timer(&row, event->due_ms);
    int code = event->due_ms == 0 ? 0 : journal_timer_del(e->journal, &timer);
    return code == ERR_NOTFOUND ? 0 : code; /* it could not be read */
}

int engine_wake_now(struct engine *e, struct event *event) {
    int code = engine_drop_wake(e, event);
    struct row row = engine_row(event);
    struct timer timer = engine_wake_timer(&row, e->now_ms);
    event->due_ms = e->now_ms;
    if (code == 0) {
        code = journal_event_put(e->journal, event);
    }
    return code == 0 ? engine_timer_put(e, &timer) : code;
}

int engine_put_wake(struct engine *e, const struct row *row, int64_t due_ms) {
    struct timer timer = engine_wake_timer(row, due_ms);
    struct event *event = NULL;
    int code = journal_event_get(e->journal, row->partition, &row->id, row->service, &event);
    if (code == 0) {
        event->due_ms = due_ms;
        code = journal_event_put(e->journal, event);
        event_free(event);
    } /* else its record could not be read: its lane is woken, and lets it go */
    return code == 0 || code == ERR_NOTFOUND ? engine_timer_put(e, &timer) : code;
}

static int fire_event(struct engine *e, const struct timer *timer) {
    struct engine_service *s = engine_service_of(e, timer->row.service);
    if (s == NULL || !s->active) {
        return engine_put_wake(e, &timer->row, e->now_ms + INACTIVE_DELAY_MS);
    }
    if (lanes_waiting(e->lanes, s->index) >= SERVICE_WINDOW_MAX) {
        return engine_put_wake(e, &timer->row, e->now_ms + WINDOW_FULL_DELAY_MS);
    }
    struct row row = timer->row;
    bool waits = false;
    int code = engine_head_waits(e, &row, &waits);
    if (code != 0 || !waits) {
        return code; /* its row could not be read, and was put right in another way */
    }
    return engine_lane_wake(e, s, &row);
}

static int fire_state(struct engine *e, const struct timer *timer) {
    struct cell cell = {.partition = timer->partition,
                        .service = timer->service,
                        .key = timer->key,
                        .name = timer->name};
    struct slice value;
    int64_t expires_ms = 0;
    int code = journal_state_get(e->journal, &cell, e->now_ms, &value, &expires_ms);
    if (code != ERR_NOTFOUND || expires_ms == 0) {
        return code == ERR_NOTFOUND ? 0 : code; /* written again meanwhile, or gone */
    }
    code = journal_state_del(e->journal, &cell);
    return code == ERR_NOTFOUND ? 0 : code;
}

/* Nobody came for it. */
static int fire_signal(struct engine *e, const struct timer *timer) {
    struct cell cell = {.partition = timer->partition,
                        .service = timer->service,
                        .key = timer->key,
                        .name = timer->name};
    int code = journal_signal_del(e->journal, &cell, timer->seq);
    return code == ERR_NOTFOUND ? 0 : code;
}

static int fire_publish(struct engine *e, const struct timer *timer) {
    struct publication p;
    int code = publication_decode(timer->record, &p);
    e->status.delayed -= e->status.delayed > 0 ? 1 : 0;
    if (code == 0) {
        code = journal_delayed_del(e->journal, &p.id);
        code = code == ERR_NOTFOUND ? 0 : code; /* an older zingq stored it */
    }
    return code == 0 ? engine_publish(e, &p) : code;
}

/* A timer read from the store points into it; what it fires writes. The copy lives in `bytes`. */
static int copy_timer(struct timer *timer, char **bytes) {
    size_t len = timer->key.len + timer->name.len + timer->record.len;
    char *copy = malloc(len + 1);
    if (copy == NULL) {
        return ERR_MEMORY;
    }
    struct slice *slices[] = {&timer->key, &timer->name, &timer->record};
    char *at = copy;
    for (size_t i = 0; i < sizeof slices / sizeof *slices; i++) {
        if (slices[i]->len > 0) {
            memcpy(at, slices[i]->data, slices[i]->len);
        }
        slices[i]->data = at;
        at += slices[i]->len;
    }
    *bytes = copy;
    return 0;
}

static int fire(struct engine *e, struct timer *timer) {
    static int (*const fire_kind[])(struct engine *, const struct timer *) = {
        [TIMER_EVENT] = fire_event,     [TIMER_LOCK] = engine_fire_lock, [TIMER_STATE] = fire_state,
        [TIMER_PUBLISH] = fire_publish, [TIMER_SIGNAL] = fire_signal,
    };
    char *bytes = NULL;
    int code = copy_timer(timer, &bytes);
    if (code == 0) {
        code = journal_timer_del(e->journal, timer);
    }
    if (code == 0) {
        code = fire_kind[timer->kind](e, timer);
    }
    free(bytes);
    return code;
}

static int fire_partition(struct engine *e, uint8_t p, bool by_wall, size_t *left) {
    int64_t now_ms = by_wall ? e->wall_ms : e->now_ms;
    while (*left > 0 && earliest(e, by_wall)[p] <= now_ms) {
        struct timer timer;
        int code = look_up_timer(e, p, by_wall, &timer);
        if (code != 0) {
            return code == ERR_NOTFOUND ? 0 : code;
        }
        if (timer.due_ms > now_ms) {
            return 0;
        }
        code = fire(e, &timer);
        if (code != 0) {
            return code;
        }
        (*left)--;
    }
    return 0;
}

static int fire_shelf(struct engine *e, bool by_wall, size_t *left) {
    int64_t now_ms = by_wall ? e->wall_ms : e->now_ms;
    for (uint8_t p = 0; p < PARTITIONS; p++) {
        if (earliest(e, by_wall)[p] > now_ms) {
            continue;
        }
        int code = fire_partition(e, p, by_wall, left);
        struct timer timer;
        if (code == 0) {
            code = look_up_timer(e, p, by_wall, &timer);
        }
        if (code != 0 && code != ERR_NOTFOUND) {
            return code;
        }
    }
    return 0;
}

/* Those by the wall clock have turns of their own to share: after a step ahead many are due. */
int engine_fire_timers(struct engine *e) {
    size_t left = TIMERS_PER_TURN;
    size_t wall_left = TIMERS_PER_TURN;
    int code = fire_shelf(e, false, &left);
    return code == 0 ? fire_shelf(e, true, &wall_left) : code;
}

/* --- time-outs --- */

/* Half a turn of them; the rest goes on in the next one. */
int engine_expire_waits(struct engine *e) {
    engine_watch_clock(e);
    int64_t end_us = e->seen_us + TURN_MS_MAX * 1000 / 2;
    for (size_t i = 0; i < e->service_count; i++) {
        struct engine_service *s = &e->services[i];
        while (s->waiting_head != NULL && s->waiting_head->deadline_us <= e->turn_us &&
               e->seen_us < end_us) {
            int code = engine_time_out(e, s->waiting_head);
            if (code != 0) {
                return code;
            }
        }
    }
    return 0;
}

int64_t engine_earliest_deadline(struct engine *e) {
    int64_t earliest_us = INT64_MAX;
    for (size_t i = 0; i < e->service_count; i++) {
        const struct invocation *inv = e->services[i].waiting_head;
        if (inv != NULL && inv->deadline_us < earliest_us) {
            earliest_us = inv->deadline_us;
        }
    }
    if (earliest_us == INT64_MAX) {
        return INT64_MAX;
    }
    int64_t left_us = earliest_us - e->doors.monotonic_us(e->doors.ctx);
    return engine_now_ms(e) + (left_us <= 0 ? 0 : (left_us + 999) / 1000);
}

/* --- retention --- */

static bool is_history(const struct engine *e, const struct event *event) {
    bool kept = event->state == EVENT_DONE || event->state == EVENT_DISCARDED;
    return kept && event->ended_ms + e->conf->keep_done_ms <= e->now_ms;
}

int engine_let_go(struct engine *e, const struct event *event) {
    int code = event->durable ? journal_step_clear(e->journal, event) : 0;
    if (code == 0 &&
        (event->attempts > 1 || event->errors > 0 || event->durable || event->crashes > 0 ||
         event->alone || event->replayed || event->state == EVENT_DISCARDED)) {
        code = journal_history_clear(e->journal, event);
    }
    if (code != 0) {
        return code;
    }
    return journal_event_del(e->journal, event->partition, &event->id, event->service);
}

/* The partition's events are in the order of their ids' times: past the first that is too young,
 * none is old enough. */
static void next_trim_partition(struct engine *e) {
    e->trim.partition++;
    e->trim.id = (struct uuid){{0}};
    e->trim.service = 0;
    if (e->trim.partition == PARTITIONS) {
        int64_t pause_ms = e->conf->keep_done_ms / 100;
        pause_ms = pause_ms < 100 ? 100 : pause_ms;
        e->trim.partition = 0;
        e->trim.next_pass_ms = e->now_ms + (pause_ms > 60000 ? 60000 : pause_ms);
    }
}

static int trim_step(struct engine *e, bool *partition_ends, bool *gone) {
    struct event *event = NULL;
    int code = journal_event_next(e->journal, e->trim.partition, &e->trim.id, &e->trim.service,
                                  true, &event);
    *gone = false;
    *partition_ends = code == ERR_NOTFOUND;
    if (code != 0) {
        return *partition_ends ? 0 : code;
    }
    *partition_ends = uuid_ms(&event->id) + e->conf->keep_done_ms > e->now_ms;
    *gone = !*partition_ends && is_history(e, event);
    if (*gone) {
        code = engine_let_go(e, event);
    }
    event_free(event);
    return code;
}

/* Deleting takes pages of a store, looking takes none. */
int engine_trim(struct engine *e) {
    if (e->now_ms < e->trim.next_pass_ms) {
        return 0;
    }
    int dropped = journal_dedupe_trim(e->journal, e->now_ms);
    if (dropped != 0) {
        return dropped;
    }
    size_t rows = engine_step(e, TRIM_ROWS_PER_TURN);
    for (size_t looked = 0; rows > 0 && looked < TRIM_ROWS_PER_TURN;) {
        bool partition_ends;
        bool gone;
        int code = trim_step(e, &partition_ends, &gone);
        if (code != 0) {
            return code;
        }
        if (!partition_ends) {
            looked++;
            rows -= gone ? 1 : 0; /* only deleting needs room */
            continue;
        }
        next_trim_partition(e);
        if (e->now_ms < e->trim.next_pass_ms) {
            return 0;
        }
    }
    return 0;
}
