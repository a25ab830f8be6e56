/*
 * forward.c - forwards: what belongs to other hosts, until they have stored it; and cursors: how
 * far we have stored what they forwarded.
 *
 *   forward  p8 seq64      -> u8 kind | u8 qos | u8 retained | u32 len, bytes: service key topic
 *                             (with its NUL) name payload content_type response_topic correlation
 *                             properties
 *   cursor   p8 source128  -> u64 seq
 *
 * Source is the id of the other store. Its forwards for a partition are taken in order of their
 * seq, so a single number tells which of them have been stored, however often and however late they
 * come.
 */
#include "journal/impl.h"

#include "event/value.h"
#include "journal/forward.h"

#include <assert.h>
#include <string.h>

enum { FORWARD_SLICES = 9 };

/* In the order in which they are in the record. */
static void list_slices(struct forward *f, struct slice *out[FORWARD_SLICES]) {
    struct slice *const slices[FORWARD_SLICES] = {
        &f->service,        &f->key,         &f->topic,     &f->name, &f->payload, &f->content_type,
        &f->response_topic, &f->correlation, &f->properties};
    memcpy(out, slices, sizeof slices);
}

/* INV-JOURNAL-10, checked on writing and on reading: it may come from another process, so
 * nothing is taken for granted. */
static bool is_sound(const struct forward *f) {
    bool sizes = f->service.len > 0 && f->service.len <= NAME_BYTES_MAX && f->qos <= 2 &&
                 f->key.len <= KEY_BYTES_MAX;
    if (f->kind == FORWARD_SIGNAL) {
        return sizes && f->name.len > 0 && f->name.len <= STATE_NAME_BYTES_MAX &&
               f->payload.len <= VALUE_BYTES_MAX && value_is_sound(f->payload);
    }
    bool topic = f->topic.len > 1 && f->topic.len <= TOPIC_BYTES_MAX + 1 &&
                 memchr(f->topic.data, '\0', f->topic.len) == f->topic.data + f->topic.len - 1;
    return sizes && f->kind == FORWARD_MESSAGE && topic;
}

void forward_encode(const struct forward *f, struct buf *out) {
    struct forward written = *f;
    struct slice *slices[FORWARD_SLICES];
    list_slices(&written, slices);
    written.topic.len += f->kind == FORWARD_MESSAGE ? 1 : 0; /* with its NUL */
    assert(is_sound(&written));
    buf_add_u8(out, (uint8_t)f->kind);
    buf_add_u8(out, f->qos);
    buf_add_u8(out, f->retained ? 1 : 0);
    for (size_t i = 0; i < FORWARD_SLICES; i++) {
        buf_add_lv(out, *slices[i]);
    }
}

int forward_decode(struct slice record, struct forward *out) {
    struct reader r = reader_of(record.data, record.len);
    struct slice *slices[FORWARD_SLICES];
    *out = (struct forward){0};
    list_slices(out, slices);
    out->kind = (enum forward_kind)read_u8(&r);
    out->qos = read_u8(&r);
    out->retained = read_u8(&r) != 0;
    for (size_t i = 0; i < FORWARD_SLICES; i++) {
        *slices[i] = read_lv(&r);
    }
    if (r.failed || r.at != r.end || !is_sound(out)) {
        return ERR_CORRUPT;
    }
    out->topic.len -= out->kind == FORWARD_MESSAGE ? 1 : 0;
    return 0;
}

static struct key row_key(uint8_t partition, uint64_t seq) {
    struct key k = {.len = 0};
    key_u8(&k, partition);
    key_u64(&k, seq);
    return k;
}

int journal_forward_put(struct journal *j, uint8_t partition, uint64_t seq, struct slice record) {
    struct key k = row_key(partition, seq);
    return store_put(j->store, TABLE_FORWARD, key_slice(&k), record);
}

int journal_forward_del(struct journal *j, uint8_t partition, uint64_t seq) {
    struct key k = row_key(partition, seq);
    return store_del(j->store, TABLE_FORWARD, key_slice(&k));
}

struct forward_row {
    uint8_t partition;
    uint64_t seq;
    struct slice record;
};

static int take_forward(struct slice key, struct slice value, void *out) {
    struct forward_row *row = out;
    struct forward f;
    struct reader r = reader_of(key.data, key.len);
    row->partition = read_u8(&r);
    row->seq = read_u64_be(&r);
    row->record = value;
    bool whole = !r.failed && r.at == r.end && row->partition < PARTITIONS;
    return whole ? forward_decode(value, &f) : ERR_CORRUPT;
}

int journal_forward_next(struct journal *j, uint8_t partition, uint64_t *seq,
                         struct slice *record) {
    struct key k = row_key(partition, *seq);
    struct forward_row row;
    int code;
    do {
        code = journal_take_next(j, TABLE_FORWARD, &k, 1, true, take_forward, &row);
        k = code == 0 ? row_key(partition, row.seq) : k;
    } while (code == 0 && journal_is_ahead(j, TABLE_FORWARD, &k, row.seq));
    if (code == 0) {
        *seq = row.seq;
        *record = row.record;
    }
    return code;
}

static struct key cursor_key(uint8_t partition, const struct uuid *source) {
    struct key k = {.len = 0};
    key_u8(&k, partition);
    key_uuid(&k, source);
    return k;
}

static int take_cursor(struct slice key, struct slice value, void *out) {
    uint64_t *seq = out;
    struct reader r = reader_of(value.data, value.len);
    *seq = read_u64(&r);
    bool whole = key.len == 1 + UUID_BYTES && (uint8_t)key.data[0] < PARTITIONS;
    return whole && !r.failed && r.at == r.end ? 0 : ERR_CORRUPT;
}

int journal_cursor_get(struct journal *j, uint8_t partition, const struct uuid *source,
                       uint64_t *seq) {
    struct key k = cursor_key(partition, source);
    int code = journal_take(j, TABLE_CURSOR, &k, take_cursor, seq);
    *seq = code == 0 ? *seq : 0;
    return code == ERR_NOTFOUND ? 0 : code;
}

int journal_cursor_put(struct journal *j, uint8_t partition, const struct uuid *source,
                       uint64_t seq) {
    assert(partition < PARTITIONS); /* INV-JOURNAL-11 */
    struct key k = cursor_key(partition, source);
    buf_reset(&j->record);
    buf_add_u64(&j->record, seq);
    return journal_put_record(j, TABLE_CURSOR, &k);
}

int journal_check_forward(enum store_table t, struct slice key, struct slice value) {
    struct forward_row row;
    uint64_t seq;
    return t == TABLE_FORWARD ? take_forward(key, value, &row) : take_cursor(key, value, &seq);
}
