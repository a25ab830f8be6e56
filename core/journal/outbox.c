/*
 * outbox.c - publications that wait for the broker, and lines that wait for their files.
 *
 * A publication record:
 *
 *   id128 | id128 cause | u16 hops | u8 qos | u8 retain
 *   u32 len, bytes: topic (with its NUL) payload key content_type response_topic correlation
 *                   properties
 *   u64 owner | i64 refused_ms | u8 refused_reason: missing in records of an older zingq
 *   u16 service: as well
 *   id128 handle | i64 first_ms: only if it has one
 */
#include "journal/impl.h"

#include "journal/outbox.h"

#include <assert.h>

/* INV-JOURNAL-8, checked on writing and on reading. */
static bool is_sound(const struct publication *p) {
    return p->qos <= 2 && p->topic.len > 0 && p->topic.data[p->topic.len] == '\0';
}

void publication_encode(const struct publication *p, struct buf *out) {
    assert(is_sound(p));
    buf_add_fixed(out, p->id.bytes, UUID_BYTES);
    buf_add_fixed(out, p->cause.bytes, UUID_BYTES);
    buf_add_u16(out, p->hops);
    buf_add_u8(out, p->qos);
    buf_add_u8(out, p->retain ? 1 : 0);
    buf_add_lv(out, (struct slice){p->topic.data, p->topic.len + 1});
    const struct slice slices[] = {p->payload,        p->key,         p->content_type,
                                   p->response_topic, p->correlation, p->properties};
    for (size_t i = 0; i < sizeof slices / sizeof *slices; i++) {
        buf_add_lv(out, slices[i]);
    }
    buf_add_u64(out, p->owner);
    buf_add_u64(out, (uint64_t)p->refused_ms);
    buf_add_u8(out, p->refused_reason);
    buf_add_u16(out, p->service);
    if (!uuid_is_zero(&p->handle)) {
        buf_add(out, p->handle.bytes, UUID_BYTES);
        buf_add_u64(out, (uint64_t)p->first_ms);
    }
}

int publication_decode(struct slice record, struct publication *out) {
    struct reader r = reader_of(record.data, record.len);
    *out = (struct publication){.service = SERVICE_NONE};
    out->id = read_uuid(&r);
    out->cause = read_uuid(&r);
    out->hops = read_u16(&r);
    out->qos = read_u8(&r);
    out->retain = read_u8(&r) != 0;
    out->topic = read_lv(&r);
    struct slice *slices[] = {&out->payload,        &out->key,         &out->content_type,
                              &out->response_topic, &out->correlation, &out->properties};
    for (size_t i = 0; i < sizeof slices / sizeof *slices; i++) {
        *slices[i] = read_lv(&r);
    }
    if (!r.failed && r.at < r.end) {
        out->owner = read_u64(&r);
        out->refused_ms = (int64_t)read_u64(&r);
        out->refused_reason = read_u8(&r);
    }
    if (!r.failed && r.at < r.end) {
        out->service = read_u16(&r);
    }
    if (!r.failed && r.at < r.end) {
        out->handle = read_uuid(&r);
        out->first_ms = (int64_t)read_u64(&r);
    }
    if (r.failed || out->topic.len == 0) {
        return ERR_CORRUPT;
    }
    out->topic.len--; /* without its NUL */
    return is_sound(out) ? 0 : ERR_CORRUPT;
}

const struct uuid *publication_delayed_id(const struct publication *p) {
    return uuid_is_zero(&p->handle) ? &p->id : &p->handle;
}

static void numbered_key(struct key *k, uint8_t partition, uint64_t seq) {
    k->len = 0;
    key_u8(k, partition);
    key_u64(k, seq);
}

int journal_outbox_put(struct journal *j, uint64_t seq, struct slice record) {
    struct key k = {.len = 0};
    key_u64(&k, seq);
    return store_put(j->store, TABLE_OUTBOX, key_slice(&k), record);
}

int journal_outbox_del(struct journal *j, uint64_t seq) {
    struct key k = {.len = 0};
    key_u64(&k, seq);
    return store_del(j->store, TABLE_OUTBOX, key_slice(&k));
}

struct outbox_row {
    uint64_t seq;
    struct slice record;
};

static int take_outbox(struct slice key, struct slice value, void *out) {
    struct outbox_row *row = out;
    struct publication p;
    struct reader r = reader_of(key.data, key.len);
    row->seq = read_u64_be(&r);
    row->record = value;
    return r.failed || r.at != r.end ? ERR_CORRUPT : publication_decode(value, &p);
}

int journal_outbox_next(struct journal *j, uint64_t *seq, struct slice *record) {
    struct outbox_row row = {.seq = *seq};
    struct key k;
    int code;
    do {
        k.len = 0;
        key_u64(&k, row.seq);
        code = journal_take_next(j, TABLE_OUTBOX, &k, 0, true, take_outbox, &row);
        k.len = 0;
        key_u64(&k, row.seq);
    } while (code == 0 && journal_is_ahead(j, TABLE_OUTBOX, &k, row.seq));
    if (code == 0) {
        *seq = row.seq;
        *record = row.record;
    }
    return code;
}

int journal_append_put(struct journal *j, uint8_t partition, uint64_t seq, struct slice file,
                       struct slice line) {
    assert(partition < PARTITIONS && file.len > 0); /* INV-JOURNAL-9 */
    struct key k;
    numbered_key(&k, partition, seq);
    buf_reset(&j->record);
    buf_add_lv(&j->record, file);
    buf_add_lv(&j->record, line);
    return journal_put_record(j, TABLE_APPEND, &k);
}

int journal_append_del(struct journal *j, uint8_t partition, uint64_t seq) {
    struct key k;
    numbered_key(&k, partition, seq);
    return store_del(j->store, TABLE_APPEND, key_slice(&k));
}

struct append_at {
    uint8_t partition;
    uint64_t seq;
    struct slice file, line;
};

static int take_append(struct slice key, struct slice value, void *out) {
    struct append_at *at = out;
    struct reader r = reader_of(key.data, key.len);
    struct reader v = reader_of(value.data, value.len);
    at->partition = read_u8(&r);
    at->seq = read_u64_be(&r);
    at->file = read_lv(&v);
    at->line = read_lv(&v);
    bool whole = !r.failed && r.at == r.end && !v.failed;
    return whole && at->partition < PARTITIONS && at->file.len > 0 ? 0 : ERR_CORRUPT;
}

int journal_append_next(struct journal *j, uint8_t *partition, uint64_t *seq, struct slice *file,
                        struct slice *line) {
    struct key k;
    struct append_at at;
    numbered_key(&k, *partition, *seq);
    int code = journal_take_next(j, TABLE_APPEND, &k, 0, true, take_append, &at);
    if (code == 0) {
        *partition = at.partition;
        *seq = at.seq;
        *file = at.file;
        *line = at.line;
    }
    return code;
}

int journal_check_outbox(enum store_table t, struct slice key, struct slice value) {
    struct outbox_row row;
    struct append_at at;
    return t == TABLE_OUTBOX ? take_outbox(key, value, &row) : take_append(key, value, &at);
}
