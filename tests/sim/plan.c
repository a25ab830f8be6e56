/* plan.c - see plan.h. */
#include "plan.h"

#include "memory.h"
#include "chance.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* of a thousand steps, in words, of one host */
static const struct {
    unsigned weight;
    const char *words;
    bool of_host;
} kinds[PLAN_KINDS] = {
    [PLAN_LOAD] = {190, "publishers say something", false},
    [PLAN_TURN] = {371, "takes what the broker has, and has a turn", true},
    [PLAN_ANSWER] = {110, "the broker answers some of its publishes", true},
    [PLAN_PEER] = {90, "servers answer some calls", false},
    [PLAN_POSTS] = {60, "what hosts sent one another arrives, or not", false},
    [PLAN_TIME] = {60, "time goes by", false},
    [PLAN_CLOCK] = {6, "its wall clock is set", true},
    [PLAN_DOWN] = {14, "goes down", true},
    [PLAN_UP] = {30, "starts, if it is down", true},
    [PLAN_LINK] = {12, "its connection changes", true},
    [PLAN_DISK] = {28, "its disk changes", true},
    [PLAN_OPERATE] = {20, "an operator does something", true},
    [PLAN_RELOAD] = {8, "its topics.conf is changed, and reloaded", true},
    [PLAN_BACKUP] = {1, "every host is backed up", false},
};

enum { CRASH_OF_TURNS = 2, CRASH_ACTIONS = 60, SEVERAL = 3 };

const char *plan_kind_words(uint8_t kind) {
    return kind < PLAN_KINDS ? kinds[kind].words : "?";
}

bool plan_kind_of_host(uint8_t kind) {
    return kind < PLAN_KINDS && kinds[kind].of_host;
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
    plan->steps = made(calloc(steps, sizeof *plan->steps));
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
    out->steps = made(calloc(out->count + 1, sizeof *out->steps));
    memcpy(out->steps, plan->steps, from * sizeof *out->steps);
    memcpy(out->steps + from, plan->steps + from + count, (out->count - from) * sizeof *out->steps);
}

void plan_clear(struct plan *plan) {
    free(plan->steps);
    plan->steps = NULL;
}
