/* plan.c - see plan.h. */
#include "plan.h"

#include "chance.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* name, of a thousand steps */
static const struct {
    const char *name;
    unsigned weight;
} kinds[PLAN_KINDS] = {
    [PLAN_LOAD] = {"load", 190}, [PLAN_TURN] = {"turn", 400},  [PLAN_ANSWER] = {"answer", 110},
    [PLAN_PEER] = {"peer", 90},  [PLAN_POSTS] = {"posts", 60}, [PLAN_TIME] = {"time", 60},
    [PLAN_CLOCK] = {"clock", 6}, [PLAN_DOWN] = {"down", 14},   [PLAN_UP] = {"up", 30},
    [PLAN_LINK] = {"link", 12},  [PLAN_DISK] = {"disk", 8},    [PLAN_OPERATE] = {"operate", 20},
};

enum { CRASH_OF_TURNS = 4, CRASH_ACTIONS = 60, SEVERAL = 3 };

const char *plan_kind_name(uint8_t kind) {
    return kind < PLAN_KINDS ? kinds[kind].name : "?";
}

static uint8_t choose(struct chance *c) {
    uint64_t at = chance_next(c, 1000);
    uint8_t kind = 0;
    while (kind < PLAN_KINDS - 1 && at >= kinds[kind].weight) {
        at -= kinds[kind++].weight;
    }
    return kind;
}

/* Half of the worlds have one host: it reaches more states in the same time. */
void plan_make(struct plan *plan, uint64_t seed, size_t steps) {
    struct chance c = chance_of_seed(seed);
    *plan = (struct plan){.seed = seed, .count = steps};
    plan->nodes = chance_next(&c, 2) == 0 ? 1 : 2 + (unsigned)chance_next(&c, SEVERAL - 1);
    plan->steps = calloc(steps, sizeof *plan->steps);
    if (plan->steps == NULL) {
        abort();
    }
    for (size_t i = 0; i < steps; i++) {
        struct plan_step *step = &plan->steps[i];
        step->kind = choose(&c);
        step->node = (uint8_t)chance_next(&c, plan->nodes);
        step->chance = chance_next(&c, UINT64_MAX);
        bool crashes = step->kind == PLAN_TURN && chance_next(&c, CRASH_OF_TURNS) == 0;
        step->crash =
            crashes ? (uint16_t)(1 + chance_next(&c, 1 + chance_next(&c, CRASH_ACTIONS))) : 0;
    }
}

void plan_without(struct plan *out, const struct plan *plan, size_t from, size_t count) {
    *out = *plan;
    out->count = plan->count - count;
    out->steps = calloc(out->count + 1, sizeof *out->steps);
    if (out->steps == NULL) {
        abort();
    }
    memcpy(out->steps, plan->steps, from * sizeof *out->steps);
    memcpy(out->steps + from, plan->steps + from + count, (out->count - from) * sizeof *out->steps);
}

void plan_clear(struct plan *plan) {
    free(plan->steps);
    plan->steps = NULL;
}
