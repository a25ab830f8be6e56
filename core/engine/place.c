/*
 * place.c - where a waiting event is: in memory, in the ready table, in the lane table.
 *
 * The disk holds every waiting event; memory holds a bounded window of them. These rules keep the
 * order within a lane:
 *
 *   - Ready rows are in arrival order. While a partition has ready rows that were not loaded yet,
 *     new events of that partition join them on disk.
 *   - Lane rows stand in front of any ready row of the same lane: a lane that has lane rows takes
 *     what comes as lane rows, too. Only while a service takes over another one this may be
 *     otherwise; engine_order_ready puts it right before anything runs.
 *   - A lane whose head waits, is queued or parked is not in memory at all.
 *
 * Where turns are dealt round tenants (engine/backlog.h), events that do not fit into memory wait
 * in lane rows, each lane at its tenant's turn; ready rows are left over from an earlier run.
 *
 * Nothing of a service that topics.conf no longer has is in memory, nor of one that takes over
 * another one (engine/move.c): its heads that could run have timers.
 */
#include "engine/place.h"

#include "engine/backlog.h"
#include "engine/impl.h"
#include "engine/item.h"
#include "engine/lane.h"
#include "engine/rows.h"
#include "engine/services.h"
#include "engine/timers.h"
#include "engine/wake.h"
#include "journal/event.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { REFILL_ROWS = 4096 };

/* What a service has, and where. */
struct window {
    uint64_t unloaded[PARTITIONS]; /* ready rows not in memory */
    uint64_t unloaded_total;
    uint64_t loaded[PARTITIONS]; /* ready rows up to this seq are, or were, in memory */
    size_t next_partition;       /* where loading continues */
    int64_t room_ms; /* when long lanes go back to disk if the window is still full; 0 = never */
};

int engine_make_windows(struct engine *e) {
    for (size_t i = 0; i < e->service_count; i++) {
        e->services[i].window = calloc(1, sizeof *e->services[i].window);
        if (e->services[i].window == NULL) {
            return ERR_MEMORY;
        }
    }
    return 0;
}

void engine_free_windows(struct engine *e) {
    for (size_t i = 0; i < e->service_count; i++) {
        free(e->services[i].window);
    }
}

/* --- sealing: new items get their records and rows --- */

static int store_new(struct engine *e, struct lane_item *item, bool behind) {
    struct engine_service *s = &e->services[item->lane->service];
    struct row row = engine_item_row(item, s);
    assert(item->place == PLACE_NEW && item->event != NULL); /* INV-ENGINE-7 */
    int code = journal_event_put(e->journal, item->event);
    if (code == 0) {
        row.flags = LANE_BEHIND;
        code = behind ? engine_put_lane_row(e, s, &row) : journal_ready_put(e->journal, &row);
    }
    engine_unlink_new(e, item);
    item->place = behind ? PLACE_LANE : PLACE_READY;
    item->stored = true;
    return code;
}

/* Replaces its row, whatever it is now, by one in the lane table. */
static int move_to_lane_rows(struct engine *e, struct lane_item *item) {
    struct engine_service *s = &e->services[item->lane->service];
    struct row row = engine_item_row(item, s);
    if (item->place == PLACE_NEW) {
        return store_new(e, item, true);
    }
    if (item->place == PLACE_LANE) {
        return 0;
    }
    int code = journal_ready_del(e->journal, &row);
    row.flags = LANE_BEHIND;
    item->place = PLACE_LANE;
    return code == 0 ? engine_put_lane_row(e, s, &row) : code;
}

/* Moves an item out of memory, and frees it. */
static int item_to_lane_row(struct engine *e, struct lane_item *item) {
    int code = move_to_lane_rows(e, item);
    engine_item_free(e, item);
    return code;
}

/* Before rows of this lane are appended on disk: moves the rows of the items in memory ahead of
 * them, or a crash would reverse the order. */
static int go_ahead_on_disk(struct engine *e, struct lane *lane) {
    if (lane->spilled) {
        return 0;
    }
    lane->spilled = true;
    int code = lane->taken == NULL ? 0 : move_to_lane_rows(e, lane->taken);
    struct lane_item *item;
    TAILQ_FOREACH(item, &lane->items, link) {
        code = code == 0 ? move_to_lane_rows(e, item) : code;
    }
    return code;
}

