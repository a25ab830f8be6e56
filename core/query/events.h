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

/* Events from the newest to the oldest. */
struct look_walk {
    struct look_filter filter;
    unsigned count;
    uint64_t passed; /* rows that were passed over, because they do not match */
    struct look_part {
        struct event_walk walk;
        bool over;
        struct event *event; /* the next one, owned; NULL = not read yet */
    } parts[PARTITIONS];     /* as many are enough for the groups */
};

/* What the filter borrows must outlive the walk. */
void look_walk_init(struct look_walk *walk, const struct journal *j,
                    const struct look_filter *filter);
/* Only events after this place in the walk. */
void look_walk_after(struct look_walk *walk, const struct event_place *place);
/* The next event that matches, the caller's from now on; NULL when this step passed over others.
 * ERR_NOTFOUND after the last. */
int look_walk_next(struct journal *j, struct look_walk *walk, struct event **out);
/* Where a walk that looks for the rest begins: look_walk_after. Its id is zero if there is no rest. */
struct event_place look_walk_place(const struct look_walk *walk);
void look_walk_clear(struct look_walk *walk);

/* ID.SERVICE, or ID alone: how people and the API pass on a place. */
enum { LOOK_PLACE_BYTES = UUID_TEXT_BYTES + 12 };

void look_place_text(const struct event_place *place, char out[LOOK_PLACE_BYTES]);
/* False: that is none. */
bool look_place_parse(const char *text, struct event_place *out);

#endif
