/*
 * schedule.h - a publish for each tick of a schedule.
 */
#ifndef ZINGQ_ENGINE_SCHEDULE_H
#define ZINGQ_ENGINE_SCHEDULE_H

#include "engine/engine.h"
#include "journal/later.h"

/* ERR_MEMORY. */
int engine_make_schedules(struct engine *e);
void engine_free_schedules(struct engine *e);
/* Loads the progress of each schedule; a new or changed one begins now. */
int engine_load_schedules(struct engine *e);
/* Publishes due ticks. */
int engine_fire_schedules(struct engine *e);
/* The earliest tick, by the wall clock; INT64_MAX = none. */
int64_t engine_next_tick_ms(const struct engine *e);

#endif
