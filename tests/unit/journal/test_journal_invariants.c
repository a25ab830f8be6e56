/*
 * test_journal_invariants.c - docs/invariants.md: what the journal writes it could read again, and
 * what it reads it could have written. A record in memory that says what no record may say ends the
 * process; the same bytes on disk are damage, and are as if they were not there.
 */
#include "aborts.h"
#include "journal_fixture.h"
#include "test.h"
#include "journal/event.h"
#include "journal/forward.h"
#include "journal/impl.h"
#include "journal/keyed.h"
#include "journal/later.h"
#include "journal/letter.h"
#include "journal/move.h"
#include "journal/outbox.h"
#include "journal/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { P = 5, OTHER = 6, LANE = 7 * PARTITIONS + P, NOWHERE = 200, ROW_BYTES = 512 };

/* --- a record of each kind, sound or not --- */

static void put_event_of(struct journal_fixture *f, const struct event *as) {
    const struct event_bytes bytes = {.topic = slice_of("t"), .key = slice_of("k")};
    struct event *e = event_new(&bytes);
    assert_non_null(e);
    event_take_numbers(e, as);
    assert_int_equal(journal_event_put(f->journal, e), 0);
    event_free(e);
}

static void put_event(struct journal_fixture *f, bool sound) {
    put_event_of(f, &(struct event){.partition = P, .lane = LANE, .seq = sound ? 1 : 0});
}

static void put_event_elsewhere(struct journal_fixture *f, bool sound) {
    put_event_of(f, &(struct event){.partition = sound ? P : OTHER, .lane = LANE, .seq = 1});
}

static void put_parked(struct journal_fixture *f, bool sound) {
    put_event_of(f, &(struct event){.partition = P,
                                    .lane = LANE,
                                    .seq = 1,
                                    .parked = true,
                                    .state = sound ? EVENT_DEAD : EVENT_READY});
}

static struct row row_in(uint8_t partition) {
    return (struct row){.partition = partition, .service = 1, .lane = LANE, .seq = 1};
}

static void put_ready(struct journal_fixture *f, bool sound) {
    struct row row = row_in(sound ? P : OTHER);
    assert_int_equal(journal_ready_put(f->journal, &row), 0);
}

static void put_lane(struct journal_fixture *f, bool sound) {
    struct row row = row_in(P);
    row.flags = sound ? LANE_PARKED : LANE_HOLDS_KEY + 1;
    assert_int_equal(journal_lane_put(f->journal, &row), 0);
}

static void put_ranked(struct journal_fixture *f, bool sound) {
    struct row row = row_in(P);
    row.rank = sound ? PRIORITIES : PRIORITIES + 1;
    assert_int_equal(journal_lane_put(f->journal, &row), 0);
}

static void put_queued_head(struct journal_fixture *f, bool sound) {
    struct row row = row_in(P);
    row.flags = sound ? LANE_PARKED : LANE_QUEUED;
    assert_int_equal(journal_lane_put(f->journal, &row), 0);
}

static void put_attempt(struct journal_fixture *f, bool sound) {
    const struct event event = {.partition = P};
    const struct attempt a = {.end = sound ? ATTEMPT_CANCELLED : ATTEMPT_END_COUNT};
    assert_int_equal(journal_history_add(f->journal, &event, &a), 0);
}

static void put_attempt_nowhere(struct journal_fixture *f, bool sound) {
    const struct event event = {.partition = sound ? P : NOWHERE};
    const struct attempt a = {.end = ATTEMPT_ERROR};
    assert_int_equal(journal_history_add(f->journal, &event, &a), 0);
}

static struct cell cell_named(size_t name_len) {
    static const char long_name[STATE_NAME_BYTES_MAX + 1] = "n";
    return (struct cell){
        .partition = P, .service = 1, .key = slice_of("k"), .name = {long_name, name_len}};
}

