/*
 * keyed.c - keyed state and locks, timers.
 */
#include "journal/impl.h"

#include "event/value.h"
#include "journal/event.h"
#include "journal/later.h"
#include "journal/outbox.h"
#include "journal/keyed.h"

#include <assert.h>

/* --- cells: state and locks --- */

static int cell_key(struct key *k, const struct cell *cell) {
    k->len = 0;
    key_u8(k, cell->partition);
    key_u16(k, cell->service);
    key_u16(k, (uint16_t)cell->key.len);
    return key_bytes(k, cell->key) && key_bytes(k, cell->name) ? 0 : ERR_LIMIT;
}

/* INV-JOURNAL-4, checked on writing and on reading. */
static bool is_sound_cell(const struct cell *cell) {
    return cell->partition < PARTITIONS && cell->key.len <= KEY_BYTES_MAX && cell->name.len > 0 &&
           cell->name.len <= STATE_NAME_BYTES_MAX;
}

static int take_cell(struct slice key, struct cell *cell) {
    struct reader r = reader_of(key.data, key.len);
    cell->partition = read_u8(&r);
    cell->service = read_u16_be(&r);
    uint16_t len = read_u16_be(&r);
    cell->key = read_bytes(&r, len);
    cell->name = read_bytes(&r, (size_t)(r.end - r.at));
    return r.failed || !is_sound_cell(cell) ? ERR_CORRUPT : 0;
}

/* A row of state or locks; its value as stored. */
struct cell_row {
    struct cell cell;
    int64_t expires_ms;
    struct slice value;
};

static int take_state(struct slice key, struct slice value, void *out) {
    struct cell_row *row = out;
    int code = take_cell(key, &row->cell);
    struct reader r = reader_of(value.data, value.len);
    row->expires_ms = (int64_t)read_u64(&r);
    row->value = read_bytes(&r, (size_t)(r.end - r.at));
    bool whole = code == 0 && !r.failed && row->expires_ms >= 0;
    return whole && value_is_sound(row->value) ? 0 : ERR_CORRUPT;
}

static bool expired(int64_t expires_ms, int64_t now_ms) {
    return expires_ms != 0 && expires_ms <= now_ms;
}

int journal_state_get(struct journal *j, const struct cell *cell, int64_t now_ms,
                      struct slice *value, int64_t *expires_ms) {
    struct key k;
    struct cell_row row;
    int code = cell_key(&k, cell);
    code = code == 0 ? journal_take(j, TABLE_STATE, &k, take_state, &row) : code;
    if (code != 0) {
        return code;
    }
    *expires_ms = row.expires_ms;
    *value = row.value;
    return expired(row.expires_ms, now_ms) ? ERR_NOTFOUND : 0;
}

int journal_state_read(struct journal *j, const struct cell *cell, int64_t now_ms,
                       struct slice *value, int64_t *expires_ms) {
    struct key k;
    int code = journal_state_get(j, cell, now_ms, value, expires_ms);
    return cell_key(&k, cell) == 0 ? journal_if_broken(j, TABLE_STATE, &k, code) : code;
}

static int put_cell(struct journal *j, enum store_table table, const struct key *k) {
    return j->record.failed ? ERR_MEMORY
                            : journal_kept_put(j, KEPT_STATE, table, k, buf_slice(&j->record));
}

int journal_state_put(struct journal *j, const struct cell *cell, struct slice value,
                      int64_t expires_ms) {
    assert(is_sound_cell(cell) && value_is_sound(value) && expires_ms >= 0);
    struct key k;
    int code = cell_key(&k, cell);
    if (code != 0) {
        return code;
    }
    buf_reset(&j->record);
    buf_add_u64(&j->record, (uint64_t)expires_ms);
    buf_add_slice(&j->record, value);
    return put_cell(j, TABLE_STATE, &k);
}

static int cell_del(struct journal *j, enum store_table table, const struct cell *cell) {
    struct key k;
    int code = cell_key(&k, cell);
    return code != 0 ? code : journal_kept_del(j, KEPT_STATE, table, &k);
}

int journal_state_del(struct journal *j, const struct cell *cell) {
    return cell_del(j, TABLE_STATE, cell);
}

