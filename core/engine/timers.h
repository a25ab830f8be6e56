/*
 * timers.h - timer rows, and when the first of them is due.
 */
#ifndef ZINGQ_ENGINE_TIMERS_H
#define ZINGQ_ENGINE_TIMERS_H

#include "engine/engine.h"
#include "journal/keyed.h"
#include "journal/later.h"

/* ERR_MEMORY. */
int engine_make_timers(struct engine *e);
void engine_free_timers(struct engine *e);
int engine_load_timers(struct engine *e);
int engine_timer_put(struct engine *e, const struct timer *timer);
/* Of what was deleted before it was due; 0 = it had none. */
int engine_timer_drop(struct engine *e, const struct timer *timer);
/* The first timer of the partition by that clock. ERR_NOTFOUND: there is none. */
int engine_look_up_timer(struct engine *e, uint8_t p, bool by_wall, struct timer *timer);
/* When it is due, as far as was looked; INT64_MAX = none. */
int64_t engine_timer_due_ms(const struct engine *e, uint8_t p, bool by_wall);
int64_t engine_earliest_timer(const struct engine *e);
/* The same of those by the wall clock, and by its time. */
int64_t engine_earliest_wall_timer(const struct engine *e);
/* What ends a value, a lock or a signal of the cell at that time; seq is that of a signal. */
struct timer engine_cell_timer(enum timer_kind kind, const struct cell *cell, int64_t due_ms,
                               uint64_t seq);
/* What wakes the event of that row at that time. */
struct timer engine_wake_timer(const struct row *row, int64_t due_ms);
/* A stored event whose row waits gets a timer, and knows when it is due: whoever wakes it sooner
 * takes that timer away. */
int engine_put_wake(struct engine *e, const struct row *row, int64_t due_ms);
/* Removes the timer of an event that is put off. */
int engine_drop_wake(struct engine *e, const struct event *event);
/* Wakes an event that is put off, durably: by a timer that is due now, so that the bounds of timers
 * apply. */
int engine_wake_now(struct engine *e, struct event *event);

#endif
