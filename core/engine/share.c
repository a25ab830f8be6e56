/*
 * share.c - whose processor time it was, and how many messages a turn may take.
 *
 * The clock is read once per run. The time since the last reading is charged to the run's service
 * and lane (engine/lane.c uses it): Lua, JSON, processing the outcome. It is the thread's processor
 * time, except for short runs: nobody is charged for waiting on a slow disk or a busy machine.
 *
 * Where commits take long, handlers may run as long before one is due: at least half of the time is
 * theirs, and more events share the pages that a commit writes.
 *
 * The average costs of admitting and of running an event bound the intake, so that a turn can also
 * run what it admits. A long run counts as one quantum: a poison event among many others must not
 * make them wait at the broker.
 */
#include "engine/share.h"

#include "engine/attempt.h"
#include "engine/impl.h"
#include "engine/lane.h"

#include <assert.h>
#include <stdlib.h>

struct shares {
    int64_t seen_us;              /* monotonic, of the last reading */
    int64_t charged_us;           /* processor time already charged */
    int64_t run_cost, admit_cost; /* average per event, in 64ths of a us */
    int64_t commits_us;           /* of the last COMMITS, were they all as long as the average */
};

enum {
    COST_UNIT = 64, /* also the number of events in an average */
    SHORT_US = 100, /* a lap: see lap */
    COMMITS = 8,
};

/* The processor's clock takes a system call, the other one none. A lap that is short by the latter
 * cannot hide much waiting, and is taken for processor time; if it did wait, the next long lap is
 * charged that much less. */
static int64_t lap(struct engine *e) {
    struct shares *s = e->shares;
    int64_t since_us = s->seen_us;
    int64_t before_us = s->charged_us;
    s->seen_us = e->doors.monotonic_us(e->doors.ctx);
    s->charged_us = s->seen_us - since_us < SHORT_US ? before_us + (s->seen_us - since_us)
                                                     : e->doors.processor_us(e->doors.ctx);
    return s->charged_us > before_us ? s->charged_us - before_us : 0;
}

void engine_watch_clock(struct engine *e) {
    e->shares->seen_us = e->doors.monotonic_us(e->doors.ctx);
    e->shares->charged_us = e->doors.processor_us(e->doors.ctx);
}

static void add_cost(int64_t *cost, int64_t us) {
    us = us < LANE_QUANTUM_US ? us : LANE_QUANTUM_US;
    *cost += us - *cost / COST_UNIT;
}

static void spend(struct engine *e, size_t service, int64_t us) {
    lanes_spent(e->lanes, service, us, e->now_ms + (e->shares->seen_us - e->turn_us) / 1000);
}

void engine_charge(struct engine *e, size_t service, uint64_t payer, bool alone) {
    int64_t us = lap(e);
    if (alone) {
        lanes_owe(e->lanes, service, payer, us);
        add_cost(&e->shares->run_cost, us);
    }
    spend(e, service, us);
}

void engine_charge_stretch(struct engine *e, const struct invocation *inv) {
    int64_t us = lap(e);
    lanes_owe(e->lanes, inv->service->index, inv->item->lane->payer, us);
    for (; us > 0; us -= LANE_QUANTUM_US) {
        spend(e, inv->service->index, us < LANE_QUANTUM_US ? us : LANE_QUANTUM_US);
    }
}

void engine_charge_batch(struct engine *e, const struct invocation *inv) {
    size_t count = inv->batch->count;
    int64_t us = lap(e);
    assert(count > 0);
    for (size_t i = 0; i < count; i++) {
        const struct lane *lane = inv->batch->items[i]->lane;
        lanes_owe(e->lanes, inv->service->index, lane->payer, us / (int64_t)count);
    }
    add_cost(&e->shares->run_cost, us / (int64_t)count);
    spend(e, inv->service->index, us);
}

void engine_note_admitted(struct engine *e, size_t count) {
    int64_t us = lap(e);
    for (size_t i = 0; i < count && i < COST_UNIT; i++) {
        add_cost(&e->shares->admit_cost, us / (int64_t)count);
    }
}

void engine_note_committed(struct engine *e, int64_t us) {
    e->shares->commits_us += us - e->shares->commits_us / COMMITS;
}

int64_t engine_turn_length_us(const struct engine *e) {
    const int64_t least_us = (int64_t)TURN_MS_MAX * 1000;
    const int64_t most_us = (int64_t)TURN_MS_LONG * 1000;
    int64_t us = e->shares->commits_us / COMMITS;
    return us < least_us ? least_us : us > most_us ? most_us : us;
}

size_t engine_intake(const struct engine *e) {
    int64_t cost = e->shares->run_cost + e->shares->admit_cost;
    int64_t fits = cost == 0 ? INT64_MAX : engine_turn_length_us(e) * COST_UNIT / cost;
    fits = fits < TURN_EVENTS_MAX / 2 ? fits : TURN_EVENTS_MAX / 2;
    return (size_t)(fits > INTAKE_MIN ? fits : INTAKE_MIN);
}

int engine_make_shares(struct engine *e) {
    e->shares = calloc(1, sizeof *e->shares);
    return e->shares == NULL ? ERR_MEMORY : 0;
}

void engine_free_shares(struct engine *e) {
    free(e->shares);
}

int64_t engine_seen_us(const struct engine *e) {
    return e->shares->seen_us;
}
