/* row_copy.c - see row_copy.h. A copy of a table is a function of the row's table. */
#include "row_copy.h"

#include "base/limits.h"
#include "journal/event.h"
#include "journal/forward.h"
#include "journal/keyed.h"
#include "journal/later.h"
#include "journal/letter.h"
#include "journal/move.h"
#include "journal/outbox.h"
#include "journal/step.h"

#include <assert.h>

/* What a copy is made of. */
struct source {
    struct journal *j;
    struct slice key, value;
    struct row_sight at; /* what the key says */
};

enum { ROOM = 1 << 20 };

static bool copy_event(const struct source *s) {
    struct event_place at = {.partition = 0};
    struct event *event = NULL;
    int code = journal_event_scan(s->j, &at, &event);
    if (code != 0) {
        return false; /* its number lies ahead */
    }
    code = journal_event_put(s->j, event);
    event_free(event);
    return code == 0;
}

static bool copy_ready(const struct source *s) {
    struct row row = {.partition = 0};
    return journal_ready_scan(s->j, &row) == 0 && journal_ready_put(s->j, &row) == 0;
}

static bool copy_lane(const struct source *s) {
    struct row row = {.partition = 0};
    return journal_lane_scan(s->j, &row) == 0 && journal_lane_put(s->j, &row) == 0;
}

static bool copy_tenant(const struct source *s) {
    struct row row = {.partition = s->at.partition, .service = s->at.service};
    return journal_tenant_after(s->j, &row) == 0 && journal_tenant_put(s->j, &row) == 0;
}

static bool copy_publication(struct slice record, struct buf *out) {
    struct publication p;
    if (publication_decode(record, &p) != 0) {
        return false;
    }
    publication_encode(&p, out);
    return true;
}

static bool copy_outbox(const struct source *s) {
    struct buf record;
    buf_init(&record, ROOM);
    bool copied = copy_publication(s->value, &record) &&
                  journal_outbox_put(s->j, s->at.seq, buf_slice(&record)) == 0;
    buf_clear(&record);
    return copied;
}

static bool copy_timer(const struct source *s) {
    struct timer timer;
    struct buf record;
    bool by_wall = ((uint8_t)s->key.data[0] & 0x80) != 0;
    if (journal_timer_first(s->j, s->at.partition, by_wall, &timer) != 0) {
        return false;
    }
    buf_init(&record, ROOM);
    if (timer.kind == TIMER_PUBLISH) {
        bool read = journal_timer_record(s->j, &timer, &timer.record) == 0;
        assert(read && copy_publication(timer.record, &record));
        timer.record = buf_slice(&record);
    }
    bool copied = journal_timer_put(s->j, &timer) == 0;
    buf_clear(&record);
    return copied;
}

static bool copy_state(const struct source *s) {
    struct cell cell = {.partition = 0};
    struct slice value;
    int64_t expires_ms;
    return journal_cell_scan(s->j, TABLE_STATE, &cell, &value) == 0 &&
           journal_state_get(s->j, &cell, INT64_MIN, &value, &expires_ms) == 0 &&
           journal_state_put(s->j, &cell, value, expires_ms) == 0;
}

static bool copy_lock(const struct source *s) {
    struct cell cell = {.partition = 0};
    struct slice value;
    struct lock lock;
    return journal_cell_scan(s->j, TABLE_LOCK, &cell, &value) == 0 &&
           journal_lock_get(s->j, &cell, &lock) == 0 && journal_lock_put(s->j, &cell, &lock) == 0;
}

static bool copy_dead(const struct source *s) {
    struct dead_row row = {.partition = 0};
    return journal_dead_next(s->j, &row) == 0 && journal_dead_put(s->j, &row) == 0;
}

static bool copy_letter(const struct source *s) {
    struct letter_row row = {.partition = 0};
    return journal_letter_scan(s->j, &row) == 0 && journal_letter_put(s->j, &row) == 0;
}

