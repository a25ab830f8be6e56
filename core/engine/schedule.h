/*
 * schedule.h - a publish for each tick of a schedule.
 */
#ifndef ZINGQ_ENGINE_SCHEDULE_H
#define ZINGQ_ENGINE_SCHEDULE_H

#include "engine/engine.h"
#include "journal/later.h"

/* One schedule of topics.conf. */
struct engine_schedule {
    const struct schedule_conf *conf;
    struct schedule_mark mark; /* cron and timezone point into conf */
    int64_t next_ms;           /* the first tick after mark.settled_ms; INT64_MAX = never */
};

/* ERR_MEMORY (r). */
int engine_make_schedules(struct engine *e, struct report *r);
/* How far each schedule has come; a new or changed one begins now. */
int engine_load_schedules(struct engine *e);
/* Publishes what is due. */
int engine_fire_schedules(struct engine *e);

#endif
