/*
 * rows.c - counters for the rows of the lane table of each service: events behind a waiting head,
 * and the heads.
 */
#include "engine/rows.h"

#include "engine/impl.h"
#include "engine/item.h"
#include "engine/lane.h"
#include "engine/services.h"
#include "engine/timers.h"
#include "journal/event.h"

#include <assert.h>
#include <stdlib.h>

struct rows {
    uint64_t lane_rows;   /* rows in the lane table */
    uint64_t parked_rows; /* of these, parked heads, as counted when the store was loaded */
    uint64_t put_off;     /* of these, heads that wait for another attempt (LANE_WAITING) */
    uint64_t asleep;      /* heads put off without a failure (LANE_ASLEEP) */
    uint64_t queued;      /* heads that wait for their tenant's turn (LANE_QUEUED) */
};

int engine_make_rows(struct engine *e) {
    for (size_t i = 0; i < e->service_count; i++) {
        e->services[i].rows = calloc(1, sizeof *e->services[i].rows);
        if (e->services[i].rows == NULL) {
            return ERR_MEMORY;
        }
    }
    return 0;
}

void engine_free_rows(struct engine *e) {
    for (size_t i = 0; i < e->service_count; i++) {
        free(e->services[i].rows);
    }
}

void engine_look_at_rows(const struct engine_service *s, struct rows_state *out) {
    *out = (struct rows_state){.lane_rows = s->rows->lane_rows,
                               .parked_rows = s->rows->parked_rows,
                               .put_off = s->rows->put_off,
                               .asleep = s->rows->asleep,
                               .queued = s->rows->queued};
}

void engine_count_head(struct engine_service *s, uint8_t flags, int by) {
    bool asleep = flags == LANE_ASLEEP || flags == LANE_HOLDS_KEY;
    uint64_t *count = asleep                 ? &s->rows->asleep
                      : flags == LANE_QUEUED ? &s->rows->queued
                                             : &s->rows->put_off;
    if ((lane_waits(flags) || flags == LANE_QUEUED) &&
        (by > 0 || *count > 0)) { /* a damaged row may have been counted as another kind */
        *count += (uint64_t)by;
    }
}

int engine_put_lane_row(struct engine *e, struct engine_service *s, const struct row *row) {
    int code = journal_lane_put(e->journal, row);
    if (code == 0) {
        s->rows->lane_rows++;
        engine_count_head(s, row->flags, 1);
    }
    return code;
}

int engine_del_lane_row(struct engine *e, struct engine_service *s, const struct row *row) {
    int code = journal_lane_del(e->journal, row);
    if (code == 0) {
        assert(s->rows->lane_rows > 0);
        s->rows->lane_rows--;
    }
    return code == ERR_NOTFOUND ? ERR_CORRUPT : code;
}

int engine_lane_has_rows(struct engine *e, const struct engine_service *s, const struct row *row,
                         bool *has) {
    *has = false;
    if (s->rows->lane_rows == 0) {
        return 0;
    }
    struct row first = *row;
    first.seq = 0;
    int code = journal_lane_next(e->journal, &first);
    *has = code == 0;
    return code == ERR_NOTFOUND ? 0 : code;
}

/* --- at the start --- */

/* A head that could run was in memory when the host stopped: it gets a timer that is due now, so
 * that it returns within the limits for timers. */
static int wake_head(struct engine *e, struct engine_service *s, struct row *row) {
    if (row->flags != LANE_BEHIND || !s->active) {
        return 0;
    }
    row->flags = LANE_WAITING;
    int code = journal_lane_put(e->journal, row);
    return code == 0 ? engine_put_wake(e, row, e->now_ms) : code;
}

/* A throttle of the key outlives a restart, as the event that asked for it does. */
static int hold_key(struct engine *e, const struct engine_service *s, const struct row *row) {
    struct event *event = NULL;
    int code = journal_event_get(e->journal, row->partition, &row->id, row->service, &event);
    if (code == 0 && event->due_ms > e->now_ms) {
        lanes_throttle_key(e->lanes, s->index, row->key, event->due_ms);
    }
    event_free(event);
    return code == ERR_NOTFOUND ? 0 : code;
}

/* A parked head waits for a person, who must be able to look at it; without its record it is
 * dropped. */
static int drop_lost_head(struct engine *e, const struct row *row, bool *lost) {
    struct event *event = NULL;
    *lost = false;
    if (row->flags != LANE_PARKED) {
        return 0;
    }
    int code = journal_event_get(e->journal, row->partition, &row->id, row->service, &event);
    event_free(event);
    *lost = code == ERR_NOTFOUND;
    return *lost ? journal_lane_del(e->journal, row) : code;
}

int engine_load_lane_rows(struct engine *e) {
    for (size_t i = 0; i < e->service_count; i++) {
        *e->services[i].rows = (struct rows){.lane_rows = 0};
    }
    int code = 0;
    struct row row = {0};
    struct row last = {.seq = 0};
    while (code == 0 && (code = journal_lane_scan(e->journal, &row)) == 0) {
        struct engine_service *s = engine_service_of(e, row.service);
        bool lost = false;
        code = s == NULL ? 0 : drop_lost_head(e, &row, &lost);
        if (code != 0 || lost) { /* the row behind it becomes the head */
            continue;
        }
        bool head = last.seq == 0 || row.lane != last.lane || row.service != last.service ||
                    row.partition != last.partition;
        last = row;
        if (s == NULL) {
            continue;
        }
        s->rows->lane_rows++;
        s->rows->parked_rows += row.flags == LANE_PARKED ? 1 : 0;
        s->ranks = s->ranks || row.rank > 0;
        code = head ? wake_head(e, s, &row) : 0;
        if (code == 0 && row.flags == LANE_HOLDS_KEY && row.key != 0) {
            code = hold_key(e, s, &row);
        }
        engine_count_head(s, row.flags, 1);
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

int engine_restore_lane_row(struct engine *e, struct engine_service *s, const struct event *event,
                            const struct row *place, bool *ready) {
    struct row row = *place;
    struct row first = row;
    first.seq = 0;
    int code = journal_lane_next(e->journal, &first);
    bool alone = code == ERR_NOTFOUND;
    *ready = alone && !event->parked;
    if (*ready || (!alone && code != 0)) {
        return *ready ? 0 : code;
    }
    row.flags = event->parked ? LANE_PARKED : LANE_BEHIND;
    s->rows->parked_rows += event->parked ? 1 : 0;
    s->rows->lane_rows++;
    code = journal_lane_put(e->journal, &row);
    if (code == 0 && (alone || row.seq < first.seq)) {
        code = wake_head(e, s, &row);
    }
    engine_count_head(s, row.flags, 1);
    return code;
}
