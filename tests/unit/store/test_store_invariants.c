/*
 * test_store_invariants.c - docs/invariants.md: a store that is used as no store may be ends the
 * process; a file whose keys are out of order is an error, and no endless walk.
 */
#include "aborts.h"
#include "store_world.h"
#include "test.h"
#include "store/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* INV-STORE-1 */
static void begin_twice(void *s) {
    (void)store_begin(s);
    (void)store_begin(s);
}

static void a_store_has_one_transaction_at_a_time(void **state) {
    const struct store_world *f = *state;
    assert_aborts(begin_twice, f->store, "s->txn == NULL");
}

/* INV-STORE-2 */
static void read_outside(void *s) {
    struct slice value;
    (void)store_get(s, TABLE_STATE, slice_of("k"), &value);
}

static void write_outside(void *s) {
    (void)store_put(s, TABLE_STATE, slice_of("k"), slice_of("v"));
}

static void delete_outside(void *s) {
    (void)store_del(s, TABLE_STATE, slice_of("k"));
}

static void seek_outside(void *s) {
    struct slice key;
    struct slice value;
    (void)store_seek(s, TABLE_STATE, slice_of("k"), false, &key, &value);
}

static void rows_are_read_and_written_within_a_transaction(void **state) {
    const struct store_world *f = *state;
    assert_aborts(read_outside, f->store, "s->txn != NULL");
    assert_aborts(write_outside, f->store, "s->txn != NULL");
    assert_aborts(delete_outside, f->store, "s->txn != NULL");
    assert_aborts(seek_outside, f->store, "s->txn != NULL");
}

static void write_what_is_read_only(void *s) {
    (void)store_begin(s);
    write_outside(s);
}

static void empty_what_is_read_only(void *s) {
    (void)store_begin(s);
    (void)store_empty(s, TABLE_STATE);
}

static void who_reads_beside_the_host_writes_nothing(void **state) {
    const struct store_world *f = *state;
    const struct store_options options = {.path = f->folder.path, .read_only = true};
    struct store *reader = NULL;
    store_world_commit(f->store, "k", "v");
    assert_int_equal(store_open(&reader, &options, NULL), 0);
    assert_aborts(write_what_is_read_only, reader, "!s->read_only");
    assert_aborts(empty_what_is_read_only, reader, "!s->read_only");
    store_close(reader);
}

/* INV-STORE-3 */
static void write_no_key(void *s) {
    (void)store_put(s, TABLE_STATE, (struct slice){"", 0}, slice_of("v"));
}

static void write_a_long_key(void *s) {
    static const char key[512];
    (void)store_put(s, TABLE_STATE, (struct slice){key, sizeof key}, slice_of("v"));
}

static void keys_have_the_lengths_that_keys_have(void **state) {
    const struct store_world *f = *state;
    assert_int_equal(store_begin(f->store), 0);
    assert_aborts(write_no_key, f->store, "key.len > 0");
    assert_aborts(write_a_long_key, f->store, "key.len <= STORE_KEY_BYTES_MAX");
    store_abort(f->store);
}

/* INV-STORE-4: it points into pages that others may write to by now. */
static void walk_on_from_another_transaction(void *ctx) {
    struct store *s = ctx;
    MDB_txn *other = NULL;
    (void)mdb_txn_begin(s->env, NULL, MDB_RDONLY, &other);
    (void)mdb_cursor_open(other, s->tables[TABLE_STATE], &s->cursors[TABLE_STATE]);
    seek_outside(s);
}

static void a_cursor_is_of_the_transaction_under_way(void **state) {
    const struct store_world *f = *state;
    store_world_commit(f->store, "k", "v");
    assert_int_equal(store_begin(f->store), 0);
    assert_aborts(walk_on_from_another_transaction, f->store, "mdb_cursor_txn(");
    store_abort(f->store);
}

/* INV-STORE-5: the bytes change in the file below the open store, as on a failing disk. */
static void damage(const struct store_world *f, const char *key, const char *becomes) {
    static char bytes[1 << 20];
    char path[128];
    (void)snprintf(path, sizeof path, "%s/data.mdb", f->folder.path);
    FILE *fp = fopen(path, "r+b");
    assert_non_null(fp);
    size_t len = fread(bytes, 1, sizeof bytes, fp);
    size_t key_len = strlen(key);
    size_t found = 0;
    for (size_t at = 0; at + key_len <= len; at++) {
        if (memcmp(bytes + at, key, key_len) == 0) {
            assert_int_equal(fseek(fp, (long)at, SEEK_SET), 0);
            assert_int_equal(fwrite(becomes, 1, key_len, fp), key_len);
            found++;
        }
    }
    assert_true(found > 0);
    assert_int_equal(fclose(fp), 0);
}

static int walk(struct store *s, bool back) {
    char last[16];
    struct slice key = slice_of(back ? "z" : "a");
    struct slice value;
    int code = 0;
    for (int steps = 0; code == 0; steps++) {
        assert_true(steps < 100);
        code = back ? store_seek_back(s, TABLE_STATE, key, &key, &value)
                    : store_seek(s, TABLE_STATE, key, true, &key, &value);
        if (code == 0) {
            memcpy(last, key.data, key.len);
            key.data = last;
        }
    }
    return code;
}

/* The same backward, with a cursor that goes on from where it stands. */
static int walk_on(struct store *s) {
    struct slice key;
    struct slice value;
    int code = store_seek_back(s, TABLE_STATE, slice_of("z"), &key, &value);
    for (int steps = 0; code == 0; steps++) {
        assert_true(steps < 100);
        code = store_before(s, TABLE_STATE, &key, &value);
    }
    return code;
}

static void a_walk_goes_one_way_or_ends(void **state) {
    const struct store_world *f = *state;
    char key[16];
    assert_int_equal(store_begin(f->store), 0);
    for (int i = 10; i < 20; i++) {
        (void)snprintf(key, sizeof key, "key%d", i);
        store_world_put(f->store, key, "v");
    }
    assert_int_equal(store_commit(f->store), 0);
    damage(f, "key14", "key10");
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(walk(f->store, false), ERR_CORRUPT);
    store_abort(f->store);
    damage(f, "key15", "key19");
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(walk(f->store, true), ERR_CORRUPT);
    assert_int_equal(walk_on(f->store), ERR_CORRUPT);
    store_abort(f->store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_store_has_one_transaction_at_a_time),
        STORE_TEST(rows_are_read_and_written_within_a_transaction),
        STORE_TEST(who_reads_beside_the_host_writes_nothing),
        STORE_TEST(keys_have_the_lengths_that_keys_have),
        STORE_TEST(a_cursor_is_of_the_transaction_under_way),
        STORE_TEST(a_walk_goes_one_way_or_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
