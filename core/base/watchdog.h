/*
 * watchdog.h - a run that no limit ends is ended: at worst with the process, which a supervisor
 * starts again, so that every other event goes on and this one is charged with the crash.
 *
 * limits.lua_time is looked at where Lua counts instructions. What loops in C below it is seen by
 * this watchdog alone. It counts the processor time of the thread that started it, and nothing
 * else: a slow disk, a stopped process, a paused machine are no hang.
 *
 * One a process. A run is what base/culprit.h names.
 */
#ifndef ZINGQ_BASE_WATCHDOG_H
#define ZINGQ_BASE_WATCHDOG_H

#include "base/culprit.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Watches the calling thread, the engine's, until watchdog_stop. A run past limit_ms of processor
 * time is over; past WATCHDOG_ABORT_FACTOR times that the process says who ran and where, on
 * standard error, and aborts. The culprit is borrowed. ERR_SYSTEM: nothing is watched. */
int watchdog_start(struct culprit *culprit, int64_t limit_ms, struct report *r);
void watchdog_stop(void);

/* Whether the run on the processor is over; false when nothing is watched. */
bool watchdog_over(void);

/* From now on, look(ctx) is called now and then while a run has the processor, long before it is
 * over: in a signal handler of the watched thread, so it may do next to nothing. NULL: nothing is
 * called. */
void watchdog_call(void (*look)(void *ctx), void *ctx);

/* What limit_ms should be for a limits.lua_time. */
int64_t watchdog_limit_ms(int64_t lua_time_ms);

#endif
