/*
 * regroup.c - events of a store of schema 3 and before get the keys of today: see
 * journal/journal.h.
 *
 * The partitions of a group are merged in the order of the new keys, so that rows are appended and
 * pages are written once.
 *
 *   meta "flag/grouped"     -> the group whose events get their keys next; EVENT_GROUPS: all have
 */
#include "journal/impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "journal/event.h"

#include <string.h>

enum {
    GROUP_PARTITIONS = PARTITIONS / EVENT_GROUPS,
    ROW_BYTES = 128, /* a row's key, and what else it takes */

    /* Moved in one transaction, which needs as much room a few times: */
    PART_BYTES_MIN = 64 << 10,
    PART_BYTES_MAX = 4 << 20,
    STORE_PARTS = 256, /* the store's part, between these two */

    TELL_MS = 5000
};

static const char grouped_flag[] = "grouped";

/* The next old row of a partition. */
struct head {
    struct key key;
    bool over;
};

/* How far it is. */
struct regroup {
    uint64_t part_bytes, moved;
    unsigned group;            /* EVENT_GROUPS: done */
    bool begun;                /* the heads are of this group */
    uint64_t largest;          /* record of the part */
    uint64_t lent, lent_moved; /* for a record of `lent` bytes, when so many events were moved */
    int64_t told_ms;
    struct head heads[GROUP_PARTITIONS];
};

/* Moves the head on: new rows may stand among the old ones. */
static int next_head(struct journal *j, struct head *head) {
    struct slice key;
    struct slice value;
    do {
        int code = journal_seek_prefix(j, TABLE_EVENT, &head->key, 1, true, &key, &value);
        head->over = code == ERR_NOTFOUND;
        if (code != 0) {
            return head->over ? 0 : code;
        }
        key_set(&head->key, key);
    } while (!journal_event_is_old(key));
    return 0;
}

static int begin_group(struct journal *j, struct regroup *work) {
    int code = 0;
    for (unsigned i = 0; code == 0 && i < GROUP_PARTITIONS; i++) {
        struct head *head = &work->heads[i];
        *head = (struct head){.over = false};
        key_u8(&head->key, (uint8_t)(work->group * GROUP_PARTITIONS + i));
        code = next_head(j, head);
    }
    work->begun = true;
    return code;
}

/* The head whose row comes first, whatever its partition; NULL: there are no more. */
static struct head *first_head(struct regroup *work) {
    struct head *first = NULL;
    for (unsigned i = 0; i < GROUP_PARTITIONS; i++) {
        struct head *head = &work->heads[i];
        bool before = !head->over &&
                      (first == NULL ||
                       memcmp(head->key.bytes + 1, first->key.bytes + 1, head->key.len - 1) < 0);
        first = before ? head : first;
    }
    return first;
}

static int move_event(struct journal *j, const struct key *old, size_t *bytes) {
    struct event_place place;
    struct slice value;
    struct key k;
    int code = store_get(j->store, TABLE_EVENT, key_slice(old), &value);
    if (code != 0 || !journal_take_event_key(key_slice(old), &place)) {
        return code == 0 ? ERR_CORRUPT : code;
    }
    *bytes = value.len;
    journal_event_key(j, &k, place.partition, &place.id, place.service);
    buf_reset(&j->record);
    buf_add_slice(&j->record, value);
    code = journal_put_record(j, TABLE_EVENT, &k);
    return code == 0 ? store_del(j->store, TABLE_EVENT, key_slice(old)) : code;
}

/* What one transaction moves. */
static int move_part(struct journal *j, struct regroup *work) {
    uint64_t bytes = 0;
    int code = 0;
    work->largest = 0;
    while (code == 0 && bytes < work->part_bytes && work->group < EVENT_GROUPS) {
        code = work->begun ? 0 : begin_group(j, work);
        struct head *head = code == 0 ? first_head(work) : NULL;
        if (head != NULL) {
            size_t record = 0;
            code = move_event(j, &head->key, &record);
            bytes += ROW_BYTES + record;
            work->largest = record > work->largest ? record : work->largest;
            code = code == 0 ? next_head(j, head) : code;
            work->moved++;
        } else if (code == 0) {
            work->group++;
            work->begun = false;
        }
    }
    return code == 0 ? journal_flag_put(j, grouped_flag, work->group) : code;
}

int journal_regrouped(struct journal *j, unsigned *group) {
    uint64_t value = 0;
    int code = journal_flag_get(j, grouped_flag, &value);
    *group = code == 0 && value <= EVENT_GROUPS ? (unsigned)value : 0;
    return code == ERR_NOTFOUND ? 0 : code;
}

static int begin_work(struct journal *j, struct regroup *work) {
    uint64_t part = store_limit(j->store) / STORE_PARTS;
    part = part > PART_BYTES_MAX ? PART_BYTES_MAX : part < PART_BYTES_MIN ? PART_BYTES_MIN : part;
    *work = (struct regroup){.part_bytes = part, .told_ms = clock_monotonic_ms()};
    int code = store_begin(j->store);
    if (code == 0) {
        code = journal_regrouped(j, &work->group);
        store_abort(j->store);
    }
    return code;
}

/* All or nothing. */
static int move_part_at_once(struct journal *j, struct regroup *work) {
    int code = store_begin(j->store);
    if (code != 0) {
        return code;
    }
    code = move_part(j, work);
    if (code == 0) {
        return store_commit(j->store);
    }
    store_abort(j->store);
    return code;
}

/* When a part found no room: a large record needs its pages side by side. Lends again only if that
 * is more, or what was lent has been used to get on. */
static int lend_more(struct journal *j, struct regroup *work, uint64_t record) {
    if (record <= work->lent && work->moved == work->lent_moved) {
        return ERR_FULL;
    }
    work->lent = record > work->lent ? record : work->lent;
    work->lent_moved = work->moved;
    return store_lend_for(j->store, work->lent);
}

static void tell(struct regroup *work) {
    int64_t now_ms = clock_monotonic_ms();
    if (work->group < EVENT_GROUPS && now_ms - work->told_ms >= TELL_MS) {
        work->told_ms = now_ms;
        log_info("store", "events of an older version are put in order: %llu so far, part %u of %d",
                 (unsigned long long)work->moved, work->group + 1, EVENT_GROUPS);
    }
}

static int move_all(struct journal *j, struct regroup *work) {
    int code = 0;
    while (code == 0 && work->group < EVENT_GROUPS) {
        struct regroup before = *work;
        code = move_part_at_once(j, work);
        if (code == ERR_FULL) {
            uint64_t record = work->largest;
            *work = before;
            code = lend_more(j, work, record);
        }
        tell(work);
    }
    return code;
}

int journal_regroup_events(struct journal *j) {
    struct regroup work;
    int code = begin_work(j, &work);
    if (code != 0 || work.group == EVENT_GROUPS) {
        return code;
    }
    code = store_lend(j->store, STORE_LENT_SPARE);
    code = code == 0 ? move_all(j, &work) : code;
    if (code == 0 && work.moved > 0) {
        log_info("store", "%llu events of an older version were put in order",
                 (unsigned long long)work.moved);
    }
    return code == 0 ? store_lend(j->store, STORE_LENT_NOTHING) : code;
}
