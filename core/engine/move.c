/*
 * move.c - a service takes over what a removed one left, where a new name for its rows is not enough
 * (engine/rename.c): both have rows of their own.
 *
 *   flag "move/<service>"     the number of the service that takes it over; stays, so that what is
 *                             still on its way to the old name finds the new one, and duplicates are
 *                             recognized, until the name is in topics.conf again
 *   flag "moving/<service>"   1 until all of its rows have been moved
 *
 * A turn moves a bounded number of rows, in its transaction; a host that was killed goes on where it
 * was. Until the last row is there, nothing of the new service runs: so the events of a key run in
 * order, those of the old name first. What arrives is accepted and waits.
 *
 * Waiters are moved before their events. A signal that comes in between is given to the event where
 * it still is (engine/signal.c), and an event that waits looks again once it is here.
 *
 * A value, a lock or a signal that both services have under the same key and name stays where it is:
 * which one is right, only a person can tell.
 *
 * Left out on purpose: hosts that divide the keys. A key of the new service may belong to another
 * host than the same key of the old one; `was` on a new name moves nothing, so it works there.
 */
#include "engine/move.h"

#include "base/log.h"
#include "engine/find.h"
#include "engine/impl.h"
#include "engine/lane.h"
#include "engine/move_one.h"
#include "engine/place.h"
#include "engine/signal.h"
#include "engine/space.h"
#include "journal/flags.h"
#include "journal/give.h"

#include <inttypes.h>
#include <stdlib.h>

enum { ROWS_PASSED = 16 };

static const uint64_t NOWHERE = UINT64_MAX; /* of "move/<service>": it is back in topics.conf */

struct moves {
    struct engine_service *from; /* being moved; NULL = none */
    bool cells_done;
    bool found; /* an event, in this pass */
    bool events_done;
    struct give_place place;
    struct row ready; /* the last one put in order */
};

int engine_make_moves(struct engine *e) {
    e->moves = calloc(1, sizeof *e->moves);
    return e->moves == NULL ? ERR_MEMORY : 0;
}

void engine_free_moves(struct engine *e) {
    free(e->moves);
    e->moves = NULL;
}

/* --- beginning --- */

static int put_flags(struct engine *e, const char *from, uint16_t to) {
    int code = flags_put(e->journal, FLAG_MOVE, from, to);
    return code == 0 ? flags_put(e->journal, FLAG_MOVING, from, 1) : code;
}

static int forget(struct engine *e, const char *service, enum service_flag flag, uint64_t value) {
    uint64_t noted;
    int code = flags_get(e->journal, flag, service, &noted);
    return code == 0 && noted != value ? flags_put(e->journal, flag, service, value)
           : code == ERR_NOTFOUND      ? 0
                                       : code;
}

int engine_forget_move(struct engine *e, const char *service) {
    int code = forget(e, service, FLAG_MOVE, NOWHERE);
    return code == 0 ? forget(e, service, FLAG_MOVING, 0) : code;
}

int engine_note_move(struct engine *e, const char *from, uint16_t to) {
    uint64_t noted;
    int code = flags_get(e->journal, FLAG_MOVE, from, &noted);
    return code == 0 && noted == to            ? 0
           : code == 0 || code == ERR_NOTFOUND ? put_flags(e, from, to)
                                               : code;
}

/* Nothing of it runs from now on. What is in memory leaves it once its attempts have ended. */
static void begin(struct engine *e, struct engine_service *from, struct engine_service *to) {
    from->heir = to;
    from->moving = true;
    if (to->taking++ == 0) {
        to->taken_events = to->taken_values = to->taken_left = 0;
    }
    engine_hold(e, to);
}