static void put_state(struct journal_fixture *f, bool sound) {
    struct cell cell = cell_named(1);
    assert_int_equal(journal_state_put(f->journal, &cell, slice_of(sound ? "sv" : "?v"), 0), 0);
}

static void put_lock(struct journal_fixture *f, bool sound) {
    struct cell cell = cell_named(sound ? STATE_NAME_BYTES_MAX : STATE_NAME_BYTES_MAX + 1);
    const struct lock lock = {.owner = slice_of("o")};
    assert_int_equal(journal_lock_put(f->journal, &cell, &lock), 0);
}

static void put_timer(struct journal_fixture *f, bool sound) {
    const struct timer timer = {.kind = TIMER_EVENT,
                                .partition = sound ? P : OTHER,
                                .due_ms = JOURNAL_T0,
                                .row = row_in(sound ? P : OTHER)};
    assert_int_equal(journal_timer_put(f->journal, &timer), 0);
}

static void put_timer_of_no_time(struct journal_fixture *f, bool sound) {
    const struct timer timer = {.kind = TIMER_LOCK,
                                .partition = P,
                                .due_ms = sound ? JOURNAL_T0 : INT64_MIN,
                                .key = slice_of("k"),
                                .name = slice_of("n")};
    assert_int_equal(journal_timer_put(f->journal, &timer), 0);
}

static void put_step(struct journal_fixture *f, bool sound) {
    const struct event event = {.partition = P};
    const struct step step = {.name = slice_of("n"),
                              .state = sound ? STEP_TIMEOUT : STEP_STATE_COUNT};
    assert_int_equal(journal_step_put(f->journal, &event, &step), 0);
}

static void put_step_nowhere(struct journal_fixture *f, bool sound) {
    const struct event event = {.partition = sound ? P : NOWHERE};
    const struct step step = {.name = slice_of("n"), .state = STEP_DONE};
    assert_int_equal(journal_step_put(f->journal, &event, &step), 0);
}

static void put_signal(struct journal_fixture *f, bool sound) {
    struct cell cell = cell_named(1);
    assert_int_equal(
        journal_signal_put(f->journal, &cell, 1, slice_of(sound ? "t" : ""), JOURNAL_T0), 0);
}

static void put_waiter(struct journal_fixture *f, bool sound) {
    struct cell cell = cell_named(1);
    const struct waiter waiter = {.row = {.seq = 1, .lane = sound ? LANE : LANE + 1}};
    assert_int_equal(journal_waiter_put(f->journal, &cell, &waiter), 0);
}

static void put_publication(struct journal_fixture *f, bool sound) {
    const struct publication p = {.topic = slice_of("t"), .qos = sound ? 2 : 3};
    struct buf record;
    buf_init(&record, ROW_BYTES);
    publication_encode(&p, &record);
    assert_int_equal(journal_outbox_put(f->journal, 1, buf_slice(&record)), 0);
    buf_clear(&record);
}

static void put_line(struct journal_fixture *f, bool sound) {
    assert_int_equal(
        journal_append_put(f->journal, sound ? P : NOWHERE, 1, slice_of("f"), slice_of("l")), 0);
}

static void put_forward(struct journal_fixture *f, bool sound) {
    const struct forward forward = {.kind = FORWARD_SIGNAL,
                                    .service = slice_of("s"),
                                    .name = slice_of("n"),
                                    .payload = slice_of(sound ? "t" : "?")};
    struct buf record;
    buf_init(&record, ROW_BYTES);
    forward_encode(&forward, &record);
    assert_int_equal(journal_forward_put(f->journal, P, 1, buf_slice(&record)), 0);
    buf_clear(&record);
}

static void put_cursor(struct journal_fixture *f, bool sound) {
    struct uuid source = journal_id(1);
    assert_int_equal(journal_cursor_put(f->journal, sound ? P : NOWHERE, &source, 1), 0);
}

