/*
 * wire_random.h - numbers from a seed, in streams: what one part of the world draws does not change
 * what another draws, so that a shortened plan stays like the long one.
 */
#ifndef ZINGQ_SIM_WIRE_RANDOM_H
#define ZINGQ_SIM_WIRE_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct wire_random {
    uint64_t state;
};

/* splitmix64 */
static inline uint64_t wire_random_next(struct wire_random *r) {
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A number from 0 to most - 1; 0 when most is 0. */
static inline uint32_t wire_random_below(struct wire_random *r, uint32_t most) {
    return most == 0 ? 0 : (uint32_t)(wire_random_next(r) % most);
}

/* True once in `n` times; never when n is 0. */
static inline bool wire_random_one_in(struct wire_random *r, uint32_t n) {
    return n > 0 && wire_random_below(r, n) == 0;
}

/* Stream `number` of a seed. */
static inline struct wire_random wire_random_stream(uint64_t seed, uint64_t number) {
    struct wire_random r = {seed * 0x9e3779b97f4a7c15u ^ (number + 1) * 0xd1342543de82ef95u};
    (void)wire_random_next(&r);
    return r;
}

#endif
