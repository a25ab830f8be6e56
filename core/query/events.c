/*
 * events.c - see query/events.h.
 *
 * Ids sort by time, and each partition has its own rows: the walk holds the newest unread event of
 * each partition, and returns the newest of them.
 */
#include "query/events.h"

#include "query/json.h"
#include "conf/service.h"
#include "journal/event.h"

#include <string.h>

int look_each_by_id(struct journal *j, const struct uuid *id, void *ctx,
                    int (*each)(void *ctx, struct event *event)) {
    for (uint8_t p = 0; p < PARTITIONS; p++) {
        struct uuid at = *id;
        uint16_t service = 0;
        struct event *event = NULL;
        int code = journal_event_next(j, p, &at, &service, false, &event);
        while (code == 0 && uuid_equal(&at, id)) {
            code = each(ctx, event);
            if (code == 0) {
                code = journal_event_next(j, p, &at, &service, true, &event);
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

void look_walk_init(struct look_walk *walk, int partition) {
    memset(walk, 0, sizeof *walk);
    for (int p = 0; p < PARTITIONS; p++) {
        memset(walk->parts[p].id.bytes, 0xFF, UUID_BYTES);
        walk->parts[p].service = UINT16_MAX;
        walk->parts[p].over = partition >= 0 && p != partition;
    }
}

void look_walk_after(struct look_walk *walk, const struct uuid *id, uint16_t service) {
    for (int p = 0; p < PARTITIONS; p++) {
        walk->parts[p].id = *id;
        walk->parts[p].service = service;
    }
}

static int fill_walk(struct journal *j, struct look_walk *walk) {
    for (uint8_t p = 0; p < PARTITIONS; p++) {
        if (walk->parts[p].over || walk->parts[p].event != NULL) {
            continue;
        }
        int code = journal_event_prev(j, p, &walk->parts[p].id, &walk->parts[p].service,
                                      &walk->parts[p].event);
        if (code == ERR_NOTFOUND) {
            walk->parts[p].over = true;
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
    int code = fill_walk(j, walk);
    if (code != 0) {
        return code;
    }
    int newest = -1;
    for (int p = 0; p < PARTITIONS; p++) {
        const struct event *event = walk->parts[p].event;
        if (event != NULL && (newest < 0 || comes_before(event, walk->parts[newest].event))) {
            newest = p;
        }
    }
    if (newest < 0) {
        return ERR_NOTFOUND;
    }
    *out = walk->parts[newest].event;
    walk->parts[newest].event = NULL;
    return 0;
}

void look_walk_clear(struct look_walk *walk) {
    for (int p = 0; p < PARTITIONS; p++) {
        event_free(walk->parts[p].event);
        walk->parts[p].event = NULL;
    }
}

/* ---- filters ---- */

int look_filter_partition(const struct journal *j, const struct look_filter *filter) {
    if (!filter->by_service || !filter->by_key) {
        return -1;
    }
    struct slice name = slice_of(look_service_name(j, filter->service));
    return journal_partition(journal_lane_of(j, name, filter->key));
}

bool look_matches(const struct look_filter *filter, const struct event *event) {
    return (!filter->by_service || event->service == filter->service) &&
           (!filter->by_key || slice_equal(event->key, filter->key)) &&
           (!filter->by_state || event->state == filter->state) &&
           (filter->topic == NULL || filter_matches(filter->topic, event->topic.data));
}
