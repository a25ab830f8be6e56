/*
 * test_journal_faults.c - an allocation or a call of LMDB fails while records of every kind are read, written and deleted
 * in one transaction: it is stored whole, or not at all, and nobody is told that there was nothing.
 *
 * ctest: faults label=torture
 */
#include "data_folder.h"
#include "fault.h"
#include "journal_fixture.h"
#include "test.h"

#include "journal/dedupe.h"
#include "journal/event.h"
#include "journal/forward.h"
#include "journal/kept.h"
#include "journal/keyed.h"
#include "journal/later.h"
#include "journal/letter.h"
#include "journal/outbox.h"
#include "journal/step.h"

#include <string.h>

enum { ROOM = 32 << 20, P = 5, LANE = 7 * PARTITIONS + P, SERVICE = 0, RECORD_BYTES = 256 };

static const struct dedupe_time now = {JOURNAL_T0, JOURNAL_KEEP_MS};

/* What is there before has the number 1, what is new 2. */
struct names {
    uint8_t n;
    const char *text;
};
static const struct names before = {1, "one"};
static const struct names fresh = {2, "two"};

static struct cell cell_of(const struct names *of) {
    return (struct cell){
        .partition = P, .service = SERVICE, .key = slice_of("k"), .name = slice_of(of->text)};
}

static struct row row_of(const struct names *of) {
    return (struct row){
        .partition = P, .service = SERVICE, .lane = LANE, .seq = of->n, .id = journal_id(of->n)};
}

static struct event event_of(const struct names *of) {
    return (struct event){
        .partition = P, .service = SERVICE, .lane = LANE, .seq = of->n, .id = journal_id(of->n)};
}

/* --- records are written --- */

static int put_event(struct journal *j, const struct names *of) {
    const struct event_bytes bytes = {.topic = slice_of("t"), .key = slice_of("k")};
    struct event as = event_of(of);
    struct row row = row_of(of);
    struct row queued = row;
    const struct attempt attempt = {.end = ATTEMPT_ERROR, .text = slice_of("why")};
    const struct step step = {.state = STEP_DONE, .name = slice_of(of->text)};
    struct event *e = event_new(&bytes);
    if (e == NULL) {
        return ERR_MEMORY;
    }
    event_take_numbers(e, &as);
    int code = journal_event_put(j, e);
    event_free(e);
    queued.tenant = 3;
    code = code == 0 ? journal_ready_put(j, &row) : code;
    code = code == 0 ? journal_lane_put(j, &row) : code;
    code = code == 0 ? journal_tenant_put(j, &queued) : code;
    code = code == 0 ? journal_history_add(j, &as, &attempt) : code;
    return code == 0 ? journal_step_put(j, &as, &step) : code;
}

static int put_cells(struct journal *j, const struct names *of) {
    struct cell cell = cell_of(of);
    const struct lock lock = {.owner = slice_of("o"), .data = slice_of("d")};
    const struct waiter waiter = {.row = row_of(of)};
    const struct timer timer = {
        .kind = TIMER_EVENT, .partition = P, .due_ms = JOURNAL_T0 + of->n, .row = row_of(of)};
    int code = journal_state_put(j, &cell, slice_of("sv"), 0);
    code = code == 0 ? journal_lock_put(j, &cell, &lock) : code;
    code = code == 0 ? journal_signal_put(j, &cell, of->n, slice_of("t"), JOURNAL_T0 + 1) : code;
    code = code == 0 ? journal_waiter_put(j, &cell, &waiter) : code;
    return code == 0 ? journal_timer_put(j, &timer) : code;
}

