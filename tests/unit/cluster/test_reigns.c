/*
 * test_reigns.c - commits that a real PostgreSQL has lost are noticed by whoever had them, whoever has
 * had the log since.
 *
 * tests/blackbox/cluster.sh runs this: see test_turns.c.
 */
#include "test.h"
#include "turns_world.h"

#include <stdio.h>

/* An asynchronous failover: the last turn goes, and with it what was confirmed of it. */
static void lose_last_turn(struct turns_world *w) {
    turns_run(w->admin, "UPDATE zq.store SET turn = turn - 1;"
                        "DELETE FROM zq.log WHERE turn > (SELECT turn FROM zq.store)");
}

/* Another host takes the log over, in a folder of its own, and writes so many turns. */
static void another_host_writes(struct turns_world *w, int turns) {
    struct turns_world other = {.admin = w->admin};
    data_folder_make(&other.folder);
    other.turns = turns_join_as("shop", "another host");
    other.store = data_folder_store(&other.folder, ROOM);
    turns_use_log(other.store, other.turns);
    while (turns-- > 0) {
        assert_int_equal(turns_commit(&other, "a", "of the other host"), 0);
    }
    store_close(other.store);
    turns_free(other.turns);
    data_folder_remove(&other.folder);
}

static void what_a_log_has_lost_is_noticed_after_others_have_gone_on(void **state) {
    struct turns_world *w = *state;
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    assert_int_equal(turns_commit(w, "a", "2"), 0);
    lose_last_turn(w);
    another_host_writes(w, 3);
    another_host_writes(w, 3);
    assert_int_equal(turns_check(w->turns), ERR_FENCED);
    assert_int_equal(store_fenced(w->store), ERR_LOST);
    assert_int_equal(turns_commit(w, "a", "3"), ERR_LOST);
    turns_start_again(w);
    assert_int_equal(store_begin(w->store), ERR_LOST);
    assert_true(store_is_ahead(w->store));
}

static void a_log_that_others_had_meanwhile_and_that_lost_nothing_is_gone_on_with(void **state) {
    struct turns_world *w = *state;
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    another_host_writes(w, 2);
    another_host_writes(w, 0);
    another_host_writes(w, 1);
    assert_int_equal(turns_commit(w, "a", "2"), ERR_FENCED);
    assert_int_equal(store_fenced(w->store), ERR_FENCED);
    turns_start_again(w);
    assert_turns_kept(w, "a", "of the other host");
    assert_int_equal(turns_commit(w, "a", "3"), 0);
    turns_start_again(w);
    assert_turns_kept(w, "a", "3");
}

static void a_log_knows_a_thousand_who_had_it(void **state) {
    struct turns_world *w = *state;
    static const struct pg_statement reigns = {.name = "reigns",
                                               .text = "SELECT count(*) FROM zq.reign"};
    assert_int_equal(turns_commit(w, "a", "1"), 0);
    turns_run(w->admin, "UPDATE zq.store SET turn = turn + 1200, epoch = epoch + 1200;"
                        "INSERT INTO zq.reign SELECT 1, i, gen_random_uuid(), i - 1 FROM"
                        " generate_series(2, 1201) i");
    struct turns *next = turns_join_as("shop", "the next one");
    assert_int_equal(turns_count(w, &reigns), 1000);
    assert_int_equal(store_fenced(w->store), ERR_FENCED); /* what is so old is not lost */
    turns_free(next);
}

#define REIGN_TEST(name) cmocka_unit_test_setup_teardown(name, turns_set_up, turns_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        REIGN_TEST(what_a_log_has_lost_is_noticed_after_others_have_gone_on),
        REIGN_TEST(a_log_that_others_had_meanwhile_and_that_lost_nothing_is_gone_on_with),
        REIGN_TEST(a_log_knows_a_thousand_who_had_it),
    };
    if (turns_database() == NULL) {
        (void)printf("skipped: no $ZINGQ_TEST_DATABASE; tests/blackbox/cluster.sh has one\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
