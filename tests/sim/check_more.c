/*
 * check_more.c - see check.h: what the clock and the handlers' own words tell, where the store's rows
 * agree with one another.
 */
#include "check.h"

#include "sim.h"
#include "event/value.h"
#include "journal/event.h"
#include "journal/later.h"
#include "journal/forward.h"
#include "journal/keyed.h"
#include "journal/letter.h"

#include <stdlib.h>

enum {
    LATE_MS = 2000, /* a turn that is due comes by then: once faults are over, hosts are idle */
    VALUE_BYTES = 64,
    WAITING_TOLD = 5,
    TOLD_BYTES = 80,
};

/* --- nothing is late --- */

/* How long the earliest timer has been due by that clock; 0 = it is not. */
static int64_t overdue_ms(struct node *n, uint8_t partition, bool by_wall) {
    struct timer timer;
    int64_t now_ms = by_wall ? node_wall_ms(n) : node_now_ms(n);
    int code = journal_timer_first(engine_journal(n->engine), partition, by_wall, &timer);
    return code == 0 && timer.due_ms < now_ms ? now_ms - timer.due_ms : 0;
}

/* Whether an operator holds a service up, and its events with it. */
static bool is_held(struct node *n) {
    bool held = n->reload.conf != NULL;
    for (size_t i = 0; i < n->conf->service_count && !held; i++) {
        struct engine_service_status v;
        held = engine_service_status(n->engine, i, &v) == 0 && (v.paused || v.held);
    }
    return held;
}

void check_asleep(struct sim *s, struct node *n, int64_t for_ms) {
    uint64_t rows = 0;
    if (for_ms <= LATE_MS || is_held(n) || engine_running(n->engine) > 0) {
        return;
    }
    if (store_begin(n->store) == 0) {
        rows = store_rows(n->store, TABLE_READY);
        store_abort(n->store);
    }
    if (rows > 0) {
        sim_fail(s, "host %u sleeps for %lld ms while %llu events could run", n->number,
                 (long long)for_ms, (unsigned long long)rows);
    }
}

void check_awake(struct sim *s, struct node *n) {
    int64_t late_ms = 0;
    struct engine_status status;
    engine_status(n->engine, &status);
    /* A full store is only tidied; after a turn that failed the host pauses. */
    if (n->lost || status.store_low != NULL || store_begin(n->store) != 0) {
        return;
    }
    for (unsigned i = 0; i < 2 * PARTITIONS; i++) {
        int64_t ms = overdue_ms(n, (uint8_t)(i % PARTITIONS), i >= PARTITIONS);
        late_ms = ms > late_ms ? ms : late_ms;
    }
    store_abort(n->store);
    if (late_ms > LATE_MS) {
        sim_fail(s, "host %u sleeps past a timer: it was due %lld ms ago", n->number,
                 (long long)late_ms);
    }
}

/* --- what waits --- */

static void tell_event(struct sim *s, struct node *n, const struct event *e) {
    struct attempt last = {0};
    struct slice why = slice_of("no failed attempt");
    while (journal_history_next(engine_journal(n->engine), e, &last) == 0) {
        why = last.text;
    }
    sim_tell(s, "host %u has %s of %s: %s, %u attempts, due in %lld ms; %.*s", n->number,
             e->topic.data, journal_service_name(engine_journal(n->engine), e->service),
             event_state_name((enum event_state)e->state), e->attempts,
             (long long)(e->due_ms == 0 ? 0 : e->due_ms - node_now_ms(n)),
             (int)(why.len < TOLD_BYTES ? why.len : TOLD_BYTES), why.data);
    sim_tell(s, "  %.*s", (int)e->payload.len, e->payload.data);
}

void check_tell_waiting(struct sim *s, struct node *n) {
    struct event_place at = {0};
    struct event *event = NULL;
    unsigned told = 0;
    if (store_begin(n->store) != 0) {
        return;
    }
    while (told < WAITING_TOLD && journal_event_scan(engine_journal(n->engine), &at, &event) == 0) {
        if (!event_state_ended((enum event_state)event->state) && event->state != EVENT_READY) {
            tell_event(s, n, event);
            told++;
        }
        event_free(event);
    }
    store_abort(n->store);
}

