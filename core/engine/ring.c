/*
 * ring.c - lanes take turns; those that ran for long wait until the others have caught up.
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
    TAILQ_INIT(&ring->turns);
    TAILQ_INIT(&ring->in_debt);
}

static void enter_after(struct ring *ring, struct lane *before, struct lane *lane) {
    assert(!lane->busy && !TAILQ_EMPTY(&lane->items) && !lane->owing); /* INV-LANE-1 */
    if (before == NULL) {
        TAILQ_INSERT_HEAD(&ring->turns, lane, ring_link);
    } else {
        TAILQ_INSERT_AFTER(&ring->turns, before, lane, ring_link);
    }
    lane->in_ring = true;
    ring->count++;
}

/* In a rush, lanes known to be light come first, then unknown ones that arrive now, each in order
 * of arrival. */
void ring_enter(struct ring *ring, struct lane *lane, bool comes) {
    bool light = ring->rush && lights_have(&ring->lights, lane->payer);
    if (!ring->rush || !(light || comes)) {
        enter_after(ring, TAILQ_LAST(&ring->turns, turns), lane);
        return;
    }
    enter_after(ring, light ? ring->light_tail : ring->rush_tail, lane);
    if (!light || ring->rush_tail == ring->light_tail) {
        ring->rush_tail = lane;
    }
    ring->light_tail = light ? lane : ring->light_tail;
}

/* Enters the waiting lanes again. A long run has paid for this walk. */
static void begin_rush(struct ring *ring) {
    struct turns waiting = TAILQ_HEAD_INITIALIZER(waiting);
    struct lane *lane;
    size_t count = ring->count;
    ring->rush = true;
    ring->light_tail = NULL;
    ring->rush_tail = NULL;
    TAILQ_CONCAT(&waiting, &ring->turns, ring_link);
    while ((lane = TAILQ_FIRST(&waiting)) != NULL) {
        TAILQ_REMOVE(&waiting, lane, ring_link);
        ring_enter(ring, lane, false);
    }
    ring->count = count;
}

static void leave_turns(struct ring *ring, struct lane *lane) {
    assert(lane->in_ring && !lane->owing); /* INV-LANE-1 */
    TAILQ_REMOVE(&ring->turns, lane, ring_link);
    ring->light_tail = ring->light_tail == lane ? NULL : ring->light_tail;
    ring->rush_tail = ring->rush_tail == lane ? NULL : ring->rush_tail;
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

/* If it is the head, the ring is empty or the lane is due: in both cases the clock is not behind
 * it. */
static void leave_owing(struct ring *ring, struct lane *lane) {
    assert(ring->owing > 0 && ring->owing <= ring->count); /* INV-LANE-5 */
    int64_t due_us = lane->owed->due_us;
    bool starts = TAILQ_FIRST(&ring->in_debt) == lane;
    TAILQ_REMOVE(&ring->in_debt, lane, ring_link);
    ring->owing--;
    ring->clock_us = starts && due_us > ring->clock_us ? due_us : ring->clock_us;
    ring->pass = starts ? 0 : ring->pass;
    ring->pass_begins = ring->pass_begins || starts;
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

/* Moves lanes from the front of the ring that have been charged since they entered. */
static void settle(struct ring *ring) {
    struct lane *lane;
    while ((lane = TAILQ_FIRST(&ring->turns)) != NULL &&
           lane->owed->owes_us > ring->paid_us + LANE_QUANTUM_US) {
        leave_turns(ring, lane);
        enter_owing(ring, lane);
    }
}

struct lane *ring_front(struct ring *ring, bool quiet) {
    settle(ring);
    struct lane *owing = TAILQ_FIRST(&ring->in_debt);
    bool its_turn =
        owing != NULL && ring->pass == 0 && quiet && owing->owed->due_us <= ring->clock_us;
    return TAILQ_EMPTY(&ring->turns) || its_turn ? owing : TAILQ_FIRST(&ring->turns);
}

struct lane *ring_peek(struct ring *ring) {
    settle(ring);
    return TAILQ_FIRST(TAILQ_EMPTY(&ring->turns) ? &ring->in_debt : &ring->turns);
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
    return oldest_ms(TAILQ_FIRST(&ring->in_debt), oldest_ms(TAILQ_FIRST(&ring->turns), INT64_MAX));
}
