/*
 * give.c - see journal/give.h.
 */
#include "journal/give.h"

#include "journal/event.h"
#include "journal/impl.h"
#include "journal/kept.h"

#include <assert.h>
#include <string.h>

enum {
    KEY_AT = sizeof(uint8_t) + sizeof(uint16_t), /* partition, service */
    LANE_AT = UUID_BYTES,                        /* in a waiter's value */
};

static const enum store_table tables[] = {TABLE_STATE, TABLE_LOCK, TABLE_SIGNAL, TABLE_WAITER};

static void keep_place(struct give_place *place, struct slice key) {
    assert(key.len <= sizeof place->key);
    memcpy(place->key, key.data, key.len);
    place->key_len = key.len;
}

/* --- rows of a key --- */

/* The next row of the service in this table and partition. */
static int seek(struct journal *j, const struct give *give, struct give_place *place,
                struct slice *value) {
    struct key start = {.len = 0};
    struct slice key;
    key_u8(&start, place->partition);
    key_u16(&start, give->from);
    struct slice at = {(const char *)place->key, place->key_len};
    int code =
        store_seek(j->store, tables[place->table], place->key_len > 0 ? at : key_slice(&start),
                   place->key_len > 0, &key, value);
    if (code != 0) {
        return code;
    }
    bool ours = key.len > KEY_AT && key.len <= sizeof place->key &&
                memcmp(key.data, start.bytes, KEY_AT) == 0;
    if (ours) {
        keep_place(place, key);
    }
    return ours ? 0 : ERR_NOTFOUND;
}

/* Key and name of the row. False: it is damaged, and stays. */
static bool read_row(const struct give *give, const struct give_place *place, struct slice value,
                     struct given *out) {
    struct slice key = {(const char *)place->key, place->key_len};
    enum store_table table = tables[place->table];
    bool queued = table == TABLE_SIGNAL || table == TABLE_WAITER;
    if (journal_check_row(table, key, value) != 0) {
        return false;
    }
    struct reader r = reader_of(key.data + KEY_AT, key.len - KEY_AT);
    struct cell *cell = &out->old_cell;
    *out = (struct given){.table = table};
    cell->partition = place->partition;
    cell->service = give->from;
    uint16_t len = read_u16_be(&r);
    cell->key = read_bytes(&r, len);
    len = queued ? read_u16_be(&r) : (uint16_t)(r.end - r.at);
    cell->name = read_bytes(&r, len);
    out->seq = queued ? read_u64_be(&r) : 0;
    struct reader v = reader_of(value.data, value.len);
    out->expires_ms = table == TABLE_WAITER ? 0 : (int64_t)read_u64(&v);
    out->new_cell = *cell;
    out->new_cell.service = give->to;
    out->new_cell.partition = journal_partition(journal_lane(give->origin, cell->key));
    return !r.failed && !v.failed;
}

/* A waiter names the lane of its event: the one where engine/move_rows.c puts it. */
static void write_lane(const struct give *give, const struct given *row, struct buf *value) {
    struct reader r = reader_of(value->data + LANE_AT, value->len - LANE_AT);
    uint64_t lane = read_u64(&r);
    lane = give->ordered ? journal_lane(give->origin, row->new_cell.key)
                         : lane - lane % PARTITIONS + row->new_cell.partition;
    for (size_t i = 0; i < sizeof lane; i++) {
        value->data[LANE_AT + i] = (char)(lane >> (8 * i));
    }
}

/* Writes the row under its new key, and deletes it under the old one. */
static int replace(struct journal *j, enum store_table table, const struct key *new_key,
                   const struct key *old_key) {
    enum kept_kind kind = table == TABLE_SIGNAL ? KEPT_SIGNALS : KEPT_STATE;
    if (table == TABLE_WAITER) { /* which count for no quota */
        int code = store_put(j->store, table, key_slice(new_key), buf_slice(&j->record));
        return code == 0 ? store_del(j->store, table, key_slice(old_key)) : code;
    }
    int code = journal_kept_put(j, kind, table, new_key, buf_slice(&j->record));
    return code == 0 ? journal_kept_del(j, kind, table, old_key) : code;
}

static int give_row(struct journal *j, const struct give *give, const struct give_place *place,
                    struct slice value, struct given *row) {
    struct key k = {.len = 0};
    struct key before = {.len = 0};
    struct slice there;
    struct slice old = {(const char *)place->key, place->key_len};
    key_u8(&k, row->new_cell.partition);
    key_u16(&k, give->to);
    if (!key_bytes(&before, old) ||
        !key_bytes(&k, (struct slice){old.data + KEY_AT, old.len - KEY_AT})) {
        return ERR_LIMIT;
    }
    int code = store_get(j->store, row->table, key_slice(&k), &there);
    row->left = code == 0;
    if (code != ERR_NOTFOUND) {
        return code;
    }
    buf_reset(&j->record);
    buf_add_slice(&j->record, value);
    if (j->record.failed) {
        return ERR_MEMORY;
    }
    if (row->table == TABLE_WAITER) {
        write_lane(give, row, &j->record);
    }
    return replace(j, row->table, &k, &before);
}

int journal_give_next(struct journal *j, const struct give *give, struct give_place *place,
                      struct given *out) {
    while (place->table < sizeof tables / sizeof *tables) {
        struct slice value;
        int code = seek(j, give, place, &value);
        if (code == 0 && read_row(give, place, value, out)) {
            return give_row(j, give, place, value, out);
        }
        if (code != 0 && code != ERR_NOTFOUND) {
            return code;
        }
        if (code == ERR_NOTFOUND) {
            place->key_len = 0;
            place->partition = (uint8_t)((place->partition + 1) % PARTITIONS);
            place->table += place->partition == 0 ? 1 : 0;
        }
    }
    return ERR_NOTFOUND;
}

/* --- events --- */

int journal_give_event(struct journal *j, const struct give *give, struct give_place *place,
                       size_t *rows, struct event **out) {
    *out = NULL;
    while (*rows > 0) {
        struct slice at = {(const char *)place->key, place->key_len};
        struct event_place event;
        struct slice key;
        struct slice value;
        int code = store_seek(j->store, TABLE_EVENT, at, place->key_len > 0, &key, &value);
        if (code != 0) {
            return code;
        }
        keep_place(place, key);
        --*rows;
        if (!journal_take_event_key(key, &event) || event.service != give->from) {
            continue;
        }
        code = journal_event_get(j, event.partition, &event.id, give->from, out);
        if (code != ERR_NOTFOUND) { /* otherwise it cannot be read, and is set aside */
            return code;
        }
    }
    return 0;
}
