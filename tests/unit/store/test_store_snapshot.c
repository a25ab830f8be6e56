/*
 * test_store_snapshot.c - a log that forgets its turns after a snapshot still says all that a store
 * has, whatever was changed while the snapshot was made, and whenever a load is cut off.
 */
#include "chance.h"
#include "fake_log.h"
#include "store_world.h"
#include "test.h"
#include "journal/home.h"
#include "store/copy.h"
#include "store/folder.h"
#include "store/snapshot.h"
#include "store/trimmer.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { WHY = 200, TURNS = 150, LARGE = 60000, MUCH_ROOM = 256 << 20 };

static struct fake_log *log_of_test;
static struct chance chance;

static void start(struct store_world *f) {
    store_close(f->store);
    f->store = data_folder_store(&f->folder, MUCH_ROOM);
    assert_int_equal(store_use_log(f->store, fake_log_join(log_of_test), journal_home, NULL), 0);
}

static int set_up(void **state) {
    (void)store_world_set_up(state);
    log_of_test = fake_log_new();
    chance = chance_of_seed(3);
    start(*state);
    return 0;
}

static int tear_down(void **state) {
    int code = store_world_tear_down(state);
    fake_log_free(log_of_test);
    return code;
}

/* The host comes up where there is no data folder. */
static void start_elsewhere(struct store_world *f) {
    store_close(f->store);
    f->store = NULL;
    data_folder_remove(&f->folder);
    data_folder_make(&f->folder);
    start(f);
}

static void write_anything(struct store *s) {
    static char value[LARGE];
    enum store_table t = (enum store_table)chance_next(&chance, TABLE_COUNT);
    char key[24];
    size_t len = 1 + (size_t)chance_next(&chance, 12);
    for (size_t i = 0; i < len; i++) { /* few of them, so that rows are changed and deleted */
        key[i] = (char)(chance_next(&chance, 2) == 0 ? 3 : 70);
    }
    memset(value, (int)chance_next(&chance, 256), sizeof value);
    const struct slice bytes = {value, chance_next(&chance, 9) == 0 ? sizeof value : 9};
    uint64_t kind = chance_next(&chance, 300);
    int code = kind == 0 && t != TABLE_META ? store_empty(s, t)
               : kind < 100                 ? store_del(s, t, (struct slice){key, len})
                                            : store_put(s, t, (struct slice){key, len}, bytes);
    assert_true(code == 0 || code == ERR_NOTFOUND);
}

static void turn(struct store_world *f) {
    assert_int_equal(store_begin(f->store), 0);
    for (uint64_t n = chance_next(&chance, 20); n > 0; n--) {
        write_anything(f->store);
    }
    assert_int_equal(store_commit(f->store), 0);
}

static void turns(struct store_world *f, unsigned count) {
    while (count-- > 0) {
        turn(f);
    }
}

/* Adds the slices, with so many turns before each. */
static struct snapshot *make_slices(struct store_world *f, unsigned turns_between) {
    const struct log_snapshots *door = fake_log_snapshots(log_of_test);
    struct snapshot *p = snapshot_new(f->store, journal_home, TRIMMER_SLICE_BYTES);
    const struct log_turn *slice;
    uint32_t index = 0;
    int code;
    while ((code = snapshot_next(p, &slice)) == 0) {
        assert_int_equal(door->add(door->ctx, index++, slice), 0);
        turns(f, turns_between);
    }
    assert_int_equal(code, ERR_NOTFOUND);
    return p;
}

static void trim(void) {
    const struct log_snapshots *door = fake_log_snapshots(log_of_test);
    bool more = true;
    while (more) {
        assert_int_equal(door->trim(door->ctx, &more), 0);
    }
}

static struct log_snapshot make_snapshot(struct store_world *f, unsigned turns_between) {
    const struct log_snapshots *door = fake_log_snapshots(log_of_test);
    struct snapshot *p = make_slices(f, turns_between);
    struct log_snapshot head = *snapshot_head(p);
    assert_int_equal(door->finish(door->ctx, &head), 0);
    snapshot_done(p);
    snapshot_free(p);
    trim();
    return head;
}

/* The store is what the log says, row for row. */
static void assert_same(struct store_world *f) {
    char folder[96];
    char why[WHY] = "";
    (void)snprintf(folder, sizeof folder, "%s/built", f->folder.path);
    assert_int_equal(store_begin(f->store), 0);
    store_abort(f->store);
    if (!fake_log_is_store(log_of_test, f->store, folder, why, sizeof why)) {
        fail_msg("%s", why);
    }
    assert_false(fake_log_is_broken(log_of_test));
}

