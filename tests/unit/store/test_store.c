/* test_store.c - transactions, order of keys, a full map, readers. */
#include "base/buf.h"
#include "base/limits.h"
#include "store_world.h"
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIGHT = 1 << 20 };

/* --- transactions -------------------------------------------------------------------------------
 */

static void store_keeps_what_was_committed_and_drops_what_was_not(void **state) {
    struct store_world *f = *state;
    store_world_commit(f->store, "a", "1");
    assert_int_equal(store_begin(f->store), 0);
    assert_true(store_active(f->store));
    store_world_put(f->store, "a", "2");
    store_world_put(f->store, "b", "3");
    assert_store_value(f->store, "a", "2");
    store_abort(f->store);
    assert_false(store_active(f->store));

    store_close(f->store);
    f->store = data_folder_store(&f->folder, ROOM);
    assert_int_equal(store_begin(f->store), 0);
    assert_store_value(f->store, "a", "1");
    assert_store_absent(f->store, "b");
}

static void store_drops_an_open_transaction_when_it_is_closed(void **state) {
    struct store_world *f = *state;
    assert_int_equal(store_begin(f->store), 0);
    store_world_put(f->store, "a", "1");
    store_close(f->store);
    f->store = data_folder_store(&f->folder, ROOM);
    assert_int_equal(store_begin(f->store), 0);
    assert_store_absent(f->store, "a");
}

static void store_del_tells_when_there_was_nothing(void **state) {
    struct store_world *f = *state;
    assert_int_equal(store_begin(f->store), 0);
    store_world_put(f->store, "a", "1");
    assert_int_equal(store_del(f->store, TABLE_STATE, slice_of("a")), 0);
    assert_int_equal(store_del(f->store, TABLE_STATE, slice_of("a")), ERR_NOTFOUND);
    assert_store_absent(f->store, "a");
}

static void store_tells_whether_a_transaction_has_written(void **state) {
    struct store_world *f = *state;
    assert_false(store_changed(f->store));
    assert_int_equal(store_begin(f->store), 0);
    assert_store_absent(f->store, "a");
    assert_int_equal(store_del(f->store, TABLE_STATE, slice_of("a")), ERR_NOTFOUND);
    assert_false(store_changed(f->store));
    store_world_put(f->store, "a", "1");
    assert_true(store_changed(f->store));
    assert_int_equal(store_commit(f->store), 0);
    assert_false(store_changed(f->store));
    assert_int_equal(store_begin(f->store), 0);
    assert_false(store_changed(f->store));
    assert_int_equal(store_del(f->store, TABLE_STATE, slice_of("a")), 0);
    assert_true(store_changed(f->store));
}

static void store_tables_do_not_share_keys(void **state) {
    struct store_world *f = *state;
    struct slice found;
    assert_int_equal(store_begin(f->store), 0);
    for (enum store_table t = TABLE_EVENT; t < TABLE_COUNT; t++) {
        struct slice number = {(const char *)&t, sizeof t};
        assert_int_equal(store_put(f->store, t, slice_of("k"), number), 0);
    }
    for (enum store_table t = TABLE_EVENT; t < TABLE_COUNT; t++) {
        assert_int_equal(store_get(f->store, t, slice_of("k"), &found), 0);
        assert_memory_equal(found.data, &t, sizeof t);
        assert_int_equal(store_rows(f->store, t), 1);
    }
}

static void store_empty_empties_one_table(void **state) {
    struct store_world *f = *state;
    struct slice key;
    struct slice value;
    assert_int_equal(store_begin(f->store), 0);
    store_world_put(f->store, "a", "1");
    store_world_put(f->store, "b", "2");
    assert_int_equal(store_put(f->store, TABLE_LOCK, slice_of("a"), slice_of("x")), 0);
    assert_int_equal(store_seek(f->store, TABLE_STATE, slice_of("a"), true, &key, &value), 0);
    assert_int_equal(store_empty(f->store, TABLE_STATE), 0);
    assert_int_equal(store_rows(f->store, TABLE_STATE), 0);
    assert_int_equal(store_rows(f->store, TABLE_LOCK), 1);
    assert_int_equal(store_seek(f->store, TABLE_STATE, slice_of(""), false, &key, &value),
                     ERR_NOTFOUND);
}

/* --- seeking ------------------------------------------------------------------------------------
 */

static void put_letters(struct store *s) {
    assert_int_equal(store_begin(s), 0);
    store_world_put(s, "d", "4");
    store_world_put(s, "b", "2");
    store_world_put(s, "ba", "3");
}

