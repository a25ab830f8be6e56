/*
 * engine_check.c - what the store holds, compared with what the engine says.
 *
 * Every waiting event has exactly one row, in `ready` or in `lane`; one that has ended has none,
 * unless it is parked. Only the head of a lane may wait or be parked, and each waiting one has one
 * timer, unless it waits for a signal for good. A delayed publish has a timer and is found by its
 * id. Lane rows stand in front of the ready rows of their lane. The books count the same events.
 */
#include "engine_fixture.h"

#include "value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void begin(struct engine_fixture *f) {
    assert_int_equal(store_begin(f->store), 0);
}

static void end(struct engine_fixture *f) {
    store_abort(f->store);
}

/* Calls each(f, event, arg) for every stored event; the event is freed after it. */
static void for_each_event(struct engine_fixture *f, void *arg,
                           void (*each)(struct engine_fixture *f, const struct event *event,
                                        void *arg)) {
    for (uint8_t p = 0; p < PARTITIONS; p++) {
        struct uuid id = {{0}};
        uint16_t service = 0;
        struct event *event = NULL;
        int code;
        while ((code = journal_event_next(f->view, p, &id, &service, true, &event)) == 0) {
            each(f, event, arg);
            event_free(event);
        }
        assert_int_equal(code, ERR_NOTFOUND);
    }
}

/* --- the invariants --- */

struct tally {
    uint64_t waiting[SERVICES_MAX], dead[SERVICES_MAX];
    uint64_t rows, expected_rows;
    uint64_t untimed, waits; /* put off without a timer; waiting for a signal */
};

static bool row_exists(struct engine_fixture *f, enum store_table table, const struct event *e) {
    struct buf key;
    struct slice value;
    buf_init(&key, 64);
    buf_add_u8(&key, e->partition);
    buf_add_u16_be(&key, e->service);
    if (table == TABLE_LANE) {
        buf_add_u64_be(&key, e->lane);
    }
    buf_add_u64_be(&key, e->seq);
    int code = store_get(f->store, table, buf_slice(&key), &value);
    buf_clear(&key);
    return code == 0;
}

/* What has no steps has no records; who waits for a signal is found by it. */
static void check_steps(struct engine_fixture *f, const struct event *e, struct tally *tally) {
    struct step step = {.name = {NULL, 0}};
    while (journal_step_next(f->view, e, &step) == 0) {
        assert_true(e->durable);
        bool waits = step.kind == STEP_WAIT && step.state == STEP_WAITING;
        tally->waits += waits && !event_state_ended((enum event_state)e->state) ? 1 : 0;
    }
    tally->untimed += e->state == EVENT_SLEEPING && e->due_ms == 0 ? 1 : 0;
}

static void check_event(struct engine_fixture *f, const struct event *e, void *arg) {
    struct tally *tally = arg;
    unsigned rows =
        (row_exists(f, TABLE_READY, e) ? 1u : 0u) + (row_exists(f, TABLE_LANE, e) ? 1u : 0u);
    bool waits = !event_state_ended((enum event_state)e->state);
    unsigned expected = waits || e->parked ? 1 : 0;
    if (rows != expected) {
        fail_msg("%u rows for an event that is %s, payload %.*s", rows,
                 event_state_name((enum event_state)e->state), (int)e->payload.len,
                 e->payload.data);
    }
    assert_true(!e->parked || event_state_dead((enum event_state)e->state));
    check_steps(f, e, tally);
    tally->waiting[e->service] += waits ? 1 : 0;
    tally->dead[e->service] += event_state_dead((enum event_state)e->state) ? 1 : 0;
    tally->expected_rows += expected;
}

static void check_ready_rows(struct engine_fixture *f, struct tally *tally) {
    struct row row = {0};
    while (journal_ready_scan(f->view, &row) == 0) {
        struct row first = row;
        first.seq = 0;
        tally->rows++;
        if (journal_lane_next(f->view, &first) == 0) {
            assert_true(first.seq < row.seq);
        }
    }
}

