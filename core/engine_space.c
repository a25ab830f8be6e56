/*
 * engine_space.c - room in the store: how much may still be accepted, and small turns while there
 * is hardly any.
 *
 * How large the store may grow is a matter of store.max_size and of its disk. A part is kept in
 * reserve: events that wait need room to be worked off, commands to be carried out, and rows to be
 * deleted (LMDB writes new pages before it frees old ones). What a turn accepts is counted against
 * the room above the reserve; when that is used up the free pages are counted anew, once a second
 * at most, as long as there is none.
 *
 * While there is none, turns do little at a time: one event, a row of retention; each that succeeds
 * doubles the step, up to four. So does a turn that found no room all the same and was dropped.
 */
#include "engine_impl.h"

#include "log.h"

#include <assert.h>
#include <stdio.h>

enum {
    LOOK_MS = 1000,
    RESERVE_PARTS = 20,
    RESERVE_BYTES_MIN = 1 << 20,
    TURN_PARTS = 4,       /* of the room, what one turn may accept: pages are copied, too */
    SHRINK_MAX = 11,      /* TURN_EVENTS_MAX >> 11 is one event */
    TIDYING_PARTS = 32,   /* what lent room is enough for */
    SHRINK_LOW = 9,       /* and >> 9 four: the most while there is no room */
    EVENT_OVERHEAD = 512, /* bytes of rows and headers around an event */
    PAGE_BYTES = 4096     /* a value of more than half a page takes whole ones */
};

/* What only a person can make less: dead letters, and the service with most of them. */
static void add_advice(const struct engine *e, char *text, size_t size) {
    long reader = store_old_reader(journal_store(e->journal));
    const struct engine_service *worst = NULL;
    uint64_t dead = 0;
    for (size_t i = 0; i < e->service_count; i++) {
        const struct engine_service *s = &e->services[i];
        dead += s->books.dead;
        worst = worst == NULL || s->books.dead > worst->books.dead ? s : worst;
    }
    text[0] = '\0';
    if (reader > 0) {
        (void)snprintf(
            text, size,
            "; process %ld is a reader that keeps what was freed since it began: there is "
            "room again when it ends",
            reader);
    } else if (dead > 0) {
        (void)snprintf(text, size,
                       "; it holds %llu dead letters, most of service \"%s\": `zingq dlq discard "
                       "--service %s` lets them go",
                       (unsigned long long)dead, worst->conf->name, worst->conf->name);
    }
}

static void note_low(struct engine *e, bool low, uint64_t used, uint64_t max) {
    bool disk = max < e->conf->store_max_bytes / PAGE_BYTES * PAGE_BYTES;
    if (low == e->store_low) {
        return;
    }
    e->store_low = low;
    if (low) {
        char advice[256];
        add_advice(e, advice, sizeof advice);
        e->shrink = SHRINK_MAX;
        log_error("store",
                  "nearly full (%llu of %llu bytes%s): no new events are accepted until space "
                  "returns; %s or lower store.keep_done%s",
                  (unsigned long long)used, (unsigned long long)max,
                  disk ? ", more the disk does not have" : "",
                  disk ? "free some on the disk" : "raise store.max_size", advice);
    } else {
        log_info("store", "there is room again, events are accepted");
    }
}

int engine_look_at_space(struct engine *e) {
    bool used_up = e->room == 0 && !e->store_low;
    if (!used_up && e->now_ms < e->space_seen_ms + LOOK_MS) {
        return 0;
    }
    struct store *store = journal_store(e->journal);
    e->space_seen_ms = e->now_ms;
    /* A reader that was killed keeps every page that is freed after it. */
    (void)store_clear_readers(store);
    uint64_t most;
    uint64_t max = store_limit(store);
    uint64_t used = store_taken(store);
    uint64_t reserve = max / RESERVE_PARTS + RESERVE_BYTES_MIN;
    /* Once low, it takes more than one free page to be well again. */
    uint64_t margin = e->store_low ? reserve / 2 : 0;
    int code = used + reserve + margin >= max ? store_usage(store, &used, &most) : 0;
    bool low = used + reserve + margin >= max;
    e->status.store_used = used;
    e->status.store_max = max;
    e->room = low ? 0 : max - used - reserve;
    note_low(e, low, used, max);
    return code;
}

void engine_take_room(struct engine *e, const struct event *event) {
    uint64_t bytes = EVENT_OVERHEAD + event->payload.len + event->topic.len + event->properties.len;
    if (bytes > PAGE_BYTES / 2) {
        bytes = (bytes / PAGE_BYTES + 1) * PAGE_BYTES;
    }
    e->room -= bytes < e->room ? bytes : e->room;
}

size_t engine_room(const struct engine *e) {
    uint64_t most = e->room / TURN_PARTS;
    return most < TURN_BYTES_MAX ? (size_t)most : TURN_BYTES_MAX;
}

void engine_turn_found_room(struct engine *e, bool found) {
    if (found) {
        e->shrink -= e->shrink > (e->store_low ? SHRINK_LOW : 0) ? 1 : 0;
        return;
    }
    e->shrink = SHRINK_MAX;
    e->room = 0;
    e->space_seen_ms = e->now_ms;
    uint64_t max = store_limit(journal_store(e->journal));
    note_low(e, true, max, max);
}

size_t engine_step(const struct engine *e, size_t most) {
    size_t step = e->full ? most / TIDYING_PARTS : most >> e->shrink;
    assert(e->shrink <= SHRINK_MAX);
    return step == 0 ? 1 : step;
}

int64_t engine_next_look_ms(const struct engine *e) {
    if (e->room > 0) {
        return INT64_MAX;
    }
    return e->store_low ? e->space_seen_ms + LOOK_MS : 0;
}
