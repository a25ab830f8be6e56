/*
 * move.c - see journal/move.h.
 *
 * A table says where a row has its numbers: journal/journal.h describes the keys.
 */
#include "journal/move.h"

#include "journal/impl.h"
#include "journal/later.h"

#include <assert.h>
#include <string.h>

enum {
    NONE = -1,
    AT_END = -2, /* the last eight bytes of the key */

    /* in the keys of events, and of what belongs to them */
    ID = OWNER_ID_AT,
    SVC = OWNER_SERVICE_AT,
    END = OWNER_KEY_BYTES,

    /* in the record described in journal/event.c */
    EVENT_STATE_AT = 1,
    EVENT_SEQ_AT = 75,
    EVENT_LANE_AT = 83,
    EVENT_TEXTS_AT = 107,
};

/* Offsets; NONE where the row has no such field. */
struct row_form {
    int partition, service, id, key_len, seq; /* in the key */
    int id_in_value, seq_in_value, partition_in_value;
};

/* clang-format off */
static const struct row_form forms[] = {
    /*                 partition service id    key    seq     in the value: id, seq, partition */
    [TABLE_EVENT]   = {END,      SVC,    ID,   NONE,  NONE,   NONE, EVENT_SEQ_AT, NONE},
    [TABLE_READY]   = {0,        1,      NONE, NONE,  3,      0,    NONE, NONE},
    [TABLE_LANE]    = {0,        1,      NONE, NONE,  11,     0,    NONE, NONE},
    [TABLE_HISTORY] = {0,        SVC,    ID,   NONE,  NONE,   NONE, NONE, NONE},
    [TABLE_OUTBOX]  = {NONE,     NONE,   NONE, NONE,  0,      NONE, NONE, NONE},
    [TABLE_STATE]   = {0,        1,      NONE, 3,     NONE,   NONE, NONE, NONE},
    [TABLE_LOCK]    = {0,        1,      NONE, 3,     NONE,   NONE, NONE, NONE},
    [TABLE_DEAD]    = {0,        1,      3,    NONE,  NONE,   NONE, NONE, NONE},
    [TABLE_APPEND]  = {0,        NONE,   NONE, NONE,  1,      NONE, NONE, NONE},
    [TABLE_STEP]    = {0,        SVC,    ID,   NONE,  NONE,   NONE, NONE, NONE},
    [TABLE_SIGNAL]  = {0,        1,      NONE, 3,     AT_END, NONE, NONE, NONE},
    [TABLE_WAITER]  = {0,        1,      NONE, 3,     AT_END, 0,    NONE, NONE},
    [TABLE_DELAYED] = {NONE,     NONE,   0,    NONE,  NONE,   NONE, 9,    0},
    [TABLE_FORWARD] = {0,        NONE,   NONE, NONE,  1,      NONE, NONE, NONE},
    [TABLE_CURSOR]  = {0,        NONE,   1,    NONE,  NONE,   NONE, NONE, NONE},
    [TABLE_LETTER]  = {0,        1,      12,   NONE,  NONE,   NONE, NONE, NONE},
    [TABLE_TENANT]  = {0,        1,      NONE, NONE,  11,     0,    NONE, NONE},
};

static const struct row_form timer_forms[] = {
    [TIMER_EVENT]   = {0,        10,     NONE, NONE,  20,     0,    NONE, NONE},
    [TIMER_LOCK]    = {0,        10,     NONE, 12,    NONE,   NONE, NONE, NONE},
    [TIMER_STATE]   = {0,        10,     NONE, 12,    NONE,   NONE, NONE, NONE},
    [TIMER_PUBLISH] = {0,        NONE,   NONE, NONE,  10,     NONE, NONE, NONE},
    [TIMER_SIGNAL]  = {0,        10,     NONE, 20,    12,     NONE, NONE, NONE},
};

static const struct row_form key_form =
                      {0,        NONE,   NONE, NONE,  NONE,   NONE, NONE, NONE};
