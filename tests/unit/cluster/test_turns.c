/*
 * test_turns.c - the log of a store in a real PostgreSQL: a commit is there or it is not, whatever
 * becomes of its answer, and it belongs to one host at a time.
 *
 * The server is that of tests/blackbox/cluster.sh, which runs this with its address, as a superuser, in
 * $ZINGQ_TEST_DATABASE. Its zq tables are dropped before each test.
 */
#include "test.h"
#include "turns_world.h"
#include "base/clock.h"
#include "cluster/turns.h"
#include "io/pg/line.h"
#include "journal/home.h"
#include "store/snapshot.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

enum { MANY = 150, LARGE = 3 << 20, SLICE = 256 << 10 };

/* The process ends, and its folder is gone. */
static void lose_folder(struct turns_world *w) {
    store_close(w->store);
    w->store = NULL;
    data_folder_remove(&w->folder);
    data_folder_make(&w->folder);
    turns_start_again(w);
}

static int64_t turns_kept(struct turns_world *w) {
    static const struct pg_statement statement = {
        .name = "turns", .text = "SELECT count(DISTINCT (store, turn)) FROM zq.log"};
    return turns_count(w, &statement);
}

/* The server's process that serves the log. */
static pid_t backend(struct turns_world *w) {
    static const struct pg_statement statement = {
        .name = "backend",
        .text = "SELECT pid::int8 FROM pg_stat_activity WHERE application_name = 'zingq'"
                " ORDER BY backend_start DESC LIMIT 1"};
    int64_t pid = turns_count(w, &statement);
    assert_true(pid > 1);
    return (pid_t)pid;
}

/* --- what is there --- */

static void what_was_committed_is_there_for_the_next_process(void **state) {
    struct turns_world *w = *state;
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    assert_int_equal(turns_commit(w, "a", "2"), 0);
    turns_start_again(w);
    assert_turns_kept(w, "a", "2");
    assert_int_equal(turns_commit(w, "b", "3"), 0);
    lose_folder(w);
    assert_turns_kept(w, "a", "2");
    assert_turns_kept(w, "b", "3");
    assert_int_equal(turns_kept(w), 3);
}

static void many_turns_and_large_ones_are_read_back(void **state) {
    struct turns_world *w = *state;
    char *large = malloc(LARGE);
    char key[16];
    assert_non_null(large);
    memset(large, 'x', LARGE - 1);
    large[LARGE - 1] = '\0';
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(key, sizeof key, "%c %d", 'A' + i % 26, i); /* of several homes */
        assert_int_equal(turns_commit(w, key, i == MANY / 2 ? large : key), 0);
    }
    lose_folder(w);
    assert_turns_kept(w, "A 0", "A 0");
    assert_turns_kept(w, "X 75", large);
    assert_turns_kept(w, key, key);
    free(large);
}

/* As a host does between turns. */
static uint32_t take_snapshot(struct turns_world *w) {
    const struct log_snapshots *door = turns_snapshots(w->turns);
    struct snapshot *p = snapshot_new(w->store, journal_home, SLICE);
    const struct log_turn *slice = NULL;
    uint32_t index = 0;
    int code;
    assert_non_null(p);
    while ((code = snapshot_next(p, &slice)) == 0) {
        assert_int_equal(door->add(door->ctx, index, slice), 0);
        assert_int_equal(door->add(door->ctx, index++, slice), 0); /* again: no answer came */
    }
    assert_int_equal(code, ERR_NOTFOUND);
    assert_int_equal(door->finish(door->ctx, snapshot_head(p)), 0);
    snapshot_done(p);
    snapshot_free(p);
    return index;
}

static void trim(struct turns_world *w) {
    const struct log_snapshots *door = turns_snapshots(w->turns);
    for (bool more = true; more;) {
        assert_int_equal(door->trim(door->ctx, &more), 0);
    }
}

