/* test_kept.c - what a service keeps in the store beyond its events: one that wants too much gets an
 * error, or its events wait, and others go on. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

enum { PUBLISHES = 200 };

#define STORE "store { max_size = \"8MiB\" keep_done = \"0\" }\n"
#define SERVICES                                                                                   \
    "service \"greedy\" { subscribe = {\"greedy/#\"} handler = \"h.lua\" retries = 0 }\n"          \
    "service \"modest\" { subscribe = {\"modest/#\"} handler = \"h.lua\" retries = 0 }\n"

/* Events of the greedy service until one fails; how many were done. */
static unsigned be_greedy(struct engine_fixture *f) {
    for (unsigned n = 0; n < 1000; n++) {
        char payload[16];
        (void)snprintf(payload, sizeof payload, "%u", n);
        deliver(f, "greedy", "greedy/1", payload);
        if (service_status(f, "greedy").books.dead > 0) {
            return n;
        }
    }
    fail_msg("nothing stopped it");
    return 0;
}

static void assert_last_reason(struct engine_fixture *f, unsigned n, const char *words) {
    char payload[16];
    char reason[512];
    (void)snprintf(payload, sizeof payload, "%u", n);
    assert_non_null(strstr(reason_of(f, "greedy", payload, reason), words));
}

static void assert_modest_goes_on(struct engine_fixture *f) {
    uint64_t done = service_status(f, "modest").books.done;
    deliver(f, "modest", "modest/1", "1");
    assert_int_equal(service_status(f, "modest").books.done, done + 1);
    assert_true(engine_accepts(f->engine));
    engine_check(f);
}

static void a_service_whose_state_takes_its_part_of_the_store_gets_an_error(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, STORE SERVICES,
                LUA(a_service_whose_state_takes_its_part_of_the_store_gets_an_error));
    unsigned done = be_greedy(f);
    assert_in_range(done, 18, 21); /* of 100 kB, in a quarter */
    assert_last_reason(f, done, "the state and locks of this service take its part of the store");
    assert_modest_goes_on(f);
    crash(f);
    deliver(f, "greedy", "greedy/1", "0"); /* it may be overwritten */
    assert_int_equal(service_status(f, "greedy").books.done, done + 1);
    deliver(f, "greedy", "greedy/1", "more");
    assert_int_equal(service_status(f, "greedy").books.dead, 2);
    deliver(f, "greedy", "greedy/1", "delete");
    deliver(f, "greedy", "greedy/1", "more");
    assert_int_equal(service_status(f, "greedy").books.dead, 2);
    assert_modest_goes_on(f);
}

static void delayed_publishes_have_their_part_of_the_store(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, STORE SERVICES,
                "return function(e)"
                " zing.publish('out', ('x'):rep(50000), {after = '1h'}) end");
    unsigned done = be_greedy(f);
    assert_in_range(done, 8, 11);
    assert_last_reason(f, done, "the delayed publishes of this service take its part");
    assert_modest_goes_on(f);
    crash(f);
    advance(f, 3700 * 1000);
    deliver(f, "greedy", "greedy/1", "again");
    assert_int_equal(service_status(f, "greedy").books.dead, 1);
}

static void letters_that_a_service_makes_have_their_part_of_the_store(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, STORE SERVICES, LUA(letters_that_a_service_makes_have_their_part_of_the_store));
    for (unsigned n = 0; n < 30; n++) {
        char payload[16];
        (void)snprintf(payload, sizeof payload, "%u", n);
        deliver(f, "greedy", "greedy/1", payload);
    }
    assert_in_range(service_status(f, "greedy").books.done, 8, 11);
    assert_last_reason(f, 29, "the dead letters that this service made take its part of the store");
    assert_modest_goes_on(f);
}

static void a_service_whose_publishes_fill_their_part_waits_for_the_broker(void **state) {
    struct engine_fixture *f = *state;
    f->offline = true;
    fixture_run(f, STORE SERVICES,
                LUA(a_service_whose_publishes_fill_their_part_waits_for_the_broker));
    for (unsigned n = 0; n < PUBLISHES; n++) {
        deliver(f, "greedy", "greedy/1", "x");
    }
    uint64_t done = service_status(f, "greedy").books.done;
    assert_in_range(done, 15, 60);
    assert_true(service_status(f, "greedy").held_back);
    assert_modest_goes_on(f);
    crash(f);
    advance(f, 5000);
    assert_int_equal(service_status(f, "greedy").books.done, done);
    f->offline = false;
    connect_again(f);
    advance(f, 5000);
    assert_int_equal(service_status(f, "greedy").books.done, PUBLISHES);
    assert_int_equal(count_published(f, "out"), PUBLISHES + 1);
    assert_false(service_status(f, "greedy").held_back);
    engine_check(f);
}

/* As a zingq left it that did not count. */
static void forget_counts(struct engine_fixture *f) {
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_del(f->store, TABLE_META, slice_of("flag/kept")), 0);
    assert_int_equal(store_del(f->store, TABLE_META, slice_of("kept/0")), 0);
    assert_int_equal(store_commit(f->store), 0);
}

static void what_an_older_zingq_kept_is_counted_too(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, STORE SERVICES,
                LUA(a_service_whose_state_takes_its_part_of_the_store_gets_an_error));
    unsigned done = be_greedy(f);
    uint64_t kept = service_status(f, "greedy").kept[RUN_QUOTA_STATE];
    assert_true(kept > 0);
    forget_counts(f);
    restart(f);
    assert_int_equal(service_status(f, "greedy").kept[RUN_QUOTA_STATE], kept);
    deliver(f, "greedy", "greedy/1", "more");
    assert_int_equal(service_status(f, "greedy").books.done, done);
}

static void a_host_without_services_goes_on_beside_what_one_left(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, STORE SERVICES, "return function(e) zing.reject('no') end");
    deliver(f, "greedy", "greedy/1", "1");
    fixture_conf(f, STORE);
    crash(f);
    advance(f, 1000);
    assert_int_equal(count_rows(f, TABLE_DEAD), 1);
    engine_check(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_service_whose_state_takes_its_part_of_the_store_gets_an_error),
        ENGINE_TEST(delayed_publishes_have_their_part_of_the_store),
        ENGINE_TEST(letters_that_a_service_makes_have_their_part_of_the_store),
        ENGINE_TEST(a_service_whose_publishes_fill_their_part_waits_for_the_broker),
        ENGINE_TEST(what_an_older_zingq_kept_is_counted_too),
        ENGINE_TEST(a_host_without_services_goes_on_beside_what_one_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
