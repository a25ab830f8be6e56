/*
 * event.c - events and their history.
 *
 * An event record:
 *
 *   u8 form=2 (3 with a tenant) | u8 state | u8 kind | u8 qos + 16 x rank | u8 flags | u16 hops
 *   u32 attempts errors timeouts crashes snoozes throttles
 *   i64 accepted_ms started_ms due_ms ended_ms | u32 duration_us | u64 version
 *   u64 seq | u64 lane | id128 cause
 *   u32 len, bytes: topic key payload content_type response_topic correlation properties
 *                   reason publishes
 *   u8 undo | u8 round | u32 len, bytes: calls      (form 1 ends before these)
 *   form 3: u32 len, bytes: tenant
 *   with FLAG_BATCH: id128 batch | u32 batch_events
 */
#include "journal/impl.h"

#include "journal/event.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    FORM_FIRST = 1,
    FORM = 2,
    FORM_TENANT = 3,
    FLAG_RETAINED = 1,
    FLAG_REPLAYED = 2,
    FLAG_PARKED = 4,
    FLAG_CONTINUES = 8,
    FLAG_DURABLE = 16,
    FLAG_FORCED = 32,
    FLAG_ALONE = 64,
    FLAG_BATCH = 128,
    STATE_AT = 1,
    RANK_SHIFT = 4, /* above the QoS */
    QOS_MASK = (1 << RANK_SHIFT) - 1
};

static uint8_t flags_of(const struct event *e) {
    return (uint8_t)((e->retained ? FLAG_RETAINED : 0) | (e->replayed ? FLAG_REPLAYED : 0) |
                     (e->parked ? FLAG_PARKED : 0) | (e->continues ? FLAG_CONTINUES : 0) |
                     (e->durable ? FLAG_DURABLE : 0) | (e->forced ? FLAG_FORCED : 0) |
                     (e->alone ? FLAG_ALONE : 0) | (e->batch_events > 0 ? FLAG_BATCH : 0));
}

/* --- records --- */

static void encode_event(const struct event *e, struct buf *b) {
    buf_reset(b);
    buf_add_u8(b, e->tenant.len > 0 ? FORM_TENANT : FORM);
    buf_add_u8(b, e->state);
    buf_add_u8(b, e->kind);
    buf_add_u8(b, (uint8_t)(e->qos | e->rank << RANK_SHIFT));
    buf_add_u8(b, flags_of(e));
    buf_add_u16(b, e->hops);
    const uint32_t counts[] = {e->attempts, e->errors,  e->timeouts,
                               e->crashes,  e->snoozes, e->throttles};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        buf_add_u32(b, counts[i]);
    }
    buf_add_u64(b, (uint64_t)e->accepted_ms);
    buf_add_u64(b, (uint64_t)e->started_ms);
    buf_add_u64(b, (uint64_t)e->due_ms);
    buf_add_u64(b, (uint64_t)e->ended_ms);
    buf_add_u32(b, e->duration_us);
    buf_add_u64(b, e->version);
    buf_add_u64(b, e->seq);
    buf_add_u64(b, e->lane);
    buf_add_fixed(b, e->cause.bytes, UUID_BYTES);
    const struct slice slices[] = {
        e->topic,       e->key,        e->payload, e->content_type, e->response_topic,
        e->correlation, e->properties, e->reason,  e->publishes};
    for (size_t i = 0; i < sizeof slices / sizeof *slices; i++) {
        buf_add_lv(b, slices[i]);
    }
    buf_add_u8(b, e->undo);
    buf_add_u8(b, e->round);
    buf_add_lv(b, e->calls);
    if (e->tenant.len > 0) {
        buf_add_lv(b, e->tenant);
    }
    if (e->batch_events > 0) {
        buf_add(b, e->batch.bytes, UUID_BYTES);
        buf_add_u32(b, e->batch_events);
    }
}

/* INV-JOURNAL-1, checked on writing and on reading. */
static bool is_sound(const struct event *e) {
    return e->state < EVENT_STATE_COUNT && e->kind <= EVENT_SIGNAL &&
           e->undo <= UNDO_THEN_DISCARD && e->rank <= PRIORITIES && e->seq > 0 &&
           e->key.len <= KEY_BYTES_MAX && e->partition == journal_partition(e->lane) &&
           (!e->parked || event_state_dead((enum event_state)e->state));
}

