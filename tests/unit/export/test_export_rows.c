/*
 * test_export_rows.c - what the journal writes is what export/layout.h says: every row, as JSON, makes
 * the same bytes again. A record that gets a field which the layouts lack fails here.
 */
#include "journal_fixture.h"
#include "test.h"

#include "export/record.h"
#include "export/record_impl.h"
#include "journal/dedupe.h"
#include "journal/event.h"
#include "journal/forward.h"
#include "journal/keyed.h"
#include "journal/later.h"
#include "journal/letter.h"
#include "journal/move.h"
#include "journal/outbox.h"
#include "journal/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LANE = 3 * PARTITIONS + 5, PART = LANE % PARTITIONS, SERVICE = 1, NUMBER = 70000 };

static const struct slice PROPERTIES = {"\1\0n\1\0\0\0v", 8};

/* --- rows of every table, with all fields and with hardly any --- */

static void put_event(struct journal *j, uint8_t n, bool full) {
    struct event_bytes bytes = {.topic = slice_of("t"), .payload = slice_of("\xff\1")};
    if (full) {
        bytes = (struct event_bytes){.topic = slice_of("t/ä"),
                                     .key = slice_of("k"),
                                     .payload = slice_of("{}"),
                                     .content_type = slice_of("c"),
                                     .response_topic = slice_of("r"),
                                     .correlation = slice_of("\xfe"),
                                     .properties = PROPERTIES,
                                     .reason = slice_of("why"),
                                     .publishes = slice_of("p"),
                                     .calls = slice_of("calls"),
                                     .tenant = slice_of("ten")};
    }
    struct event *e = event_new(&bytes);
    assert_non_null(e);
    e->id = journal_id(n);
    e->partition = PART;
    e->lane = LANE;
    e->seq = NUMBER;
    e->service = full ? SERVICE : 0;
    if (full) {
        e->cause = journal_id(9);
        e->state = EVENT_NEEDS_PERSON;
        e->kind = EVENT_LOCK_EXPIRED;
        e->qos = 2;
        e->rank = PRIORITIES;
        e->retained = e->replayed = e->parked = e->continues = true;
        e->durable = e->forced = e->alone = true;
        e->undo = UNDO_THEN_DISCARD;
        e->round = 3;
        e->hops = 300;
        e->attempts = e->errors = e->timeouts = e->crashes = e->snoozes = e->throttles = NUMBER;
        e->accepted_ms = e->started_ms = e->due_ms = e->ended_ms = JOURNAL_T0;
        e->duration_us = NUMBER;
        e->version = UINT64_MAX - 1;
        e->batch_events = 7;
        e->batch = journal_id(8);
    }
    assert_int_equal(journal_event_put(j, e), 0);
    const struct attempt attempt = {
        .end = full ? ATTEMPT_CRASH : ATTEMPT_ERROR, .at_ms = JOURNAL_T0, .text = slice_of("x")};
    assert_int_equal(journal_history_add(j, e, &attempt), 0);
    const struct step step = {.kind = full ? STEP_CAUSE : STEP_PLAIN,
                              .state = full ? STEP_TIMEOUT : STEP_DONE,
                              .order = NUMBER,
                              .count = full ? 2 : 0,
                              .name = slice_of(full ? "" : "s"),
                              .value = slice_of(full ? "j{\"a\":1.0}" : "")};
    assert_int_equal(journal_step_put(j, e, &step), 0);
    event_free(e);
}

static void put_places(struct journal *j) {
    struct row row = {
        .partition = PART, .service = SERVICE, .lane = LANE, .seq = 1, .id = journal_id(1)};
    for (unsigned i = 0; i < 8; i++, row.seq++) {
        row.key = i & 1 ? 5 : 0;
        row.tenant = i & 2 ? 6 : 0;
        row.rank = i & 4 ? 3 : 0;
        row.flags = row.tenant != 0 ? LANE_QUEUED : LANE_HOLDS_KEY;
        assert_int_equal(journal_ready_put(j, &row), 0);
        assert_int_equal(journal_lane_put(j, &row), 0);
        if (row.tenant != 0) {
            assert_int_equal(journal_tenant_put(j, &row), 0);
        }
    }
}

