/*
 * node_points.c - where a host stands when it is killed: the places that worlds have tried are counted.
 */
#include "node.h"
#include "sim.h"

enum { PHASE_KINDS = 16, NOBODY = 63 };

/* A few bits of a number's size. */
static uint64_t size_of(uint64_t n) {
    uint64_t bits = 0;
    while (n > 0 && bits < 7) {
        n >>= 2;
        bits++;
    }
    return bits;
}

/* Where it stands, roughly: enough to tell apart what a restart finds. Between two turns. */
uint64_t node_state(struct node *n) {
    struct engine_status s;
    if (n->engine == NULL) {
        return 1;
    }
    engine_status(n->engine, &s);
    uint64_t hash = size_of(s.waiting) | size_of(s.outbox) << 3 | size_of(s.delayed) << 6 |
                    size_of(s.forwards_waiting) << 9 | (uint64_t)n->disk << 12 |
                    (n->online ? 1u : 0u) << 14;
    for (size_t i = 0; i < n->conf->service_count; i++) {
        struct engine_service_status v;
        if (engine_service_status(n->engine, i, &v) != 0) {
            continue;
        }
        uint64_t shape = size_of(books_waiting(&v.books)) | size_of(v.running) << 3 |
                         size_of(v.retrying) << 6 | size_of(v.sleeping) << 9 |
                         size_of(v.books.dead) << 12 | (v.paused ? 1u : 0u) << 15;
        hash = (hash ^ (shape + i)) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return hash;
}

static uint64_t note_in(uint64_t seen[], uint64_t point) {
    uint64_t bit = UINT64_C(1) << (point % 64);
    bool new = (seen[point / 64] & bit) == 0;
    seen[point / 64] |= bit;
    return new ? 1 : 0;
}

void node_note_crash(struct node *n, enum action action) {
    struct sim_tally *t = n->sim->tally;
    const struct culprit_record *now = culprit_now(n->culprit);
    uint64_t what = (uint64_t)action * PHASE_KINDS + now->phase;
    uint64_t service = now->count > 0 ? now->events[0].service : NOBODY;
    uint64_t hash = n->state ^ (what << 8 | service) * UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ hash >> 32) * UINT64_C(0xbf58476d1ce4e5b9);
    uint64_t point = (hash ^ hash >> 29) % CRASH_POINTS;
    t->crashes++;
    t->crashes_loaded += n->loaded ? 1 : 0;
    t->points += note_in(t->seen, point);
    t->points_loaded += n->loaded ? note_in(t->seen_loaded, point) : 0;
}