static void assert_seek(struct store *s, const char *from, bool after, const char *expected) {
    struct slice key;
    struct slice value;
    int code = store_seek(s, TABLE_STATE, slice_of(from), after, &key, &value);
    assert_int_equal(code, expected == NULL ? ERR_NOTFOUND : 0);
    if (expected != NULL) {
        assert_true(slice_is(key, expected));
    }
}

static void store_seek_finds_keys_in_byte_order(void **state) {
    struct store_world *f = *state;
    put_letters(f->store);
    assert_seek(f->store, "", false, "b");
    assert_seek(f->store, "b", false, "b");
    assert_seek(f->store, "b", true, "ba");
    assert_seek(f->store, "c", true, "d");
    assert_seek(f->store, "d", true, NULL);
    assert_seek(f->store, "e", false, NULL);
}

static void assert_seek_back(struct store *s, const char *before, const char *expected) {
    struct slice key;
    struct slice value;
    int code = store_seek_back(s, TABLE_STATE, slice_of(before), &key, &value);
    assert_int_equal(code, expected == NULL ? ERR_NOTFOUND : 0);
    if (expected != NULL) {
        assert_true(slice_is(key, expected));
    }
}

static void store_seek_sees_writes_made_between_two_steps(void **state) {
    struct store_world *f = *state;
    put_letters(f->store);
    assert_seek(f->store, "b", true, "ba");
    store_world_put(f->store, "bb", "x");
    assert_int_equal(store_del(f->store, TABLE_STATE, slice_of("ba")), 0);
    assert_seek(f->store, "ba", true, "bb");
    assert_seek(f->store, "bb", true, "d");
    assert_int_equal(store_del(f->store, TABLE_STATE, slice_of("bb")), 0); /* the next one is d */
    assert_seek(f->store, "d", true, NULL);
    assert_seek_back(f->store, "d", "b");
    assert_seek(f->store, "d", true, NULL);
    store_world_put(f->store, "e", "x");
    assert_seek(f->store, "d", true, "e");
    assert_int_equal(store_del(f->store, TABLE_STATE, slice_of("e")), 0);
    assert_seek(f->store, "d", true, NULL);
    assert_seek_back(f->store, "e", "d");
}

static void store_seek_back_finds_the_last_key_before(void **state) {
    struct store_world *f = *state;
    assert_int_equal(store_begin(f->store), 0);
    assert_seek_back(f->store, "x", NULL);
    store_abort(f->store);
    put_letters(f->store);
    assert_seek_back(f->store, "x", "d");
    assert_seek_back(f->store, "d", "ba");
    assert_seek_back(f->store, "ba", "b");
    assert_seek_back(f->store, "b", NULL);
}

static void store_before_goes_on_from_where_the_last_call_stands(void **state) {
    struct store_world *f = *state;
    struct slice key;
    struct slice value;
    put_letters(f->store);
    assert_int_equal(store_seek_back(f->store, TABLE_STATE, slice_of("d"), &key, &value), 0);
    assert_int_equal(store_before(f->store, TABLE_STATE, &key, &value), 0);
    assert_true(slice_is(key, "b"));
    assert_int_equal(store_before(f->store, TABLE_STATE, &key, &value), ERR_NOTFOUND);
    assert_seek(f->store, "ba", true, "d");
}

/* --- a full map ---------------------------------------------------------------------------------
 */

/* Rows of 1 KiB until one fails; how many were committed. */
static unsigned fill(struct store *s) {
    char text[1024];
    memset(text, 'x', sizeof text);
    for (unsigned rows = 0;; rows++) {
        struct buf key;
        buf_init(&key, 64);
        buf_add_u32_be(&key, rows);
        assert_int_equal(store_begin(s), 0);
        int code = store_put(s, TABLE_EVENT, buf_slice(&key), (struct slice){text, sizeof text});
        buf_clear(&key);
        if (code == 0) {
            code = store_commit(s);
        } else {
            store_abort(s);
        }
        if (code != 0) {
            assert_int_equal(code, ERR_FULL);
            return rows;
        }
    }
}

static void open_tight(struct store_world *f) {
    store_close(f->store);
    data_folder_remove(&f->folder);
    data_folder_make(&f->folder);
    f->store = data_folder_store(&f->folder, TIGHT);
}

static void delete_50(struct store *s) {
    assert_int_equal(store_begin(s), 0);
    for (uint8_t i = 0; i < 50; i++) {
        const char key[] = {0, 0, 0, (char)i};
        assert_int_equal(store_del(s, TABLE_EVENT, (struct slice){key, sizeof key}), 0);
    }
    assert_int_equal(store_commit(s), 0);
}

