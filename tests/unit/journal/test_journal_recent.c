/*
 * test_journal_recent.c - idempotency keys noted lately: each is found, before, while and after it
 * goes on into its bucket, and after any start.
 */
#include "journal_fixture.h"

#include "base/limits.h"
#include "journal/dedupe.h"
#include "test.h"

#include <string.h>

enum { MANY = 2 * RECENT_KEYS_MAX + 3 * RECENT_KEYS_MAX / 4, TRIM_ROWS = 5000 };

static struct dedupe_hash hash_of(const struct journal_fixture *f, uint32_t n) {
    struct slice key = {(const char *)&n, sizeof n};
    return journal_dedupe_hash(f->journal, slice_of("s"), slice_of("t"), key);
}

/* 0: new. */
static int note(struct journal_fixture *f, uint32_t n, struct dedupe_time time, uint8_t by) {
    struct dedupe_hash hash = hash_of(f, n);
    struct uuid id = journal_id(by);
    struct uuid earlier;
    return journal_dedupe(f->journal, time, (uint8_t)(n % PARTITIONS), &hash, &id, &earlier);
}

static struct dedupe_time at(int64_t now_ms, int64_t keep_ms) {
    return (struct dedupe_time){.now_ms = now_ms, .keep_ms = keep_ms};
}

static void expect_known(struct journal_fixture *f, uint32_t from, uint32_t to) {
    for (uint32_t n = from; n < to; n++) {
        struct dedupe_hash hash = hash_of(f, n);
        struct dedupe_note found;
        struct uuid by = journal_id(1);
        assert_int_equal(journal_dedupe_find(f->journal, at(JOURNAL_T0, JOURNAL_KEEP_MS),
                                             (uint8_t)(n % PARTITIONS), &hash, &found),
                         0);
        assert_true(uuid_equal(&found.id, &by));
    }
}

static void trim(struct journal_fixture *f, int64_t now_ms, size_t rows) {
    int64_t next_ms;
    assert_int_equal(journal_dedupe_trim(f->journal, now_ms, rows, &next_ms), 0);
}

static uint64_t rows_of(struct journal_fixture *f, unsigned from, unsigned to) {
    uint64_t rows = 0;
    for (unsigned t = from; t < to; t++) {
        rows += store_rows(f->store, (enum store_table)t);
    }
    return rows;
}

static void note_many(struct journal_fixture *f, bool trims) {
    for (uint32_t n = 0; n < MANY; n++) {
        assert_int_equal(note(f, n, at(JOURNAL_T0, JOURNAL_KEEP_MS), 1), 0);
        if (trims && n % 1000 == 0) {
            trim(f, JOURNAL_T0, 100);
        }
    }
}

static void keys_go_on_into_their_bucket_many_at_a_time_and_are_known_all_the_while(void **state) {
    struct journal_fixture *f = *state;
    note_many(f, true);
    expect_known(f, 0, MANY);
    assert_int_equal(rows_of(f, TABLE_RECENT, TABLE_COUNT), MANY - 2 * RECENT_KEYS_MAX);
    assert_int_equal(rows_of(f, TABLE_DEDUPE, TABLE_RECENT), 2 * RECENT_KEYS_MAX);
}

static void a_start_in_between_forgets_none_and_finds_none_twice(void **state) {
    struct journal_fixture *f = *state;
    for (uint32_t n = 0; n < RECENT_KEYS_MAX + 10; n++) {
        assert_int_equal(note(f, n, at(JOURNAL_T0, JOURNAL_KEEP_MS), 1), 0);
    }
    trim(f, JOURNAL_T0, TRIM_ROWS); /* twice as many as were noted: all */
    for (uint32_t n = RECENT_KEYS_MAX + 10; n < 2 * RECENT_KEYS_MAX + 10; n++) {
        assert_int_equal(note(f, n, at(JOURNAL_T0, JOURNAL_KEEP_MS), 1), 0);
        if (n % 20000 == 0) {
            journal_restart(f);
            trim(f, JOURNAL_T0, 1);
        }
    }
    journal_restart(f);
    expect_known(f, 0, 2 * RECENT_KEYS_MAX + 10);
    for (int i = 0; i < 20; i++) {
        trim(f, JOURNAL_T0, TRIM_ROWS);
    }
    expect_known(f, 0, 2 * RECENT_KEYS_MAX + 10);
    assert_int_equal(rows_of(f, TABLE_DEDUPE, TABLE_COUNT), 2 * RECENT_KEYS_MAX + 10);
}

static void keys_that_find_no_room_go_into_their_bucket_at_once(void **state) {
    struct journal_fixture *f = *state;
    note_many(f, false);
    assert_int_equal(rows_of(f, TABLE_RECENT, TABLE_COUNT), 2 * RECENT_KEYS_MAX);
    assert_int_equal(rows_of(f, TABLE_DEDUPE, TABLE_COUNT), MANY);
    expect_known(f, 0, MANY);
}

static void of_two_notes_of_a_key_the_later_one_stays(void **state) {
    struct journal_fixture *f = *state;
    const int64_t later_ms = JOURNAL_T0 + 100;
    assert_int_equal(note(f, 7, at(JOURNAL_T0, 50), 1), 0);
    assert_int_equal(note(f, 7, at(later_ms, 50), 2), 0); /* the first has expired */
    journal_restart(f);
    trim(f, JOURNAL_T0 + JOURNAL_KEEP_MS / 4, TRIM_ROWS); /* old enough to go on */
    assert_int_equal(rows_of(f, TABLE_RECENT, TABLE_COUNT), 0);
    assert_int_equal(rows_of(f, TABLE_DEDUPE, TABLE_RECENT), 1);
    assert_int_equal(note(f, 7, at(later_ms + JOURNAL_KEEP_MS - 1, JOURNAL_KEEP_MS), 3),
                     ERR_EXISTS);
    assert_int_equal(note(f, 7, at(later_ms + JOURNAL_KEEP_MS, JOURNAL_KEEP_MS), 3), 0);
}

static void a_key_that_was_forgotten_is_new_wherever_it_was(void **state) {
    struct journal_fixture *f = *state;
    const struct dedupe_time time = at(JOURNAL_T0, JOURNAL_KEEP_MS);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(note(f, 7, time, 1), 0);
        trim(f, JOURNAL_T0 + i * JOURNAL_KEEP_MS / 4, TRIM_ROWS);
        struct dedupe_hash hash = hash_of(f, 7);
        assert_int_equal(journal_dedupe_forget(f->journal, time, 7, &hash), 0);
    }
    assert_int_equal(note(f, 7, time, 1), 0);
}

/* An export that is read again may say anything. */
static void a_row_with_too_long_a_key_is_damage(void **state) {
    static const char key[2 * STORE_KEY_BYTES_MAX];
    (void)state;
    int code = journal_check_row(TABLE_RECENT, (struct slice){key, sizeof key}, slice_of("v"));
    assert_int_equal(code, ERR_CORRUPT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(keys_go_on_into_their_bucket_many_at_a_time_and_are_known_all_the_while),
        JOURNAL_TEST(a_start_in_between_forgets_none_and_finds_none_twice),
        JOURNAL_TEST(keys_that_find_no_room_go_into_their_bucket_at_once),
        JOURNAL_TEST(of_two_notes_of_a_key_the_later_one_stays),
        JOURNAL_TEST(a_key_that_was_forgotten_is_new_wherever_it_was),
        cmocka_unit_test(a_row_with_too_long_a_key_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