static void put_delayed(struct journal_fixture *f, bool sound) {
    struct uuid id = journal_id(1);
    const struct delayed delayed = {.partition = P, .due_ms = sound ? JOURNAL_T0 : 0, .seq = 1};
    assert_int_equal(journal_delayed_put(f->journal, &id, &delayed), 0);
}

static void put_schedule(struct journal_fixture *f, bool sound) {
    const struct schedule_mark mark = {.settled_ms = sound ? JOURNAL_T0 : INT64_MAX,
                                       .cron = slice_of("* * * * *"),
                                       .timezone = slice_of("UTC")};
    assert_int_equal(journal_schedule_put(f->journal, "s", &mark), 0);
}

static void put_dead(struct journal_fixture *f, bool sound) {
    const struct dead_row row = {.partition = sound ? P : NOWHERE, .id = journal_id(1)};
    assert_int_equal(journal_dead_put(f->journal, &row), 0);
}

static void put_letter(struct journal_fixture *f, bool sound) {
    const struct letter_row row = {
        .partition = P, .kind = sound ? LETTER_RAN : LETTER_KINDS, .id = journal_id(1)};
    assert_int_equal(journal_letter_put(f->journal, &row), 0);
}

static void put_seq(struct journal_fixture *f, bool sound) {
    (void)journal_next_seq(f->journal, sound ? JOURNAL_T0 : INT64_MAX);
    assert_int_equal(journal_mark_seq(f->journal), 0);
}

static void put_clock(struct journal_fixture *f, bool sound) {
    const struct clock_mark mark = {.engine_ms = sound ? JOURNAL_T0 : -1};
    assert_int_equal(journal_clock_put(f->journal, &mark), 0);
}

static void put_books(struct journal_fixture *f, bool sound) {
    const struct books books = {.accepted = 1, .done = sound ? 1 : 2};
    assert_int_equal(journal_books_put(f->journal, 1, &books), 0);
}

/* --- each of them --- */

/* A byte of the key, or of the value, is another one on disk. */
struct damage {
    bool in_key;
    size_t at;
    uint8_t byte;
};

struct pair {
    const char *number; /* in docs/invariants.md */
    enum store_table table;
    const char *meta; /* the row's key in TABLE_META */
    void (*put)(struct journal_fixture *f, bool sound);
    const char *condition;
    struct damage damage;
};

