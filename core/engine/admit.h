/*
 * admit.h - a message becomes an event of one service.
 */
#ifndef ZINGQ_ENGINE_ADMIT_H
#define ZINGQ_ENGINE_ADMIT_H

#include "engine/services.h"

/* The origin of an event decides whether it may be forwarded to another host. */
enum admit {
    ADMIT_MESSAGE,   /* from the broker: for the host that owns its key or identity */
    ADMIT_PUBLISH,   /* published here: the same, but its id is new to every host */
    ADMIT_FORWARDED, /* from another host, which determined that it is ours */
    ADMIT_OWN,       /* caused by something on this host: it stays */
};

/* Takes the event over. `key` data NULL = by the service's rule. */
int engine_admit(struct engine *e, struct engine_service *s, struct event *event, enum admit from,
                 bool *duplicate);
/* A message that cannot be handled becomes a dead letter; takes the event over. */
int engine_admit_dead(struct engine *e, struct engine_service *s, struct event *event,
                      const char *reason);
/* Recomputes key, lane and partition of a dead event that never ran. ERR_INVALID (r): it still has
 * no key; nothing has changed. */
int engine_rekey(struct engine *e, struct engine_service *s, struct event *event, struct report *r);
/* The same for a dead event whose payload was changed: `edited` gets key, lane and partition of its
 * payload if they differ from those of the old one, and its idempotency key is noted if it changed
 * (*identified). Nothing moves. ERR_INVALID, ERR_EXISTS (r): the event cannot have this payload. */
int engine_readdress(struct engine *e, struct engine_service *s, struct event *old,
                     struct event *edited, bool *identified, struct report *r);
/* Lane and partition of an event that the service takes over, with the key that it has. */
void engine_relocate(const struct engine_service *s, struct event *event);
/* History and steps of an event that is to be stored in another partition move there, its record is
 * deleted. */
int engine_move_event(struct engine *e, const struct event *from, const struct event *to);

#endif