static void a_snapshot_stands_for_the_turns_before_it(void **state) {
    struct turns_world *w = *state;
    char key[16];
    char value[9000];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(key, sizeof key, "%c %d", 'A' + i % 26, i);
        assert_int_equal(turns_commit(w, key, value), 0);
    }
    assert_in_range(take_snapshot(w), 2, MANY);
    assert_int_equal(turns_commit(w, "a", "behind it"), 0);
    trim(w);
    assert_int_equal(turns_kept(w), 1);
    lose_folder(w);
    assert_turns_kept(w, "A 0", value);
    assert_turns_kept(w, key, value);
    assert_turns_kept(w, "a", "behind it");
    assert_int_equal(turns_commit(w, "b", "2"), 0);
    (void)take_snapshot(w);
    trim(w);
    assert_int_equal(turns_kept(w), 0);
    lose_folder(w);
    assert_turns_kept(w, "b", "2");
}

static void add_first_slice(struct turns_world *w, struct snapshot *p) {
    const struct log_snapshots *door = turns_snapshots(w->turns);
    const struct log_turn *slice = NULL;
    assert_int_equal(snapshot_next(p, &slice), 0);
    assert_int_equal(door->add(door->ctx, 0, slice), 0);
}

static void a_trim_that_comes_late_takes_nothing_of_the_snapshot_under_way(void **state) {
    struct turns_world *w = *state;
    const struct log_snapshots *door = turns_snapshots(w->turns);
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    (void)take_snapshot(w);
    assert_int_equal(turns_commit(w, "a", "2"), 0);
    struct snapshot *p = snapshot_new(w->store, journal_home, SLICE);
    add_first_slice(w, p);
    trim(w);
    assert_int_equal(door->finish(door->ctx, snapshot_head(p)), 0);
    snapshot_free(p);
    lose_folder(w);
    assert_turns_kept(w, "a", "2");
}

static void a_snapshot_that_lacks_a_slice_never_counts(void **state) {
    struct turns_world *w = *state;
    const struct log_snapshots *door = turns_snapshots(w->turns);
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    struct snapshot *p = snapshot_new(w->store, journal_home, SLICE);
    add_first_slice(w, p);
    turns_run(w->admin, "DELETE FROM zq.snap");
    assert_int_equal(door->finish(door->ctx, snapshot_head(p)), ERR_LOST);
    snapshot_free(p);
    lose_folder(w);
    assert_turns_kept(w, "a", "1");
}

static void slices_that_nobody_finished_go_and_those_of_the_snapshot_stay(void **state) {
    struct turns_world *w = *state;
    static const struct pg_statement slices = {.name = "slices",
                                               .text = "SELECT count(*) FROM zq.snap"};
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    (void)take_snapshot(w);
    int64_t kept = turns_count(w, &slices);
    turns_run(w->admin,
              "INSERT INTO zq.snap SELECT h.id, h.snap_turn + t, k.token::uuid, s, '\\x00'"
              " FROM zq.store h, generate_series(-1, 1) t, generate_series(1, 100) s,"
              " (VALUES ('00000000-0000-0000-0000-000000000000'),"
              " ('ffffffff-ffff-ffff-ffff-ffffffffffff')) k (token)");
    trim(w);
    assert_int_equal(turns_count(w, &slices), kept);
    lose_folder(w);
    assert_turns_kept(w, "a", "1");
}

static void who_is_fenced_writes_no_snapshot_either(void **state) {
    struct turns_world *w = *state;
    bool more = false;
    const struct log_turn *slice = NULL;
    const struct log_snapshots *door = turns_snapshots(w->turns);
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    struct snapshot *p = snapshot_new(w->store, journal_home, SLICE);
    assert_int_equal(snapshot_next(p, &slice), 0);
    struct turns *second = turns_join_as("shop", "another");
    assert_int_equal(door->add(door->ctx, 0, slice), ERR_FENCED);
    assert_int_equal(door->finish(door->ctx, snapshot_head(p)), ERR_FENCED);
    assert_int_equal(door->trim(door->ctx, &more), ERR_FENCED);
    snapshot_free(p);
    turns_free(second);
}

