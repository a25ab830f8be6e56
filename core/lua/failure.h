/*
 * failure.h - the error that ended a run, as text.
 */
#ifndef ZINGQ_LUA_FAILURE_H
#define ZINGQ_LUA_FAILURE_H

#include "lua/run.h"

/* Writes the error on top of the coroutine's stack to run->error, with the traceback as far as there
 * is room; `instead` replaces the error's own text unless it is NULL. Handler code may run
 * (__tostring), within the limits. */
void run_describe_error(struct run *run, const char *instead);

#endif
