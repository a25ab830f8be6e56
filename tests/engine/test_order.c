/* test_order.c - the events of a key run in arrival order: through failures, spills and restarts.
 */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"
#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_up(void **state) {
    struct engine_fixture *f = fixture_new();
    f->unchecked = true; /* many events: looked at when the test says so */
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture_free(*state);
    return 0;
}

#define SERVICE(options)                                                                           \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" jitter = 0 key = "                 \
    "\"property:k\" " options " }\n"

static void offer_numbers(struct engine_fixture *f, const char *key, unsigned from, unsigned to) {
    for (unsigned i = from; i < to; i++) {
        char payload[16];
        (void)snprintf(payload, sizeof payload, "%u", i);
        offer(f, "s", "in", payload, "k", key, NULL);
        if (i % TURN_EVENTS_MAX == TURN_EVENTS_MAX - 1) {
            assert_int_equal(turn(f), 0);
        }
    }
    assert_int_equal(turn(f), 0);
}

/* The key's numbers from `from` to `to` came out, each once, in order. */
static void assert_in_order(const struct engine_fixture *f, const char *key, unsigned from,
                            unsigned to) {
    char topic[64];
    unsigned expected = from;
    (void)snprintf(topic, sizeof topic, "out/%s", key);
    for (size_t i = 0; i < f->published_count; i++) {
        if (!f->published[i].again && strcmp(f->published[i].topic, topic) == 0) {
            assert_int_equal(strtoul(f->published[i].payload, NULL, 10), expected);
            expected++;
        }
    }
    assert_int_equal(expected, to);
}

static void block(struct engine_fixture *f, const char *key) {
    offer(f, "s", "in", "0?", "k", key, NULL);
    run_dry(f);
}

static void a_key_keeps_its_order_after_a_retry_with_followers(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("delay = \"5s\""), LUA(HANDLER));
    offer(f, "s", "in", "0!", "k", "a", NULL);
    offer_numbers(f, "a", 1, 20);
    offer_numbers(f, "b", 0, 5);
    run_dry(f);
    engine_check(f);
    assert_in_order(f, "a", 0, 0);
    assert_in_order(f, "b", 0, 5);
    offer_numbers(f, "a", 20, 30);
    advance(f, 5000);
    engine_check(f);
    assert_in_order(f, "a", 0, 30);
}

static void every_follower_that_fails_waits_its_turn(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("delay = \"5s\""), LUA(HANDLER));
    for (int i = 0; i < 10; i++) {
        char payload[16];
        (void)snprintf(payload, sizeof payload, "%d!", i);
        offer(f, "s", "in", payload, "k", "a", NULL);
    }
    run_dry(f);
    advance(f, 60000);
    engine_check(f);
    assert_in_order(f, "a", 0, 10);
}

static void more_events_than_a_lane_holds_wait_on_disk_in_order(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    block(f, "a");
    offer_numbers(f, "a", 1, LANE_QUEUE_MAX + 500);
    run_dry(f);
    engine_check(f);
    offer_numbers(f, "a", LANE_QUEUE_MAX + 500, LANE_QUEUE_MAX + 600);
    answer(f, 0, 200, "");
    run_dry(f);
    engine_check(f);
    assert_in_order(f, "a", 0, LANE_QUEUE_MAX + 600);
}

static void a_spilled_lane_keeps_its_order_over_a_crash(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    block(f, "a");
    offer_numbers(f, "a", 1, LANE_QUEUE_MAX + 500);
    run_dry(f);
    engine_check(f);
    crash(f);
    run_dry(f);
    offer_numbers(f, "a", LANE_QUEUE_MAX + 500, LANE_QUEUE_MAX + 600);
    run_dry(f);
    answer(f, f->asked_count - 1, 200, "");
    run_dry(f);
    engine_check(f);
    assert_in_order(f, "a", 0, LANE_QUEUE_MAX + 600);
}

static void a_spilled_lane_that_was_half_run_keeps_its_order_over_a_crash(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    block(f, "a");
    offer_numbers(f, "a", 1, 100);
    offer(f, "s", "in", "100?", "k", "a", NULL);
    offer_numbers(f, "a", 101, LANE_QUEUE_MAX * 2);
    answer(f, 0, 200, "");
    run_dry(f);
    assert_in_order(f, "a", 0, 100);
    engine_check(f);
    crash(f);
    run_dry(f);
    answer(f, f->asked_count - 1, 200, "");
    run_dry(f);
    engine_check(f);
    assert_in_order(f, "a", 0, LANE_QUEUE_MAX * 2);
}

static void a_spilled_lane_whose_head_retries_keeps_its_order(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("delay = \"5s\""), LUA(HANDLER));
    offer(f, "s", "in", "0!", "k", "a", NULL);
    offer_numbers(f, "a", 1, LANE_QUEUE_MAX * 2);
    run_dry(f);
    engine_check(f);
    advance(f, 4000);
    offer_numbers(f, "a", LANE_QUEUE_MAX * 2, LANE_QUEUE_MAX * 2 + 10);
    crash(f);
    advance(f, 1000);
    engine_check(f);
    assert_in_order(f, "a", 0, LANE_QUEUE_MAX * 2 + 10);
}

static const char *key_name(unsigned i, char out[16]) {
    (void)snprintf(out, 16, "k%u", i);
    return out;
}

/* `count` events for each of `keys` keys, dealt in turn. */
static void deal(struct engine_fixture *f, unsigned keys, unsigned from, unsigned to) {
    char key[16];
    for (unsigned n = from; n < to; n++) {
        for (unsigned k = 0; k < keys; k++) {
            char payload[16];
            (void)snprintf(payload, sizeof payload, "%u", n);
            offer(f, "s", "in", payload, "k", key_name(k, key), NULL);
        }
        assert_int_equal(turn(f), 0);
    }
}