static int put_publishes(struct journal *j, const struct names *of) {
    const struct publication p = {.topic = slice_of("t"), .qos = 1, .service = SERVICE};
    const struct forward forward = {.kind = FORWARD_SIGNAL,
                                    .service = slice_of("s"),
                                    .name = slice_of("n"),
                                    .payload = slice_of("t")};
    const struct delayed delayed = {.partition = P, .due_ms = JOURNAL_T0 + 9, .seq = of->n};
    struct timer timer = journal_delayed_timer(&delayed);
    struct uuid id = journal_id(of->n);
    struct buf record;
    buf_init(&record, RECORD_BYTES);
    publication_encode(&p, &record);
    timer.record = buf_slice(&record);
    int code = record.failed ? ERR_MEMORY : journal_outbox_put(j, of->n, buf_slice(&record));
    code = code == 0 ? journal_timer_put(j, &timer) : code;
    code = code == 0 ? journal_delayed_put(j, &id, &delayed) : code;
    buf_reset(&record);
    forward_encode(&forward, &record);
    code = code == 0 && record.failed ? ERR_MEMORY : code;
    code = code == 0 ? journal_forward_put(j, P, of->n, buf_slice(&record)) : code;
    buf_clear(&record);
    code = code == 0 ? journal_cursor_put(j, P, &id, of->n) : code;
    return code == 0 ? journal_append_put(j, P, of->n, slice_of("f"), slice_of("l")) : code;
}

static int put_keys(struct journal *j, const struct names *of) {
    struct uuid id = journal_id(of->n);
    struct uuid earlier;
    struct dedupe_hash hash =
        journal_dedupe_hash(j, slice_of("s"), slice_of(""), slice_of(of->text));
    const struct publish_note note = {.seq = of->n};
    int code = journal_dedupe(j, now, P, &hash, &id, &earlier);
    return code == 0 ? journal_publish_note_put(j, now.now_ms, &id, &note) : code;
}

static int put_rest(struct journal *j, const struct names *of) {
    const struct schedule_mark mark = {
        .settled_ms = JOURNAL_T0, .cron = slice_of("* * * * *"), .timezone = slice_of("UTC")};
    const struct dead_row dead = {.partition = P, .service = SERVICE, .id = journal_id(of->n)};
    const struct letter_row letter = {
        .partition = P, .service = SERVICE, .kind = LETTER_RAN, .id = journal_id(of->n)};
    const struct books books = {.accepted = of->n};
    uint16_t number;
    int code = journal_service_number(j, of->text, &number);
    code = code == 0 ? journal_books_put(j, number, &books) : code;
    code = code == 0 ? journal_schedule_put(j, of->text, &mark) : code;
    code = code == 0 ? journal_dead_put(j, &dead) : code;
    code = code == 0 ? journal_letter_put(j, &letter) : code;
    code = code == 0 ? journal_flag_put(j, of->text, of->n) : code;
    return code == 0 ? journal_text_put(j, of->text, slice_of("text")) : code;
}

static int put_all(struct journal *j, const struct names *of) {
    int code = put_rest(j, of);
    code = code == 0 ? put_event(j, of) : code;
    code = code == 0 ? put_cells(j, of) : code;
    code = code == 0 ? put_publishes(j, of) : code;
    code = code == 0 ? put_keys(j, of) : code;
    (void)journal_next_seq(j, JOURNAL_T0 + of->n);
    code = code == 0 ? journal_mark_seq(j) : code;
    return code == 0 ? journal_kept_write(j) : code;
}

/* --- and read, and deleted --- */

static int take_event(struct journal *j, const struct names *of) {
    struct event as = event_of(of);
    struct row row = row_of(of);
    struct row queued = row;
    struct attempt attempt = {.n = 0};
    struct step step;
    struct event *e = NULL;
    bool placed;
    queued.tenant = 3;
    int code = journal_event_get(j, P, &as.id, SERVICE, &e);
    event_free(e);
    code = code == 0 ? journal_event_placed(j, &as, &placed) : code;
    code = code == 0 ? journal_event_find_waiting(j, P, &as.id) : code;
    code = code == 0 ? journal_history_next(j, &as, &attempt) : code;
    code = code == 0 ? journal_step_read(j, &as, STEP_PLAIN, slice_of(of->text), &step) : code;
    code = code == 0 ? journal_history_clear(j, &as) : code;
    code = code == 0 ? journal_step_clear(j, &as) : code;
    code = code == 0 ? journal_tenant_del(j, &queued) : code;
    code = code == 0 ? journal_lane_del(j, &row) : code;
    code = code == 0 ? journal_ready_del(j, &row) : code;
    return code == 0 ? journal_event_del(j, P, &as.id, SERVICE) : code;
}

