/*
 * space.c - room in the store: how much may still be accepted, and small turns while there is
 * hardly any.
 *
 * store.max_size and the disk limit the size of the store. A part of it is kept in reserve: room
 * for running waiting events, for commands and for deleting rows (LMDB writes new pages before it
 * frees old ones). What a turn accepts is counted against the room above the reserve. When that is
 * used up, the free pages are counted again, at most once per second while there are none.
 *
 * While there is no room, turns do little at a time: one event, one row of retention. Each success
 * doubles the step, up to four events. A turn that found no room and was dropped also makes the
 * steps small, and after the second such turn they stay so for a second: a failed turn forgets what
 * the broker acknowledged, so if every other turn failed, the outbox would never empty.
 *
 * A turn may find no room although enough pages are free: a large value needs pages side by side,
 * and the free ones are scattered. Then the store lends as many beyond its end, for a minute.
 *
 * A full store is only tidied: nothing runs. This ends when half of the reserve is free again,
 * although nothing is accepted yet: waiting events must not wait for the room that they occupy. If
 * tidying does not free that much, one event is tried every ten seconds: it may fit.
 */
#include "engine/space.h"

#include "base/limits.h"
#include "base/log.h"
#include "engine/files.h"
#include "engine/forwards.h"
#include "engine/impl.h"
#include "engine/memory.h"
#include "engine/services.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LOOK_MS = 1000,
    LOOK_QUIET_MS =
        45000, /* how soon a quiet host notices a reader that stays, and how full the store is */
    RESERVE_PARTS = 20,
    RESERVE_BYTES_MIN = 1 << 20,
    TURN_PARTS = 4,     /* the part of the room that one turn may accept: pages are copied, too */
    SHRINK_MAX = 11,    /* TURN_EVENTS_MAX >> 11 is one event */
    SHRINK_LOW = 9,     /* and >> 9 is four: the most while there is no room, */
    SHRINK_TIDYING = 5, /* and >> 5 the most rows that a full store deletes in a turn */
    AGAIN_MS = 10000,   /* two turns that find no room within this time keep the next ones small */
    TRY_MS = 10000,     /* how long a full store is only tidied before an event is tried */
    PIECES_MS = 60000,  /* how long room is lent because free pages are scattered */
    EVENT_OVERHEAD = 512, /* bytes of rows and headers around an event */
    LARGE_PARTS = 10,     /* a table with at least such a part of the used bytes is named */
    PAGE_BYTES = 4096     /* a value larger than half a page takes whole pages */
};

struct space {
    uint64_t used; /* of the store's pages, when it was looked at */
    bool low;
    bool full; /* a turn found no room: only tidying, in room lent by the store */
    int64_t full_since_ms;
    int64_t seen_ms;        /* when space was last looked at */
    uint64_t room;          /* bytes that may be accepted before the next look */
    unsigned shrink;        /* turns try this much less, as a power of two */
    int64_t failed_ms;      /* when a turn last found no room */
    int64_t small_until_ms; /* the turns do not grow before that */
    bool pieces;            /* room is lent because free pages are scattered */
    int64_t pieces_since_ms;
    struct store_reader reader; /* the oldest reader of another process, if it is behind */
    int64_t reader_since_ms, reader_told_ms;
    char words[SPACE_WORDS_MAX]; /* while low: what fills the store, and what helps */
};

int engine_make_space(struct engine *e) {
    e->space = calloc(1, sizeof *e->space);
    return e->space == NULL ? ERR_MEMORY : 0;
}

void engine_free_space(struct engine *e) {
    free(e->space);
}

bool engine_is_full(const struct engine *e) {
    return e->space->full;
}

bool engine_is_low(const struct engine *e) {
    return e->space->low;
}

const char *engine_space_words(const struct engine *e) {
    return e->space->low ? e->space->words : NULL;
}

/* --- what fills the store --- */

