/*
 * memory.h - memory of the simulator's own; without it there is nothing to go on with, so it aborts.
 */
#ifndef ZINGQ_SIM_MEMORY_H
#define ZINGQ_SIM_MEMORY_H

#include "base/buf.h"

#include <stdlib.h>

/* What an allocation gave. */
static inline void *made(void *p) {
    if (p == NULL) {
        abort();
    }
    return p;
}

/* A terminated copy; a slice of nothing is "". Free it. */
static inline char *made_copy(struct slice s) {
    return made(slice_dup(s.data == NULL ? slice_of("") : s));
}

#endif
