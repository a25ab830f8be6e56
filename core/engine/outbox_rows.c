/*
 * outbox_rows.c - the rows of the outbox: loading them into memory, and writing changes back.
 */
#include "base/blocks.h"
#include "base/limits.h"
#include "base/log.h"
#include "engine/outbox.h"
#include "engine/outbox_impl.h"
#include "journal/kept.h"
#include "journal/outbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int outbox_keep(struct outbox *o, uint16_t service, size_t record) {
    if (service != SERVICE_NONE && service >= o->kept_count) {
        size_t count = (size_t)service + 1;
        uint64_t *kept = realloc(o->kept, count * sizeof *kept);
        if (kept == NULL) {
            return ERR_MEMORY;
        }
        memset(kept + o->kept_count, 0, (count - o->kept_count) * sizeof *kept);
        o->kept = kept;
        o->kept_count = count;
    }
    if (service != SERVICE_NONE) {
        uint64_t bytes = journal_row_bytes(sizeof(uint64_t), record);
        o->kept[service] += bytes;
        o->kept_by_all += bytes;
    }
    return 0;
}

static int delete_row(struct outbox *o, const struct outbox_item *item) {
    uint16_t service = item->publication.service;
    int code = journal_outbox_del(o->journal, item->seq);
    if (code == 0 && service < o->kept_count) {
        uint64_t bytes = journal_row_bytes(sizeof(uint64_t), item->bytes);
        bytes = bytes < o->kept[service] ? bytes : o->kept[service];
        o->kept[service] -= bytes;
        o->kept_by_all -= bytes;
    }
    return code;
}

uint64_t outbox_kept(const struct outbox *o, uint16_t service) {
    return service < o->kept_count ? o->kept[service] : 0;
}

uint64_t outbox_kept_by_all(const struct outbox *o) {
    return o->kept_by_all;
}

