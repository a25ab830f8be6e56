/* test_journal.c - what the journal knows of itself: services, sequence, books, flags; and which
 * events came before. */
#include "journal_fixture.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* --- meta ---------------------------------------------------------------------------------------
 */

static void journal_host_id_stays_over_restarts(void **state) {
    struct journal_fixture *f = *state;
    char id[UUID_TEXT_BYTES + 1];
    (void)snprintf(id, sizeof id, "%s", journal_host_id(f->journal));
    assert_int_equal(strlen(id), UUID_TEXT_BYTES);
    journal_fixture_restart(f);
    assert_string_equal(journal_host_id(f->journal), id);
}

static void journal_numbers_services_once_and_for_all(void **state) {
    struct journal_fixture *f = *state;
    uint16_t number;
    for (int round = 0; round < 2; round++) {
        assert_int_equal(journal_service_number(f->journal, "seats", &number), 0);
        assert_int_equal(number, 0);
        assert_int_equal(journal_service_number(f->journal, "emails", &number), 0);
        assert_int_equal(number, 1);
        journal_fixture_restart(f);
    }
    assert_int_equal(journal_service_count(f->journal), 2);
    assert_string_equal(journal_service_name(f->journal, 1), "emails");
    assert_null(journal_service_name(f->journal, 2));
}

static void journal_forgets_a_service_whose_transaction_was_dropped(void **state) {
    struct journal_fixture *f = *state;
    uint16_t number;
    assert_int_equal(journal_service_number(f->journal, "lost", &number), 0);
    store_abort(f->store);
    assert_int_equal(journal_reload(f->journal), 0);
    assert_int_equal(journal_service_count(f->journal), 0);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(journal_service_number(f->journal, "kept", &number), 0);
    assert_int_equal(number, 0);
    journal_fixture_restart(f);
    assert_int_equal(journal_service_count(f->journal), 1);
    assert_string_equal(journal_service_name(f->journal, 0), "kept");
}

static void journal_read_only_knows_services_and_makes_none(void **state) {
    struct journal_fixture *f = *state;
    uint16_t number;
    assert_int_equal(journal_service_number(f->journal, "seats", &number), 0);
    assert_int_equal(store_commit(f->store), 0);
    journal_fixture_close(f);
    journal_fixture_open(f, true);
    assert_int_equal(journal_service_number(f->journal, "seats", &number), 0);
    assert_int_equal(journal_service_number(f->journal, "emails", &number), ERR_NOTFOUND);
}

static void journal_seq_follows_the_clock_and_never_repeats(void **state) {
    struct journal_fixture *f = *state;
    uint64_t first = journal_next_seq(f->journal, T0);
    assert_int_equal(first, (uint64_t)T0 * 1000);
    assert_int_equal(journal_next_seq(f->journal, T0), first + 1);
    assert_int_equal(journal_next_seq(f->journal, T0 - 5000), first + 2);
    assert_int_equal(journal_mark_seq(f->journal), 0);
    journal_fixture_restart(f);
    assert_int_equal(journal_next_seq(f->journal, T0 - 5000), first + 3);
    assert_int_equal(journal_next_seq(f->journal, T0 + 1), (uint64_t)(T0 + 1) * 1000);
}

static void journal_books_come_back_as_they_were(void **state) {
    struct journal_fixture *f = *state;
    struct books zeros;
    struct books read;
    struct books books = {.accepted = 20,
                          .done = 1,
                          .dead = 2,
                          .discarded = 3,
                          .duplicates = 4,
                          .handed_over = 5,
                          .retries = 6,
                          .timeouts = 7,
                          .crashes = 8,
                          .snoozes = 9,
                          .throttles = 10};
    assert_int_equal(journal_books_get(f->journal, 3, &zeros), 0);
    assert_int_equal(zeros.accepted, 0);
    assert_int_equal(journal_books_put(f->journal, 3, &books), 0);
    journal_fixture_restart(f);
    assert_int_equal(journal_books_get(f->journal, 3, &read), 0);
    assert_memory_equal(&read, &books, sizeof books);
    assert_int_equal(books_waiting(&read), 10);
}

