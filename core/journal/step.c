/*
 * step.c - steps of events; signals and their waiters.
 *
 * A step record:
 *
 *   u8 form=1 | u8 state | u64 order | i64 at_ms | i64 due_ms | u32 count | value
 *
 * It is stored next to its event, under the same partition and id. Signals and waiters are stored
 * under (service, key, name): a signal that arrives looks for a waiter, a wait that begins for a
 * signal.
 */
#include "journal/impl.h"

#include "event/value.h"
#include "journal/event.h"
#include "journal/keyed.h"
#include "journal/step.h"

#include <assert.h>
#include <stdlib.h>

enum { STEP_FORM = 1 };

/* --- steps --- */

static int step_key(struct key *k, const struct event *event, enum step_kind kind,
                    struct slice name) {
    journal_owner_key(k, event->partition, &event->id, event->service);
    key_u8(k, (uint8_t)kind);
    return key_bytes(k, name) ? 0 : ERR_LIMIT;
}

static int take_step(struct slice key, struct slice value, void *ctx) {
    struct step *out = ctx;
    struct reader k;
    bool owned = journal_take_owner_key(key, &k);
    struct reader r = reader_of(value.data, value.len);
    uint8_t kind = read_u8(&k);
    uint8_t form = read_u8(&r);
    uint8_t state = read_u8(&r);
    if (!owned || kind >= STEP_KIND_COUNT || state >= STEP_STATE_COUNT || form != STEP_FORM) {
        return ERR_CORRUPT;
    }
    out->kind = (enum step_kind)kind;
    out->state = (enum step_state)state;
    out->name = read_bytes(&k, (size_t)(k.end - k.at));
    out->order = read_u64(&r);
    out->at_ms = (int64_t)read_u64(&r);
    out->due_ms = (int64_t)read_u64(&r);
    out->count = read_u32(&r);
    out->value = read_bytes(&r, (size_t)(r.end - r.at));
    return k.failed || r.failed ? ERR_CORRUPT : 0;
}

int journal_step_get(struct journal *j, const struct event *event, enum step_kind kind,
                     struct slice name, struct step *out) {
    struct key k;
    int code = step_key(&k, event, kind, name);
    code = code == 0 ? journal_take(j, TABLE_STEP, &k, take_step, out) : code;
    out->name = name;
    return code;
}

int journal_step_read(struct journal *j, const struct event *event, enum step_kind kind,
                      struct slice name, struct step *out) {
    struct key k;
    int code = journal_step_get(j, event, kind, name, out);
    return step_key(&k, event, kind, name) == 0 ? journal_if_broken(j, TABLE_STEP, &k, code) : code;
}