static void add_reader(const struct engine *e, struct buf *out) {
    struct store_space space = {0};
    if (e->space->reader.pid == 0 || store_usage(journal_store(e->journal), &space) != 0) {
        return;
    }
    buf_printf(out,
               "; process %ld is a reader that blocks the space freed since it began (%llu bytes): "
               "it becomes available when that process ends",
               e->space->reader.pid, (unsigned long long)space.held);
}

/* Dead letters, and the service with most of them. */
static uint64_t add_dead(const struct engine *e, struct buf *out) {
    const struct engine_service *worst = NULL;
    uint64_t dead = 0;
    for (size_t i = 0; i < e->service_count; i++) {
        const struct engine_service *s = &e->services[i];
        dead += s->books.dead;
        worst = worst == NULL || s->books.dead > worst->books.dead ? s : worst;
    }
    if (dead > 0) {
        buf_printf(out,
                   "; it holds %llu dead letters, most of service \"%s\": `zingq dlq discard "
                   "--service %s` deletes them",
                   (unsigned long long)dead, worst->conf->name, worst->conf->name);
    }
    return dead;
}

/* Waiting events, and the service with most of them. */
static uint64_t add_waiting(const struct engine *e, bool large, struct buf *out) {
    const struct engine_service *worst = NULL;
    uint64_t waiting = 0;
    uint64_t most = 0;
    for (size_t i = 0; i < e->service_count; i++) {
        uint64_t own = books_waiting(&e->services[i].books);
        waiting += own;
        worst = own > most ? &e->services[i] : worst;
        most = own > most ? own : most;
    }
    if (large && waiting > 0) {
        buf_printf(out,
                   "; %llu events wait, most of service \"%s\": `zingq keys list --service %s` "
                   "says why",
                   (unsigned long long)waiting, worst->conf->name, worst->conf->name);
    }
    return waiting;
}

static void add_events(const struct engine *e, uint64_t taken, uint64_t dead, struct buf *out) {
    struct store *store = journal_store(e->journal);
    uint64_t events = store_rows_kept(store, TABLE_EVENT);
    bool large = store_bytes_kept(store, TABLE_EVENT) >= taken / LARGE_PARTS;
    uint64_t others = dead + add_waiting(e, large, out);
    if (events > others) {
        buf_printf(out,
                   "; %llu ended events are kept for store.keep_done: lower it and start the "
                   "host again",
                   (unsigned long long)(events - others));
    }
}

static void add_outbox(const struct engine *e, struct buf *out) {
    uint64_t outbox = store_rows_kept(journal_store(e->journal), TABLE_OUTBOX);
    if (outbox > 0) {
        buf_printf(out,
                   "; %llu publishes wait in the outbox: `zingq outbox list` shows them; they are "
                   "removed when the broker accepts them",
                   (unsigned long long)outbox);
    }
}

/* What is kept besides events, and named if there is much of it. */
static const struct {
    enum store_table first, last; /* with one row each */
    enum store_table bulk;        /* the table that has most of the bytes */
    const char *text;             /* printed after a number */
} kept[] = {
    {TABLE_DELAYED, TABLE_DELAYED, TABLE_TIMER,
     "publishes are delayed: `zingq delayed` shows them, `zingq cancel` cancels one"},
    {TABLE_STATE, TABLE_STATE, TABLE_STATE,
     "values are state of handlers: they expire with a ttl, or a handler deletes them"},
    {TABLE_LOCK, TABLE_LOCK, TABLE_LOCK, "locks are held: they are removed when they expire"},
    {TABLE_STEP, TABLE_STEP, TABLE_STEP, "results of steps are kept until their events end"},
    {TABLE_SIGNAL, TABLE_SIGNAL, TABLE_SIGNAL, "signals wait for a handler to take them"},
    {TABLE_APPEND, TABLE_APPEND, TABLE_APPEND,
     "lines of zing.append wait to be written to their files"},
    {TABLE_FORWARD, TABLE_FORWARD, TABLE_FORWARD,
     "events wait for the hosts that own their keys: `zingq status` names them"},
    {TABLE_ASIDE, TABLE_ASIDE, TABLE_ASIDE,
     "records that could not be read were set aside: `zingq compact --drop-aside` deletes them"},
    {TABLE_DEDUPE, (enum store_table)(TABLE_COUNT - 1), TABLE_DEDUPE,
     "idempotency keys and ids of events are kept for store.keep_idempotency: lower it"},
};