static const struct row_form recent_form
                    = {8,        NONE,   NONE, NONE,  NONE,   NONE, NONE, NONE};
static const struct row_form publish_form =
                      {NONE,     NONE,   1,    NONE,  NONE,   NONE, 0,    NONE};
/* clang-format on */

enum { TIMER_KIND_AT = 9 };

/* NULL: the table, or the kind, has none. */
static const struct row_form *form_of(enum store_table t, struct slice key) {
    if (t >= TABLE_RECENT) {
        return &recent_form;
    }
    if (t >= TABLE_DEDUPE) {
        return key.len > 0 && (uint8_t)key.data[0] == UINT8_MAX ? &publish_form : &key_form;
    }
    if (t == TABLE_TIMER) {
        uint8_t kind = key.len > TIMER_KIND_AT ? (uint8_t)key.data[TIMER_KIND_AT] : 0;
        return kind >= TIMER_EVENT && kind <= TIMER_SIGNAL ? &timer_forms[kind] : NULL;
    }
    return t == TABLE_META || t == TABLE_ASIDE ? NULL : &forms[t];
}

static size_t seq_at(const struct row_form *f, struct slice key) {
    return f->seq == AT_END ? key.len - sizeof(uint64_t) : (size_t)f->seq;
}

/* From `at` to the end. */
static struct reader part(struct slice bytes, int at) {
    size_t from = (size_t)at < bytes.len ? (size_t)at : bytes.len;
    return reader_of(bytes.data + from, bytes.len - from);
}

static bool look_at_key(const struct row_form *f, struct slice key, struct row_sight *out) {
    bool failed = false;
    if (f->partition != NONE) {
        struct reader r = part(key, f->partition);
        out->partition = read_u8(&r);
        failed = failed || r.failed;
    }
    if (f->service != NONE) {
        struct reader r = part(key, f->service);
        out->service = read_u16_be(&r);
        failed = failed || r.failed;
    }
    if (f->id != NONE) {
        struct reader r = part(key, f->id);
        out->id = read_uuid(&r);
        failed = failed || r.failed;
    }
    if (f->key_len != NONE) {
        struct reader r = part(key, f->key_len);
        uint16_t len = read_u16_be(&r);
        out->key = read_bytes(&r, len);
        failed = failed || r.failed;
    }
    if (f->seq != NONE) {
        struct reader r = part(key, (int)seq_at(f, key));
        out->seq = read_u64_be(&r);
        failed = failed || r.failed;
    }
    return !failed;
}

static bool look_at_value(const struct row_form *f, struct slice value, struct row_sight *out) {
    bool failed = false;
    if (f->id_in_value != NONE) {
        struct reader r = part(value, f->id_in_value);
        out->id = read_uuid(&r);
        failed = failed || r.failed;
    }
    if (f->seq_in_value != NONE) {
        struct reader r = part(value, f->seq_in_value);
        out->seq = read_u64(&r);
        failed = failed || r.failed;
    }
    if (f->partition_in_value != NONE) {
        struct reader r = part(value, f->partition_in_value);
        out->partition = read_u8(&r);
        failed = failed || r.failed;
    }
    return !failed;
}

int journal_row_look(enum store_table t, struct slice key, struct slice value,
                     struct row_sight *out) {
    const struct row_form *f = form_of(t, key);
    *out = (struct row_sight){.partition = ROW_NO_PARTITION};
    if (f == NULL || !look_at_key(f, key, out) || !look_at_value(f, value, out)) {
        return ERR_CORRUPT;
    }
    out->has_service = f->service != NONE;
    out->has_id = f->id != NONE || f->id_in_value != NONE;
    out->has_key = f->key_len != NONE;
    out->has_seq = f->seq != NONE || f->seq_in_value != NONE;
    if (t == TABLE_TIMER) {
        out->timer = (enum timer_kind)key.data[TIMER_KIND_AT];
    }
    if (t == TABLE_TIMER || t == TABLE_DELAYED) {
        out->partition &= BY_WALL - 1;
    }
    bool placed = out->partition < PARTITIONS || out->partition == ROW_NO_PARTITION;
    return placed || t >= TABLE_DEDUPE ? 0 : ERR_CORRUPT;
}

