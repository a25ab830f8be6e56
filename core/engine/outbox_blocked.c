/*
 * outbox_blocked.c - rows that may not be sent with the others: why, and when they are tried.
 *
 * One list with two indexes. By owner: rows behind a blocked row of the same key are held. By
 * topic, because access rules are about topics: while a topic is refused, its rows become refused
 * without being tried, and one of them, each time another, is tried for all. A row that is too
 * large can delay the others of its topic this way, but only once.
 *
 * OUTBOX_BLOCKED_MAX bounds all of it, so walking through the list is cheap enough for what happens
 * a few times per second. What happens for each publish uses the hashes.
 */
#include "engine/outbox_impl.h"

#include <assert.h>
#include <stdlib.h>

enum { RETRY_MS_MIN = 5000, RETRY_FACTOR = 3, SOON_MS_MIN = 1000 };

uint64_t blocked_topic_hash(struct slice topic) {
    uint64_t hash = 14695981039346656037u; /* FNV-1a: a collision only delays */
    for (size_t i = 0; i < topic.len; i++) {
        hash = (hash ^ (uint8_t)topic.data[i]) * 1099511628211u;
    }
    return hash;
}

static struct outbox_item **owner_slot(struct blocked *b, uint64_t owner) {
    return &b->by_owner[owner % OWNER_SLOTS];
}

static void count_state(struct blocked *b, const struct outbox_item *item, int by) {
    size_t *counts[] = {
        [ITEM_SUSPECT] = &b->suspects, [ITEM_REFUSED] = &b->refused, [ITEM_HELD] = &b->held};
    if (item->state == ITEM_SUSPECT || item->state == ITEM_REFUSED || item->state == ITEM_HELD) {
        *counts[item->state] += (size_t)by;
    }
    b->topic_count = b->refused == 0 ? 0 : b->topic_count;
    b->stale = true;
}

void blocked_add(struct blocked *b, struct outbox_item *item, enum item_state state) {
    assert(item->state == ITEM_CLEAN && state != ITEM_CLEAN && !item->out); /* INV-OUTBOX-3 */
    item->state = state;
    TAILQ_INSERT_TAIL(&b->items, item, link);
    struct outbox_item **slot = owner_slot(b, item->publication.owner);
    item->owner_next = *slot;
    *slot = item;
    b->count++;
    b->bytes += item->bytes;
    count_state(b, item, 1);
}

void blocked_move(struct blocked *b, struct outbox_item *item, enum item_state state) {
    assert(item->state != ITEM_CLEAN && state != ITEM_CLEAN); /* INV-OUTBOX-3 */
    b->stale = true;
    if (item->state == state) {
        return;
    }
    count_state(b, item, -1);
    item->state = state;
    count_state(b, item, 1);
}

void blocked_out(struct blocked *b, struct outbox_item *item, bool out) {
    assert(item->state != ITEM_CLEAN && item->out != out); /* INV-OUTBOX-3 */
    item->out = out;
    b->out += out ? 1 : (size_t)-1;
    b->stale = true;
}

void blocked_remove(struct blocked *b, struct outbox_item *item) {
    assert(item->state != ITEM_CLEAN && !item->out);      /* INV-OUTBOX-3 */
    assert(b->count > b->out && b->bytes >= item->bytes); /* INV-OUTBOX-4 */
    TAILQ_REMOVE(&b->items, item, link);
    struct outbox_item **at = owner_slot(b, item->publication.owner);
    while (*at != item) {
        assert(*at != NULL);
        at = &(*at)->owner_next;
    }
    *at = item->owner_next;
    b->count--;
    b->bytes -= item->bytes;
    b->to_mark -= item->to_mark ? 1 : 0;
    item->to_mark = false;
    count_state(b, item, -1);
    item->state = ITEM_CLEAN;
    item->owner_next = NULL;
}

void blocked_clear(struct blocked *b) {
    *b = (struct blocked){.stale = true};
    TAILQ_INIT(&b->items);
}

bool blocked_holds(const struct blocked *b, const struct outbox_item *item, bool out_passes) {
    uint64_t owner = item->publication.owner;
    if (owner == 0 || b->count == 0) {
        return false;
    }
    const struct outbox_item *other = b->by_owner[owner % OWNER_SLOTS];
    while (other != NULL && (other->publication.owner != owner || other->seq >= item->seq ||
                             (out_passes && other->out))) {
        other = other->owner_next;
    }
    return other != NULL;
}

struct outbox_item *blocked_freed(const struct blocked *b, uint64_t owner) {
    struct outbox_item *first = NULL;
    if (owner == 0) {
        return NULL;
    }
    for (struct outbox_item *i = b->by_owner[owner % OWNER_SLOTS]; i != NULL; i = i->owner_next) {
        if (i->publication.owner == owner && (first == NULL || i->seq < first->seq)) {
            first = i;
        }
    }
    return first != NULL && first->state == ITEM_HELD ? first : NULL;
}

/* --- refused --- */

bool blocked_is_passing(uint8_t reason) {
    return reason == 0x80 || reason == 0x83 || reason == 0x97;
}

bool blocked_is_about_topic(uint8_t reason, bool closed) {
    return closed || reason == 0x87 || reason == 0x90 || blocked_is_passing(reason);
}

static struct refused_topic *find_topic(const struct blocked *b, uint64_t hash) {
    for (size_t i = 0; i < b->topic_count; i++) {
        if (b->topics[i].hash == hash) {
            return (struct refused_topic *)&b->topics[i];
        }
    }
    return NULL;
}

bool blocked_topic_refused(const struct blocked *b, uint64_t topic) {
    return find_topic(b, topic) != NULL;
}