/* Returns how many rows wait for a timer. */
static uint64_t check_lane_rows(struct engine_fixture *f, struct tally *tally) {
    struct row row = {0};
    struct row last = {0};
    uint64_t timed = 0;
    while (journal_lane_scan(f->view, &row) == 0) {
        bool head = tally->rows == 0 || row.lane != last.lane || row.service != last.service;
        assert_true(head || last.seq == 0 || row.flags == LANE_BEHIND);
        timed += lane_waits(row.flags) ? 1 : 0;
        tally->rows++;
        last = row;
    }
    return timed;
}

/* Adds up the timers of events and of delayed publishes, which must be found by their id. */
static void count_timers(struct engine_fixture *f, uint64_t *events, uint64_t *publishes) {
    struct slice key = {"", 0};
    struct slice value;
    char last[511];
    while (store_seek(f->store, TABLE_TIMER, key, key.len > 0, &key, &value) == 0) {
        struct publication p;
        struct delayed delayed;
        *events += key.data[9] == TIMER_EVENT ? 1 : 0;
        if (key.data[9] == TIMER_PUBLISH) {
            ++*publishes;
            assert_int_equal(publication_decode(value, &p), 0);
            assert_int_equal(journal_delayed_get(f->view, &p.id, &delayed), 0);
            assert_int_equal(delayed.partition, (uint8_t)key.data[0] & 0x7f);
            assert_int_equal(delayed.by_wall, (uint8_t)key.data[0] >> 7);
        }
        memcpy(last, key.data, key.len);
        key.data = last;
    }
}

static void check_timers(struct engine_fixture *f, uint64_t timed) {
    uint64_t events = 0;
    uint64_t publishes = 0;
    count_timers(f, &events, &publishes);
    assert_int_equal(events, timed);
    assert_int_equal(store_rows(f->store, TABLE_DELAYED), publishes);
    assert_int_equal(status(f).delayed, publishes);
}

static void check_books(struct engine_fixture *f, const struct tally *tally) {
    uint64_t waiting = 0;
    for (size_t i = 0; i < f->conf->service_count; i++) {
        struct engine_service_status s;
        struct books stored;
        uint16_t number;
        assert_int_equal(engine_service_status(f->engine, i, &s), 0);
        begin(f);
        assert_int_equal(journal_service_number(f->view, s.name, &number), 0);
        assert_int_equal(journal_books_get(f->view, number, &stored), 0);
        end(f);
        assert_int_equal(stored.accepted, s.books.accepted);
        assert_int_equal(books_waiting(&stored), tally->waiting[number]);
        assert_int_equal(stored.dead, tally->dead[number]);
        waiting += tally->waiting[number];
    }
    assert_int_equal(status(f).waiting, waiting);
}

void engine_check(struct engine_fixture *f) {
    struct tally *tally = calloc(1, sizeof *tally);
    assert_non_null(tally);
    begin(f);
    uint64_t timed = check_lane_rows(f, tally);
    check_ready_rows(f, tally);
    for_each_event(f, tally, check_event);
    assert_int_equal(tally->rows, tally->expected_rows);
    check_timers(f, timed - tally->untimed);
    assert_int_equal(store_rows(f->store, TABLE_WAITER), tally->waits);
    uint64_t dead = 0;
    for (size_t i = 0; i < SERVICES_MAX; i++) {
        dead += tally->dead[i];
    }
    assert_int_equal(store_rows(f->store, TABLE_DEAD), dead);
    end(f);
    check_books(f, tally);
    free(tally);
}

/* --- questions --- */

void assert_books(struct engine_fixture *f, const char *service, struct books expected) {
    struct books b = service_status(f, service).books;
    assert_int_equal(b.accepted, expected.accepted);
    assert_int_equal(b.done, expected.done);
    assert_int_equal(b.dead, expected.dead);
    assert_int_equal(b.discarded, expected.discarded);
    assert_int_equal(b.duplicates, expected.duplicates);
    assert_int_equal(b.handed_over, expected.handed_over);
    assert_int_equal(b.retries, expected.retries);
    assert_int_equal(b.timeouts, expected.timeouts);
    assert_int_equal(b.crashes, expected.crashes);
    assert_int_equal(b.snoozes, expected.snoozes);
    assert_int_equal(b.throttles, expected.throttles);
}

