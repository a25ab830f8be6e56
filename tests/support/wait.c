/* wait.c - waiting for a condition. */
#include "wait.h"

#include "test.h"

#include <time.h>

enum { STEP_MS_MIN = 2, STEP_MS_MAX = 50 };

int64_t monotonic_ms(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct wait wait_of_ms(int64_t ms) {
    return (struct wait){.until_ms = monotonic_ms() + ms, .step_ms = STEP_MS_MIN};
}

struct wait wait_of(int seconds) {
    return wait_of_ms((int64_t)seconds * 1000);
}

bool wait_more(struct wait *w) {
    const struct timespec step = {.tv_nsec = w->step_ms * 1000000};
    if (monotonic_ms() >= w->until_ms) {
        return false;
    }
    (void)nanosleep(&step, NULL);
    w->step_ms = w->step_ms * 2 > STEP_MS_MAX ? STEP_MS_MAX : w->step_ms * 2;
    return true;
}

void wait_fail(const char *what) {
    print_error("waited in vain: %s\n", what);
    fail();
}
