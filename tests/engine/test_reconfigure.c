/* test_reconfigure.c - another topics.conf for an engine that runs: nothing is lost, doubled or out of
 * order, and everything new counts. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

#define SERVICE(name, options)                                                                     \
    "service \"" name "\" { subscribe = {\"" name "\"} handler = \"h.lua\" retries = 0 "           \
    "timeout = \"1h\" " options " }\n"

static void reconfigure(struct engine_fixture *f, const char *conf) {
    fixture_conf(f, conf);
    assert_int_equal(fixture_reconfigure(f), 0);
}

/* Of a service that topics.conf need not have. */
static size_t index_of(const struct engine_fixture *f, uint16_t number) {
    size_t index = 0;
    assert_true(engine_service_by_number(f->engine, number, &index));
    return index;
}

static void offer_by_number(struct engine_fixture *f, uint16_t number, const char *payload) {
    const struct event_bytes bytes = {.topic = slice_of("in"), .payload = slice_of(payload)};
    const struct offer how = {.qos = 1};
    assert_int_equal(engine_offer(f->engine, index_of(f, number), &bytes, how), 0);
}

static struct engine_service_status status_by_number(struct engine_fixture *f, uint16_t number) {
    struct engine_service_status s;
    assert_int_equal(engine_service_status(f->engine, index_of(f, number), &s), 0);
    return s;
}

/* --- services that come and go --- */

static void a_new_service_gets_its_events_and_the_others_keep_theirs(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("one", ""), LUA(counts));
    deliver(f, "one", "one", "a");
    reconfigure(f, SERVICE("zero", "") SERVICE("one", ""));
    deliver(f, "zero", "zero", "b");
    deliver(f, "one", "one", "c");
    assert_books(f, "zero", (struct books){.accepted = 1, .done = 1});
    assert_books(f, "one", (struct books){.accepted = 2, .done = 2});
    char text[64];
    assert_string_equal(payloads(f, "out/one", text, sizeof text), "1 2");
}

static void what_waits_runs_in_order_once(void **state) {
    struct engine_fixture *f = *state;
    char text[64];
    fixture_run(f, SERVICE("s", "key = \"topic:1\""), LUA(echoes));
    struct command pause = {.kind = COMMAND_PAUSE, .service = slice_of("s")};
    assert_int_equal(command(f, pause), 0);
    deliver(f, "s", "s", "1");
    deliver(f, "s", "s", "2");
    reconfigure(f, SERVICE("other", "") SERVICE("s", "key = \"topic:1\""));
    deliver(f, "s", "s", "3");
    struct command resume = {.kind = COMMAND_RESUME, .service = slice_of("s")};
    assert_int_equal(command(f, resume), 0);
    assert_string_equal(payloads(f, "out", text, sizeof text), "1 2 3");
    assert_books(f, "s", (struct books){.accepted = 3, .done = 3});
}

static void a_removed_service_keeps_what_arrives_and_runs_it_when_it_is_back(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("one", "") SERVICE("two", ""), LUA(counts));
    uint16_t number = engine_service_number(f->engine, service_index(f, "two"));
    reconfigure(f, SERVICE("one", ""));
    offer_by_number(f, number, "a"); /* the broker still delivers it */
    run_dry(f);
    struct engine_service_status two = status_by_number(f, number);
    assert_true(two.removed);
    assert_int_equal(two.books.accepted, 1);
    assert_int_equal(two.books.done, 0);
    reconfigure(f, SERVICE("one", "") SERVICE("two", ""));
    run_dry(f);
    assert_books(f, "two", (struct books){.accepted = 1, .done = 1});
}

static void a_renamed_service_takes_over_what_the_old_name_had(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("one", ""), LUA(counts));
    deliver(f, "one", "one", "a");
    reconfigure(f, SERVICE("uno", "was = {\"one\"}"));
    deliver(f, "uno", "one", "b");
    assert_string_equal(nth_published(f, "out/uno", 0)->payload, "2");
    assert_books(f, "uno", (struct books){.accepted = 2, .done = 2});
}

/* --- what changes --- */

static void new_options_count_from_the_next_event_on(void **state) {
    struct engine_fixture *f = *state;
    fixture_script(f, "other.lua",
                   "return function(e) zing.publish('other', zing.config.word) end");
    fixture_run(f, "vars { word = \"old\" }\n" SERVICE("s", ""), LUA(echoes));
    deliver(f, "s", "s", "1");
    reconfigure(f, "vars { word = \"new\" }\nservice \"s\" { subscribe = {\"s\"} "
                   "handler = \"other.lua\" key = \"json:/k\" }\n");
    deliver(f, "s", "s", "{\"k\":\"x\"}");
    deliver(f, "s", "s", "{}");
    assert_string_equal(nth_published(f, "other", 0)->payload, "new");
    assert_books(f, "s", (struct books){.accepted = 3, .done = 2, .dead = 1, .died = 1});
}

static void a_new_schedule_ticks_and_one_that_is_gone_does_not(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                "schedule \"a\" { cron = \"* * * * *\" publish = \"s\" payload = \"a\" }\n" SERVICE(
                    "s", ""),
                LUA(echoes));
    advance(f, 60000);
    reconfigure(
        f, "schedule \"b\" { cron = \"* * * * *\" publish = \"s\" payload = \"b\" }\n" SERVICE("s",
                                                                                               ""));
    char text[64];
    advance(f, 120000);
    assert_string_equal(payloads(f, "out", text, sizeof text), "a b b");
}