/* Where the host comes up without a data folder, it has what it had. */
static void assert_built_elsewhere(struct store_world *f) {
    struct store *before = f->store;
    struct data_folder folder_before = f->folder;
    uint64_t rows[TABLE_COUNT];
    assert_same(f);
    assert_int_equal(store_begin(before), 0);
    for (unsigned t = 0; t < TABLE_COUNT; t++) {
        rows[t] = store_rows(before, (enum store_table)t);
    }
    store_abort(before);
    f->store = NULL;
    data_folder_make(&f->folder);
    start(f);
    assert_same(f);
    assert_int_equal(store_begin(f->store), 0);
    for (unsigned t = 0; t < TABLE_COUNT; t++) {
        assert_int_equal(store_rows(f->store, (enum store_table)t), rows[t]);
    }
    store_abort(f->store);
    store_close(before);
    data_folder_remove(&folder_before);
}

/* --- a snapshot and the turns after it --- */

static void a_store_is_built_from_a_snapshot_and_the_turns_after_it(void **state) {
    struct store_world *f = *state;
    turns(f, TURNS);
    struct log_snapshot snapshot = make_snapshot(f, 0);
    assert_int_equal(snapshot.number, fake_log_last(log_of_test));
    assert_true(snapshot.slices > 3);
    turns(f, 9);
    assert_built_elsewhere(f);
}

static void what_is_changed_while_a_snapshot_is_made_is_not_missing(void **state) {
    struct store_world *f = *state;
    for (unsigned round = 0; round < 6; round++) {
        turns(f, TURNS / 5);
        struct log_snapshot snapshot = make_snapshot(f, 3);
        assert_true(fake_log_last(log_of_test) >= snapshot.number + snapshot.slices);
        assert_built_elsewhere(f);
    }
}

static void a_log_that_has_a_snapshot_alone_is_a_whole_store(void **state) {
    struct store_world *f = *state;
    turns(f, TURNS);
    (void)make_snapshot(f, 0);
    assert_built_elsewhere(f);
    turn(f);
    assert_built_elsewhere(f);
}

static void what_lmdb_has_is_kept_where_only_turns_are_missing(void **state) {
    struct store_world *f = *state;
    struct log_turn first;
    turns(f, TURNS);
    (void)make_snapshot(f, 0);
    fake_log_answers(log_of_test, FAKE_DOUBT_LANDED);
    assert_int_equal(store_begin(f->store), 0);
    store_world_put(f->store, "late", "1");
    assert_int_equal(store_commit(f->store), ERR_DOUBT);
    fake_log_answers(log_of_test, FAKE_GOOD);
    start(f);
    const struct store_log *door =
        fake_log_join(log_of_test); /* and turns that went are not missed */
    uint64_t trimmed = fake_log_last(log_of_test) - 1;
    assert_int_equal(door->read(door->ctx, trimmed, &first), ERR_NOTFOUND);
    start(f);
    assert_same(f);
}

static void a_copy_that_is_older_than_the_snapshot_is_loaded_anew(void **state) {
    struct store_world *f = *state;
    turns(f, 20);
    struct store *old = f->store;
    struct data_folder folder = f->folder;
    f->store = NULL;
    data_folder_make(&f->folder);
    start(f); /* another machine takes over */
    turns(f, TURNS);
    (void)make_snapshot(f, 1);
    store_close(f->store);
    data_folder_remove(&f->folder);
    store_close(old);
    f->store = NULL;
    f->folder = folder;
    start(f); /* and the first one again */
    assert_same(f);
}

static void a_log_that_lacks_turns_after_its_snapshot_is_not_gone_on_with(void **state) {
    struct store_world *f = *state;
    turns(f, TURNS);
    (void)make_snapshot(f, 0);
    turns(f, 2);
    fake_log_lose(log_of_test, 1);
    start(f);
    assert_int_equal(store_begin(f->store), ERR_LOST);
    assert_true(store_is_ahead(f->store));
}

static void what_never_was_finished_is_no_snapshot(void **state) {
    struct store_world *f = *state;
    turns(f, TURNS);
    snapshot_free(make_slices(f, 1));
    start(f);
    assert_built_elsewhere(f);
    trim();
    assert_built_elsewhere(f);
}

/* --- INV-STORE-12: a load that is cut off --- */

struct cut {
    struct store_log door;
    const struct store_log *inner;
    unsigned left;       /* slices until it is gone, */
    unsigned turns_left; /* and turns */
    unsigned slices;     /* read */
};

static int append_to(void *ctx, const struct log_turn *out) {
    const struct cut *cut = ctx;
    return cut->inner->append(cut->inner->ctx, out);
}

static int barrier_of(void *ctx, struct log_state *out) {
    const struct cut *cut = ctx;
    return cut->inner->barrier(cut->inner->ctx, out);
}

