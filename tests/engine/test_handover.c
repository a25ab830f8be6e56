/* test_handover.c - from service to service, and to the broker: once each, whatever goes down. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char NOTHING[] = "return function() end";
static const char CHAIN[] =
    "service \"first\" { subscribe = {\"one\"} handler = \"first.lua\" }\n"
    "service \"second\" { subscribe = {\"two\"} handler = \"second.lua\" }\n";

static void run_chain(struct engine_fixture *f) {
    fixture_script(f, "first.lua", "return function(e) zing.publish('two', e.payload .. '+') end");
    fixture_script(f, "second.lua",
                   "return function(e) zing.publish('three', e.payload .. '+') end");
    fixture_conf(f, CHAIN);
    fixture_start(f);
}

/* --- local hand-over --- */

static void a_chain_of_two_services_takes_one_commit(void **state) {
    struct engine_fixture *f = *state;
    run_chain(f);
    run_dry(f);
    uint64_t commits = status(f).commits;
    offer(f, "first", "one", "x", NULL);
    assert_int_equal(turn(f), 0);
    assert_int_equal(status(f).commits, commits + 1);
    assert_int_equal(state_of(f, "second", "x+"), EVENT_DONE);
    assert_string_equal(nth_published(f, "three", 0)->payload, "x++");
    assert_books(f, "second", (struct books){.accepted = 1, .done = 1});
}

static void the_brokers_copy_names_the_services_served_and_they_skip_it(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    run_chain(f);
    deliver(f, "first", "one", "x");
    assert_string_equal(f->published[0].topic, "two");
    assert_string_equal(published_property(&f->published[0], "zingq-handled", text), "second");
    offer_copy(f, "second", 0);
    run_dry(f);
    advance(f, 1000);
    assert_books(f, "second", (struct books){.accepted = 1, .done = 1, .handed_over = 1});
    assert_int_equal(count_published(f, "three"), 1);
}

static void a_skipped_copy_is_counted_though_nothing_else_happens(void **state) {
    struct engine_fixture *f = *state;
    run_chain(f);
    deliver(f, "first", "one", "x");
    advance(f, 1000);
    offer_copy(f, "second", 0);
    assert_int_equal(turn(f), 0);
    restart(f);
    assert_int_equal(service_status(f, "second").books.handed_over, 1);
}

static void the_copy_names_cause_and_hops(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    char id_text[UUID_TEXT_BYTES + 1];
    run_chain(f);
    deliver(f, "first", "one", "x");
    struct uuid first = id_of(f, "first", "x");
    struct uuid second = id_of(f, "second", "x+");
    const struct published *two = nth_published(f, "two", 0);
    const struct published *three = nth_published(f, "three", 0);
    assert_string_equal(published_property(two, "zingq-cause", text), uuid_text(&first, id_text));
    assert_string_equal(published_property(two, "zingq-hops", text), "1");
    assert_string_equal(published_property(two, "zingq-id", text), uuid_text(&second, id_text));
    assert_string_equal(published_property(three, "zingq-cause", text),
                        uuid_text(&second, id_text));
    assert_string_equal(published_property(three, "zingq-hops", text), "2");
    struct event *event = event_with(f, "second", "x+");
    assert_true(uuid_equal(&event->cause, &first));
    assert_int_equal(event->hops, 1);
    event_free(event);
}

static void several_services_are_served_from_one_publish(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_script(f, "n.lua", NOTHING);
    fixture_run(f,
                "service \"src\" { subscribe = {\"in\"} handler = \"h.lua\" }\n"
                "service \"a\" { subscribe = {\"all/+\"} handler = \"n.lua\" }\n"
                "service \"b\" { subscribe = {\"all/#\"} handler = \"n.lua\" }\n"
                "service \"c\" { subscribe = {\"all/x\"} handler = \"n.lua\" share = no }\n",
                "return function() zing.publish('all/x', '1') end");
    deliver(f, "src", "in", "go");
    assert_string_equal(published_property(nth_published(f, "all/x", 0), "zingq-handled", text),
                        "a,b");
    /* A broadcast service gets its copy from the broker, as every host does. */
    assert_books(f, "c", (struct books){0});
    offer_copy(f, "c", 0);
    offer_copy(f, "b", 0);
    run_dry(f);
    assert_books(f, "a", (struct books){.accepted = 1, .done = 1});
    assert_books(f, "b", (struct books){.accepted = 1, .done = 1, .handed_over = 1});
    assert_books(f, "c", (struct books){.accepted = 1, .done = 1});
}