int journal_event_put(struct journal *j, const struct event *event) {
    assert(is_sound(event));
    struct key k;
    journal_event_key(j, &k, event->partition, &event->id, event->service);
    encode_event(event, &j->record);
    return journal_put_record(j, TABLE_EVENT, &k);
}

/* An event's key, and the event after reading; NULL: the walk passes over it. */
struct event_at {
    const struct journal *walked;  /* NULL: no walk goes on from the key */
    const struct event_walk *walk; /* NULL: over none */
    struct event_place place;
    struct event *event;
};

/* *in_batch: more numbers follow at the end. */
static void decode_numbers(struct reader *r, struct event *e, bool *in_batch) {
    e->state = read_u8(r);
    e->kind = read_u8(r);
    uint8_t qos = read_u8(r);
    e->qos = qos & QOS_MASK;
    e->rank = qos >> RANK_SHIFT;
    uint8_t flags = read_u8(r);
    e->retained = (flags & FLAG_RETAINED) != 0;
    e->replayed = (flags & FLAG_REPLAYED) != 0;
    e->parked = (flags & FLAG_PARKED) != 0;
    e->continues = (flags & FLAG_CONTINUES) != 0;
    e->durable = (flags & FLAG_DURABLE) != 0;
    e->forced = (flags & FLAG_FORCED) != 0;
    e->alone = (flags & FLAG_ALONE) != 0;
    *in_batch = (flags & FLAG_BATCH) != 0;
    e->hops = read_u16(r);
    e->attempts = read_u32(r);
    e->errors = read_u32(r);
    e->timeouts = read_u32(r);
    e->crashes = read_u32(r);
    e->snoozes = read_u32(r);
    e->throttles = read_u32(r);
    e->accepted_ms = (int64_t)read_u64(r);
    e->started_ms = (int64_t)read_u64(r);
    e->due_ms = (int64_t)read_u64(r);
    e->ended_ms = (int64_t)read_u64(r);
    e->duration_us = read_u32(r);
    e->version = read_u64(r);
    e->seq = read_u64(r);
    e->lane = read_u64(r);
    e->cause = read_uuid(r);
}

static int decode_event(const struct event_place *at, struct slice value, struct event **out) {
    struct reader r = reader_of(value.data, value.len);
    struct event numbers = {0};
    uint8_t form = read_u8(&r);
    bool in_batch;
    decode_numbers(&r, &numbers, &in_batch);
    struct event_bytes bytes = {0};
    struct slice *slices[] = {
        &bytes.topic,          &bytes.key,         &bytes.payload,    &bytes.content_type,
        &bytes.response_topic, &bytes.correlation, &bytes.properties, &bytes.reason,
        &bytes.publishes};
    for (size_t i = 0; i < sizeof slices / sizeof *slices; i++) {
        *slices[i] = read_lv(&r);
    }
    if (form > FORM_FIRST) {
        numbers.undo = read_u8(&r);
        numbers.round = read_u8(&r);
        bytes.calls = read_lv(&r);
    }
    if (form == FORM_TENANT) {
        bytes.tenant = read_lv(&r);
    }
    if (in_batch) {
        numbers.batch = read_uuid(&r);
        numbers.batch_events = read_u32(&r);
    }
    numbers.partition = at->partition;
    numbers.id = at->id;
    numbers.service = at->service;
    numbers.key = bytes.key;
    bool known = form >= FORM_FIRST && form <= FORM_TENANT;
    if (r.failed || !known || !is_sound(&numbers)) {
        return ERR_CORRUPT;
    }
    struct event *e = event_new(&bytes);
    if (e == NULL) {
        return ERR_MEMORY;
    }
    event_take_numbers(e, &numbers);
    assert(STAILQ_NEXT(e, link) == NULL);
    *out = e;
    return 0;
}

/* A record without a state does not decode. */
static bool passes_over(const struct event_walk *walk, const struct event_place *place,
                        struct slice value) {
    return (walk->by_partition && walk->partition != place->partition) ||
           (walk->by_service && walk->service != place->service) ||
           (walk->by_state && value.len > STATE_AT && walk->state != (uint8_t)value.data[STATE_AT]);
}