static void hosts_of_other_names_have_logs_of_their_own(void **state) {
    struct turns_world *w = *state;
    struct data_folder folder;
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    data_folder_make(&folder);
    struct turns_world other = {.admin = w->admin, .folder = folder};
    other.turns = turns_join_as("another", "one of another name");
    other.store = data_folder_store(&folder, ROOM);
    turns_use_log(other.store, other.turns);
    assert_turns_kept(&other, "a", NULL);
    assert_int_equal(turns_commit(&other, "a", "other"), 0);
    assert_int_equal(turns_commit(w, "b", "2"), 0);
    assert_turns_kept(w, "a", "1");
    store_close(other.store);
    turns_free(other.turns);
    data_folder_remove(&folder);
}

/* --- whose it is --- */

static void whoever_joins_fences_the_one_before(void **state) {
    struct turns_world *w = *state;
    struct turns_state look;
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    assert_int_equal(store_begin(w->store), 0);
    store_world_put(w->store, "a", "2");
    struct turns *second = turns_join_as("shop", "pid 7 on another machine");
    assert_int_equal(store_commit(w->store), ERR_FENCED);
    assert_int_equal(store_begin(w->store), ERR_FENCED);
    turns_look(w->turns, &look);
    assert_true(strncmp(look.taker, "pid 7 on another machine at ", 28) == 0);
    assert_int_equal(turns_kept(w), 1);
    turns_free(second);
}

static void a_row_that_was_deleted_is_a_fence_too(void **state) {
    struct turns_world *w = *state;
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    turns_run(w->admin, "DELETE FROM zq.store");
    assert_int_equal(turns_commit(w, "a", "2"), ERR_FENCED);
}

static void the_copy_of_another_log_takes_nothing_over(void **state) {
    struct turns_world *w = *state;
    static const uint8_t other[LOG_ID_BYTES] = {1};
    const struct turns_options options = {
        .url = turns_database(), .name = "shop", .owner = "a stray"};
    struct turns *turns = NULL;
    struct report r = {""};
    assert_int_equal(turns_new(&turns, &options, &r), 0);
    assert_int_equal(turns_join(turns, other, TURNS_WAIT_MS, &r), ERR_FOREIGN);
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    turns_free(turns);
}

static void who_wants_a_log_that_has_nothing_takes_no_other_one_over(void **state) {
    struct turns_world *w = *state;
    const struct turns_options options = {
        .url = turns_database(), .name = "shop", .owner = "a migration", .unused = true};
    struct turns *turns = NULL;
    struct report r = {""};
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    assert_int_equal(turns_new(&turns, &options, &r), 0);
    assert_int_equal(turns_join(turns, turns_any_log, TURNS_WAIT_MS, &r), ERR_EXISTS);
    assert_int_equal(turns_commit(w, "a", "2"), 0);
    turns_free(turns);
}

static void the_log_of_a_newer_program_is_not_taken_over(void **state) {
    struct turns_world *w = *state;
    const struct turns_options options = {
        .url = turns_database(), .name = "shop", .owner = "an older"};
    struct turns *turns = NULL;
    struct report r = {""};
    assert_int_equal(turns_new(&turns, &options, &r), 0);
    turns_run(w->admin, "UPDATE zq.store SET schema = schema + 1");
    assert_int_equal(turns_join(turns, turns_any_log, TURNS_WAIT_MS, &r), ERR_SCHEMA);
    assert_non_null(strstr(r.text, "newer zingq"));
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    turns_run(w->admin, "UPDATE zq.store SET schema = 0"); /* an older one has had it */
    assert_int_equal(turns_join(turns, turns_any_log, TURNS_WAIT_MS, &r), 0);
    assert_int_equal(turns_count(w, &(struct pg_statement){.name = "schema",
                                                           .text = "SELECT schema FROM zq.store"}),
                     STORE_SCHEMA);
    turns_free(turns);
}