int journal_state_next(struct journal *j, struct cell *cell, struct slice prefix, int64_t now_ms,
                       struct slice *value) {
    bool after = cell->name.len > 0;
    if (!after) {
        cell->name = prefix;
    }
    for (;;) {
        struct key k;
        struct cell_row row;
        int code = cell_key(&k, cell);
        if (code == 0) {
            code =
                journal_take_next(j, TABLE_STATE, &k, 5 + cell->key.len, after, take_state, &row);
        }
        if (code != 0) {
            return code;
        }
        cell->name = row.cell.name; /* the caller's bytes of the key live longer than the store's */
        if (cell->name.len < prefix.len ||
            !slice_equal((struct slice){cell->name.data, prefix.len}, prefix)) {
            return ERR_NOTFOUND;
        }
        *value = row.value;
        if (!expired(row.expires_ms, now_ms)) {
            return 0;
        }
        after = true;
    }
}

static int take_lock(struct slice key, struct slice value, void *out) {
    struct lock *lock = out;
    struct cell cell;
    int code = take_cell(key, &cell);
    struct reader r = reader_of(value.data, value.len);
    lock->expires_ms = (int64_t)read_u64(&r);
    lock->owner = read_lv(&r);
    lock->data = read_lv(&r);
    lock->topic = read_lv(&r);
    return code == 0 && !r.failed && r.at == r.end && lock->expires_ms >= 0 ? 0 : ERR_CORRUPT;
}

int journal_lock_get(struct journal *j, const struct cell *cell, struct lock *out) {
    struct key k;
    int code = cell_key(&k, cell);
    return code == 0 ? journal_take(j, TABLE_LOCK, &k, take_lock, out) : code;
}

int journal_lock_read(struct journal *j, const struct cell *cell, struct lock *out) {
    struct key k;
    int code = journal_lock_get(j, cell, out);
    return cell_key(&k, cell) == 0 ? journal_if_broken(j, TABLE_LOCK, &k, code) : code;
}

int journal_lock_put(struct journal *j, const struct cell *cell, const struct lock *lock) {
    assert(is_sound_cell(cell) && lock->expires_ms >= 0);
    struct key k;
    int code = cell_key(&k, cell);
    if (code != 0) {
        return code;
    }
    buf_reset(&j->record);
    buf_add_u64(&j->record, (uint64_t)lock->expires_ms);
    buf_add_lv(&j->record, lock->owner);
    buf_add_lv(&j->record, lock->data);
    buf_add_lv(&j->record, lock->topic);
    return put_cell(j, TABLE_LOCK, &k);
}

int journal_lock_del(struct journal *j, const struct cell *cell) {
    return cell_del(j, TABLE_LOCK, cell);
}

static int take_lock_row(struct slice key, struct slice value, void *out) {
    struct cell_row *row = out;
    struct lock lock;
    row->value = value;
    int code = take_lock(key, value, &lock);
    return code == 0 ? take_cell(key, &row->cell) : code;
}

int journal_cell_scan(struct journal *j, enum store_table table, struct cell *cell,
                      struct slice *value) {
    assert(table == TABLE_STATE || table == TABLE_LOCK);
    struct key k;
    struct cell_row row;
    int code = cell_key(&k, cell);
    if (code == 0) {
        code = journal_take_next(j, table, &k, 0, true,
                                 table == TABLE_STATE ? take_state : take_lock_row, &row);
    }
    if (code == 0) {
        *cell = row.cell;
        *value = row.value;
    }
    return code;
}

/* --- timers -------------------------------------------------------------------------------------
 *
 *   p8 = partition, | BY_WALL when due64 is of the wall clock
 *   p8 due64 kind8, then      TIMER_EVENT            service16 lane64 seq64  -> id128
 *                             TIMER_LOCK, _STATE     service16 len16 key name -> (empty)
 *                             TIMER_PUBLISH          seq64                    -> publication
 *                             TIMER_SIGNAL           service16 seq64 len16 key name -> (empty)
 */

/* INV-JOURNAL-5, checked on writing and on reading. */
static bool is_sound_timer(const struct timer *t) {
    const struct cell cell = {.partition = t->partition, .key = t->key, .name = t->name};
    bool event = t->kind == TIMER_EVENT;
    bool keyed = t->kind == TIMER_LOCK || t->kind == TIMER_STATE || t->kind == TIMER_SIGNAL;
    return t->partition < PARTITIONS && t->due_ms > 0 &&
           (event   ? t->row.partition == t->partition && journal_row_is_sound(&t->row)
            : keyed ? is_sound_cell(&cell)
                    : t->kind == TIMER_PUBLISH);
}

