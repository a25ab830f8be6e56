/*
 * test_store_log.c - a store with a log: every commit is in the log before it is in LMDB, and what
 * LMDB has is what the log has, whatever the log answers and whenever the process ends.
 */
#include "aborts.h"
#include "chance.h"
#include "fake_log.h"
#include "store_world.h"
#include "test.h"
#include "journal/home.h"

#include <stdio.h>
#include <string.h>

enum { WHY = 200, WRITES = 3000, TIGHT = 1 << 20 };

static struct fake_log *log_of_test;

static void start(struct store_world *f, uint64_t max_bytes) {
    store_close(f->store);
    f->store = data_folder_store(&f->folder, max_bytes);
    assert_int_equal(store_use_log(f->store, fake_log_join(log_of_test), journal_home, NULL), 0);
}

static int set_up(void **state) {
    (void)store_world_set_up(state);
    log_of_test = fake_log_new();
    start(*state, ROOM);
    return 0;
}

static int tear_down(void **state) {
    int code = store_world_tear_down(state);
    fake_log_free(log_of_test);
    return code;
}

static int commit(struct store_world *f, const char *key, const char *value) {
    assert_int_equal(store_begin(f->store), 0);
    store_world_put(f->store, key, value);
    int code = store_commit(f->store);
    assert_false(store_active(f->store));
    return code;
}

static void assert_kept(struct store_world *f, const char *key, const char *value) {
    assert_int_equal(store_begin(f->store), 0);
    if (value == NULL) {
        assert_store_absent(f->store, key);
    } else {
        assert_store_value(f->store, key, value);
    }
    store_abort(f->store);
}

/* The store is what the log says, row for row. */
static void assert_same(struct store_world *f) {
    char folder[96];
    char why[WHY] = "";
    (void)snprintf(folder, sizeof folder, "%s/built", f->folder.path);
    if (!fake_log_is_store(log_of_test, f->store, folder, why, sizeof why)) {
        fail_msg("%s", why);
    }
    assert_false(fake_log_is_broken(log_of_test));
}

/* --- what goes there --- */

static void a_commit_is_a_turn_of_the_log(void **state) {
    struct store_world *f = *state;
    assert_int_equal(commit(f, "a", "1"), 0);
    assert_int_equal(commit(f, "a", "2"), 0);
    assert_int_equal(fake_log_last(log_of_test), 2);
    assert_same(f);
}

static void what_changes_nothing_is_no_turn(void **state) {
    struct store_world *f = *state;
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_del(f->store, TABLE_STATE, slice_of("a")), ERR_NOTFOUND);
    assert_int_equal(store_commit(f->store), 0);
    assert_int_equal(store_begin(f->store), 0);
    store_world_put(f->store, "a", "1");
    store_abort(f->store);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_commit(f->store), 0);
    assert_int_equal(fake_log_last(log_of_test), 0);
}

static void a_turn_has_a_body_for_each_home_that_it_changes(void **state) {
    struct store_world *f = *state;
    assert_int_equal(store_begin(f->store), 0);
    store_world_put(f->store, "\x07 in partition 7", "1");
    store_world_put(f->store, "\x07 too", "2");
    store_world_put(f->store, "\x3f in partition 63", "3");
    assert_int_equal(store_put(f->store, TABLE_META, slice_of("seq"), slice_of("4")), 0);
    assert_int_equal(store_commit(f->store), 0);
    struct log_turn turn;
    const struct store_log *log = fake_log_join(log_of_test);
    assert_int_equal(log->read(log->ctx, 1, &turn), 0);
    assert_int_equal(turn.count, 3);
    assert_int_equal(turn.parts[0].home, 7);
    assert_int_equal(turn.parts[1].home, 63);
    assert_int_equal(turn.parts[2].home, HOME_HOST);
}

static void write_anything(struct store *s, struct chance *c) {
    enum store_table t = (enum store_table)chance_next(c, TABLE_COUNT);
    char key[24];
    char value[3000];
    size_t len = 1 + (size_t)chance_next(c, 20);
    for (size_t i = 0; i < len; i++) { /* few of them, so that rows are changed and deleted */
        key[i] = (char)(chance_next(c, 2) == 0 ? 3 : 70);
    }
    memset(value, (int)chance_next(c, 256), sizeof value);
    const struct slice bytes = {value, (size_t)chance_next(c, 40) == 0 ? sizeof value : 9};
    uint64_t kind = chance_next(c, 300);
    int code = kind == 0    ? store_empty(s, t)
               : kind < 100 ? store_del(s, t, (struct slice){key, len})
                            : store_put(s, t, (struct slice){key, len}, bytes);
    assert_true(code == 0 || code == ERR_NOTFOUND);
}

