/*
 * wire_world.h - one world: the real MQTT door, libmosquitto and a libuv loop on one side, the
 * simulated broker on the other, one thread, a clock that jumps from one event to the next.
 */
#ifndef ZINGQ_SIM_WIRE_WORLD_H
#define ZINGQ_SIM_WIRE_WORLD_H

#include "wire_plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Summed over all worlds. */
struct wire_totals {
    size_t worlds, connects, cuts, messages, redelivered, commits, dead_letters, publishes, refused;
    size_t refused_connects, failed_commits, starts, ups, turns, events;
    int64_t virtual_ms;
    int64_t settle_ms_max; /* from the end of the faults until everything was through */
};

/* Runs the plan to its end, or to the first broken promise (wire_tell_failure). */
void wire_world_run(const struct wire_plan *plan, bool loud, struct wire_totals *totals);

#endif
