/*
 * wire_os.h - the operating system as the MQTT door finds it in the simulation: a clock that stands
 * still until it is moved, a network that is wire_net.c, threads that run when the world says so,
 * chance from a seed.
 *
 * libuv and libmosquitto call clock_gettime, connect, write and close by their dynamic names, and
 * the program's own functions of these names come first, as docs/wire-guard.md explains for read.
 * What only the project's own objects call (pthread_create, poll, uv_random, the dlsym by which the
 * guard finds the next read and connect) is replaced with the linker's --wrap.
 */
#ifndef ZINGQ_SIM_WIRE_OS_H
#define ZINGQ_SIM_WIRE_OS_H

#include <stdbool.h>
#include <stdint.h>

/* Monotonic milliseconds of the world; 0 when it begins. */
int64_t wire_clock_ms(void);
/* Forward only. */
void wire_clock_move(int64_t to_ms);
/* Begins a world: the clock is at 0 and virtual from now on, chance comes from the seed. */
void wire_os_begin(uint64_t seed);
/* The real clocks again. */
void wire_os_end(void);
/* Real milliseconds, for whoever counts how long the simulation takes. */
int64_t wire_real_ms(void);

/* The thread that was made and has not run: runs it here and now. */
void wire_os_run_thread(void);
/* When the first of them is to run; INT64_MAX = there is none. */
int64_t wire_os_thread_ms(void);

/* Whether the descriptor has input or room, without waiting. */
bool wire_os_readable(int fd);

#endif
