/*
 * outbox.c - the way of a publish: staged, queued, in flight, acknowledged, as lists of items.
 * Blocked ones (engine/outbox_blocked.c) stand apart, and may be in flight, too.
 */
#include "engine/outbox.h"

#include "base/limits.h"
#include "base/log.h"
#include "engine/outbox_impl.h"
#include "journal/outbox.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int outbox_new(struct outbox **out, struct journal *journal, struct memory *memory) {
    struct outbox *o = calloc(1, sizeof *o);
    if (o == NULL) {
        return ERR_MEMORY;
    }
    o->journal = journal;
    o->memory = memory;
    o->trial_size = 1;
    item_list_init(&o->staged);
    item_list_init(&o->queued);
    item_list_init(&o->acked);
    blocked_clear(&o->blocked);
    buf_init(&o->record, (size_t)1 << 30);
    *out = o;
    return 0;
}

void outbox_free(struct outbox *o) {
    if (o == NULL) {
        return;
    }
    outbox_forget(o);
    buf_clear(&o->record);
    free(o->kept);
    free(o);
}

int outbox_add(struct outbox *o, int64_t now_ms, const struct publication *p) {
    buf_reset(&o->record);
    publication_encode(p, &o->record);
    if (o->record.failed) {
        return ERR_MEMORY;
    }
    struct slice record = buf_slice(&o->record);
    uint64_t seq = journal_next_seq(o->journal, now_ms);
    int code = journal_outbox_put(o->journal, seq, record);
    code = code == 0 ? outbox_keep(o, p->service, record.len) : code;
    if (code != 0) {
        return code;
    }
    if (o->on_disk > 0 || !outbox_fits(o, OUTBOX_QUEUE_MAX)) {
        o->on_disk++;
        return 0;
    }
    struct outbox_item *item = NULL;
    code = outbox_item_new(o, seq, record, &item);
    if (code == 0) {
        o->loaded = seq;
        item_list_add(&o->staged, item);
    }
    return code;
}

void outbox_committed(struct outbox *o) {
    struct outbox_item *item;
    while ((item = item_list_take(&o->staged)) != NULL) {
        item_list_add(&o->queued, item);
    }
}

static int by_seq(const void *a, const void *b) {
    const struct outbox_item *const *x = a;
    const struct outbox_item *const *y = b;
    return ((*x)->seq > (*y)->seq) - ((*x)->seq < (*y)->seq);
}

/* To the front of the queue, in order. */
static void send_again(struct outbox *o, struct outbox_item **items, size_t count) {
    struct item_list again;
    item_list_init(&again);
    qsort(items, count, sizeof *items, by_seq);
    for (size_t i = 0; i < count; i++) {
        item_list_add(&again, items[i]);
    }
    item_list_prepend(&o->queued, &again);
}

/* --- refusals --- */

/* True if the refusal may be temporary, as its reason says. A broker that accepts others but never
 * this one refuses it for good; one that accepts none has a problem of its own, however long. */
static bool passes(const struct outbox *o, const struct outbox_item *item) {
    if (item->state == ITEM_REFUSED) {
        return false; /* tried for its topic: unless the broker accepts it, the topic waits */
    }
    return item->state != ITEM_SOON || item->tries < PASSING_TRIES || item->taken == o->taken;
}

static void note_refused(struct outbox *o, struct outbox_item *item, int64_t now_ms,
                         uint8_t reason) {
    item->publication.refused_ms = now_ms;
    item->publication.refused_reason = reason;
    item->to_mark = true;
    o->blocked.to_mark++;
}

void outbox_refuse(struct outbox *o, struct outbox_item *item, int64_t now_ms, uint8_t reason,
                   const char *why) {
    char id[UUID_TEXT_BYTES + 1];
    struct publication *p = &item->publication;
    bool closed = reason == 0 && item->out;
    bool told = p->refused_ms != 0 || blocked_topic_refused(&o->blocked, item->topic);
    if (item->out) {
        blocked_out(&o->blocked, item, false);
    }
    blocked_refuse(&o->blocked, item, now_ms, blocked_is_about_topic(reason, closed));
    o->refusals = true;
    o->probe_ms = now_ms + (closed ? PROBE_GAP_LOST_MS : PROBE_GAP_MS);
    if (p->refused_ms == 0) {
        note_refused(o, item, now_ms, reason);
    }
    if (told) {
        return;
    }
    log_error("broker",
              "a publish was refused topic=%s id=%s: %s: kept in the outbox and retried; all "
              "others continue; check the broker's access rules and limits; zingq outbox list",
              p->topic.data, uuid_text(&p->id, id), why);
}

