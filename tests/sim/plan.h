/*
 * plan.h - what happens in a world, step by step, made of a seed.
 *
 * Each step carries the seed of its own chances. So a step does the same whatever stands around it,
 * and a plan can be cut shorter piece by piece (report.h).
 */
#ifndef ZINGQ_SIM_PLAN_H
#define ZINGQ_SIM_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum plan_kind {
    PLAN_LOAD,    /* publishers say something */
    PLAN_TURN,    /* a host takes what there is, and has a turn */
    PLAN_ANSWER,  /* the broker answers publishes */
    PLAN_PEER,    /* servers answer calls */
    PLAN_POSTS,   /* what hosts send one another arrives, or not */
    PLAN_TIME,    /* time goes on */
    PLAN_CLOCK,   /* the wall clock of a host is set */
    PLAN_DOWN,    /* a host is killed between two turns, stopped, or its machine starts anew */
    PLAN_UP,      /* hosts that are down start */
    PLAN_LINK,    /* a host loses the broker, or finds it again */
    PLAN_DISK,    /* the disk of a host is full, fails, or is well again */
    PLAN_OPERATE, /* an operator does something */
    PLAN_RELOAD,  /* another topics.conf is reloaded */
    PLAN_BACKUP,  /* every host is backed up, and another world begins with that */
    PLAN_KINDS
};

struct plan_step {
    uint8_t kind;
    uint8_t node;   /* which host, from 0 */
    uint16_t crash; /* it is killed at this action of the step, from 1; 0 = it is not */
    uint64_t chance;
};

struct plan {
    uint64_t seed;
    unsigned nodes;    /* hosts in the world */
    unsigned say_most; /* publishers say at most so much in a step; 0 = no limit */
    size_t count;
    struct plan_step *steps; /* owned */
};

/* As many steps as asked for. */
void plan_make(struct plan *plan, uint64_t seed, size_t steps);
/* A copy without `count` steps from `from` on. */
void plan_without(struct plan *out, const struct plan *plan, size_t from, size_t count);
void plan_clear(struct plan *plan);
/* What happens, for a story; and whether it happens to one host. */
const char *plan_kind_words(uint8_t kind);
bool plan_kind_of_host(uint8_t kind);

#endif
