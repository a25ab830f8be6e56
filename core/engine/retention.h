/*
 * retention.h - deletes ended events after their time.
 */
#ifndef ZINGQ_ENGINE_RETENTION_H
#define ZINGQ_ENGINE_RETENTION_H

#include "engine/engine.h"

/* ERR_MEMORY. */
int engine_make_trim(struct engine *e);
void engine_free_trim(struct engine *e);
int engine_trim(struct engine *e);
/* Deletes the record of an event that has ended, its steps and its history. */
int engine_let_go(struct engine *e, const struct event *event);
/* When there may be something to delete. */
int64_t engine_next_trim_ms(const struct engine *e);

#endif
