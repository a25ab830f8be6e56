/*
 * end.h - how an attempt ends for an event.
 */
#ifndef ZINGQ_ENGINE_END_H
#define ZINGQ_ENGINE_END_H

#include "engine/lane.h"
#include "engine/services.h"
#include "lua/run.h"
#include "journal/event.h"

/* How an attempt ended for an event. */
struct verdict {
    enum outcome outcome; /* one that ends an attempt */
    enum attempt_end end; /* ERROR, RETRY: as recorded in the history */
    const char *error;    /* why; the history keeps it */
    int64_t after_ms;     /* RETRY, SNOOZE, THROTTLE: see lua/run.h */
    bool key_only;        /* THROTTLE: the same */
    int lacks;            /* ERROR: the same */
};

/* Takes over the item, which is e->current_item. */
int engine_end_item(struct engine *e, struct engine_service *s, struct lane_item *item,
                    const struct verdict *verdict);

#endif