static void a_log_that_has_lost_turns_is_not_gone_on_with(void **state) {
    struct turns_world *w = *state;
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    assert_int_equal(turns_commit(w, "a", "2"), 0);
    turns_run(w->admin, "UPDATE zq.store SET turn = 1; DELETE FROM zq.log WHERE turn = 2");
    turns_start_again(w);
    assert_int_equal(store_begin(w->store), ERR_LOST);
}

/* --- what the server is like --- */

static void a_role_whose_commits_do_not_wait_gets_some_that_do(void **state) {
    struct turns_world *w = *state;
    static const struct pg_statement statement = {
        .text = "DO $$ BEGIN ASSERT current_setting('synchronous_commit') = 'on'; END $$"};
    const struct pg_line_options options = {.url = turns_database(), .patience_ms = TURNS_WAIT_MS};
    struct pg_line *line = NULL;
    struct pg_row row;
    struct report r = {""};
    assert_int_equal(pg_line_new(&line, &options, &r), 0);
    turns_run(w->admin, "ALTER ROLE CURRENT_USER SET synchronous_commit = off");
    int code = pg_line_connect(line, TURNS_WAIT_MS);
    turns_run(w->admin, "ALTER ROLE CURRENT_USER RESET synchronous_commit");
    assert_int_equal(code, 0);
    assert_int_equal(pg_line_ask(line, &statement, NULL, NULL, &row), ERR_NOTFOUND);
    pg_line_free(line);
}

static void a_row_of_other_columns_than_asked_for_is_no_answer(void **state) {
    struct turns_world *w = *state;
    static const struct pg_statement none = {.text = "SELECT"};
    static const struct pg_statement many = {.text = "SELECT 1, 2, 3, 4, 5, 6, 7, 8, 9"};
    struct pg_row row;
    assert_int_equal(pg_line_ask(w->admin, &none, NULL, NULL, &row), 0);
    for (size_t i = 0; i < PG_FIELDS_MAX; i++) {
        assert_null(row.fields[i].data);
    }
    assert_int_equal(pg_line_ask(w->admin, &many, NULL, NULL, &row), ERR_DOUBT);
    assert_false(pg_line_is_open(w->admin));
}

static void hosts_that_start_for_the_first_time_at_once_wait_for_each_other(void **state) {
    struct turns_world *w = *state;
    const struct turns_options options = {
        .url = turns_database(), .name = "another", .owner = "it"};
    struct turns *turns = NULL;
    struct report r = {""};
    assert_int_equal(turns_new(&turns, &options, &r), 0);
    turns_run(w->admin, "DROP SCHEMA zq CASCADE");
    turns_run(w->admin, "SELECT pg_advisory_lock(2037415265)");
    assert_int_equal(turns_join(turns, turns_any_log, TURNS_WAIT_MS, &r), ERR_NETWORK);
    turns_run(w->admin, "SELECT pg_advisory_unlock(2037415265)");
    assert_int_equal(turns_join(turns, turns_any_log, TURNS_WAIT_MS, &r), 0);
    turns_free(turns);
}

static void only_what_a_person_must_mend_ends_a_start(void **state) {
    struct turns_world *w = *state;
    const struct turns_options options = {.url = turns_database(), .name = "shop", .owner = "it"};
    struct turns *turns = NULL;
    struct report r = {""};
    assert_int_equal(turns_new(&turns, &options, &r), 0);
    turns_run(w->admin, "CREATE FUNCTION zq.busy() RETURNS trigger LANGUAGE plpgsql AS"
                        " $$ BEGIN RAISE SQLSTATE '53400'; END $$;"
                        "CREATE TRIGGER busy BEFORE UPDATE ON zq.store EXECUTE FUNCTION zq.busy()");
    assert_int_equal(turns_join(turns, turns_any_log, TURNS_WAIT_MS, &r), ERR_NETWORK);
    turns_run(w->admin, "DROP TABLE zq.store");
    assert_int_equal(turns_join(turns, turns_any_log, TURNS_WAIT_MS, &r), ERR_REFUSED);
    turns_free(turns);
}

