/*
 * test_journal_filters.c - the filters of idempotency keys: what is in a bucket is known whatever
 * its filter does, and what is in none is not looked for.
 */
#include "journal_fixture.h"

#include "base/limits.h"
#include "base/memory.h"
#include "journal/dedupe.h"
#include "store/folder.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

enum {
    MANY = 3 * FILTER_ROWS,
    TRIM_ROWS = 512,
    BUCKET_MS = JOURNAL_KEEP_MS / (DEDUPE_BUCKETS - 1) + 1,
    DEDUPE_KEY_LEN = 1 + 16,
    SMALL_BYTES = 64 << 10, /* a budget: a twelfth of what is left of it is the keys' */
};

static struct memory budget; /* of the journal of the test under way */

static void have_budget(struct journal_fixture *f, uint64_t bytes) {
    memory_init(&budget, bytes);
    journal_use_memory(f->journal, &budget);
}

static struct dedupe_hash hash_of(const struct journal_fixture *f, uint32_t n) {
    struct slice key = {(const char *)&n, sizeof n};
    return journal_dedupe_hash(f->journal, slice_of("s"), slice_of("t"), key);
}

static void note(struct journal_fixture *f, uint32_t n, int64_t now_ms) {
    const struct dedupe_time time = {.now_ms = now_ms, .keep_ms = JOURNAL_KEEP_MS};
    struct dedupe_hash hash = hash_of(f, n);
    struct uuid id = journal_id(1);
    struct uuid earlier;
    assert_int_equal(
        journal_dedupe(f->journal, time, (uint8_t)(n % PARTITIONS), &hash, &id, &earlier), 0);
}

static bool is_known(struct journal_fixture *f, uint32_t n, int64_t now_ms) {
    const struct dedupe_time time = {.now_ms = now_ms, .keep_ms = JOURNAL_KEEP_MS};
    struct dedupe_hash hash = hash_of(f, n);
    struct dedupe_note found;
    int code = journal_dedupe_find(f->journal, time, (uint8_t)(n % PARTITIONS), &hash, &found);
    assert_true(code == 0 || code == ERR_NOTFOUND);
    return code == 0;
}

static void expect_known(struct journal_fixture *f, uint32_t from, uint32_t to, int64_t now_ms) {
    for (uint32_t n = from; n < to; n++) {
        assert_true(is_known(f, n, now_ms));
    }
}

static void trim(struct journal_fixture *f, int64_t now_ms) {
    int64_t next_ms;
    assert_int_equal(journal_dedupe_trim(f->journal, now_ms, TRIM_ROWS, &next_ms), 0);
}

/* Notes so many, which go on into their bucket, and reads filters as far as there is more to read.
 * Returns the time. */
static int64_t fill(struct journal_fixture *f, uint32_t from, uint32_t to, int64_t now_ms) {
    for (uint32_t n = from; n < to; n++) {
        note(f, n, now_ms);
    }
    now_ms += BUCKET_MS; /* old enough */
    for (uint32_t i = 0; i < 4 + (to - from) / TRIM_ROWS; i++) {
        trim(f, now_ms);
    }
    return now_ms;
}

/* Writes the row that a key would have in some bucket, as nobody does. Whether it is found then
 * tells whether it is looked for. */
static void plant(struct journal_fixture *f, uint32_t n, int64_t now_ms) {
    struct dedupe_hash hash = hash_of(f, n);
    char key[1 + sizeof hash.bytes] = {(char)(n % PARTITIONS)};
    char value[UUID_BYTES + sizeof(uint64_t)] = {0};
    memcpy(key + 1, hash.bytes, sizeof hash.bytes);
    for (size_t i = 0; i < sizeof(uint64_t); i++) {
        value[UUID_BYTES + i] = (char)((uint64_t)now_ms >> (8 * i));
    }
    for (unsigned t = TABLE_DEDUPE; t < TABLE_RECENT; t++) {
        if (store_rows(f->store, (enum store_table)t) > 0) {
            assert_int_equal(store_put(f->store, (enum store_table)t,
                                       (struct slice){key, sizeof key},
                                       (struct slice){value, sizeof value}),
                             0);
        }
    }
}

static void a_key_is_known_before_while_and_after_its_filter_is_read(void **state) {
    struct journal_fixture *f = *state;
    int64_t now_ms = fill(f, 0, MANY, JOURNAL_T0);
    journal_restart(f);
    have_budget(f, SMALL_BYTES << 10);
    expect_known(f, 0, MANY, now_ms);
    for (uint32_t n = MANY; n < MANY + 6; n++) {
        note(f, n, now_ms);
        trim(f, now_ms);
        expect_known(f, 0, n + 1, now_ms);
    }
}

static void a_key_that_is_in_no_bucket_is_not_looked_for(void **state) {
    struct journal_fixture *f = *state;
    int64_t now_ms = fill(f, 0, MANY, JOURNAL_T0);
    uint32_t found = 0;
    for (uint32_t n = MANY; n < 2 * MANY; n++) {
        plant(f, n, now_ms);
        found += is_known(f, n, now_ms) ? 1 : 0;
    }
    assert_in_range(found, 0, MANY / 20);
    journal_restart(f); /* nothing is stored of a filter */
    assert_true(is_known(f, MANY, now_ms));
}

static void a_filter_that_has_become_too_small_is_replaced_and_misses_none(void **state) {
    struct journal_fixture *f = *state;
    have_budget(f, SMALL_BYTES << 10);
    int64_t now_ms = fill(f, 0, 100, JOURNAL_T0);
    size_t before = budget.used[MEMORY_KEYS];
    assert_true(before > 0);
    now_ms = fill(f, 100, MANY, now_ms - BUCKET_MS / 2);
    assert_true(budget.used[MEMORY_KEYS] > before);
    expect_known(f, 0, MANY, now_ms);
}

