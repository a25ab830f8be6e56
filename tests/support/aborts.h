/*
 * aborts.h - an assertion of the program that ends it: what the tests of docs/invariants.md expect
 * of memory that contradicts itself.
 */
#ifndef TESTS_ABORTS_H
#define TESTS_ABORTS_H

/* Calls act(ctx) in a child process, which has to end by SIGABRT with an assertion that holds
 * `condition` in its text. Nothing the child did is seen here, but for what it wrote to files. */
void assert_aborts(void (*act)(void *ctx), void *ctx, const char *condition);

#endif
