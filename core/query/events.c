/*
 * events.c - see query/events.h.
 *
 * Ids sort by time, and each group of partitions has its own rows: the walk holds the newest event of
 * each group as soon as it has found it, and returns the newest of them.
 */
#include "query/events.h"

#include "query/json.h"
#include "conf/service.h"
#include "journal/event.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
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
    *walk = (struct look_walk){.count = journal_event_groups(j), .filter = *filter};
    for (unsigned i = 0; i < walk->count; i++) {
        wanted.group = (uint8_t)i;
        walk->parts[i].walk = wanted;
        walk->parts[i].over = wanted.by_partition && i != journal_event_group(j, wanted.partition);
    }
}

void look_walk_after(struct look_walk *walk, const struct event_place *place) {
    for (unsigned i = 0; i < walk->count; i++) {
        walk->parts[i].walk.at = (struct event_place){.service = place->service, .id = place->id};
    }
}

/* Where it stands: all that comes first has been returned or passed over. The event that is held has
 * not; no service has the last number. */
static struct event_place place_of(const struct look_part *part) {
    const struct event *held = part->event;
    return held == NULL
               ? part->walk.at
               : (struct event_place){.id = held->id, .service = (uint16_t)(held->service + 1)};
}

/* From the newest to the oldest. */
static bool comes_before(const struct event_place *a, const struct event_place *b) {
    int order = memcmp(a->id.bytes, b->id.bytes, UUID_BYTES);
    return order > 0 || (order == 0 && a->service > b->service);
}

/* The one that stands first, of those that hold an event or of those that have to be read; NULL. */
static struct look_part *first_part(struct look_walk *walk, bool held) {
    struct look_part *first = NULL;
    struct event_place least = {0};
    for (unsigned i = 0; i < walk->count; i++) {
        struct look_part *part = &walk->parts[i];
        struct event_place place = place_of(part);
        bool asked = held ? part->event != NULL : part->event == NULL && !part->over;
        if (asked && (first == NULL || comes_before(&place, &least))) {
            first = part;
            least = place;
        }
    }
    return first;
}

/* Whether a part has to be read on before an event is known to be the newest. */
static bool is_behind(const struct look_part *part, const struct event *newest) {
    if (newest == NULL) {
        return true;
    }
    const struct event_place place = {.id = newest->id, .service = newest->service};
    return comes_before(&part->walk.at, &place);
}

/* Reads on in the part that stands first, until no event there can be newer than the newest that is
 * held: so the parts advance side by side. *newest NULL: rows were passed over. */
static int find_newest(struct journal *j, struct look_walk *walk, struct look_part **newest) {
    for (;;) {
        struct look_part *unread = first_part(walk, false);
        *newest = first_part(walk, true);
        if (unread == NULL || !is_behind(unread, *newest == NULL ? NULL : (*newest)->event)) {
            return *newest == NULL ? ERR_NOTFOUND : 0;
        }
        int code = journal_event_prev(j, &unread->walk, &unread->event);
        unread->over = code == ERR_NOTFOUND;
        walk->passed += unread->walk.passed;
        if (code == 0 && unread->event == NULL) {
            *newest = NULL;
            return 0;
        }
        if (code != 0 && !unread->over) {
            return code;
        }
    }
}

static bool matches(const struct look_filter *filter, const struct event *event) {
    return (!filter->by_key || slice_equal(event->key, filter->key)) &&
           (filter->topic == NULL || filter_matches(filter->topic, event->topic.data));
}

int look_walk_next(struct journal *j, struct look_walk *walk, struct event **out) {
    struct look_part *newest = NULL;
    int code = find_newest(j, walk, &newest);
    *out = NULL;
    if (code != 0 || newest == NULL) {
        return code;
    }
    if (matches(&walk->filter, newest->event)) {
        *out = newest->event;
    } else {
        walk->passed++;
        event_free(newest->event);
    }
    newest->event = NULL;
    return 0;
}

struct event_place look_walk_place(const struct look_walk *walk) {
    struct event_place first = {0};
    for (unsigned i = 0; i < walk->count; i++) {
        struct event_place place = place_of(&walk->parts[i]);
        bool left = walk->parts[i].event != NULL || !walk->parts[i].over;
        first = left && comes_before(&place, &first) ? place : first;
    }
    return first;
}

void look_walk_clear(struct look_walk *walk) {
    for (unsigned i = 0; i < walk->count; i++) {
        event_free(walk->parts[i].event);
        walk->parts[i].event = NULL;
    }
}

/* ---- places ---- */

void look_place_text(const struct event_place *place, char out[LOOK_PLACE_BYTES]) {
    char id[UUID_TEXT_BYTES + 1];
    (void)snprintf(out, LOOK_PLACE_BYTES, "%s.%u", uuid_text(&place->id, id), place->service);
}

bool look_place_parse(const char *text, struct event_place *out) {
    struct slice id = {text, strcspn(text, ".")};
    const char *number = text + id.len + (text[id.len] == '.' ? 1 : 0);
    char *end = NULL;
    unsigned long service = isdigit((unsigned char)*number) ? strtoul(number, &end, 10) : 0;
    *out = (struct event_place){.service = (uint16_t)service};
    bool whole = end == NULL ? text[id.len] == '\0' : *end == '\0';
    return whole && service <= UINT16_MAX && uuid_parse(id, &out->id);
}
