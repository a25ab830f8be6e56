/*
 * bare.h - what a turn needs of LMDB and the disk at least, whoever makes it: nothing is decoded, run
 * or recovered here. An event changes a row of its key, appends its idempotency key and what it
 * publishes; what the turn before published is deleted. Rows have the sizes and the order of the
 * engine's.
 */
#ifndef ZINGQ_BENCH_BARE_H
#define ZINGQ_BENCH_BARE_H

#include <stdint.h>

/* Processor time of an event, in microseconds, in turns of STILL_EVENTS and in a store that has rows
 * of so many keys. Makes the folder, and removes it. */
double bare_run(const char *folder, uint64_t events, uint64_t keys);

#endif