static void a_key_given_with_the_publish_reaches_both_ways(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_script(f, "n.lua", NOTHING);
    fixture_run(f,
                "service \"src\" { subscribe = {\"in\"} handler = \"h.lua\" }\n"
                "service \"dst\" { subscribe = {\"to\"} handler = \"n.lua\" key = \"json:/k\" }\n",
                "return function() zing.publish('to', {k = 'rule'}, {key = 'given'}) end");
    deliver(f, "src", "in", "go");
    assert_string_equal(published_property(nth_published(f, "to", 0), "zingq-key", text), "given");
    struct event *event = event_with(f, "dst", "{\"k\":\"rule\"}");
    assert_true(slice_is(event->key, "given"));
    event_free(event);
}

static void traceparent_is_passed_on_unless_the_handler_gives_one(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, "service \"s\" { subscribe = {\"in\"} handler = \"h.lua\" }\n",
                LUA(traceparent_is_passed_on_unless_the_handler_gives_one));
    offer(f, "s", "in", "go", "traceparent",
          "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "other", "x", NULL);
    run_dry(f);
    assert_string_equal(published_property(nth_published(f, "a", 0), "traceparent", text),
                        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_string_equal(published_property(nth_published(f, "b", 0), "traceparent", text), "mine");
    assert_string_equal(published_property(nth_published(f, "a", 0), "other", text), "");
}

static void loops_end_as_a_dead_letter(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, "service \"s\" { subscribe = {\"loop\"} handler = \"h.lua\" }\n",
                "return function(e) zing.publish('loop', 'round') end");
    deliver(f, "s", "loop", "start");
    struct books books = service_status(f, "s").books;
    assert_int_equal(books.done, HOPS_MAX + 1);
    assert_int_equal(books.dead, 1);
    assert_int_equal(books.accepted, HOPS_MAX + 2);
}

static void what_cannot_be_handed_over_is_the_receivers_dead_letter(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                "service \"src\" { subscribe = {\"in\"} handler = \"h.lua\" }\n"
                "service \"dst\" { subscribe = {\"to\"} handler = \"h.lua\" key = \"json:/k\" }\n",
                "return function() zing.publish('to', 'no json') zing.publish('more', '') end");
    deliver(f, "src", "in", "go");
    assert_books(f, "src", (struct books){.accepted = 1, .done = 1});
    assert_books(f, "dst", (struct books){.accepted = 1, .dead = 1});
    assert_int_equal(count_published(f, "more"), 1);
}

static void a_handler_that_fails_hands_nothing_over(void **state) {
    struct engine_fixture *f = *state;
    fixture_script(f, "first.lua", LUA(a_handler_that_fails_hands_nothing_over));
    fixture_script(f, "second.lua", "return function(e) end");
    fixture_conf(f, CHAIN);
    fixture_start(f);
    deliver(f, "first", "one", "x");
    char text[512];
    assert_int_equal(f->published_count, 0);
    assert_books(f, "second", (struct books){0});
    assert_string_equal(state_text(f, "first", "", "n", text), "none");
    assert_int_equal(count_rows(f, TABLE_APPEND), 0);
}

/* --- the outbox --- */

static void publishes_wait_while_the_broker_is_away(void **state) {
    struct engine_fixture *f = *state;
    f->offline = true;
    run_chain(f);
    deliver(f, "first", "one", "x");
    assert_int_equal(f->published_count, 0);
    assert_books(f, "second", (struct books){.accepted = 1, .done = 1});
    assert_int_equal(status(f).outbox, 2);
    connect_again(f);
    assert_int_equal(turn(f), 0);
    assert_int_equal(f->published_count, 2);
    advance(f, 1000);
    assert_int_equal(status(f).outbox, 0);
    assert_int_equal(count_rows(f, TABLE_OUTBOX), 0);
}