static void a_store_is_built_again_from_its_log_alone(void **state) {
    struct store_world *f = *state;
    struct chance c = chance_of_seed(17);
    for (unsigned done = 0; done < WRITES;) {
        assert_int_equal(store_begin(f->store), 0);
        for (uint64_t n = chance_next(&c, 50); n > 0; n--, done++) {
            write_anything(f->store, &c);
        }
        if (chance_next(&c, 10) == 0) {
            store_abort(f->store);
        } else {
            assert_int_equal(store_commit(f->store), 0);
        }
    }
    assert_same(f);
}

/* --- answers --- */

static void a_log_that_is_away_takes_nothing_and_stops_the_store(void **state) {
    struct store_world *f = *state;
    assert_int_equal(commit(f, "a", "1"), 0);
    fake_log_answers(log_of_test, FAKE_AWAY);
    assert_int_equal(commit(f, "a", "2"), ERR_NETWORK);
    assert_int_equal(store_begin(f->store), ERR_NETWORK);
    fake_log_answers(log_of_test, FAKE_GOOD);
    assert_kept(f, "a", "1");
    assert_int_equal(commit(f, "a", "3"), 0);
    assert_same(f);
}

static void a_turn_in_doubt_is_stored_if_the_log_has_it(void **state) {
    struct store_world *f = *state;
    fake_log_answers(log_of_test, FAKE_DOUBT_LANDED);
    assert_int_equal(commit(f, "a", "1"), ERR_DOUBT);
    fake_log_answers(log_of_test, FAKE_GOOD);
    assert_kept(f, "a", "1");
    assert_same(f);
}

static void a_turn_in_doubt_is_not_stored_if_the_log_lacks_it(void **state) {
    struct store_world *f = *state;
    fake_log_answers(log_of_test, FAKE_DOUBT_LOST);
    assert_int_equal(commit(f, "a", "1"), ERR_DOUBT);
    fake_log_answers(log_of_test, FAKE_GOOD);
    assert_kept(f, "a", NULL);
    assert_same(f);
}

static void a_turn_in_doubt_that_is_still_on_its_way_never_arrives(void **state) {
    struct store_world *f = *state;
    fake_log_answers(log_of_test, FAKE_DOUBT_LATE);
    assert_int_equal(commit(f, "a", "1"), ERR_DOUBT);
    fake_log_answers(log_of_test, FAKE_GOOD);
    assert_kept(f, "a", NULL);
    assert_int_equal(commit(f, "b", "2"), 0);
    assert_int_equal(fake_log_last(log_of_test), 1);
    assert_same(f);
}

static void who_is_fenced_stores_nothing_more(void **state) {
    struct store_world *f = *state;
    assert_int_equal(commit(f, "a", "1"), 0);
    assert_int_equal(store_begin(f->store), 0);
    fake_log_take_over(log_of_test);
    store_world_put(f->store, "a", "2");
    assert_int_equal(store_commit(f->store), ERR_FENCED);
    assert_int_equal(store_begin(f->store), ERR_FENCED);
    assert_int_equal(fake_log_last(log_of_test), 1);
    start(f, ROOM);
    assert_kept(f, "a", "1");
    assert_same(f);
}

/* --- after a crash --- */

static void what_only_the_log_has_is_there_after_a_crash(void **state) {
    struct store_world *f = *state;
    assert_int_equal(commit(f, "a", "1"), 0);
    fake_log_answers(log_of_test, FAKE_DOUBT_LANDED);
    assert_int_equal(commit(f, "a", "2"), ERR_DOUBT); /* killed before LMDB's commit */
    fake_log_answers(log_of_test, FAKE_GOOD);
    start(f, ROOM);
    assert_kept(f, "a", "2");
    assert_same(f);
}

static void an_empty_store_gets_all_that_the_log_has(void **state) {
    struct store_world *f = *state;
    struct store *store = f->store;
    assert_int_equal(commit(f, "a", "1"), 0);
    assert_int_equal(commit(f, "b", "2"), 0);
    struct data_folder before = f->folder;
    data_folder_make(&f->folder);
    f->store = NULL;
    start(f, ROOM);
    assert_kept(f, "a", "1");
    assert_kept(f, "b", "2");
    assert_int_equal(commit(f, "c", "3"), 0);
    assert_same(f);
    store_close(store);
    data_folder_remove(&before);
}

