/*
 * test_fair.c - turns round tenants, whose backlogs may be larger than memory.
 */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TENANTS(options)                                                                           \
    "service \"t\" { subscribe = {\"t/+\"} handler = \"h.lua\" fair = \"json:/tenant\" " options   \
    " }\n"

enum { MANY = 5 * SERVICE_WINDOW_MAX, BIG = 100000, ONES = 100 };

static const char REPORTS[] = "return function(e) zing.publish(e.json.tenant, e.payload) end";

static void offer_of(struct engine_fixture *f, const char *tenant, const char *key, int n) {
    char payload[128];
    (void)snprintf(payload, sizeof payload, "{\"tenant\":\"%s\",\"key\":\"%s\",\"n\":%d}", tenant,
                   key, n);
    offer(f, "t", "t/x", payload, NULL);
}

static void offer_many(struct engine_fixture *f, const char *tenant, int count, int keys) {
    for (int n = 0; n < count; n++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%s%d", tenant, n % keys);
        offer_of(f, tenant, key, n);
        if (n % 1000 == 999) {
            run_dry(f);
        }
    }
    run_dry(f);
}

static void hold(struct engine_fixture *f, bool held) {
    struct command c = {.kind = held ? COMMAND_PAUSE : COMMAND_RESUME, .service = slice_of("t")};
    assert_int_equal(command(f, c), 0);
}

/* Without a turn. */
static void resume(struct engine_fixture *f) {
    static struct command c;
    c = (struct command){.kind = COMMAND_RESUME, .service = slice_of("t")};
    engine_submit(f->engine, &c);
}

static void start(struct engine_fixture *f, const char *conf) {
    f->unchecked = f->unlogged = true;
    fixture_run(f, conf, REPORTS);
    hold(f, true);
}

/* How many of `other` were done before so many of the tenant were. */
static size_t others_before(const struct engine_fixture *f, const char *tenant, size_t count,
                            const char *other) {
    size_t others = 0;
    for (size_t i = 0; i < f->published_count && count > 0; i++) {
        const struct published *p = &f->published[i];
        count -= !p->again && strcmp(p->topic, tenant) == 0 ? 1 : 0;
        others += !p->again && strcmp(p->topic, other) == 0 ? 1 : 0;
    }
    assert_int_equal(count, 0);
    return others;
}

static void offer_ones(struct engine_fixture *f) {
    for (int i = 0; i < ONES; i++) {
        char tenant[16];
        (void)snprintf(tenant, sizeof tenant, "one%d", i);
        offer_of(f, tenant, tenant, 0);
    }
    run_dry(f);
}

/* Between their starts there is one of the large tenant each. */
static void assert_ones_pass(struct engine_fixture *f) {
    hold(f, false);
    size_t small = 0;
    for (size_t i = 0; i < f->published_count && small < ONES; i++) {
        small += strncmp(f->published[i].topic, "one", 3) == 0 ? 1 : 0;
        if (small == ONES) { /* as many of the others at most, and one */
            assert_true(i + 1 <= (size_t)2 * ONES + 1);
        }
    }
    assert_int_equal(small, ONES);
}

static void a_hundred_tenants_with_one_event_each_pass_a_backlog_of_100000(void **state) {
    struct engine_fixture *f = *state;
    start(f, TENANTS("order = none concurrency = 1"));
    offer_many(f, "big", BIG, 1);
    assert_true(service_status(f, "t").queued > BIG - SERVICE_WINDOW_MAX);
    offer_ones(f);
    assert_ones_pass(f);
}

static void they_do_in_a_service_with_order_and_after_a_crash(void **state) {
    struct engine_fixture *f = *state;
    start(f, TENANTS("key = \"json:/key\" concurrency = 1"));
    offer_many(f, "big", MANY, MANY);
    offer_ones(f);
    crash(f);
    run_dry(f);
    assert_true(service_status(f, "t").queued > MANY - SERVICE_WINDOW_MAX);
    assert_ones_pass(f);
}

static void assert_all_done(struct engine_fixture *f, uint64_t count) {
    run_dry(f);
    acknowledge(f);
    run_dry(f);
    engine_check(f);
    assert_books(f, "t", (struct books){.accepted = count, .done = count});
    assert_int_equal(count_rows(f, TABLE_TENANT), 0);
    assert_int_equal(count_rows(f, TABLE_LANE), 0);
    assert_int_equal(count_rows(f, TABLE_READY), 0);
}

