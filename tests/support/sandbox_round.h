/*
 * sandbox_round.h - one round of calls of any function of the sandbox with any arguments.
 */
#ifndef ZINGQ_TEST_SANDBOX_ROUND_H
#define ZINGQ_TEST_SANDBOX_ROUND_H

#include <stddef.h>
#include <stdint.h>

/* Runs tests/fuzz/scripts/sandbox.lua on these bytes, with little time and memory, and answers what
 * it asks for with them. Promise: it ends, memory is accounted for, nothing else happens. */
void sandbox_round(const char *scripts, const uint8_t *data, size_t size);

#endif
