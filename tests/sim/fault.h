/*
 * fault.h - one call within a host's turn fails: an allocation, or a call of LMDB.
 *
 * Only calls of the program itself count, while its engine is on the processor and not in a door: what
 * stands behind a door is the simulator.
 */
#ifndef ZINGQ_SIM_FAULT_H
#define ZINGQ_SIM_FAULT_H

#include <stdbool.h>

enum fault { FAULT_NONE, FAULT_MEMORY, FAULT_STORE };

/* Which call, counted from where the engine is next on the processor; it strikes once. */
struct fault_plan {
    enum fault kind;
    unsigned left;
};

/* Between these, `plan` counts; NULL: nothing fails. False: it has not struck. */
void fault_begin(struct fault_plan *plan);
bool fault_end(void);

/* In a door: IN_DOOR at its top. */
int fault_hold(void);
void fault_release(const int *held);
#define IN_DOOR __attribute__((cleanup(fault_release), unused)) const int in_door = fault_hold()

#endif