static void what_the_log_has_is_not_turned_away_by_a_full_store(void **state) {
    struct store_world *f = *state;
    static char large[TIGHT];
    memset(large, 'x', sizeof large - 1);
    assert_int_equal(commit(f, "a", large), 0);
    fake_log_answers(log_of_test, FAKE_DOUBT_LANDED);
    assert_int_equal(commit(f, "b", "2"), ERR_DOUBT);
    fake_log_answers(log_of_test, FAKE_GOOD);
    start(f, TIGHT);
    assert_kept(f, "b", "2");
}

static void many_large_turns_are_not_either(void **state) {
    struct store_world *f = *state;
    static char large[TIGHT];
    static const char *const keys[] = {"a", "b", "c", "d"};
    memset(large, 'x', sizeof large - 1);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        assert_int_equal(commit(f, keys[i], large), 0);
    }
    struct store *store = f->store;
    struct data_folder before = f->folder;
    data_folder_make(&f->folder);
    f->store = NULL;
    start(f, TIGHT);
    assert_kept(f, "d", large);
    store_close(store);
    data_folder_remove(&before);
}

static void a_log_that_has_lost_turns_is_not_gone_on_with(void **state) {
    struct store_world *f = *state;
    assert_int_equal(commit(f, "a", "1"), 0);
    assert_int_equal(commit(f, "a", "2"), 0);
    fake_log_lose(log_of_test, 1);
    start(f, ROOM);
    assert_int_equal(store_begin(f->store), ERR_LOST);
    assert_int_equal(store_begin(f->store), ERR_LOST);
}

/* --- INV-STORE-14: turns of the same numbers are not the same turns --- */

/* Another host takes the log over, in a folder of its own, and writes so many turns. */
static void another_host_writes(unsigned turns) {
    struct data_folder folder;
    data_folder_make(&folder);
    struct store_world other = {.folder = folder};
    start(&other, ROOM);
    while (turns-- > 0) {
        assert_int_equal(commit(&other, "a", "of the other host"), 0);
    }
    store_close(other.store);
    data_folder_remove(&folder);
}

static void commit_three_and_lose_two(struct store_world *f) {
    assert_int_equal(commit(f, "a", "1"), 0);
    assert_int_equal(commit(f, "a", "2"), 0);
    assert_int_equal(commit(f, "a", "3"), 0);
    fake_log_lose(log_of_test, 2);
}

static void assert_lost(int code, const struct store *s) {
    assert_int_equal(code, ERR_LOST);
    assert_true(store_is_ahead(s));
}

static void lost_turns_are_noticed_by_their_folder_when_another_host_has_gone_on(void **state) {
    struct store_world *f = *state;
    for (unsigned turns = 1; turns < 4; turns++) { /* fewer than there were, as many, more */
        commit_three_and_lose_two(f);
        another_host_writes(turns);
        start(f, ROOM);
        assert_lost(store_begin(f->store), f->store);
        assert_lost(store_begin(f->store), f->store);
        (void)tear_down(state);
        (void)set_up(state);
    }
}

static void lost_turns_are_noticed_by_the_process_that_had_them(void **state) {
    struct store_world *f = *state;
    commit_three_and_lose_two(f);
    another_host_writes(5);
    assert_lost(store_fenced(f->store), f->store); /* it asked while it had nothing to do */
    assert_lost(commit(f, "a", "4"), f->store);
    assert_lost(store_begin(f->store), f->store);
}

static void who_is_fenced_and_has_lost_nothing_hears_of_no_loss(void **state) {
    struct store_world *f = *state;
    assert_int_equal(commit(f, "a", "1"), 0);
    another_host_writes(3);
    assert_int_equal(store_fenced(f->store), ERR_FENCED);
    assert_int_equal(commit(f, "a", "2"), ERR_FENCED);
    start(f, ROOM);
    assert_kept(f, "a", "of the other host");
    assert_same(f);
}

static void whether_turns_were_lost_is_asked_again_when_the_log_is_away(void **state) {
    struct store_world *f = *state;
    commit_three_and_lose_two(f);
    another_host_writes(5);
    fake_log_answers(log_of_test, FAKE_AWAY);
    assert_int_equal(store_fenced(f->store), ERR_NETWORK);
    assert_int_equal(commit(f, "a", "4"), ERR_NETWORK);
    start(f, ROOM);
    assert_int_equal(store_begin(f->store), ERR_NETWORK);
    fake_log_answers(log_of_test, FAKE_GOOD);
    assert_lost(store_begin(f->store), f->store);
}

