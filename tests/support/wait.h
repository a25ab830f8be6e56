/*
 * wait.h - waiting for a condition, with a deadline that only a broken program reaches.
 */
#ifndef ZINGQ_TEST_WAIT_H
#define ZINGQ_TEST_WAIT_H

#include <stdbool.h>
#include <stdint.h>

struct wait {
    int64_t until_ms; /* monotonic */
    int64_t step_ms;  /* between two looks; grows */
};

int64_t monotonic_ms(void);
struct wait wait_of(int seconds);
struct wait wait_of_ms(int64_t ms);
/* Lets a little time pass; false when the deadline has gone by. */
bool wait_more(struct wait *w);
/* Fails the test under way with this sentence. */
void wait_fail(const char *what);

#endif
