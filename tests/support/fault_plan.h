/*
 * fault_plan.h - one call of the program under test fails, planned by its number: an allocation, or a
 * call of LMDB. Its program is linked with let_calls_fail (tests/CMakeLists.txt). Where each call
 * fails in turn: fault/fault.h.
 *
 * Only calls of the program itself count, and not in a door: what stands behind a door is the test.
 */
#ifndef TESTS_FAULT_PLAN_H
#define TESTS_FAULT_PLAN_H

#include <stdbool.h>

enum fault {
    FAULT_NONE,
    FAULT_MEMORY,
    FAULT_STORE,
    FAULT_LARGE, /* every allocation of a MiB or more, for good */
    FAULT_TEXT,  /* every allocation of just 4 KiB, as a long text has, for good */
};

/* Which call, counted from where calls count next; it strikes once. */
struct fault_plan {
    enum fault kind;
    unsigned left;
};

/* Between these, `plan` counts; NULL: nothing fails. False: it has not struck. */
void fault_begin(struct fault_plan *plan);
bool fault_end(void);

/* Whether the call under way is the one that fails: for what a test wraps itself. */
bool fault_strikes(enum fault kind);

/* In a door: IN_DOOR at its top. */
int fault_hold(void);
void fault_release(const int *held);
#define IN_DOOR __attribute__((cleanup(fault_release), unused)) const int in_door = fault_hold()

#endif
