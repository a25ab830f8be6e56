/* test_stand_in.c - the engine of a host that stands in for another one, which is away: of what it
 * takes in its place, the other one's part waits for it.
 */
#include "hosts_world.h"
#include "test.h"

#include <stdio.h>

#define WAITS "return function(e) zing.state.set('seen', zing.wait('go', '1h')) end\n"

/* Host 1 stands in for host 2: it gets that host's copies beside its own. */
static void of_the_signals_of_a_host_that_is_away_its_own_alone_wait_for_it(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, WAITS);
    struct engine_fixture *f = host_at(w, 1);
    (void)state;
    for (uint16_t owner = 1; owner <= 2; owner++) {
        char key[16];
        char topic[64];
        (void)snprintf(topic, sizeof topic, "zingq/signal/s/%s/go", key_of(w, "s", owner, 0, key));
        struct event_bytes bytes = {.topic = slice_of(topic), .payload = slice_of("1")};
        assert_int_equal(engine_offer_signal(f->engine, service_index(f, "s"), &bytes, 0), 0);
        assert_int_equal(engine_offer_signal(f->engine, service_index(f, "s"), &bytes, 2), 0);
    }
    run_dry(f);
    assert_int_equal(count_rows(f, TABLE_SIGNAL), 1);
    assert_int_equal(forwards_of(w, 1), 1);
    hosts_advance(w, 2000);
    assert_int_equal(count_rows(f, TABLE_SIGNAL), 1);
    assert_int_equal(count_rows(host_at(w, 2), TABLE_SIGNAL), 1);
    assert_int_equal(forwards_of(w, 1), 0);
    hosts_world_free(w);
}

/* Host 2 had stored it, and the broker not its acknowledgement: it comes again, to who stands in. */
static void a_signal_with_an_identity_comes_once_to_its_host_and_to_who_stands_in(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, WAITS);
    char key[16];
    char topic[64];
    struct buf properties;
    (void)state;
    buf_init(&properties, 1024);
    property_add(&properties, slice_of("idempotency-key"), slice_of("evt-1"));
    (void)snprintf(topic, sizeof topic, "zingq/signal/s/%s/go", key_of(w, "s", 2, 0, key));
    struct event_bytes bytes = {
        .topic = slice_of(topic), .payload = slice_of("1"), .properties = buf_slice(&properties)};
    size_t s = service_index(host_at(w, 2), "s");
    assert_int_equal(engine_offer_signal(host_at(w, 2)->engine, s, &bytes, 0), 0);
    run_dry(host_at(w, 2));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(engine_offer_signal(host_at(w, 1)->engine, s, &bytes, 2), 0);
        hosts_advance(w, 2000);
    }
    assert_int_equal(count_rows(host_at(w, 2), TABLE_SIGNAL), 1);
    assert_int_equal(forwards_of(w, 1), 0);
    buf_clear(&properties);
    hosts_world_free(w);
}

/* An event without a key waits at the host that has it, so each host's copy is for itself. */
static void a_signal_of_a_service_without_keys_waits_for_the_host_whose_copy_it_is(void **state) {
    struct hosts_world *w = hosts_world_new(
        2, "service \"s\" { subscribe = {\"in\"} handler = \"h.lua\" }\n", "return function() end");
    (void)state;
    struct event_bytes bytes = {.topic = slice_of("zingq/signal/s//go"), .payload = slice_of("1")};
    assert_int_equal(engine_offer_signal(host_at(w, 1)->engine, 0, &bytes, 2), 0);
    hosts_pass(w);
    assert_int_equal(count_rows(host_at(w, 1), TABLE_SIGNAL), 0);
    assert_int_equal(count_rows(host_at(w, 2), TABLE_SIGNAL), 1);
    hosts_world_free(w);
}

static void offer_for(struct engine_fixture *f, const char *payload, uint16_t host) {
    struct event_bytes bytes = {.topic = slice_of("in"), .payload = slice_of(payload)};
    const struct offer how = {.qos = 1, .host = host};
    assert_int_equal(engine_offer(f->engine, service_index(f, "s"), &bytes, how), 0);
}

/* share = no: each host has a copy of its own. */
static void a_copy_that_is_a_hosts_own_waits_for_that_host_and_runs_there(void **state) {
    struct hosts_world *w = hosts_world_new(
        3, "service \"s\" { subscribe = {\"in\"} handler = \"h.lua\" share = no }\n",
        "return function() end");
    (void)state;
    offer_for(host_at(w, 1), "{}", 0);
    offer_for(host_at(w, 1), "{}", 3);
    hosts_advance(w, 2000);
    assert_books(host_at(w, 1), "s", (struct books){.accepted = 1, .done = 1});
    assert_books(host_at(w, 2), "s", (struct books){.accepted = 0});
    assert_books(host_at(w, 3), "s", (struct books){.accepted = 1, .done = 1});
    assert_int_equal(forwards_of(w, 1), 0);
    hosts_world_free(w);
}

/* What is shared goes by its key, whoever was dealt it. */
static void an_event_that_was_dealt_to_it_goes_to_the_host_of_its_key(void **state) {
    struct hosts_world *w = hosts_world_new(3, KEYED, NOTES);
    char key[16];
    char text[512];
    (void)state;
    for (uint16_t owner = 1; owner <= 3; owner++) {
        (void)snprintf(text, sizeof text, "{\"k\":\"%s\",\"v\":\"a\"}",
                       key_of(w, "s", owner, 0, key));
        offer_for(host_at(w, 1), text, 3);
    }
    hosts_advance(w, 2000);
    for (uint16_t owner = 1; owner <= 3; owner++) {
        assert_string_equal(seen_at(w, owner, key_of(w, "s", owner, 0, key), text), "\"a \"");
    }
    hosts_world_free(w);
}

static void what_is_no_signal_is_no_dead_letter_of_who_stands_in(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, WAITS);
    (void)state;
    struct event_bytes bytes = {.topic = slice_of("zingq/signal/s/%zz/go"),
                                .payload = slice_of("1")};
    assert_int_equal(engine_offer_signal(host_at(w, 1)->engine, 0, &bytes, 2), 0);
    hosts_pass(w);
    assert_books(host_at(w, 1), "s", (struct books){.accepted = 0});
    assert_int_equal(forwards_of(w, 1), 0);
    hosts_world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_the_signals_of_a_host_that_is_away_its_own_alone_wait_for_it),
        cmocka_unit_test(a_signal_with_an_identity_comes_once_to_its_host_and_to_who_stands_in),
        cmocka_unit_test(a_signal_of_a_service_without_keys_waits_for_the_host_whose_copy_it_is),
        cmocka_unit_test(a_copy_that_is_a_hosts_own_waits_for_that_host_and_runs_there),
        cmocka_unit_test(an_event_that_was_dealt_to_it_goes_to_the_host_of_its_key),
        cmocka_unit_test(what_is_no_signal_is_no_dead_letter_of_who_stands_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
