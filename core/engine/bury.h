/*
 * bury.h - events that died: noted here, settled by engine/death.c after the operation that caused
 * it.
 */
#ifndef ZINGQ_ENGINE_BURY_H
#define ZINGQ_ENGINE_BURY_H

#include "engine/lane.h"
#include "engine/services.h"

#include <sys/queue.h>

/* One of them. */
struct death {
    STAILQ_ENTRY(death) link;
    struct engine_service *service;
    struct lane_item *item; /* owned; still taken, which blocks its lane. NULL = it has no lane */
    struct event *event;    /* the item's, or owned */
    enum event_state state; /* dead, needs-person or discarded */
    unsigned generation;    /* 0, or one more than that of the death whose policies caused it */
    char reason[];
};

/* ERR_MEMORY. */
int engine_make_deaths(struct engine *e);
void engine_free_deaths(struct engine *e);
/* Ends an event without a lane or a row in that state; takes it over. ERR_MEMORY. */
int engine_bury(struct engine *e, struct engine_service *s, struct event *event,
                enum event_state state, const char *reason);
/* The same for an event that was taken off its lane. */
int engine_bury_item(struct engine *e, struct engine_service *s, struct lane_item *item,
                     enum event_state state, const char *reason);
/* Whether a death is noted for the id. */
bool engine_is_dying(const struct engine *e, const struct engine_service *s, uint8_t partition,
                     const struct uuid *id);
/* Removes and returns the first death, to be freed; deaths noted after this are caused by it. NULL:
 * there is none. */
struct death *engine_next_death(struct engine *e);
/* Whether any is noted. */
bool engine_has_deaths(const struct engine *e);
/* Frees it with its event or item, if it still has them. */
void engine_free_death(struct death *death);
/* The turn is rolled back. */
void engine_forget_deaths(struct engine *e);

#endif
