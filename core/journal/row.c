/*
 * row.c - rows that say where events wait: ready, lane, tenant. journal/journal.h draws them.
 */
#include "journal/impl.h"

#include "journal/event.h"

#include <assert.h>

/* INV-JOURNAL-2, checked on writing and on reading. */
bool journal_row_is_sound(const struct row *row) {
    return row->partition == journal_partition(row->lane) && row->seq > 0 &&
           row->flags <= LANE_HOLDS_KEY && row->rank <= PRIORITIES;
}

/* Whose turn a head waits for is known. */
static bool lane_row_is_sound(const struct row *row) {
    return journal_row_is_sound(row) && (row->flags != LANE_QUEUED || row->tenant != 0);
}

/* The flows of a row come last, if it has any; after them its rank, if it has one. */
static void add_flows(struct buf *b, const struct row *row) {
    if (row->key != 0 || row->tenant != 0 || row->rank != 0) {
        buf_add_u64(b, row->key);
        buf_add_u64(b, row->tenant);
    }
    if (row->rank != 0) {
        buf_add_u8(b, row->rank);
    }
}

static void read_flows(struct reader *r, struct row *row) {
    if (!r->failed && r->at != r->end) {
        row->key = read_u64(r);
        row->tenant = read_u64(r);
    }
    if (!r->failed && r->at != r->end) {
        row->rank = read_u8(r);
    }
}

static void ready_key(struct key *k, const struct row *row) {
    k->len = 0;
    key_u8(k, row->partition);
    key_u16(k, row->service);
    key_u64(k, row->seq);
}

int journal_ready_put(struct journal *j, const struct row *row) {
    assert(journal_row_is_sound(row));
    struct key k;
    ready_key(&k, row);
    buf_reset(&j->record);
    buf_add(&j->record, row->id.bytes, UUID_BYTES);
    buf_add_u64(&j->record, row->lane);
    add_flows(&j->record, row);
    return journal_put_record(j, TABLE_READY, &k);
}

int journal_ready_del(struct journal *j, const struct row *row) {
    struct key k;
    ready_key(&k, row);
    return store_del(j->store, TABLE_READY, key_slice(&k));
}

static int take_ready(struct slice key, struct slice value, void *out) {
    struct row *row = out;
    struct reader r = reader_of(key.data, key.len);
    struct row found = {.flags = row->flags};
    found.partition = read_u8(&r);
    found.service = read_u16_be(&r);
    found.seq = read_u64_be(&r);
    struct reader v = reader_of(value.data, value.len);
    found.id = read_uuid(&v);
    found.lane = read_u64(&v);
    read_flows(&v, &found);
    if (r.failed || r.at != r.end || v.failed || v.at != v.end || !journal_row_is_sound(&found)) {
        return ERR_CORRUPT;
    }
    *row = found;
    return 0;
}

/* Like journal_take_next, but skips rows with future numbers; `write_key` writes the key of a
 * row. */
static int next_row(struct journal *j, enum store_table t, size_t prefix_len, journal_taker *take,
                    void (*write_key)(struct key *k, const struct row *row), struct row *row) {
    struct key k;
    int code;
    do {
        write_key(&k, row);
        code = journal_take_next(j, t, &k, prefix_len, true, take, row);
        if (code == 0) {
            write_key(&k, row);
        }
    } while (code == 0 && journal_is_ahead(j, t, &k, row->seq));
    return code;
}

static int seek_ready(struct journal *j, struct row *row, size_t prefix_len) {
    return next_row(j, TABLE_READY, prefix_len, take_ready, ready_key, row);
}

int journal_ready_next(struct journal *j, struct row *row) {
    return seek_ready(j, row, 3);
}

int journal_ready_scan(struct journal *j, struct row *row) {
    return seek_ready(j, row, 0);
}

bool lane_waits(uint8_t flags) {
    return flags == LANE_WAITING || flags == LANE_ASLEEP || flags == LANE_HOLDS_KEY;
}

static void lane_key(struct key *k, const struct row *row) {
    k->len = 0;
    key_u8(k, row->partition);
    key_u16(k, row->service);
    key_u64(k, row->lane);
    key_u64(k, row->seq);
}

