/*
 * signal.c - signals, and who waits for them.
 *
 * A signal belongs to (service, key, name). If an event waits for it, its value is stored in the
 * event's record of the wait, and the event is woken. If the event waits for several, the signal is
 * kept and counted, and the last one wakes the event, which then takes them all. Otherwise the
 * signal is kept until an event waits for it, or until store.keep_signals has passed.
 *
 * Signals come from handlers (zing.signal), operators and the front door (COMMAND_SIGNAL), and as
 * messages (engine/signal_message.c).
 */
#include "engine/signal.h"

#include "engine/forward.h"
#include "engine/impl.h"
#include "engine/item.h"
#include "engine/kept.h"
#include "engine/lane.h"
#include "engine/rows.h"
#include "engine/services.h"
#include "engine/timers.h"
#include "engine/waiters.h"
#include "engine/wake.h"
#include "journal/event.h"
#include "journal/kept.h"
#include "journal/keyed.h"
#include "journal/later.h"
#include "journal/step.h"

#include <string.h>

struct cell engine_signal_cell(const struct engine_service *s, struct slice key,
                               struct slice name) {
    uint8_t partition = journal_partition(journal_lane(s->origin, key));
    return (struct cell){.partition = partition, .service = s->number, .key = key, .name = name};
}

/* It may be on its way already, because it has waited long enough. */
static int wake_waiter(struct engine *e, struct event *event) {
    struct row row = engine_row(event);
    bool waits = false;
    int code = engine_head_waits(e, &row, &waits);
    waits =
        waits && event->state == EVENT_SLEEPING && event->continues; /* not between two attempts */
    return code == 0 && waits ? engine_wake_now(e, event) : code;
}

/* NULL: it is not there, has ended, or is another one that has the id. */
static int find_event(struct engine *e, const struct engine_service *s, uint8_t partition,
                      const struct waiter *waiter, struct event **out) {
    int code = journal_event_get(e->journal, partition, &waiter->row.id, s->number, out);
    if (code != 0) {
        *out = NULL;
        return code == ERR_NOTFOUND ? 0 : code;
    }
    if (event_state_ended((enum event_state)(*out)->state) || (*out)->seq != waiter->row.seq) {
        event_free(*out);
        *out = NULL;
    }
    return 0;
}

/* The event of a waiter; NULL: it has ended, and should not have left a waiter. While the service
 * takes over another one, the waiter may be here already and the event not: engine/move.c. */
static int find_waiter(struct engine *e, const struct cell *cell, const struct waiter *waiter,
                       struct event **out) {
    const struct engine_service *s = engine_service_of(e, cell->service);
    *out = NULL;
    int code = s == NULL ? 0 : find_event(e, s, cell->partition, waiter, out);
    for (size_t i = 0; s != NULL && code == 0 && *out == NULL && i < e->service_count; i++) {
        const struct engine_service *from = &e->services[i];
        if (from->moving && from->heir == s) {
            uint8_t partition = journal_partition(journal_lane(from->origin, cell->key));
            code = find_event(e, from, partition, waiter, out);
        }
    }
    return code;
}

/* Whether more signals may be kept than nobody could ever use: an event of the key, which is stored,
 * is there to take them. Of an unordered service only one that waits for several. */
static int is_awaited(struct engine *e, const struct engine_service *s, const struct cell *cell,
                      bool *awaited) {
    struct row row = {.partition = cell->partition,
                      .service = s->number,
                      .lane = journal_lane(s->origin, cell->key)};
    *awaited = s->conf->ordered && lanes_find(e->lanes, s->index, row.lane) != NULL;
    return *awaited || !s->conf->ordered ? 0 : engine_lane_has_rows(e, s, &row, awaited);
}

static int check_number(struct engine *e, const struct engine_service *s, const struct cell *cell,
                        struct report *r) {
    struct kept_signal at = {.seq = 0};
    bool awaited = false;
    int code = is_awaited(e, s, cell, &awaited);
    if (code != 0 || awaited) {
        return code;
    }
    for (size_t count = 0; count < SIGNALS_MAX; count++) {
        code = journal_signal_next(e->journal, cell, e->now_ms, &at);
        if (code != 0) {
            return code == ERR_NOTFOUND ? 0 : code;
        }
    }
    return report(r, ERR_INVALID,
                  "%d signals \"%.*s\" wait for this key already and no handler takes them",
                  SIGNALS_MAX, (int)cell->name.len, cell->name.data);
}

static int keep_signal(struct engine *e, const struct cell *cell, struct slice value,
                       struct report *r) {
    const struct engine_service *s = engine_service_of(e, cell->service);
    uint64_t bytes = journal_row_bytes(cell->key.len + cell->name.len, value.len);
    if (s != NULL && bytes > engine_kept_room(e, s, RUN_QUOTA_SIGNALS)) {
        return report(r, ERR_INVALID,
                      "the signals that no handler of the service takes fill their part of the "
                      "store");
    }
    struct timer timer = engine_cell_timer(TIMER_SIGNAL, cell, e->now_ms + e->conf->keep_signals_ms,
                                           journal_next_seq(e->journal, e->now_ms));
    int code = journal_signal_put(e->journal, cell, timer.seq, value, timer.due_ms);
    return code == 0 ? engine_timer_put(e, &timer) : code;
}

