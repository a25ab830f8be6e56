/*
 * engine_careful.c - after a crash, an event is marked as running, on disk, before its handler
 * runs.
 *
 * Normally only events that wait for a call are marked: one that runs within a turn is not worth a
 * commit of its own. So a handler that takes the host down leaves no trace at first. When the host
 * finds that it was not stopped properly it runs the next CAREFUL_EVENTS events in small batches,
 * each marked in one turn and run in the next. If it goes down again, the marks name the suspects;
 * those run one by one, until the culprit has had its `crashes` and is dead.
 */
#include "engine_impl.h"

#include "log.h"

#include <assert.h>
#include <stdlib.h>

static const char running_flag[] = "running";

int engine_load_careful(struct engine *e) {
    uint64_t running = 0;
    int code = journal_flag_get(e->journal, running_flag, &running);
    if (code != 0 && code != ERR_NOTFOUND) {
        return code;
    }
    if (running != 0 && e->count_crashes) {
        e->careful_left = CAREFUL_EVENTS;
        log_warn("engine", "the host was not stopped properly: the first %d events run carefully",
                 CAREFUL_EVENTS);
    }
    return journal_flag_put(e->journal, running_flag, 1);
}

static int run_held(struct engine *e) {
    size_t count = e->held_count;
    e->held_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct lane_item *item = e->held[i];
        int code = engine_start(e, item);
        if (code != 0) {
            /* The rest is given up with the turn. */
            for (size_t k = i + 1; k < count; k++) {
                e->held[e->held_count++] = e->held[k];
            }
            return code;
        }
    }
    e->careful_left -= count < e->careful_left ? count : e->careful_left;
    return 0;
}

static int hold(struct engine *e, struct lane_item *item) {
    assert(e->held_count < CAREFUL_BATCH);
    item->event->state = EVENT_RUNNING;
    item->event->batch_events = 0; /* it will run by itself */
    e->current_item = NULL;
    e->held[e->held_count++] = item;
    return engine_save(e, item);
}

int engine_run_carefully(struct engine *e) {
    size_t step = engine_step(e, TURN_EVENTS_MAX);
    size_t batch = step < CAREFUL_BATCH ? step : CAREFUL_BATCH;
    int code = run_held(e);
    while (code == 0 && e->careful_left > 0 && e->held_count < batch) {
        struct lane *lane = lanes_next(e->lanes, e->now_ms);
        if (lane == NULL) {
            return 0;
        }
        struct lane_item *item = NULL;
        bool suspect;
        code = engine_take(e, lane, &item, &suspect);
        if (code == 0 && item != NULL) {
            code = hold(e, item);
        }
        if (suspect) {
            return code;
        }
    }
    return code;
}

int engine_release_held(struct engine *e) {
    for (size_t i = 0; i < e->held_count; i++) {
        e->held[i]->event->state = EVENT_READY;
        int code = journal_event_put(e->journal, e->held[i]->event);
        if (code != 0) {
            return code;
        }
    }
    return journal_flag_put(e->journal, running_flag, 0);
}

void engine_forget_held(struct engine *e) {
    for (size_t i = 0; i < e->held_count; i++) {
        event_free(e->held[i]->event);
        free(e->held[i]);
    }
    e->held_count = 0;
}
