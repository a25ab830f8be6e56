/*
 * timers.c - timers as rows in the store. Memory holds the earliest due time of each partition, by
 * engine time and by the wall clock. engine/fire.c fires them.
 */
#include "engine/timers.h"

#include "engine/impl.h"
#include "engine/item.h"
#include "journal/event.h"
#include "journal/later.h"

#include <stdlib.h>

struct timers {
    int64_t due_ms[2]
                  [PARTITIONS]; /* the earliest; by the wall clock the second. INT64_MAX = none */
};

static int64_t *earliest(struct engine *e, bool by_wall) {
    return e->timers->due_ms[by_wall];
}

int64_t engine_timer_due_ms(const struct engine *e, uint8_t p, bool by_wall) {
    return e->timers->due_ms[by_wall][p];
}

int engine_look_up_timer(struct engine *e, uint8_t p, bool by_wall, struct timer *timer) {
    int code = journal_timer_first(e->journal, p, by_wall, timer);
    earliest(e, by_wall)[p] = code == 0 ? timer->due_ms : INT64_MAX;
    return code;
}

int engine_load_timers(struct engine *e) {
    for (unsigned i = 0; i < 2 * PARTITIONS; i++) {
        struct timer timer;
        int code = engine_look_up_timer(e, (uint8_t)(i % PARTITIONS), i >= PARTITIONS, &timer);
        if (code != 0 && code != ERR_NOTFOUND) {
            return code;
        }
    }
    e->status.delayed = journal_delayed_count(e->journal);
    return 0;
}

static int64_t least(const int64_t ms[PARTITIONS]) {
    int64_t found = INT64_MAX;
    for (size_t p = 0; p < PARTITIONS; p++) {
        found = ms[p] < found ? ms[p] : found;
    }
    return found;
}

int64_t engine_earliest_timer(const struct engine *e) {
    return least(e->timers->due_ms[0]);
}

int64_t engine_earliest_wall_timer(const struct engine *e) {
    return least(e->timers->due_ms[1]);
}

int engine_timer_put(struct engine *e, const struct timer *timer) {
    int code = journal_timer_put(e->journal, timer);
    int64_t *due_ms = &earliest(e, timer->by_wall)[timer->partition];
    if (code == 0 && timer->due_ms < *due_ms) {
        *due_ms = timer->due_ms;
    }
    return code;
}

int engine_timer_drop(struct engine *e, const struct timer *timer) {
    int code = timer->due_ms == 0 ? 0 : journal_timer_del(e->journal, timer);
    return code == ERR_NOTFOUND ? 0 : code; /* it could not be read */
}

struct timer engine_cell_timer(enum timer_kind kind, const struct cell *cell, int64_t due_ms,
                               uint64_t seq) {
    return (struct timer){.kind = kind,
                          .partition = cell->partition,
                          .due_ms = due_ms,
                          .service = cell->service,
                          .key = cell->key,
                          .name = cell->name,
                          .seq = seq};
}

/* --- of events --- */

struct timer engine_wake_timer(const struct row *row, int64_t due_ms) {
    return (struct timer){
        .kind = TIMER_EVENT, .partition = row->partition, .due_ms = due_ms, .row = *row};
}

int engine_drop_wake(struct engine *e, const struct event *event) {
    struct row row = engine_row(event);
    struct timer timer = engine_wake_timer(&row, event->due_ms);
    return engine_timer_drop(e, &timer);
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
    } /* otherwise its record could not be read: its lane is woken, and drops it */
    return code == 0 || code == ERR_NOTFOUND ? engine_timer_put(e, &timer) : code;
}

int engine_make_timers(struct engine *e) {
    e->timers = calloc(1, sizeof *e->timers);
    return e->timers == NULL ? ERR_MEMORY : 0;
}

void engine_free_timers(struct engine *e) {
    free(e->timers);
}
