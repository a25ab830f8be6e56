/*
 * watchdog.h - ends a run that no other limit ends: in the worst case by aborting the process,
 * which a supervisor restarts, so that all other events continue and this one is charged with the
 * crash.
 *
 * limits.lua_time is checked where Lua counts instructions. Only this watchdog notices a loop in C
 * code below Lua. It measures only the processor time of the thread that started it: a slow disk, a
 * stopped process or a paused machine is not a hang.
 *
 * There is one per process. A run is the one that base/culprit.h names.
 */
#ifndef ZINGQ_BASE_WATCHDOG_H
#define ZINGQ_BASE_WATCHDOG_H

#include "base/culprit.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Watches the calling thread, the engine's, until watchdog_stop. A run is over after limit_ms of
 * processor time; after WATCHDOG_ABORT_FACTOR times that the process writes the event and a
 * backtrace to standard error, and aborts. The culprit is borrowed. ERR_SYSTEM: nothing is watched.
 */
int watchdog_start(struct culprit *culprit, int64_t limit_ms, struct report *r);
void watchdog_stop(void);

/* Whether the run on the processor is over; false when nothing is watched. */
bool watchdog_over(void);

/* Calls look(ctx) from time to time while a run has the processor, long before it is over. look
 * runs in a signal handler of the watched thread, so it may do very little. NULL: no calls. */
void watchdog_call(void (*look)(void *ctx), void *ctx);

/* What limit_ms should be for a limits.lua_time. */
int64_t watchdog_limit_ms(int64_t lua_time_ms);

#endif