static int reach_of(void *ctx, const uint8_t writer[LOG_ID_BYTES], uint64_t *turn) {
    const struct cut *cut = ctx;
    return cut->inner->reach(cut->inner->ctx, writer, turn);
}

static int read_of(void *ctx, uint64_t number, struct log_turn *out) {
    struct cut *cut = ctx;
    return cut->turns_left-- == 0 ? ERR_NETWORK : cut->inner->read(cut->inner->ctx, number, out);
}

static int read_until_gone(void *ctx, uint32_t index, struct log_turn *out) {
    struct cut *cut = ctx;
    cut->slices++;
    return cut->left-- == 0 ? ERR_NETWORK : cut->inner->read_slice(cut->inner->ctx, index, out);
}

/* The host starts, and the log is gone after so many slices, or turns. */
static void start_with(struct store_world *f, struct cut *cut, unsigned slices, unsigned turns_) {
    store_close(f->store);
    f->store = data_folder_store(&f->folder, MUCH_ROOM);
    *cut = (struct cut){{cut, append_to, barrier_of, reach_of, read_of, read_until_gone},
                        fake_log_join(log_of_test),
                        slices,
                        turns_,
                        0};
    assert_int_equal(store_use_log(f->store, &cut->door, journal_home, NULL), 0);
}

static struct log_snapshot make_large_log(struct store_world *f) {
    while (store_log_state(f->store)->bytes < (9 << 20)) { /* more than a transaction takes */
        turn(f);
    }
    struct log_snapshot snapshot = make_snapshot(f, 1);
    turns(f, 3);
    return snapshot;
}

static void a_load_that_is_cut_off_begins_anew(void **state) {
    struct store_world *f = *state;
    struct log_snapshot snapshot = make_large_log(f);
    for (unsigned n = 0; n < snapshot.slices; n += 7) {
        struct cut cut;
        if (n == 0) {
            start_elsewhere(f);
        }
        start_with(f, &cut, n, UINT_MAX);
        assert_int_equal(store_begin(f->store), ERR_NETWORK);
        store_close(f->store);
        f->store = NULL;
    }
    start(f);
    assert_same(f);
}

static void a_load_goes_on_where_it_was_when_the_log_answers_again(void **state) {
    struct store_world *f = *state;
    struct cut cut;
    struct log_snapshot snapshot = make_large_log(f);
    start_elsewhere(f);
    start_with(f, &cut, snapshot.slices - 1, UINT_MAX);
    assert_int_equal(store_begin(f->store), ERR_NETWORK);
    cut.slices = 0;
    cut.left = UINT_MAX;
    cut.turns_left = 1;
    assert_int_equal(store_begin(f->store), ERR_NETWORK);
    assert_true(cut.slices > 0 && cut.slices < snapshot.slices);
    cut.slices = 0;
    cut.turns_left = UINT_MAX;
    assert_same(f);
    assert_int_equal(cut.slices, 0);
}

/* Its rows are in the file, and are not all: what reads it whole must not take them for a store. */
static void assert_refused(struct store_world *f) {
    const struct store_options to_read = {.path = f->folder.path, .read_only = true};
    char folder[96];
    struct store *read = NULL;
    struct report r;
    store_close(f->store);
    f->store = NULL;
    assert_int_equal(store_open(&read, &to_read, &r), ERR_BUSY);
    assert_non_null(strstr(r.text, "is being loaded from its log"));
    f->store = data_folder_store(&f->folder, MUCH_ROOM);
    (void)snprintf(folder, sizeof folder, "%s/copied", f->folder.path);
    assert_int_equal(store_copy(f->store, folder, &r), 0);
    assert_int_equal(store_copy_leaves_log(f->store, folder, &r), ERR_BUSY);
    store_folder_remove(folder);
}

static void a_store_that_is_half_loaded_is_not_read_and_not_copied(void **state) {
    struct store_world *f = *state;
    struct cut cut;
    struct log_snapshot snapshot = make_large_log(f);
    start_elsewhere(f);
    start_with(f, &cut, snapshot.slices - 1, UINT_MAX);
    assert_int_equal(store_begin(f->store), ERR_NETWORK);
    assert_refused(f);
    start_with(f, &cut, UINT_MAX, 1); /* all slices, and not all turns */
    assert_int_equal(store_begin(f->store), ERR_NETWORK);
    assert_refused(f);
    start(f);
    assert_same(f);
}

/* --- when --- */

static struct trimmer *new_trimmer(struct store_world *f) {
    const struct trimmer_options options = {.store = f->store,
                                            .home_of = journal_home,
                                            .door = fake_log_snapshots(log_of_test),
                                            .slice_bytes = TRIMMER_SLICE_BYTES,
                                            .log_bytes_min = TRIMMER_LOG_BYTES_MIN};
    return trimmer_new(&options);
}

