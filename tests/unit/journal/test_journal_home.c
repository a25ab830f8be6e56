/*
 * test_journal_home.c - where the rows of each table belong.
 */
#include "test.h"
#include "journal/home.h"
#include "journal/impl.h"
#include "journal/later.h"

enum { P = 37 };

/* The row's key as journal.h draws it: the partition, or its like, stands at `at`. */
static uint8_t home_of(enum store_table t, size_t at, uint8_t partition) {
    char key[64] = {0};
    key[at] = (char)partition;
    if (t == TABLE_TIMER) {
        key[9] = TIMER_PUBLISH; /* its kind */
    }
    return journal_home(t, (struct slice){key, 40});
}

/* INV-JOURNAL-20: a table that home.c does not list ends this test. */
static void every_table_says_where_its_rows_belong(void **state) {
    (void)state;
    for (size_t t = 0; t < TABLE_COUNT; t++) {
        assert_in_range(home_of((enum store_table)t, 0, P), 0, HOME_HOST);
    }
}

static void what_is_of_a_key_belongs_to_its_partition(void **state) {
    static const enum store_table tables[] = {
        TABLE_READY,  TABLE_LANE,   TABLE_HISTORY, TABLE_TIMER,  TABLE_STATE,
        TABLE_LOCK,   TABLE_DEAD,   TABLE_STEP,    TABLE_APPEND, TABLE_SIGNAL,
        TABLE_WAITER, TABLE_LETTER, TABLE_TENANT,  TABLE_CURSOR};
    (void)state;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        assert_int_equal(home_of(tables[i], 0, P), P);
    }
    assert_int_equal(home_of(TABLE_EVENT, OWNER_KEY_BYTES, P), P);
    assert_int_equal(home_of(TABLE_TIMER, 0, P | BY_WALL), P);
    for (size_t i = 0; i < DEDUPE_BUCKETS; i++) {
        assert_int_equal(home_of((enum store_table)(TABLE_DEDUPE + i), 0, P), P);
    }
    for (size_t i = 0; i < RECENT_TABLES; i++) {
        assert_int_equal(home_of((enum store_table)(TABLE_RECENT + i), 8, P), P);
    }
}

static void what_is_of_no_key_belongs_to_the_host(void **state) {
    static const enum store_table tables[] = {TABLE_META, TABLE_OUTBOX, TABLE_DELAYED, TABLE_ASIDE,
                                              TABLE_FORWARD};
    (void)state;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        assert_int_equal(home_of(tables[i], 0, P), HOME_HOST);
    }
}

static void keys_of_a_service_of_every_host_belong_to_the_host(void **state) {
    (void)state;
    assert_int_equal(home_of(TABLE_DEDUPE, 0, P | DEDUPE_OWN), HOME_HOST);
    assert_int_equal(home_of(TABLE_RECENT, 8, P | DEDUPE_OWN), HOME_HOST);
    assert_int_equal(home_of(TABLE_DEDUPE, 0, UINT8_MAX), HOME_HOST); /* a publish from outside */
}

static void what_damage_has_left_belongs_to_the_host(void **state) {
    (void)state;
    assert_int_equal(journal_home(TABLE_EVENT, slice_of("short")), HOME_HOST);
    assert_int_equal(home_of(TABLE_STATE, 0, PARTITIONS), HOME_HOST);
    assert_int_equal(journal_home(TABLE_TIMER, slice_of("\x25 no kind")), HOME_HOST);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_says_where_its_rows_belong),
        cmocka_unit_test(what_is_of_a_key_belongs_to_its_partition),
        cmocka_unit_test(what_is_of_no_key_belongs_to_the_host),
        cmocka_unit_test(keys_of_a_service_of_every_host_belong_to_the_host),
        cmocka_unit_test(what_damage_has_left_belongs_to_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
