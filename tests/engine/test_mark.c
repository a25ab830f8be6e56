/* test_mark.c - what a message says of itself is believed when a host of ours said it. */
#include "hosts_world.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static const char NOTHING[] = "return function() end";
static const char PAIR[] = "service \"first\" { subscribe = {\"one\"} handler = \"first.lua\" }\n"
                           "service \"second\" { subscribe = {\"two\"} handler = \"h.lua\" }\n";
static const char ONE[] = "service \"s\" { subscribe = {\"in\", \"up\"} handler = \"h.lua\" }\n";

/* As offer_copy, with another topic, id or list of services than the publish had, NULL: the same. */
struct changes {
    const char *topic, *id, *handled;
};

static void offer_changed(struct engine_fixture *to, const char *service, const struct published *p,
                          struct changes c) {
    char id[512];
    char handled[512];
    char mark[512];
    offer(to, service, c.topic == NULL ? p->topic : c.topic, p->payload, "zingq-id",
          c.id == NULL ? published_property(p, "zingq-id", id) : c.id, "zingq-handled",
          c.handled == NULL ? published_property(p, "zingq-handled", handled) : c.handled,
          "zingq-mark", published_property(p, "zingq-mark", mark), NULL);
    run_dry(to);
}

/* "first" has published an event that "second" was handed. */
static const struct published *hand_over(struct engine_fixture *f) {
    fixture_script(f, "first.lua", "return function(e) zing.publish('two', e.payload) end");
    fixture_run(f, PAIR, NOTHING);
    deliver(f, "first", "one", "x");
    return nth_published(f, "two", 0);
}

static void a_strangers_word_that_an_event_was_handled_is_not_believed(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, ONE, NOTHING);
    offer(f, "s", "in", "a", "zingq-handled", "s", NULL);
    offer(f, "s", "in", "b", "zingq-handled", "s", "zingq-id",
          "0192a3b4-c5d6-7e8f-8a9b-0c1d2e3f4a5b", "zingq-mark", "00112233445566778899aabbccddeeff",
          NULL);
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 2, .done = 2});
}

static void a_mark_fits_one_message_only(void **state) {
    static const char other[] = "0192a3b4-c5d6-7e8f-8a9b-0c1d2e3f4a5b";
    struct engine_fixture *f = *state;
    const struct published *p = hand_over(f);
    offer_changed(f, "second", p, (struct changes){NULL});
    assert_books(f, "second", (struct books){.accepted = 1, .done = 1, .handed_over = 1});
    offer_changed(f, "second", p, (struct changes){.id = other});
    offer_changed(f, "second", p, (struct changes){.topic = "three"});
    offer_changed(f, "second", p, (struct changes){.handled = "second,first"});
    assert_books(f, "second",
                 (struct books){.accepted = 4, .done = 2, .duplicates = 2, .handed_over = 1});
}

static void marks_are_believed_after_a_restart(void **state) {
    struct engine_fixture *f = *state;
    (void)hand_over(f);
    restart(f);
    offer_copy(f, "second", 0);
    run_dry(f);
    assert_books(f, "second", (struct books){.accepted = 1, .done = 1, .handed_over = 1});
}

static void
a_copy_of_a_host_with_the_same_secret_is_skipped_and_of_a_stranger_it_is_not(void **state) {
    struct hosts_world *w =
        hosts_world_new(2, "service \"s\" { subscribe = {\"in\", \"to\"} handler = \"h.lua\" }\n",
                        "return function(e) if e.topic == 'in' then zing.publish('to', 1) end end");
    (void)state;
    offer(host_at(w, 1), "s", "in", "x", NULL);
    hosts_pass(w);
    const struct published *p = nth_published(host_at(w, 1), "to", 0);
    offer_changed(host_at(w, 2), "s", p, (struct changes){NULL});
    assert_books(host_at(w, 2), "s", (struct books){.handed_over = 1});
    offer_changed(host_at(w, 2), "s", p, (struct changes){.handled = "s,t"});
    hosts_pass(w);
    assert_int_equal(status(host_at(w, 2)).forwards_taken + status(host_at(w, 1)).forwards_taken +
                         service_status(host_at(w, 2), "s").books.accepted,
                     1);
    hosts_world_free(w);
}

static void hosts_whose_marks_cannot_be_checked_are_believed(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, ONE, NOTHING);
    engine_trust_hosts(f->engine, true);
    offer(f, "s", "in", "a", "zingq-handled", "s", NULL);
    engine_trust_hosts(f->engine, false);
    offer(f, "s", "in", "a", "zingq-handled", "s", NULL);
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 1, .done = 1, .handed_over = 1});
}