void outbox_refuse_untried(struct outbox *o, struct outbox_item *item, int64_t now_ms) {
    if (item->state == ITEM_CLEAN) {
        blocked_add(&o->blocked, item, ITEM_REFUSED);
    } else {
        blocked_move(&o->blocked, item, ITEM_REFUSED);
    }
    item->due_ms = INT64_MAX;
    if (item->publication.refused_ms == 0) {
        note_refused(o, item, now_ms, 0x87);
    }
}

static void put_off(struct outbox *o, struct outbox_item *item, int64_t now_ms, uint8_t reason) {
    if (item->out) {
        blocked_out(&o->blocked, item, false);
    }
    if (item->tries == 0) {
        item->taken = o->taken;
    }
    blocked_put_off(&o->blocked, item, now_ms);
    if (blocked_holds(&o->blocked, item, false)) {
        blocked_move(&o->blocked, item, ITEM_HELD);
    }
    bool told = now_ms < o->serial_until_ms;
    o->serial_until_ms = now_ms + SERIAL_MS;
    if (!told) {
        char id[UUID_TEXT_BYTES + 1];
        log_warn("broker",
                 "the broker could not take a publish just now, reason code 0x%02x topic=%s "
                 "id=%s: it goes again soon, and so do others it refuses so; their keys wait for "
                 "them",
                 reason, item->publication.topic.data, uuid_text(&item->publication.id, id));
    }
}

bool outbox_may_be_joined(const struct outbox *o) {
    return o->in_flight == 0 || (o->answered && !o->alone);
}

void outbox_beside(struct outbox *o) {
    o->beside++;
}

void outbox_beside_proven(struct outbox *o) {
    o->harmless = o->beside;
}

/* --- answers --- */

static void taken(struct outbox *o, struct outbox_item *item, int64_t now_ms) {
    o->forgiven = 0;
    o->taken++;
    if (item->state != ITEM_CLEAN) {
        o->probe_ms = item->state == ITEM_REFUSED ? now_ms : o->probe_ms;
        blocked_out(&o->blocked, item, false);
        blocked_remove(&o->blocked, item);
        blocked_topic_taken(&o->blocked, item->topic);
        outbox_release(o, item->publication.owner);
    }
    item_list_add(&o->acked, item);
}

void outbox_acknowledged(struct outbox *o, int64_t now_ms, int mid, uint8_t reason) {
    if (mid <= 0 || mid >= MQTT_PACKET_IDS || o->by_mid[mid] == NULL) {
        return;
    }
    struct outbox_item *item = outbox_landed(o, mid);
    o->harmless = item->beside > o->harmless ? item->beside : o->harmless;
    o->answered = true;
    if (reason < 0x80) {
        taken(o, item, now_ms);
    } else if (blocked_is_passing(reason) && passes(o, item)) {
        put_off(o, item, now_ms, reason);
    } else {
        char why[64];
        item->tries = item->state == ITEM_SOON ? 0 : item->tries;
        (void)snprintf(why, sizeof why, "the broker's reason code is 0x%02x%s", reason,
                       reason == 0x87 ? " (not authorized)" : "");
        outbox_refuse(o, item, now_ms, reason, why);
    }
    if (o->alone && o->in_flight == 0) {
        o->from_the_end = false;
        o->trial_size = o->refusals ? 1 : o->trial_size * 2;
        o->trial_size = o->trial_size < OUTBOX_WINDOW_MAX ? o->trial_size : OUTBOX_WINDOW_MAX;
    }
}

/* --- the end of a connection --- */

static size_t take_in_flight(struct outbox *o, struct outbox_item **items) {
    size_t count = 0;
    for (int i = 0; o->in_flight > 0 && i < MQTT_PACKET_IDS; i++) {
        if (o->by_mid[i] != NULL) {
            assert(count < OUTBOX_WINDOW_MAX); /* INV-OUTBOX-2 */
            items[count++] = outbox_landed(o, i);
        }
    }
    qsort(items, count, sizeof *items, by_seq);
    return count;
}

/* A broker works in order: the first publish it did not answer may be why it closed the connection,
 * unless something else was sent before it. NULL then, and when nothing was in flight. */
static struct outbox_item *first_unanswered(const struct outbox *o,
                                            struct outbox_item *const *items, size_t count) {
    struct outbox_item *first = NULL;
    for (size_t i = 0; i < count; i++) {
        first = first == NULL || items[i]->sent < first->sent ? items[i] : first;
    }
    return first != NULL && first->beside <= o->harmless ? first : NULL;
}

/* It was alone in flight. The connection may have ended just then by chance, but not twice, and not
 * even once if this broker is known to refuse publishes this way. */
static bool is_convicted(struct outbox *o, const struct outbox_item *item, int64_t now_ms) {
    bool sure = item->tries > 0 || item->strikes >= STRIKES_MAX;
    o->closes_until_ms = sure ? now_ms + CLOSES_MS : o->closes_until_ms;
    return sure || now_ms < o->closes_until_ms;
}