int journal_step_put(struct journal *j, const struct event *event, const struct step *step) {
    assert(event->partition < PARTITIONS && step->kind < STEP_KIND_COUNT &&
           step->state < STEP_STATE_COUNT); /* INV-JOURNAL-6 */
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
    buf_add_u32(&j->record, step->count);
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
    bool after = step->name.data != NULL;
    int code = step_key(&k, event, after ? step->kind : 0, step->name);
    return code == 0 ? journal_take_next(j, TABLE_STEP, &k, OWNER_KEY_BYTES, after, take_step, step)
                     : code;
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

/* Its bytes lie in the store, which the writing changes. */
static int move_step(struct journal *j, const struct event *from, const struct event *to,
                     struct step *step) {
    char *name = slice_dup(step->name);
    char *value = slice_dup(step->value);
    int code = name == NULL || value == NULL ? ERR_MEMORY : 0;
    if (code == 0) {
        step->name.data = name;
        step->value.data = value;
        code = journal_step_put(j, to, step);
    }
    code = code == 0 ? journal_step_del(j, from, step->kind, step->name) : code;
    free(name);
    free(value);
    return code;
}

int journal_step_move(struct journal *j, const struct event *from, const struct event *to) {
    struct step step = {.name = {NULL, 0}};
    int code;
    while ((code = journal_step_next(j, from, &step)) == 0) {
        code = move_step(j, from, to, &step);
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

int journal_signal_put(struct journal *j, const struct cell *cell, uint64_t seq, struct slice value,
                       int64_t expires_ms) {
    assert(cell->partition < PARTITIONS && value_is_sound(value)); /* INV-JOURNAL-7 */
    struct key k;
    size_t prefix;
    int code = signal_key(&k, cell, seq, &prefix);
    if (code != 0) {
        return code;
    }
    buf_reset(&j->record);
    buf_add_u64(&j->record, (uint64_t)expires_ms);
    buf_add_slice(&j->record, value);
    return j->record.failed
               ? ERR_MEMORY
               : journal_kept_put(j, KEPT_SIGNALS, TABLE_SIGNAL, &k, buf_slice(&j->record));
}

int journal_signal_del(struct journal *j, const struct cell *cell, uint64_t seq) {
    struct key k;
    size_t prefix;
    int code = signal_key(&k, cell, seq, &prefix);
    return code == 0 ? journal_kept_del(j, KEPT_SIGNALS, TABLE_SIGNAL, &k) : code;
}

/* A row of signals or waiters; its value as stored. */
struct signal_row {
    uint8_t partition;
    struct slice name;
    uint64_t seq;
    struct slice value;
};

static int take_signal_key(struct slice key, struct signal_row *row) {
    struct reader r = reader_of(key.data, key.len);
    row->partition = read_u8(&r);
    (void)read_u16_be(&r);
    uint16_t len = read_u16_be(&r);
    (void)read_bytes(&r, len);
    len = read_u16_be(&r);
    row->name = read_bytes(&r, len);
    row->seq = read_u64_be(&r);
    return r.failed || r.at != r.end || row->partition >= PARTITIONS ? ERR_CORRUPT : 0;
}

static int take_signal(struct slice key, struct slice value, void *out) {
    struct signal_row *row = out;
    row->value = value;
    struct slice kept = {value.data + sizeof(uint64_t), value.len - sizeof(uint64_t)};
    bool whole = value.len >= sizeof(uint64_t) && value_is_sound(kept);
    return whole ? take_signal_key(key, row) : ERR_CORRUPT;
}

static int64_t open_signal(const struct signal_row *row, struct slice *value) {
    struct reader r = reader_of(row->value.data, row->value.len);
    int64_t expires_ms = (int64_t)read_u64(&r);
    *value = read_bytes(&r, (size_t)(r.end - r.at));
    return expires_ms;
}

int journal_signal_next(struct journal *j, const struct cell *cell, int64_t now_ms,
                        struct kept_signal *at) {
    for (;;) {
        struct key k;
        struct signal_row row;
        size_t prefix;
        int code = signal_key(&k, cell, at->seq, &prefix);
        if (code == 0) {
            code = journal_take_next(j, TABLE_SIGNAL, &k, prefix, true, take_signal, &row);
        }
        if (code != 0) {
            return code;
        }
        at->seq = row.seq;
        at->expires_ms = open_signal(&row, &at->value);
        if (at->expires_ms > now_ms) {
            return 0;
        }
    }
}

int journal_signal_scan(struct journal *j, struct cell *cell, uint64_t *seq, int64_t *expires_ms,
                        struct slice *value) {
    struct cell all = {.partition = cell->partition, .service = cell->service, .key = cell->key};
    bool after = cell->name.data != NULL;
    struct key k;
    struct signal_row row;
    size_t prefix;
    int code = signal_key(&k, after ? cell : &all, *seq, &prefix);
    prefix = sizeof(uint8_t) + 2 * sizeof(uint16_t) + cell->key.len; /* without the name */
    k.len = after ? k.len : prefix;
    if (code == 0) {
        code = journal_take_next(j, TABLE_SIGNAL, &k, prefix, after, take_signal, &row);
    }
    if (code != 0) {
        return code;
    }
    cell->name = row.name;
    *seq = row.seq;
    *expires_ms = open_signal(&row, value);
    return 0;
}

int journal_waiter_put(struct journal *j, const struct cell *cell, const struct waiter *waiter) {
    assert(cell->partition == journal_partition(waiter->row.lane)); /* INV-JOURNAL-7 */
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
    struct key k;
    size_t prefix;
    int code = signal_key(&k, cell, seq, &prefix);
    return code == 0 ? store_del(j->store, TABLE_WAITER, key_slice(&k)) : code;
}

static int take_waiter(struct slice key, struct slice value, void *out) {
    struct waiter *waiter = out;
    struct signal_row row;
    struct reader r = reader_of(value.data, value.len);
    int code = take_signal_key(key, &row);
    waiter->row = (struct row){.seq = row.seq, .flags = LANE_WAITING};
    waiter->row.id = read_uuid(&r);
    waiter->row.lane = read_u64(&r);
    waiter->label = read_bytes(&r, (size_t)(r.end - r.at));
    bool placed = row.partition == journal_partition(waiter->row.lane);
    return code == 0 && !r.failed && placed ? 0 : ERR_CORRUPT;
}

int journal_waiter_first(struct journal *j, const struct cell *cell, struct waiter *out) {
    out->row.seq = 0;
    return journal_waiter_next(j, cell, out);
}

int journal_waiter_next(struct journal *j, const struct cell *cell, struct waiter *out) {
    struct key k;
    size_t prefix;
    int code = signal_key(&k, cell, out->row.seq, &prefix);
    if (code == 0) {
        code = journal_take_next(j, TABLE_WAITER, &k, prefix, true, take_waiter, out);
    }
    out->row.partition = cell->partition;
    out->row.service = cell->service;
    return code;
}

int journal_check_step(enum store_table t, struct slice key, struct slice value) {
    struct step step;
    struct signal_row signal;
    struct waiter waiter;
    switch (t) {
    case TABLE_STEP:
        return take_step(key, value, &step);
    case TABLE_SIGNAL:
        return take_signal(key, value, &signal);
    default:
        return take_waiter(key, value, &waiter);
    }
}
