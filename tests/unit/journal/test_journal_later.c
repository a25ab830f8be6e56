/* test_journal_later.c - delayed publishes by id, how far schedules have come, cancelled notes. */
#include "journal_fixture.h"
#include "test.h"

#include "journal/dedupe.h"
#include "journal/later.h"

#include <string.h>

/* --- delayed publishes --- */

static void delayed_publishes_are_found_by_their_id_until_they_are_gone(void **state) {
    struct journal_fixture *f = *state;
    struct uuid id = journal_id(1);
    struct uuid other = journal_id(2);
    struct delayed in = {.partition = 63, .due_ms = JOURNAL_T0, .seq = UINT64_MAX};
    struct delayed out;
    assert_int_equal(journal_delayed_get(f->journal, &id, &out), ERR_NOTFOUND);
    assert_int_equal(journal_delayed_put(f->journal, &id, &in), 0);
    journal_restart(f);
    assert_int_equal(journal_delayed_get(f->journal, &other, &out), ERR_NOTFOUND);
    assert_int_equal(journal_delayed_get(f->journal, &id, &out), 0);
    assert_int_equal(out.partition, 63);
    assert_true(out.due_ms == JOURNAL_T0 && out.seq == UINT64_MAX && !out.by_wall);
    in.by_wall = true;
    assert_int_equal(journal_delayed_put(f->journal, &id, &in), 0);
    assert_int_equal(journal_delayed_get(f->journal, &id, &out), 0);
    assert_true(out.partition == 63 && out.due_ms == JOURNAL_T0 && out.by_wall);
    assert_int_equal(journal_delayed_count(f->journal), 1);
    assert_int_equal(journal_delayed_del(f->journal, &id), 0);
    assert_int_equal(journal_delayed_del(f->journal, &id), ERR_NOTFOUND);
    assert_int_equal(journal_delayed_get(f->journal, &id, &out), ERR_NOTFOUND);
    assert_int_equal(journal_delayed_count(f->journal), 0);
}

static void a_damaged_delayed_row_is_as_if_it_were_not_there(void **state) {
    struct journal_fixture *f = *state;
    struct uuid id = journal_id(1);
    struct delayed out;
    struct slice key = {(const char *)id.bytes, UUID_BYTES};
    assert_int_equal(store_put(f->store, TABLE_DELAYED, key, slice_of("short")), 0);
    assert_int_equal(journal_delayed_get(f->journal, &id, &out), ERR_NOTFOUND);
}

/* --- notes --- */

static void a_note_says_that_its_publish_was_cancelled_whichever_bucket_it_is_in(void **state) {
    struct journal_fixture *f = *state;
    struct uuid id = journal_id(1);
    struct publish_note in = {.seq = 7, .due_ms = JOURNAL_T0 + 60000};
    struct publish_note out;
    assert_int_equal(journal_publish_note_cancel(f->journal, JOURNAL_T0, &id), ERR_NOTFOUND);
    assert_int_equal(journal_publish_note_put(f->journal, JOURNAL_T0, &id, &in), 0);
    assert_int_equal(journal_publish_note_get(f->journal, JOURNAL_T0, &id, &out), 0);
    assert_true(out.cancelled_ms == 0);
    /* Meanwhile another bucket is being filled. */
    int64_t later = JOURNAL_T0 + JOURNAL_KEEP_MS - 1;
    struct uuid other = journal_id(2);
    assert_int_equal(journal_publish_note_put(f->journal, later, &other, &in), 0);
    assert_int_equal(journal_publish_note_cancel(f->journal, later, &id), 0);
    journal_restart(f);
    assert_int_equal(journal_publish_note_get(f->journal, later, &id, &out), 0);
    assert_true(out.seq == 7 && out.due_ms == in.due_ms && out.cancelled_ms == later);
    assert_int_equal(journal_publish_note_get(f->journal, later, &other, &out), 0);
    assert_true(out.cancelled_ms == 0);
}

/* --- schedules --- */

