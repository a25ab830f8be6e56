/*
 * mend.c - records of the store that cannot be read: what follows for everything else.
 *
 * The journal skips such records and sets them aside (journal/aside.c). An event whose record is
 * gone leaves its lane when its turn comes. Rows that only say where an event waits, or when to
 * wake it, are derived from the event, and are rebuilt when the store is loaded: a turn that meets
 * a damaged one is dropped, and the store is loaded again. The books, which must agree with the
 * rows, are corrected at the same time.
 */
#include "engine/mend.h"

#include "base/log.h"
#include "engine/backlog.h"
#include "engine/impl.h"
#include "engine/lane.h"
#include "engine/place.h"
#include "engine/quota.h"
#include "engine/services.h"
#include "engine/timers.h"
#include "journal/event.h"
#include "journal/keyed.h"
#include "journal/later.h"
#include "journal/step.h"

#include <string.h>

/* --- an event without a record --- */

int engine_lose(struct engine *e, struct engine_service *s, struct lane_item *item) {
    char id[UUID_TEXT_BYTES + 1];
    log_error("engine",
              "event %s of service \"%s\" is dropped and counts as discarded: its record in the "
              "store cannot be read",
              uuid_text(&item->id, id), s->conf->name);
    if (books_waiting(&s->books) > 0) {
        engine_count(e, s, BOOK_DISCARDED, 1);
    }
    return engine_leave_lane(e, item);
}

/* A dead letter that nobody can read counts as discarded. */
static int drop_letter(struct engine *e, const struct event *lost) {
    struct engine_service *s = engine_service_of(e, lost->service);
    struct dead_row row = {.partition = lost->partition, .service = lost->service, .id = lost->id};
    int code = journal_dead_get(e->journal, &row);
    code = code == 0 ? engine_letter_lost(e, &row) : code;
    if (code != 0 || s == NULL || s->books.dead == 0) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    engine_count(e, s, BOOK_DEAD, -1);
    engine_count(e, s, BOOK_DISCARDED, 1);
    if (s->books.needs_person > s->books.dead) {
        engine_count(e, s, BOOK_NEEDS_PERSON, -1);
    }
    return engine_write_books(e);
}

int engine_clear_lost(struct engine *e) {
    struct event lost;
    size_t at = 0;
    int code = 0;
    while (code == 0 && journal_broken_event(e->journal, &at, &lost)) {
        code = drop_letter(e, &lost);
        code = code == 0 ? journal_history_clear(e->journal, &lost) : code;
        code = code == 0 ? journal_step_clear(e->journal, &lost) : code;
    }
    return code;
}

/* --- events without a row --- */

static int find_place(struct engine *e, struct event *event) {
    struct engine_service *s = engine_service_of(e, event->service);
    bool waits = !event_state_ended((enum event_state)event->state);
    bool placed = true;
    int code = s != NULL && (waits || event->parked)
                   ? journal_event_placed(e->journal, event, &placed)
                   : 0;
    if (code != 0 || placed) {
        return code;
    }
    char id[UUID_TEXT_BYTES + 1];
    log_warn("engine", "event %s of service \"%s\" had lost its position and gets a new one",
             uuid_text(&event->id, id), s->conf->name);
    if (waits) {
        code = engine_drop_wake(e, event);
        event->due_ms = 0;
        event->state = EVENT_READY;
        code = code == 0 ? journal_event_put(e->journal, event) : code;
    }
    return code == 0 ? engine_place_again(e, s, event) : code;
}