static void a_tick_that_falls_into_it_is_not_missed(void **state) {
    struct engine_fixture *f = *state;
    static const char tick[] =
        "schedule \"a\" { cron = \"* * * * *\" publish = \"p\" missed = skip }\n";
    char conf[512];
    fixture_run(f, tick, LUA(echoes));
    advance(f, 60000);
    size_t before = count_published(f, "p");
    advance(f, 39000); /* a minute begins 100 s after the start */
    f->now_ms += 2000;
    f->monotonic_us += 2000000;
    (void)snprintf(conf, sizeof conf, "%s%s", tick, SERVICE("s", ""));
    reconfigure(f, conf);
    run_dry(f);
    assert_int_equal(before, 1);
    assert_int_equal(count_published(f, "p"), 2);
}

static void more_concurrency_lets_more_run(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("s", "concurrency = 1"), LUA(calls));
    deliver(f, "s", "s", "1");
    deliver(f, "s", "s", "2");
    assert_int_equal(f->asked_count, 1);
    reconfigure(f, SERVICE("s", "concurrency = 2"));
    run_dry(f);
    assert_int_equal(f->asked_count, 3); /* the first again, and the second */
}

static void figures_since_the_start_go_on(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("s", "priority = \"json:/p\""), LUA(echoes));
    deliver(f, "s", "s", "{\"p\":10}");
    reconfigure(f, SERVICE("other", "") SERVICE("s", "priority = \"json:/p\""));
    deliver(f, "s", "s", "{\"p\":11}");
    assert_int_equal(service_status(f, "s").bad_priorities, 2);
}

/* --- calls and publishes under way --- */

static void an_attempt_may_end_first_and_messages_are_accepted_meanwhile(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("s", ""), LUA(calls));
    deliver(f, "s", "s", "1");
    engine_rest(f->engine, 5000);
    assert_true(engine_accepts(f->engine));
    deliver(f, "s", "s", "2");
    assert_int_equal(f->asked_count, 1); /* nothing new starts */
    answer(f, 0, 200, "");
    run_dry(f);
    assert_int_equal(engine_running(f->engine), 0);
    reconfigure(f, SERVICE("s", "") SERVICE("t", ""));
    run_dry(f);
    assert_int_equal(f->asked_count, 2);
    answer(f, 1, 200, "");
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 2, .done = 2});
}

static void a_call_that_is_cut_counts_as_nothing_and_is_made_under_its_key(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("s", ""), LUA(calls));
    deliver(f, "s", "s", "x");
    engine_rest(f->engine, 5000);
    advance(f, 5000);
    assert_false(f->asked[0].open);
    reconfigure(f, SERVICE("s", "") SERVICE("t", ""));
    run_dry(f);
    assert_int_equal(f->asked_count, 2);
    assert_string_equal(f->asked[0].headers, f->asked[1].headers);
    assert_true(f->asked[0].id != f->asked[1].id);
    assert_string_equal(history_of(f, "s", "x", text), "");
    answer(f, 1, 200, "");
    run_dry(f);
    assert_string_equal(nth_published(f, "out", 0)->payload, "{\"attempt\":1,\"status\":200}");
    assert_books(f, "s", (struct books){.accepted = 1, .done = 1});
}

static void publishes_in_flight_are_not_sent_again(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("s", ""), LUA(echoes));
    f->hold_acks = true;
    deliver(f, "s", "s", "1");
    deliver(f, "s", "s", "2");
    reconfigure(f, SERVICE("s", "") SERVICE("t", ""));
    run_dry(f);
    assert_int_equal(count_sent(f, "out"), 2);
    acknowledge(f);
    run_dry(f);
    assert_int_equal(status(f).outbox, 0);
}

/* --- what does not fit --- */

static void a_name_that_does_not_fit_the_store_changes_nothing(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("one", ""), LUA(counts));
    deliver(f, "one", "one", "a");
    reconfigure(f, SERVICE("uno", "was = {\"one\"}"));
    fixture_conf(f, SERVICE("uno", "") SERVICE("two", "") SERVICE("one", ""));
    assert_int_equal(fixture_reconfigure(f), ERR_INVALID);
    assert_non_null(strstr(f->report.text, "had this name before"));
    deliver(f, "uno", "one", "b");
    assert_books(f, "uno", (struct books){.accepted = 2, .done = 2});
}

static void a_crash_after_it_finds_the_new_services(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("one", ""), LUA(counts));
    deliver(f, "one", "one", "a");
    reconfigure(f, SERVICE("two", "") SERVICE("one", ""));
    deliver(f, "two", "two", "b");
    crash(f);
    run_dry(f);
    assert_books(f, "two", (struct books){.accepted = 1, .done = 1});
    assert_books(f, "one", (struct books){.accepted = 1, .done = 1});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_new_service_gets_its_events_and_the_others_keep_theirs),
        ENGINE_TEST(what_waits_runs_in_order_once),
        ENGINE_TEST(a_removed_service_keeps_what_arrives_and_runs_it_when_it_is_back),
        ENGINE_TEST(a_renamed_service_takes_over_what_the_old_name_had),
        ENGINE_TEST(new_options_count_from_the_next_event_on),
        ENGINE_TEST(a_new_schedule_ticks_and_one_that_is_gone_does_not),
        ENGINE_TEST(a_tick_that_falls_into_it_is_not_missed),
        ENGINE_TEST(more_concurrency_lets_more_run),
        ENGINE_TEST(figures_since_the_start_go_on),
        ENGINE_TEST(an_attempt_may_end_first_and_messages_are_accepted_meanwhile),
        ENGINE_TEST(a_call_that_is_cut_counts_as_nothing_and_is_made_under_its_key),
        ENGINE_TEST(publishes_in_flight_are_not_sent_again),
        ENGINE_TEST(a_name_that_does_not_fit_the_store_changes_nothing),
        ENGINE_TEST(a_crash_after_it_finds_the_new_services),
    };
    return cmocka_run_group_tests_name("reconfigure", tests, NULL, NULL);
}