static void keys_divided_without_a_secret_are_those_of_hosts_that_are_believed(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    (void)snprintf(text, sizeof text, "hosts { count = 2 this = 1 }\n%s", ONE);
    fixture_run(f, text, NOTHING);
    offer(f, "s", "in", "a", "zingq-handled", "s", NULL);
    run_dry(f);
    assert_books(f, "s", (struct books){.handed_over = 1});
}

/* --- keys that win over a rule --- */

#define TICKS                                                                                      \
    "schedule \"tidy\" { cron = \"* * * * *\" publish = \"up\" payload = \"{\\\"id\\\":1}\" }\n"   \
    "service \"s\" { subscribe = {\"up\"} handler = \"h.lua\" key = \"json:/id\"\n"                \
    "              idempotency = \"json:/id\" }\n"

static void each_tick_of_a_schedule_runs_whatever_the_rule_reads(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, TICKS, NOTHING);
    advance(f, 180000);
    assert_int_equal(count_published(f, "up"), 3);
    for (size_t i = 0; i < 3; i++) { /* what another host sends is known by the same keys */
        char id[512];
        char once[512];
        char mark[512];
        const struct published *p = nth_published(f, "up", i);
        offer(f, "s", "up", p->payload, "zingq-schedule", "tidy", "zingq-id",
              published_property(p, "zingq-id", id), "idempotency-key",
              published_property(p, "idempotency-key", once), "zingq-mark",
              published_property(p, "zingq-mark", mark), NULL);
    }
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 6, .done = 3, .duplicates = 3});
}

static void ticks_reach_the_host_of_their_key_once_each(void **state) {
    struct hosts_world *w = hosts_world_new(2, TICKS, NOTHING);
    (void)state;
    hosts_advance(w, 240000);
    uint64_t ticks = count_published(host_at(w, 1), "up") + count_published(host_at(w, 2), "up");
    assert_int_equal(ticks, 4);
    assert_int_equal(service_status(host_at(w, 1), "s").books.done +
                         service_status(host_at(w, 2), "s").books.done,
                     4);
    hosts_world_free(w);
}

static void a_strangers_tick_does_not_win_over_the_rule(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, TICKS, NOTHING);
    for (int i = 0; i < 3; i++) {
        char once[64];
        (void)snprintf(once, sizeof once, "schedule/tidy/2099-05-01T13:00:0%dZ", i);
        offer(f, "s", "up", "{\"id\":2}", "zingq-schedule", "tidy", "idempotency-key", once, NULL);
    }
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 3, .done = 1, .duplicates = 2});
}

static void each_death_of_an_event_is_announced_whatever_the_rule_reads(void **state) {
    struct engine_fixture *f = *state;
    fixture_script(f, "fails.lua", "return function() zing.reject('no') end");
    fixture_run(f,
                "service \"f\" { subscribe = {\"in\"} handler = \"fails.lua\" }\n"
                "service \"s\" { subscribe = {\"zingq/dlq/f\"} handler = \"h.lua\"\n"
                "              idempotency = \"json:/id\" }\n",
                NOTHING);
    deliver(f, "f", "in", "{\"id\":1}");
    struct uuid id = id_of(f, "f", "{\"id\":1}");
    advance(f, 1000);
    assert_int_equal(command(f, (struct command){.kind = COMMAND_REPLAY, .id = id}), 0);
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 2, .done = 2});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_strangers_word_that_an_event_was_handled_is_not_believed),
        ENGINE_TEST(a_mark_fits_one_message_only),
        ENGINE_TEST(marks_are_believed_after_a_restart),
        cmocka_unit_test(
            a_copy_of_a_host_with_the_same_secret_is_skipped_and_of_a_stranger_it_is_not),
        ENGINE_TEST(hosts_whose_marks_cannot_be_checked_are_believed),
        ENGINE_TEST(keys_divided_without_a_secret_are_those_of_hosts_that_are_believed),
        ENGINE_TEST(each_tick_of_a_schedule_runs_whatever_the_rule_reads),
        cmocka_unit_test(ticks_reach_the_host_of_their_key_once_each),
        ENGINE_TEST(a_strangers_tick_does_not_win_over_the_rule),
        ENGINE_TEST(each_death_of_an_event_is_announced_whatever_the_rule_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