static const struct publication full_publication = {.id = {{1}},
                                                    .cause = {{2}},
                                                    .hops = 3,
                                                    .qos = 2,
                                                    .retain = true,
                                                    .topic = {"t", 1},
                                                    .payload = {"p", 1},
                                                    .key = {"k", 1},
                                                    .content_type = {"c", 1},
                                                    .response_topic = {"r", 1},
                                                    .correlation = {"o", 1},
                                                    .properties = {"not pairs", 9},
                                                    .service = SERVICE,
                                                    .owner = LANE,
                                                    .refused_ms = JOURNAL_T0,
                                                    .refused_reason = 135,
                                                    .handle = {{4}},
                                                    .first_ms = JOURNAL_T0};

static void put_publishes(struct journal *j) {
    const struct publication few = {.topic = slice_of("t"), .service = SERVICE_NONE};
    const struct publication *both[] = {&few, &full_publication};
    for (unsigned i = 0; i < 2; i++) {
        struct buf record;
        const struct delayed delayed = {
            .partition = PART, .by_wall = i == 1, .due_ms = 5 + i, .seq = NUMBER};
        struct timer timer = journal_delayed_timer(&delayed);
        struct uuid id = journal_id((uint8_t)i);
        buf_init(&record, 1024);
        publication_encode(both[i], &record);
        timer.record = buf_slice(&record);
        assert_int_equal(journal_outbox_put(j, NUMBER + i, buf_slice(&record)), 0);
        assert_int_equal(journal_timer_put(j, &timer), 0);
        assert_int_equal(journal_delayed_put(j, &id, &delayed), 0);
        buf_clear(&record);
    }
    assert_int_equal(journal_append_put(j, PART, 1, slice_of("f"), slice_of("")), 0);
}

static void put_timers(struct journal *j) {
    for (unsigned kind = TIMER_EVENT; kind <= TIMER_SIGNAL; kind++) {
        const struct timer timer = {.kind = (enum timer_kind)kind,
                                    .partition = PART,
                                    .due_ms = 9,
                                    .row = {.partition = PART, .lane = LANE, .seq = 4},
                                    .service = SERVICE,
                                    .key = slice_of("k\xff"),
                                    .name = slice_of("n"),
                                    .seq = 3};
        assert_int_equal(kind == TIMER_PUBLISH ? 0 : journal_timer_put(j, &timer), 0);
    }
}

static void put_cells(struct journal *j) {
    static const struct slice values[] = {{"t", 1},
                                          {"f", 1},
                                          {"i\1\0\0\0\0\0\0\x80", 9},
                                          {"d\0\0\0\0\0\0\xf0\x7f", 9},
                                          {"d\0\0\0\0\0\0\xf0\x3f", 9},
                                          {"s\0\xff", 3},
                                          {"s", 1},
                                          {"sä", 3},
                                          {"j[1,  2]", 8},
                                          {"j{\"a\":[1.0,{}]}", 15},
                                          {"l\1\0\0\0t", 6}};
    struct cell cell = {.partition = PART, .service = SERVICE, .key = slice_of("k")};
    char name[8];
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        (void)snprintf(name, sizeof name, "%zu", i);
        cell.name = slice_of(name);
        assert_int_equal(journal_state_put(j, &cell, values[i], (int64_t)i), 0);
        assert_int_equal(journal_signal_put(j, &cell, i, values[i], JOURNAL_T0), 0);
    }
    const struct lock lock = {.owner = slice_of("o"), .data = slice_of("{}"), .expires_ms = 4};
    assert_int_equal(journal_lock_put(j, &cell, &lock), 0);
    const struct waiter waiter = {.row = {.lane = LANE, .seq = 3}, .label = slice_of("l")};
    assert_int_equal(journal_waiter_put(j, &cell, &waiter), 0);
}

