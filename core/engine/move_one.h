/*
 * move_one.h - one row of a removed service goes to the service that takes it over.
 */
#ifndef ZINGQ_ENGINE_MOVE_ONE_H
#define ZINGQ_ENGINE_MOVE_ONE_H

#include "engine/services.h"
#include "journal/give.h"

/* The event, with its place, its history, its steps and its letter. Frees it. */
int engine_move_one(struct engine *e, struct engine_service *from, struct engine_service *to,
                    struct event *event);
/* The timers of a row that was given. */
int engine_move_timer(struct engine *e, const struct given *row);

#endif
