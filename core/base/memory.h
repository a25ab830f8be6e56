/*
 * memory.h - the budget of memory, limits.memory: how much of it each use has, and whether more
 * fits.
 *
 * Code that holds bytes from outside, or bytes that scripts ask for, takes them here and gives them
 * back. Taking cannot fail: the caller asks beforehand, and what does not fit waits where nothing
 * is lost (docs/limits.md, "One budget of memory"). Each use has a share that no other can take
 * from it; what is above the shares is for whoever needs it first.
 *
 * It counts bytes, and touches none. Without a budget (NULL, as in tests) everything fits.
 */
#ifndef ZINGQ_BASE_MEMORY_H
#define ZINGQ_BASE_MEMORY_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum memory_use {
    MEMORY_LUA,       /* Lua states, JSON decoded for them, what waiting handlers have staged */
    MEMORY_CALLS,     /* calls in progress: requests, answers */
    MEMORY_BODIES,    /* bodies of requests that we answer */
    MEMORY_EVENTS,    /* events in memory: new ones, running ones, the first of those that wait */
    MEMORY_PUBLISHES, /* the outbox */
    MEMORY_KEYS,      /* filters of idempotency keys */
    MEMORY_SPANS,     /* spans on their way to telemetry.otlp: only what nobody else needs */
    MEMORY_USES
};

struct memory {
    size_t limit;             /* for all uses together */
    size_t used[MEMORY_USES]; /* may exceed the limit: see above */
};

/* `bytes`: limits.memory, including the part for the host itself. */
void memory_init(struct memory *m, uint64_t bytes);
/* "lua", "calls"..., for people. */
const char *memory_use_name(enum memory_use use);
/* What the use can always have. */
size_t memory_share(const struct memory *m, enum memory_use use);
/* What it may take now; SIZE_MAX without a budget. */
size_t memory_room(const struct memory *m, enum memory_use use);

static inline void memory_take(struct memory *m, enum memory_use use, size_t bytes) {
    if (m != NULL) {
        m->used[use] += bytes;
    }
}

static inline void memory_give(struct memory *m, enum memory_use use, size_t bytes) {
    if (m != NULL) {
        assert(m->used[use] >= bytes); /* INV-MEMORY-1 */
        m->used[use] -= bytes;
    }
}

#endif