static int take_event(struct slice key, struct slice value, void *out) {
    struct event_at *at = out;
    if (!journal_take_event_key(key, &at->place)) {
        return ERR_CORRUPT;
    }
    int code = at->walked == NULL ? 0 : journal_event_key_fits(at->walked, key);
    if (code != 0) {
        return code;
    }
    bool passed =
        at->walk != NULL && (at->walk->keys_only || passes_over(at->walk, &at->place, value));
    return passed ? 0 : decode_event(&at->place, value, &at->event);
}

int journal_event_get(struct journal *j, uint8_t partition, const struct uuid *id, uint16_t service,
                      struct event **out) {
    struct key k;
    struct event_at at = {.event = NULL};
    journal_event_key(j, &k, partition, id, service);
    int code = journal_take(j, TABLE_EVENT, &k, take_event, &at);
    if (code == 0) {
        *out = at.event;
    }
    return code;
}

int journal_event_del(struct journal *j, uint8_t partition, const struct uuid *id,
                      uint16_t service) {
    struct key k;
    journal_event_key(j, &k, partition, id, service);
    return store_del(j->store, TABLE_EVENT, key_slice(&k));
}

int journal_event_record(struct journal *j, uint8_t partition, const struct uuid *id,
                         uint16_t service, struct slice *record) {
    struct key k;
    journal_event_key(j, &k, partition, id, service);
    return store_get(j->store, TABLE_EVENT, key_slice(&k), record);
}

int journal_event_find(struct journal *j, uint8_t partition, const struct uuid *id,
                       uint16_t service) {
    struct slice value;
    return journal_event_record(j, partition, id, service, &value);
}

int journal_event_find_waiting(struct journal *j, uint8_t partition, const struct uuid *id) {
    struct key k;
    struct slice key;
    struct slice value;
    journal_event_key(j, &k, partition, id, 0);
    struct event_place at;
    bool after = false;
    int code;
    while ((code = journal_seek_prefix(j, TABLE_EVENT, &k, OWNER_SERVICE_AT, after, &key,
                                       &value)) == 0) {
        uint8_t state = value.len > STATE_AT ? (uint8_t)value.data[STATE_AT] : EVENT_STATE_COUNT;
        bool ours = journal_take_event_key(key, &at) && at.partition == partition;
        if (ours && state < EVENT_STATE_COUNT && !event_state_ended((enum event_state)state)) {
            return 0;
        }
        key_set(&k, key);
        after = true;
    }
    return code;
}

int journal_event_next(struct journal *j, struct event_walk *walk, struct event **out) {
    struct key k;
    struct event_at at = {.walked = j, .walk = walk};
    *out = NULL;
    journal_event_key_in(j, &k, walk->group, &walk->at);
    int code = journal_take_next(j, TABLE_EVENT, &k, 1, walk->begun, take_event, &at);
    if (code == 0) {
        walk->at = at.place;
        walk->begun = true;
        *out = at.event;
    }
    return code;
}

int journal_event_scan(struct journal *j, struct event_place *at, struct event **out) {
    struct key k;
    struct event_at found = {.walked = j};
    journal_event_key(j, &k, at->partition, &at->id, at->service);
    int code = journal_take_next(j, TABLE_EVENT, &k, 0, true, take_event, &found);
    if (code == 0) {
        *at = found.place;
        *out = found.event;
    }
    return code;
}

int journal_event_prev(struct journal *j, struct event_walk *walk, struct event **out) {
    struct key k;
    struct slice key;
    struct slice value;
    *out = NULL;
    journal_event_key_in(j, &k, walk->group, &walk->at);
    walk->passed = 0;
    int code = store_seek_back(j->store, TABLE_EVENT, key_slice(&k), &key, &value);
    while (code == 0 && key.len > 0 && (uint8_t)key.data[0] == walk->group) {
        struct event_at at = {.walked = j, .walk = walk};
        code = take_event(key, value, &at);
        if (code == 0) {
            walk->at = at.place;
            *out = at.event;
        }
        bool over = code == ERR_CORRUPT || (code == 0 && at.event == NULL && !walk->keys_only);
        walk->passed += over ? 1 : 0;
        if (!over || (code == 0 && walk->passed >= EVENT_ROWS_PASSED)) {
            return code;
        }
        if (code == ERR_CORRUPT) {
            journal_broken(j, TABLE_EVENT, key, value);
        }
        code = store_before(j->store, TABLE_EVENT, &key, &value);
    }
    return code == 0 ? ERR_NOTFOUND : code;
}

