/*
 * state.c - see query/state.h.
 */
#include "query/state.h"

#include "base/json.h"
#include "query/json.h"
#include "event/value.h"
#include "journal/keyed.h"

#include <assert.h>
#include <string.h>

int state_read(struct journal *j, const struct cell *cell, bool lock, int64_t now_ms,
               struct buf *json, struct state_item *item) {
    struct slice value;
    *item = (struct state_item){.is_lock = lock, .cell = *cell};
    if (lock) {
        struct lock held;
        int code = journal_lock_get(j, cell, &held);
        if (code != 0) {
            return code;
        }
        item->owner = held.owner;
        item->json = held.data;
        item->expires_ms = held.expires_ms;
        return 0;
    }
    int code = journal_state_get(j, cell, now_ms, &value, &item->expires_ms);
    buf_reset(json);
    code = code == 0 ? value_to_json(value, json) : code;
    item->json = buf_slice(json);
    return code;
}

/* ---- the walk ---- */

void state_walk_init(struct state_walk *walk, uint16_t service, struct slice origin,
                     const struct slice *key) {
    *walk = (struct state_walk){.service = service, .origin = origin, .by_key = key != NULL};
    if (key != NULL) {
        walk->key = *key;
        walk->partition = journal_partition(journal_lane(origin, *key));
    }
}

/* Goes on to the next partition or table; ERR_NOTFOUND when there is none. */
static int go_on(struct state_walk *walk) {
    walk->begun = false;
    if (!walk->by_key && walk->partition + 1 < PARTITIONS) {
        walk->partition++;
        return 0;
    }
    if (walk->in_locks) {
        return ERR_NOTFOUND;
    }
    walk->in_locks = true;
    walk->partition = walk->by_key ? walk->partition : 0;
    return 0;
}

/* Copies the scan's position out of the store, whose memory may become invalid. */
static void keep_place(struct state_walk *walk, const struct cell *cell) {
    assert(cell->key.len + cell->name.len <= sizeof walk->room);
    memcpy(walk->room, cell->key.data, cell->key.len);
    memcpy(walk->room + cell->key.len, cell->name.data, cell->name.len);
    walk->cell = *cell;
    walk->cell.key.data = walk->room;
    walk->cell.name.data = walk->room + cell->key.len;
}

void state_walk_after(struct state_walk *walk, bool in_locks, struct slice key, struct slice name) {
    walk->in_locks = in_locks;
    walk->partition = journal_partition(journal_lane(walk->origin, key));
    walk->begun = true;
    struct cell cell = {
        .partition = walk->partition, .service = walk->service, .key = key, .name = name};
    keep_place(walk, &cell);
}

int state_walk_next(struct journal *j, struct state_walk *walk, int64_t now_ms, struct buf *json,
                    struct state_item *item, bool *found) {
    enum store_table table = walk->in_locks ? TABLE_LOCK : TABLE_STATE;
    struct slice value;
    *found = false;
    if (!walk->begun) {
        walk->begun = true;
        walk->cell = (struct cell){.partition = walk->partition,
                                   .service = walk->service,
                                   .key = walk->by_key ? walk->key : (struct slice){"", 0}};
    }
    struct cell cell = walk->cell;
    int code = journal_cell_scan(j, table, &cell, &value);
    bool ours = code == 0 && cell.partition == walk->partition && cell.service == walk->service &&
                (!walk->by_key || slice_equal(cell.key, walk->key));
    if (!ours) {
        return code == 0 || code == ERR_NOTFOUND ? go_on(walk) : code;
    }
    keep_place(walk, &cell);
    code = state_read(j, &walk->cell, walk->in_locks, now_ms, json, item);
    *found = code == 0;
    return code == ERR_NOTFOUND ? 0 : code; /* it has expired */
}

/* ---- JSON ---- */

json_t *state_item_json(const struct state_item *item) {
    json_t *object = json_object();
    json_t *value = item->json.len == 0 ? json_null() : json_read(item->json, "value", NULL);
    bool ok = object != NULL && look_json_bytes(object, "key", item->cell.key) &&
              look_json_bytes(object, item->is_lock ? "lock" : "name", item->cell.name) &&
              look_json_time(object, "expires_at", item->expires_ms) &&
              (!item->is_lock || look_json_bytes(object, "owner", item->owner));
    if (ok && value == NULL) { /* bytes that JSON cannot express */
        ok = look_json_bytes(object, "value", item->json);
    } else {
        ok = ok && json_object_set(object, item->is_lock ? "data" : "value", value) == 0;
    }
    json_decref(value);
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}
