/*
 * rank.c - see engine/rank.h. Lanes are served by priority in engine/ring.c.
 *
 * A priority that cannot be read must not cost an event its life: it is handled like the others, and
 * the log and the status say so.
 */
#include "engine/rank.h"

#include "base/log.h"
#include "engine/impl.h"
#include "engine/lane.h"
#include "journal/event.h"

#include <inttypes.h>

enum { TOLD_MS = 60 * 1000 };

static void tell(struct engine *e, struct engine_service *s, const char *why) {
    s->bad_priorities++;
    if (s->bad_priorities > 1 && e->now_ms < s->bad_priorities_told_ms + TOLD_MS) {
        return;
    }
    s->bad_priorities_told_ms = e->now_ms;
    log_warn("engine",
             "service \"%s\": a priority cannot be read: %s. The event counts as priority %d; "
             "%" PRIu64 " did since the start",
             s->conf->name, why, PRIORITY_DEFAULT, s->bad_priorities);
}

int engine_find_rank(struct engine *e, struct engine_service *s, struct event *event) {
    struct report r;
    int code = service_rank(s->conf, event, &e->scratch, &event->rank, &r);
    if (code == ERR_INVALID) {
        tell(e, s, r.text);
    }
    return code == ERR_INVALID ? 0 : code;
}

int engine_rank_row(struct engine *e, const struct event *event) {
    struct row row = {.partition = event->partition,
                      .service = event->service,
                      .lane = event->lane,
                      .seq = event->seq - 1};
    int code = journal_lane_next(e->journal, &row);
    if (code != 0 || row.seq != event->seq || row.rank == event->rank) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    row.rank = event->rank;
    return journal_lane_put(e->journal, &row);
}

uint64_t engine_rank_mix(uint8_t rank) {
    const uint64_t odd = 0xd6e8feb86659fd93u;
    uint8_t priority = rank_priority(rank);
    return priority == PRIORITY_DEFAULT ? 0 : (1 + (uint64_t)priority) * odd;
}

uint64_t engine_rank_flow(uint8_t rank) {
    return FLOW_LEVELS + PRIORITIES - 1 - rank_priority(rank); /* the highest is found first */
}