/* --- no answer --- */

static void a_turn_that_waits_in_a_stopped_server_never_arrives_behind_the_barrier(void **state) {
    struct turns_world *w = *state;
    struct turns_state look;
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    pid_t stopped = backend(w);
    assert_int_equal(kill(stopped, SIGSTOP), 0);
    assert_int_equal(turns_commit(w, "a", "2"), ERR_DOUBT);
    turns_look(w->turns, &look);
    assert_int_equal(look.doubts, 1);
    assert_turns_kept(w, "a", "1");
    assert_int_equal(kill(stopped, SIGCONT), 0);
    assert_int_equal(turns_commit(w, "b", "3"), 0);
    assert_int_equal(turns_kept(w), 2);
    lose_folder(w);
    assert_turns_kept(w, "a", "1");
    assert_turns_kept(w, "b", "3");
}

/* The answer to its join was lost; so it asked again, before the first one was carried out. */
static void a_process_whose_join_is_carried_out_late_is_not_fenced_by_itself(void **state) {
    static const struct pg_statement same = {
        .name = "same", .text = "SELECT count(*) FROM zq.store JOIN noted USING (token)"};
    struct turns_world *w = *state;
    struct report r = {""};
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    turns_run(w->admin, "CREATE TEMP TABLE noted AS SELECT token FROM zq.store");
    assert_int_equal(turns_join(w->turns, turns_any_log, TURNS_WAIT_MS, &r), 0);
    assert_int_equal(turns_count(w, &same), 1);
    turns_run(w->admin, "UPDATE zq.store SET epoch = epoch + 1"); /* what that one does */
    turns_run(w->admin, "INSERT INTO zq.reign SELECT id, epoch, token, turn FROM zq.store");
    assert_int_equal(turns_commit(w, "b", "2"), ERR_NETWORK); /* of another epoch than it knew */
    turns_begin(w);
    store_abort(w->store);
    assert_int_equal(turns_commit(w, "b", "3"), 0);
    lose_folder(w);
    assert_turns_kept(w, "a", "1");
    assert_turns_kept(w, "b", "3");
    turns_run(w->admin, "DROP TABLE noted");
}

static bool is_up(struct turns_world *w) {
    struct turns_state look;
    turns_look(w->turns, &look);
    return look.up;
}

