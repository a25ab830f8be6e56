/*
 * outbox.c - staged -> queued -> in flight -> acknowledged, four lists of items.
 */
#include "outbox.h"

#include "limits.h"
#include "log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MIDS = 65536,    /* MQTT packet identifiers are 16 bits */
    LOSSES_MAX = 2,  /* connections lost with publishes in flight: from then on carefully */
    STRIKES_MAX = 3, /* connections lost with this one alone in flight: refused */
};

struct outbox_item {
    uint64_t seq;
    unsigned strikes;               /* connections that ended while it was alone in flight */
    struct publication publication; /* points into record */
    struct outbox_item *next;
    char record[];
};

struct item_list {
    struct outbox_item *head, *tail;
    size_t count;
};

struct outbox {
    struct journal *journal;
    struct item_list staged, queued, acked, refused;
    struct outbox_item *by_mid[MIDS]; /* in flight */
    size_t in_flight;
    size_t careful;         /* publishes still to be sent one at a time */
    unsigned losses;        /* connections lost with publishes in flight, since all was answered */
    bool suspect_out;       /* what is in flight has a strike: it goes alone */
    int64_t refused_due_ms; /* when what was refused is tried again; 0 = not set */
    uint64_t shelved;       /* refused, and only on disk: memory is bounded */
    bool recount;           /* what is in memory is not the oldest: load anew */
    uint64_t on_disk;       /* rows not in memory */
    uint64_t loaded;        /* rows up to this seq are, or were, in memory */
    struct buf record;
};

static void list_add(struct item_list *list, struct outbox_item *item) {
    item->next = NULL;
    if (list->tail == NULL) {
        list->head = item;
    } else {
        list->tail->next = item;
    }
    list->tail = item;
    list->count++;
}

static struct outbox_item *list_take(struct item_list *list) {
    struct outbox_item *item = list->head;
    if (item != NULL) {
        list->head = item->next;
        if (list->head == NULL) {
            list->tail = NULL;
        }
        list->count--;
    }
    return item;
}

static void list_clear(struct item_list *list) {
    struct outbox_item *item;
    while ((item = list_take(list)) != NULL) {
        free(item);
    }
}

/* All of `from` to the front of `to`. */
static void list_prepend(struct item_list *to, struct item_list *from) {
    if (from->head == NULL) {
        return;
    }
    from->tail->next = to->head;
    to->tail = to->tail == NULL ? from->tail : to->tail;
    to->head = from->head;
    to->count += from->count;
    *from = (struct item_list){0};
}

int outbox_new(struct outbox **out, struct journal *journal) {
    struct outbox *o = calloc(1, sizeof *o);
    if (o == NULL) {
        return ERR_MEMORY;
    }
    o->journal = journal;
    buf_init(&o->record, (size_t)1 << 30);
    *out = o;
    return 0;
}

static void forget(struct outbox *o) {
    list_clear(&o->staged);
    list_clear(&o->queued);
    list_clear(&o->acked);
    list_clear(&o->refused);
    o->suspect_out = false;
    for (size_t i = 0; o->in_flight > 0 && i < MIDS; i++) {
        if (o->by_mid[i] != NULL) {
            free(o->by_mid[i]);
            o->by_mid[i] = NULL;
            o->in_flight--;
        }
    }
}

void outbox_free(struct outbox *o) {
    if (o == NULL) {
        return;
    }
    forget(o);
    buf_clear(&o->record);
    free(o);
}

