/*
 * signal.c - signals, and who waits for them.
 *
 * A signal belongs to (service, key, name). If an event waits for it, its value is stored in the
 * event's record of the wait, and the event is woken. Otherwise the signal is kept until an event
 * waits for it, or until store.keep_signals has passed.
 *
 * Signals come from handlers (zing.signal), operators and the front door (COMMAND_SIGNAL), and as
 * messages (engine/signal_message.c).
 */
#include "engine/signal.h"

#include "engine/forward.h"
#include "engine/impl.h"
#include "engine/item.h"
#include "engine/kept.h"
#include "engine/place.h"
#include "engine/services.h"
#include "engine/timers.h"
#include "engine/waiters.h"
#include "journal/event.h"
#include "journal/kept.h"
#include "journal/keyed.h"
#include "journal/later.h"

#include <string.h>

struct cell engine_signal_cell(const struct engine_service *s, struct slice key,
                               struct slice name) {
    uint8_t partition = journal_partition(journal_lane(s->name, key));
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

/* The event of a waiter; NULL: it has ended, and should not have left a waiter. */
static int find_waiter(struct engine *e, const struct cell *cell, const struct waiter *waiter,
                       struct event **out) {
    int code = journal_event_get(e->journal, cell->partition, &waiter->row.id, cell->service, out);
    if (code != 0) {
        *out = NULL;
        return code == ERR_NOTFOUND ? 0 : code;
    }
    if (event_state_ended((enum event_state)(*out)->state)) {
        event_free(*out);
        *out = NULL;
    }
    return 0;
}

/* *given false: no event waited, and the waiter has been removed. */
static int give(struct engine *e, const struct cell *cell, const struct waiter *waiter,
                struct slice value, bool *given) {
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
    if (code == 0 && *given) {
        code = engine_end_wait(e, event, (struct slice){label, len}, STEP_DONE, value);
    }
    if (code == 0) {
        code = journal_waiter_del(e->journal, cell, seq);
    }
    if (code == 0 && *given) {
        code = wake_waiter(e, event);
    }
    event_free(event);
    return code;
}

static int keep_signal(struct engine *e, const struct cell *cell, struct slice value,
                       struct report *r) {
    struct slice other;
    uint64_t at = 0;
    size_t count = 0;
    int code;
    while ((code = journal_signal_next(e->journal, cell, e->now_ms, &at, &other)) == 0) {
        count++;
    }
    if (code != ERR_NOTFOUND) {
        return code;
    }
    if (count >= SIGNALS_MAX) {
        return report(r, ERR_INVALID,
                      "%d signals \"%.*s\" wait for this key already and no handler takes them",
                      SIGNALS_MAX, (int)cell->name.len, cell->name.data);
    }
    const struct engine_service *s = engine_service_of(e, cell->service);
    uint64_t bytes = journal_row_bytes(cell->key.len + cell->name.len, value.len);
    if (s != NULL && bytes > engine_kept_room(e, s, RUN_QUOTA_SIGNALS)) {
        return report(r, ERR_INVALID,
                      "the signals that no handler of the service takes fill their part of the "
                      "store");
    }
    struct timer timer = {.kind = TIMER_SIGNAL,
                          .partition = cell->partition,
                          .due_ms = e->now_ms + e->conf->keep_signals_ms,
                          .service = cell->service,
                          .key = cell->key,
                          .name = cell->name,
                          .seq = journal_next_seq(e->journal, e->now_ms)};
    code = journal_signal_put(e->journal, cell, timer.seq, value, timer.due_ms);
    return code == 0 ? engine_timer_put(e, &timer) : code;
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
        code = give(e, &cell, &waiter, signal->value, &given);
        if (code != 0) {
            return code;
        }
    }
    if (given) {
        return 0;
    }
    return code == ERR_NOTFOUND ? keep_signal(e, &cell, signal->value, r) : code;
}