static void add_kept(const struct engine *e, uint64_t taken, struct buf *out) {
    struct store *store = journal_store(e->journal);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        uint64_t rows = 0;
        bool apart = kept[i].bulk != kept[i].first;
        uint64_t bytes = apart ? store_bytes_kept(store, kept[i].bulk) : 0;
        for (unsigned t = kept[i].first; t <= kept[i].last; t++) {
            rows += store_rows_kept(store, (enum store_table)t);
            bytes += store_bytes_kept(store, (enum store_table)t);
        }
        if (rows > 0 && bytes >= taken / LARGE_PARTS) {
            buf_printf(out, "; %llu %s", (unsigned long long)rows, kept[i].text);
        }
    }
}

static void add_files(const struct engine *e, uint64_t taken, struct buf *out) {
    uint64_t bytes = engine_file_bytes(e);
    const struct engine_service *most = engine_most_files(e);
    if (bytes > 0 && bytes >= taken / LARGE_PARTS) {
        buf_printf(out, "; files of zing.append take %llu bytes", (unsigned long long)bytes);
        if (most != NULL) {
            buf_printf(out, ", most of service \"%s\"", most->conf->name);
        }
        buf_printf(out, ": move them out of %s/files", e->conf->store_path);
    }
}

static void tell_space(struct engine *e, uint64_t used, uint64_t max) {
    bool disk = max < e->conf->store_max_bytes / PAGE_BYTES * PAGE_BYTES;
    struct buf text;
    buf_init(&text, sizeof e->space->words);
    if (e->space->full) {
        buf_add_str(&text, "full: nothing is accepted and nothing runs until space returns; ");
    } else {
        buf_printf(&text,
                   "nearly full (%llu of %llu bytes%s): no new events are accepted until space "
                   "returns; ",
                   (unsigned long long)used, (unsigned long long)max,
                   disk ? ", the disk has no more" : "");
    }
    buf_add_str(&text, disk ? "free some on the disk" : "raise store.max_size");
    add_reader(e, &text);
    add_events(e, used, add_dead(e, &text), &text);
    add_outbox(e, &text);
    add_files(e, used, &text);
    add_kept(e, used, &text);
    (void)snprintf(e->space->words, sizeof e->space->words, "%s", buf_str(&text));
    buf_clear(&text);
}

static void note_low(struct engine *e, bool low, uint64_t used, uint64_t max) {
    bool news = low != e->space->low;
    e->space->low = low;
    if (low) {
        tell_space(e, used, max);
    }
    if (low && news) {
        e->space->shrink = SHRINK_MAX;
        log_error("store", "%s", e->space->words);
    } else if (news) {
        log_info("store", "there is space again, events are accepted");
    }
}

static uint64_t reserve_of(uint64_t max) {
    return max / RESERVE_PARTS + RESERVE_BYTES_MIN;
}

int engine_become_full(struct engine *e) {
    e->space->full = true;
    e->space->full_since_ms = e->now_ms;
    e->space->low = true;
    e->space->pieces = false;
    e->space->shrink = SHRINK_MAX;
    e->space->room = 0;
    e->space->seen_ms = 0; /* look again immediately: the disk may have room by now */
    tell_space(e, 0, store_limit(journal_store(e->journal)));
    log_error("store", "%s", e->space->words);
    return engine_lend_again(e);
}