uint8_t journal_key_partition(enum store_table t, struct slice key) {
    const struct row_form *f = form_of(t, key);
    if (f == NULL || f->partition == NONE || key.len <= (size_t)f->partition) {
        return ROW_NO_PARTITION;
    }
    uint8_t partition = (uint8_t)key.data[f->partition];
    partition = t == TABLE_TIMER ? partition & (BY_WALL - 1) : partition;
    return partition < PARTITIONS ? partition : ROW_NO_PARTITION;
}

static void patch_be(struct buf *b, size_t at, uint64_t number, size_t bytes) {
    assert(at + bytes <= b->len);
    for (size_t i = 0; i < bytes; i++) {
        b->data[at + i] = (char)(number >> (8 * (bytes - 1 - i)));
    }
}

static void patch_u64(struct buf *b, size_t at, uint64_t number) {
    assert(at + sizeof number <= b->len);
    for (size_t i = 0; i < sizeof number; i++) {
        b->data[at + i] = (char)(number >> (8 * i));
    }
}

int journal_row_write(enum store_table t, struct slice key, struct slice value, uint16_t service,
                      uint64_t seq, struct buf *new_key, struct buf *new_value) {
    const struct row_form *f = form_of(t, key);
    assert(f != NULL);
    buf_reset(new_key);
    buf_reset(new_value);
    buf_add_slice(new_key, key);
    buf_add_slice(new_value, value);
    if (new_key->failed || new_value->failed) {
        return ERR_MEMORY;
    }
    if (f->service != NONE) {
        patch_be(new_key, (size_t)f->service, service, sizeof service);
    }
    if (f->seq != NONE) {
        patch_be(new_key, seq_at(f, key), seq, sizeof seq);
    }
    if (f->seq_in_value != NONE) {
        patch_u64(new_value, (size_t)f->seq_in_value, seq);
    }
    return 0;
}

/* --- events --- */

int journal_event_look(struct slice record, struct event_sight *out) {
    struct reader state = part(record, EVENT_STATE_AT);
    struct reader seq = part(record, EVENT_SEQ_AT);
    struct reader lane = part(record, EVENT_LANE_AT);
    struct reader texts = part(record, EVENT_TEXTS_AT);
    uint8_t number = read_u8(&state);
    out->state = (enum event_state)number;
    out->seq = read_u64(&seq);
    out->lane = read_u64(&lane);
    (void)read_lv(&texts);
    out->key = read_lv(&texts);
    bool failed = state.failed || lane.failed || texts.failed; /* the seq stands before the lane */
    return failed || number >= EVENT_STATE_COUNT ? ERR_CORRUPT : 0;
}

/* --- meta rows --- */

static bool is_shared(struct slice key) {
    static const char prefix[] = "service/";
    size_t len = sizeof prefix - 1;
    return slice_is(key, "secret") || slice_is(key, "flag/services") ||
           (key.len > len && memcmp(key.data, prefix, len) == 0);
}

int journal_meta_copy(struct store *to, struct store *from, bool sibling) {
    struct key at = {.len = 0};
    struct slice key;
    struct slice value;
    int code;
    while ((code = store_seek(from, TABLE_META, key_slice(&at), at.len > 0, &key, &value)) == 0) {
        bool wanted = sibling ? is_shared(key)
                              : !slice_is(key, "schema") && !slice_is(key, "flag/letters") &&
                                    !slice_is(key, "flag/kept");
        code = wanted ? store_put(to, TABLE_META, key, value) : 0;
        if (code != 0) {
            return code;
        }
        key_set(&at, key);
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

uint64_t journal_last_seq(const struct journal *j) {
    return j->seq;
}

int journal_set_seq(struct journal *j, uint64_t seq) {
    assert(seq >= j->seq);
    j->seq = seq;
    return journal_mark_seq(j);
}