static void tenants_with_large_backlogs_have_equal_shares(void **state) {
    struct engine_fixture *f = *state;
    start(f, TENANTS("order = none"));
    offer_many(f, "a", MANY, 50);
    offer_many(f, "b", MANY, 50);
    offer_many(f, "c", SERVICE_WINDOW_MAX, 50);
    engine_check(f);
    hold(f, false);
    size_t a = others_before(f, "c", SERVICE_WINDOW_MAX, "a");
    size_t b = others_before(f, "c", SERVICE_WINDOW_MAX, "b");
    assert_in_range(a, SERVICE_WINDOW_MAX - 100, SERVICE_WINDOW_MAX + 100);
    assert_in_range(b, SERVICE_WINDOW_MAX - 100, SERVICE_WINDOW_MAX + 100);
    assert_all_done(f, 2 * MANY + SERVICE_WINDOW_MAX);
}

/* The numbers of each key are those of its events, in order. */
static void assert_in_order(const struct engine_fixture *f, const char *tenant, int keys) {
    int *last = calloc((size_t)keys, sizeof *last);
    for (int i = 0; i < keys; i++) {
        last[i] = i - keys;
    }
    for (size_t i = 0; i < f->published_count; i++) {
        const struct published *p = &f->published[i];
        int key;
        int n;
        char pattern[64];
        (void)snprintf(pattern, sizeof pattern, "{\"tenant\":\"%s\",\"key\":\"%s%%d\",\"n\":%%d}",
                       tenant, tenant);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        if (strcmp(p->topic, tenant) != 0 || p->again ||
            sscanf(p->payload, pattern, &key, &n) != 2) {
            continue;
        }
#pragma GCC diagnostic pop
        assert_int_equal(n, last[key] + keys);
        last[key] = n;
    }
    free(last);
}

static void events_of_a_key_stay_in_order_through_the_backlog_and_a_crash(void **state) {
    struct engine_fixture *f = *state;
    start(f, TENANTS("key = \"json:/key\""));
    offer_many(f, "a", MANY, 700);
    offer_many(f, "b", MANY, 3);
    engine_check(f);
    crash(f);
    engine_check(f);
    resume(f);
    while (count_published(f, "a") <= 500) {
        assert_int_equal(turn(f), 0);
    }
    assert_true(count_published(f, "a") < MANY);
    crash(f);
    engine_check(f);
    offer_many(f, "a", 700, 700);
    assert_int_equal(count_published(f, "b"), MANY);
    assert_int_equal(count_published(f, "a"), MANY + 700);
    assert_all_done(f, 2 * MANY + 700);
}

static void the_order_of_a_key_is_that_of_arrival(void **state) {
    struct engine_fixture *f = *state;
    start(f, TENANTS("key = \"json:/key\""));
    offer_many(f, "a", 2100, 700);
    offer_many(f, "b", MANY, 700);
    offer_many(f, "a", 0, 700);
    hold(f, false);
    run_dry(f);
    assert_in_order(f, "a", 700);
    assert_in_order(f, "b", 700);
}

static void a_backlog_is_worked_off_after_fair_is_gone(void **state) {
    struct engine_fixture *f = *state;
    start(f, TENANTS("order = none"));
    offer_many(f, "a", MANY, 50);
    fixture_conf(f, "service \"t\" { subscribe = {\"t/+\"} handler = \"h.lua\" }\n");
    restart(f);
    hold(f, false);
    run_dry(f);
    assert_int_equal(count_published(f, "a"), MANY);
    assert_all_done(f, MANY);
}

static void a_backlog_from_before_is_dealt_once_fair_is_there(void **state) {
    struct engine_fixture *f = *state;
    start(f, "service \"t\" { subscribe = {\"t/+\"} handler = \"h.lua\" }\n");
    offer_many(f, "a", MANY, 50);
    offer_of(f, "b", "b", 0);
    run_dry(f);
    fixture_conf(f, TENANTS("order = none concurrency = 1"));
    restart(f);
    run_dry(f);
    engine_check(f);
    assert_true(service_status(f, "t").queued > MANY / 2);
    hold(f, false);
    assert_true(others_before(f, "b", 1, "a") <= 2);
    assert_all_done(f, MANY + 1);
}