/* --- state --- */

/* The number under the name in that key's state at the host; 0 = there is none. */
static long long state_of(struct node *n, size_t service, struct slice key, const char *name) {
    char text[VALUE_BYTES];
    struct slice value;
    struct buf json;
    int64_t expires_ms;
    uint64_t lane =
        journal_lane_of(engine_journal(n->engine), slice_of(n->conf->services[service].name), key);
    const struct cell cell = {.partition = journal_partition(lane),
                              .service = engine_service_number(n->engine, service),
                              .key = key,
                              .name = slice_of(name)};
    buf_init(&json, sizeof text);
    bool found = store_begin(n->store) == 0 &&
                 journal_state_get(engine_journal(n->engine), &cell, node_now_ms(n), &value,
                                   &expires_ms) == 0 &&
                 value_to_json(value, &json) == 0;
    long long number = found ? strtoll(buf_str(&json), NULL, 10) : 0;
    if (store_active(n->store)) {
        store_abort(n->store);
    }
    buf_clear(&json);
    return number;
}

long long check_state(struct sim *s, const char *service, const char *key, const char *name) {
    long long sum = 0;
    for (unsigned i = 0; i < s->count; i++) {
        struct node *n = s->nodes[i];
        for (size_t at = 0; at < n->conf->service_count; at++) {
            const struct service_conf *conf = &n->conf->services[at];
            bool is = strcmp(conf->name, service) == 0 || service_was(conf, slice_of(service));
            sum += is ? state_of(n, at, slice_of(key), name) : 0;
        }
    }
    return sum;
}

/* --- receipts --- */

void check_receipt(struct sim *s, struct node *n, struct slice receipt) {
    struct forward_sender sender;
    uint8_t partition;
    uint64_t seq;
    size_t at = 0;
    if (forward_receipt_read(receipt, &sender, &at) != 0 || store_begin(n->store) != 0) {
        sim_fail(s, "host %u sends a receipt that cannot be read", n->number);
        return;
    }
    while (forward_receipt_next(receipt, &at, &partition, &seq) == 0) {
        uint64_t stored = 0;
        int code =
            journal_cursor_get(engine_journal(n->engine), partition, &sender.source, &stored);
        if (code != 0 || seq > stored) {
            sim_fail(s, "host %u gives a receipt for forwards that it has not stored", n->number);
        }
    }
    store_abort(n->store);
}

/* --- what operators did --- */

void check_discarded(struct sim *s, struct node *n) {
    struct dead_row row = {0};
    struct journal *j = engine_journal(n->engine);
    if (store_begin(n->store) != 0) {
        return;
    }
    while (!s->failed && journal_dead_next(j, &row) == 0) {
        struct event *event = NULL;
        if (journal_event_get(j, row.partition, &row.id, row.service, &event) != 0) {
            continue;
        }
        const struct said *one = load_said(s, event->payload.data);
        if (one != NULL && one->gone && one->reruns == 0) {
            sim_fail(s, "host %u: %s %u was discarded, and is still a dead letter", n->number,
                     load_kind_of(one)->name, one->number);
        }
        event_free(event);
    }
    store_abort(n->store);
}

void check_letters(struct sim *s, struct node *n) {
    uint64_t kept[SERVICES_MAX] = {0};
    struct letter_row row = {0};
    size_t service = 0;
    int64_t now_ms = engine_now_ms(n->engine);
    if (store_begin(n->store) != 0) {
        return;
    }
    while (!s->failed && journal_letter_scan(engine_journal(n->engine), &row) == 0) {
        if (row.kind != LETTER_RAN || !engine_service_by_number(n->engine, row.service, &service)) {
            continue;
        }
        const struct service_conf *conf = &n->conf->services[service];
        kept[service]++;
        if (conf->max_dead.count > 0 && kept[service] > conf->max_dead.count) {
            sim_fail(s, "host %u: %s has more dead letters than its max_dead", n->number,
                     conf->name);
        } else if (conf->keep_dead_ms > 0 && row.dead_ms + conf->keep_dead_ms <= now_ms) {
            sim_fail(s, "host %u: %s has a dead letter past its keep_dead", n->number, conf->name);
        }
    }
    store_abort(n->store);
}
