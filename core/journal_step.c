/*
 * journal_step.c - steps of events; signals and who waits for them.
 *
 * A step record:
 *
 *   u8 form=1 | u8 state | u64 order | i64 at_ms | i64 due_ms | u32 tries | value
 *
 * It lies beside its event, under the same partition and id. Signals and waiters lie under
 * (service, key, name): a signal that comes looks for a waiter, a wait that begins for a signal.
 */
#include "journal_impl.h"

#include <assert.h>

enum { STEP_FORM = 1, STEP_PREFIX_BYTES = 19 };

/* --- steps --- */

static int step_key(struct key *k, const struct event *event, enum step_kind kind,
                    struct slice name) {
    k->len = 0;
    key_u8(k, event->partition);
    key_uuid(k, &event->id);
    key_u16(k, event->service);
    assert(k->len == STEP_PREFIX_BYTES);
    key_u8(k, (uint8_t)kind);
    return key_bytes(k, name) ? 0 : ERR_LIMIT;
}

static int take_step(struct slice key, struct slice value, struct step *out) {
    struct reader k = reader_of(key.data + STEP_PREFIX_BYTES, key.len - STEP_PREFIX_BYTES);
    struct reader r = reader_of(value.data, value.len);
    uint8_t kind = read_u8(&k);
    uint8_t form = read_u8(&r);
    uint8_t state = read_u8(&r);
    if (kind >= STEP_KIND_COUNT || state >= STEP_STATE_COUNT || form != STEP_FORM) {
        return ERR_CORRUPT;
    }
    out->kind = (enum step_kind)kind;
    out->state = (enum step_state)state;
    out->name = read_bytes(&k, (size_t)(k.end - k.at));
    out->order = read_u64(&r);
    out->at_ms = (int64_t)read_u64(&r);
    out->due_ms = (int64_t)read_u64(&r);
    out->tries = read_u32(&r);
    out->value = read_bytes(&r, (size_t)(r.end - r.at));
    return k.failed || r.failed ? ERR_CORRUPT : 0;
}

int journal_step_get(struct journal *j, const struct event *event, enum step_kind kind,
                     struct slice name, struct step *out) {
    struct key k;
    struct slice value;
    int code = step_key(&k, event, kind, name);
    if (code == 0) {
        code = store_get(j->store, TABLE_STEP, key_slice(&k), &value);
    }
    if (code == 0) {
        code = take_step(key_slice(&k), value, out);
        out->name = name;
    }
    return code;
}

int journal_step_put(struct journal *j, const struct event *event, const struct step *step) {
    struct key k;
    int code = step_key(&k, event, step->kind, step->name);
    if (code != 0) {
        return code;
    }
    buf_reset(&j->record);
    buf_add_u8(&j->record, STEP_FORM);
    buf_add_u8(&j->record, (uint8_t)step->state);
    buf_add_u64(&j->record, step->order);
    buf_add_u64(&j->record, (uint64_t)step->at_ms);
    buf_add_u64(&j->record, (uint64_t)step->due_ms);
    buf_add_u32(&j->record, step->tries);
    buf_add_slice(&j->record, step->value);
    return journal_put_record(j, TABLE_STEP, &k);
}

int journal_step_del(struct journal *j, const struct event *event, enum step_kind kind,
                     struct slice name) {
    struct key k;
    int code = step_key(&k, event, kind, name);
    return code == 0 ? store_del(j->store, TABLE_STEP, key_slice(&k)) : code;
}

int journal_step_next(struct journal *j, const struct event *event, struct step *step) {
    struct key k;
    struct slice key;
    struct slice value;
    bool after = step->name.data != NULL;
    int code = step_key(&k, event, after ? step->kind : 0, step->name);
    if (code == 0) {
        code = journal_seek_prefix(j, TABLE_STEP, &k, STEP_PREFIX_BYTES, after, &key, &value);
    }
    return code == 0 ? take_step(key, value, step) : code;
}