static void what_was_not_acknowledged_goes_again_under_its_id(void **state) {
    struct engine_fixture *f = *state;
    char first[512];
    char again[512];
    f->hold_acks = true;
    run_chain(f);
    deliver(f, "second", "two", "x");
    disconnect(f);
    connect_again(f);
    run_dry(f);
    assert_int_equal(count_sent(f, "three"), 2);
    assert_string_equal(published_property(nth_sent(f, "three", 0), "zingq-id", first),
                        published_property(nth_sent(f, "three", 1), "zingq-id", again));
    assert_int_equal(status(f).outbox, 1);
}

static void a_crash_before_the_acknowledgement_sends_again_under_the_id(void **state) {
    struct engine_fixture *f = *state;
    char first[512];
    char again[512];
    f->hold_acks = true;
    run_chain(f);
    deliver(f, "second", "two", "x");
    crash(f);
    f->hold_acks = false;
    run_dry(f);
    assert_int_equal(count_sent(f, "three"), 2);
    assert_string_equal(published_property(nth_sent(f, "three", 0), "zingq-id", first),
                        published_property(nth_sent(f, "three", 1), "zingq-id", again));
    advance(f, 1000);
    assert_int_equal(count_rows(f, TABLE_OUTBOX), 0);
    /* Whoever got both takes one. */
    offer_copy(f, "first", 0);
    offer_copy(f, "first", 1);
    run_dry(f);
    assert_int_equal(service_status(f, "first").books.duplicates, 1);
}

static void a_refused_publish_is_counted_and_kept(void **state) {
    struct engine_fixture *f = *state;
    f->hold_acks = true;
    run_chain(f);
    deliver(f, "second", "two", "x");
    answer_publish(f, 0, 0x87);
    advance(f, 1000);
    assert_int_equal(status(f).outbox_refused, 1);
    assert_int_equal(count_rows(f, TABLE_OUTBOX), 1);
    f->hold_acks = false;
    advance(f, OUTBOX_RETRY_MS);
    run_dry(f);
    advance(f, 1000);
    assert_int_equal(count_sent(f, "three"), 2);
    assert_int_equal(count_rows(f, TABLE_OUTBOX), 0);
}

static void publishes_of_one_key_leave_in_order(void **state) {
    struct engine_fixture *f = *state;
    char out[4096];
    fixture_run(f,
                "service \"s\" { subscribe = {\"in\"} handler = \"h.lua\" key = \"property:k\" }\n",
                "return function(e) zing.publish('out', e.payload) end");
    f->hold_acks = true;
    for (int i = 10; i < 40; i++) {
        char payload[16];
        (void)snprintf(payload, sizeof payload, "%d", i);
        offer(f, "s", "in", payload, "k", "same", NULL);
        if (i % 7 == 0) {
            run_dry(f);
        }
    }
    run_dry(f);
    disconnect(f);
    forget_published(f);
    f->hold_acks = false;
    connect_again(f);
    run_dry(f);
    assert_string_equal(
        payloads(f, "out", out, sizeof out),
        "10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 "
        "35 36 37 38 39");
}

/* --- delayed publishes --- */

static void a_delayed_publish_leaves_at_its_time_also_after_a_crash(void **state) {
    struct engine_fixture *f = *state;
    fixture_script(f, "n.lua", NOTHING);
    fixture_run(f,
                "service \"s\" { subscribe = {\"in\"} handler = \"h.lua\" }\n"
                "service \"t\" { subscribe = {\"later\"} handler = \"n.lua\" }\n",
                LUA(a_delayed_publish_leaves_at_its_time_also_after_a_crash));
    deliver(f, "s", "in", "go");
    assert_int_equal(status(f).delayed, 2);
    assert_int_equal(count_published(f, "later"), 0);
    crash(f);
    assert_int_equal(status(f).delayed, 2);
    advance(f, 29999);
    assert_int_equal(count_published(f, "later"), 0);
    advance(f, 1);
    assert_string_equal(nth_published(f, "later", 0)->payload, "at");
    assert_int_equal(state_of(f, "t", "at"), EVENT_DONE);
    advance(f, 29999);
    assert_int_equal(count_published(f, "later"), 1);
    advance(f, 1);
    assert_string_equal(nth_published(f, "later", 1)->payload, "after");
    assert_int_equal(status(f).delayed, 0);
}

