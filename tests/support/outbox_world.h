/*
 * outbox_world.h - an outbox on a store of its own, and a door that notes what leaves.
 */
#ifndef TESTS_OUTBOX_WORLD_H
#define TESTS_OUTBOX_WORLD_H

#include "data_folder.h"
#include "engine/outbox.h"
#include "journal/outbox.h"

enum { ROOM = 64 << 20, SENT_MAX = 20000, WINDOW = 100, REFUSED = 0x87 };
#define T0 INT64_C(1700000000000)

struct sent {
    int mid;
    unsigned number;
    uint8_t partition;
    char topic[16];
};

struct outbox_world {
    struct data_folder folder;
    struct store *store;
    struct journal *journal;
    struct outbox *outbox;
    struct sent sent[SENT_MAX];
    size_t sent_count;
    int last_mid;
    int publish_code; /* what the door answers */
    unsigned added;
    int64_t now_ms;
};

/* cmocka's; *state is a struct outbox_world. */
int outbox_world_set_up(void **state);
int outbox_world_tear_down(void **state);
/* The store is opened, with a new outbox; and both are closed. */
void outbox_world_open(struct outbox_world *f);
void outbox_world_close(struct outbox_world *f);
/* The door for outbox_send: answers f->publish_code, notes the publish in f->sent. */
int outbox_world_door(void *ctx, const struct publication *p, int *mid);
/* Within a transaction: one more publish, its payload "partition/number". */
void outbox_world_add(struct outbox_world *f, uint8_t partition);
/* The same on a topic, for an owner (0 = none). */
void outbox_world_add_to(struct outbox_world *f, const char *topic, uint64_t owner);
/* A turn that publishes one on a topic, for an owner; its number. */
unsigned outbox_world_publish(struct outbox_world *f, const char *topic, uint64_t owner);
/* A turn that settles and publishes `count` more from one partition. */
void outbox_world_turn(struct outbox_world *f, uint8_t partition, unsigned count);
void outbox_world_send(struct outbox_world *f);
/* The broker answers f->sent[from..to). */
void outbox_world_acknowledge(struct outbox_world *f, size_t from, size_t to, uint8_t reason);
/* The connection is lost; whether the outbox knows a reason for it. */
bool outbox_world_disconnect(struct outbox_world *f);
/* Turns, sends and acknowledges until nothing is left. */
void outbox_world_drain(struct outbox_world *f);
uint64_t outbox_world_rows_on_disk(struct outbox_world *f);
/* Each partition's numbers, from f->sent[from] on, ascend. */
void outbox_world_assert_order(const struct outbox_world *f, size_t from);

#define OUTBOX_TEST(name)                                                                          \
    cmocka_unit_test_setup_teardown(name, outbox_world_set_up, outbox_world_tear_down)

#endif
