/*
 * item.c - one waiting event in memory: its body, which may be on disk alone, and the list
 * of those that are new in this turn, found by id too.
 */
#include "engine/item.h"

#include "engine/impl.h"
#include "engine/lane.h"
#include "engine/services.h"
#include "journal/event.h"
#include "journal/keyed.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* --- items --- */

static size_t body_bytes(const struct event *event) {
    return sizeof *event + event->payload.len + event->topic.len + event->properties.len;
}

struct lane_item *engine_item_new(struct engine *e, const struct row *row, struct event *event,
                                  enum lane_place place) {
    struct lane_item *item = calloc(1, sizeof *item);
    if (item != NULL) {
        item->id = row->id;
        item->seq = row->seq;
        item->since_ms = (int64_t)(row->seq / 1000); /* see journal_next_seq */
        item->place = place;
        item->event = event;
        item->bytes = event == NULL ? 0 : body_bytes(event);
        e->body_bytes += item->bytes;
    }
    return item;
}

int engine_load_body(struct engine *e, struct engine_service *s, struct lane_item *item) {
    if (item->event != NULL) {
        return 0;
    }
    int code =
        journal_event_get(e->journal, item->lane->partition, &item->id, s->number, &item->event);
    if (code == 0) {
        assert(item->event != NULL);
        item->bytes = body_bytes(item->event);
        e->body_bytes += item->bytes;
    }
    return code;
}

void engine_drop_body(struct engine *e, struct lane_item *item) {
    assert(item->bytes <= e->body_bytes); /* INV-ENGINE-4 */
    e->body_bytes -= item->bytes;
    item->bytes = 0;
    event_free(item->event);
    item->event = NULL;
}

void engine_item_free(struct engine *e, struct lane_item *item) {
    /* INV-ENGINE-6 */
    assert(item->new_prev == NULL && item->new_next == NULL && e->new_head != item);
    if (e->current_item == item) {
        e->current_item = NULL;
    }
    engine_drop_body(e, item);
    free(item);
}

struct row engine_item_row(const struct lane_item *item, const struct engine_service *s) {
    return (struct row){.partition = item->lane->partition,
                        .service = s->number,
                        .lane = item->lane->hash,
                        .seq = item->seq,
                        .id = item->id};
}

struct row engine_row(const struct event *event) {
    return (struct row){.partition = event->partition,
                        .service = event->service,
                        .lane = event->lane,
                        .seq = event->seq,
                        .id = event->id};
}

static struct lane_item **new_bucket(struct engine *e, const struct uuid *id) {
    struct reader r = reader_of(id->bytes + UUID_BYTES / 2, UUID_BYTES / 2); /* the random half */
    return &e->new_ids[read_u64(&r) % NEW_BUCKETS];
}

void engine_link_new(struct engine *e, struct lane_item *item) {
    struct lane_item **bucket = new_bucket(e, &item->id);
    item->new_twin = *bucket;
    *bucket = item;
    item->new_prev = e->new_tail;
    if (e->new_tail == NULL) {
        e->new_head = item;
    } else {
        e->new_tail->new_next = item;
    }
    e->new_tail = item;
}

void engine_unlink_new(struct engine *e, struct lane_item *item) {
    struct lane_item **link = new_bucket(e, &item->id);
    while (*link != item) {
        assert(*link != NULL); /* INV-ENGINE-6 */
        link = &(*link)->new_twin;
    }
    *link = item->new_twin;
    item->new_twin = NULL;
    if (item->new_prev == NULL) {
        assert(e->new_head == item);
        e->new_head = item->new_next;
    } else {
        item->new_prev->new_next = item->new_next;
    }
    if (item->new_next == NULL) {
        e->new_tail = item->new_prev;
    } else {
        item->new_next->new_prev = item->new_prev;
    }
    item->new_prev = NULL;
    item->new_next = NULL;
}

bool engine_id_taken(struct engine *e, const struct engine_service *s, uint8_t partition,
                     const struct uuid *id) {
    const struct lane_item *item = *new_bucket(e, id);
    while (item != NULL && (!uuid_equal(&item->id, id) || item->lane->service != s->index ||
                            item->lane->partition != partition)) {
        item = item->new_twin;
    }
    return item != NULL || journal_event_exists(e->journal, partition, id, s->number);
}

void engine_forget_new(struct engine *e) {
    e->new_head = NULL;
    e->new_tail = NULL;
    memset(e->new_ids, 0, sizeof e->new_ids);
}

int engine_save(struct engine *e, struct lane_item *item) {
    return item->place == PLACE_NEW ? 0 : journal_event_put(e->journal, item->event);
}

struct cell engine_cell(const struct event *event, struct slice name) {
    return (struct cell){
        .partition = event->partition, .service = event->service, .key = event->key, .name = name};
}