int journal_step_clear(struct journal *j, const struct event *event) {
    struct step step = {.name = {NULL, 0}};
    int code;
    while ((code = journal_step_next(j, event, &step)) == 0) {
        code = journal_step_del(j, event, step.kind, step.name);
        if (code != 0) {
            return code;
        }
        step = (struct step){.name = {NULL, 0}};
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* --- signals and waiters --- */

/* The key of a cell's rows; *prefix: the bytes they share. */
static int signal_key(struct key *k, const struct cell *cell, uint64_t seq, size_t *prefix) {
    k->len = 0;
    key_u8(k, cell->partition);
    key_u16(k, cell->service);
    key_u16(k, (uint16_t)cell->key.len);
    if (!key_bytes(k, cell->key)) {
        return ERR_LIMIT;
    }
    key_u16(k, (uint16_t)cell->name.len);
    if (!key_bytes(k, cell->name) || k->len + sizeof seq > sizeof k->bytes) {
        return ERR_LIMIT;
    }
    *prefix = k->len;
    key_u64(k, seq);
    return 0;
}

static uint64_t seq_of(struct slice key, size_t prefix) {
    struct reader r = reader_of(key.data + prefix, key.len - prefix);
    return read_u64_be(&r);
}

static int del_row(struct journal *j, enum store_table table, const struct cell *cell,
                   uint64_t seq) {
    struct key k;
    size_t prefix;
    int code = signal_key(&k, cell, seq, &prefix);
    return code == 0 ? store_del(j->store, table, key_slice(&k)) : code;
}

int journal_signal_put(struct journal *j, const struct cell *cell, uint64_t seq, struct slice value,
                       int64_t expires_ms) {
    struct key k;
    size_t prefix;
    int code = signal_key(&k, cell, seq, &prefix);
    if (code != 0) {
        return code;
    }
    buf_reset(&j->record);
    buf_add_u64(&j->record, (uint64_t)expires_ms);
    buf_add_slice(&j->record, value);
    return journal_put_record(j, TABLE_SIGNAL, &k);
}

int journal_signal_del(struct journal *j, const struct cell *cell, uint64_t seq) {
    return del_row(j, TABLE_SIGNAL, cell, seq);
}

int journal_signal_next(struct journal *j, const struct cell *cell, int64_t now_ms, uint64_t *seq,
                        struct slice *value) {
    for (;;) {
        struct key k;
        struct slice key;
        struct slice found;
        size_t prefix;
        int code = signal_key(&k, cell, *seq, &prefix);
        if (code == 0) {
            code = journal_seek_prefix(j, TABLE_SIGNAL, &k, prefix, true, &key, &found);
        }
        if (code != 0) {
            return code;
        }
        *seq = seq_of(key, prefix);
        struct reader r = reader_of(found.data, found.len);
        int64_t expires_ms = (int64_t)read_u64(&r);
        *value = read_bytes(&r, (size_t)(r.end - r.at));
        if (r.failed) {
            return ERR_CORRUPT;
        }
        if (expires_ms > now_ms) {
            return 0;
        }
    }
}

int journal_signal_scan(struct journal *j, struct cell *cell, uint64_t *seq, int64_t *expires_ms,
                        struct slice *value) {
    struct cell all = {.partition = cell->partition, .service = cell->service, .key = cell->key};
    bool after = cell->name.data != NULL;
    struct key k;
    struct slice key;
    struct slice found;
    size_t prefix;
    int code = signal_key(&k, after ? cell : &all, *seq, &prefix);
    prefix = sizeof(uint8_t) + 2 * sizeof(uint16_t) + cell->key.len; /* without the name */
    k.len = after ? k.len : prefix;
    if (code == 0) {
        code = journal_seek_prefix(j, TABLE_SIGNAL, &k, prefix, after, &key, &found);
    }
    if (code != 0) {
        return code;
    }
    struct reader r = reader_of(key.data + prefix, key.len - prefix);
    cell->name.len = read_u16_be(&r);
    cell->name = read_bytes(&r, cell->name.len);
    *seq = read_u64_be(&r);
    struct reader v = reader_of(found.data, found.len);
    *expires_ms = (int64_t)read_u64(&v);
    *value = read_bytes(&v, (size_t)(v.end - v.at));
    return r.failed || v.failed ? ERR_CORRUPT : 0;
}

int journal_waiter_put(struct journal *j, const struct cell *cell, const struct waiter *waiter) {
    struct key k;
    size_t prefix;
    int code = signal_key(&k, cell, waiter->row.seq, &prefix);
    if (code != 0) {
        return code;
    }
    buf_reset(&j->record);
    buf_add(&j->record, waiter->row.id.bytes, UUID_BYTES);
    buf_add_u64(&j->record, waiter->row.lane);
    buf_add_slice(&j->record, waiter->label);
    return journal_put_record(j, TABLE_WAITER, &k);
}

int journal_waiter_del(struct journal *j, const struct cell *cell, uint64_t seq) {
    return del_row(j, TABLE_WAITER, cell, seq);
}

int journal_waiter_first(struct journal *j, const struct cell *cell, struct waiter *out) {
    struct key k;
    struct slice key;
    struct slice value;
    size_t prefix;
    int code = signal_key(&k, cell, 0, &prefix);
    if (code == 0) {
        code = journal_seek_prefix(j, TABLE_WAITER, &k, prefix, true, &key, &value);
    }
    if (code != 0) {
        return code;
    }
    struct reader r = reader_of(value.data, value.len);
    out->row = (struct row){.partition = cell->partition,
                            .service = cell->service,
                            .seq = seq_of(key, prefix),
                            .flags = LANE_WAITING};
    out->row.id = read_uuid(&r);
    out->row.lane = read_u64(&r);
    out->label = read_bytes(&r, (size_t)(r.end - r.at));
    return r.failed ? ERR_CORRUPT : 0;
}
