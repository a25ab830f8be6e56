/*
 * move_one.c - see engine/move_one.h.
 *
 * The event keeps its arrival number, so among the events of its key it stands where it came: before
 * everything that arrived under the new name. Of neither service anything is in memory (place.c).
 */
#include "engine/move_one.h"

#include "base/log.h"
#include "engine/admit.h"
#include "engine/history.h"
#include "engine/impl.h"
#include "engine/item.h"
#include "engine/place.h"
#include "engine/quota.h"
#include "engine/timers.h"
#include "engine/waiters.h"
#include "engine/withdraw.h"
#include "journal/event.h"
#include "journal/later.h"
#include "journal/step.h"

#include <assert.h>
#include <string.h>

/* --- the books --- */

/* Ended before accepted, so that no service has more ends than events in between. */
static void count_one(struct engine *e, struct engine_service *from, struct engine_service *to,
                      const struct event *event) {
    bool dead = event_state_dead((enum event_state)event->state);
    bool person = event->state == EVENT_NEEDS_PERSON;
    engine_count(e, to, BOOK_ACCEPTED, 1);
    engine_count(e, to, BOOK_DEAD, dead ? 1 : 0);
    engine_count(e, to, BOOK_NEEDS_PERSON, person ? 1 : 0);
    if (dead) {
        engine_uncount_letter(e, from, person);
    }
    /* books that were damaged may not know of it */
    engine_count(e, from, BOOK_ACCEPTED, books_waiting(&from->books) > 0 ? -1 : 0);
}

/* --- the place --- */

/* Signals of either service may be there that never met it: it looks for them, and waits on until the
 * time it had. */
static int look_again(struct engine *e, struct event *event) {
    bool waits = false;
    int code = engine_renew_wait(e, event, &waits);
    if (code != 0 || !waits || event->state != EVENT_SLEEPING || !event->continues) {
        return code;
    }
    event->due_ms = e->now_ms;
    return journal_event_put(e->journal, event);
}

static int put_row(struct engine *e, struct engine_service *to, struct event *event,
                   uint8_t flags) {
    struct row row;
    int code = engine_new_row(e, to, event, &row);
    code = code == 0 ? look_again(e, event) : code;
    if (code != 0) {
        return code;
    }
    struct timer timer = engine_wake_timer(&row, event->due_ms);
    row.flags = flags == LANE_QUEUED ? LANE_BEHIND : flags;
    code = engine_place_stored(e, to, &row);
    bool due = code == 0 && lane_waits(flags) && event->due_ms > 0;
    return due ? engine_timer_put(e, &timer) : code;
}

/* --- the event --- */

/* Not through engine_letter_del, which would count the letter as no longer dead. */
static int move_letter(struct engine *e, struct engine_service *to, const struct event *old,
                       const struct event *moved) {
    if (!event_state_dead((enum event_state)old->state)) {
        return 0;
    }
    int code = engine_letter_give(e, old);
    return code == 0 ? engine_letter_put(e, to, moved) : code;
}

static int move(struct engine *e, struct engine_service *from, struct engine_service *to,
                const struct event *old, struct event *moved) {
    bool placed = !event_state_ended((enum event_state)old->state) || old->parked;
    uint8_t flags = LANE_BEHIND;
    int code = placed ? engine_take_row(e, from, old, &flags) : 0;
    if (code == ERR_NOTFOUND) { /* its row was damaged: it stands where it came */
        flags = old->parked ? LANE_PARKED : LANE_BEHIND;
        code = 0;
    }
    code = code == 0 ? engine_move_history(e, old, moved) : code;
    code = code == 0 ? journal_step_move(e->journal, old, moved) : code;
    code = code == 0 ? move_letter(e, to, old, moved) : code;
    code = code == 0 ? journal_event_del(e->journal, old->partition, &old->id, old->service) : code;
    code = code == 0 ? journal_event_put(e->journal, moved) : code;
    return code == 0 && placed ? put_row(e, to, moved, flags) : code;
}

/* Both services may have got the same message, and ids are unique. Of two events one gets another
 * id: if that of `to` has ended it is this one, because the other's waiter, locks and calls go by
 * the id. */
static int part(struct engine *e, struct engine_service *to, struct event *moved) {
    struct event *there = NULL;
    char id[UUID_TEXT_BYTES + 1];
    int code = journal_event_get(e->journal, moved->partition, &moved->id, to->number, &there);
    if (code == 0 && event_state_ended((enum event_state)there->state)) {
        struct event renamed = *there;
        renamed.id = uuid_next(&e->ids, e->now_ms);
        engine_relocate(to, &renamed);
        code = move(e, to, to, there, &renamed);
        there->tenant_own = renamed.tenant_own;     /* engine_new_row may have replaced it */
    } else if (code == 0 || code == ERR_NOTFOUND) { /* it lives, or cannot be read */
        log_warn(
            "engine",
            "event %s: service \"%s\" has one of that id, so it gets another id, and its calls "
            "get other idempotency keys",
            uuid_text(&moved->id, id), to->conf->name);
        moved->id = uuid_next(&e->ids, e->now_ms);
        engine_relocate(to, moved);
        code = 0;
    }
    event_free(there);
    return code;
}

int engine_move_one(struct engine *e, struct engine_service *from, struct engine_service *to,
                    struct event *event) {
    assert(event->service == from->number && from->removed && to->stored);
    bool stays = !event_state_ended((enum event_state)event->state) ||
                 event_state_dead((enum event_state)event->state);
    struct event moved = *event;
    engine_relocate(to, &moved);
    int code = journal_event_find(e->journal, moved.partition, &moved.id, to->number);
    code = code == 0 ? part(e, to, &moved) : code == ERR_NOTFOUND ? 0 : code;
    code = code == 0 ? move(e, from, to, event, &moved) : code;
    if (code == 0 && stays) { /* the others are counted when all are there */
        count_one(e, from, to, event);
    }
    event->tenant_own = moved.tenant_own; /* see part */
    event_free(event);
    return code;
}

/* --- timers of state, locks and signals --- */

int engine_move_timer(struct engine *e, const struct given *row) {
    static const enum timer_kind kinds[] = {
        [TABLE_STATE] = TIMER_STATE, [TABLE_LOCK] = TIMER_LOCK, [TABLE_SIGNAL] = TIMER_SIGNAL};
    if (row->left || row->expires_ms == 0 || row->table == TABLE_WAITER) {
        return 0;
    }
    struct timer timer =
        engine_cell_timer(kinds[row->table], &row->old_cell, row->expires_ms, row->seq);
    int code = engine_timer_drop(e, &timer); /* one of a lock may have been put off */
    if (code != 0) {
        return code;
    }
    timer.partition = row->new_cell.partition;
    timer.service = row->new_cell.service;
    return engine_timer_put(e, &timer);
}
