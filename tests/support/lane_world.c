/* lane_world.c - what the tests of engine/lane.c do with lanes. */
#include "lane_world.h"

#include "base/blocks.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int lane_world_set_up(void **state) {
    *state = lanes_new(SERVICES);
    return *state == NULL;
}

int lane_world_tear_down(void **state) {
    lanes_free(*state);
    return 0;
}

static struct lane *lane_at(struct lanes *lanes, size_t service, uint64_t hash) {
    struct lane *lane = lanes_find(lanes, service, hash);
    return lane != NULL ? lane
                        : lanes_open(lanes, service, hash, (uint8_t)(hash % 64),
                                     (struct lane_flows){.key = 0});
}

static struct lane_item *new_item(uint64_t seq, int64_t since_ms) {
    struct lane_item *item = blocks_take(sizeof *item);
    assert_non_null(item);
    *item = (struct lane_item){.seq = seq, .since_ms = since_ms};
    return item;
}

void lane_world_push_since(struct lanes *lanes, size_t service, uint64_t hash, uint64_t seq,
                           int64_t since_ms) {
    struct lane_item *item = new_item(seq, since_ms);
    lanes_push(lanes, lane_at(lanes, service, hash), item);
}

void lane_world_push(struct lanes *lanes, size_t service, uint64_t hash, uint64_t seq) {
    lane_world_push_since(lanes, service, hash, seq, T0);
}

void lane_world_push_of(struct lanes *lanes, size_t service, uint64_t hash, uint64_t seq,
                        struct lane_flows flows) {
    lane_world_push_ranked(lanes, service, hash, seq, 0, flows);
}

void lane_world_push_ranked(struct lanes *lanes, size_t service, uint64_t hash, uint64_t seq,
                            uint8_t rank, struct lane_flows flows) {
    struct lane *lane = lanes_find(lanes, service, hash);
    struct lane_item *item = new_item(seq, T0);
    item->rank = rank;
    if (lane == NULL) {
        lane = lanes_open(lanes, service, hash, (uint8_t)(hash % 64), flows);
    }
    lanes_push(lanes, lane, item);
}

/* Starts the next event; its seq, 0 when nothing may start. The lane stays busy. */
uint64_t lane_world_start(struct lanes *lanes, int64_t now_ms, struct lane **taken) {
    struct lane *lane = lanes_next(lanes, now_ms);
    if (lane == NULL) {
        return 0;
    }
    struct lane_item *item = lanes_start(lanes, lane);
    uint64_t seq = item->seq;
    assert_ptr_equal(item->lane, lane);
    blocks_give(item, sizeof *item);
    *taken = lane;
    return seq;
}

/* Runs one event from start to end. */
uint64_t lane_world_run_one(struct lanes *lanes, int64_t now_ms) {
    struct lane *lane = NULL;
    uint64_t seq = lane_world_start(lanes, now_ms, &lane);
    if (lane != NULL) {
        lanes_finish(lanes, lane);
    }
    return seq;
}
