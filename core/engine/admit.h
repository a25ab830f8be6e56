/*
 * admit.h - a message becomes an event of one service.
 */
#ifndef ZINGQ_ENGINE_ADMIT_H
#define ZINGQ_ENGINE_ADMIT_H

#include "engine/services.h"

/* Where an event comes from decides whether it may go to another host. */
enum admit {
    ADMIT_MESSAGE,   /* from the broker: to whoever its key or identity makes responsible */
    ADMIT_PUBLISH,   /* published here: the same, but its id is news to everybody */
    ADMIT_FORWARDED, /* from another host, which saw that it is ours */
    ADMIT_OWN,       /* of something that is here: it stays */
};

/* Takes the event over. `key` data NULL = by the service's rule. */
int engine_admit(struct engine *e, struct engine_service *s, struct event *event, enum admit from,
                 bool *duplicate);
/* A message that cannot become work is a dead letter; takes the event over. */
int engine_admit_dead(struct engine *e, struct engine_service *s, struct event *event,
                      const char *reason);
/* A dead event that never ran gets its key, lane and partition anew. ERR_INVALID (r): it still has
 * none; nothing has changed. */
int engine_rekey(struct engine *e, struct engine_service *s, struct event *event, struct report *r);

#endif
