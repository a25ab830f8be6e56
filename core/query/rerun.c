/*
 * rerun.c - see query/rerun.h.
 *
 * Publishers may choose ids, so neither their order nor their time is that of arrival: every event
 * of the groups in question is examined.
 */
#include "query/rerun.h"

#include "query/json.h"
#include "journal/event.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum rerun_verdict rerun_judge(const struct rerun_filter *filter, const struct event *event) {
    if (event->service != filter->service ||
        (filter->by_id && !uuid_equal(&event->id, &filter->id)) ||
        (filter->by_key && !slice_equal(event->key, filter->key)) ||
        event->accepted_ms < filter->from_ms || event->accepted_ms >= filter->to_ms) {
        return RERUN_OTHER;
    }
    if (event_state_dead((enum event_state)event->state)) {
        return RERUN_DEAD;
    }
    if (!event_state_ended((enum event_state)event->state) ||
        event->ended_ms > filter->ended_by_ms) {
        return RERUN_WAITS;
    }
    if (event->state == EVENT_EXPIRED) {
        return RERUN_OTHER; /* its payload is gone */
    }
    return event->kind == EVENT_LOCK_EXPIRED ? RERUN_LOCK : RERUN_GOOD;
}

/* A seq is made from the microseconds of its time. */
uint64_t rerun_order(const struct event *event) {
    return event->replayed ? (uint64_t)event->accepted_ms * 1000 : event->seq;
}

/* ---- the walk ---- */

static void begin_group(const struct rerun_filter *filter, struct rerun_walk *walk) {
    walk->events.begun = false;
    walk->events.at = (struct event_place){.id = filter->by_id ? filter->id : (struct uuid){{0}}};
}

void rerun_walk_init(struct rerun_walk *walk, const struct journal *j,
                     const struct rerun_filter *filter) {
    *walk = (struct rerun_walk){.end = journal_event_groups(j)};
    if (filter->by_key) {
        struct slice name = slice_of(look_service_name(j, filter->service));
        walk->events.by_partition = true;
        walk->events.partition = journal_partition(journal_lane_of(j, name, filter->key));
        walk->events.group = journal_event_group(j, walk->events.partition);
        walk->end = walk->events.group + 1U;
    }
    begin_group(filter, walk);
}

int rerun_walk_next(struct journal *j, const struct rerun_filter *filter, struct rerun_walk *walk,
                    struct event **out) {
    *out = NULL;
    if (walk->events.group >= walk->end) {
        return ERR_NOTFOUND;
    }
    int code = journal_event_next(j, &walk->events, out);
    bool past = code == 0 && filter->by_id && !uuid_equal(&walk->events.at.id, &filter->id);
    if (past) {
        event_free(*out);
        *out = NULL;
    }
    if (past || code == ERR_NOTFOUND) {
        walk->events.group++;
        begin_group(filter, walk);
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* ---- counting ---- */

/* True if the hash, which is not 0, was not in the table yet. */
static bool enter(uint64_t *hashes, size_t cap, uint64_t hash) {
    size_t at = (size_t)hash & (cap - 1);
    while (hashes[at] != 0 && hashes[at] != hash) {
        at = (at + 1) & (cap - 1);
    }
    bool is_new = hashes[at] == 0;
    hashes[at] = hash;
    return is_new;
}

static int grow(struct rerun_tally *tally) {
    size_t cap = tally->hash_cap == 0 ? 1024 : tally->hash_cap * 2;
    uint64_t *hashes = calloc(cap, sizeof *hashes);
    if (hashes == NULL) {
        return ERR_MEMORY;
    }
    for (size_t i = 0; i < tally->hash_cap; i++) {
        if (tally->hashes[i] != 0) {
            (void)enter(hashes, cap, tally->hashes[i]);
        }
    }
    free(tally->hashes);
    tally->hashes = hashes;
    tally->hash_cap = cap;
    return 0;
}

static int note_key(struct rerun_tally *tally, const struct event *event) {
    static const struct slice none = {"", 0};
    if (event->key.len == 0) {
        return 0;
    }
    if (tally->group != journal_group(event->partition) && tally->hash_cap > 0) {
        memset(tally->hashes, 0, tally->hash_cap * sizeof *tally->hashes);
        tally->hash_count = 0;
    }
    tally->group = journal_group(event->partition);
    if (tally->hash_count >= tally->hash_cap / 2) {
        int code = grow(tally);
        if (code != 0) {
            return code;
        }
    }
    uint64_t hash = journal_lane(none, event->key);
    if (enter(tally->hashes, tally->hash_cap, hash == 0 ? 1 : hash)) {
        tally->hash_count++;
        tally->keys++;
    }
    return 0;
}

int rerun_tally_note(struct rerun_tally *tally, const struct event *event,
                     enum rerun_verdict verdict) {
    switch (verdict) {
    case RERUN_OTHER:
        return 0;
    case RERUN_WAITS:
        tally->waits++;
        return 0;
    case RERUN_DEAD:
        tally->dead++;
        return 0;
    case RERUN_LOCK:
        tally->locks++;
        return 0;
    case RERUN_GOOD:
        break;
    }
    bool first = tally->good++ == 0;
    int64_t at_ms = event->accepted_ms;
    tally->first_ms = first || at_ms < tally->first_ms ? at_ms : tally->first_ms;
    tally->last_ms = first || at_ms > tally->last_ms ? at_ms : tally->last_ms;
    return note_key(tally, event);
}

void rerun_tally_clear(struct rerun_tally *tally) {
    free(tally->hashes);
    tally->hashes = NULL;
    tally->hash_count = 0;
    tally->hash_cap = 0;
}
