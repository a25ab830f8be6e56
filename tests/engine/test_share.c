/*
 * test_share.c - whose processor time it was: what is charged, and what a turn may take.
 *
 * ctest: busy
 */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include <stdio.h>

enum { HUNGRY, LIGHT, LONG_US = 200000, SHORT_US = 100, ROUNDS = 50 };

#define LIGHT_SERVICE                                                                              \
    "service \"light\" { subscribe = {\"light/+\"} handler = \"light.lua\" key = \"topic:2\" }\n"
#define HUNGRY_SERVICE(options)                                                                    \
    "service \"hungry\" { subscribe = {\"hungry/+\"} handler = \"h.lua\" key = \"topic:2\" "       \
    "retries = 0 " options " }\n"

/* Two services; a run of the first takes long. */
static void start(struct engine_fixture *f, const char *conf, const char *script) {
    fixture_script(f, "light.lua", "return function(e) zing.publish('light', e.payload) end");
    f->run_us[HUNGRY] = LONG_US;
    f->run_us[LIGHT] = SHORT_US;
    fixture_run(f, conf, script);
}

static void offer_many(struct engine_fixture *f, const char *service, int count) {
    for (int i = 0; i < count; i++) {
        char topic[32];
        (void)snprintf(topic, sizeof topic, "%s/%d", service, i);
        offer(f, service, topic, "x", NULL);
    }
}

/* Turns until so many light events are done; how many others are. */
static size_t hungry_until(struct engine_fixture *f, size_t light) {
    for (int i = 0; i < 1000 && count_published(f, "light") < light; i++) {
        assert_int_equal(turn(f), 0);
        f->now_ms++; /* the clock of who waits for quiet */
    }
    assert_int_equal(count_published(f, "light"), light);
    return count_published(f, "hungry");
}

static void a_hungry_service_gets_its_share_and_no_more(void **state) {
    struct engine_fixture *f = *state;
    start(f, HUNGRY_SERVICE("") LIGHT_SERVICE,
          "return function(e) zing.publish('hungry', e.payload) end");
    offer_many(f, "hungry", 20);
    offer_many(f, "light", 60);
    assert_true(hungry_until(f, 60) <= 1);
    f->now_ms += 1000;
    run_dry(f);
}

/* Ten attempts that waited for a call run out of time at once. */
static void a_time_out_is_charged_to_its_service(void **state) {
    struct engine_fixture *f = *state;
    start(f, HUNGRY_SERVICE("timeout = \"5s\"") LIGHT_SERVICE,
          LUA(a_time_out_is_charged_to_its_service));
    f->run_us[HUNGRY] = 0;
    offer_many(f, "hungry", 10);
    run_dry(f);
    assert_int_equal(f->asked_count, 10);
    f->run_us[HUNGRY] = LONG_US;
    f->now_ms += 5000;
    f->monotonic_us += 5000000;
    offer_many(f, "light", 60);
    assert_true(hungry_until(f, 60) <= 2); /* one a turn, and the light ones in the same */
    run_dry(f);
    assert_int_equal(count_published(f, "hungry"), 10);
}

static void a_turn_takes_as_many_messages_as_it_can_run(void **state) {
    struct engine_fixture *f = *state;
    start(f, LIGHT_SERVICE, "");
    f->run_us[0] = 0;
    size_t most = engine_intake(f->engine);
    f->run_us[0] = SHORT_US;
    for (int i = 0; i < ROUNDS; i++) {
        offer_many(f, "light", 20);
        run_dry(f);
    }
    size_t some = engine_intake(f->engine);
    assert_in_range(some, 140, 160); /* 15 ms of them */
    f->run_us[0] = 50 * SHORT_US;
    for (int i = 0; i < ROUNDS; i++) {
        offer_many(f, "light", 20);
        run_dry(f);
    }
    assert_true(most > some && engine_intake(f->engine) < some && engine_intake(f->engine) > 0);
}

/* The others of its turn must not wait at the broker for its sake. */
static void one_long_run_hardly_changes_what_a_turn_takes(void **state) {
    struct engine_fixture *f = *state;
    start(f, HUNGRY_SERVICE("") LIGHT_SERVICE,
          "return function(e) zing.publish('hungry', e.payload) end");
    for (int i = 0; i < ROUNDS; i++) {
        offer_many(f, "light", 20);
        run_dry(f);
    }
    size_t before = engine_intake(f->engine);
    offer_many(f, "hungry", 1);
    f->now_ms += 1000;
    run_dry(f);
    assert_true(engine_intake(f->engine) >= before / 2);
}

/* How many light events of 1 ms a turn has, after others whose commits took so long. */
static size_t run_in_a_turn(struct engine_fixture *f, int64_t commit_us) {
    f->commit_us = commit_us;
    for (int i = 0; i < ROUNDS; i++) {
        offer_many(f, "light", 1);
        run_dry(f);
    }
    size_t before = count_published(f, "light");
    offer_many(f, "light", 100);
    assert_int_equal(turn(f), 0);
    size_t ran = count_published(f, "light") - before;
    run_dry(f);
    return ran;
}

static void a_turn_runs_as_long_as_commits_take(void **state) {
    struct engine_fixture *f = *state;
    start(f, LIGHT_SERVICE, "");
    f->run_us[0] = 1000;
    assert_int_equal(run_in_a_turn(f, 0), TURN_MS_MAX);
    assert_in_range(run_in_a_turn(f, 40000), 39, 40);
    assert_int_equal(run_in_a_turn(f, 4000000), TURN_MS_LONG); /* others wait for it */
    assert_in_range(run_in_a_turn(f, 1000), TURN_MS_MAX, 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_hungry_service_gets_its_share_and_no_more),
        ENGINE_TEST(a_time_out_is_charged_to_its_service),
        ENGINE_TEST(a_turn_takes_as_many_messages_as_it_can_run),
        ENGINE_TEST(one_long_run_hardly_changes_what_a_turn_takes),
        ENGINE_TEST(a_turn_runs_as_long_as_commits_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
