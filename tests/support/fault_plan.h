/*
 * fault_plan.h - one call of the program under test fails, planned by its number: an allocation, or a
 * call of LMDB. Its program is linked with let_calls_fail (tests/CMakeLists.txt). Where each call
 * fails in turn: fault/fault.h.
 *
 * Only calls of the program itself count, and not in a door: what stands behind a door is the test.
 */
#ifndef TESTS_FAULT_PLAN_H
#define TESTS_FAULT_PLAN_H

#include "wrap.h"

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

/* What fails in the story that is told: between fault_begin and fault_end of it. */
extern struct fault_plan fault_of_story;
void fault_arm(enum fault kind, unsigned at);
/* How many calls were left to count down. */
unsigned fault_disarm(void);

/* Tells the story again and again, and each time another call of this kind fails: the first ones, and samples of the others; with
 * $ZINGQ_TEST_FAULTS=all, as ./dev torture has it, all of them, and with a number that one. The story arms itself when calls
 * begin to count, and returns what fault_disarm says. */
void fault_in_turn(enum fault kind, unsigned first, unsigned (*tell)(enum fault kind, unsigned at));
/* cmocka's: which call it was, if the test failed. */
int fault_say_which(void **state);

/* NAME is the program's, and what it calls may fail in the story: the linker (--wrap) leads calls of it here. */
#define FAULT_COUNTED(name, parameters, arguments)                                                 \
    WRAPPED(name);                                                                                 \
    int __wrap_##name parameters {                                                                 \
        fault_begin(&fault_of_story);                                                              \
        int code = __real_##name arguments;                                                        \
        (void)fault_end();                                                                         \
        return code;                                                                               \
    }

/* In a door: IN_DOOR at its top. */
int fault_hold(void);
void fault_release(const int *held);
#define IN_DOOR __attribute__((cleanup(fault_release), unused)) const int in_door = fault_hold()

#endif