static int timer_key(struct key *k, const struct timer *t) {
    k->len = 0;
    key_u8(k, timer_shelf(t->partition, t->by_wall));
    key_u64(k, (uint64_t)t->due_ms);
    key_u8(k, (uint8_t)t->kind);
    switch (t->kind) {
    case TIMER_EVENT:
        key_u16(k, t->row.service);
        key_u64(k, t->row.lane);
        key_u64(k, t->row.seq);
        return 0;
    case TIMER_LOCK:
    case TIMER_STATE:
        key_u16(k, t->service);
        key_u16(k, (uint16_t)t->key.len);
        return key_bytes(k, t->key) && key_bytes(k, t->name) ? 0 : ERR_LIMIT;
    case TIMER_PUBLISH:
        key_u64(k, t->seq);
        return 0;
    case TIMER_SIGNAL:
        key_u16(k, t->service);
        key_u64(k, t->seq);
        key_u16(k, (uint16_t)t->key.len);
        return key_bytes(k, t->key) && key_bytes(k, t->name) ? 0 : ERR_LIMIT;
    }
    return ERR_INVALID;
}

int journal_timer_put(struct journal *j, const struct timer *timer) {
    assert(is_sound_timer(timer));
    struct key k;
    int code = timer_key(&k, timer);
    if (code != 0) {
        return code;
    }
    struct slice value = {"", 0};
    if (timer->kind == TIMER_EVENT) {
        value = (struct slice){(const char *)timer->row.id.bytes, UUID_BYTES};
    } else if (timer->kind == TIMER_PUBLISH) {
        return journal_kept_put(j, KEPT_DELAYED, TABLE_TIMER, &k, timer->record);
    }
    return store_put(j->store, TABLE_TIMER, key_slice(&k), value);
}

int journal_timer_del(struct journal *j, const struct timer *timer) {
    struct key k;
    int code = timer_key(&k, timer);
    if (code == 0 && timer->kind == TIMER_PUBLISH) {
        return journal_kept_del(j, KEPT_DELAYED, TABLE_TIMER, &k);
    }
    return code != 0 ? code : store_del(j->store, TABLE_TIMER, key_slice(&k));
}

static void take_timer_tail(struct reader *r, struct slice value, struct timer *t) {
    if (t->kind == TIMER_EVENT) {
        t->row.partition = t->partition;
        t->row.service = read_u16_be(r);
        t->row.lane = read_u64_be(r);
        t->row.seq = read_u64_be(r);
        t->row.flags = LANE_WAITING;
        struct reader v = reader_of(value.data, value.len);
        t->row.id = read_uuid(&v);
        r->failed = r->failed || v.failed;
    } else if (t->kind == TIMER_PUBLISH) {
        t->seq = read_u64_be(r);
        t->record = value;
    } else {
        t->service = read_u16_be(r);
        t->seq = t->kind == TIMER_SIGNAL ? read_u64_be(r) : 0;
        uint16_t len = read_u16_be(r);
        t->key = read_bytes(r, len);
        t->name = read_bytes(r, (size_t)(r->end - r->at));
    }
}

static int take_timer(struct slice key, struct slice value, void *out) {
    struct timer *t = out;
    *t = (struct timer){0};
    struct reader r = reader_of(key.data, key.len);
    uint8_t shelf = read_u8(&r);
    t->by_wall = (shelf & BY_WALL) != 0;
    t->partition = shelf & (BY_WALL - 1);
    t->due_ms = (int64_t)read_u64_be(&r);
    t->kind = (enum timer_kind)read_u8(&r);
    take_timer_tail(&r, value, t);
    if (r.failed || r.at != r.end || !is_sound_timer(t)) {
        return ERR_CORRUPT;
    }
    struct publication p;
    return t->kind == TIMER_PUBLISH ? publication_decode(value, &p) : 0;
}

int journal_timer_first(struct journal *j, uint8_t partition, bool by_wall, struct timer *out) {
    struct key k = {.len = 0};
    key_u8(&k, timer_shelf(partition, by_wall));
    return journal_take_next(j, TABLE_TIMER, &k, 1, false, take_timer, out);
}

int journal_timer_record(struct journal *j, const struct timer *timer, struct slice *record) {
    struct key k;
    struct timer found;
    assert(timer->kind == TIMER_PUBLISH);
    int code = timer_key(&k, timer);
    code = code == 0 ? journal_take(j, TABLE_TIMER, &k, take_timer, &found) : code;
    if (code == 0) {
        *record = found.record;
    }
    return code;
}

int journal_check_keyed(enum store_table t, struct slice key, struct slice value) {
    struct cell_row row;
    struct timer timer;
    switch (t) {
    case TABLE_STATE:
        return take_state(key, value, &row);
    case TABLE_LOCK:
        return take_lock_row(key, value, &row);
    default:
        return take_timer(key, value, &timer);
    }
}