/* --- history --- */

static void history_key(struct key *k, const struct event *e, uint16_t n) {
    journal_owner_key(k, e->partition, &e->id, e->service);
    key_u16(k, n);
}

const char *attempt_end_name(enum attempt_end end) {
    static const char *const names[] = {
#define X(value, name) [value] = name,
        ATTEMPT_END_LIST(X)
#undef X
    };
    assert((size_t)end < sizeof names / sizeof *names);
    return names[end];
}

/* The highest n in use, 0 when there is none; and the number of rows. */
static int history_last(struct journal *j, const struct event *e, uint16_t *last, uint16_t *count) {
    *last = 0;
    *count = 0;
    struct attempt a = {0};
    int code;
    while ((code = journal_history_next(j, e, &a)) == 0) {
        *last = a.n;
        (*count)++;
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int history_make_room(struct journal *j, const struct event *e) {
    struct attempt a = {0};
    int code = journal_history_next(j, e, &a);
    if (code == 0) {
        code = journal_history_next(j, e, &a);
    }
    if (code != 0) {
        return code;
    }
    struct key k;
    history_key(&k, e, a.n);
    return store_del(j->store, TABLE_HISTORY, key_slice(&k));
}

int journal_history_add(struct journal *j, const struct event *event, const struct attempt *a) {
    assert(event->partition < PARTITIONS && a->end < ATTEMPT_END_COUNT); /* INV-JOURNAL-3 */
    uint16_t last;
    uint16_t count;
    int code = history_last(j, event, &last, &count);
    if (code == 0 && count >= HISTORY_MAX) {
        code = history_make_room(j, event);
    }
    if (code != 0) {
        return code;
    }
    if (last == UINT16_MAX) {
        return 0; /* 65,535 attempts have been recorded: the history is full */
    }
    struct key k;
    history_key(&k, event, (uint16_t)(last + 1));
    buf_reset(&j->record);
    buf_add_u8(&j->record, (uint8_t)a->end);
    buf_add_u64(&j->record, (uint64_t)a->at_ms);
    buf_add_u32(&j->record, a->duration_us);
    buf_add_u64(&j->record, a->version);
    buf_add_lv(&j->record, a->text);
    return journal_put_record(j, TABLE_HISTORY, &k);
}

static int take_attempt(struct slice key, struct slice value, void *out) {
    struct attempt *a = out;
    struct reader n;
    bool owned = journal_take_owner_key(key, &n);
    a->n = read_u16_be(&n);
    struct reader r = reader_of(value.data, value.len);
    a->end = read_u8(&r);
    a->at_ms = (int64_t)read_u64(&r);
    a->duration_us = read_u32(&r);
    a->version = read_u64(&r);
    a->text = read_lv(&r);
    bool whole = owned && !n.failed && n.at == n.end && !r.failed;
    return whole && a->end < ATTEMPT_END_COUNT ? 0 : ERR_CORRUPT;
}

int journal_history_next(struct journal *j, const struct event *event, struct attempt *a) {
    struct key k;
    history_key(&k, event, a->n);
    return journal_take_next(j, TABLE_HISTORY, &k, OWNER_KEY_BYTES, true, take_attempt, a);
}

int journal_history_clear(struct journal *j, const struct event *event) {
    struct attempt a = {0};
    int code;
    while ((code = journal_history_next(j, event, &a)) == 0) {
        struct key k;
        history_key(&k, event, a.n);
        code = store_del(j->store, TABLE_HISTORY, key_slice(&k));
        if (code != 0) {
            return code;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

int journal_check_event(enum store_table t, struct slice key, struct slice value) {
    struct attempt attempt;
    struct event_at at = {.event = NULL};
    switch (t) {
    case TABLE_HISTORY:
        return take_attempt(key, value, &attempt);
    default: {
        int code = take_event(key, value, &at);
        event_free(at.event);
        return code;
    }
    }
}