int engine_lend_again(struct engine *e) {
    assert(e->space->full);
    return store_lend(journal_store(e->journal), STORE_LENT_SPARE);
}

int engine_stop_tidying(struct engine *e) {
    e->space->full = false;
    e->space->shrink = SHRINK_MAX;
    if (e->space->low) {
        tell_space(e, e->status.store_used, e->status.store_max);
        log_info("store", "waiting events run again: %s", e->space->words);
    }
    return store_lend(journal_store(e->journal), STORE_LENT_NOTHING);
}

int engine_gather_pieces(struct engine *e, bool *gathered) {
    struct store *store = journal_store(e->journal);
    struct store_space space = {0};
    uint64_t max = store_limit(store);
    *gathered = false;
    if (e->space->full || e->space->pieces || store_usage(store, &space) != 0 ||
        space.used + reserve_of(max) / 2 > max) {
        return 0;
    }
    uint64_t more = store_pieces(store, &space);
    if (more == 0 && store_taken(store) > max) {
        log_warn("store",
                 "the file's free pages are scattered, and it is %d times as large as "
                 "store.max_size: it does not grow further; `zingq compact` makes it smaller",
                 STORE_GROWTH_MAX);
        return 0;
    }
    *gathered = true;
    e->space->pieces = true;
    e->space->pieces_since_ms = e->now_ms;
    if (store_taken(store) + more > max) {
        log_info("store",
                 "the file's free pages are scattered, and a turn may need more of them side by "
                 "side: it may grow by %llu bytes; `zingq compact` makes it smaller",
                 (unsigned long long)more);
    }
    return store_lend(store, STORE_LENT_PIECES);
}

int engine_leave_pieces(struct engine *e) {
    if (!e->space->pieces || e->now_ms < e->space->pieces_since_ms + PIECES_MS) {
        return 0;
    }
    e->space->pieces = false;
    return store_lend(journal_store(e->journal), STORE_LENT_NOTHING);
}

/* --- readers --- */

/* A reader that was killed keeps every page that is freed after it began; one that lives and stays
 * is logged once a minute. */
static void look_at_readers(struct engine *e) {
    struct store *store = journal_store(e->journal);
    (void)store_clear_readers(store);
    struct store_reader reader = store_old_reader(store);
    if (reader.pid != e->space->reader.pid || reader.commit != e->space->reader.commit) {
        e->space->reader = reader;
        e->space->reader_since_ms = e->now_ms;
        e->space->reader_told_ms = e->now_ms;
    }
    if (reader.pid != 0 && e->now_ms >= e->space->reader_told_ms + READER_OLD_MS) {
        e->space->reader_told_ms = e->now_ms;
        log_warn("store",
                 "process %ld has held a read transaction for %lld s: space freed in the meantime "
                 "is not reused until it ends",
                 reader.pid, (long long)(e->now_ms - e->space->reader_since_ms) / 1000);
    }
}

long engine_old_reader(const struct engine *e, int64_t *since_ms) {
    *since_ms = e->space->reader_since_ms;
    return e->now_ms >= e->space->reader_since_ms + READER_OLD_MS ? e->space->reader.pid : 0;
}

/* --- room --- */

/* The files take nothing of what is needed for that. */
bool engine_can_work_off(const struct engine *e) {
    int64_t full_ms = e->now_ms - e->space->full_since_ms;
    uint64_t max = store_limit(journal_store(e->journal));
    bool enough = e->space->used + reserve_of(max) / 2 <= max;
    return (full_ms >= LOOK_MS && enough) || full_ms >= TRY_MS;
}

/* Bytes that the store and the files of zing.append may take together. */
static uint64_t limit_with_files(const struct engine *e) {
    uint64_t limit = store_limit(journal_store(e->journal)) + engine_file_bytes(e);
    uint64_t most = e->conf->store_max_bytes / PAGE_BYTES * PAGE_BYTES;
    return limit < most ? limit : most;
}

