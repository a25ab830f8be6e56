/*
 * clock.h - engine time, and the wall clock beside it.
 */
#ifndef ZINGQ_ENGINE_CLOCK_H
#define ZINGQ_ENGINE_CLOCK_H

#include "engine/engine.h"

/* ERR_MEMORY. */
int engine_make_clock(struct engine *e);
void engine_free_clock(struct engine *e);
int engine_start_clock(struct engine *e);    /* begins and ends its own transaction */
void engine_look_at_clock(struct engine *e); /* now_ms, wall_ms; a step is told */
bool engine_clock_stepped(struct engine *e); /* since the last look */
int engine_mark_clock(struct engine *e);

#endif