static void a_turn_whose_commit_waits_for_a_standby_is_there_once_when_that_is_back(void **state) {
    struct turns_world *w = *state;
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    turns_run(w->admin, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    turns_run(w->admin, "SELECT pg_reload_conf()");
    int code = 0;
    for (int i = 0; code == 0 && i < MANY; i++) { /* the server reads its settings soon */
        code = turns_commit(w, "a", "2");
    }
    assert_int_equal(code, ERR_DOUBT);
    assert_int_equal(store_begin(w->store), ERR_NETWORK);
    assert_int_equal(turns_check(w->turns), 0); /* reads are answered */
    assert_false(is_up(w));
    turns_run(w->admin, "ALTER SYSTEM RESET synchronous_standby_names");
    turns_run(w->admin, "SELECT pg_reload_conf()");
    assert_turns_kept(w, "a", "2");
    assert_true(is_up(w));
}

/* The server does, while the test goes on: once there is one that waits. */
static void cancel_what_waits_for_a_standby(struct turns_world *w) {
    static const struct pg_statement statement = {
        .text = "DO $$ BEGIN FOR i IN 1..400 LOOP PERFORM pg_cancel_backend(pid)"
                " FROM pg_stat_activity WHERE application_name = 'zingq'"
                " AND wait_event = 'SyncRep'; IF FOUND THEN RETURN; END IF;"
                " PERFORM pg_sleep(0.02); PERFORM pg_stat_clear_snapshot(); END LOOP; END $$"};
    assert_int_equal(pg_line_send(w->admin, &statement, NULL), 0);
}

static void a_server_that_only_warns_that_a_commit_may_be_lost_is_a_doubt(void **state) {
    struct turns_world *w = *state;
    struct pg_row row;
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    turns_run(w->admin, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    turns_run(w->admin, "SELECT pg_reload_conf()");
    cancel_what_waits_for_a_standby(w);
    int code = 0;
    for (int i = 0; code == 0 && i < MANY; i++) {
        code = turns_commit(w, "a", "2");
    }
    assert_int_equal(pg_line_row(w->admin, &row), ERR_NOTFOUND);
    assert_int_equal(code, ERR_DOUBT);
    struct turns_state look;
    turns_look(w->turns, &look);
    assert_in_range(look.last_us, 0, 4000000); /* it was told, and did not wait */
    turns_run(w->admin, "ALTER SYSTEM RESET synchronous_standby_names");
    turns_run(w->admin, "SELECT pg_reload_conf()");
    assert_turns_kept(w, "a", "2");
}

static void a_connection_that_is_cut_is_made_again(void **state) {
    struct turns_world *w = *state;
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    turns_run(w->admin, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name = 'zingq'");
    assert_int_equal(turns_commit(w, "a", "2"), ERR_DOUBT);
    assert_turns_kept(w, "a", "1");
    assert_int_equal(turns_commit(w, "a", "3"), 0);
    assert_int_equal(turns_kept(w), 2);
}

/* To compile one takes longer than all that it does. */
static void the_server_compiles_no_plan_for_a_connection(void **state) {
    static const struct pg_statement statement = {.name = "jit",
                                                  .text = "SELECT current_setting('jit') = 'off'"};
    assert_int_equal(turns_count(*state, &statement), 1);
}

#define TURNS_TEST(name) cmocka_unit_test_setup_teardown(name, turns_set_up, turns_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TURNS_TEST(what_was_committed_is_there_for_the_next_process),
        TURNS_TEST(many_turns_and_large_ones_are_read_back),
        TURNS_TEST(a_snapshot_stands_for_the_turns_before_it),
        TURNS_TEST(a_trim_that_comes_late_takes_nothing_of_the_snapshot_under_way),
        TURNS_TEST(a_snapshot_that_lacks_a_slice_never_counts),
        TURNS_TEST(slices_that_nobody_finished_go_and_those_of_the_snapshot_stay),
        TURNS_TEST(who_is_fenced_writes_no_snapshot_either),
        TURNS_TEST(hosts_of_other_names_have_logs_of_their_own),
        TURNS_TEST(whoever_joins_fences_the_one_before),
        TURNS_TEST(a_row_that_was_deleted_is_a_fence_too),
        TURNS_TEST(the_copy_of_another_log_takes_nothing_over),
        TURNS_TEST(who_wants_a_log_that_has_nothing_takes_no_other_one_over),
        TURNS_TEST(the_log_of_a_newer_program_is_not_taken_over),
        TURNS_TEST(a_log_that_has_lost_turns_is_not_gone_on_with),
        TURNS_TEST(a_role_whose_commits_do_not_wait_gets_some_that_do),
        TURNS_TEST(a_row_of_other_columns_than_asked_for_is_no_answer),
        TURNS_TEST(hosts_that_start_for_the_first_time_at_once_wait_for_each_other),
        TURNS_TEST(only_what_a_person_must_mend_ends_a_start),
        TURNS_TEST(a_turn_that_waits_in_a_stopped_server_never_arrives_behind_the_barrier),
        TURNS_TEST(a_process_whose_join_is_carried_out_late_is_not_fenced_by_itself),
        TURNS_TEST(a_turn_whose_commit_waits_for_a_standby_is_there_once_when_that_is_back),
        TURNS_TEST(a_server_that_only_warns_that_a_commit_may_be_lost_is_a_doubt),
        TURNS_TEST(a_connection_that_is_cut_is_made_again),
        TURNS_TEST(the_server_compiles_no_plan_for_a_connection),
    };
    if (turns_database() == NULL) {
        (void)printf("skipped: no $ZINGQ_TEST_DATABASE; tests/blackbox/cluster.sh has one\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
