/*
 * events.h - events by id, and from the newest to the oldest.
 *
 * Everything reads within a transaction, a few rows a call; between two calls the transaction may
 * end and another begin.
 */
#ifndef ZINGQ_QUERY_EVENTS_H
#define ZINGQ_QUERY_EVENTS_H

#include "event/event.h"
#include "journal/event.h"
#include "journal/journal.h"

/* Every event with the id, one a service: `each` gets it and owns it. */
int look_each_by_id(struct journal *j, const struct uuid *id, void *ctx,
                    int (*each)(void *ctx, struct event *event));

/* Which events match; zeroed: all. Slices are borrowed. */
struct look_filter {
    bool by_service, by_key, by_state;
    uint16_t service;
    enum event_state state;
    struct slice key;
    const char *topic; /* a topic filter, or NULL */
};

/* Whether the event is one of those. */
bool look_matches(const struct look_filter *filter, const struct event *event);

/* Events from the newest to the oldest. */
struct look_walk {
    unsigned count;
    struct look_part {
        struct event_walk walk;
        bool over;
        struct event *event; /* the next one, owned; NULL = not read yet */
    } parts[PARTITIONS];     /* as many are enough for the groups */
};

/* Most events that do not match are passed over; look_matches tells the rest. */
void look_walk_init(struct look_walk *walk, const struct journal *j,
                    const struct look_filter *filter);
/* Only events after this one in the walk. */
void look_walk_after(struct look_walk *walk, const struct uuid *id, uint16_t service);
/* The next event, the caller's from now on; NULL when this step passed over others. ERR_NOTFOUND after the last. */
int look_walk_next(struct journal *j, struct look_walk *walk, struct event **out);
void look_walk_clear(struct look_walk *walk);

#endif
