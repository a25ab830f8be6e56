/*
 * test_following.c - a copy that follows a log in a real PostgreSQL: it fences nobody, and has nothing that
 * may yet be lost.
 *
 * The server is that of tests/blackbox/cluster.sh: see turns_world.h.
 */
#include "test.h"
#include "turns_world.h"
#include "base/clock.h"
#include "cluster/turns.h"
#include "io/pg/line.h"
#include "journal/home.h"

#include <stdio.h>
#include <string.h>

enum { MANY = 150 };

static struct turns *reading;
static struct store *copy;
static struct data_folder copy_folder;

static int set_up(void **state) {
    static const struct turns_options log = {
        .name = "shop", .owner = "", .follows = true, .url = NULL};
    struct turns_options options = log;
    options.url = turns_database();
    (void)turns_set_up(state);
    data_folder_make(&copy_folder);
    const struct store_options store = {.path = copy_folder.path,
                                        .max_bytes = ROOM,
                                        .logged = true,
                                        .rebuilt = true,
                                        .follows = true};
    assert_int_equal(store_open(&copy, &store, NULL), 0);
    assert_int_equal(turns_new(&reading, &options, NULL), 0);
    assert_int_equal(turns_join(reading, turns_any_log, TURNS_WAIT_MS, NULL), 0);
    assert_int_equal(store_use_log(copy, turns_log(reading), journal_home, NULL), 0);
    return 0;
}

static int tear_down(void **state) {
    store_close(copy);
    turns_free(reading);
    data_folder_remove(&copy_folder);
    return turns_tear_down(state);
}

static int settle(void) {
    bool more = true;
    int code = 0;
    store_expect_more(copy);
    while (code == 0 && more) {
        code = store_settle(copy, &more);
    }
    return code;
}

static void assert_copied(const char *key, const char *value) {
    assert_int_equal(store_begin_reading(copy), 0);
    if (value == NULL) {
        assert_store_absent(copy, key);
    } else {
        assert_store_value(copy, key, value);
    }
    store_abort(copy);
}

static void a_copy_follows_turns_that_go_on(void **state) {
    struct turns_world *w = *state;
    char key[16];
    uint64_t last = 0;
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(key, sizeof key, "%c %d", 'A' + i % 26, i); /* of several homes */
        assert_int_equal(turns_commit(w, key, key), 0);
        if (i % 50 == 0) {
            assert_int_equal(settle(), 0);
            assert_copied(key, key);
        }
    }
    assert_int_equal(turns_last(reading, &last), 0);
    assert_int_equal(last, MANY);
    assert_int_equal(settle(), 0);
    assert_int_equal(store_log_state(copy)->last, MANY);
    assert_copied(key, key);
    assert_int_equal(turns_check(w->turns), 0); /* nobody is fenced */
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

/* Such a turn is gone if a standby takes over, and nobody was told that it was there. */
static void a_turn_that_the_server_shows_and_no_standby_has_is_not_copied(void **state) {
    struct turns_world *w = *state;
    struct pg_row row;
    uint64_t last = 0;
    int code = 0;
    assert_int_equal(turns_commit(w, "b", "1"), 0);
    assert_int_equal(settle(), 0);
    turns_run(w->admin, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    turns_run(w->admin, "SELECT pg_reload_conf()");
    cancel_what_waits_for_a_standby(w);
    for (int i = 0; code == 0 && i < MANY; i++) { /* the server reads its settings soon */
        code = turns_commit(w, "a", "1");
    }
    assert_int_equal(code, ERR_DOUBT);
    assert_int_equal(pg_line_row(w->admin, &row), ERR_NOTFOUND);
    assert_int_equal(turns_last(reading, &last), 0);
    assert_true(last > 1); /* it is seen */
    assert_int_equal(settle(), ERR_NETWORK);
    assert_copied("a", NULL);
    turns_run(w->admin, "ALTER SYSTEM RESET synchronous_standby_names");
    turns_run(w->admin, "SELECT pg_reload_conf()");
    for (int64_t until_ms = clock_monotonic_ms() + TURNS_WAIT_MS;
         (code = settle()) == ERR_NETWORK && clock_monotonic_ms() < until_ms;) {
    }
    assert_int_equal(code, 0);
    assert_copied("a", "1");
}

static void a_log_that_a_newer_program_has_had_is_followed_no_further(void **state) {
    struct turns_world *w = *state;
    struct report r = {""};
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    turns_run(w->admin, "UPDATE zq.store SET schema = 1000");
    assert_int_equal(settle(), ERR_FENCED);
    assert_copied("a", NULL);
    assert_int_equal(turns_join(reading, turns_any_log, TURNS_WAIT_MS, &r), ERR_SCHEMA);
    assert_non_null(strstr(r.text, "newer zingq"));
}

#define FOLLOW_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        FOLLOW_TEST(a_copy_follows_turns_that_go_on),
        FOLLOW_TEST(a_turn_that_the_server_shows_and_no_standby_has_is_not_copied),
        FOLLOW_TEST(a_log_that_a_newer_program_has_had_is_followed_no_further),
    };
    if (turns_database() == NULL) {
        (void)printf("skipped: no $ZINGQ_TEST_DATABASE; tests/blackbox/cluster.sh has one\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
