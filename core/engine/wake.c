/*
 * wake.c - lanes that come back from disk: their heads need no longer wait.
 */
#include "engine/wake.h"

#include "engine/impl.h"
#include "engine/item.h"
#include "engine/lane.h"
#include "engine/rows.h"
#include "engine/services.h"
#include "engine/timers.h"
#include "journal/event.h"

#include <assert.h>

enum { LANE_LOAD = 256 };

int engine_load_lane(struct engine *e, struct engine_service *s, struct lane *lane) {
    assert(lane->count == 0);
    struct row row = {.partition = lane->partition, .service = s->number, .lane = lane->hash};
    lane->spilled = false;
    for (size_t i = 0;; i++) {
        int code = journal_lane_next(e->journal, &row);
        if (code != 0) {
            return code == ERR_NOTFOUND ? 0 : code;
        }
        if (i == LANE_LOAD || row.flags != LANE_BEHIND) {
            lane->spilled = i > 0;
            return 0;
        }
        struct lane_item *item = engine_item_new(e, &row, NULL, PLACE_LANE);
        if (item == NULL) {
            return ERR_MEMORY;
        }
        item->stored = true;
        lanes_push(e->lanes, lane, item);
    }
}

int engine_head_waits(struct engine *e, struct row *row, bool *waits) {
    struct row found = *row;
    found.seq--;
    int code = journal_lane_next(e->journal, &found);
    *waits = code == 0 && found.seq == row->seq && lane_waits(found.flags);
    *row = *waits ? found : *row;
    return code == ERR_NOTFOUND ? 0 : code;
}

int engine_hasten(struct engine *e, const struct engine_service *s, struct row *head) {
    struct row row = *head;
    int code = 0;
    if (!s->ranks || head->tenant == 0) {
        return 0;
    }
    for (size_t i = 1; i < LANE_LOAD; i++) {
        code = journal_lane_next(e->journal, &row);
        if (code != 0 || row.flags != LANE_BEHIND) {
            break;
        }
        if (row.tenant != 0 && rank_priority(row.rank) > rank_priority(head->rank)) {
            head->rank = row.rank;
            head->tenant = row.tenant;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* It becomes runnable now: its linger time begins. Events marked alone skip batching. */
static int linger_anew(struct engine *e, struct engine_service *s, struct lane_item *item) {
    int code = engine_load_body(e, s, item);
    if (code == ERR_NOTFOUND) {
        return 0; /* its record cannot be read: it ends when its turn comes */
    }
    item->since_ms = code == 0 && item->event->alone ? 0 : e->now_ms;
    return code;
}

int engine_wake_later(struct engine *e, struct engine_service *s, const struct row *head) {
    struct row row = *head;
    assert(row.flags == LANE_BEHIND && s->stored);
    row.flags = LANE_WAITING;
    engine_count_head(s, row.flags, 1);
    int code = journal_lane_put(e->journal, &row);
    return code == 0 ? engine_put_wake(e, &row, e->now_ms + STORED_DELAY_MS) : code;
}

int engine_lane_wake(struct engine *e, struct engine_service *s, const struct row *head) {
    struct row row = *head;
    if (row.flags != LANE_BEHIND) {
        engine_count_head(s, row.flags, -1);
        row.flags = LANE_BEHIND;
        int code = journal_lane_put(e->journal, &row);
        if (code != 0) {
            return code;
        }
    }
    if (s->removed || s->stored) {
        return s->removed ? 0 : engine_wake_later(e, s, &row);
    }
    struct lane *lane = lanes_find(e->lanes, s->index, row.lane);
    if (lane !=
        NULL) { /* after damage: two of its events waited, and the other one was woken first */
        lane->spilled = true;
        return 0;
    }
    lane = lanes_open(e->lanes, s->index, row.lane, row.partition, engine_row_flows(&row));
    if (lane == NULL) {
        return ERR_MEMORY;
    }
    int code = engine_load_lane(e, s, lane);
    if (lane->count == 0) {
        lanes_close(e->lanes, lane);
    } else if (head->flags != LANE_BEHIND && s->conf->linger_ms > 0) {
        code = code == 0 ? linger_anew(e, s, TAILQ_FIRST(&lane->items)) : code;
    }
    return code;
}

int engine_lane_follow(struct engine *e, struct engine_service *s, const struct row *gone) {
    struct row next = *gone;
    next.seq = 0;
    int code = journal_lane_next(e->journal, &next);
    return code == 0 ? engine_lane_wake(e, s, &next) : code == ERR_NOTFOUND ? 0 : code;
}

int engine_unpark(struct engine *e, struct engine_service *s, struct event *letter) {
    struct row row = engine_row(letter);
    letter->parked = false;
    int code = engine_del_lane_row(e, s, &row);
    return code == 0 ? engine_lane_follow(e, s, &row) : code;
}
