/*
 * clock.h - engine time, and its relation to the wall clock, which it follows only if hosts share it.
 */
#ifndef ZINGQ_ENGINE_CLOCK_H
#define ZINGQ_ENGINE_CLOCK_H

#include "engine/engine.h"

/* ERR_MEMORY. */
int engine_make_clock(struct engine *e);
void engine_free_clock(struct engine *e);
int engine_start_clock(struct engine *e);    /* begins and ends its own transaction */
void engine_look_at_clock(struct engine *e); /* updates now_ms and wall_ms; logs a step */
bool engine_clock_stepped(struct engine *e); /* since the last look */
int engine_mark_clock(struct engine *e);
void engine_clock_stored(struct engine *e); /* the mark is committed */
/* Whether that was so long ago that a turn should store it which stores nothing else. */
bool engine_clock_mark_is_old(const struct engine *e);

#endif
