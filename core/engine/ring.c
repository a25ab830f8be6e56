/*
 * ring.c - lanes take turns; those that ran for long wait until the others have caught up.
 *
 * Priorities. The highest priority with lanes goes first. The lower ones whose first lane has waited
 * for PRIORITY_WAIT_MS get one start of PRIORITY_STARTS, in turn, so each of them gets one of
 * PRIORITIES x PRIORITY_STARTS at least: no priority starves, and within one, lanes that enter later
 * do not pass. It counts since when the event waits, which a restart does not change.
 *
 * Debts. Lanes in debt have no priority.
 *
 * A run is charged when it has ended, because nobody knows before how long it takes. Lanes are
 * scheduled more coarsely than services, because a service may have thousands. A run puts its lane
 * in debt; beyond LANE_QUANTUM_US the lane is moved to a second list. It runs when the ring is
 * empty, or when it is due and every lane of the ring has had a turn since the last lane in debt
 * ran. Two clocks decide this; both advance by the average time that each waiting lane has
 * received. By `clock_us`, lanes in debt become due, earliest first. By `paid_us`, debts are paid
 * off: there a run counts for a quantum at most, and the clock does not jump when only lanes in
 * debt wait. Otherwise five hungry keys would pay off each other's debts and soon be ahead of all
 * others again. Debts outlive their lanes (engine/debt.h): a poison event that is put off and
 * returns still owes. Where turns are dealt round tenants, the tenant owes, not the lane.
 *
 * Lanes that have not run yet are unknown. So after a long run there is a rush: lanes whose last
 * run was short, as far as a table of marks remembers (engine/light.h), go first, then those that
 * arrive now; those that waited already also wait for quiet. Otherwise hungry keys that arrive
 * together, all of them new, would run in a row.
 */
#include "engine/ring.h"

#include "base/limits.h"

#include <assert.h>

void ring_init(struct ring *ring) {
    for (size_t i = 0; i < PRIORITIES; i++) {
        TAILQ_INIT(&ring->levels[i].turns);
    }
    TAILQ_INIT(&ring->in_debt);
}

static struct level *level_of(struct ring *ring, const struct lane *lane) {
    assert(lane->priority < PRIORITIES);
    return &ring->levels[lane->priority];
}

static void enter_after(struct ring *ring, struct lane *before, struct lane *lane) {
    struct turns *turns = &level_of(ring, lane)->turns;
    assert(!lane->busy && !TAILQ_EMPTY(&lane->items) && !lane->owing); /* INV-LANE-1 */
    if (before == NULL) {
        TAILQ_INSERT_HEAD(turns, lane, ring_link);
    } else {
        TAILQ_INSERT_AFTER(turns, before, lane, ring_link);
    }
    ring->waiting |= 1U << lane->priority;
    lane->in_ring = true;
    ring->count++;
}

/* In a rush, lanes known to be light come first, then unknown ones that arrive now, each in order
 * of arrival. */
void ring_enter(struct ring *ring, struct lane *lane, bool comes) {
    struct level *level = level_of(ring, lane);
    bool light = ring->rush && lights_have(&ring->lights, lane->payer);
    if (!ring->rush || !(light || comes)) {
        enter_after(ring, TAILQ_LAST(&level->turns, turns), lane);
        return;
    }
    enter_after(ring, light ? level->light_tail : level->rush_tail, lane);
    if (!light || level->rush_tail == level->light_tail) {
        level->rush_tail = lane;
    }
    level->light_tail = light ? lane : level->light_tail;
}

static void enter_again(struct ring *ring, struct level *level) {
    struct turns waiting = TAILQ_HEAD_INITIALIZER(waiting);
    struct lane *lane;
    level->light_tail = NULL;
    level->rush_tail = NULL;
    TAILQ_CONCAT(&waiting, &level->turns, ring_link);
    while ((lane = TAILQ_FIRST(&waiting)) != NULL) {
        TAILQ_REMOVE(&waiting, lane, ring_link);
        ring_enter(ring, lane, false);
    }
}

/* Enters the waiting lanes again. A long run has paid for this walk. */
static void begin_rush(struct ring *ring) {
    size_t count = ring->count;
    ring->rush = true;
    for (size_t i = 0; i < PRIORITIES; i++) {
        enter_again(ring, &ring->levels[i]);
    }
    ring->count = count;
}

static void leave_turns(struct ring *ring, struct lane *lane) {
    struct level *level = level_of(ring, lane);
    assert(lane->in_ring && !lane->owing); /* INV-LANE-1 */
    TAILQ_REMOVE(&level->turns, lane, ring_link);
    if (TAILQ_EMPTY(&level->turns)) {
        ring->waiting &= ~(1U << lane->priority);
    }
    level->light_tail = level->light_tail == lane ? NULL : level->light_tail;
    level->rush_tail = level->rush_tail == lane ? NULL : level->rush_tail;
    ring->pass -= ring->pass > 0 ? 1 : 0;
}

/* More than a quantum of run time has paid for each insertion. */
static void enter_owing(struct ring *ring, struct lane *lane) {
    struct lane *after;
    TAILQ_FOREACH(after, &ring->in_debt, ring_link) {
        if (after->owed->due_us > lane->owed->due_us) {
            break;
        }
    }
    if (after != NULL) {
        TAILQ_INSERT_BEFORE(after, lane, ring_link);
    } else {
        TAILQ_INSERT_TAIL(&ring->in_debt, lane, ring_link);
    }
    lane->owing = true;
    ring->owing++;
}

static void leave_owing(struct ring *ring, struct lane *lane) {
    assert(ring->owing > 0 && ring->owing <= ring->count); /* INV-LANE-5 */
    TAILQ_REMOVE(&ring->in_debt, lane, ring_link);
    ring->owing--;
    lane->owing = false;
}