int journal_lane_put(struct journal *j, const struct row *row) {
    assert(lane_row_is_sound(row));
    struct key k;
    lane_key(&k, row);
    buf_reset(&j->record);
    buf_add(&j->record, row->id.bytes, UUID_BYTES);
    buf_add_u8(&j->record, row->flags);
    add_flows(&j->record, row);
    return journal_put_record(j, TABLE_LANE, &k);
}

int journal_lane_del(struct journal *j, const struct row *row) {
    struct key k;
    lane_key(&k, row);
    return store_del(j->store, TABLE_LANE, key_slice(&k));
}

static int take_lane_row(struct slice key, struct slice value, void *out) {
    struct row *row = out;
    struct row found = {.flags = 0};
    struct reader r = reader_of(key.data, key.len);
    found.partition = read_u8(&r);
    found.service = read_u16_be(&r);
    found.lane = read_u64_be(&r);
    found.seq = read_u64_be(&r);
    struct reader v = reader_of(value.data, value.len);
    found.id = read_uuid(&v);
    found.flags = read_u8(&v);
    read_flows(&v, &found);
    if (r.failed || r.at != r.end || v.failed || v.at != v.end || !lane_row_is_sound(&found)) {
        return ERR_CORRUPT;
    }
    *row = found;
    return 0;
}

int journal_lane_next(struct journal *j, struct row *row) {
    return next_row(j, TABLE_LANE, 11, take_lane_row, lane_key, row);
}

int journal_lane_scan(struct journal *j, struct row *row) {
    return next_row(j, TABLE_LANE, 0, take_lane_row, lane_key, row);
}

static void tenant_key(struct key *k, const struct row *row) {
    k->len = 0;
    key_u8(k, row->partition);
    key_u16(k, row->service);
    key_u64(k, row->tenant);
    key_u64(k, row->seq);
}

int journal_tenant_put(struct journal *j, const struct row *row) {
    assert(journal_row_is_sound(row) && row->tenant != 0);
    struct key k;
    tenant_key(&k, row);
    buf_reset(&j->record);
    buf_add(&j->record, row->id.bytes, UUID_BYTES);
    buf_add_u64(&j->record, row->lane);
    if (row->rank != 0) {
        buf_add_u8(&j->record, row->rank);
    }
    return journal_put_record(j, TABLE_TENANT, &k);
}

int journal_tenant_del(struct journal *j, const struct row *row) {
    struct key k;
    tenant_key(&k, row);
    return store_del(j->store, TABLE_TENANT, key_slice(&k));
}

static int take_tenant(struct slice key, struct slice value, void *out) {
    struct row *row = out;
    struct row found = {.flags = row->flags};
    struct reader r = reader_of(key.data, key.len);
    found.partition = read_u8(&r);
    found.service = read_u16_be(&r);
    found.tenant = read_u64_be(&r);
    found.seq = read_u64_be(&r);
    struct reader v = reader_of(value.data, value.len);
    found.id = read_uuid(&v);
    found.lane = read_u64(&v);
    found.rank = v.at != v.end ? read_u8(&v) : 0;
    bool whole = !r.failed && r.at == r.end && !v.failed && v.at == v.end;
    if (!whole || found.tenant == 0 || !journal_row_is_sound(&found)) {
        return ERR_CORRUPT;
    }
    *row = found;
    return 0;
}

int journal_tenant_next(struct journal *j, struct row *row) {
    return next_row(j, TABLE_TENANT, 11, take_tenant, tenant_key, row);
}

int journal_tenant_after(struct journal *j, struct row *row) {
    return next_row(j, TABLE_TENANT, 3, take_tenant, tenant_key, row);
}

int journal_event_placed(struct journal *j, const struct event *event, bool *placed) {
    const struct row row = {.partition = event->partition,
                            .service = event->service,
                            .lane = event->lane,
                            .seq = event->seq};
    struct key k;
    struct row found = row;
    ready_key(&k, &row);
    int code = journal_take(j, TABLE_READY, &k, take_ready, &found);
    if (code == ERR_NOTFOUND) {
        lane_key(&k, &row);
        code = journal_take(j, TABLE_LANE, &k, take_lane_row, &found);
    }
    *placed = code == 0;
    return code == ERR_NOTFOUND ? 0 : code;
}

int journal_check_place(enum store_table t, struct slice key, struct slice value) {
    struct row row = {0};
    return t == TABLE_READY  ? take_ready(key, value, &row)
           : t == TABLE_LANE ? take_lane_row(key, value, &row)
                             : take_tenant(key, value, &row);
}
