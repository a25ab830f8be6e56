/*
 * fire.c - timers that are due: what each kind does.
 */
#include "engine/fire.h"

#include "engine/backlog.h"
#include "engine/delayed.h"
#include "engine/expiry.h"
#include "engine/impl.h"
#include "engine/lane.h"
#include "engine/publish.h"
#include "engine/services.h"
#include "engine/timers.h"
#include "engine/wake.h"
#include "journal/keyed.h"
#include "journal/later.h"

#include <stdlib.h>
#include <string.h>

enum { INACTIVE_DELAY_MS = 60 * 1000 };

static int fire_event(struct engine *e, const struct timer *timer) {
    struct engine_service *s = engine_service_of(e, timer->row.service);
    if (s != NULL && (s->stored || s->moving)) {
        return engine_put_wake(e, &timer->row, e->now_ms + STORED_DELAY_MS);
    }
    if (s == NULL || !s->active) {
        return engine_put_wake(e, &timer->row, e->now_ms + INACTIVE_DELAY_MS);
    }
    struct row row = timer->row;
    bool waits = false;
    int code = engine_head_waits(e, &row, &waits);
    if (code != 0 || !waits) {
        return code; /* its row could not be read; it was repaired another way */
    }
    if (row.tenant == 0 && lanes_waiting(e->lanes, s->index) >= SERVICE_WINDOW_MAX) {
        return engine_put_wake(e, &timer->row, e->now_ms + WINDOW_FULL_DELAY_MS);
    }
    struct row urgent = row;
    bool queue = false;
    code = engine_hasten(e, s, &urgent);
    code = code == 0 && row.tenant != 0 ? engine_must_queue(e, s, &urgent, &queue) : code;
    if (code != 0) {
        return code;
    }
    return queue ? engine_queue_head(e, s, &urgent) : engine_lane_wake(e, s, &row);
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
        return code == ERR_NOTFOUND ? 0 : code; /* overwritten or deleted in the meantime */
    }
    code = journal_state_del(e->journal, &cell);
    return code == ERR_NOTFOUND ? 0 : code;
}

/* The signal expired: nobody waited for it. */
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
        code = journal_delayed_del(e->journal, publication_delayed_id(&p));
        code = code == ERR_NOTFOUND ? 0 : code; /* an older version stored it */
        p.handle = (struct uuid){{0}};
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
    while (*left > 0 && engine_timer_due_ms(e, p, by_wall) <= now_ms) {
        struct timer timer;
        int code = engine_look_up_timer(e, p, by_wall, &timer);
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
        if (engine_timer_due_ms(e, p, by_wall) > now_ms) {
            continue;
        }
        int code = fire_partition(e, p, by_wall, left);
        struct timer timer;
        if (code == 0) {
            code = engine_look_up_timer(e, p, by_wall, &timer);
        }
        if (code != 0 && code != ERR_NOTFOUND) {
            return code;
        }
    }
    return 0;
}

/* Timers by the wall clock have a share of their own: many are due after the clock jumps
 * forward. */
int engine_fire_timers(struct engine *e) {
    size_t left = TIMERS_PER_TURN;
    size_t wall_left = TIMERS_PER_TURN;
    int code = fire_shelf(e, false, &left);
    return code == 0 ? fire_shelf(e, true, &wall_left) : code;
}