/* What the host does between two turns: its code. */
static int trim_once(struct trimmer *t) {
    int code = trimmer_prepare(t);
    if (code == 0) {
        trimmer_send(t);
        code = trimmer_sent(t);
    }
    return code;
}

static void a_log_is_trimmed_when_it_has_outgrown_its_snapshot(void **state) {
    struct store_world *f = *state;
    struct trimmer *t = new_trimmer(f);
    unsigned snapshots = 0;
    uint64_t most = 0;
    for (unsigned n = 0; n < 1500; n++) {
        uint64_t number = store_log_state(f->store)->snapshot.number;
        turn(f);
        most = store_log_state(f->store)->bytes > most ? store_log_state(f->store)->bytes : most;
        int code = trim_once(t);
        assert_true(code == 0 || code == ERR_NOTFOUND);
        snapshots += store_log_state(f->store)->snapshot.number > number;
    }
    assert_in_range(snapshots, 3, 20);
    assert_true(most < 4 * TRIMMER_LOG_BYTES_MIN);
    trimmer_free(t);
    uint64_t counted = store_log_state(f->store)->bytes;
    start(f);
    assert_built_elsewhere(f);
    assert_int_equal(store_log_state(f->store)->bytes, counted);
}

static void what_the_log_did_not_take_is_sent_once_more(void **state) {
    struct store_world *f = *state;
    struct trimmer *t = new_trimmer(f);
    while (store_log_state(f->store)->bytes <= TRIMMER_LOG_BYTES_MIN) {
        turn(f);
    }
    for (bool good = false; store_log_state(f->store)->snapshot.slices == 0; good = !good) {
        fake_log_answers(log_of_test, good ? FAKE_GOOD : FAKE_AWAY);
        assert_int_equal(trim_once(t), good ? 0 : ERR_NETWORK);
    }
    trimmer_free(t);
    fake_log_answers(log_of_test, FAKE_GOOD);
    assert_built_elsewhere(f);
}

static void who_is_fenced_writes_no_snapshot(void **state) {
    struct store_world *f = *state;
    struct trimmer *t = new_trimmer(f);
    turn(f);
    fake_log_take_over(log_of_test);
    assert_int_equal(trim_once(t), ERR_FENCED);
    assert_int_equal(trim_once(t), ERR_FENCED);
    trimmer_free(t);
}

/* --- clears --- */

static void a_turn_that_clears_a_table_clears_it_of_every_home(void **state) {
    struct store_world *f = *state;
    static const char *const keys[] = {"\x01 a", "\x01 b", "\x3f c", "host"};
    assert_int_equal(store_begin(f->store), 0);
    for (size_t i = 0; i < 4; i++) {
        store_world_put(f->store, keys[i], "before");
    }
    assert_int_equal(store_commit(f->store), 0);
    assert_int_equal(store_begin(f->store), 0);
    store_world_put(f->store, "\x02 put, then cleared", "1");
    assert_int_equal(store_empty(f->store, TABLE_STATE), 0);
    store_world_put(f->store, keys[2], "after");
    assert_int_equal(store_commit(f->store), 0);
    start_elsewhere(f);
    assert_same(f);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_rows(f->store, TABLE_STATE), 1);
    assert_store_value(f->store, keys[2], "after");
}

#define SNAPSHOT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(a_store_is_built_from_a_snapshot_and_the_turns_after_it),
        SNAPSHOT_TEST(what_is_changed_while_a_snapshot_is_made_is_not_missing),
        SNAPSHOT_TEST(a_log_that_has_a_snapshot_alone_is_a_whole_store),
        SNAPSHOT_TEST(what_lmdb_has_is_kept_where_only_turns_are_missing),
        SNAPSHOT_TEST(a_copy_that_is_older_than_the_snapshot_is_loaded_anew),
        SNAPSHOT_TEST(a_log_that_lacks_turns_after_its_snapshot_is_not_gone_on_with),
        SNAPSHOT_TEST(what_never_was_finished_is_no_snapshot),
        SNAPSHOT_TEST(a_load_that_is_cut_off_begins_anew),
        SNAPSHOT_TEST(a_load_goes_on_where_it_was_when_the_log_answers_again),
        SNAPSHOT_TEST(a_store_that_is_half_loaded_is_not_read_and_not_copied),
        SNAPSHOT_TEST(a_log_is_trimmed_when_it_has_outgrown_its_snapshot),
        SNAPSHOT_TEST(what_the_log_did_not_take_is_sent_once_more),
        SNAPSHOT_TEST(who_is_fenced_writes_no_snapshot),
        SNAPSHOT_TEST(a_turn_that_clears_a_table_clears_it_of_every_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