static void a_bucket_that_is_emptied_and_filled_again_knows_what_it_has_now(void **state) {
    struct journal_fixture *f = *state;
    have_budget(f, SMALL_BYTES << 10);
    int64_t now_ms = JOURNAL_T0;
    for (uint32_t round = 0; round < 3 * DEDUPE_BUCKETS; round++) {
        uint32_t from = round * 1000;
        now_ms = fill(f, from, from + 1000, now_ms);
        expect_known(f, from, from + 1000, now_ms);
    }
    assert_false(is_known(f, 0, now_ms));
}

static void a_transaction_that_was_dropped_leaves_nothing_behind(void **state) {
    struct journal_fixture *f = *state;
    int64_t now_ms = fill(f, 0, MANY, JOURNAL_T0);
    assert_int_equal(store_commit(f->store), 0);
    assert_int_equal(store_begin(f->store), 0);
    int64_t later_ms = now_ms + 2 * JOURNAL_KEEP_MS;
    trim(f, later_ms); /* empties the buckets */
    trim(f, later_ms);
    (void)fill(f, MANY, MANY + 10, later_ms);
    store_abort(f->store);
    assert_int_equal(journal_reload(f->journal), 0);
    assert_int_equal(store_begin(f->store), 0);
    expect_known(f, 0, MANY, now_ms);
    trim(f, now_ms);
    expect_known(f, 0, MANY, now_ms);
}

static void filters_keep_within_their_share_of_memory_and_give_it_back(void **state) {
    struct journal_fixture *f = *state;
    have_budget(f, SMALL_BYTES);
    int64_t now_ms = fill(f, 0, 100, JOURNAL_T0);
    assert_true(budget.used[MEMORY_KEYS] > 0);
    now_ms = fill(f, 100, 2 * MANY, now_ms);
    assert_true(budget.used[MEMORY_KEYS] <= memory_share(&budget, MEMORY_KEYS));
    expect_known(f, 0, 2 * MANY, now_ms);
    journal_restart(f);
    assert_int_equal(budget.used[MEMORY_KEYS], 0);
}

/* The page of a bucket that has this key is no page of rows any more. */
static void damage_page(const struct journal_fixture *f, const char node[2 + DEDUPE_KEY_LEN]) {
    enum { PAGE_BYTES = 4096, FLAGS_AT = 10, LEAF = 2 };
    char name[STORE_PATH_BYTES];
    char page[PAGE_BYTES];
    size_t damaged = 0;
    assert_int_equal(store_data_file(f->folder.path, name, NULL), 0);
    FILE *file = fopen(name, "r+b");
    assert_non_null(file);
    for (long at = 0; fread(page, sizeof page, 1, file) == 1; at += PAGE_BYTES) {
        if (page[FLAGS_AT] == LEAF && memmem(page, sizeof page, node, 2 + DEDUPE_KEY_LEN) != NULL) {
            page[FLAGS_AT] = 0;
            assert_int_equal(fseek(file, at, SEEK_SET), 0);
            assert_int_equal(fwrite(page, sizeof page, 1, file), 1);
            assert_int_equal(fseek(file, at + PAGE_BYTES, SEEK_SET), 0);
            damaged++;
        }
    }
    assert_int_equal(fclose(file), 0);
    assert_true(damaged > 0);
}

static void damage_first_page_of_a_bucket(struct journal_fixture *f) {
    char node[2 + DEDUPE_KEY_LEN] = {DEDUPE_KEY_LEN}; /* the key's length stands before it */
    struct slice key;
    struct slice value;
    unsigned t = TABLE_DEDUPE;
    while (t < TABLE_RECENT && store_rows(f->store, (enum store_table)t) == 0) {
        t++;
    }
    assert_int_equal(store_seek(f->store, (enum store_table)t, slice_of(""), false, &key, &value),
                     0);
    assert_int_equal(key.len, DEDUPE_KEY_LEN);
    memcpy(node + 2, key.data, key.len);
    journal_restart(f);
    damage_page(f, node); /* the store maps the file */
}

static void a_bucket_that_is_damaged_fails_one_transaction_and_then_has_no_filter(void **state) {
    struct journal_fixture *f = *state;
    int64_t now_ms = fill(f, 0, MANY, JOURNAL_T0);
    int64_t next_ms;
    damage_first_page_of_a_bucket(f);
    assert_int_equal(journal_dedupe_trim(f->journal, now_ms, TRIM_ROWS, &next_ms), ERR_CORRUPT);
    store_abort(f->store);
    assert_int_equal(journal_reload(f->journal), 0);
    assert_int_equal(store_begin(f->store), 0);
    trim(f, now_ms);
    for (uint32_t n = PARTITIONS - 1; n < MANY; n += PARTITIONS) { /* of the last page */
        assert_true(is_known(f, n, now_ms));
    }
    assert_int_equal(store_commit(f->store), 0);
    assert_int_equal(store_begin(f->store), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(a_key_is_known_before_while_and_after_its_filter_is_read),
        JOURNAL_TEST(a_key_that_is_in_no_bucket_is_not_looked_for),
        JOURNAL_TEST(a_filter_that_has_become_too_small_is_replaced_and_misses_none),
        JOURNAL_TEST(a_bucket_that_is_emptied_and_filled_again_knows_what_it_has_now),
        JOURNAL_TEST(a_transaction_that_was_dropped_leaves_nothing_behind),
        JOURNAL_TEST(a_bucket_that_is_damaged_fails_one_transaction_and_then_has_no_filter),
        JOURNAL_TEST(filters_keep_within_their_share_of_memory_and_give_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