static void put_letters(struct journal *j) {
    for (uint8_t i = 0; i < 2; i++) {
        const struct dead_row dead = {
            .partition = PART, .id = journal_id(i), .dead_ms = i, .fingerprint = i};
        const struct letter_row letter = {
            .partition = PART, .kind = i, .id = journal_id(i), .bytes = i, .made = i == 1};
        assert_int_equal(journal_dead_put(j, &dead), 0);
        assert_int_equal(journal_letter_put(j, &letter), 0);
    }
}

static void put_forwards(struct journal *j) {
    const struct forward both[] = {{.kind = FORWARD_MESSAGE,
                                    .qos = 1,
                                    .retained = true,
                                    .service = slice_of("s"),
                                    .topic = slice_of("t"),
                                    .properties = PROPERTIES},
                                   {.kind = FORWARD_SIGNAL,
                                    .service = slice_of("s"),
                                    .name = slice_of("n"),
                                    .payload = slice_of("t")}};
    const struct uuid source = journal_id(3);
    for (unsigned i = 0; i < 2; i++) {
        struct buf record;
        buf_init(&record, 1024);
        forward_encode(&both[i], &record);
        assert_int_equal(journal_forward_put(j, PART, i + 1, buf_slice(&record)), 0);
        buf_clear(&record);
    }
    assert_int_equal(journal_cursor_put(j, PART, &source, NUMBER), 0);
}

static void put_notes(struct journal *j) {
    const struct dedupe_time time = {.now_ms = JOURNAL_T0, .keep_ms = JOURNAL_KEEP_MS};
    const struct publish_note asked = {.seq = 3, .due_ms = 4};
    const struct uuid id = journal_id(1);
    struct dedupe_note found;
    int64_t next_ms;
    for (uint8_t i = 0; i < 2; i++) {
        const struct dedupe_note note = {.id = id, .marked = i == 1, .mark = {{7}}};
        const struct dedupe_hash hash = {{i}};
        const struct dedupe_hash other = {{9, i}};
        assert_int_equal(
            journal_dedupe_marked(j, time, PART | (i == 1 ? DEDUPE_OWN : 0), &hash, &note, &found),
            0);
        if (i == 0) { /* one goes on into a bucket, the other stays among those noted lately */
            assert_int_equal(journal_dedupe_trim(j, JOURNAL_T0 + JOURNAL_KEEP_MS / 2, 64, &next_ms),
                             0);
            assert_int_equal(journal_dedupe_marked(j, time, PART, &other, &note, &found), 0);
        }
    }
    assert_int_equal(journal_publish_note_put(j, JOURNAL_T0, &id, &asked), 0);
}

static void put_meta(struct journal *j) {
    const struct clock_mark clock = {.engine_ms = 1, .at = {.wall_ms = -2, .boottime_ms = 3}};
    const struct books books = {.accepted = 9, .done = 1, .needs_person = 1, .dead = 2};
    const struct schedule_mark mark = {
        .ahead_ms = INT64_MAX, .runs = 2, .cron = slice_of("c"), .timezone = slice_of("z")};
    const struct dedupe_secret secret = {.until_ms = 5, .bytes = {1, 2}};
    uint16_t number;
    assert_int_equal(journal_service_add(j, "zero", "zero", &number), 0);
    assert_int_equal(journal_service_add(j, "one", "its first name", &number), 0);
    assert_int_equal(journal_clock_put(j, &clock), 0);
    assert_int_equal(journal_books_put(j, SERVICE, &books), 0);
    assert_int_equal(journal_schedule_put(j, "s", &mark), 0);
    assert_int_equal(journal_secret_add(j, &secret), 0);
    assert_int_equal(journal_text_put(j, "t", slice_of("x\ny")), 0);
    assert_int_equal(journal_flag_put(j, "paused/zero", 1), 0);
    assert_int_equal(journal_set_seq(j, NUMBER), 0);
}