static void a_folder_that_read_what_others_wrote_has_their_turns(void **state) {
    struct store_world *f = *state;
    assert_int_equal(commit(f, "a", "1"), 0);
    another_host_writes(2);
    start(f, ROOM);
    assert_kept(f, "a", "of the other host");
    fake_log_lose(log_of_test, 1); /* of the other host's */
    another_host_writes(5);
    start(f, ROOM);
    assert_lost(store_begin(f->store), f->store);
}

/* As versions wrote it that knew no writers. */
static void a_position_without_a_writer_is_known_by_its_number(void **state) {
    struct store_world *f = *state;
    struct slice row;
    char bytes[64];
    assert_int_equal(commit(f, "a", "1"), 0);
    store_close(f->store);
    f->store = data_folder_store(&f->folder, ROOM);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_get(f->store, TABLE_META, slice_of("log"), &row), 0);
    memcpy(bytes, row.data, row.len);
    const struct slice older = {bytes, row.len - LOG_ID_BYTES};
    assert_int_equal(store_put(f->store, TABLE_META, slice_of("log"), older), 0);
    assert_int_equal(store_commit(f->store), 0);
    another_host_writes(2);
    start(f, ROOM);
    assert_kept(f, "a", "of the other host");
}

/* --- who had the log before --- */

static bool is_taken(struct store_world *f) {
    assert_int_equal(store_begin(f->store), 0);
    store_abort(f->store);
    return store_is_taken(f->store);
}

static void a_log_that_was_ones_own_is_not_taken_from_anybody(void **state) {
    struct store_world *f = *state;
    assert_false(is_taken(f)); /* a new one */
    assert_int_equal(commit(f, "a", "1"), 0);
    start(f, ROOM);
    assert_false(is_taken(f));
    assert_int_equal(commit(f, "a", "1"), 0);
    fake_log_answers(log_of_test, FAKE_DOUBT_LANDED);
    assert_int_equal(commit(f, "a", "2"), ERR_DOUBT); /* killed before LMDB's commit */
    fake_log_answers(log_of_test, FAKE_GOOD);
    start(f, ROOM);
    assert_false(is_taken(f));
}

static void a_log_that_another_host_had_is_taken_from_it(void **state) {
    struct store_world *f = *state;
    struct data_folder old;
    assert_int_equal(commit(f, "a", "1"), 0);
    another_host_writes(1);
    start(f, ROOM);
    assert_true(is_taken(f));
    assert_int_equal(commit(f, "a", "2"), 0);
    start(f, ROOM);
    assert_false(is_taken(f));
    store_close(f->store);
    old = f->folder;
    data_folder_make(&f->folder); /* the folder is new, as on another machine */
    f->store = NULL;
    start(f, ROOM);
    assert_true(is_taken(f));
    data_folder_remove(&old);
}

/* --- INV-STORE-10, INV-STORE-11, INV-STORE-13 --- */

static void a_store_that_never_was_in_a_log_is_refused_one(void **state) {
    struct store_world *f = *state;
    struct report r = {""};
    store_close(f->store);
    data_folder_remove(&f->folder);
    data_folder_make(&f->folder);
    f->store = data_folder_store(&f->folder, ROOM);
    assert_int_equal(commit(f, "a", "1"), 0);
    assert_int_equal(store_use_log(f->store, fake_log_join(log_of_test), journal_home, &r),
                     ERR_INVALID);
    assert_non_null(strstr(r.text, "zingq migrate --to URL"));
    assert_kept(f, "a", "1");
}

static void the_copy_of_a_log_is_not_written_without_it(void **state) {
    struct store_world *f = *state;
    struct report r = {""};
    const struct store_options options = {.path = f->folder.path, .max_bytes = ROOM};
    assert_int_equal(commit(f, "a", "1"), 0);
    store_close(f->store);
    f->store = NULL;
    assert_int_equal(store_open(&f->store, &options, &r), ERR_INVALID);
    assert_non_null(strstr(r.text, "zingq migrate --to FOLDER"));
    start(f, ROOM);
    assert_kept(f, "a", "1");
}

static void the_copy_of_another_log_is_not_gone_on_with(void **state) {
    struct store_world *f = *state;
    assert_int_equal(commit(f, "a", "1"), 0);
    struct fake_log *before = log_of_test;
    log_of_test = fake_log_new();
    start(f, ROOM);
    assert_int_equal(store_begin(f->store), ERR_LOST);
    store_close(f->store); /* it has the door of the log that goes */
    f->store = NULL;
    fake_log_free(before);
}