static int spill(struct engine *e, struct lane *lane, uint32_t keep) {
    struct lane_items cut;
    struct lane_item *item;
    lanes_cut(e->lanes, lane, keep, &cut);
    int code = TAILQ_EMPTY(&cut) ? 0 : go_ahead_on_disk(e, lane);
    while ((item = TAILQ_FIRST(&cut)) != NULL) {
        TAILQ_REMOVE(&cut, item, link);
        int failed = item_to_lane_row(e, item);
        code = code == 0 ? failed : code;
    }
    return code;
}

static int seal_item(struct engine *e, struct lane_item *item) {
    int code = store_new(e, item, false);
    if (code == 0 && !engine_keeps_bodies(e) && item->event->state == EVENT_READY) {
        engine_drop_body(e, item);
    }
    return code;
}

int engine_seal_new(struct engine *e) {
    int code = 0;
    struct lane_item *item;
    while (code == 0 && (item = engine_first_new(e)) != NULL) {
        code = item->lane->count > LANE_QUEUE_MAX ? spill(e, item->lane, LANE_QUEUE_MAX)
                                                  : seal_item(e, item);
    }
    return code;
}

int engine_unplace(struct engine *e, struct lane_item *item) {
    struct engine_service *s = &e->services[item->lane->service];
    struct row row = engine_item_row(item, s);
    enum lane_place place = item->place;
    item->place = PLACE_NEW;
    switch (place) {
    case PLACE_NEW:
        engine_unlink_new(e, item);
        return 0;
    case PLACE_READY:
        return journal_ready_del(e->journal, &row);
    case PLACE_LANE:
        return engine_del_lane_row(e, s, &row);
    }
    return ERR_CORRUPT;
}

/* --- placing --- */

/* True if rows wait on disk for room in memory, and nothing will free any. */
static bool is_stuck(const struct engine *e, const struct engine_service *s) {
    return s->window->unloaded_total > 0 &&
           lanes_waiting(e->lanes, s->index) >= SERVICE_WINDOW_MAX / 2;
}

static void watch_window(const struct engine *e, struct engine_service *s) {
    if (s->window->room_ms == 0 && is_stuck(e, s)) {
        s->window->room_ms = e->now_ms + WINDOW_STUCK_MS;
    }
}

int64_t engine_earliest_room(const struct engine *e) {
    int64_t earliest = INT64_MAX;
    for (size_t i = 0; i < e->service_count; i++) {
        int64_t room_ms = e->services[i].window->room_ms;
        earliest = room_ms != 0 && room_ms < earliest ? room_ms : earliest;
    }
    return earliest;
}

static void count_unloaded(const struct engine *e, struct engine_service *s, uint8_t partition) {
    s->window->unloaded[partition]++;
    s->window->unloaded_total++;
    watch_window(e, s);
}

/* Where the event goes. */
enum where {
    IN_MEMORY,
    IN_READY, /* behind the ready rows of its partition */
    IN_LANE,  /* behind others of its lane */
    IN_QUEUE, /* at the head of its lane, until its tenant's turn */
};

/* The row, whose event is stored, joins others of its lane, which is as urgent as the most urgent of
 * them. */
static int join_lane_rows(struct engine *e, struct engine_service *s, struct lane *lane,
                          struct row *row) {
    int code = lane == NULL ? 0 : go_ahead_on_disk(e, lane);
    row->flags = LANE_BEHIND;
    code = code == 0 ? engine_put_lane_row(e, s, row) : code;
    if (code != 0 || lane == NULL) {
        return code == 0 ? engine_hurry_head(e, s, row) : code;
    }
    lanes_note_behind(e->lanes, lane, row->rank, row->seq);
    return 0;
}

static int place_on_disk(struct engine *e, struct engine_service *s, struct event *event,
                         struct row *row, struct lane *lane, enum where where) {
    int code = journal_event_put(e->journal, event);
    if (code == 0 && where == IN_LANE) {
        code = join_lane_rows(e, s, lane, row);
    } else if (code == 0 && where == IN_QUEUE) {
        code = engine_queue_row(e, s, row);
    } else if (code == 0) {
        code = journal_ready_put(e->journal, row);
        count_unloaded(e, s, event->partition);
    }
    event_free(event);
    return code;
}