static void store_says_full_and_keeps_what_it_has(void **state) {
    struct store_world *f = *state;
    open_tight(f);
    unsigned rows = fill(f->store);
    assert_in_range(rows, 100, 1000);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_rows(f->store, TABLE_EVENT), rows);
}

static void store_lends_room_for_deletes_and_takes_rows_again(void **state) {
    struct store_world *f = *state;
    open_tight(f);
    (void)fill(f->store);
    assert_int_equal(store_lend(f->store, STORE_LENT_SPARE), 0);
    delete_50(f->store);
    assert_int_equal(store_lend(f->store, STORE_LENT_NOTHING), 0);
    for (unsigned i = 0; i < 20; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "again%u", i);
        store_world_commit(f->store, key, "fits");
    }
}

static void put_large(struct store *s, size_t bytes, int expected) {
    char *value = calloc(1, bytes);
    assert_non_null(value);
    assert_int_equal(store_begin(s), 0);
    int code = store_put(s, TABLE_STATE, slice_of("large"), (struct slice){value, bytes});
    assert_int_equal(code, expected);
    if (code == 0) {
        assert_int_equal(store_commit(s), 0);
    } else {
        store_abort(s);
    }
    free(value);
}

/* Every other page: each has three rows. */
static void delete_scattered(struct store *s, unsigned rows) {
    assert_int_equal(store_begin(s), 0);
    for (unsigned row = 0; row < rows; row++) {
        struct buf key;
        buf_init(&key, 64);
        buf_add_u32_be(&key, row);
        assert_int_equal(row / 3 % 2 == 0 ? store_del(s, TABLE_EVENT, buf_slice(&key)) : 0, 0);
        buf_clear(&key);
    }
    assert_int_equal(store_commit(s), 0);
}

/* INV-STORE-9. A large value needs pages side by side. */
static void store_lends_as_much_in_one_piece_as_is_free_in_scattered_pages(void **state) {
    enum { LARGE = 32 << 10 };
    struct store_world *f = *state;
    struct store_space space;
    open_tight(f);
    unsigned rows = fill(f->store);
    assert_int_equal(store_lend(f->store, STORE_LENT_SPARE), 0);
    delete_scattered(f->store, rows);
    assert_int_equal(store_lend(f->store, STORE_LENT_NOTHING), 0);
    assert_int_equal(store_usage(f->store, &space), 0);
    assert_true(store_taken(f->store) - space.used > LARGE);
    put_large(f->store, LARGE, ERR_FULL);
    assert_int_equal(store_lend(f->store, STORE_LENT_PIECES), 0);
    put_large(f->store, LARGE, 0);
    assert_int_equal(store_lend(f->store, STORE_LENT_NOTHING), 0);
    store_world_commit(f->store, "again", "fits");
}

/* Each value takes new pages at the end, and the scattered ones stay free. */
static void a_file_of_scattered_pages_grows_to_twice_the_limit_at_most(void **state) {
    enum { LARGE = 32 << 10, MANY = 4 * TIGHT / LARGE };
    static const char value[LARGE];
    struct store_world *f = *state;
    int code = 0;
    open_tight(f);
    unsigned rows = fill(f->store);
    assert_int_equal(store_lend(f->store, STORE_LENT_SPARE), 0);
    delete_scattered(f->store, rows);
    for (unsigned n = 0; n < MANY && code == 0; n++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%u", n);
        assert_int_equal(store_lend(f->store, STORE_LENT_PIECES), 0);
        store_begin(f->store);
        code = store_put(f->store, TABLE_STATE, slice_of(key), (struct slice){value, sizeof value});
        code = code == 0 ? store_commit(f->store) : code;
    }
    assert_int_equal(code, ERR_FULL);
    store_abort(f->store);
    assert_in_range(store_taken(f->store), TIGHT + 1, (uint64_t)STORE_GROWTH_MAX * TIGHT);
    assert_int_equal(store_lend(f->store, STORE_LENT_NOTHING), 0);
}

static void store_usage_counts_pages_and_forgets_freed_ones(void **state) {
    struct store_world *f = *state;
    struct store_space before;
    struct store_space full;
    struct store_space after;
    char text[4096] = "";
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_usage(f->store, &before), 0);
    assert_int_equal(before.max, ROOM);
    for (char i = 'a'; i <= 'z'; i++) {
        assert_int_equal(
            store_put(f->store, TABLE_EVENT, (struct slice){&i, 1}, (struct slice){text, 40}), 0);
        for (char k = 'a'; k <= 'z'; k++) {
            const char key[] = {i, k};
            assert_int_equal(store_put(f->store, TABLE_EVENT, (struct slice){key, 2},
                                       (struct slice){text, sizeof text}),
                             0);
        }
    }
    assert_int_equal(store_commit(f->store), 0);
    assert_true(store_taken(f->store) > (uint64_t)26 * 26 * sizeof text);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_usage(f->store, &full), 0);
    assert_true(full.used > before.used + (uint64_t)26 * 26 * sizeof text);
    assert_int_equal(store_empty(f->store, TABLE_EVENT), 0);
    assert_int_equal(store_commit(f->store), 0);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_usage(f->store, &after), 0);
    assert_true(after.used < full.used / 4);
}

