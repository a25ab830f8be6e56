/*
 * memory.c - see base/memory.h.
 */
#include "base/memory.h"

#include "base/limits.h"

/* `parts`, in MEMORY_PARTS: memory that no other use can take. */
static const struct {
    const char *name;
    size_t parts;
} uses[MEMORY_USES] = {
    [MEMORY_LUA] = {"lua", 2},
    [MEMORY_CALLS] = {"calls", 1},
    [MEMORY_BODIES] = {"bodies", 1},
    [MEMORY_EVENTS] = {"events", 1},
    [MEMORY_PUBLISHES] = {"publishes", 1},
    [MEMORY_KEYS] = {"keys", 1},
    [MEMORY_SPANS] = {"spans", 0},
};

void memory_init(struct memory *m, uint64_t bytes) {
    uint64_t own = bytes / 4 < MEMORY_OWN_BYTES ? bytes / 4 : MEMORY_OWN_BYTES;
    *m = (struct memory){.limit = (size_t)(bytes - own)};
}

const char *memory_use_name(enum memory_use use) {
    return uses[use].name;
}

size_t memory_share(const struct memory *m, enum memory_use use) {
    return m == NULL ? SIZE_MAX : m->limit / MEMORY_PARTS * uses[use].parts;
}

/* The rest of its share is always there, even if other uses have taken too much. */
size_t memory_room(const struct memory *m, enum memory_use use) {
    if (m == NULL) {
        return SIZE_MAX;
    }
    size_t used = m->used[use];
    size_t part = m->limit / MEMORY_PARTS;
    size_t share = part * uses[use].parts;
    size_t left = share > used ? share - used : 0;
    size_t taken = used;
    for (unsigned other = 0; other < MEMORY_USES; other++) {
        size_t others = part * uses[other].parts;
        if (other != (unsigned)use) {
            taken += m->used[other] > others ? m->used[other] : others;
        }
    }
    size_t room = taken < m->limit ? m->limit - taken : 0;
    return room > left ? room : left;
}
