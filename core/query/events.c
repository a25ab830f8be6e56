/*
 * events.c - see query/events.h.
 *
 * Ids sort by time, and each group of partitions has its own rows: the walk holds the newest unread
 * event of each group, and returns the newest of them.
 */
#include "query/events.h"

#include "query/json.h"
#include "conf/service.h"
#include "journal/event.h"

#include <string.h>

int look_each_by_id(struct journal *j, const struct uuid *id, void *ctx,
                    int (*each)(void *ctx, struct event *event)) {
    for (uint8_t group = 0; group < journal_event_groups(j); group++) {
        struct event_walk walk = {.group = group, .at.id = *id};
        struct event *event = NULL;
        int code = journal_event_next(j, &walk, &event);
        while (code == 0 && uuid_equal(&walk.at.id, id)) {
            code = each(ctx, event);
            if (code == 0) {
                code = journal_event_next(j, &walk, &event);
            }
            if (code != 0 && code != ERR_NOTFOUND) {
                return code;
            }
        }
        if (code == 0) {
            event_free(event);
        } else if (code != ERR_NOTFOUND) {
            return code;
        }
    }
    return 0;
}

/* ---- the walk ---- */

/* The partition of the events that match; where they may be in any, 0. */
static uint8_t partition_of(const struct journal *j, const struct look_filter *filter) {
    if (!filter->by_service || !filter->by_key) {
        return 0;
    }
    struct slice name = slice_of(look_service_name(j, filter->service));
    return journal_partition(journal_lane_of(j, name, filter->key));
}

void look_walk_init(struct look_walk *walk, const struct journal *j,
                    const struct look_filter *filter) {
    struct event_walk wanted = {.by_partition = filter->by_service && filter->by_key,
                                .by_service = filter->by_service,
                                .by_state = filter->by_state,
                                .partition = partition_of(j, filter),
                                .service = filter->service,
                                .state = (uint8_t)filter->state};
    memset(&wanted.at, 0xFF, sizeof wanted.at);
    *walk = (struct look_walk){.count = journal_event_groups(j)};
    for (unsigned i = 0; i < walk->count; i++) {
        wanted.group = (uint8_t)i;
        walk->parts[i].walk = wanted;
        walk->parts[i].over = wanted.by_partition && i != journal_event_group(j, wanted.partition);
    }
}

void look_walk_after(struct look_walk *walk, const struct uuid *id, uint16_t service) {
    for (unsigned i = 0; i < walk->count; i++) {
        walk->parts[i].walk.at = (struct event_place){.service = service, .id = *id};
    }
}

static int fill_walk(struct journal *j, struct look_walk *walk) {
    for (unsigned i = 0; i < walk->count; i++) {
        struct look_part *part = &walk->parts[i];
        if (part->over || part->event != NULL) {
            continue;
        }
        int code = journal_event_prev(j, &part->walk, &part->event);
        if (code == ERR_NOTFOUND) {
            part->over = true;
        } else if (code != 0) {
            return code;
        }
    }
    return 0;
}

static bool comes_before(const struct event *a, const struct event *b) {
    int order = memcmp(a->id.bytes, b->id.bytes, UUID_BYTES);
    return order > 0 || (order == 0 && a->service > b->service);
}

int look_walk_next(struct journal *j, struct look_walk *walk, struct event **out) {
    struct look_part *newest = NULL;
    bool over = true;
    int code = fill_walk(j, walk);
    *out = NULL;
    for (unsigned i = 0; code == 0 && i < walk->count; i++) {
        struct look_part *part = &walk->parts[i];
        over = over && part->over;
        if (part->event != NULL && (newest == NULL || comes_before(part->event, newest->event))) {
            newest = part;
        }
    }
    if (newest != NULL) {
        *out = newest->event;
        newest->event = NULL;
    }
    return code == 0 && over ? ERR_NOTFOUND : code;
}

void look_walk_clear(struct look_walk *walk) {
    for (unsigned i = 0; i < walk->count; i++) {
        event_free(walk->parts[i].event);
        walk->parts[i].event = NULL;
    }
}

/* ---- filters ---- */

bool look_matches(const struct look_filter *filter, const struct event *event) {
    return (!filter->by_service || event->service == filter->service) &&
           (!filter->by_key || slice_equal(event->key, filter->key)) &&
           (!filter->by_state || event->state == filter->state) &&
           (filter->topic == NULL || filter_matches(filter->topic, event->topic.data));
}