static void journal_flags_are_kept_by_name(void **state) {
    struct journal_fixture *f = *state;
    uint64_t value;
    char name[300];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(journal_flag_get(f->journal, "paused/a", &value), ERR_NOTFOUND);
    assert_int_equal(journal_flag_put(f->journal, "paused/a", 7), 0);
    assert_int_equal(journal_flag_put(f->journal, name, 1), ERR_LIMIT);
    journal_fixture_restart(f);
    assert_int_equal(journal_flag_get(f->journal, "paused/a", &value), 0);
    assert_int_equal(value, 7);
}

static void journal_lanes_are_the_same_on_every_host(void **state) {
    (void)state;
    uint64_t lane = journal_lane(slice_of("seats"), slice_of("rock"));
    assert_int_equal(lane, journal_lane(slice_of("seats"), slice_of("rock")));
    assert_int_not_equal(lane, journal_lane(slice_of("seat"), slice_of("srock")));
    assert_int_not_equal(lane, journal_lane(slice_of("seats"), slice_of("")));
    unsigned hit[PARTITIONS] = {0};
    for (unsigned i = 0; i < PARTITIONS * 100; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%u", i);
        hit[journal_partition(journal_lane(slice_of("seats"), slice_of(key)))]++;
    }
    for (unsigned p = 0; p < PARTITIONS; p++) {
        assert_in_range(hit[p], 50, 160);
    }
}

/* --- dedupe -------------------------------------------------------------------------------------
 */

static int dedupe(struct journal_fixture *f, int64_t now_ms, const char *key, uint8_t n,
                  struct uuid *earlier) {
    struct dedupe_hash hash =
        journal_dedupe_hash(f->journal, slice_of("seats"), slice_of("t"), slice_of(key));
    struct uuid id = uuid_nth(n);
    return journal_dedupe(f->journal, now_ms, 9, &hash, &id, earlier);
}

static void dedupe_names_the_earlier_event(void **state) {
    struct journal_fixture *f = *state;
    struct uuid earlier;
    struct uuid first = uuid_nth(1);
    assert_int_equal(dedupe(f, T0, "a", 1, &earlier), 0);
    assert_int_equal(dedupe(f, T0, "b", 2, &earlier), 0);
    assert_int_equal(dedupe(f, T0, "a", 3, &earlier), ERR_EXISTS);
    assert_true(uuid_equal(&earlier, &first));
    journal_fixture_restart(f);
    assert_int_equal(dedupe(f, T0 + 1, "a", 4, &earlier), ERR_EXISTS);
    assert_true(uuid_equal(&earlier, &first));
}

static void dedupe_hash_tells_service_scope_and_key_apart(void **state) {
    struct journal_fixture *f = *state;
    static const char *const parts[][3] = {{"ab", "c", "d"}, {"a", "bc", "d"}, {"a", "b", "cd"},
                                           {"abcd", "", ""}, {"", "abcd", ""}, {"", "", "abcd"}};
    struct dedupe_hash hashes[6];
    for (size_t i = 0; i < 6; i++) {
        hashes[i] = journal_dedupe_hash(f->journal, slice_of(parts[i][0]), slice_of(parts[i][1]),
                                        slice_of(parts[i][2]));
        for (size_t k = 0; k < i; k++) {
            assert_memory_not_equal(&hashes[i], &hashes[k], sizeof hashes[i]);
        }
    }
}

