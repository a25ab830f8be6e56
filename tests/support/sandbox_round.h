/*
 * sandbox_round.h - one round of calls of any function of the sandbox with any arguments.
 */
#ifndef ZINGQ_TEST_SANDBOX_ROUND_H
#define ZINGQ_TEST_SANDBOX_ROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Runs sandbox.lua of the folder, that of tests/fuzz/scripts or another one, on these bytes, with
 * little time and memory, and answers what it asks for with them. Promise: it ends, memory is
 * accounted for, nothing else happens. False: the script was refused. */
bool sandbox_round(const char *scripts, const uint8_t *data, size_t size);

#endif
