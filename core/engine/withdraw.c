/*
 * withdraw.c - takes a waiting event out of its place: a lane in memory, the ready table, or the
 * lane table, where it may be a head that waits for a time, a signal or its tenant's turn.
 */
#include "engine/withdraw.h"

#include "engine/impl.h"
#include "engine/item.h"
#include "engine/lane.h"
#include "engine/place.h"
#include "engine/rows.h"
#include "engine/timers.h"
#include "engine/wake.h"
#include "journal/event.h"

struct lane_item *engine_waiting_item(const struct engine *e, const struct engine_service *s,
                                      const struct event *event) {
    const struct lane *lane = lanes_find(e->lanes, s->index, event->lane);
    struct lane_item *item = lane == NULL ? NULL : TAILQ_FIRST(&lane->items);
    while (item != NULL && !uuid_equal(&item->id, &event->id)) {
        item = TAILQ_NEXT(item, link);
    }
    return item;
}

int engine_take_row(struct engine *e, struct engine_service *s, const struct event *event,
                    uint8_t *flags) {
    struct row row = engine_row(event);
    *flags = LANE_BEHIND;
    int code = engine_take_ready(e, s, &row);
    if (code != ERR_NOTFOUND) {
        return code;
    }
    struct row found = row;
    found.seq--;
    code = journal_lane_next(e->journal, &found);
    if (code != 0 || found.seq != row.seq) {
        return code == 0 ? ERR_NOTFOUND : code;
    }
    *flags = found.flags;
    engine_count_head(s, found.flags, -1);
    code = lane_waits(found.flags)      ? engine_drop_wake(e, event)
           : found.flags == LANE_QUEUED ? journal_tenant_del(e->journal, &found)
                                        : 0;
    bool gone = code == 0 || code == ERR_NOTFOUND; /* its other row could not be read */
    return gone ? engine_del_lane_row(e, s, &row) : code;
}

static int take_item(struct engine *e, struct engine_service *s, struct lane_item *item) {
    struct lane *lane = item->lane;
    lanes_withdraw(e->lanes, item);
    int code = engine_unplace(e, item);
    engine_item_free(e, item);
    if (code == 0 && !lane->busy && lane->count == 0 && lane->spilled) {
        code = engine_load_lane(e, s, lane);
    }
    if (!lane->busy && lane->count == 0) {
        lanes_close(e->lanes, lane);
    }
    return code;
}

int engine_withdraw(struct engine *e, struct engine_service *s, const struct event *event) {
    struct lane_item *item = engine_waiting_item(e, s, event);
    struct row row = engine_row(event);
    uint8_t flags;
    if (item != NULL) {
        return take_item(e, s, item);
    }
    int code = engine_take_row(e, s, event, &flags);
    return code == 0 && flags != LANE_BEHIND ? engine_lane_follow(e, s, &row) : code;
}
