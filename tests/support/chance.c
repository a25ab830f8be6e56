/* chance.c - random moments that can be had again. */
#include "chance.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct chance chance_of_run(void) {
    const char *given = getenv("ZINGQ_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    (void)fprintf(stderr, "ZINGQ_TEST_SEED=%llu repeats this run\n", (unsigned long long)seed);
    return (struct chance){seed * 2 + 1}; /* never 0 */
}

/* splitmix64 */
struct chance chance_of_seed(uint64_t seed) {
    uint64_t z = seed + UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return (struct chance){z == 0 ? 1 : z};
}

/* xorshift64: enough to scatter moments. */
uint64_t chance_next(struct chance *c, uint64_t most) {
    c->state ^= c->state << 13;
    c->state ^= c->state >> 7;
    c->state ^= c->state << 17;
    return c->state % most;
}