/* --- who waits --- */

/* One more of the signals that the event waits for. */
static int count_in(struct engine *e, struct event *event, const struct cell *cell,
                    const struct step *wait) {
    struct step step = *wait;
    step.value = cell->name; /* which it is; the record's own copy moves when it is written */
    if (step.count == 1) {
        return wake_waiter(e, event);
    }
    step.count--;
    return journal_step_put(e->journal, event, &step);
}

static int give_value(struct engine *e, struct event *event, const struct cell *cell,
                      struct slice label, struct slice value) {
    int code = engine_end_wait(e, event, label, STEP_DONE, value);
    code = code == 0 ? engine_drop_waiter(e, cell, event->seq) : code;
    return code == 0 ? wake_waiter(e, event) : code;
}

static int give_event(struct engine *e, struct event *event, const struct cell *cell,
                      struct slice label, struct slice value, struct report *r) {
    struct step step = {.count = 0};
    int code = journal_step_get(e->journal, event, STEP_WAIT, label, &step);
    if (code == ERR_NOTFOUND || (code == 0 && step.count == 0)) {
        return give_value(e, event, cell, label, value);
    }
    code = code == 0 ? keep_signal(e, cell, value, r) : code;
    return code == 0 ? count_in(e, event, cell, &step) : code;
}

/* *given false: no event waited, and the waiter has been removed. ERR_INVALID (r). */
static int give(struct engine *e, const struct cell *cell, const struct waiter *waiter,
                struct slice value, bool *given, struct report *r) {
    struct event *event = NULL;
    char label[STEP_LABEL_BYTES_MAX];
    size_t len = waiter->label.len;
    uint64_t seq = waiter->row.seq;
    if (len > sizeof label) { /* no event that exists can have this label */
        *given = false;
        return journal_waiter_del(e->journal, cell, seq);
    }
    memcpy(label, waiter->label.data, len);
    int code = find_waiter(e, cell, waiter, &event);
    *given = event != NULL;
    if (code == 0) {
        code = *given ? give_event(e, event, cell, (struct slice){label, len}, value, r)
                      : journal_waiter_del(e->journal, cell, seq);
    }
    event_free(event);
    return code;
}

int engine_wake_waiter(struct engine *e, const struct cell *cell, size_t *passed) {
    struct waiter waiter = {.row = {.seq = 0}};
    bool woken = false;
    int code = 0;
    while (!woken && (code = journal_waiter_next(e->journal, cell, &waiter)) == 0) {
        struct event *event = NULL;
        code = find_waiter(e, cell, &waiter, &event);
        /* one that is about to look was woken for another signal */
        woken =
            event != NULL && (event->due_ms == 0 || event->due_ms > e->now_ms + STORED_DELAY_MS);
        code = code == 0 && woken ? wake_waiter(e, event) : code;
        event_free(event);
        ++*passed;
        if (code != 0) {
            return code;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

int engine_check_signal(const struct signal *signal, struct report *r) {
    struct slice key = signal->key;
    struct slice name = signal->name;
    if (key.len > KEY_BYTES_MAX) {
        return report(r, ERR_INVALID, "the signal's key has %zu bytes, %d is the limit", key.len,
                      KEY_BYTES_MAX);
    }
    if (slice_has_nul(key) || slice_has_nul(name)) {
        return report(r, ERR_INVALID, "the signal's key or name holds a NUL byte");
    }
    if (name.len == 0 || name.len > STATE_NAME_BYTES_MAX) {
        return report(r, ERR_INVALID, "the signal's name has %zu bytes, 1 to %d are possible",
                      name.len, STATE_NAME_BYTES_MAX);
    }
    if (signal->value.len > VALUE_BYTES_MAX) {
        return report(r, ERR_INVALID, "the signal's value has %zu bytes, %d is the limit",
                      signal->value.len, VALUE_BYTES_MAX);
    }
    return 0;
}

int engine_signal(struct engine *e, struct engine_service *s, const struct signal *signal,
                  struct report *r) {
    int code = engine_check_signal(signal, r);
    if (code != 0) {
        return code;
    }
    struct cell cell = engine_signal_cell(s, signal->key, signal->name);
    struct waiter waiter;
    bool given = false;
    if (engine_is_elsewhere(e, s, signal->key, cell.partition)) {
        return engine_forward_signal(e, s, cell.partition, signal);
    }
    while (!given && (code = journal_waiter_first(e->journal, &cell, &waiter)) == 0) {
        code = give(e, &cell, &waiter, signal->value, &given, r);
        if (code != 0) {
            return code;
        }
    }
    if (given) {
        return 0;
    }
    code = code == ERR_NOTFOUND ? check_number(e, s, &cell, r) : code;
    return code == 0 ? keep_signal(e, &cell, signal->value, r) : code;
}