static int place_lost_events(struct engine *e) {
    struct event_place at = {0};
    struct event *event = NULL;
    int code;
    while ((code = journal_event_scan(e->journal, &at, &event)) == 0) {
        code = find_place(e, event);
        event_free(event);
        if (code != 0) {
            return code;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* --- what wakes them --- */

static int time_head(struct engine *e, const struct row *row) {
    struct event *event = NULL;
    int code = journal_event_get(e->journal, row->partition, &row->id, row->service, &event);
    int64_t due_ms = code == 0 ? event->due_ms : e->now_ms;
    event_free(event);
    if (code != 0 && code != ERR_NOTFOUND) {
        return code;
    }
    struct timer timer = engine_wake_timer(row, due_ms);
    return due_ms > 0 ? engine_timer_put(e, &timer)
                      : 0; /* otherwise it waits for a signal without a timeout */
}

static int time_heads(struct engine *e) {
    struct row row = {0};
    int code;
    while ((code = journal_lane_scan(e->journal, &row)) == 0) {
        code = lane_waits(row.flags) ? time_head(e, &row) : 0;
        if (code != 0) {
            return code;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* A cell copied from the store, where a write moves what was read. */
struct kept_cell {
    struct cell cell;
    char bytes[KEY_BYTES_MAX + STATE_NAME_BYTES_MAX];
};

static void keep_cell(struct kept_cell *kept, const struct cell *cell) {
    size_t key_len = cell->key.len < KEY_BYTES_MAX ? cell->key.len : KEY_BYTES_MAX;
    size_t name_len = cell->name.len < STATE_NAME_BYTES_MAX ? cell->name.len : STATE_NAME_BYTES_MAX;
    memcpy(kept->bytes, cell->key.data, key_len);
    memcpy(kept->bytes + key_len, cell->name.data, name_len);
    kept->cell = *cell;
    kept->cell.key = (struct slice){kept->bytes, key_len};
    kept->cell.name = (struct slice){kept->bytes + key_len, name_len};
}

static int time_locks(struct engine *e) {
    struct kept_cell at = {.cell = {0}};
    struct cell cell = {0};
    struct slice value;
    int code;
    while ((code = journal_cell_scan(e->journal, TABLE_LOCK, &cell, &value)) == 0) {
        struct lock lock;
        keep_cell(&at, &cell);
        cell = at.cell;
        code = journal_lock_get(e->journal, &cell, &lock);
        if (code == 0 && lock.expires_ms > 0) {
            struct timer timer = engine_cell_timer(TIMER_LOCK, &cell, lock.expires_ms, 0);
            code = engine_timer_put(e, &timer);
        }
        if (code != 0 && code != ERR_NOTFOUND) {
            return code;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* --- the books --- */

static int correct_books(struct engine *e, struct engine_service *s) {
    uint64_t rows = engine_waiting_rows(s);
    uint64_t waiting = books_waiting(&s->books);
    if (rows == waiting) {
        return 0;
    }
    log_error(
        "engine",
        "the books of service \"%s\" say that %llu events wait, but %llu do: the books are put "
        "right",
        s->conf->name, (unsigned long long)waiting, (unsigned long long)rows);
    if (rows > waiting) {
        engine_count(e, s, BOOK_ACCEPTED, (int64_t)(rows - waiting));
    } else {
        engine_count(e, s, BOOK_DISCARDED, (int64_t)(waiting - rows));
    }
    return engine_write_books(e);
}

int engine_mend(struct engine *e) {
    bool lost = false;
    for (size_t i = 0; i < e->service_count; i++) {
        lost = lost || engine_waiting_rows(&e->services[i]) < books_waiting(&e->services[i].books);
    }
    lost = lost || journal_has_broken(e->journal, TABLE_READY) ||
           journal_has_broken(e->journal, TABLE_LANE);
    int code = lost ? place_lost_events(e) : 0;
    if (code == 0 && journal_has_broken(e->journal, TABLE_TIMER)) {
        code = time_heads(e);
        code = code == 0 ? time_locks(e) : code;
    }
    if (code == 0 && (journal_has_broken(e->journal, TABLE_TENANT) ||
                      journal_has_broken(e->journal, TABLE_LANE))) {
        code = engine_mend_backlogs(e);
    }
    for (size_t i = 0; code == 0 && i < e->service_count; i++) {
        code = correct_books(e, &e->services[i]);
    }
    return code == 0 ? engine_clear_lost(e) : code;
}