/* --- readers -----------------------------------------------------------------------------------
 */

/* A process that reads the last commit until the pipe's end is closed. */
static pid_t start_reader(const struct store_world *f, int *stop) {
    int ready[2];
    int wait[2];
    char byte = 'r';
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(wait), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store_options options = {.path = f->folder.path, .read_only = true};
        struct store *reader = NULL;
        (void)close(wait[1]);
        _exit(store_open(&reader, &options, NULL) != 0 || store_begin(reader) != 0 ||
              write(ready[1], &byte, 1) != 1 || read(wait[0], &byte, 1) != 0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(close(ready[0]) + close(ready[1]) + close(wait[0]), 0);
    *stop = wait[1];
    return child;
}

/* Rewrites one value of sixteen pages `times` times: each frees the pages of the one before. */
static int rewrite(struct store *s, int times) {
    static char text[16 * 4000];
    int code = 0;
    for (int i = 0; i < times && code == 0; i++) {
        code = store_begin(s);
        code = code == 0
                   ? store_put(s, TABLE_STATE, slice_of("big"), (struct slice){text, sizeof text})
                   : code;
        if (code != 0) {
            store_abort(s);
            return code;
        }
        code = store_commit(s);
    }
    return code;
}

static void store_names_a_reader_and_counts_what_it_keeps(void **state) {
    struct store_world *f = *state;
    struct store_space space;
    int stop;
    assert_int_equal(rewrite(f->store, 3), 0);
    assert_int_equal(store_old_reader(f->store).pid, 0);
    pid_t reader = start_reader(f, &stop);
    assert_int_equal(rewrite(f->store, 20), 0);
    assert_int_equal(store_clear_readers(f->store), 0);
    assert_int_equal(store_old_reader(f->store).pid, reader);
    assert_int_equal(store_usage(f->store, &space), 0);
    assert_true(space.held > (uint64_t)18 * 16 * 4000);
    assert_true(space.used > space.held);

    assert_int_equal(close(stop), 0);
    assert_int_equal(waitpid(reader, NULL, 0), reader);
    (void)store_clear_readers(f->store);
    assert_int_equal(store_old_reader(f->store).pid, 0);
    assert_int_equal(store_usage(f->store, &space), 0);
    assert_int_equal(space.held, 0);
    assert_true(space.used < (uint64_t)10 * 16 * 4000);
}

static void a_killed_reader_never_fills_the_store(void **state) {
    struct store_world *f = *state;
    int stop;
    pid_t reader = start_reader(f, &stop);
    assert_int_equal(kill(reader, SIGKILL), 0);
    assert_int_equal(waitpid(reader, NULL, 0), reader);
    assert_int_equal(close(stop), 0);
    assert_int_equal(store_clear_readers(f->store), 1);
    assert_int_equal(rewrite(f->store, 1000), 0); /* 64 MB through 16 MiB */
}

static void a_killed_reader_is_cleared_by_whoever_opens_the_store_next(void **state) {
    struct store_world *f = *state;
    int stop;
    pid_t reader = start_reader(f, &stop);
    assert_int_equal(kill(reader, SIGKILL), 0);
    assert_int_equal(waitpid(reader, NULL, 0), reader);
    assert_int_equal(close(stop), 0);
    pid_t next = start_reader(f, &stop);
    assert_int_equal(close(stop), 0);
    assert_int_equal(waitpid(next, NULL, 0), next);
    assert_in_range(store_clear_readers(f->store), 0, 1); /* its own, not the killed one's */
    assert_int_equal(rewrite(f->store, 1000), 0);
}

/* LMDB has 126 places for readers. */
static void killed_readers_in_every_place_keep_nobody_from_reading(void **state) {
    enum { PLACES = 126 };
    struct store_world *f = *state;
    struct store_options options = {.path = f->folder.path, .read_only = true};
    int stop[PLACES];
    pid_t readers[PLACES];
    store_world_commit(f->store, "a", "1");
    store_close(f->store);
    assert_int_equal(store_open(&f->store, &options, NULL), 0);
    for (size_t i = 0; i < PLACES; i++) {
        readers[i] = start_reader(f, &stop[i]);
    }
    assert_int_not_equal(store_begin(f->store), 0);
    for (size_t i = 0; i < PLACES; i++) {
        assert_int_equal(kill(readers[i], SIGKILL), 0);
        assert_int_equal(waitpid(readers[i], NULL, 0), readers[i]);
        assert_int_equal(close(stop[i]), 0);
    }
    assert_int_equal(store_begin(f->store), 0);
    assert_store_value(f->store, "a", "1");
}

/* A command that began when the host had a smaller store. */
static void a_reader_goes_on_when_the_host_starts_with_a_larger_store(void **state) {
    struct store_world *f = *state;
    struct store_options options = {.path = f->folder.path, .read_only = true};
    int status;
    store_close(f->store);
    f->store = data_folder_store(&f->folder, TIGHT);
    store_close(f->store);
    assert_int_equal(store_open(&f->store, &options, NULL), 0);
    pid_t host = fork();
    assert_true(host >= 0);
    if (host == 0) {
        struct store_options larger = {.path = f->folder.path, .max_bytes = ROOM};
        static char value[4 * TIGHT];
        struct store *s = NULL;
        int code = store_open(&s, &larger, NULL);
        code = code == 0 ? store_begin(s) : code;
        code = code == 0
                   ? store_put(s, TABLE_EVENT, slice_of("k"), (struct slice){value, sizeof value})
                   : code;
        _exit(code == 0 ? -store_commit(s) : 1);
    }
    assert_int_equal(waitpid(host, &status, 0), host);
    assert_int_equal(status, 0);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_rows(f->store, TABLE_EVENT), 1);
}