int outbox_load(struct outbox *o) {
    forget(o);
    o->shelved = 0;
    o->recount = false;
    o->on_disk = 0;
    o->loaded = 0;
    uint64_t seq = 0;
    struct slice record;
    int code;
    while ((code = journal_outbox_next(o->journal, &seq, &record)) == 0) {
        o->on_disk++;
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int item_new(uint64_t seq, struct slice record, struct outbox_item **out) {
    struct outbox_item *item = malloc(sizeof *item + record.len);
    if (item == NULL) {
        return ERR_MEMORY;
    }
    *item = (struct outbox_item){.seq = seq};
    memcpy(item->record, record.data, record.len);
    int code = publication_decode((struct slice){item->record, record.len}, &item->publication);
    if (code != 0) {
        free(item);
        return code;
    }
    *out = item;
    return 0;
}

int outbox_add(struct outbox *o, int64_t now_ms, const struct publication *p) {
    buf_reset(&o->record);
    publication_encode(p, &o->record);
    if (o->record.failed) {
        return ERR_LIMIT;
    }
    struct slice record = buf_slice(&o->record);
    uint64_t seq = journal_next_seq(o->journal, now_ms);
    int code = journal_outbox_put(o->journal, seq, record);
    if (code != 0) {
        return code;
    }
    if (o->on_disk > 0 || o->queued.count + o->staged.count >= OUTBOX_QUEUE_MAX) {
        o->on_disk++;
        return 0;
    }
    struct outbox_item *item = NULL;
    code = item_new(seq, record, &item);
    if (code == 0) {
        o->loaded = seq;
        list_add(&o->staged, item);
    }
    return code;
}

void outbox_committed(struct outbox *o) {
    struct outbox_item *item;
    while ((item = list_take(&o->staged)) != NULL) {
        list_add(&o->queued, item);
    }
}

static void refuse(struct outbox *o, struct outbox_item *item, const char *why) {
    char id[UUID_TEXT_BYTES + 1];
    log_error("broker",
              "a publish was refused topic=%s id=%s: %s: kept in the outbox, tried again in %d "
              "minutes; look at the broker's access rules and limits",
              item->publication.topic.data, uuid_text(&item->publication.id, id), why,
              OUTBOX_RETRY_MS / 60000);
    if (o->refused.count < OUTBOX_QUEUE_MAX) {
        list_add(&o->refused, item);
        return;
    }
    o->shelved++;
    free(item);
}

static int by_seq(const void *a, const void *b) {
    const struct outbox_item *const *x = a;
    const struct outbox_item *const *y = b;
    return ((*x)->seq > (*y)->seq) - ((*x)->seq < (*y)->seq);
}

/* To the front of the queue, in order. */
static void send_again(struct outbox *o, struct outbox_item **items, size_t count) {
    struct item_list again = {0};
    qsort(items, count, sizeof *items, by_seq);
    for (size_t i = 0; i < count; i++) {
        list_add(&again, items[i]);
    }
    list_prepend(&o->queued, &again);
}

static void try_refused_again(struct outbox *o, int64_t now_ms) {
    if (outbox_refused(o) == 0) {
        return;
    }
    if (o->refused_due_ms == 0) {
        o->refused_due_ms = now_ms + OUTBOX_RETRY_MS;
    }
    /* What is only on disk is found by loading anew, which forgets what is in flight. */
    if (now_ms < o->refused_due_ms || (o->shelved > 0 && o->in_flight > 0)) {
        return;
    }
    o->refused_due_ms = 0;
    o->recount = o->shelved > 0;
    struct outbox_item *items[OUTBOX_QUEUE_MAX] = {NULL};
    size_t count = 0;
    while (o->refused.head != NULL) {
        assert(count < OUTBOX_QUEUE_MAX);
        items[count++] = list_take(&o->refused);
    }
    send_again(o, items, count);
}

/* Whether the next may leave beside what is in flight. */
static bool may_send(const struct outbox *o, size_t window) {
    size_t most = window < OUTBOX_WINDOW_MAX ? window : OUTBOX_WINDOW_MAX;
    if (o->recount || o->queued.head == NULL || o->in_flight >= most) {
        return false;
    }
    bool alone = o->careful > 0 || o->suspect_out || o->queued.head->strikes > 0;
    return !alone || o->in_flight == 0;
}

void outbox_send(struct outbox *o, int64_t now_ms, size_t window, void *ctx,
                 int (*publish)(void *ctx, const struct publication *p, int *mid)) {
    try_refused_again(o, now_ms);
    while (may_send(o, window)) {
        int mid = 0;
        int code = publish(ctx, &o->queued.head->publication, &mid);
        if (code == ERR_INVALID) {
            refuse(o, list_take(&o->queued), "this broker cannot carry it");
            continue;
        }
        if (code != 0) {
            return;
        }
        assert(mid > 0 && mid < MIDS && o->by_mid[mid] == NULL);
        struct outbox_item *item = list_take(&o->queued);
        o->by_mid[mid] = item;
        o->in_flight++;
        o->suspect_out = item->strikes > 0;
    }
}

void outbox_acknowledged(struct outbox *o, int mid, uint8_t reason) {
    if (mid <= 0 || mid >= MIDS || o->by_mid[mid] == NULL) {
        return;
    }
    struct outbox_item *item = o->by_mid[mid];
    o->by_mid[mid] = NULL;
    o->in_flight--;
    o->suspect_out = false;
    o->careful -= o->careful > 0 ? 1 : 0;
    bool all_answered = o->in_flight == 0 && (o->careful == 0 || o->queued.head == NULL);
    if (all_answered) {
        o->careful = 0;
        o->losses = 0;
    }
    if (reason < 0x80) {
        list_add(&o->acked, item);
        return;
    }
    char why[64];
    (void)snprintf(why, sizeof why, "the broker's reason code is 0x%02x", reason);
    refuse(o, item, why);
}

/* The connection ended with `count` in flight, and one of them may be why. */
static void note_loss(struct outbox *o, struct outbox_item **items, size_t *count) {
    if (*count == 1 && (o->careful > 0 || o->suspect_out)) {
        items[0]->strikes++;
    }
    o->suspect_out = false;
    o->losses += o->losses < LOSSES_MAX ? 1 : 0;
    if (o->losses >= LOSSES_MAX) {
        o->careful = OUTBOX_WINDOW_MAX;
    }
    if (*count == 1 && items[0]->strikes >= STRIKES_MAX) {
        refuse(o, items[0], "the broker closes the connection at each try");
        *count = 0;
    }
}

void outbox_disconnected(struct outbox *o) {
    struct outbox_item *items[OUTBOX_WINDOW_MAX] = {NULL};
    size_t count = 0;
    for (size_t i = 0; o->in_flight > 0 && i < MIDS; i++) {
        if (o->by_mid[i] != NULL) {
            items[count++] = o->by_mid[i];
            o->by_mid[i] = NULL;
            o->in_flight--;
        }
    }
    if (count > 0) {
        note_loss(o, items, &count);
    }
    send_again(o, items, count);
}

static int delete_acked(struct outbox *o) {
    while (o->acked.head != NULL) {
        struct outbox_item *item = o->acked.head;
        int code = journal_outbox_del(o->journal, item->seq);
        if (code != 0) {
            return code;
        }
        free(list_take(&o->acked));
    }
    return 0;
}

static int load_one(struct outbox *o) {
    uint64_t seq = o->loaded;
    struct slice record;
    int code = journal_outbox_next(o->journal, &seq, &record);
    if (code != 0) {
        return code == ERR_NOTFOUND ? ERR_CORRUPT : code;
    }
    struct outbox_item *item = NULL;
    code = item_new(seq, record, &item);
    if (code != 0) {
        return code;
    }
    o->loaded = seq;
    o->on_disk--;
    list_add(&o->staged, item);
    return 0;
}

bool outbox_wants_settle(const struct outbox *o) {
    return o->recount || (o->on_disk > 0 && o->queued.count < OUTBOX_QUEUE_MAX / 4);
}

int outbox_settle(struct outbox *o) {
    int code = delete_acked(o);
    if (code == 0 && o->recount) {
        code = outbox_load(o);
    }
    if (code != 0 || !outbox_wants_settle(o)) {
        return code;
    }
    while (code == 0 && o->on_disk > 0 && o->queued.count + o->staged.count < OUTBOX_QUEUE_MAX) {
        code = load_one(o);
    }
    return code;
}

size_t outbox_acked(const struct outbox *o) {
    return o->acked.count;
}

uint64_t outbox_rows(const struct outbox *o) {
    return o->staged.count + o->queued.count + o->in_flight + o->refused.count + o->shelved +
           o->on_disk;
}

uint64_t outbox_refused(const struct outbox *o) {
    return o->refused.count + o->shelved;
}
