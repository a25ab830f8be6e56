/*
 * step.c - names of the kinds and states of steps.
 */
#include "event/step.h"

#include <assert.h>

const char *step_kind_name(enum step_kind kind) {
    static const char *const names[] = {
#define X(kind, name) [kind] = (name),
        STEP_KIND_LIST(X)
#undef X
    };
    assert((unsigned)kind < STEP_KIND_COUNT);
    return names[kind];
}

const char *step_state_name(enum step_state state) {
    static const char *const names[] = {
#define X(state, name) [state] = (name),
        STEP_STATE_LIST(X)
#undef X
    };
    assert((unsigned)state < STEP_STATE_COUNT);
    return names[state];
}

bool step_is_open(const struct step *step) {
    return step->kind == STEP_SAGA && step->state != STEP_FAILED;
}
