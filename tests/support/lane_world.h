/*
 * lane_world.h - what the tests of engine/lane.c do with lanes.
 */
#ifndef TESTS_LANE_WORLD_H
#define TESTS_LANE_WORLD_H

#include "engine/lane.h"

enum { SERVICES = 3, T0 = 1000000 };

/* cmocka's; *state is the lanes. */
int lane_world_set_up(void **state);
int lane_world_tear_down(void **state);
/* One more event for the lane, which is opened if need be; it waits since then, or since T0. */
void lane_world_push_since(struct lanes *lanes, size_t service, uint64_t hash, uint64_t seq,
                           int64_t since_ms);
void lane_world_push(struct lanes *lanes, size_t service, uint64_t hash, uint64_t seq);
/* The same for a lane of these flows, if it is new. */
void lane_world_push_of(struct lanes *lanes, size_t service, uint64_t hash, uint64_t seq,
                        struct lane_flows flows);
/* The same for an event of that rank. */
void lane_world_push_ranked(struct lanes *lanes, size_t service, uint64_t hash, uint64_t seq,
                            uint8_t rank, struct lane_flows flows);
/* Starts the next event; its seq, 0 when nothing may start. The lane stays busy. */
uint64_t lane_world_start(struct lanes *lanes, int64_t now_ms, struct lane **taken);
/* Runs one event from start to end. */
uint64_t lane_world_run_one(struct lanes *lanes, int64_t now_ms);

#define LANE_TEST(name)                                                                            \
    cmocka_unit_test_setup_teardown(name, lane_world_set_up, lane_world_tear_down)

#endif