static const struct pair pairs[] = {
    {"INV-JOURNAL-1", TABLE_EVENT, NULL, put_event, "is_sound(event)", {false, 1, 0xff}},
    {"INV-JOURNAL-1", TABLE_EVENT, NULL, put_event_elsewhere, "is_sound(event)", {true, 0, OTHER}},
    {"INV-JOURNAL-1", TABLE_EVENT, NULL, put_parked, "is_sound(event)", {false, 1, EVENT_DONE}},
    {"INV-JOURNAL-2", TABLE_READY, NULL, put_ready, "row_is_sound(row)", {true, 0, OTHER}},
    {"INV-JOURNAL-2", TABLE_LANE, NULL, put_lane, "row_is_sound(row)", {false, 16, 0xff}},
    {"INV-JOURNAL-2", TABLE_LANE, NULL, put_ranked, "row_is_sound(row)", {false, 33, 0xff}},
    {"INV-JOURNAL-2", TABLE_LANE, NULL, put_queued_head, "row_is_sound(row)", {false, 16, 4}},
    {"INV-JOURNAL-3", TABLE_HISTORY, NULL, put_attempt, "a->end <", {false, 0, 0xff}},
    {"INV-JOURNAL-3",
     TABLE_HISTORY,
     NULL,
     put_attempt_nowhere,
     "event->partition <",
     {true, 0, NOWHERE}},
    {"INV-JOURNAL-4", TABLE_STATE, NULL, put_state, "value_is_sound(value)", {false, 8, '?'}},
    {"INV-JOURNAL-4", TABLE_LOCK, NULL, put_lock, "is_sound_cell(cell)", {true, 0, NOWHERE}},
    {"INV-JOURNAL-5", TABLE_TIMER, NULL, put_timer, "is_sound_timer(timer)", {true, 0, OTHER}},
    {"INV-JOURNAL-5",
     TABLE_TIMER,
     NULL,
     put_timer_of_no_time,
     "is_sound_timer(timer)",
     {true, 1, 0x80}},
    {"INV-JOURNAL-6", TABLE_STEP, NULL, put_step, "STEP_STATE_COUNT", {false, 1, 0xff}},
    {"INV-JOURNAL-6", TABLE_STEP, NULL, put_step_nowhere, "event->partition <", {true, 0, NOWHERE}},
    {"INV-JOURNAL-7", TABLE_SIGNAL, NULL, put_signal, "value_is_sound(value)", {false, 8, '?'}},
    {"INV-JOURNAL-7", TABLE_WAITER, NULL, put_waiter, "journal_partition(", {true, 0, OTHER}},
    {"INV-JOURNAL-8", TABLE_OUTBOX, NULL, put_publication, "is_sound(p)", {false, 34, 3}},
    {"INV-JOURNAL-9", TABLE_APPEND, NULL, put_line, "partition <", {true, 0, NOWHERE}},
    {"INV-JOURNAL-10", TABLE_FORWARD, NULL, put_forward, "is_sound(&written)", {false, 0, 9}},
    {"INV-JOURNAL-11", TABLE_CURSOR, NULL, put_cursor, "partition <", {true, 0, NOWHERE}},
    {"INV-JOURNAL-12", TABLE_DELAYED, NULL, put_delayed, "is_sound(delayed)", {false, 0, 0x7f}},
    {"INV-JOURNAL-13",
     TABLE_META,
     "schedule/s",
     put_schedule,
     "is_sound_mark(mark)",
     {false, 7, 0x7f}},
    {"INV-JOURNAL-14", TABLE_DEAD, NULL, put_dead, "is_sound(row)", {true, 0, NOWHERE}},
    {"INV-JOURNAL-19", TABLE_LETTER, NULL, put_letter, "is_sound(row)", {true, 0, NOWHERE}},
    {"INV-JOURNAL-15", TABLE_META, "seq", put_seq, "is_time(now_ms)", {false, 7, 0x7f}},
    {"INV-JOURNAL-16", TABLE_META, "clock", put_clock, "is_sound_clock(mark)", {false, 7, 0x7f}},
    {"INV-JOURNAL-17", TABLE_META, "books/1", put_books, "is_sound_books(b)", {false, 0, 0}},
};

struct row_copy {
    char key[ROW_BYTES], value[ROW_BYTES];
    struct slice k, v;
};

/* The row that the pair's put has written: the only one of its table, but for meta. */
static void copy_row(struct journal_fixture *f, const struct pair *p, struct row_copy *out) {
    struct slice key = slice_of(p->meta == NULL ? "" : p->meta);
    struct slice value;
    assert_int_equal(store_seek(f->store, p->table, key, false, &key, &value), 0);
    assert_true(key.len <= ROW_BYTES && value.len <= ROW_BYTES);
    memcpy(out->key, key.data, key.len);
    memcpy(out->value, value.data, value.len);
    out->k = (struct slice){out->key, key.len};
    out->v = (struct slice){out->value, value.len};
}

struct attempt_to_put {
    struct journal_fixture *f;
    const struct pair *pair;
};

static void put_what_is_not_sound(void *ctx) {
    const struct attempt_to_put *a = ctx;
    a->pair->put(a->f, false);
}

static void what_no_record_may_say_is_not_written(void **state) {
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct attempt_to_put a = {*state, &pairs[i]};
        print_message("%s\n", pairs[i].number);
        assert_aborts(put_what_is_not_sound, &a, pairs[i].condition);
    }
}

