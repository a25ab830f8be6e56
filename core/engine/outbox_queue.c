/*
 * outbox_queue.c - the lists of the outbox, and what is in flight.
 */
#include "engine/outbox_impl.h"

#include "base/blocks.h"

#include <assert.h>
#include <stdlib.h>

void item_list_init(struct item_list *list) {
    TAILQ_INIT(&list->items);
    list->count = 0;
}

void item_list_add(struct item_list *list, struct outbox_item *item) {
    TAILQ_INSERT_TAIL(&list->items, item, link);
    list->count++;
}

struct outbox_item *item_list_take(struct item_list *list) {
    struct outbox_item *item = TAILQ_FIRST(&list->items);
    if (item != NULL) {
        TAILQ_REMOVE(&list->items, item, link);
        list->count--;
    }
    return item;
}

void item_list_prepend(struct item_list *to, struct item_list *from) {
    TAILQ_CONCAT(&from->items, &to->items, link);
    TAILQ_CONCAT(&to->items, &from->items, link);
    to->count += from->count;
    from->count = 0;
}

void outbox_item_free(struct outbox *o, struct outbox_item *item) {
    assert(o->bytes >= item->bytes);
    o->bytes -= item->bytes;
    memory_give(o->memory, MEMORY_PUBLISHES, item->bytes);
    blocks_give(item, sizeof *item + item->bytes);
}

static void list_clear(struct outbox *o, struct item_list *list) {
    struct outbox_item *item;
    while ((item = item_list_take(list)) != NULL) {
        outbox_item_free(o, item);
    }
}

static void free_blocked(struct outbox *o) {
    struct outbox_item *item;
    while (o->blocked.count > 0 && (item = TAILQ_FIRST(&o->blocked.items)) != NULL) {
        TAILQ_REMOVE(&o->blocked.items, item, link);
        outbox_item_free(o, item);
    }
    blocked_clear(&o->blocked);
}

static uint16_t *owner_out(struct outbox *o, const struct outbox_item *item) {
    return &o->owners_out[item->publication.owner % OWNER_SLOTS];
}

void outbox_flies(struct outbox *o, int mid, struct outbox_item *item) {
    assert(mid > 0 && mid < MQTT_PACKET_IDS && o->by_mid[mid] == NULL); /* INV-OUTBOX-1 */
    assert(o->in_flight < OUTBOX_WINDOW_MAX);                           /* INV-OUTBOX-2 */
    o->by_mid[mid] = item;
    o->in_flight++;
    ++*owner_out(o, item);
}

struct outbox_item *outbox_landed(struct outbox *o, int mid) {
    struct outbox_item *item = o->by_mid[mid];
    assert(item != NULL && o->in_flight > 0 && *owner_out(o, item) > 0); /* INV-OUTBOX-2 */
    o->by_mid[mid] = NULL;
    o->in_flight--;
    --*owner_out(o, item);
    return item;
}

void outbox_forget(struct outbox *o) {
    list_clear(o, &o->staged);
    list_clear(o, &o->queued);
    list_clear(o, &o->acked);
    for (int i = 0; o->in_flight > 0 && i < MQTT_PACKET_IDS; i++) {
        struct outbox_item *item = o->by_mid[i] == NULL ? NULL : outbox_landed(o, i);
        if (item != NULL && !item->out) { /* otherwise it is also in the blocked list */
            outbox_item_free(o, item);
        }
    }
    free_blocked(o);
    o->alone = false;
    o->trial_size = 1;
}

/* Rows held behind one that is gone go to the front: they are older than the queued ones. */
void outbox_release(struct outbox *o, uint64_t owner) {
    struct item_list freed;
    struct outbox_item *item;
    item_list_init(&freed);
    while ((item = blocked_freed(&o->blocked, owner)) != NULL) {
        blocked_remove(&o->blocked, item);
        item_list_add(&freed, item);
    }
    item_list_prepend(&o->queued, &freed);
}