static void what_is_for_another_home_is_not_applied(void **state) {
    struct store_world *f = *state;
    struct log_turn turn;
    assert_int_equal(commit(f, "\x07", "1"), 0);
    const struct store_log *log = fake_log_join(log_of_test);
    assert_int_equal(log->read(log->ctx, 1, &turn), 0);
    store_close(f->store);
    f->store = data_folder_store(&f->folder, ROOM);
    assert_int_equal(store_begin(f->store), 0);
    turn.parts[0].home = 8;
    assert_int_equal(store_apply(f->store, &turn.parts[0], journal_home), ERR_CORRUPT);
    turn.parts[0].home = 7;
    assert_int_equal(store_apply(f->store, &turn.parts[0], journal_home), 0);
}

static void a_body_that_is_cut_is_damage(void **state) {
    struct store_world *f = *state;
    struct log_turn turn;
    assert_int_equal(commit(f, "\x07", "1"), 0);
    const struct store_log *log = fake_log_join(log_of_test);
    assert_int_equal(log->read(log->ctx, 1, &turn), 0);
    store_close(f->store);
    f->store = data_folder_store(&f->folder, ROOM);
    assert_int_equal(store_begin(f->store), 0);
    struct log_part part = turn.parts[0];
    while (--part.body.len > 1) {
        assert_int_equal(store_apply(f->store, &part, journal_home), ERR_CORRUPT);
    }
    static const char long_key[5 + 600] = "\1\2\7\x58\x02"; /* 600 bytes */
    static const struct slice strange[] = {
        {"", 0},         {"\2\1\7", 3}, {"\1\4\7", 3},     {"\1\3\x7f", 3},
        {"\1\3\xff", 3}, {"\1\0\7", 3}, {"\1\2\7\0\0", 5}, {long_key, sizeof long_key}};
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++) {
        part.body = strange[i];
        assert_int_equal(store_apply(f->store, &part, journal_home), ERR_CORRUPT);
    }
}

static uint8_t nowhere(enum store_table t, struct slice key) {
    (void)t;
    (void)key;
    return HOMES;
}

static void write_nowhere(void *ctx) {
    const struct write write = {
        .kind = WRITE_PUT, .table = TABLE_STATE, .key = slice_of("a"), .value = slice_of("1")};
    (void)writeset_add(ctx, nowhere, &write);
}

static void every_row_has_a_home(void **state) {
    struct writeset *writes = writeset_new();
    (void)state;
    assert_aborts(write_nowhere, writes, "home < HOMES");
    writeset_free(writes);
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        LOG_TEST(a_commit_is_a_turn_of_the_log),
        LOG_TEST(what_changes_nothing_is_no_turn),
        LOG_TEST(a_turn_has_a_body_for_each_home_that_it_changes),
        LOG_TEST(a_store_is_built_again_from_its_log_alone),
        LOG_TEST(a_log_that_is_away_takes_nothing_and_stops_the_store),
        LOG_TEST(a_turn_in_doubt_is_stored_if_the_log_has_it),
        LOG_TEST(a_turn_in_doubt_is_not_stored_if_the_log_lacks_it),
        LOG_TEST(a_turn_in_doubt_that_is_still_on_its_way_never_arrives),
        LOG_TEST(who_is_fenced_stores_nothing_more),
        LOG_TEST(what_only_the_log_has_is_there_after_a_crash),
        LOG_TEST(an_empty_store_gets_all_that_the_log_has),
        LOG_TEST(what_the_log_has_is_not_turned_away_by_a_full_store),
        LOG_TEST(many_large_turns_are_not_either),
        LOG_TEST(a_log_that_has_lost_turns_is_not_gone_on_with),
        LOG_TEST(lost_turns_are_noticed_by_their_folder_when_another_host_has_gone_on),
        LOG_TEST(lost_turns_are_noticed_by_the_process_that_had_them),
        LOG_TEST(who_is_fenced_and_has_lost_nothing_hears_of_no_loss),
        LOG_TEST(whether_turns_were_lost_is_asked_again_when_the_log_is_away),
        LOG_TEST(a_folder_that_read_what_others_wrote_has_their_turns),
        LOG_TEST(a_position_without_a_writer_is_known_by_its_number),
        LOG_TEST(a_log_that_was_ones_own_is_not_taken_from_anybody),
        LOG_TEST(a_log_that_another_host_had_is_taken_from_it),
        LOG_TEST(a_store_that_never_was_in_a_log_is_refused_one),
        LOG_TEST(the_copy_of_a_log_is_not_written_without_it),
        LOG_TEST(the_copy_of_another_log_is_not_gone_on_with),
        LOG_TEST(what_is_for_another_home_is_not_applied),
        LOG_TEST(a_body_that_is_cut_is_damage),
        LOG_TEST(every_row_has_a_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