/* The commands read in a process of their own, beside the host. */
static void store_is_readable_beside_a_writer(void **state) {
    struct store_world *f = *state;
    store_world_commit(f->store, "a", "1");
    assert_int_equal(store_begin(f->store), 0);
    store_world_put(f->store, "a", "2");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store_options options = {.path = f->folder.path, .read_only = true};
        struct store *reader = NULL;
        struct slice found = {NULL, 0};
        int code = store_open(&reader, &options, NULL);
        code = code == 0 ? store_begin(reader) : code;
        code = code == 0 ? store_get(reader, TABLE_STATE, slice_of("a"), &found) : code;
        _exit(code == 0 && slice_is(found, "1") ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(store_commit(f->store), 0);
    /* The reader ended without a word; its slot is found and freed. */
    assert_in_range(store_clear_readers(f->store), 0, 1);
}

static void store_grows_when_its_size_is_raised(void **state) {
    struct store_world *f = *state;
    open_tight(f);
    (void)fill(f->store);
    store_close(f->store);
    f->store = data_folder_store(&f->folder, ROOM);
    store_world_commit(f->store, "more", "room");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORE_TEST(store_keeps_what_was_committed_and_drops_what_was_not),
        STORE_TEST(store_drops_an_open_transaction_when_it_is_closed),
        STORE_TEST(store_del_tells_when_there_was_nothing),
        STORE_TEST(store_tells_whether_a_transaction_has_written),
        STORE_TEST(store_tables_do_not_share_keys),
        STORE_TEST(store_empty_empties_one_table),
        STORE_TEST(store_seek_finds_keys_in_byte_order),
        STORE_TEST(store_seek_sees_writes_made_between_two_steps),
        STORE_TEST(store_seek_back_finds_the_last_key_before),
        STORE_TEST(store_before_goes_on_from_where_the_last_call_stands),
        STORE_TEST(store_says_full_and_keeps_what_it_has),
        STORE_TEST(store_lends_room_for_deletes_and_takes_rows_again),
        STORE_TEST(a_file_of_scattered_pages_grows_to_twice_the_limit_at_most),
        STORE_TEST(store_lends_as_much_in_one_piece_as_is_free_in_scattered_pages),
        STORE_TEST(store_usage_counts_pages_and_forgets_freed_ones),
        STORE_TEST(store_names_a_reader_and_counts_what_it_keeps),
        STORE_TEST(a_killed_reader_never_fills_the_store),
        STORE_TEST(a_killed_reader_is_cleared_by_whoever_opens_the_store_next),
        STORE_TEST(killed_readers_in_every_place_keep_nobody_from_reading),
        STORE_TEST(a_reader_goes_on_when_the_host_starts_with_a_larger_store),
        STORE_TEST(store_is_readable_beside_a_writer),
        STORE_TEST(store_grows_when_its_size_is_raised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
