/*
 * retention.h - what has ended is kept for its time, and then deleted.
 */
#ifndef ZINGQ_ENGINE_RETENTION_H
#define ZINGQ_ENGINE_RETENTION_H

#include "engine/engine.h"

/* Where retention stands. */
struct trim {
    uint8_t partition;
    struct uuid id;
    uint16_t service;
    int64_t next_pass_ms;
};

int engine_trim(struct engine *e);
/* Deletes the record of an event that has ended, its steps and its history. */
int engine_let_go(struct engine *e, const struct event *event);

#endif
