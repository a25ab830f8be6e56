/*
 * bury.h - events that died: noted here, settled by engine/death.c once what they died of is over.
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
    struct lane_item *item; /* owned; still taken, so that its lane holds. NULL = it has no lane */
    struct event *event;    /* the item's, or owned */
    enum event_state state; /* dead, in need of a person, or discarded by one */
    unsigned generation;    /* 0, or one more than that of the death whose policies caused it */
    char reason[];
};

/* ERR_MEMORY. */
int engine_make_deaths(struct engine *e);
void engine_free_deaths(struct engine *e);
/* An event without a lane or a row ends in that state; takes it over. ERR_MEMORY. */
int engine_bury(struct engine *e, struct engine_service *s, struct event *event,
                enum event_state state, const char *reason);
/* The same for an event that was taken off its lane. */
int engine_bury_item(struct engine *e, struct engine_service *s, struct lane_item *item,
                     enum event_state state, const char *reason);
/* Whether one that is noted has the id. */
bool engine_is_dying(const struct engine *e, const struct engine_service *s, uint8_t partition,
                     const struct uuid *id);
/* The first of them, off the list, to be freed; those noted from now on are caused by it. NULL:
 * there is none. */
struct death *engine_next_death(struct engine *e);
/* Whether any is noted. */
bool engine_has_deaths(const struct engine *e);
/* With its event or item, as far as it still has them. */
void engine_free_death(struct death *death);
/* The turn is given up. */
void engine_forget_deaths(struct engine *e);

#endif
