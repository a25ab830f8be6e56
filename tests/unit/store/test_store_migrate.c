/*
 * test_store_migrate.c - a store is brought into a log and back: whole, or not at all.
 */
#include "fake_log.h"
#include "store_world.h"
#include "test.h"
#include "journal/home.h"
#include "store/migrate.h"

#include <stdio.h>
#include <string.h>

enum { ROWS = 900, VALUE = 5000, MUCH_ROOM = 64 << 20, WHY = 200 };

static struct fake_log *log_of_test;

static void reopen(struct store_world *f) {
    store_close(f->store);
    f->store = data_folder_store(&f->folder, MUCH_ROOM);
}

static int set_up(void **state) {
    static char value[VALUE];
    (void)store_world_set_up(state);
    struct store_world *f = *state;
    char key[16];
    log_of_test = fake_log_new();
    memset(value, 'v', sizeof value);
    reopen(f);
    assert_int_equal(store_begin(f->store), 0);
    for (unsigned i = 0; i < ROWS; i++) {
        (void)snprintf(key, sizeof key, "%c%u", (char)(1 + i % 80), i);
        const struct slice row = {value, i % 3 == 0 ? sizeof value : 9};
        assert_int_equal(store_put(f->store, TABLE_STATE, slice_of(key), row), 0);
    }
    assert_int_equal(store_put(f->store, TABLE_META, slice_of("host"), slice_of("h")), 0);
    assert_int_equal(store_commit(f->store), 0);
    return 0;
}

static int tear_down(void **state) {
    int code = store_world_tear_down(state);
    fake_log_free(log_of_test);
    return code;
}

static int migrate(struct store_world *f, struct report *r) {
    const struct log_doors doors = {fake_log_join(log_of_test), fake_log_snapshots(log_of_test)};
    struct log_snapshot brought;
    *r = (struct report){""};
    int code = store_migrate(f->store, &doors, journal_home, &brought, r);
    assert_true(code != 0 || brought.slices > 1);
    return code;
}

static int use(struct store_world *f) {
    return store_use_log(f->store, fake_log_join(log_of_test), journal_home, NULL);
}

static void put(struct store_world *f, const char *key) {
    assert_int_equal(store_begin(f->store), 0);
    store_world_put(f->store, key, "1");
    assert_int_equal(store_commit(f->store), 0);
}

static void assert_rows(struct store_world *f, uint64_t rows) {
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_rows(f->store, TABLE_STATE), rows);
    assert_store_absent(f->store, "none");
    store_abort(f->store);
}

static void assert_same(struct store_world *f) {
    char folder[96];
    char why[WHY] = "";
    (void)snprintf(folder, sizeof folder, "%s/built", f->folder.path);
    if (!fake_log_is_store(log_of_test, f->store, folder, why, sizeof why)) {
        fail_msg("%s", why);
    }
    assert_false(fake_log_is_broken(log_of_test));
}

static void a_store_that_is_brought_into_a_log_goes_on_there(void **state) {
    struct store_world *f = *state;
    struct report r;
    assert_int_equal(migrate(f, &r), 0);
    reopen(f);
    assert_int_equal(use(f), 0);
    put(f, "new");
    assert_int_equal(fake_log_last(log_of_test), 1);
    assert_same(f);
    assert_rows(f, ROWS + 1);
}

static void the_log_alone_has_all_of_it(void **state) {
    struct store_world *f = *state;
    struct report r;
    assert_int_equal(migrate(f, &r), 0);
    store_close(f->store);
    f->store = NULL;
    data_folder_remove(&f->folder);
    data_folder_make(&f->folder);
    reopen(f);
    assert_int_equal(use(f), 0);
    assert_rows(f, ROWS);
    assert_same(f);
}

static void what_leaves_its_log_is_a_store_of_its_own(void **state) {
    struct store_world *f = *state;
    struct report r;
    assert_int_equal(migrate(f, &r), 0);
    reopen(f);
    assert_int_equal(use(f), 0);
    put(f, "new");
    assert_int_equal(store_leave_log(f->store), 0);
    put(f, "newer");
    store_close(f->store);
    const struct store_options options = {.path = f->folder.path, .max_bytes = MUCH_ROOM};
    assert_int_equal(store_open(&f->store, &options, &r), 0);
    assert_rows(f, ROWS + 2);
    assert_int_equal(fake_log_last(log_of_test), 1);
}

static void a_log_that_has_something_gets_no_other_store(void **state) {
    struct store_world *f = *state;
    struct store_world other = {.store = NULL};
    struct report r;
    data_folder_make(&other.folder);
    reopen(&other);
    assert_int_equal(use(&other), 0);
    put(&other, "theirs");
    assert_int_equal(migrate(f, &r), ERR_EXISTS);
    assert_non_null(strstr(r.text, "the log has a store already"));
    store_close(other.store);
    data_folder_remove(&other.folder);
    reopen(f);
    assert_rows(f, ROWS);
}

static void a_copy_or_nothing_is_not_brought_into_a_log(void **state) {
    struct store_world *f = *state;
    struct report r;
    assert_int_equal(migrate(f, &r), 0);
    assert_int_equal(migrate(f, &r), ERR_INVALID);
    store_close(f->store);
    f->store = NULL;
    data_folder_remove(&f->folder);
    data_folder_make(&f->folder);
    reopen(f);
    assert_int_equal(migrate(f, &r), ERR_NOTFOUND);
}

/* Gone after so many calls. */
struct cut {
    const struct log_snapshots *inner;
    unsigned left;
};

static int add_until_gone(void *ctx, uint32_t index, const struct log_turn *slice) {
    struct cut *cut = ctx;
    return cut->left-- == 0 ? ERR_NETWORK : cut->inner->add(cut->inner->ctx, index, slice);
}

static int never_finish(void *ctx, const struct log_snapshot *snapshot) {
    (void)ctx;
    (void)snapshot;
    return ERR_NETWORK;
}

static void what_is_cut_off_can_be_begun_again(void **state) {
    struct store_world *f = *state;
    struct log_snapshot brought;
    struct report r;
    for (unsigned n = 0; n < 3; n++) {
        struct cut cut = {.left = n};
        const struct log_snapshots gone = {&cut, add_until_gone, never_finish, NULL};
        const struct log_doors doors = {fake_log_join(log_of_test), &gone};
        cut.inner = fake_log_snapshots(log_of_test);
        assert_int_equal(store_migrate(f->store, &doors, journal_home, &brought, &r), ERR_NETWORK);
        reopen(f);
        assert_rows(f, ROWS);
    }
    assert_int_equal(migrate(f, &r), 0);
    reopen(f);
    assert_int_equal(use(f), 0);
    assert_rows(f, ROWS);
    assert_same(f);
}

#define MIGRATE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        MIGRATE_TEST(a_store_that_is_brought_into_a_log_goes_on_there),
        MIGRATE_TEST(the_log_alone_has_all_of_it),
        MIGRATE_TEST(what_leaves_its_log_is_a_store_of_its_own),
        MIGRATE_TEST(a_log_that_has_something_gets_no_other_store),
        MIGRATE_TEST(a_copy_or_nothing_is_not_brought_into_a_log),
        MIGRATE_TEST(what_is_cut_off_can_be_begun_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