static int load_one(struct engine *e, struct engine_service *s) {
    uint64_t to = 0;
    uint64_t moving = 0;
    int code = s->removed ? flags_get(e->journal, FLAG_MOVE, s->conf->name, &to) : ERR_NOTFOUND;
    struct engine_service *heir =
        code == 0 && to != NOWHERE ? engine_service_of(e, (uint16_t)to) : NULL;
    if (heir == NULL || heir == s || heir->removed) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    code = flags_get(e->journal, FLAG_MOVING, s->conf->name, &moving);
    s->heir = heir;
    if (code == 0 && moving != 0) {
        begin(e, s, heir);
        heir->stored = true;
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

int engine_load_moves(struct engine *e) {
    int code = 0;
    *e->moves = (struct moves){.from = NULL};
    for (size_t i = 0; i < e->service_count; i++) {
        e->services[i].heir = NULL;
        e->services[i].moving = e->services[i].stored = false;
        e->services[i].taking = 0;
        engine_hold(e, &e->services[i]); /* a move of the failed turn has not begun */
    }
    for (size_t i = 0; code == 0 && i < e->service_count; i++) {
        code = load_one(e, &e->services[i]);
    }
    return code;
}

/* Why it cannot be done; 0 = it can. */
static int check(const struct engine *e, const struct engine_service *from,
                 const struct engine_service *to, struct command *c) {
    if (to == NULL) {
        return report(&c->report, ERR_NOTFOUND, "no service \"%.*s\" in topics.conf",
                      (int)c->name.len, c->name.data);
    }
    if (from == NULL) {
        return report(&c->report, ERR_NOTFOUND, "the store knows no service \"%.*s\"",
                      (int)c->service.len, c->service.data);
    }
    if (!from->removed) {
        return report(&c->report, ERR_INVALID,
                      "service \"%s\" is still in topics.conf: take it out and reload, or "
                      "rename it with `was`",
                      from->conf->name);
    }
    if (division_is_divided(&e->conf->hosts.share)) {
        return report(
            &c->report, ERR_INVALID,
            "hosts divide the keys, and those of \"%s\" may belong to other hosts than those "
            "of \"%s\": give a new name `was = {\"%s\"}`, or reshard to one host first",
            from->conf->name, to->conf->name, from->conf->name);
    }
    return 0;
}

int engine_move(struct engine *e, struct command *c) {
    struct engine_service *from = engine_service_left(e, c->service);
    struct engine_service *to = engine_service_named(e, c->name);
    c->code = check(e, from, to, c);
    if (c->code != 0 || (from->moving && from->heir == to)) {
        return 0;
    }
    if (from->moving) {
        return engine_refuse(c, ERR_EXISTS, "it is being moved to another service");
    }
    int code = put_flags(e, from->conf->name, to->number);
    if (code == 0) {
        begin(e, from, to);
        log_info("engine",
                 "service \"%s\" takes over what service \"%s\" left: it runs nothing until "
                 "all of it is there",
                 to->conf->name, from->conf->name);
    }
    return code;
}

/* --- moving --- */

/* What a removed service counted and has no rows of: it was done long ago. */
static void give_books(struct engine *e, struct engine_service *from, struct engine_service *to) {
    const struct {
        enum book book;
        uint64_t count;
    } rest[] = {
        {BOOK_ACCEPTED, from->books.accepted - books_waiting(&from->books) - from->books.dead},
        {BOOK_DONE, from->books.done},
        {BOOK_DISCARDED, from->books.discarded},
        {BOOK_EXPIRED, from->books.expired},
        {BOOK_DUPLICATES, from->books.duplicates},
        {BOOK_DIED, from->books.died},
        {BOOK_HANDED_OVER, from->books.handed_over},
        {BOOK_RETRIES, from->books.retries},
        {BOOK_TIMEOUTS, from->books.timeouts},
        {BOOK_CRASHES, from->books.crashes},
        {BOOK_SNOOZES, from->books.snoozes},
        {BOOK_THROTTLES, from->books.throttles},
    };
    enum { COUNT = sizeof rest / sizeof *rest };
    for (size_t i = 0; i < COUNT; i++) {
        engine_count(e, to, rest[i].book, (int64_t)rest[i].count);
        const size_t last = COUNT - 1 - i; /* accepted goes last, as it came first */
        engine_count(e, from, rest[last].book, -(int64_t)rest[last].count);
    }
}

static int finish(struct engine *e, struct engine_service *from, struct engine_service *to) {
    give_books(e, from, to);
    from->moving = false;
    to->taking--;
    to->stored = to->taking > 0;
    engine_hold(e, to);
    log_info("engine",
             "service \"%s\" has taken over service \"%s\" events=%" PRIu64 " values=%" PRIu64,
             to->conf->name, from->conf->name, to->taken_events, to->taken_values);
    if (to->taken_left > 0) {
        log_warn("engine",
                 "%" PRIu64
                 " values, locks or signals stay under the name \"%s\": service \"%s\" has "
                 "its own under the same key and name (zingq state list %s)",
                 to->taken_left, from->conf->name, to->conf->name, from->conf->name);
    }
    *e->moves = (struct moves){.from = NULL};
    return flags_put(e->journal, FLAG_MOVING, from->conf->name, 0);
}

/* *done: there are no more. */
static int move_cells(struct engine *e, const struct give *give, size_t *rows, bool *done) {
    struct moves *m = e->moves;
    struct given row;
    int code = 0;
    while (code == 0 && *rows > 0 &&
           (code = journal_give_next(e->journal, give, &m->place, &row)) == 0) {
        m->from->heir->taken_values += row.left || row.table == TABLE_WAITER ? 0 : 1;
        m->from->heir->taken_left += row.left ? 1 : 0;
        --*rows;
        code = engine_move_timer(e, &row);
        if (code == 0 && row.table == TABLE_SIGNAL && !row.left) {
            size_t passed = 0;
            code = engine_wake_waiter(e, &row.new_cell, &passed);
            *rows -= passed / ROWS_PASSED < *rows ? passed / ROWS_PASSED : *rows;
        }
    }
    *done = code == ERR_NOTFOUND;
    return *done ? 0 : code;
}

/* Rows of other services are only passed by, which costs little. */
static int move_events(struct engine *e, const struct give *give, size_t rows, bool *done) {
    struct moves *m = e->moves;
    struct event *event = NULL;
    size_t bytes = 0;
    size_t looked_at = rows * ROWS_PASSED;
    int code = 0;
    for (; code == 0 && rows > 0 && bytes < TURN_BYTES_MAX; rows--) {
        code = journal_give_event(e->journal, give, &m->place, &looked_at, &event);
        if (code != 0 || event == NULL) {
            break;
        }
        bytes += event->payload.len + event->properties.len;
        m->from->heir->taken_events++;
        m->found = true;
        code = engine_move_one(e, m->from, m->from->heir, event);
    }
    *done = code == ERR_NOTFOUND && !m->found;
    if (code == ERR_NOTFOUND) {
        m->place = (struct give_place){.table = 0};
        m->found = false;
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* Values first, then events, in passes until one finds none: an operator may have given one another
 * key, and with it another place, meanwhile. Last the order of what the new service had. */
static int move_some(struct engine *e, struct engine_service *from) {
    struct moves *m = e->moves;
    struct engine_service *to = from->heir;
    const struct give give = {
        .from = from->number, .to = to->number, .origin = to->origin, .ordered = to->conf->ordered};
    size_t rows = engine_space_share(e, MOVE_ROWS_PER_TURN);
    int code = 0;
    if (m->from != from) {
        *m = (struct moves){.from = from};
    }
    if (!m->cells_done) {
        code = move_cells(e, &give, &rows, &m->cells_done);
        if (m->cells_done) {
            m->place = (struct give_place){.table = 0};
        }
    }
    if (code == 0 && m->cells_done && !m->events_done) {
        code = move_events(e, &give, rows, &m->events_done);
    } else if (code == 0 && m->events_done) {
        code = engine_order_ready(e, to, &m->ready, rows, rows * ROWS_PASSED);
        return code == ERR_NOTFOUND ? finish(e, from, to) : code;
    }
    return code;
}

static struct engine_service *next_move(const struct engine *e) {
    for (size_t i = 0; i < e->service_count; i++) {
        struct engine_service *s = &e->services[i];
        if (s->moving && lanes_running(e->lanes, s->heir->index) == 0) {
            return s;
        }
    }
    return NULL;
}

int engine_move_rows(struct engine *e) {
    struct engine_service *from = e->draining ? NULL : next_move(e);
    if (from == NULL) {
        return 0;
    }
    int code = from->heir->stored ? 0 : engine_store_window(e, from->heir);
    return code == 0 ? move_some(e, from) : code;
}

bool engine_wants_move(const struct engine *e) {
    return !e->draining && next_move(e) != NULL;
}
