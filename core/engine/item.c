/*
 * item.c - one waiting event in memory: its body, which may be only on disk, and the list of items
 * that are new in this turn, also found by id.
 */
#include "engine/item.h"

#include "base/blocks.h"
#include "engine/impl.h"
#include "engine/lane.h"
#include "engine/rank.h"
#include "engine/services.h"
#include "journal/event.h"
#include "journal/keyed.h"

#include <assert.h>
#include <stdlib.h>

enum { NEW_BUCKETS = 1024 };

struct items {
    TAILQ_HEAD(new_items, lane_item) new; /* accepted in this turn, rows not yet written */
    LIST_HEAD(new_bucket, lane_item) new_ids[NEW_BUCKETS]; /* the same, by id */
    size_t body_bytes;                                     /* of waiting events in memory */
};

int engine_make_items(struct engine *e) {
    e->items = calloc(1, sizeof *e->items);
    if (e->items == NULL) {
        return ERR_MEMORY;
    }
    engine_forget_items(e);
    return 0;
}

void engine_free_items(struct engine *e) {
    if (e->items != NULL) {
        engine_forget_items(e);
    }
    free(e->items);
}

static size_t body_bytes(const struct event *event) {
    return sizeof *event + event->payload.len + event->topic.len + event->properties.len;
}

/* The item has its event in memory. */
static void count_body(struct engine *e, struct lane_item *item) {
    item->bytes = body_bytes(item->event);
    e->items->body_bytes += item->bytes;
    memory_take(e->memory, MEMORY_EVENTS, item->bytes);
}

struct lane_item *engine_item_new(struct engine *e, const struct row *row, struct event *event,
                                  enum lane_place place) {
    struct lane_item *item = blocks_take(sizeof *item);
    if (item != NULL) {
        *item = (struct lane_item){.id = row->id,
                                   .seq = row->seq,
                                   .rank = row->rank,
                                   .since_ms = (int64_t)(row->seq / 1000), /* journal_next_seq */
                                   .place = place,
                                   .event = event};
        if (event != NULL) {
            count_body(e, item);
        }
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
        count_body(e, item);
    }
    return code;
}

void engine_drop_body(struct engine *e, struct lane_item *item) {
    assert(item->bytes <= e->items->body_bytes); /* INV-ENGINE-4 */
    e->items->body_bytes -= item->bytes;
    memory_give(e->memory, MEMORY_EVENTS, item->bytes);
    item->bytes = 0;
    event_free(item->event);
    item->event = NULL;
}

void engine_item_free(struct engine *e, struct lane_item *item) {
    assert(!item->is_new); /* INV-ENGINE-6 */
    if (e->current_item == item) {
        e->current_item = NULL;
    }
    engine_drop_body(e, item);
    blocks_give(item, sizeof *item);
}

struct row engine_item_row(const struct lane_item *item, const struct engine_service *s) {
    struct lane_flows flows = lane_flows_of(item->lane);
    return (struct row){.partition = item->lane->partition,
                        .service = s->number,
                        .lane = item->lane->hash,
                        .seq = item->seq,
                        .id = item->id,
                        .key = flows.key,
                        .tenant = flows.tenant,
                        .rank = item->rank};
}

struct row engine_row(const struct event *event) {
    return (struct row){.partition = event->partition,
                        .service = event->service,
                        .lane = event->lane,
                        .seq = event->seq,
                        .id = event->id,
                        .rank = event->rank};
}

struct lane_flows engine_row_flows(const struct row *row) {
    return (struct lane_flows){
        .key = row->key, .tenant = row->tenant, .priority = rank_priority(row->rank)};
}

/* 0 stands for no flow. */
static uint64_t flow_hash(const struct engine_service *s, struct slice name, uint64_t kind) {
    uint64_t hash = journal_lane(s->origin, name) ^ kind;
    return hash == 0 || hash >= FLOW_LEVELS ? 1 : hash;
}

/* All events without a tenant are those of one tenant. */
static int find_tenant(struct engine *e, const struct engine_service *s, struct event *event,
                       uint64_t *tenant) {
    const uint64_t of_tenants = 0x9e3779b97f4a7c15u; /* a key of the same name is another flow */
    struct report r;
    buf_reset(&e->scratch);
    int code = rule_extract(&s->conf->fair, event, &e->scratch, &r);
    *tenant = flow_hash(s, buf_slice(&e->scratch), of_tenants ^ engine_rank_mix(event->rank));
    if (code == 0 && !slice_equal(event->tenant, buf_slice(&e->scratch))) {
        return event_set_tenant(event, buf_slice(&e->scratch));
    }
    return code == ERR_INVALID ? 0 : code;
}

int engine_new_row(struct engine *e, struct engine_service *s, struct event *event,
                   struct row *row) {
    const struct service_conf *conf = s->conf;
    bool of_key = !conf->ordered && event->key.len > 0;
    s->ranks = s->ranks || event->rank > 0;
    *row = engine_row(event);
    if (of_key || conf->key_rate_per_s > 0) {
        row->key = flow_hash(s, event->key, 0);
    }
    if (conf->fair.kind != RULE_NONE) {
        return find_tenant(e, s, event, &row->tenant);
    }
    if (of_key) {
        row->tenant = flow_hash(s, event->key, engine_rank_mix(event->rank));
    } else if (s->ranks) {
        row->tenant = engine_rank_flow(event->rank);
    }
    return 0;
}

static struct new_bucket *new_bucket(struct engine *e, const struct uuid *id) {
    struct reader r = reader_of(id->bytes + UUID_BYTES / 2, UUID_BYTES / 2); /* the random half */
    return &e->items->new_ids[read_u64(&r) % NEW_BUCKETS];
}

void engine_link_new(struct engine *e, struct lane_item *item) {
    LIST_INSERT_HEAD(new_bucket(e, &item->id), item, id_link);
    TAILQ_INSERT_TAIL(&e->items->new, item, new_link);
    item->is_new = true;
}

void engine_unlink_new(struct engine *e, struct lane_item *item) {
    assert(item->is_new); /* INV-ENGINE-6 */
    LIST_REMOVE(item, id_link);
    TAILQ_REMOVE(&e->items->new, item, new_link);
    item->is_new = false;
}

struct lane_item *engine_first_new(const struct engine *e) {
    return TAILQ_FIRST(&e->items->new);
}

bool engine_keeps_bodies(const struct engine *e) {
    return e->items->body_bytes <= memory_share(e->memory, MEMORY_EVENTS) / 2;
}

int engine_find_id(struct engine *e, const struct engine_service *s, uint8_t partition,
                   const struct uuid *id) {
    const struct lane_item *item;
    LIST_FOREACH(item, new_bucket(e, id), id_link) {
        if (uuid_equal(&item->id, id) && item->lane->service == s->index &&
            item->lane->partition == partition) {
            return 0;
        }
    }
    return journal_event_find(e->journal, partition, id, s->number);
}

void engine_forget_items(struct engine *e) {
    memory_give(e->memory, MEMORY_EVENTS, e->items->body_bytes);
    *e->items = (struct items){.body_bytes = 0};
    TAILQ_INIT(&e->items->new);
}

int engine_save(struct engine *e, struct lane_item *item) {
    return item->place == PLACE_NEW ? 0 : journal_event_put(e->journal, item->event);
}

struct cell engine_cell(const struct event *event, struct slice name) {
    return (struct cell){
        .partition = event->partition, .service = event->service, .key = event->key, .name = name};
}