/* A row that cannot be read. */
static void put_aside(struct journal *j) {
    const struct uuid id = journal_id(200);
    bool places;
    struct slice record;
    put_event(j, 200, false);
    assert_int_equal(journal_event_record(j, PART, &id, 0, &record), 0);
    char key[] = {(char)journal_group(PART),
                  1,
                  2,
                  3,
                  4,
                  5,
                  6,
                  0x70,
                  0,
                  (char)0x80,
                  0,
                  0,
                  0,
                  0,
                  0,
                  0,
                  (char)200,
                  0,
                  0,
                  (char)PART};
    assert_int_equal(store_put(journal_store(j), TABLE_EVENT, (struct slice){key, sizeof key},
                               slice_of("damaged")),
                     0);
    struct event *event = NULL;
    assert_int_equal(journal_event_get(j, PART, &id, 0, &event), ERR_NOTFOUND);
    assert_int_equal(journal_set_aside(j, &places), 0);
    journal_forget_broken(j);
}

static void put_everything(struct journal *j) {
    put_meta(j);
    put_event(j, 1, true);
    put_event(j, 2, false);
    put_places(j);
    put_publishes(j);
    put_timers(j);
    put_cells(j);
    put_letters(j);
    put_forwards(j);
    put_notes(j);
    put_aside(j);
}

/* --- as JSON, and back --- */

static void expect_same(const struct layout *l, enum store_table t, struct slice key,
                        struct slice value) {
    static const char *const names[] = {"zero", "one"};
    const struct service_names services = {names, 2};
    struct report r = {""};
    enum store_table table;
    struct buf new_key;
    struct buf new_value;
    int code;
    buf_init(&new_key, 511);
    buf_init(&new_value, 1 << 20);
    json_t *object = record_show(l, t, key, value, &services, &code);
    assert_int_equal(code, 0);
    char *text = json_dumps(object);
    code = record_make(l, object, &services, &table, &new_key, &new_value, &r);
    if (code != 0 || table != t || !slice_equal(buf_slice(&new_key), key) ||
        !slice_equal(buf_slice(&new_value), value)) {
        fail_msg("%s: %s (%s)", l->kind, text, r.text);
    }
    free(text);
    json_decref(object);
    buf_clear(&new_key);
    buf_clear(&new_value);
}

static void every_row_that_the_journal_writes_comes_back_from_its_json_byte_by_byte(void **state) {
    struct journal_fixture *f = *state;
    bool met[128] = {false};
    put_everything(f->journal);
    for (unsigned t = 0; t < TABLE_COUNT; t++) {
        struct slice key = {"", 0};
        struct slice value;
        for (unsigned n = 0; store_seek(f->store, t, key, n > 0, &key, &value) == 0; n++) {
            const struct layout *l = layout_of(t, key);
            if (!journal_row_is_own(t, key)) {
                assert_non_null(l);
                assert_int_equal(journal_check_row(t, key, value), 0);
                expect_same(l, t, key, value);
                met[l - layout_at(0)] = true;
            }
        }
    }
    for (size_t i = 0; layout_at(i) != NULL; i++) {
        if (!met[i]) {
            fail_msg("no row was a \"%s\"", layout_at(i)->kind);
        }
    }
}