static void dedupe_keeps_keys_for_the_whole_period_and_then_lets_go(void **state) {
    struct journal_fixture *f = *state;
    struct uuid earlier;
    int64_t bucket_ms = KEEP_MS / (DEDUPE_BUCKETS - 1) + 1;
    /* One key in each moment of a long time: every bucket is filled and emptied several times. */
    for (int64_t now = T0; now < T0 + 5 * KEEP_MS; now += 100) {
        char key[32];
        (void)snprintf(key, sizeof key, "%" PRId64, now);
        assert_int_equal(dedupe(f, now, key, 1, &earlier), 0);
        if (now - KEEP_MS >= T0) {
            (void)snprintf(key, sizeof key, "%" PRId64, now - KEEP_MS + 100);
            assert_int_equal(dedupe(f, now, key, 1, &earlier), ERR_EXISTS);
        }
        if (now - KEEP_MS - bucket_ms - 100 >= T0) {
            (void)snprintf(key, sizeof key, "%" PRId64, now - KEEP_MS - bucket_ms - 100);
            assert_int_equal(dedupe(f, now, key, 1, &earlier), 0);
        }
    }
    uint64_t rows = 0;
    for (size_t i = 0; i < DEDUPE_BUCKETS; i++) {
        rows += store_rows(f->store, TABLE_DEDUPE + i);
    }
    assert_in_range(rows, KEEP_MS / 100, 2 * (KEEP_MS + 2 * bucket_ms) / 100);
}

static void dedupe_goes_on_after_a_long_silence_and_a_clock_set_back(void **state) {
    struct journal_fixture *f = *state;
    struct uuid earlier;
    assert_int_equal(dedupe(f, T0, "a", 1, &earlier), 0);
    assert_int_equal(dedupe(f, T0 + 100 * KEEP_MS, "a", 2, &earlier), 0);
    assert_int_equal(dedupe(f, T0 + 100 * KEEP_MS, "a", 3, &earlier), ERR_EXISTS);
    assert_int_equal(dedupe(f, T0, "b", 4, &earlier), 0);
    assert_int_equal(dedupe(f, T0, "b", 5, &earlier), ERR_EXISTS);
    assert_int_equal(dedupe(f, T0 + 100 * KEEP_MS + 1, "b", 6, &earlier), ERR_EXISTS);
}

static void dedupe_keeps_old_keys_longer_when_the_period_is_lengthened(void **state) {
    struct journal_fixture *f = *state;
    struct uuid earlier;
    assert_int_equal(dedupe(f, T0, "a", 1, &earlier), 0);
    assert_int_equal(store_commit(f->store), 0);
    journal_close(f->journal);
    assert_int_equal(journal_open(&f->journal, f->store, KEEP_MS * 4, NULL), 0);
    assert_int_equal(store_begin(f->store), 0);
    for (int64_t now = T0; now < T0 + 4 * KEEP_MS; now += 500) {
        assert_int_equal(dedupe(f, now, "a", 2, &earlier), ERR_EXISTS);
    }
}

int main(void) {
#define JOURNAL_TEST(test)                                                                         \
    cmocka_unit_test_setup_teardown(test, journal_fixture_set_up, journal_fixture_tear_down)
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(journal_host_id_stays_over_restarts),
        JOURNAL_TEST(journal_numbers_services_once_and_for_all),
        JOURNAL_TEST(journal_forgets_a_service_whose_transaction_was_dropped),
        JOURNAL_TEST(journal_read_only_knows_services_and_makes_none),
        JOURNAL_TEST(journal_seq_follows_the_clock_and_never_repeats),
        JOURNAL_TEST(journal_books_come_back_as_they_were),
        JOURNAL_TEST(journal_flags_are_kept_by_name),
        JOURNAL_TEST(journal_lanes_are_the_same_on_every_host),
        JOURNAL_TEST(dedupe_names_the_earlier_event),
        JOURNAL_TEST(dedupe_hash_tells_service_scope_and_key_apart),
        JOURNAL_TEST(dedupe_keeps_keys_for_the_whole_period_and_then_lets_go),
        JOURNAL_TEST(dedupe_goes_on_after_a_long_silence_and_a_clock_set_back),
        JOURNAL_TEST(dedupe_keeps_old_keys_longer_when_the_period_is_lengthened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
