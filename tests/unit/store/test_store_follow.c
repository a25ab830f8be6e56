/*
 * test_store_follow.c - a store that follows the log of another process: it has what the log has, takes
 * it from nobody, and is gone on with when its turn comes.
 */
#include "fake_log.h"
#include "store_world.h"
#include "test.h"
#include "journal/home.h"
#include "store/folder.h"
#include "store/snapshot.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct fake_log *log_of_test;
static struct data_folder copy_folder;
static struct store *copy;

static void follow(void) {
    const struct store_options options = {.path = copy_folder.path,
                                          .max_bytes = ROOM,
                                          .logged = true,
                                          .rebuilt = true,
                                          .follows = true};
    store_close(copy);
    copy = NULL;
    assert_int_equal(store_open(&copy, &options, NULL), 0);
    assert_int_equal(store_use_log(copy, fake_log_reader(log_of_test), journal_home, NULL), 0);
}

static int set_up(void **state) {
    (void)store_world_set_up(state);
    struct store_world *f = *state;
    log_of_test = fake_log_new();
    store_close(f->store);
    f->store = data_folder_store(&f->folder, ROOM);
    assert_int_equal(store_use_log(f->store, fake_log_join(log_of_test), journal_home, NULL), 0);
    data_folder_make(&copy_folder);
    copy = NULL;
    follow();
    return 0;
}

static int tear_down(void **state) {
    store_close(copy);
    data_folder_remove(&copy_folder);
    int code = store_world_tear_down(state);
    fake_log_free(log_of_test);
    return code;
}

static void commit(struct store *s, const char *key, const char *value) {
    assert_int_equal(store_begin(s), 0);
    store_world_put(s, key, value);
    assert_int_equal(store_commit(s), 0);
}

/* Until it has what the log has now. */
static int settle(void) {
    bool more = true;
    int code = 0;
    store_expect_more(copy);
    while (code == 0 && more) {
        code = store_settle(copy, &more);
    }
    return code;
}

static void assert_kept(struct store *s, const char *key, const char *value) {
    assert_int_equal(store_begin_reading(s), 0);
    assert_store_value(s, key, value);
    store_abort(s);
}

static void assert_lacks(struct store *s, const char *key) {
    assert_int_equal(store_begin_reading(s), 0);
    assert_store_absent(s, key);
    store_abort(s);
}

static void make_snapshot(struct store *s) {
    const struct log_snapshots *door = fake_log_snapshots(log_of_test);
    struct snapshot *p = snapshot_new(s, journal_home, 1 << 16);
    const struct log_turn *slice;
    uint32_t index = 0;
    bool more = true;
    while (snapshot_next(p, &slice) == 0) {
        assert_int_equal(door->add(door->ctx, index++, slice), 0);
    }
    assert_int_equal(door->finish(door->ctx, snapshot_head(p)), 0);
    snapshot_done(p);
    snapshot_free(p);
    while (more) {
        assert_int_equal(door->trim(door->ctx, &more), 0);
    }
}

/* The host of the other folder has died, and the shard starts in that of the copy. */
static void take_over(void) {
    store_close(copy);
    copy = data_folder_store(&copy_folder, ROOM);
    assert_int_equal(store_use_log(copy, fake_log_join(log_of_test), journal_home, NULL), 0);
}

/* --- following --- */

static void a_copy_has_what_the_log_has_and_takes_it_from_nobody(void **state) {
    struct store_world *f = *state;
    commit(f->store, "a", "1");
    assert_int_equal(settle(), 0);
    assert_kept(copy, "a", "1");
    commit(f->store, "a", "2"); /* it is not fenced */
    assert_kept(copy, "a", "1");
    assert_int_equal(settle(), 0);
    assert_kept(copy, "a", "2");
}

static void a_copy_goes_on_where_it_was(void **state) {
    struct store_world *f = *state;
    commit(f->store, "a", "1");
    assert_int_equal(settle(), 0);
    follow(); /* as after a kill */
    commit(f->store, "b", "2");
    assert_int_equal(settle(), 0);
    assert_kept(copy, "a", "1");
    assert_kept(copy, "b", "2");
}

static void a_copy_that_a_snapshot_has_left_behind_is_loaded_anew(void **state) {
    struct store_world *f = *state;
    commit(f->store, "a", "1");
    assert_int_equal(settle(), 0);
    commit(f->store, "b", "2");
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_del(f->store, TABLE_STATE, slice_of("a")), 0);
    assert_int_equal(store_commit(f->store), 0);
    make_snapshot(f->store);
    assert_int_equal(settle(), 0);
    assert_lacks(copy, "a");
    assert_kept(copy, "b", "2");
}