static void a_reply_goes_to_the_response_topic_with_its_correlation(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, "service \"s\" { subscribe = {\"in\"} handler = \"h.lua\" }\n",
                "return function(e) zing.reply({ok = true}) end");
    struct event_bytes bytes = {.topic = slice_of("in"),
                                .payload = slice_of("q"),
                                .response_topic = slice_of("answers/7"),
                                .correlation = slice_of("c7")};
    assert_int_equal(engine_offer(f->engine, 0, &bytes, (struct offer){.qos = 1}), 0);
    run_dry(f);
    assert_string_equal(nth_published(f, "answers/7", 0)->payload, "{\"ok\":true}");
}

/* Each death is announced, and policies publish: nothing of that may get into the copy. */
static void the_copy_of_what_died_on_admission_is_skipped_and_no_duplicate(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_script(f, "d.lua", "return function(e) zing.publish('told', e.id) end");
    fixture_script(f, "n.lua", NOTHING);
    fixture_run(
        f,
        "limits { payload = \"1KiB\" }\n"
        "service \"a\" { subscribe = {\"to\"} handler = \"n.lua\" key = \"json:/k\"\n"
        "              dead_letter = \"d.lua\" }\n"
        "service \"b\" { subscribe = {\"to\", \"zingq/dlq/a\"} handler = \"n.lua\" }\n"
        "service \"c\" { subscribe = {\"to\"} handler = \"n.lua\" idempotency = \"json:/k\" }\n",
        NOTHING);
    static char large[2048];
    memset(large, 'x', sizeof large - 1);
    const char *const payloads[] = {"no json", "{}", large};
    for (size_t i = 0; i < 3; i++) {
        struct command c = {.kind = COMMAND_PUBLISH,
                            .topic = slice_of("to"),
                            .payload = slice_of(payloads[i]),
                            .qos = 1};
        assert_int_equal(command(f, c), 0);
        run_dry(f);
        const struct published *p = nth_published(f, "to", i);
        assert_string_equal(published_property(p, "zingq-handled", text), "a,b,c");
        offer_copy(f, "a", (size_t)(p - f->published));
        offer_copy(f, "b", (size_t)(p - f->published));
        offer_copy(f, "c", (size_t)(p - f->published));
        run_dry(f);
    }
    assert_books(f, "a", (struct books){.accepted = 3, .dead = 3, .died = 3, .handed_over = 3});
    assert_books(f, "c", (struct books){.accepted = 3, .dead = 3, .died = 3, .handed_over = 3});
    assert_int_equal(service_status(f, "b").books.duplicates, 0);
    assert_int_equal(service_status(f, "b").books.handed_over, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_chain_of_two_services_takes_one_commit),
        ENGINE_TEST(the_brokers_copy_names_the_services_served_and_they_skip_it),
        ENGINE_TEST(a_skipped_copy_is_counted_though_nothing_else_happens),
        ENGINE_TEST(the_copy_names_cause_and_hops),
        ENGINE_TEST(several_services_are_served_from_one_publish),
        ENGINE_TEST(a_key_given_with_the_publish_reaches_both_ways),
        ENGINE_TEST(traceparent_is_passed_on_unless_the_handler_gives_one),
        ENGINE_TEST(loops_end_as_a_dead_letter),
        ENGINE_TEST(what_cannot_be_handed_over_is_the_receivers_dead_letter),
        ENGINE_TEST(the_copy_of_what_died_on_admission_is_skipped_and_no_duplicate),
        ENGINE_TEST(a_handler_that_fails_hands_nothing_over),
        ENGINE_TEST(publishes_wait_while_the_broker_is_away),
        ENGINE_TEST(what_was_not_acknowledged_goes_again_under_its_id),
        ENGINE_TEST(a_crash_before_the_acknowledgement_sends_again_under_the_id),
        ENGINE_TEST(a_refused_publish_is_counted_and_kept),
        ENGINE_TEST(publishes_of_one_key_leave_in_order),
        ENGINE_TEST(a_delayed_publish_leaves_at_its_time_also_after_a_crash),
        ENGINE_TEST(a_reply_goes_to_the_response_topic_with_its_correlation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