static bool copy_append(const struct source *s) {
    uint8_t partition = 0;
    uint64_t seq = 0;
    struct slice file;
    struct slice line;
    return journal_append_next(s->j, &partition, &seq, &file, &line) == 0 &&
           journal_append_put(s->j, partition, seq, file, line) == 0;
}

/* What belongs to an event knows it by its place. */
static struct event owner_of(const struct source *s) {
    return (struct event){.partition = s->at.partition, .id = s->at.id, .service = s->at.service};
}

static bool copy_step(const struct source *s) {
    struct event owner = owner_of(s);
    struct step step = {.name = {NULL, 0}};
    return journal_step_next(s->j, &owner, &step) == 0 &&
           journal_step_put(s->j, &owner, &step) == 0;
}

/* A cell whose name follows its key, with its length. */
static bool signal_cell(const struct source *s, struct cell *cell) {
    struct reader r = reader_of(s->key.data, s->key.len);
    cell->partition = read_u8(&r);
    cell->service = read_u16_be(&r);
    uint16_t key_len = read_u16_be(&r);
    cell->key = read_bytes(&r, key_len);
    uint16_t name_len = read_u16_be(&r);
    cell->name = read_bytes(&r, name_len);
    return !r.failed;
}

static bool copy_signal(const struct source *s) {
    struct cell cell;
    struct slice value;
    uint64_t seq = 0;
    int64_t expires_ms;
    bool found = signal_cell(s, &cell);
    cell.name = (struct slice){NULL, 0};
    found = found && journal_signal_scan(s->j, &cell, &seq, &expires_ms, &value) == 0;
    return found && journal_signal_put(s->j, &cell, seq, value, expires_ms) == 0;
}

static bool copy_waiter(const struct source *s) {
    struct cell cell;
    struct waiter waiter = {.label = {NULL, 0}};
    return signal_cell(s, &cell) && journal_waiter_first(s->j, &cell, &waiter) == 0 &&
           journal_waiter_put(s->j, &cell, &waiter) == 0;
}

static bool copy_delayed(const struct source *s) {
    struct delayed delayed;
    return journal_delayed_get(s->j, &s->at.id, &delayed) == 0 &&
           journal_delayed_put(s->j, &s->at.id, &delayed) == 0;
}

static bool copy_forward(const struct source *s) {
    struct forward forward;
    struct buf record;
    if (forward_decode(s->value, &forward) != 0) {
        return false;
    }
    buf_init(&record, ROOM);
    forward_encode(&forward, &record);
    int code = journal_forward_put(s->j, s->at.partition, s->at.seq, buf_slice(&record));
    buf_clear(&record);
    return code == 0;
}

static bool copy_cursor(const struct source *s) {
    uint64_t seq;
    return journal_cursor_get(s->j, s->at.partition, &s->at.id, &seq) == 0 &&
           journal_cursor_put(s->j, s->at.partition, &s->at.id, seq) == 0;
}

bool row_copy(struct journal *j, enum store_table t, struct slice key, struct slice value) {
    static bool (*const copies[])(const struct source *) = {
        [TABLE_EVENT] = copy_event,     [TABLE_READY] = copy_ready,
        [TABLE_LANE] = copy_lane,       [TABLE_TENANT] = copy_tenant,
        [TABLE_OUTBOX] = copy_outbox,   [TABLE_TIMER] = copy_timer,
        [TABLE_STATE] = copy_state,     [TABLE_LOCK] = copy_lock,
        [TABLE_DEAD] = copy_dead,       [TABLE_LETTER] = copy_letter,
        [TABLE_APPEND] = copy_append,   [TABLE_STEP] = copy_step,
        [TABLE_SIGNAL] = copy_signal,   [TABLE_WAITER] = copy_waiter,
        [TABLE_DELAYED] = copy_delayed, [TABLE_FORWARD] = copy_forward,
        [TABLE_CURSOR] = copy_cursor,
    };
    struct source s = {j, key, value, {0}};
    bool known = (size_t)t < sizeof copies / sizeof *copies && copies[t] != NULL;
    return known && journal_row_look(t, key, value, &s.at) == 0 && copies[t](&s);
}