void ring_leave(struct ring *ring, struct lane *lane) {
    assert(ring->count > 0); /* INV-LANE-5 */
    if (lane->owing) {
        leave_owing(ring, lane);
    } else {
        leave_turns(ring, lane);
    }
    lane->in_ring = false;
    ring->count--;
}

/* --- whose turn it is --- */

/* The highest of these levels, of which there is one. */
static unsigned highest(uint32_t levels) {
    return 31U - (unsigned)__builtin_clz(levels);
}

static bool waits_too_long(struct ring *ring, unsigned level, int64_t now_ms) {
    const struct lane *lane = TAILQ_FIRST(&ring->levels[level].turns);
    return lane != NULL && TAILQ_FIRST(&lane->items)->since_ms + PRIORITY_WAIT_MS <= now_ms;
}

/* The level that is next. */
static unsigned choose(struct ring *ring, int64_t now_ms) {
    unsigned top = highest(ring->waiting);
    if (ring->in_a_row + 1 < PRIORITY_STARTS) {
        return top;
    }
    for (unsigned i = 1; i <= PRIORITIES; i++) {
        unsigned level = (ring->aged + PRIORITIES - i) % PRIORITIES;
        if (level < top && waits_too_long(ring, level, now_ms)) {
            return level;
        }
    }
    return top;
}

/* The lane that is next among those not in debt; NULL: there is none. Lanes that have been charged
 * since they entered are moved. */
static struct lane *next_turn(struct ring *ring, int64_t now_ms) {
    while (ring->waiting != 0) {
        struct lane *lane = TAILQ_FIRST(&ring->levels[choose(ring, now_ms)].turns);
        if (lane->owed->owes_us <= ring->paid_us + LANE_QUANTUM_US) {
            return lane;
        }
        leave_turns(ring, lane);
        enter_owing(ring, lane);
    }
    return NULL;
}

struct lane *ring_front(struct ring *ring, int64_t now_ms, bool quiet) {
    struct lane *lane = next_turn(ring, now_ms);
    struct lane *owing = TAILQ_FIRST(&ring->in_debt);
    bool its_turn =
        owing != NULL && ring->pass == 0 && quiet && owing->owed->due_us <= ring->clock_us;
    return lane == NULL || its_turn ? owing : lane;
}

struct lane *ring_peek(struct ring *ring, int64_t now_ms) {
    struct lane *lane = next_turn(ring, now_ms);
    return lane == NULL ? TAILQ_FIRST(&ring->in_debt) : lane;
}

bool ring_is_hushed(struct ring *ring, int64_t now_ms, bool quiet) {
    const struct lane *front = ring_front(ring, now_ms, quiet);
    return front->owing || (ring->rush && level_of(ring, front)->rush_tail == NULL);
}

/* One of `level` is started. */
static void count_start(struct ring *ring, unsigned level) {
    if (ring->waiting >> level > 1) {
        ring->in_a_row = 0;
        ring->aged = level;
    } else if ((ring->waiting & ((1U << level) - 1)) != 0 && ring->in_a_row < PRIORITY_STARTS) {
        ring->in_a_row++;
    }
}

/* The head of those in debt is due, or alone in the ring: in both cases the clock is not behind it. */
static void count_owing_start(struct ring *ring, const struct lane *lane) {
    if (TAILQ_FIRST(&ring->in_debt) == lane) {
        int64_t due_us = lane->owed->due_us;
        ring->clock_us = due_us > ring->clock_us ? due_us : ring->clock_us;
        ring->pass = 0;
        ring->pass_begins = true;
    }
}

void ring_start(struct ring *ring, struct lane *lane) {
    if (lane->owing) {
        count_owing_start(ring, lane);
    } else {
        count_start(ring, lane->priority);
    }
    ring_leave(ring, lane);
}

void ring_begin_pass(struct ring *ring) {
    if (ring->pass_begins) {
        ring->pass = ring->count - ring->owing;
        ring->pass_begins = false;
    }
}

static int64_t later_us(int64_t a_us, int64_t b_us) {
    return a_us > b_us ? a_us : b_us;
}

/* Debts are bounded: a key that was hungry for an hour must not pay for it for an hour. */
void ring_add_debt(const struct ring *ring, int64_t us, struct owed *owed) {
    int64_t owed_us = later_us(owed->owes_us - ring->paid_us, 0) + us;
    owed->due_us = later_us(owed->due_us, ring->clock_us) + us;
    owed->owes_us = ring->paid_us + (owed_us < LANE_DEBT_US_MAX ? owed_us : LANE_DEBT_US_MAX);
}

void ring_spent(struct ring *ring, int64_t us) {
    int64_t lane_count = (int64_t)ring->count + 1;
    ring->clock_us += us / lane_count;
    ring->paid_us += (us < LANE_QUANTUM_US ? us : LANE_QUANTUM_US) / lane_count;
    if (us > LANE_QUANTUM_US) {
        begin_rush(ring);
        ring->pass_begins = true;
    }
}

static int64_t oldest_ms(const struct lane *lane, int64_t first_ms) {
    for (; lane != NULL; lane = TAILQ_NEXT(lane, ring_link)) {
        const struct lane_item *head = TAILQ_FIRST(&lane->items);
        first_ms = head->since_ms < first_ms ? head->since_ms : first_ms;
    }
    return first_ms;
}

int64_t ring_oldest_ms(const struct ring *ring) {
    int64_t first_ms = oldest_ms(TAILQ_FIRST(&ring->in_debt), INT64_MAX);
    for (size_t i = 0; i < PRIORITIES; i++) {
        first_ms = oldest_ms(TAILQ_FIRST(&ring->levels[i].turns), first_ms);
    }
    return first_ms;
}