static int place_in_memory(struct engine *e, struct engine_service *s, struct event *event,
                           const struct row *row, struct lane *lane) {
    if (lane == NULL) {
        lane = lanes_open(e->lanes, s->index, event->lane, event->partition, engine_row_flows(row));
    }
    struct lane_item *item = lane == NULL ? NULL : engine_item_new(e, row, event, PLACE_NEW);
    if (item == NULL) {
        event_free(event);
        return ERR_MEMORY;
    }
    s->window->loaded[event->partition] = event->seq;
    lanes_push(e->lanes, lane, item);
    engine_link_new(e, item);
    return 0;
}

/* Where the row's event goes whose lane is not in memory, or has room there. */
static int find_where(struct engine *e, struct engine_service *s, const struct row *row,
                      const struct lane *lane, enum where *where) {
    bool behind = lane != NULL && lane->spilled;
    bool queued = false;
    int code = lane == NULL ? engine_lane_has_rows(e, s, row, &behind) : 0;
    if (code == 0 && !behind && row->tenant != 0) {
        code = engine_must_queue(e, s, row, &queued);
    }
    queued = queued && !behind;
    *where = behind || (queued && lane != NULL) ? IN_LANE : queued ? IN_QUEUE : IN_MEMORY;
    return code;
}

int engine_place(struct engine *e, struct engine_service *s, struct event *event) {
    assert(event->state == EVENT_READY && event->seq > 0);
    struct row row;
    enum where where = IN_READY;
    struct lane *lane = NULL;
    int code = engine_new_row(e, s, event, &row);
    bool window_full = row.tenant == 0 && lanes_waiting(e->lanes, s->index) >= SERVICE_WINDOW_MAX;
    bool to_disk =
        s->removed || s->stored || window_full || s->window->unloaded[event->partition] > 0;
    if (code == 0 && !to_disk) {
        lane = lanes_find(e->lanes, s->index, event->lane);
        code = find_where(e, s, &row, lane, &where);
    }
    if (code != 0) {
        event_free(event);
        return code;
    }
    return where == IN_MEMORY ? place_in_memory(e, s, event, &row, lane)
                              : place_on_disk(e, s, event, &row, lane, where);
}

/* --- lanes --- */

int engine_leave_lane(struct engine *e, struct lane_item *item) {
    struct lane *lane = item->lane;
    struct engine_service *s = &e->services[lane->service];
    int code = engine_unplace(e, item);
    engine_item_free(e, item);
    if (code == 0 && lane->count == 0 && lane->spilled) {
        code = engine_load_lane(e, s, lane);
    }
    lanes_finish(e->lanes, lane);
    if (lane->count == 0) {
        lanes_close(e->lanes, lane);
    }
    return code;
}

int engine_lane_block(struct engine *e, struct lane_item *item, uint8_t flags) {
    struct lane *lane = item->lane;
    struct engine_service *s = &e->services[lane->service];
    struct row row = engine_item_row(item, s);
    row.flags = flags;
    int code = engine_unplace(e, item);
    item->place = PLACE_LANE;
    if (code == 0) {
        code = engine_put_lane_row(e, s, &row);
    }
    if (code == 0) {
        code = journal_event_put(e->journal, item->event);
    }
    int spilled = spill(e, lane, 0);
    engine_item_free(e, item);
    lanes_finish(e->lanes, lane);
    lanes_close(e->lanes, lane);
    return code == 0 ? spilled : code;
}

int engine_take_ready(struct engine *e, struct engine_service *s, const struct row *row) {
    int code = journal_ready_del(e->journal, row);
    s->window->unloaded[row->partition] -= code == 0 ? 1 : 0;
    s->window->unloaded_total -= code == 0 ? 1 : 0;
    return code;
}

/* --- refill --- */