/* More tenants than the window has places; the last ones begin outside of it. */
#define OTHERS                                                                                     \
    "service \"u\" { subscribe = {\"t/+\"} handler = \"h.lua\" fair = \"json:/tenant\" order = "   \
    "none }\n"

static void a_backlog_whose_turns_were_lost_can_be_moved(void **state) {
    struct engine_fixture *f = *state;
    start(f, TENANTS("order = none"));
    offer_many(f, "a", SERVICE_WINDOW_MAX, 50);
    fixture_stop(f);
    fixture_conf(f, OTHERS);
    fixture_start(f);
    assert_true(count_rows(f, TABLE_TENANT) > 0);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_empty(f->store, TABLE_TENANT), 0);
    assert_int_equal(store_commit(f->store), 0);
    struct command move = {.kind = COMMAND_MOVE, .service = slice_of("t"), .name = slice_of("u")};
    assert_int_equal(command(f, move), 0);
    run_dry(f);
    advance(f, 70000);
    assert_books(f, "u",
                 (struct books){.accepted = SERVICE_WINDOW_MAX, .done = SERVICE_WINDOW_MAX});
    assert_int_equal(count_rows(f, TABLE_LANE) + count_rows(f, TABLE_READY), 0);
}

static void very_many_tenants_all_have_their_turns(void **state) {
    struct engine_fixture *f = *state;
    start(f, TENANTS("order = none"));
    for (int i = 0; i < 2 * SERVICE_WINDOW_MAX; i++) {
        char tenant[16];
        (void)snprintf(tenant, sizeof tenant, "t%d", i);
        for (int n = 0; n < 3; n++) {
            offer_of(f, tenant, tenant, n);
        }
        if (i % 300 == 299) {
            run_dry(f);
        }
    }
    run_dry(f);
    engine_check(f);
    hold(f, false);
    assert_all_done(f, (uint64_t)6 * SERVICE_WINDOW_MAX);
}

static void events_without_a_tenant_share_the_turns_of_one(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, TENANTS("order = none concurrency = 1"),
                "return function(e) zing.publish('out', e.payload) end");
    hold(f, true);
    for (int i = 0; i < 10; i++) {
        offer(f, "t", "t/x", i % 2 == 0 ? "not json" : "{}", NULL);
    }
    offer_of(f, "a", "a", 0);
    offer_of(f, "a", "a", 1);
    run_dry(f);
    hold(f, false);
    char out[512];
    assert_non_null(strstr(payloads(f, "out", out, sizeof out), "\"n\":0} {} {\"tenant\""));
}

static void events_of_a_tenant_that_slept_wait_for_its_turn(void **state) {
    struct engine_fixture *f = *state;
    f->unchecked = true;
    fixture_run(f, TENANTS("order = none concurrency = 1"),
                "return function(e) if e.json.tenant == 'a' then zing.sleep('1s') end "
                "zing.publish(e.json.tenant, e.payload) end");
    offer_many(f, "a", MANY, 50);
    assert_int_equal(service_status(f, "t").sleeping, MANY);
    hold(f, true);
    advance(f, 60000);
    engine_check(f);
    assert_true(service_status(f, "t").queued > MANY - SERVICE_WINDOW_MAX);
    offer_of(f, "b", "b", 0);
    run_dry(f);
    hold(f, false);
    assert_true(others_before(f, "b", 1, "a") <= 2);
    assert_all_done(f, MANY + 1);
}

/* --- limits of keys --- */

#define KEYS(options)                                                                              \
    "service \"t\" { subscribe = {\"t/+\"} handler = \"h.lua\" key = \"json:/key\" " options " }"  \
    "\n"