/* The record of an event that the first versions wrote: it ends before undo, round and calls. */
static void an_event_of_the_first_form_comes_back_without_what_it_lacks(void **state) {
    struct journal_fixture *f = *state;
    static const struct service_names services = {NULL, 0};
    const struct uuid id = journal_id(2);
    struct report r = {""};
    enum store_table table;
    struct slice key = {"", 0};
    struct slice value;
    struct buf made[2];
    int code;
    put_event(f->journal, 2, false);
    assert_int_equal(store_seek(f->store, TABLE_EVENT, key, false, &key, &value), 0);
    char *first = malloc(value.len);
    assert_non_null(first);
    memcpy(first, value.data, value.len);
    first[0] = 1;
    struct slice old = {first, value.len - 1 - 1 - sizeof(uint32_t)};
    assert_int_equal(journal_check_row(TABLE_EVENT, key, old), 0);
    const struct layout *l = layout_of(TABLE_EVENT, key);
    json_t *object = record_show(l, TABLE_EVENT, key, old, &services, &code);
    assert_int_equal(code, 0);
    buf_init(&made[0], 511);
    buf_init(&made[1], 1 << 20);
    if (record_make(l, object, &services, &table, &made[0], &made[1], &r) != 0) {
        fail_msg("%s", r.text);
    }
    assert_true(slice_equal(buf_slice(&made[0]), key));
    assert_true(slice_equal(buf_slice(&made[1]), value));
    assert_int_equal(store_put(f->store, TABLE_EVENT, key, buf_slice(&made[1])), 0);
    struct event *event = NULL;
    assert_int_equal(journal_event_get(f->journal, PART, &id, 0, &event), 0);
    assert_int_equal(event->undo, UNDO_NONE);
    event_free(event);
    json_decref(object);
    buf_clear(&made[0]);
    buf_clear(&made[1]);
    free(first);
}

/* It could not be made again, and goes along as it is stored. */
static void a_row_that_says_what_has_no_name_is_not_shown(void **state) {
    struct journal_fixture *f = *state;
    static const struct service_names services = {NULL, 0};
    struct slice key = {"", 0};
    struct slice value;
    int code;
    put_event(f->journal, 2, false);
    assert_int_equal(store_seek(f->store, TABLE_EVENT, key, false, &key, &value), 0);
    char *other = malloc(value.len);
    assert_non_null(other);
    memcpy(other, value.data, value.len);
    other[1] = 99; /* state */
    struct slice strange = {other, value.len};
    assert_null(
        record_show(layout_of(TABLE_EVENT, key), TABLE_EVENT, key, strange, &services, &code));
    assert_int_equal(code, ERR_CORRUPT);
    free(other);
}

/* A key as long as LMDB takes one, in base64; and one byte more. */
static void bytes_that_fit_exactly_are_taken_and_longer_ones_are_named(void **state) {
    (void)state;
    for (size_t len = STORE_KEY_BYTES_MAX - 2; len <= STORE_KEY_BYTES_MAX + 1; len++) {
        char bytes[STORE_KEY_BYTES_MAX + 1];
        struct report r = {""};
        struct buf out;
        size_t used;
        memset(bytes, 0xff, sizeof bytes);
        json_t *object = json_object();
        assert_true(record_set_base64(object, "key", (struct slice){bytes, len}));
        buf_init(&out, STORE_KEY_BYTES_MAX);
        bool fits = len <= STORE_KEY_BYTES_MAX;
        assert_int_equal(record_bytes(object, "key", &out, &used, &r), fits ? 0 : ERR_INVALID);
        assert_true(fits ? out.len == len : strstr(r.text, "is too long") != NULL);
        json_decref(object);
        buf_clear(&out);
    }
}

static void every_table_has_a_layout_but_for_what_a_store_says_of_itself(void **state) {
    (void)state;
    for (unsigned t = TABLE_META + 1; t < TABLE_COUNT; t++) {
        bool any = layout_of(t, slice_of("")) != NULL;
        for (uint8_t kind = TIMER_EVENT; t == TABLE_TIMER && kind <= TIMER_SIGNAL; kind++) {
            const char key[10] = {0, 0, 0, 0, 0, 0, 0, 0, 0, (char)kind};
            any = layout_of(t, (struct slice){key, sizeof key}) != NULL;
            assert_true(any);
        }
        assert_true(any);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(every_row_that_the_journal_writes_comes_back_from_its_json_byte_by_byte),
        JOURNAL_TEST(an_event_of_the_first_form_comes_back_without_what_it_lacks),
        JOURNAL_TEST(a_row_that_says_what_has_no_name_is_not_shown),
        cmocka_unit_test(bytes_that_fit_exactly_are_taken_and_longer_ones_are_named),
        cmocka_unit_test(every_table_has_a_layout_but_for_what_a_store_says_of_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