int engine_look_at_space(struct engine *e) {
    bool used_up = e->space->room == 0 && !e->space->low;
    if (!used_up && e->now_ms < e->space->seen_ms + LOOK_MS) {
        return 0;
    }
    struct store *store = journal_store(e->journal);
    e->space->seen_ms = e->now_ms;
    look_at_readers(e);
    int code = engine_look_at_files(e, e->space->low);
    uint64_t files = engine_file_bytes(e);
    struct store_space space = {.used = store_taken(store)};
    uint64_t max = limit_with_files(e);
    uint64_t reserve = reserve_of(max);
    /* Once low, it takes more than one free page to recover. */
    uint64_t margin = e->space->low ? reserve / 2 : 0;
    if (code == 0 && space.used + files + reserve + margin >= max) {
        code = store_usage(store, &space);
    }
    uint64_t used = space.used + files;
    bool low = used + reserve + margin >= max;
    e->space->used = space.used;
    e->status.store_used = used;
    e->status.store_max = max;
    e->space->room = low ? 0 : max - used - reserve;
    e->status.store_room = e->space->room;
    note_low(e, low, used, max);
    return code;
}

void engine_take_room(struct engine *e, const struct event *event) {
    engine_take_bytes(e, event->payload.len + event->topic.len + event->properties.len);
}

uint64_t engine_share_of(const struct engine *e, uint64_t bytes) {
    size_t services = e->conf->service_count;
    return services == 0 ? bytes : bytes / services;
}

uint64_t engine_bytes_stored(size_t record) {
    uint64_t bytes = EVENT_OVERHEAD + record;
    return bytes > PAGE_BYTES / 2 ? (bytes / PAGE_BYTES + 1) * PAGE_BYTES : bytes;
}

void engine_take_bytes(struct engine *e, size_t stored) {
    uint64_t bytes = engine_bytes_stored(stored);
    e->space->room -= bytes < e->space->room ? bytes : e->space->room;
}

size_t engine_room(const struct engine *e) {
    uint64_t most = e->space->room / TURN_PARTS;
    size_t memory = engine_memory_for_messages(e);
    most = most < memory ? most : memory;
    return most < TURN_BYTES_MAX ? (size_t)most : TURN_BYTES_MAX;
}

void engine_turn_found_room(struct engine *e, bool found) {
    unsigned least = e->space->full ? SHRINK_TIDYING : e->space->low ? SHRINK_LOW : 0;
    if (found) {
        bool held = e->now_ms < e->space->small_until_ms;
        e->space->shrink -= !held && e->space->shrink > least ? 1 : 0;
        return;
    }
    e->space->shrink = SHRINK_MAX;
    bool again = e->space->failed_ms > 0 && e->now_ms < e->space->failed_ms + AGAIN_MS;
    e->space->small_until_ms = again ? e->now_ms + LOOK_MS : 0;
    e->space->failed_ms = e->now_ms;
    e->space->room = 0;
    e->space->seen_ms = e->now_ms;
    uint64_t max = store_limit(journal_store(e->journal));
    note_low(e, true, max, max);
}

size_t engine_space_share(const struct engine *e, size_t most) {
    size_t step = most >> e->space->shrink;
    assert(e->space->shrink <= SHRINK_MAX);
    return step == 0 ? 1 : step;
}

int64_t engine_next_look_ms(const struct engine *e) {
    if (e->space->room > 0) {
        return e->space->seen_ms + LOOK_QUIET_MS;
    }
    return e->space->low ? e->space->seen_ms + LOOK_MS : 0;
}

bool engine_has_room(const struct engine *e) {
    return e->waiting < e->conf->backlog_max && e->space->room > 0 && !e->stopping && !e->lost &&
           forwards_own(e->forwards) == 0;
}

bool engine_accepts(struct engine *e) {
    return engine_has_room(e) && forwards_most(e->forwards) < e->conf->backlog_max;
}