static int take_cells(struct journal *j, const struct names *of) {
    struct cell cell = cell_of(of);
    struct kept_signal signal = {.seq = 0};
    struct waiter waiter;
    struct timer timer;
    struct lock lock;
    struct slice value;
    int64_t expires_ms;
    int code = journal_state_read(j, &cell, JOURNAL_T0, &value, &expires_ms);
    code = code == 0 ? journal_lock_read(j, &cell, &lock) : code;
    code = code == 0 ? journal_signal_next(j, &cell, JOURNAL_T0, &signal) : code;
    code = code == 0 ? journal_waiter_first(j, &cell, &waiter) : code;
    code = code == 0 ? journal_timer_first(j, P, false, &timer) : code;
    code = code == 0 ? journal_state_del(j, &cell) : code;
    code = code == 0 ? journal_lock_del(j, &cell) : code;
    code = code == 0 ? journal_signal_del(j, &cell, signal.seq) : code;
    code = code == 0 ? journal_waiter_del(j, &cell, waiter.row.seq) : code;
    return code == 0 ? journal_timer_del(j, &timer) : code;
}

static int take_publishes(struct journal *j, const struct names *of) {
    struct uuid id = journal_id(of->n);
    struct uuid none = {{0}};
    struct delayed delayed;
    struct publication p;
    struct slice text;
    uint64_t seq = 0;
    uint64_t forward = 0;
    uint64_t line = 0;
    uint8_t partition = 0;
    int code = journal_outbox_next(j, &seq, &text);
    code = code == 0 ? journal_outbox_del(j, seq) : code;
    code = code == 0 ? journal_forward_next(j, P, &forward, &text) : code;
    code = code == 0 ? journal_forward_del(j, P, forward) : code;
    code = code == 0 ? journal_cursor_get(j, P, &id, &seq) : code;
    code = code == 0 ? journal_append_next(j, &partition, &line, &text, &text) : code;
    code = code == 0 ? journal_append_del(j, partition, line) : code;
    code = code == 0 ? journal_delayed_next(j, &none, &delayed, &p) : code;
    code = code == 0 ? journal_delayed_get(j, &id, &delayed) : code;
    struct timer timer = code == 0 ? journal_delayed_timer(&delayed) : (struct timer){0};
    code = code == 0 ? journal_timer_del(j, &timer) : code;
    return code == 0 ? journal_delayed_del(j, &id) : code;
}

static int take_keys(struct journal *j, const struct names *of) {
    struct uuid id = journal_id(of->n);
    struct publish_note note;
    struct dedupe_note there;
    struct dedupe_hash hash =
        journal_dedupe_hash(j, slice_of("s"), slice_of(""), slice_of(of->text));
    int64_t next_ms;
    int code = journal_dedupe_find(j, now, P, &hash, &there);
    code = code == 0 ? journal_publish_note_get(j, now.now_ms, &id, &note) : code;
    code = code == 0 ? journal_publish_note_cancel(j, now.now_ms, &id) : code;
    code = code == 0 ? journal_dedupe_forget(j, now, P, &hash) : code;
    return code == 0 ? journal_dedupe_trim(j, now.now_ms, 10, &next_ms) : code;
}