struct search {
    uint16_t service;
    enum event_state state;
    const char *payload;
    uint64_t count;
    struct uuid id;
    uint8_t partition;
};

static void compare(struct engine_fixture *f, const struct event *e, void *arg) {
    (void)f;
    struct search *s = arg;
    bool found = e->service == s->service && (s->payload != NULL ? slice_is(e->payload, s->payload)
                                                                 : e->state == (uint8_t)s->state);
    if (found) {
        s->count++;
        s->id = e->id;
        s->partition = e->partition;
    }
}

uint64_t count_events(struct engine_fixture *f, const char *service, enum event_state state) {
    struct search s = {.state = state};
    begin(f);
    assert_int_equal(journal_service_number(f->view, service, &s.service), 0);
    for_each_event(f, &s, compare);
    end(f);
    return s.count;
}

/* Within a transaction. */
static struct event *take_event(struct engine_fixture *f, const char *service,
                                const char *payload) {
    struct search s = {.payload = payload};
    struct event *event = NULL;
    assert_int_equal(journal_service_number(f->view, service, &s.service), 0);
    for_each_event(f, &s, compare);
    if (s.count != 1) {
        fail_msg("%llu events of %s with payload %s", (unsigned long long)s.count, service,
                 payload);
    }
    assert_int_equal(journal_event_get(f->view, s.partition, &s.id, s.service, &event), 0);
    return event;
}

struct event *event_with(struct engine_fixture *f, const char *service, const char *payload) {
    begin(f);
    struct event *event = take_event(f, service, payload);
    end(f);
    return event;
}

enum event_state state_of(struct engine_fixture *f, const char *service, const char *payload) {
    struct event *event = event_with(f, service, payload);
    enum event_state state = (enum event_state)event->state;
    event_free(event);
    return state;
}

struct uuid id_of(struct engine_fixture *f, const char *service, const char *payload) {
    struct event *event = event_with(f, service, payload);
    struct uuid id = event->id;
    event_free(event);
    return id;
}

const char *reason_of(struct engine_fixture *f, const char *service, const char *payload,
                      char out[512]) {
    struct event *event = event_with(f, service, payload);
    assert_int_equal(event->state, EVENT_DEAD);
    (void)snprintf(out, 512, "%.*s", (int)event->reason.len, event->reason.data);
    event_free(event);
    return out;
}

const char *history_of(struct engine_fixture *f, const char *service, const char *payload,
                       char out[512]) {
    size_t len = 0;
    struct attempt a = {0};
    out[0] = '\0';
    begin(f);
    struct event *event = take_event(f, service, payload);
    while (journal_history_next(f->view, event, &a) == 0) {
        len += (size_t)snprintf(out + len, 512 - len, "%s%s", len == 0 ? "" : " ",
                                attempt_end_name(a.end));
        assert_true(len < 512);
    }
    end(f);
    event_free(event);
    return out;
}

const char *state_text(struct engine_fixture *f, const char *service, const char *key,
                       const char *name, char out[512]) {
    struct cell cell = {.key = slice_of(key), .name = slice_of(name)};
    struct slice value;
    struct buf text;
    int64_t expires;
    buf_init(&text, 500);
    cell.partition = journal_partition(journal_lane(slice_of(service), cell.key));
    begin(f);
    assert_int_equal(journal_service_number(f->view, service, &cell.service), 0);
    int code = journal_state_get(f->view, &cell, f->now_ms, &value, &expires);
    if (code == 0) {
        assert_int_equal(value_to_json(value, &text), 0);
    } else {
        assert_int_equal(code, ERR_NOTFOUND);
        buf_add_str(&text, "none");
    }
    end(f);
    (void)snprintf(out, 512, "%s", buf_str(&text));
    buf_clear(&text);
    return out;
}

uint64_t count_rows(struct engine_fixture *f, enum store_table table) {
    begin(f);
    uint64_t rows = store_rows(f->store, table);
    end(f);
    return rows;
}
