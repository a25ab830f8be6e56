/* store_check.c - see store_check.h. */
#include "store_check.h"

#include "journal/event.h"
#include "journal/kept.h"
#include "journal/later.h"
#include "journal/letter.h"
#include "journal/outbox.h"
#include "journal/step.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENT_KEY_BYTES = 1 + 16 + 2, TABLE_KEY_BYTES = 511 };

struct check {
    struct journal *journal;
    struct store *store;
    struct engine *engine;
    const struct conf *conf;
    char *why;
    bool fits;
    int64_t now_ms;
    uint64_t waiting[SERVICES_MAX], dead[SERVICES_MAX];
    bool merged[SERVICES_MAX];
    bool taking[SERVICES_MAX]; /* the order is put right last of all */
    uint64_t rows, expected_rows;
    uint64_t letters, held;  /* of these, that no quota takes */
    uint64_t timed;          /* lane rows that wait for a timer */
    uint64_t queued;         /* lane rows that wait for their tenant's turn */
    uint64_t untimed, waits; /* put off without one; waiting for a signal */
    uint64_t timers[TIMER_SIGNAL + 1];
};

/* The first one counts. */
static void differs(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void differs(struct check *c, const char *format, ...) {
    va_list args;
    if (!c->fits) {
        return;
    }
    c->fits = false;
    va_start(args, format);
    (void)vsnprintf(c->why, STORE_CHECK_BYTES, format, args);
    va_end(args);
}

static void expect(struct check *c, const char *what, uint64_t found, uint64_t expected) {
    if (found != expected) {
        differs(c, "%" PRIu64 " %s, but %" PRIu64 " belong there", found, what, expected);
    }
}

/* --- rows --- */

static bool has_tenant_row(struct check *c, const struct row *row) {
    struct row found = *row;
    found.seq--;
    return journal_tenant_next(c->journal, &found) == 0 && found.seq == row->seq &&
           found.lane == row->lane;
}

static void check_lane_rows(struct check *c) {
    struct row row = {0};
    struct row last = {0};
    while (journal_lane_scan(c->journal, &row) == 0) {
        bool head = c->rows == 0 || row.lane != last.lane || row.service != last.service;
        if (!head && last.seq != 0 && row.flags != LANE_BEHIND && !c->merged[row.service]) {
            differs(c, "a lane row with flags %u is not at the head of its lane", row.flags);
        }
        c->timed += lane_waits(row.flags) ? 1 : 0;
        c->queued += row.flags == LANE_QUEUED ? 1 : 0;
        if (row.flags == LANE_QUEUED && !has_tenant_row(c, &row)) {
            differs(c, "a lane waits for the turn of a tenant that does not know of it");
        }
        c->rows++;
        last = row;
    }
}

static void check_ready_rows(struct check *c) {
    struct row row = {0};
    while (journal_ready_scan(c->journal, &row) == 0) {
        struct row first = row;
        first.seq = 0;
        c->rows++;
        if (journal_lane_next(c->journal, &first) == 0 && first.seq >= row.seq &&
            !c->taking[row.service]) {
            differs(c, "a lane row stands behind a ready row of its lane");
        }
    }
}

static void check_rank(struct check *c, const struct event *e) {
    struct row row = {
        .partition = e->partition, .service = e->service, .lane = e->lane, .seq = e->seq - 1};
    struct row in_lane = row;
    bool found = (journal_ready_next(c->journal, &row) == 0 && row.seq == e->seq) ||
                 (journal_lane_next(c->journal, &in_lane) == 0 && in_lane.seq == e->seq);
    bool ready = row.seq == e->seq;
    uint8_t rank = ready ? row.rank : in_lane.rank;
    bool hurried = !ready && rank_priority(rank) > rank_priority(e->rank); /* by one behind it */
    if (found && rank != e->rank && !hurried) {
        differs(c, "a row has rank %u, its event %u", rank, e->rank);
    }
}

static bool row_exists(struct check *c, enum store_table table, const struct event *e) {
    struct buf key;
    struct slice value;
    buf_init(&key, 64);
    buf_add_u8(&key, e->partition);
    buf_add_u16_be(&key, e->service);
    if (table == TABLE_LANE) {
        buf_add_u64_be(&key, e->lane);
    }
    buf_add_u64_be(&key, e->seq);
    int code = store_get(c->store, table, buf_slice(&key), &value);
    buf_clear(&key);
    return code == 0;
}

/* --- events --- */

/* What has no steps has no records; who waits for a signal is found by it. */
static void check_steps(struct check *c, const struct event *e) {
    struct step step = {.name = {NULL, 0}};
    while (journal_step_next(c->journal, e, &step) == 0) {
        bool waits = step.kind == STEP_WAIT && step.state == STEP_WAITING;
        c->waits += waits && !event_state_ended((enum event_state)e->state) ? 1 : 0;
        if (!e->durable) {
            differs(c, "an event has steps and does not say so, payload %.*s", (int)e->payload.len,
                    e->payload.data);
        }
    }
    c->untimed += e->state == EVENT_SLEEPING && e->due_ms == 0 ? 1 : 0;
}

static void check_event(struct check *c, const struct event *e) {
    unsigned rows =
        (row_exists(c, TABLE_READY, e) ? 1u : 0u) + (row_exists(c, TABLE_LANE, e) ? 1u : 0u);
    bool waits = !event_state_ended((enum event_state)e->state);
    unsigned expected = waits || e->parked ? 1 : 0;
    if (rows != expected) {
        differs(c, "%u rows for an event that is %s, payload %.*s", rows,
                event_state_name((enum event_state)e->state), (int)e->payload.len, e->payload.data);
    }
    check_rank(c, e);
    if (e->parked && !event_state_dead((enum event_state)e->state)) {
        differs(c, "an event is parked and %s", event_state_name((enum event_state)e->state));
    }
    check_steps(c, e);
    bool dead = event_state_dead((enum event_state)e->state);
    c->waiting[e->service] += waits ? 1 : 0;
    c->dead[e->service] += dead ? 1 : 0;
    c->letters += dead ? 1 : 0;
    c->held += dead && (e->state != EVENT_DEAD || e->parked) ? 1 : 0;
    c->expected_rows += expected;
}

static void check_events(struct check *c) {
    struct event_place at = {0};
    struct event *event = NULL;
    int code;
    while ((code = journal_event_scan(c->journal, &at, &event)) == 0) {
        check_event(c, event);
        event_free(event);
    }
    if (code != ERR_NOTFOUND) {
        differs(c, "the events cannot be read: %s", error_text(code));
    }
    expect(c, "rows of ready and lane", c->rows, c->expected_rows);
    expect(c, "rows of tenants", store_rows(c->store, TABLE_TENANT), c->queued);
    expect(c, "rows of letters by time", store_rows(c->store, TABLE_LETTER), c->letters);
}

static void check_dead_row(struct check *c, const struct letter_row *row) {
    struct dead_row dead = {.partition = row->partition, .service = row->service, .id = row->id};
    if (journal_dead_get(c->journal, &dead) != 0 || dead.dead_ms != row->dead_ms ||
        dead.fingerprint != row->fingerprint) {
        differs(c, "the row of a letter by time says other than that of the letter");
    }
}

/* What the letters' rows take of the store, by service. */
static void check_kept_letters(struct check *c) {
    uint64_t(*kept)[KEPT_KINDS] = calloc(SERVICES_MAX, sizeof *kept);
    struct letter_row row = {0};
    uint64_t held = 0;
    if (kept == NULL) {
        abort();
    }
    while (journal_letter_scan(c->journal, &row) == 0) {
        bool ran = row.kind == LETTER_RAN;
        check_dead_row(c, &row);
        if (row.kind == LETTER_HELD) {
            held++;
            continue;
        }
        kept[row.service][ran ? KEPT_RAN : KEPT_REFUSED] += row.bytes;
        kept[row.service][KEPT_MADE] += row.made ? row.bytes : 0;
        kept[row.service][KEPT_RAN_LETTERS] += ran ? 1 : 0;
    }
    for (uint16_t i = 0; i < SERVICES_MAX; i++) {
        for (unsigned kind = KEPT_REFUSED; kind < KEPT_KINDS; kind++) {
            expect(c, "kept of letters", journal_kept(c->journal, i, (enum kept_kind)kind),
                   kept[i][kind]);
        }
    }
    expect(c, "rows of letters that no quota takes", held, c->held);
    free(kept);
}

/* Rows whose keys begin with an event's belong to one. */
static void check_owned(struct check *c, enum store_table table, const char *what) {
    struct slice key = {"", 0};
    struct slice value;
    char last[TABLE_KEY_BYTES];
    char owner[EVENT_KEY_BYTES] = {0};
    while (store_seek(c->store, table, key, key.len > 0, &key, &value) == 0) {
        struct reader r = reader_of(key.data, key.len);
        uint8_t partition = read_u8(&r);
        struct uuid id;
        memcpy(id.bytes, read_bytes(&r, UUID_BYTES).data, UUID_BYTES);
        uint16_t service = read_u16_be(&r);
        bool known = memcmp(owner, key.data, sizeof owner) == 0;
        if (!known && journal_event_find(c->journal, partition, &id, service) != 0) {
            differs(c, "a %s of an event that is not there", what);
        }
        memcpy(owner, key.data, sizeof owner);
        memcpy(last, key.data, key.len);
        key.data = last;
    }
}

/* --- what waits for a time --- */

static void check_delayed(struct check *c, struct slice key, struct slice value) {
    struct publication p;
    struct delayed delayed;
    if (publication_decode(value, &p) != 0 ||
        journal_delayed_get(c->journal, publication_delayed_id(&p), &delayed) != 0) {
        differs(c, "a delayed publish is not found by its id");
    } else if (delayed.partition != ((uint8_t)key.data[0] & 0x7f) ||
               delayed.by_wall != ((uint8_t)key.data[0] >> 7 != 0)) {
        differs(c, "a delayed publish is found in another place");
    }
}

static void check_timers(struct check *c) {
    struct slice key = {"", 0};
    struct slice value;
    struct engine_status status;
    char last[TABLE_KEY_BYTES];
    while (store_seek(c->store, TABLE_TIMER, key, key.len > 0, &key, &value) == 0) {
        uint8_t kind = (uint8_t)key.data[9];
        if (kind > TIMER_SIGNAL) {
            differs(c, "a timer of kind %u", kind);
            return;
        }
        c->timers[kind]++;
        if (kind == TIMER_PUBLISH) {
            check_delayed(c, key, value);
        }
        memcpy(last, key.data, key.len);
        key.data = last;
    }
    engine_status(c->engine, &status);
    expect(c, "timers of events", c->timers[TIMER_EVENT], c->timed - c->untimed);
    expect(c, "delayed publishes", store_rows(c->store, TABLE_DELAYED), c->timers[TIMER_PUBLISH]);
    expect(c, "delayed publishes, says the engine", status.delayed, c->timers[TIMER_PUBLISH]);
    expect(c, "rows of waits", store_rows(c->store, TABLE_WAITER), c->waits);
}

static void expect_timer(struct check *c, const char *what, uint8_t partition, int64_t due_ms,
                         enum timer_kind kind, struct slice tail) {
    struct buf key;
    struct slice value;
    buf_init(&key, TABLE_KEY_BYTES);
    buf_add_u8(&key, partition);
    buf_add_u64_be(&key, (uint64_t)due_ms);
    buf_add_u8(&key, (uint8_t)kind);
    buf_add(&key, tail.data, tail.len);
    if (store_get(c->store, TABLE_TIMER, buf_slice(&key), &value) != 0) {
        differs(c, "a %s runs out and has no timer", what);
    }
    buf_clear(&key);
}

/* Locks and values. One that has run out has had its timer: its handler is to hear of it yet. */
static void check_cells(struct check *c, enum store_table table, enum timer_kind kind,
                        const char *what) {
    struct slice key = {"", 0};
    struct slice value;
    char last[TABLE_KEY_BYTES];
    while (store_seek(c->store, table, key, key.len > 0, &key, &value) == 0) {
        struct reader r = reader_of(value.data, value.len);
        int64_t expires_ms = (int64_t)read_u64(&r);
        if (expires_ms > c->now_ms) {
            const struct slice tail = {key.data + 1, key.len - 1};
            expect_timer(c, what, (uint8_t)key.data[0], expires_ms, kind, tail);
        }
        memcpy(last, key.data, key.len);
        key.data = last;
    }
}

/* The key of one is p8 service16 len16 key len16 name seq64, that of its timer ends in service16
 * seq64 len16 key name. */
static void check_signal(struct check *c, struct slice key, int64_t expires_ms) {
    struct buf tail;
    struct reader r = reader_of(key.data, key.len);
    uint8_t partition = read_u8(&r);
    uint16_t service = read_u16_be(&r);
    struct slice of = read_bytes(&r, read_u16_be(&r));
    struct slice name = read_bytes(&r, read_u16_be(&r));
    buf_init(&tail, TABLE_KEY_BYTES);
    buf_add_u16_be(&tail, service);
    buf_add_u64_be(&tail, read_u64_be(&r));
    buf_add_u16_be(&tail, (uint16_t)of.len);
    buf_add(&tail, of.data, of.len);
    buf_add(&tail, name.data, name.len);
    expect_timer(c, "signal", partition, expires_ms, TIMER_SIGNAL, buf_slice(&tail));
    buf_clear(&tail);
}

static void check_signals(struct check *c) {
    struct slice key = {"", 0};
    struct slice value;
    char last[TABLE_KEY_BYTES];
    while (store_seek(c->store, TABLE_SIGNAL, key, key.len > 0, &key, &value) == 0) {
        struct reader r = reader_of(value.data, value.len);
        check_signal(c, key, (int64_t)read_u64(&r));
        memcpy(last, key.data, key.len);
        key.data = last;
    }
}

/* --- books --- */

static void check_books(struct check *c) {
    struct engine_status status;
    uint64_t waiting = 0;
    uint64_t dead = 0;
    for (size_t i = 0; i < c->conf->service_count; i++) {
        struct engine_service_status s;
        struct books stored;
        uint16_t number = 0;
        if (engine_service_status(c->engine, i, &s) != 0 || store_begin(c->store) != 0) {
            differs(c, "no status of service %zu", i);
            return;
        }
        if (journal_service_number(c->journal, s.name, &number) != 0 ||
            journal_books_get(c->journal, number, &stored) != 0) {
            differs(c, "no books of service %s", s.name);
            stored = (struct books){0};
        }
        store_abort(c->store);
        expect(c, "accepted by the engine's books", s.books.accepted, stored.accepted);
        expect(c, "waiting by the books", books_waiting(&stored), c->waiting[number]);
        expect(c, "dead by the books", stored.dead, c->dead[number]);
        waiting += c->waiting[number];
    }
    for (size_t i = 0; i < SERVICES_MAX; i++) {
        dead += c->dead[i];
    }
    engine_status(c->engine, &status);
    expect(c, "waiting, says the engine", status.waiting, waiting);
    expect(c, "rows of dead letters", store_rows_kept(c->store, TABLE_DEAD), dead);
}

/* Two lanes of a key have become one where a service took over another one: each had a head. */
static void find_merged(struct check *c) {
    struct engine_service_status s;
    uint16_t number;
    for (size_t i = 0; engine_service_status(c->engine, i, &s) == 0; i++) {
        if (s.heir != NULL && journal_service_find(c->journal, s.heir, &number)) {
            c->merged[number] = true;
        }
        if (s.taking && journal_service_find(c->journal, s.name, &number)) {
            c->taking[number] = true;
        }
    }
}

bool store_check(struct journal *journal, struct engine *engine, const struct conf *conf,
                 char why[STORE_CHECK_BYTES]) {
    struct check *c = calloc(1, sizeof *c);
    if (c == NULL) {
        abort();
    }
    *c = (struct check){.journal = journal,
                        .store = journal_store(journal),
                        .engine = engine,
                        .conf = conf,
                        .why = why,
                        .now_ms = engine_now_ms(engine),
                        .fits = true};
    find_merged(c);
    if (store_begin(c->store) != 0) {
        differs(c, "the store cannot be read");
    } else {
        check_lane_rows(c);
        check_ready_rows(c);
        check_events(c);
        check_kept_letters(c);
        check_owned(c, TABLE_HISTORY, "history");
        check_owned(c, TABLE_STEP, "step");
        check_timers(c);
        check_cells(c, TABLE_LOCK, TIMER_LOCK, "lock");
        check_cells(c, TABLE_STATE, TIMER_STATE, "value");
        check_signals(c);
        store_abort(c->store);
        check_books(c);
    }
    bool fits = c->fits;
    free(c);
    return fits;
}