static void turns_that_go_while_they_are_read_are_no_loss(void **state) {
    struct store_world *f = *state;
    static char large[5 << 20]; /* more than one transaction applies */
    bool more = false;
    memset(large, 'x', sizeof large - 1);
    commit(f->store, "a", large);
    commit(f->store, "b", "2");
    store_expect_more(copy);
    assert_int_equal(store_settle(copy, &more), 0);
    assert_true(more);
    make_snapshot(f->store);
    assert_int_equal(store_settle(copy, &more), ERR_LOST);
    assert_false(store_is_ahead(copy));
    assert_int_equal(settle(), 0);
    assert_kept(copy, "b", "2");
}

static void a_copy_that_has_what_its_log_has_lost_is_followed_no_further(void **state) {
    struct store_world *f = *state;
    commit(f->store, "a", "1");
    commit(f->store, "a", "2");
    assert_int_equal(settle(), 0);
    fake_log_lose(log_of_test, 1);
    assert_int_equal(settle(), ERR_LOST);
    assert_true(store_is_ahead(copy));
    assert_kept(copy, "a", "2"); /* it is what is left of it */
}

/* --- its turn --- */

static void a_copy_is_gone_on_with_when_its_turn_comes(void **state) {
    struct store_world *f = *state;
    commit(f->store, "a", "1");
    commit(f->store, "b", "1");
    assert_int_equal(settle(), 0);
    make_snapshot(f->store);
    commit(f->store, "c", "1"); /* the copy lacks that */
    take_over();
    commit(copy, "b", "2");
    assert_kept(copy, "a", "1");
    assert_kept(copy, "c", "1");
    assert_int_equal(store_begin(f->store), 0);
    store_world_put(f->store, "b", "3");
    assert_int_equal(store_commit(f->store), ERR_FENCED);
}

static void a_log_whose_copy_was_followed_is_taken_from_who_had_it(void **state) {
    struct store_world *f = *state;
    commit(f->store, "a", "1");
    assert_int_equal(settle(), 0);
    take_over();
    assert_int_equal(store_begin(copy), 0);
    store_abort(copy);
    assert_true(store_is_taken(copy));
    take_over(); /* it was killed before it had begun a turn */
    assert_int_equal(store_begin(copy), 0);
    store_abort(copy);
    assert_true(store_is_taken(copy));
    commit(copy, "a", "2");
    take_over();
    assert_int_equal(store_begin(copy), 0);
    store_abort(copy);
    assert_false(store_is_taken(copy)); /* from now on it is its own */
}

/* --- its folder --- */

/* Opened by another process. */
static void with_a_process(bool *in_use, bool *shard_runs) {
    char parent[64];
    char found[STORE_PATH_BYTES];
    int fds[2];
    char one = 0;
    (void)snprintf(parent, sizeof parent, "%s", copy_folder.path);
    char path[80];
    (void)snprintf(path, sizeof path, "%s/1", parent);
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct store *s = NULL;
        const struct store_options options = {
            .path = path, .max_bytes = ROOM, .logged = true, .rebuilt = true, .follows = true};
        one = store_open(&s, &options, NULL) == 0;
        (void)!write(fds[1], &one, 1);
        (void)pause();
    }
    assert_int_equal(read(fds[0], &one, 1), 1);
    *in_use = store_folder_in_use(path);
    *shard_runs = store_folder_of_shard(parent, 1, found);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    (void)close(fds[0]);
    (void)close(fds[1]);
    assert_int_equal(one, 1);
}

static void a_folder_that_is_followed_is_in_use_and_runs_no_shard(void **state) {
    bool in_use = false;
    bool shard_runs = true;
    (void)state;
    with_a_process(&in_use, &shard_runs);
    assert_true(in_use);
    assert_false(shard_runs);
}

#define FOLLOW_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        FOLLOW_TEST(a_copy_has_what_the_log_has_and_takes_it_from_nobody),
        FOLLOW_TEST(a_copy_goes_on_where_it_was),
        FOLLOW_TEST(a_copy_that_a_snapshot_has_left_behind_is_loaded_anew),
        FOLLOW_TEST(turns_that_go_while_they_are_read_are_no_loss),
        FOLLOW_TEST(a_copy_that_has_what_its_log_has_lost_is_followed_no_further),
        FOLLOW_TEST(a_copy_is_gone_on_with_when_its_turn_comes),
        FOLLOW_TEST(a_log_whose_copy_was_followed_is_taken_from_who_had_it),
        FOLLOW_TEST(a_folder_that_is_followed_is_in_use_and_runs_no_shard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