static int take_rest(struct journal *j, const struct names *of) {
    struct schedule_mark mark;
    struct dead_row dead = {.partition = P, .service = SERVICE, .id = journal_id(of->n)};
    struct letter_row letter = {.partition = P, .service = SERVICE, .kind = LETTER_RAN};
    struct books books;
    struct clock_mark clock;
    struct slice text;
    uint64_t value;
    uint16_t number;
    int code = journal_service_number(j, of->text, &number);
    code = code == 0 ? journal_books_get(j, number, &books) : code;
    code = code == 0 ? journal_service_rename(j, number, "another") : code;
    code = code == 0 ? journal_clock_get(j, &clock) : code;
    code = code == 0 ? journal_schedule_get(j, of->text, &mark) : code;
    code = code == 0 ? journal_schedule_del(j, of->text) : code;
    code = code == 0 ? journal_dead_get(j, &dead) : code;
    code = code == 0 ? journal_dead_del(j, &dead) : code;
    code = code == 0 ? journal_letter_next(j, &letter) : code;
    code = code == 0 ? journal_letter_del(j, &letter) : code;
    code = code == 0 ? journal_flag_get(j, of->text, &value) : code;
    code = code == 0 ? journal_flag_del(j, of->text) : code;
    return code == 0 ? journal_text_get(j, of->text, &text) : code;
}

static int take_all(struct journal *j, const struct names *of) {
    int code = take_event(j, of);
    code = code == 0 ? take_cells(j, of) : code;
    code = code == 0 ? take_publishes(j, of) : code;
    code = code == 0 ? take_keys(j, of) : code;
    return code == 0 ? take_rest(j, of) : code;
}

/* --- the story --- */

/* How many rows there are of each table: what was before, and what is there after. */
struct rows {
    uint64_t of[TABLE_COUNT];
};

static void count_rows(const char *path, struct rows *rows) {
    struct store_options options = {.path = path, .max_bytes = ROOM};
    struct store *s = NULL;
    assert_int_equal(store_open(&s, &options, NULL), 0);
    assert_int_equal(store_begin(s), 0);
    for (unsigned t = 0; t < TABLE_COUNT; t++) {
        rows->of[t] = store_rows(s, (enum store_table)t);
    }
    store_close(s);
}

/* Takes what is there, if anything, and puts what is new. */
static int live(const char *path, const struct names *takes, const struct names *puts,
                struct report *r) {
    struct store_options options = {.path = path, .max_bytes = ROOM};
    struct store *s = NULL;
    struct journal *j = NULL;
    int code = store_open(&s, &options, r);
    if (code != 0) {
        return code;
    }
    code = journal_open(&j, s, JOURNAL_KEEP_MS, r);
    code = code == 0 ? store_begin(s) : code;
    code = code == 0 && takes != NULL ? take_all(j, takes) : code;
    code = code == 0 ? put_all(j, puts) : code;
    code = code == 0 ? store_commit(s) : code;
    journal_close(j);
    store_close(s);
    return code == 0 ? 0 : report(r, code, "%s", error_text(code));
}

static bool records_are_taken_and_put(void *ctx) {
    struct data_folder folder;
    struct report r = {""};
    struct rows old;
    struct rows found;
    struct rows *whole = ctx;
    data_folder_make(&folder);
    assert_int_equal(live(folder.path, NULL, &before, &r), 0);
    count_rows(folder.path, &old);
    fault_on();
    int code = live(folder.path, &before, &fresh, &r);
    fault_off();
    count_rows(folder.path, &found);
    if (code == 0 && whole->of[TABLE_META] == 0) {
        *whole = found; /* the first time nothing fails */
    }
    assert_memory_equal(&found, code == 0 ? whole : &old, sizeof found);
    if (code != 0 && code != ERR_MEMORY && code != ERR_DISK) {
        fail_msg("%s", r.text);
    }
    if (code != 0) {
        assert_int_equal(live(folder.path, &before, &fresh, &r), 0);
    }
    data_folder_remove(&folder);
    return code == 0 || fault_named(r.text);
}

static void a_transaction_of_records_is_whole_or_nothing(void **state) {
    struct rows whole = {{0}};
    (void)state;
    fault_each("journal", FAULT_MEMORY | FAULT_STORE, records_are_taken_and_put, &whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_of_records_is_whole_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