/* A quarter of the interval is random, so that rows refused together are not retried together. */
static int64_t step_ms(int64_t least, int64_t factor, int64_t most, unsigned tries, uint64_t seq) {
    int64_t step = least;
    for (unsigned i = 1; i < tries && step < most; i++) {
        step *= factor;
    }
    step = step < most ? step : most;
    int64_t spread = step / 4;
    return step - (int64_t)((seq * 0x9E3779B97F4A7C15u >> 32) % (uint64_t)spread);
}

static int64_t retry_ms(unsigned tries, uint64_t seq) {
    return step_ms(RETRY_MS_MIN, RETRY_FACTOR, OUTBOX_RETRY_MS, tries, seq);
}

static void block_as(struct blocked *b, struct outbox_item *item, enum item_state state) {
    if (item->state == ITEM_CLEAN) {
        blocked_add(b, item, state);
    } else {
        blocked_move(b, item, state);
    }
}

void blocked_refuse(struct blocked *b, struct outbox_item *item, int64_t now_ms, bool by_topic) {
    block_as(b, item, ITEM_REFUSED);
    struct refused_topic *topic = find_topic(b, item->topic);
    item->tries++;
    if (topic == NULL && by_topic && item->tries == 1 && b->topic_count < OUTBOX_TOPICS_MAX) {
        topic = &b->topics[b->topic_count++];
        *topic = (struct refused_topic){.hash = item->topic};
    }
    item->due_ms = now_ms + retry_ms(item->tries, item->seq);
    if (topic != NULL && topic->due_ms > now_ms) {
        item->due_ms = INT64_MAX; /* one of many in flight together */
    } else if (topic != NULL) {
        topic->tries++;
        topic->due_ms = now_ms + retry_ms(topic->tries, item->topic);
        item->due_ms = INT64_MAX;
    }
}

void blocked_put_off(struct blocked *b, struct outbox_item *item, int64_t now_ms) {
    block_as(b, item, ITEM_SOON);
    item->tries++;
    item->due_ms = now_ms + step_ms(SOON_MS_MIN, 2, OUTBOX_SOON_MS_MAX, item->tries, item->seq);
}

static void forget_topic(struct blocked *b, struct refused_topic *topic) {
    *topic = b->topics[--b->topic_count];
    b->stale = true;
}

void blocked_topic_taken(struct blocked *b, uint64_t hash) {
    struct refused_topic *topic = find_topic(b, hash);
    if (topic == NULL) {
        return;
    }
    forget_topic(b, topic);
    struct outbox_item *i;
    TAILQ_FOREACH(i, &b->items, link) {
        if (i->state == ITEM_REFUSED && i->topic == hash && !i->out) {
            blocked_move(b, i, ITEM_SUSPECT);
        }
    }
}

/* --- what is due --- */

int64_t blocked_due_ms(struct blocked *b) {
    if (!b->stale) {
        return b->due_ms;
    }
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < b->topic_count; i++) {
        due = b->topics[i].due_ms < due ? b->topics[i].due_ms : due;
    }
    const struct outbox_item *i;
    TAILQ_FOREACH(i, &b->items, link) {
        bool waits = (i->state == ITEM_REFUSED || i->state == ITEM_SOON) && !i->out;
        due = waits && i->due_ms < due ? i->due_ms : due;
    }
    b->due_ms = due;
    b->stale = false;
    return due;
}

/* The row of this topic with the fewest tries. */
static struct outbox_item *least_tried(const struct blocked *b, uint64_t topic) {
    struct outbox_item *least = NULL;
    struct outbox_item *i;
    TAILQ_FOREACH(i, &b->items, link) {
        if (i->state == ITEM_REFUSED && i->topic == topic && !i->out &&
            (least == NULL || i->tries < least->tries)) {
            least = i;
        }
    }
    return least;
}

static struct outbox_item *due_by_topic(struct blocked *b, int64_t now_ms) {
    for (size_t i = 0; i < b->topic_count;) {
        struct refused_topic *topic = &b->topics[i];
        struct outbox_item *item = topic->due_ms <= now_ms ? least_tried(b, topic->hash) : NULL;
        if (item != NULL) {
            return item;
        }
        if (topic->due_ms <= now_ms) {
            forget_topic(b, topic); /* its rows were discarded */
            continue;
        }
        i++;
    }
    return NULL;
}

struct outbox_item *blocked_due(struct blocked *b, enum item_state state, int64_t now_ms) {
    if (blocked_due_ms(b) > now_ms) {
        return NULL;
    }
    struct outbox_item *item = state == ITEM_REFUSED ? due_by_topic(b, now_ms) : NULL;
    struct outbox_item *i = TAILQ_FIRST(&b->items);
    for (; item == NULL && i != NULL; i = TAILQ_NEXT(i, link)) {
        item = i->state == state && !i->out && i->due_ms <= now_ms ? i : NULL;
    }
    return item;
}

struct outbox_item *blocked_first(const struct blocked *b, enum item_state state) {
    struct outbox_item *item = TAILQ_FIRST(&b->items);
    while (item != NULL && (item->state != state || item->out)) {
        item = TAILQ_NEXT(item, link);
    }
    return item;
}

struct outbox_item *blocked_last_suspect(const struct blocked *b) {
    struct outbox_item *item = TAILQ_LAST(&b->items, outbox_items);
    while (item != NULL &&
           (item->state != ITEM_SUSPECT || item->out || blocked_holds(b, item, false))) {
        item = TAILQ_PREV(item, outbox_items, link);
    }
    return item;
}
