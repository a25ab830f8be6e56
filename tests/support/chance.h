/*
 * chance.h - random moments that can be had again: the seed is printed, ZINGQ_TEST_SEED sets it.
 */
#ifndef ZINGQ_TEST_CHANCE_H
#define ZINGQ_TEST_CHANCE_H

#include <stdint.h>

struct chance {
    uint64_t state;
};

struct chance chance_of_run(void);
/* Seeds that are alike give numbers that are not. */
struct chance chance_of_seed(uint64_t seed);
/* A number from 0 to most - 1. */
uint64_t chance_next(struct chance *c, uint64_t most);

#endif