static void marks_of_schedules_are_kept_by_name(void **state) {
    struct journal_fixture *f = *state;
    struct schedule_mark in = {.settled_ms = JOURNAL_T0 + 5,
                               .ahead_ms = -7,
                               .before_ms = JOURNAL_T0 + 1,
                               .before_ahead_ms = -8,
                               .last_ms = JOURNAL_T0,
                               .runs = 3,
                               .last_id = journal_id(9),
                               .cron = slice_of("0 3 * * *"),
                               .timezone = slice_of("Europe/Berlin")};
    struct schedule_mark out;
    assert_int_equal(journal_schedule_get(f->journal, "nightly", &out), ERR_NOTFOUND);
    assert_int_equal(journal_schedule_put(f->journal, "nightly", &in), 0);
    journal_restart(f);
    assert_int_equal(journal_schedule_get(f->journal, "night", &out), ERR_NOTFOUND);
    assert_int_equal(journal_schedule_get(f->journal, "nightly", &out), 0);
    assert_true(out.settled_ms == in.settled_ms && out.last_ms == in.last_ms && out.runs == 3);
    assert_true(out.ahead_ms == -7 && out.before_ms == JOURNAL_T0 + 1 && out.before_ahead_ms == -8);
    assert_true(uuid_equal(&out.last_id, &in.last_id));
    assert_true(slice_is(out.cron, "0 3 * * *") && slice_is(out.timezone, "Europe/Berlin"));
    assert_int_equal(journal_schedule_del(f->journal, "nightly"), 0);
    assert_int_equal(journal_schedule_get(f->journal, "nightly", &out), ERR_NOTFOUND);
}

static void schedules_come_by_name_and_nothing_else_does(void **state) {
    struct journal_fixture *f = *state;
    char longest[NAME_BYTES_MAX + 1];
    char name[NAME_BYTES_MAX + 1] = "";
    struct schedule_mark mark = {.cron = slice_of("* * * * *"), .timezone = slice_of("UTC")};
    uint16_t number;
    memset(longest, 'z', NAME_BYTES_MAX);
    longest[NAME_BYTES_MAX] = '\0';
    assert_int_equal(journal_service_number(f->journal, "a-service", &number), 0);
    assert_int_equal(journal_schedule_next(f->journal, name), ERR_NOTFOUND);
    assert_int_equal(journal_schedule_put(f->journal, longest, &mark), 0);
    assert_int_equal(journal_schedule_put(f->journal, "b", &mark), 0);
    assert_int_equal(journal_schedule_next(f->journal, name), 0);
    assert_string_equal(name, "b");
    assert_int_equal(journal_schedule_next(f->journal, name), 0);
    assert_string_equal(name, longest);
    assert_int_equal(journal_schedule_next(f->journal, name), ERR_NOTFOUND);
}

/* A number of a meta row becomes another one: `at` bytes from its beginning. */
static void damage(struct journal_fixture *f, const char *name, size_t at, int64_t number) {
    char row[128];
    struct slice value;
    assert_int_equal(store_get(f->store, TABLE_META, slice_of(name), &value), 0);
    assert_true(value.len <= sizeof row && at + sizeof number <= value.len);
    memcpy(row, value.data, value.len);
    memcpy(row + at, &number, sizeof number);
    assert_int_equal(
        store_put(f->store, TABLE_META, slice_of(name), (struct slice){row, value.len}), 0);
}

static void a_time_that_cannot_be_is_damage_and_not_a_time(void **state) {
    struct journal_fixture *f = *state;
    const struct schedule_mark mark = {
        .settled_ms = JOURNAL_T0, .cron = slice_of("* * * * *"), .timezone = slice_of("UTC")};
    enum { AHEAD_AT = 3 * 8 + 16 + 4 + 9 + 4 + 3 };
    struct schedule_mark out;
    struct clock_mark clock = {.engine_ms = JOURNAL_T0};
    assert_int_equal(journal_schedule_put(f->journal, "s", &mark), 0);
    damage(f, "schedule/s", 0, INT64_MAX - 1);
    out = (struct schedule_mark){.settled_ms = 1};
    assert_int_not_equal(journal_schedule_get(f->journal, "s", &out), 0);
    assert_int_equal(out.settled_ms, 1); /* nothing of the damage comes out */
    assert_int_equal(journal_schedule_put(f->journal, "t", &mark), 0);
    assert_int_equal(journal_schedule_get(f->journal, "t", &out), 0);
    damage(f, "schedule/t", AHEAD_AT, INT64_MIN);
    assert_int_not_equal(journal_schedule_get(f->journal, "t", &out), 0);
    assert_int_equal(journal_clock_put(f->journal, &clock), 0);
    damage(f, "clock", 0, INT64_C(1) << 50);
    (void)journal_next_seq(f->journal, JOURNAL_T0);
    assert_int_equal(journal_clock_get(f->journal, &clock), 0); /* by the newest arrival */
    assert_true(clock.engine_ms == JOURNAL_T0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(delayed_publishes_are_found_by_their_id_until_they_are_gone),
        JOURNAL_TEST(a_damaged_delayed_row_is_as_if_it_were_not_there),
        JOURNAL_TEST(a_note_says_that_its_publish_was_cancelled_whichever_bucket_it_is_in),
        JOURNAL_TEST(marks_of_schedules_are_kept_by_name),
        JOURNAL_TEST(schedules_come_by_name_and_nothing_else_does),
        JOURNAL_TEST(a_time_that_cannot_be_is_damage_and_not_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