static void what_no_record_may_say_is_damage_once_it_is_read(void **state) {
    struct journal_fixture *f = *state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const struct pair *p = &pairs[i];
        struct row_copy row;
        print_message("%s\n", p->number);
        p->put(f, true);
        copy_row(f, p, &row);
        assert_int_equal(journal_check_row(p->table, row.k, row.v), 0);
        *(p->damage.in_key ? &row.key[p->damage.at] : &row.value[p->damage.at]) =
            (char)p->damage.byte;
        assert_int_equal(journal_check_row(p->table, row.k, row.v), ERR_CORRUPT);
        if (p->table != TABLE_META) {
            assert_int_equal(store_empty(f->store, p->table), 0);
        }
    }
}

/* Other fields of the same records: the pair whose put writes it, and the byte. */
static const struct {
    void (*put)(struct journal_fixture *f, bool sound);
    struct damage damage;
} further[] = {
    {put_clock, {false, 7, 0x80}},     /* no time has passed */
    {put_clock, {false, 15, 0x7f}},    /* the wall clock */
    {put_clock, {false, 23, 0x7f}},    /* that since the boot */
    {put_books, {false, 96, 0xff}},    /* more letters need a person than there are */
    {put_schedule, {false, 67, 0x70}}, /* after cron and time zone: how far the wall was ahead, */
    {put_schedule, {false, 75, 0x7f}}, /* the times before the last change, */
    {put_schedule, {false, 83, 0x7f}}, /* and how far it was ahead then */
    {put_letter, {true, 3, 0xff}},     /* the kind */
    {put_letter, {true, 4, 0x80}},     /* when it died */
    {put_lock, {false, 7, 0x80}},      /* when it expires */
    {put_event, {true, 0, NOWHERE}},   /* the partition */
    {put_forward, {false, 1, 3}},      /* QoS */
};

static const struct pair *pair_of(void (*put)(struct journal_fixture *f, bool sound)) {
    const struct pair *p = pairs;
    while (p->put != put) {
        p++;
    }
    return p;
}

static void every_field_that_has_bounds_is_damage_beyond_them(void **state) {
    struct journal_fixture *f = *state;
    for (size_t i = 0; i < sizeof further / sizeof *further; i++) {
        const struct pair *p = pair_of(further[i].put);
        const struct damage *d = &further[i].damage;
        struct row_copy row;
        p->put(f, true);
        copy_row(f, p, &row);
        (d->in_key ? row.key : row.value)[d->at] = (char)d->byte;
        print_message("%s, byte %zu\n", p->number, d->at);
        assert_int_equal(journal_check_row(p->table, row.k, row.v), ERR_CORRUPT);
        if (p->table != TABLE_META) {
            assert_int_equal(store_empty(f->store, p->table), 0);
        }
    }
}

static void a_record_that_is_cut_off_is_damage(void **state) {
    struct journal_fixture *f = *state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const struct pair *p = &pairs[i];
        struct row_copy row;
        p->put(f, true);
        copy_row(f, p, &row);
        const struct slice key = {row.key, 1};
        const struct slice value = {row.value, row.v.len == 0 ? 0 : 1};
        print_message("%s\n", p->number);
        if (row.v.len > 1) {
            assert_int_equal(journal_check_row(p->table, row.k, value), ERR_CORRUPT);
        }
        if (p->table != TABLE_META) {
            assert_int_equal(journal_check_row(p->table, key, row.v), ERR_CORRUPT);
            assert_int_equal(store_empty(f->store, p->table), 0);
        }
    }
}

/* A service's row, whose name is in its key. */
static void assert_service(const char *name, size_t len, uint16_t number, int code) {
    struct buf key;
    struct buf value;
    buf_init(&key, ROW_BYTES);
    buf_init(&value, ROW_BYTES);
    buf_add_str(&key, "service/");
    buf_add(&key, name, len);
    buf_add_u16(&value, number);
    assert_int_equal(journal_check_row(TABLE_META, buf_slice(&key), buf_slice(&value)), code);
    buf_clear(&key);
    buf_clear(&value);
}

