/*
 * erase.c - see engine/erase.h.
 *
 * Only events that have ended are erased: a handler that runs would go on with what it has read,
 * and what it has promised to others would never happen. The person decides what becomes of such an
 * event first. A dead letter has ended; erased, it counts as discarded.
 *
 * Left out on purpose: idempotency keys, which are stored as hashes keyed with a secret of the
 * store until they expire; publishes that were already made.
 */
#include "engine/erase.h"

#include "engine/find.h"
#include "engine/impl.h"
#include "engine/quota.h"
#include "engine/services.h"
#include "engine/timers.h"
#include "engine/wake.h"
#include "journal/event.h"
#include "journal/keyed.h"
#include "journal/later.h"
#include "journal/step.h"

#include <stdio.h>
#include <string.h>

/* --- events --- */

static int erase_letter(struct engine *e, struct engine_service *s, struct event *event) {
    int code = engine_letter_del(e, s, event);
    if (code == 0 && event->parked) {
        code = engine_unpark(e, s, event);
    }
    engine_count(e, s, BOOK_DISCARDED, 1);
    return code;
}

static int erase_ended(struct engine *e, struct engine_service *s, struct event *event) {
    int code = event_state_dead((enum event_state)event->state) ? erase_letter(e, s, event) : 0;
    code = code == 0 ? journal_step_clear(e->journal, event) : code;
    code = code == 0 ? journal_history_clear(e->journal, event) : code;
    return code == 0 ? journal_event_del(e->journal, event->partition, &event->id, event->service)
                     : code;
}

bool engine_may_erase(const struct event *event) {
    return event_state_ended((enum event_state)event->state) && event->state != EVENT_NEEDS_PERSON;
}

static int erase_event(struct engine *e, struct engine_service *s, struct command *c) {
    struct event *event = NULL;
    int code = journal_event_get(e->journal, c->partition, &c->id, s->number, &event);
    if (code == ERR_NOTFOUND || (code == 0 && !slice_equal(event->key, c->key))) {
        event_free(event);
        return engine_refuse(c, ERR_NOTFOUND, "the key has no such event");
    }
    if (code == 0 && engine_may_erase(event)) {
        code = erase_ended(e, s, event);
    } else if (code == 0) {
        char id[UUID_TEXT_BYTES + 1];
        c->code = report(&c->report, ERR_INVALID, "event %s is %s", uuid_text(&c->id, id),
                         event_state_name((enum event_state)event->state));
    }
    event_free(event);
    return code;
}

/* --- what belongs to the key --- */

/* A cell whose name is kept while the store changes under it. */
struct named_cell {
    struct cell cell;
    char name[STATE_NAME_BYTES_MAX];
};

static void keep_name(struct named_cell *kept, const struct cell *cell) {
    size_t len = cell->name.len < sizeof kept->name ? cell->name.len : sizeof kept->name;
    kept->cell = *cell;
    if (len > 0) {
        memcpy(kept->name, cell->name.data, len);
    }
    kept->cell.name = (struct slice){kept->name, len};
}

static int drop_timer(struct engine *e, enum timer_kind kind, const struct cell *cell,
                      int64_t due_ms, uint64_t seq) {
    const struct timer timer = engine_cell_timer(kind, cell, due_ms, seq);
    return engine_timer_drop(e, &timer);
}

/* The first value of the key. ERR_NOTFOUND: there is none. */
static int erase_value(struct engine *e, const struct cell *key) {
    struct named_cell at;
    struct cell cell = *key;
    struct slice value;
    int64_t expires_ms = 0;
    int code = journal_state_next(e->journal, &cell, (struct slice){"", 0}, 0, &value);
    if (code != 0) {
        return code;
    }
    keep_name(&at, &cell);
    code = journal_state_get(e->journal, &at.cell, 0, &value, &expires_ms);
    code = code == 0 ? drop_timer(e, TIMER_STATE, &at.cell, expires_ms, 0) : code;
    return code == 0 ? journal_state_del(e->journal, &at.cell) : code;
}

static int erase_lock(struct engine *e, const struct cell *key) {
    struct named_cell at;
    struct cell cell = *key;
    struct slice value;
    struct lock lock;
    int code = journal_cell_scan(e->journal, TABLE_LOCK, &cell, &value);
    bool ours = code == 0 && cell.partition == key->partition && cell.service == key->service &&
                slice_equal(cell.key, key->key);
    if (!ours) {
        return code == 0 ? ERR_NOTFOUND : code;
    }
    cell.key = key->key;
    keep_name(&at, &cell);
    code = journal_lock_get(e->journal, &at.cell, &lock);
    code = code == 0 ? drop_timer(e, TIMER_LOCK, &at.cell, lock.expires_ms, 0) : code;
    return code == 0 ? journal_lock_del(e->journal, &at.cell) : code;
}

static int erase_signal(struct engine *e, const struct cell *key) {
    struct named_cell at;
    struct cell cell = *key;
    struct slice value;
    uint64_t seq = 0;
    int64_t expires_ms = 0;
    cell.name = (struct slice){NULL, 0};
    int code = journal_signal_scan(e->journal, &cell, &seq, &expires_ms, &value);
    if (code != 0) {
        return code;
    }
    keep_name(&at, &cell);
    code = drop_timer(e, TIMER_SIGNAL, &at.cell, expires_ms, seq);
    return code == 0 ? journal_signal_del(e->journal, &at.cell, seq) : code;
}

static int erase_rest(struct engine *e, struct engine_service *s, struct command *c) {
    static int (*const kinds[])(struct engine *, const struct cell *) = {erase_value, erase_lock,
                                                                         erase_signal};
    const struct cell key = {.partition = journal_partition(journal_lane(s->origin, c->key)),
                             .service = s->number,
                             .key = c->key,
                             .name = {"", 0}};
    int code = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        while (c->erased < TRIM_ROWS_PER_TURN && (code = kinds[i](e, &key)) == 0) {
            c->erased++;
        }
        if (code != 0 && code != ERR_NOTFOUND) {
            return code;
        }
    }
    return 0;
}

int engine_erase(struct engine *e, struct command *c) {
    struct engine_service *s = engine_service_known(e, c->service);
    c->erased = 0;
    if (s == NULL) {
        return engine_no_service(c);
    }
    if (c->key.len == 0 || c->key.len > KEY_BYTES_MAX) {
        char text[32];
        (void)snprintf(text, sizeof text, "a key has 1 to %d bytes", KEY_BYTES_MAX);
        return engine_refuse(c, ERR_INVALID, text);
    }
    return uuid_is_zero(&c->id) ? erase_rest(e, s, c) : erase_event(e, s, c);
}
