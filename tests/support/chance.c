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

/* xorshift64: enough to scatter moments. */
uint64_t chance_next(struct chance *c, uint64_t most) {
    c->state ^= c->state << 13;
    c->state ^= c->state >> 7;
    c->state ^= c->state << 17;
    return c->state % most;
}