static void an_identity_that_no_host_makes_is_damage(void **state) {
    static const char long_name[NAME_BYTES_MAX + 1] = "n";
    (void)state;
    assert_service("s", 1, 0, 0);
    assert_service("s", 1, UINT16_MAX, ERR_CORRUPT);
    assert_service("a\0b", 3, 0, ERR_CORRUPT);
    assert_service(long_name, sizeof long_name, 0, ERR_CORRUPT);
    const struct slice few = {"0123", 4};
    assert_int_equal(journal_check_row(TABLE_META, slice_of("host"), few), ERR_CORRUPT);
    assert_int_equal(journal_check_row(TABLE_META, slice_of("secret"), few), ERR_CORRUPT);
    assert_int_equal(journal_check_row(TABLE_META, slice_of("schema"), (struct slice){"1", 1}),
                     ERR_CORRUPT);
}

/* --- from another host --- */

static int decode(const struct forward *f, bool with_nul) {
    static char bytes[2 * VALUE_BYTES_MAX];
    const struct slice slices[] = {f->service,        f->key,         f->topic,
                                   f->name,           f->payload,     f->content_type,
                                   f->response_topic, f->correlation, f->properties};
    struct forward out;
    struct buf record;
    buf_init(&record, sizeof bytes);
    buf_add_u8(&record, (uint8_t)f->kind);
    buf_add_u8(&record, f->qos);
    buf_add_u8(&record, 0);
    for (size_t i = 0; i < sizeof slices / sizeof *slices; i++) {
        struct slice slice = slices[i];
        slice.len += with_nul && i == 2 ? 1 : 0;
        buf_add_lv(&record, slice);
    }
    assert_false(record.failed);
    int code = forward_decode(buf_slice(&record), &out);
    buf_clear(&record);
    return code;
}

#define assert_refused(sound, with_nul, field, value)                                              \
    do {                                                                                           \
        struct forward f_ = sound;                                                                 \
        f_.field = value;                                                                          \
        assert_int_equal(decode(&f_, with_nul), ERR_CORRUPT);                                      \
    } while (0)

static void nothing_that_another_host_sends_is_taken_for_granted(void **state) {
    static const char text[VALUE_BYTES_MAX + 1] = "";
    const struct slice none = {"", 0};
    const struct forward signal = {.kind = FORWARD_SIGNAL,
                                   .service = slice_of("s"),
                                   .name = slice_of("n"),
                                   .payload = slice_of("t")};
    const struct forward message = {
        .kind = FORWARD_MESSAGE, .service = slice_of("s"), .topic = slice_of("t")};
    (void)state;
    assert_int_equal(decode(&signal, false), 0);
    assert_int_equal(decode(&message, true), 0);
    assert_refused(signal, false, service, none);
    assert_refused(signal, false, service, ((struct slice){text, NAME_BYTES_MAX + 1}));
    assert_refused(signal, false, key, ((struct slice){text, KEY_BYTES_MAX + 1}));
    assert_refused(signal, false, name, none);
    assert_refused(signal, false, name, ((struct slice){text, STATE_NAME_BYTES_MAX + 1}));
    assert_refused(signal, false, payload, ((struct slice){text, VALUE_BYTES_MAX + 1}));
    assert_refused(signal, false, payload, slice_of("?"));
    assert_refused(signal, false, qos, 3);
    assert_refused(message, true, topic, none);
    assert_refused(message, true, topic, ((struct slice){text, 2}));
    assert_refused(message, false, topic, ((struct slice){text, TOPIC_BYTES_MAX + 2}));
    assert_refused(message, true, kind, (enum forward_kind)9);
    assert_int_equal(decode(&message, false), ERR_CORRUPT);
}

