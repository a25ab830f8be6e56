/* outbox_world.c - an outbox on a store of its own, and a door that notes what leaves. */
#include "outbox_world.h"

#include "test.h"

#include "journal/outbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void outbox_world_open(struct outbox_world *f) {
    f->store = data_folder_store(&f->folder, ROOM);
    assert_int_equal(journal_open(&f->journal, f->store, 1000, NULL), 0);
    assert_int_equal(outbox_new(&f->outbox, f->journal, NULL), 0);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(outbox_load(f->outbox), 0);
    assert_int_equal(store_commit(f->store), 0);
}

void outbox_world_close(struct outbox_world *f) {
    outbox_free(f->outbox);
    journal_close(f->journal);
    store_close(f->store);
}

int outbox_world_set_up(void **state) {
    struct outbox_world *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->now_ms = T0;
    data_folder_make(&f->folder);
    outbox_world_open(f);
    *state = f;
    return 0;
}

int outbox_world_tear_down(void **state) {
    struct outbox_world *f = *state;
    outbox_world_close(f);
    data_folder_remove(&f->folder);
    free(f);
    return 0;
}

/* Payloads are "partition/number". */
int outbox_world_door(void *ctx, const struct publication *p, int *mid) {
    struct outbox_world *f = ctx;
    if (f->publish_code != 0) {
        return f->publish_code;
    }
    char text[32] = "";
    assert_true(p->payload.len < sizeof text && f->sent_count < SENT_MAX);
    memcpy(text, p->payload.data, p->payload.len);
    char *end;
    struct sent sent = {.partition = (uint8_t)strtoul(text, &end, 10)};
    sent.number = (unsigned)strtoul(end + 1, NULL, 10);
    f->last_mid = f->last_mid % 65535 + 1;
    sent.mid = f->last_mid;
    (void)snprintf(sent.topic, sizeof sent.topic, "%s", p->topic.data);
    f->sent[f->sent_count++] = sent;
    *mid = sent.mid;
    return 0;
}

static void add_of(struct outbox_world *f, uint8_t partition, const char *topic, uint64_t owner) {
    char text[32];
    (void)snprintf(text, sizeof text, "%u/%u", partition, f->added++);
    struct publication p = {
        .id = {{0}}, .qos = 1, .topic = slice_of(topic), .payload = slice_of(text), .owner = owner};
    p.id.bytes[0] = (uint8_t)(f->added >> 8);
    p.id.bytes[1] = (uint8_t)f->added;
    p.id.bytes[2] = 1;
    assert_int_equal(outbox_add(f->outbox, T0, &p), 0);
}

void outbox_world_add(struct outbox_world *f, uint8_t partition) {
    add_of(f, partition, "t", 0);
}

void outbox_world_add_to(struct outbox_world *f, const char *topic, uint64_t owner) {
    add_of(f, 1, topic, owner);
}

/* A turn that publishes one on a topic, for an owner; its number. */
unsigned outbox_world_publish(struct outbox_world *f, const char *topic, uint64_t owner) {
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(outbox_settle(f->outbox), 0);
    add_of(f, 1, topic, owner);
    assert_int_equal(store_commit(f->store), 0);
    outbox_committed(f->outbox);
    return f->added - 1;
}

/* A turn that settles and publishes `count` more from one partition. */
void outbox_world_turn(struct outbox_world *f, uint8_t partition, unsigned count) {
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(outbox_settle(f->outbox), 0);
    for (unsigned i = 0; i < count; i++) {
        outbox_world_add(f, partition);
    }
    assert_int_equal(store_commit(f->store), 0);
    outbox_committed(f->outbox);
}

void outbox_world_send(struct outbox_world *f) {
    assert_int_equal(outbox_send(f->outbox, f->now_ms, WINDOW, f, outbox_world_door), 0);
}

void outbox_world_acknowledge(struct outbox_world *f, size_t from, size_t to, uint8_t reason) {
    for (size_t i = from; i < to; i++) {
        outbox_acknowledged(f->outbox, f->now_ms, f->sent[i].mid, reason);
    }
}

bool outbox_world_disconnect(struct outbox_world *f) {
    return outbox_disconnected(f->outbox, f->now_ms);
}

/* Turns, sends and acknowledges until nothing is left. */
void outbox_world_drain(struct outbox_world *f) {
    size_t acked = f->sent_count;
    for (int i = 0; i < 1000 && outbox_rows(f->outbox) + outbox_acked(f->outbox) > 0; i++) {
        outbox_world_send(f);
        outbox_world_acknowledge(f, acked, f->sent_count, 0);
        acked = f->sent_count;
        outbox_world_turn(f, 0, 0);
    }
    assert_int_equal(outbox_rows(f->outbox), 0);
}

uint64_t outbox_world_rows_on_disk(struct outbox_world *f) {
    assert_int_equal(store_begin(f->store), 0);
    uint64_t rows = store_rows(f->store, TABLE_OUTBOX);
    store_abort(f->store);
    return rows;
}

/* Each partition's numbers, from `from` on, ascend. */
void outbox_world_assert_order(const struct outbox_world *f, size_t from) {
    int64_t last[PARTITIONS];
    memset(last, 0xff, sizeof last);
    for (size_t i = from; i < f->sent_count; i++) {
        const struct sent *s = &f->sent[i];
        assert_true((int64_t)s->number > last[s->partition]);
        last[s->partition] = s->number;
    }
}