static void a_key_without_order_has_no_more_attempts_at_once_than_its_concurrency(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYS("order = none key_concurrency = 2"),
                "return function(e) zing.http.get('http://x/' .. e.json.key) "
                "zing.publish('out', e.json.key) end");
    for (int n = 0; n < 4; n++) {
        offer_of(f, "x", "a", n);
    }
    offer_of(f, "x", "b", 0);
    run_dry(f);
    assert_int_equal(f->asked_count, 3);
    assert_string_equal(f->asked[1].url, "http://x/b");
    assert_int_equal(service_status(f, "t").keys_held, 1);
    for (size_t i = 0; i < 5; i++) {
        answer(f, i, 200, "");
        run_dry(f);
        assert_int_equal(f->asked_count, i < 2 ? 4 : 5);
    }
    assert_all_done(f, 5);
}

static void the_rate_of_a_key_holds_with_order_and_without(void **state) {
    static const char *const confs[] = {KEYS("key_rate = \"10/s\""),
                                        KEYS("order = none key_rate = \"10/s\"")};
    struct engine_fixture *f = *state;
    fixture_script(f, "h.lua", "return function(e) zing.publish(e.json.key, e.payload) end");
    for (size_t i = 0; i < 2; i++) {
        forget_published(f);
        fixture_conf(f, confs[i]);
        assert_int_equal(fixture_try_start(f), 0);
        f->now_ms += 1000;
        for (int n = 0; n < 30; n++) {
            offer_of(f, "x", n % 3 == 0 ? "a" : "b", n);
        }
        run_dry(f);
        advance(f, 495);
        assert_in_range(count_published(f, "a"), 4, 6);
        assert_in_range(count_published(f, "b"), 4, 6);
        restart(f);
        advance(f, 495);
        assert_in_range(count_published(f, "b"), 9, 11);
        advance(f, 2000);
        assert_int_equal(count_published(f, "b"), 20);
    }
}

static void a_throttle_of_a_key_holds_that_key_alone_over_a_restart(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYS("order = none"),
                "return function(e) if e.json.key == 'a' and zing.now() < 1700000010 then "
                "zing.throttle('20s', {key = true}) end zing.publish(e.json.key, e.payload) end");
    offer_of(f, "x", "a", 0);
    run_dry(f);
    offer_of(f, "x", "a", 1);
    offer_of(f, "x", "b", 0);
    run_dry(f);
    assert_int_equal(count_published(f, "b"), 1);
    advance(f, 15000);
    assert_int_equal(count_published(f, "a"), 0);
    restart(f);
    run_dry(f);
    assert_int_equal(service_status(f, "t").throttled_until_ms, 0);
    assert_int_equal(count_published(f, "a"), 0);
    advance(f, 5000);
    assert_int_equal(count_published(f, "a"), 2);
    run_dry(f);
    assert_books(f, "t", (struct books){.accepted = 3, .done = 3, .throttles = 1});
}

static void a_throttle_of_a_key_needs_one(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, "service \"t\" { subscribe = {\"t/+\"} handler = \"h.lua\" retries = 0 }\n",
                "return function(e) zing.throttle('20s', {key = true}) end");
    deliver(f, "t", "t/x", "1");
    assert_non_null(strstr(reason_of(f, "t", "1", text), "needs a key"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_hundred_tenants_with_one_event_each_pass_a_backlog_of_100000),
        ENGINE_TEST(they_do_in_a_service_with_order_and_after_a_crash),
        ENGINE_TEST(tenants_with_large_backlogs_have_equal_shares),
        ENGINE_TEST(events_of_a_key_stay_in_order_through_the_backlog_and_a_crash),
        ENGINE_TEST(the_order_of_a_key_is_that_of_arrival),
        ENGINE_TEST(a_backlog_is_worked_off_after_fair_is_gone),
        ENGINE_TEST(a_backlog_from_before_is_dealt_once_fair_is_there),
        ENGINE_TEST(a_backlog_whose_turns_were_lost_can_be_moved),
        ENGINE_TEST(very_many_tenants_all_have_their_turns),
        ENGINE_TEST(events_without_a_tenant_share_the_turns_of_one),
        ENGINE_TEST(events_of_a_tenant_that_slept_wait_for_its_turn),
        ENGINE_TEST(a_key_without_order_has_no_more_attempts_at_once_than_its_concurrency),
        ENGINE_TEST(the_rate_of_a_key_holds_with_order_and_without),
        ENGINE_TEST(a_throttle_of_a_key_holds_that_key_alone_over_a_restart),
        ENGINE_TEST(a_throttle_of_a_key_needs_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