/* Blocked items wait again; others become suspects or, if the publishes are not to blame, are to be
 * sent again: those go into `again`, and their number is returned. */
static size_t put_back(struct outbox *o, struct outbox_item **items, size_t count, bool ours,
                       int64_t now_ms) {
    size_t again = 0;
    for (size_t i = 0; i < count; i++) {
        struct outbox_item *item = items[i];
        if (item->state != ITEM_CLEAN) {
            blocked_out(&o->blocked, item, false);
            item->due_ms = item->due_ms < now_ms ? now_ms : item->due_ms;
        } else if (ours) {
            blocked_add(&o->blocked, item, ITEM_SUSPECT);
        } else {
            items[again++] = item;
        }
    }
    return again;
}

bool outbox_disconnected(struct outbox *o, int64_t now_ms) {
    struct outbox_item *items[OUTBOX_WINDOW_MAX] = {NULL};
    size_t count = take_in_flight(o, items);
    struct outbox_item *first = first_unanswered(o, items, count);
    bool ours = first != NULL;
    bool at_once = o->blocked.suspects == 0 && !o->refusals;
    if (ours) {
        first->strikes++;
    }
    if (ours && o->alone && count == 1 && is_convicted(o, first, now_ms)) {
        o->from_the_end = !o->from_the_end;
        outbox_refuse(o, items[0], now_ms, 0, "the broker closes the connection when it comes");
        count = 0;
    }
    count = put_back(o, items, count, ours, now_ms);
    send_again(o, items, count);
    bool forgive = (ours || o->refusals) && o->forgiven < FORGIVEN_MAX;
    o->forgiven += forgive ? 1 : 0;
    o->suspects_due_ms = at_once ? now_ms : now_ms + OTHERS_MS;
    o->trial_size = 1;
    o->alone = o->refusals = o->answered = false;
    o->sent = o->beside = o->harmless = 0;
    o->pause_until_ms = 0;
    return forgive;
}

/* --- requests of people --- */

size_t outbox_retry(struct outbox *o, int64_t now_ms, const struct uuid *id) {
    size_t found = 0;
    struct outbox_item *i;
    TAILQ_FOREACH(i, &o->blocked.items, link) {
        bool meant = id == NULL || uuid_equal(id, &i->publication.id);
        if (!meant || (i->state != ITEM_REFUSED && i->state != ITEM_SUSPECT)) {
            continue;
        }
        found++;
        if (i->state == ITEM_REFUSED && !i->out) {
            blocked_move(&o->blocked, i, ITEM_SUSPECT);
            o->suspects_due_ms = now_ms;
        }
    }
    return found;
}

int outbox_discard(struct outbox *o, const struct uuid *id) {
    struct outbox_item *item = TAILQ_FIRST(&o->blocked.items);
    while (item != NULL && !uuid_equal(id, &item->publication.id)) {
        item = TAILQ_NEXT(item, link);
    }
    if (item == NULL) {
        return ERR_NOTFOUND;
    }
    return item->out ? ERR_BUSY : outbox_discard_item(o, item);
}

size_t outbox_acked(const struct outbox *o) {
    return o->acked.count;
}

size_t outbox_in_flight(const struct outbox *o) {
    return o->in_flight;
}

int64_t outbox_next_ms(struct outbox *o) {
    if (o->in_flight > 0 || o->blocked.count == 0) {
        return INT64_MAX; /* an answer, or the end of the connection, comes first */
    }
    int64_t next = blocked_due_ms(&o->blocked);
    bool probe = o->blocked.refused > 0;
    next = probe && next < o->probe_ms ? o->probe_ms : next;
    if (o->blocked.suspects > 0 && o->suspects_due_ms < next) {
        next = o->suspects_due_ms;
    }
    return next < o->pause_until_ms ? o->pause_until_ms : next;
}

uint64_t outbox_rows(const struct outbox *o) {
    assert(o->blocked.out <= o->in_flight && o->blocked.out <= o->blocked.count); /* INV-OUTBOX-4 */
    return o->staged.count + o->queued.count + o->in_flight - o->blocked.out + o->blocked.count +
           o->on_disk;
}

uint64_t outbox_refused(const struct outbox *o) {
    return o->blocked.refused;
}

uint64_t outbox_held(const struct outbox *o) {
    return o->blocked.held;
}

uint64_t outbox_discarded(const struct outbox *o) {
    return o->discarded;
}

const char *outbox_refused_topic(const struct outbox *o) {
    const struct outbox_item *item = TAILQ_FIRST(&o->blocked.items);
    while (item != NULL && item->state != ITEM_REFUSED) {
        item = TAILQ_NEXT(item, link);
    }
    return item == NULL ? NULL : item->publication.topic.data;
}