/* The getters use what journal_check_row uses; one of them for all. */
static void damage_is_passed_over_and_noted(void **state) {
    struct journal_fixture *f = *state;
    struct row_copy row;
    struct row found = {.seq = 0};
    const struct pair *ready = &pairs[3];
    assert_int_equal(ready->table, TABLE_READY);
    ready->put(f, true);
    copy_row(f, ready, &row);
    row.key[0] = OTHER;
    assert_int_equal(store_put(f->store, TABLE_READY, row.k, row.v), 0);
    assert_int_equal(journal_ready_scan(f->journal, &found), 0);
    assert_int_equal(found.partition, P);
    assert_int_equal(journal_ready_scan(f->journal, &found), ERR_NOTFOUND);
    assert_true(journal_has_broken(f->journal, TABLE_READY));
}

/* INV-JOURNAL-15: or an event would have the place of another one. */
static void number_comes_twice(void *ctx) {
    struct journal_fixture *f = ctx;
    (void)journal_set_seq(f->journal, journal_last_seq(f->journal) - 1);
}

static void arrival_numbers_never_go_back(void **state) {
    struct journal_fixture *f = *state;
    uint64_t first = journal_next_seq(f->journal, JOURNAL_T0);
    assert_true(journal_next_seq(f->journal, JOURNAL_T0 - 1000) == first + 1);
    assert_aborts(number_comes_twice, f, "seq >= j->seq");
}

static void a_row_of_a_number_that_was_not_given_out_is_damage(void **state) {
    struct journal_fixture *f = *state;
    uint64_t last = journal_next_seq(f->journal, JOURNAL_T0);
    struct row sound = {.partition = P, .service = 1, .lane = LANE, .seq = last};
    struct row ahead = sound;
    struct row found = {.seq = 0};
    ahead.seq |= UINT64_C(1) << 55;
    assert_true(ahead.seq > last);
    assert_int_equal(journal_ready_put(f->journal, &sound), 0);
    assert_int_equal(journal_ready_put(f->journal, &ahead), 0);
    assert_int_equal(journal_ready_scan(f->journal, &found), 0);
    assert_true(found.seq == last);
    assert_int_equal(journal_ready_scan(f->journal, &found), ERR_NOTFOUND);
    assert_true(journal_has_broken(f->journal, TABLE_READY));
    sound.seq = last + 1000; /* of a turn whose number was lost, perhaps */
    assert_int_equal(journal_ready_put(f->journal, &sound), 0);
    found = (struct row){.seq = 0};
    while (journal_ready_scan(f->journal, &found) == 0) {
    }
    assert_true(journal_next_seq(f->journal, JOURNAL_T0) == sound.seq + 1);
}

/* INV-JOURNAL-18 */
static void one_key_too_long(void *ctx) {
    static const char text[KEY_BYTES_MAX + 1];
    (void)ctx;
    (void)journal_lane(slice_of("s"), (struct slice){text, sizeof text});
}

static void a_lane_is_of_a_key_that_keys_can_be(void **state) {
    assert_aborts(one_key_too_long, *state, "key.len <= KEY_BYTES_MAX");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(what_no_record_may_say_is_not_written),
        JOURNAL_TEST(what_no_record_may_say_is_damage_once_it_is_read),
        JOURNAL_TEST(every_field_that_has_bounds_is_damage_beyond_them),
        JOURNAL_TEST(a_record_that_is_cut_off_is_damage),
        JOURNAL_TEST(an_identity_that_no_host_makes_is_damage),
        JOURNAL_TEST(nothing_that_another_host_sends_is_taken_for_granted),
        JOURNAL_TEST(damage_is_passed_over_and_noted),
        JOURNAL_TEST(arrival_numbers_never_go_back),
        JOURNAL_TEST(a_row_of_a_number_that_was_not_given_out_is_damage),
        JOURNAL_TEST(a_lane_is_of_a_key_that_keys_can_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