int outbox_load(struct outbox *o) {
    outbox_forget(o);
    o->on_disk = 0;
    o->loaded = 0;
    o->kept_count = 0;
    o->kept_by_all = 0;
    uint64_t seq = 0;
    struct slice record;
    struct publication p;
    int code;
    while ((code = journal_outbox_next(o->journal, &seq, &record)) == 0) {
        o->on_disk++;
        code = publication_decode(record, &p) == 0 ? outbox_keep(o, p.service, record.len) : 0;
        if (code != 0) {
            return code;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

int outbox_charge_crash(struct outbox *o, int64_t now_ms, const struct uuid *id) {
    struct publication p;
    uint64_t seq = 0;
    struct slice record;
    int code;
    while ((code = journal_outbox_next(o->journal, &seq, &record)) == 0) {
        if (publication_decode(record, &p) == 0 && uuid_equal(&p.id, id)) {
            break;
        }
    }
    if (code != 0) {
        return code;
    }
    bool again = p.refused_reason == REFUSED_CRASH || p.refused_reason == REFUSED_CRASHES;
    p.refused_reason = again ? REFUSED_CRASHES : REFUSED_CRASH;
    p.refused_ms = now_ms;
    char text[UUID_TEXT_BYTES + 1];
    log_warn("engine",
             "the host went down while it sent a publish topic=%s id=%s: it is refused %s",
             p.topic.data, uuid_text(id, text),
             again ? "until zingq outbox retry" : "and tried again, alone");
    buf_reset(&o->record);
    publication_encode(&p, &o->record);
    return o->record.failed ? ERR_MEMORY
                            : journal_outbox_put(o->journal, seq, buf_slice(&o->record));
}

bool outbox_fits(const struct outbox *o, size_t most) {
    size_t bytes = o->bytes - o->blocked.bytes;
    return o->queued.count + o->staged.count < most &&
           bytes < memory_share(o->memory, MEMORY_PUBLISHES) / 2;
}

int outbox_item_new(struct outbox *o, uint64_t seq, struct slice record, struct outbox_item **out) {
    struct outbox_item *item = blocks_take(sizeof *item + record.len);
    if (item == NULL) {
        return ERR_MEMORY;
    }
    *item = (struct outbox_item){.seq = seq, .bytes = record.len};
    memcpy(item->record, record.data, record.len);
    int code = publication_decode((struct slice){item->record, record.len}, &item->publication);
    if (code != 0) {
        blocks_give(item, sizeof *item + record.len);
        return code;
    }
    item->topic = blocked_topic_hash(item->publication.topic);
    o->bytes += item->bytes;
    memory_take(o->memory, MEMORY_PUBLISHES, item->bytes);
    *out = item;
    return 0;
}

int outbox_discard_item(struct outbox *o, struct outbox_item *item) {
    int code = delete_row(o, item);
    if (code == 0) {
        uint64_t owner = item->publication.owner;
        blocked_remove(&o->blocked, item);
        outbox_item_free(o, item);
        outbox_release(o, owner);
    }
    return code;
}

static int delete_acked(struct outbox *o) {
    struct outbox_item *item;
    while ((item = TAILQ_FIRST(&o->acked.items)) != NULL) {
        assert(item->state == ITEM_CLEAN && !item->out); /* INV-OUTBOX-5 */
        int code = delete_row(o, item);
        if (code != 0) {
            return code;
        }
        outbox_item_free(o, item_list_take(&o->acked));
    }
    return 0;
}

/* After the first crash it lets others go first; after the second it waits for a person. */
static int64_t due_after_crash(const struct publication *p, int64_t due_ms) {
    due_ms = p->refused_reason == REFUSED_CRASH ? p->refused_ms + CRASH_PAUSE_MS : due_ms;
    return p->refused_reason == REFUSED_CRASHES ? INT64_MAX : due_ms;
}

/* Loads one more row. A refused one is loaded as refused. */
static int load_one(struct outbox *o) {
    uint64_t seq = o->loaded;
    struct slice record;
    int code = journal_outbox_next(o->journal, &seq, &record);
    if (code == ERR_NOTFOUND) {
        o->on_disk = 0; /* some of the counted rows cannot be read any more */
        return 0;
    }
    if (code != 0) {
        return code;
    }
    struct outbox_item *item = NULL;
    code = outbox_item_new(o, seq, record, &item);
    if (code != 0) {
        return code;
    }
    o->loaded = seq;
    o->on_disk--;
    const struct publication *p = &item->publication;
    if (p->refused_ms != 0) {
        /* Try it immediately: the broker may have been fixed while the host was down. */
        blocked_refuse(&o->blocked, item, 0,
                       blocked_is_about_topic(p->refused_reason, p->refused_reason == 0));
        item->due_ms = due_after_crash(p, item->due_ms);
    } else {
        item_list_add(&o->staged, item);
    }
    return 0;
}

static int mark_refused(struct outbox *o) {
    int code = 0;
    size_t marked = 0;
    struct outbox_item *item = TAILQ_FIRST(&o->blocked.items);
    for (; code == 0 && o->blocked.to_mark > 0 && item != NULL && marked < MARKED_AT_ONCE;
         item = TAILQ_NEXT(item, link)) {
        if (!item->to_mark) {
            continue;
        }
        buf_reset(&o->record);
        publication_encode(&item->publication, &o->record);
        code = o->record.failed ? ERR_MEMORY
                                : journal_outbox_put(o->journal, item->seq, buf_slice(&o->record));
        item->to_mark = false;
        o->blocked.to_mark--;
        marked++;
    }
    return code;
}

static bool is_full(const struct outbox *o) {
    return o->blocked.count > OUTBOX_BLOCKED_MAX || o->blocked.bytes > OUTBOX_BLOCKED_BYTES_MAX;
}

static int discard_past_quota(struct outbox *o) {
    int code = 0;
    while (code == 0 && is_full(o)) {
        struct outbox_item *item = blocked_first(&o->blocked, ITEM_REFUSED);
        if (item == NULL) {
            return 0;
        }
        char id[UUID_TEXT_BYTES + 1];
        log_error("broker",
                  "more than %d refused publishes, or %d MiB of them, are not kept: the oldest is "
                  "DISCARDED topic=%s id=%s",
                  OUTBOX_BLOCKED_MAX, OUTBOX_BLOCKED_BYTES_MAX >> 20, item->publication.topic.data,
                  uuid_text(&item->publication.id, id));
        o->discarded++;
        code = outbox_discard_item(o, item);
    }
    return code;
}

static bool has_room(const struct outbox *o, size_t most) {
    return o->on_disk > 0 && outbox_fits(o, most) && !is_full(o);
}

bool outbox_wants_settle(const struct outbox *o) {
    return o->blocked.to_mark > 0 || has_room(o, OUTBOX_QUEUE_MAX / 4) ||
           (is_full(o) && blocked_first(&o->blocked, ITEM_REFUSED) != NULL);
}

int outbox_settle(struct outbox *o) {
    int code = delete_acked(o);
    code = code == 0 ? mark_refused(o) : code;
    code = code == 0 ? discard_past_quota(o) : code;
    if (code != 0 || !has_room(o, OUTBOX_QUEUE_MAX / 4)) {
        return code;
    }
    for (int i = 0; code == 0 && i < LOADED_AT_ONCE && has_room(o, OUTBOX_QUEUE_MAX); i++) {
        code = load_one(o);
    }
    return code;
}