/* A row that was written before its service dealt turns round tenants. */
static int find_row_flows(struct engine *e, struct engine_service *s, struct row *row) {
    struct event *event = NULL;
    if (row->tenant != 0 || !engine_deals(s)) {
        return 0;
    }
    int code = journal_event_get(e->journal, row->partition, &row->id, row->service, &event);
    if (code == 0) {
        code = engine_new_row(e, s, event, row);
        event_free(event);
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* The row, not loaded, continues in the lane table. */
static int to_lane_table(struct engine *e, struct engine_service *s, struct row *row,
                         struct lane *lane, enum where where) {
    int code = journal_ready_del(e->journal, row);
    if (code != 0) {
        return code;
    }
    return where == IN_QUEUE ? engine_queue_row(e, s, row) : join_lane_rows(e, s, lane, row);
}

static int load_ready_row(struct engine *e, struct engine_service *s, struct row *row) {
    struct lane *lane = lanes_find(e->lanes, s->index, row->lane);
    enum where where = IN_LANE;
    int code = find_row_flows(e, s, row);
    if (code == 0 && (lane == NULL || lane->count < LANE_QUEUE_MAX)) {
        code = find_where(e, s, row, lane, &where);
    }
    if (code != 0 || where != IN_MEMORY) {
        return code == 0 ? to_lane_table(e, s, row, lane, where) : code;
    }
    if (lane == NULL) {
        lane = lanes_open(e->lanes, s->index, row->lane, row->partition, engine_row_flows(row));
    }
    struct lane_item *item = lane == NULL ? NULL : engine_item_new(e, row, NULL, PLACE_READY);
    if (item == NULL) {
        return ERR_MEMORY;
    }
    item->stored = true;
    lanes_push(e->lanes, lane, item);
    return 0;
}

/* Rows of tenants are loaded, or queued, whatever is in memory: new events wait behind them. */
static bool has_room_for_rows(const struct engine *e, const struct engine_service *s, size_t most) {
    return engine_deals(s) || lanes_waiting(e->lanes, s->index) < most;
}

/* Loads rows of one partition until the window is full or the partition has had its share. */
static int refill_partition(struct engine *e, struct engine_service *s, uint8_t p, size_t *rows) {
    struct row row = {.partition = p, .service = s->number, .seq = s->window->loaded[p]};
    size_t share = REFILL_ROWS / 8;
    while (s->window->unloaded[p] > 0 && share > 0 && *rows > 0 &&
           has_room_for_rows(e, s, SERVICE_WINDOW_MAX)) {
        int code = journal_ready_next(e->journal, &row);
        if (code == 0) {
            row.flags = LANE_BEHIND;
            code = load_ready_row(e, s, &row);
        }
        if (code == ERR_NOTFOUND) { /* some of the counted rows cannot be read any more */
            s->window->unloaded_total -= s->window->unloaded[p];
            s->window->unloaded[p] = 0;
            return 0;
        }
        if (code != 0) {
            return code;
        }
        s->window->loaded[p] = row.seq;
        s->window->unloaded[p]--;
        s->window->unloaded_total--;
        share--;
        (*rows)--;
    }
    return 0;
}

static bool service_wants_refill(const struct engine *e, const struct engine_service *s) {
    return s->active && !s->stored && s->window->unloaded_total > 0 &&
           has_room_for_rows(e, s, SERVICE_WINDOW_MAX / 2);
}

bool engine_wants_refill(const struct engine *e) {
    for (size_t i = 0; i < e->service_count; i++) {
        if (service_wants_refill(e, &e->services[i])) {
            return true;
        }
    }
    return false;
}

static int refill_service(struct engine *e, struct engine_service *s) {
    size_t rows = REFILL_ROWS;
    for (size_t i = 0; i < PARTITIONS && rows > 0 && service_wants_refill(e, s); i++) {
        int code =
            refill_partition(e, s, (uint8_t)(s->window->next_partition++ % PARTITIONS), &rows);
        if (code != 0) {
            return code;
        }
    }
    watch_window(e, s);
    return 0;
}

static int shorten(void *ctx, struct lane *lane) {
    return lane->count > LANE_QUEUE_FEW ? spill(ctx, lane, LANE_QUEUE_FEW) : 0;
}

/* Keys with slow handlers could fill the window with their backlogs and starve all others: when it
 * has been full for a while, long lanes go back to disk except for their first few events. */
static int make_room(struct engine *e, struct engine_service *s) {
    if (!is_stuck(e, s)) {
        s->window->room_ms = 0;
        return 0;
    }
    if (s->window->room_ms == 0 || s->window->room_ms > e->now_ms) {
        return 0;
    }
    s->window->room_ms = 0;
    return lanes_each(e->lanes, s->index, e, shorten);
}

int engine_refill(struct engine *e) {
    for (size_t i = 0; i < e->service_count; i++) {
        struct engine_service *s = &e->services[i];
        int code = make_room(e, s);
        if (code == 0 && service_wants_refill(e, s)) {
            code = refill_service(e, s);
        }
        if (code != 0) {
            return code;
        }
    }
    return 0;
}

/* --- a service that leaves memory --- */

static int store_lane(void *ctx, struct lane *lane) {
    struct engine *e = ctx;
    struct engine_service *s = &e->services[lane->service];
    struct lane_item *first = TAILQ_FIRST(&lane->items);
    assert(lane->taken == NULL);
    if (first == NULL) {
        return 0;
    }
    struct row head = engine_item_row(first, s);
    head.flags = LANE_BEHIND;
    lanes_take_out(e->lanes, lane);
    int code = spill(e, lane, 0);
    return code == 0 ? engine_wake_later(e, s, &head) : code;
}

int engine_store_window(struct engine *e, struct engine_service *s) {
    s->stored = true;
    int code = lanes_each(e->lanes, s->index, e, store_lane);
    lanes_close_empty(e->lanes, s->index);
    memset(s->window->loaded, 0, sizeof s->window->loaded); /* the ready rows left are unloaded */
    return code;
}

int engine_place_stored(struct engine *e, struct engine_service *s, const struct row *row) {
    bool behind = row->flags != LANE_BEHIND;
    int code = behind ? 0 : engine_lane_has_rows(e, s, row, &behind);
    assert(s->stored);
    if (code == 0 && !behind) {
        count_unloaded(e, s, row->partition);
        return journal_ready_put(e->journal, row);
    }
    struct row first = *row;
    first.seq = 0;
    code = code == 0 ? journal_lane_next(e->journal, &first) : code;
    bool head = code == ERR_NOTFOUND || (code == 0 && row->seq < first.seq);
    code = code == ERR_NOTFOUND ? 0 : code;
    code = code == 0 ? engine_put_lane_row(e, s, row) : code;
    return code == 0 && head && row->flags == LANE_BEHIND ? engine_wake_later(e, s, row) : code;
}

/* A ready row of a lane that has lane rows, which may be newer, joins them. */
static int order_row(struct engine *e, struct engine_service *s, const struct row *ready,
                     bool *moved) {
    struct row row = *ready;
    int code = engine_lane_has_rows(e, s, &row, moved);
    if (code != 0 || !*moved) {
        return code;
    }
    code = engine_take_ready(e, s, &row);
    row.flags = LANE_BEHIND;
    return code == 0 ? engine_place_stored(e, s, &row) : code;
}

int engine_order_ready(struct engine *e, struct engine_service *s, struct row *at, size_t rows,
                       size_t passed) {
    int code = 0;
    assert(s->stored);
    at->service = s->number;
    while (code == 0 && rows > 0 && passed > 0) {
        bool moved = false;
        code = journal_ready_next(e->journal, at);
        if (code == ERR_NOTFOUND && at->partition + 1 < PARTITIONS) {
            at->partition++;
            at->seq = 0;
            code = 0;
            continue;
        }
        code = code == 0 ? order_row(e, s, at, &moved) : code;
        rows -= moved ? 1 : 0;
        passed--;
    }
    return code;
}

/* --- at the start --- */

static int count_ready_rows(struct engine *e) {
    struct row row = {0};
    int code;
    while ((code = journal_ready_scan(e->journal, &row)) == 0) {
        struct engine_service *s = engine_service_of(e, row.service);
        if (s != NULL && row.partition < PARTITIONS) {
            s->ranks = s->ranks || row.rank > 0;
            s->window->unloaded[row.partition]++;
            s->window->unloaded_total++;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

int engine_load_rows(struct engine *e) {
    for (size_t i = 0; i < e->service_count; i++) {
        *e->services[i].window = (struct window){.unloaded_total = 0};
    }
    int code = count_ready_rows(e);
    return code == 0 ? engine_load_lane_rows(e) : code;
}

int engine_place_again(struct engine *e, struct engine_service *s, struct event *event) {
    bool ready = false;
    struct row row;
    int code = engine_new_row(e, s, event, &row);
    code = code == 0 ? engine_restore_lane_row(e, s, event, &row, &ready) : code;
    if (code != 0 || !ready) {
        return code;
    }
    s->window->unloaded[row.partition]++;
    s->window->unloaded_total++;
    return journal_ready_put(e->journal, &row);
}

uint64_t engine_waiting_rows(const struct engine_service *s) {
    struct rows_state rows;
    engine_look_at_rows(s, &rows);
    return s->window->unloaded_total + rows.lane_rows - rows.parked_rows;
}