static void more_events_than_a_service_holds_wait_on_disk_in_order(void **state) {
    struct engine_fixture *f = *state;
    char key[16];
    unsigned keys = SERVICE_WINDOW_MAX / 8;
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    command(f, (struct command){.kind = COMMAND_PAUSE, .service = slice_of("s")});
    deal(f, keys, 0, 12);
    run_dry(f);
    engine_check(f);
    assert_int_equal(status(f).waiting, 12 * keys);
    command(f, (struct command){.kind = COMMAND_RESUME, .service = slice_of("s")});
    run_dry(f);
    engine_check(f);
    for (unsigned k = 0; k < keys; k++) {
        assert_in_order(f, key_name(k, key), 0, 12);
    }
}

static void a_window_on_disk_keeps_its_order_over_a_crash_in_the_middle(void **state) {
    struct engine_fixture *f = *state;
    char key[16];
    unsigned keys = SERVICE_WINDOW_MAX / 8;
    fixture_run(f, SERVICE("rate = \"1000/s\""), LUA(HANDLER));
    deal(f, keys, 0, 12);
    for (int i = 0; i < 5; i++) {
        advance(f, 300);
        crash(f);
    }
    deal(f, keys, 12, 14);
    advance(f, 10000);
    engine_check(f);
    for (unsigned k = 0; k < keys; k++) {
        assert_in_order(f, key_name(k, key), 0, 14);
    }
}

/* --- nobody starves --- */

static void one_key_with_a_great_backlog_starves_no_other(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("rate = \"100/s\""), LUA(HANDLER));
    offer_numbers(f, "hot", 0, SERVICE_WINDOW_MAX * 2);
    offer_numbers(f, "cold", 0, 1);
    advance(f, 200);
    assert_in_order(f, "cold", 0, 1);
}

/* Keys whose handlers wait long fill the window; a key that came later must still get its turn. */
static void many_slow_keys_with_backlogs_starve_no_other(void **state) {
    struct engine_fixture *f = *state;
    char key[16];
    fixture_run(f, SERVICE("timeout = \"1h\""), LUA(HANDLER));
    for (unsigned k = 0; k < 8; k++) {
        block(f, key_name(k, key));
    }
    for (unsigned k = 0; k < 8; k++) {
        offer_numbers(f, key_name(k, key), 1, LANE_QUEUE_MAX);
    }
    run_dry(f);
    for (unsigned i = 0; i < 50; i++) {
        (void)snprintf(key, sizeof key, "cold%u", i);
        offer_numbers(f, key, 0, 1);
    }
    advance(f, 1000);
    for (unsigned i = 0; i < 50; i++) {
        (void)snprintf(key, sizeof key, "cold%u", i);
        assert_in_order(f, key, 0, 1);
    }
    engine_check(f);
}

static void a_noisy_service_starves_no_other(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                SERVICE("") "service \"t\" { subscribe = {\"t\"} handler = \"h.lua\" "
                            "key = \"property:k\" }\n",
                LUA(HANDLER));
    for (unsigned i = 0; i < TURN_EVENTS_MAX * 2; i++) {
        char key[16];
        offer(f, "s", "in", "1", "k", key_name(i, key), NULL);
    }
    offer(f, "t", "t", "0", "k", "quiet", NULL);
    assert_int_equal(turn(f), 0);
    assert_int_equal(count_published(f, "out/quiet"), 1);
}

/* --- unordered --- */

static void without_order_a_failing_event_holds_up_nobody(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("order = none delay = \"5s\""), LUA(HANDLER));
    offer(f, "s", "in", "0!", "k", "a", NULL);
    offer(f, "s", "in", "1", "k", "a", NULL);
    run_dry(f);
    assert_string_equal(payloads(f, "out/a", text, sizeof text), "1");
    crash(f);
    advance(f, 5000);
    assert_string_equal(payloads(f, "out/a", text, sizeof text), "1 0");
    engine_check(f);
}

static void without_order_counts_of_one_key_add_up(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("order = none"), LUA(without_order_counts_of_one_key_add_up));
    for (int i = 0; i < 50; i++) {
        offer(f, "s", "in", "x", "k", "a", NULL);
    }
    run_dry(f);
    assert_int_equal(f->asked_count, 50);
    for (size_t i = 50; i-- > 0;) {
        answer(f, i, 200, "");
    }
    run_dry(f);
    assert_string_equal(state_text(f, "s", "a", "n", text), "100");
}

int main(void) {
#define ORDER_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ORDER_TEST(a_key_keeps_its_order_after_a_retry_with_followers),
        ORDER_TEST(every_follower_that_fails_waits_its_turn),
        ORDER_TEST(more_events_than_a_lane_holds_wait_on_disk_in_order),
        ORDER_TEST(a_spilled_lane_keeps_its_order_over_a_crash),
        ORDER_TEST(a_spilled_lane_that_was_half_run_keeps_its_order_over_a_crash),
        ORDER_TEST(a_spilled_lane_whose_head_retries_keeps_its_order),
        ORDER_TEST(more_events_than_a_service_holds_wait_on_disk_in_order),
        ORDER_TEST(a_window_on_disk_keeps_its_order_over_a_crash_in_the_middle),
        ORDER_TEST(one_key_with_a_great_backlog_starves_no_other),
        ORDER_TEST(many_slow_keys_with_backlogs_starve_no_other),
        ORDER_TEST(a_noisy_service_starves_no_other),
        ORDER_TEST(without_order_a_failing_event_holds_up_nobody),
        ORDER_TEST(without_order_counts_of_one_key_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
