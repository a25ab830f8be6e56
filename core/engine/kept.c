/*
 * kept.c - see engine/kept.h.
 *
 * Signals are counted as they come, but not as they are taken or expire. So when a service seems to
 * have too many, all are counted again, at most every COUNT_MS.
 */
#include "engine/kept.h"

#include "engine/impl.h"
#include "engine/space.h"
#include "journal/keyed.h"

#include <stdlib.h>
#include <string.h>

enum { COUNT_MS = 10000 };

struct kept {
    int64_t counted_ms;
    bool counted;
    uint64_t bytes[]; /* by the service's index; the signals take this much, or less */
};

int engine_make_kept(struct engine *e) {
    e->kept = calloc(1, sizeof *e->kept + e->service_count * sizeof *e->kept->bytes);
    return e->kept == NULL ? ERR_MEMORY : 0;
}

void engine_free_kept(struct engine *e) {
    free(e->kept);
}

static void count_one(void *ctx, uint16_t service, size_t bytes) {
    struct engine *e = ctx;
    size_t index;
    if (engine_service_by_number(e, service, &index)) {
        e->kept->bytes[index] += engine_bytes_stored(bytes);
    }
}

static int count_all(struct engine *e) {
    memset(e->kept->bytes, 0, e->service_count * sizeof *e->kept->bytes);
    e->kept->counted = true;
    e->kept->counted_ms = e->now_ms;
    return journal_signal_walk(e->journal, e, count_one);
}

int engine_room_for_signal(struct engine *e, uint16_t service, size_t bytes, bool *room) {
    const uint64_t most = e->status.store_max / SIGNALS_PARTS;
    const uint64_t more = engine_bytes_stored(bytes);
    size_t index;
    *room = true;
    if (!engine_service_by_number(e, service, &index)) {
        return 0;
    }
    bool may_be_less = e->now_ms >= e->kept->counted_ms + COUNT_MS;
    bool again = !e->kept->counted || (e->kept->bytes[index] + more > most && may_be_less);
    int code = again ? count_all(e) : 0;
    *room = e->kept->bytes[index] + more <= most;
    e->kept->bytes[index] += *room ? more : 0;
    return code;
}
