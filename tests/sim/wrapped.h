/*
 * wrapped.h - what the program asks of the system, made up (wrapped.c).
 */
#ifndef ZINGQ_SIM_WRAPPED_H
#define ZINGQ_SIM_WRAPPED_H

#include <stdint.h>

/* Random bytes and times begin anew, from this seed. */
void wrapped_begin(uint64_t seed);

#endif
