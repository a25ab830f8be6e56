/* test_accept.c - a message becomes an event: durable first, once, under its key. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char CONF[] = "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" }\n";
static const char KEYED[] =
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"json:/k\" }\n";

/* --- durable first --- */

static void nothing_is_acknowledged_or_published_before_the_turn(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, CONF, LUA(ECHO));
    run_dry(f);
    offer(f, "s", "in/a", "1", NULL);
    assert_true(engine_due(f->engine));
    assert_int_equal(f->published_count, 0);
    assert_int_equal(count_rows(f, TABLE_EVENT), 0);
}

static void an_event_is_accepted_run_and_published_in_one_turn(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, CONF, LUA(ECHO));
    run_dry(f);
    uint64_t commits = status(f).commits;
    offer(f, "s", "in/a", "hello", NULL);
    assert_int_equal(turn(f), 0);
    assert_int_equal(status(f).commits, commits + 1);
    assert_int_equal(state_of(f, "s", "hello"), EVENT_DONE);
    assert_string_equal(nth_published(f, "out", 0)->payload, "hello");
    assert_books(f, "s", (struct books){.accepted = 1, .done = 1});
}

static void what_was_acknowledged_survives_a_crash(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" }", LUA(ECHO));
    command(f, (struct command){.kind = COMMAND_PAUSE, .service = slice_of("s")});
    for (int i = 0; i < 10; i++) {
        char payload[16];
        (void)snprintf(payload, sizeof payload, "%d", i);
        offer(f, "s", "in/a", payload, NULL);
    }
    assert_int_equal(turn(f), 0);
    offer(f, "s", "in/a", "not acknowledged", NULL);
    crash(f);
    assert_int_equal(count_events(f, "s", EVENT_READY), 10);
    assert_int_equal(redeliver(f), 1);
    command(f, (struct command){.kind = COMMAND_RESUME, .service = slice_of("s")});
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 11, .done = 11});
    assert_int_equal(count_published(f, "out"), 11);
}

static void an_idle_engine_makes_no_commits(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, CONF, LUA(ECHO));
    deliver(f, "s", "in/a", "1");
    advance(f, 1000);
    uint64_t commits = status(f).commits;
    advance(f, 50000);
    assert_in_range(status(f).commits - commits, 0, 1);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(turn(f), 0);
    }
    assert_in_range(status(f).commits - commits, 0, 1);
}

static void looking_for_old_events_makes_no_commits(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                "store { keep_done = \"10s\" }\n"
                "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" }\n",
                LUA(ECHO));
    deliver(f, "s", "in/a", "1");
    advance(f, 20000);
    assert_int_equal(count_rows(f, TABLE_EVENT), 0);
    struct engine_status before = status(f);
    advance(f, 50000);
    assert_in_range(status(f).turns - before.turns, 100, 10000);
    assert_in_range(status(f).commits - before.commits, 0, 1); /* the time, once a minute */
}

/* --- duplicates --- */

static void duplicates_by_the_services_rule_are_dropped_and_counted(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\""
                " idempotency = \"json:/id\" }",
                LUA(ECHO));
    deliver(f, "s", "in/a", "{\"id\":\"b-1\"}");
    deliver(f, "s", "in/a", "{\"id\":\"b-1\",\"again\":true}");
    deliver(f, "s", "in/b", "{\"id\":\"b-1\"}"); /* another topic */
    deliver(f, "s", "in/a", "{\"id\":\"b-2\"}");
    assert_books(f, "s", (struct books){.accepted = 4, .done = 3, .duplicates = 1});
    assert_int_equal(count_published(f, "out"), 3);
}

static void duplicates_within_one_turn_are_found(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, CONF, LUA(ECHO));
    for (int i = 0; i < 5; i++) {
        offer(f, "s", "in/a", "{}", "idempotency-key", "b-1", NULL);
    }
    assert_int_equal(turn(f), 0);
    assert_books(f, "s", (struct books){.accepted = 5, .done = 1, .duplicates = 4});
}

static void the_rule_wins_over_what_a_publisher_says(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\""
                " idempotency = \"json:/id\" }",
                LUA(ECHO));
    offer(f, "s", "in/a", "{\"id\":1}", "idempotency-key", "x", NULL);
    offer(f, "s", "in/a", "{\"id\":1}", "idempotency-key", "y", NULL);
    offer(f, "s", "in/a", "{\"id\":2}", "idempotency-key", "x", NULL);
    offer(f, "s", "in/a", "{}", "idempotency-key", "z", NULL); /* claims nothing */
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 4, .done = 2, .dead = 1, .duplicates = 1});
}

static void duplicates_by_zingq_id_are_found_whatever_its_form(void **state) {
    struct engine_fixture *f = *state;
    static const char *const ids[] = {"0192f0c1-aaaa-7bbb-8ccc-0123456789ab", "order-7"};
    fixture_run(f, CONF, LUA(ECHO));
    for (int i = 0; i < 4; i++) {
        offer(f, "s", "in/a", "{}", "zingq-id", ids[i % 2], NULL);
        run_dry(f);
    }
    assert_books(f, "s", (struct books){.accepted = 4, .done = 2, .duplicates = 2});
}

static void a_uuid_that_came_as_zingq_id_names_the_event(void **state) {
    struct engine_fixture *f = *state;
    static const char text[] = "018bcfe5-6800-7bbb-8ccc-0123456789ab";
    char out[UUID_TEXT_BYTES + 1];
    fixture_run(f, CONF, "return function(e) zing.publish('out', e.id) end");
    offer(f, "s", "in/a", "p", "zingq-id", text, NULL);
    run_dry(f);
    struct uuid id = id_of(f, "s", "p");
    assert_string_equal(uuid_text(&id, out), text);
    assert_string_equal(nth_published(f, "out", 0)->payload, text);
}

static void duplicates_are_remembered_over_a_crash_for_the_configured_time(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                "store { keep_idempotency = \"1h\" }\n"
                "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" }",
                LUA(ECHO));
    offer(f, "s", "in/a", "{}", "idempotency-key", "b-1", NULL);
    run_dry(f);
    crash(f);
    advance(f, 59 * 60 * 1000);
    offer(f, "s", "in/a", "{}", "idempotency-key", "b-1", NULL);
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 2, .done = 1, .duplicates = 1});
    advance(f, 20 * 60 * 1000);
    offer(f, "s", "in/a", "{}", "idempotency-key", "b-1", NULL);
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 3, .done = 2, .duplicates = 1});
}

static void a_duplicate_is_one_for_as_long_as_the_first_has_not_ended(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(
        f,
        "store { keep_idempotency = \"2s\" }\n"
        "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" idempotency = \"json:/id\" }",
        "return function() zing.sleep('1h') end");
    offer(f, "s", "in/a", "{\"id\":1}", NULL);
    for (uint64_t i = 1; i <= 5; i++) {
        advance(f, 11 * 60 * 1000);
        if (i == 3) {
            crash(f);
        }
        offer(f, "s", "in/a", "{\"id\":1}", NULL);
        run_dry(f);
        assert_books(f, "s", (struct books){.accepted = 1 + i, .duplicates = i});
    }
    advance(f, 6 * 60 * 1000);
    offer(f, "s", "in/a", "{\"id\":1}", NULL);
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 7, .done = 1, .duplicates = 5});
}

static void each_service_remembers_its_keys_for_its_own_time(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(
        f,
        "store { keep_idempotency = \"1h\" }\n"
        "service \"a\" { subscribe = {\"in\"} handler = \"h.lua\" idempotency = \"json:/id\" }\n"
        "service \"b\" { subscribe = {\"in\"} handler = \"h.lua\" idempotency = \"json:/id\"\n"
        "              keep_idempotency = \"1m\" }\n"
        "service \"c\" { subscribe = {\"in\"} handler = \"h.lua\" idempotency = \"json:/id\"\n"
        "              keep_idempotency = \"2d\" }\n",
        "return function() end");
    static const char *const names[] = {"a", "b", "c"};
    static const int64_t waits_ms[] = {0, 61 * 1000, 3600 * 1000, 46 * 3600 * 1000};
    for (size_t i = 0; i < 4; i++) {
        advance(f, waits_ms[i]);
        for (size_t s = 0; s < 3; s++) {
            offer(f, names[s], "in", "{\"id\":1}", NULL);
        }
        run_dry(f);
    }
    assert_books(f, "a", (struct books){.accepted = 4, .done = 3, .duplicates = 1});
    assert_books(f, "b", (struct books){.accepted = 4, .done = 4});
    assert_books(f, "c", (struct books){.accepted = 4, .done = 1, .duplicates = 3});
}

static void a_duplicate_of_a_failing_event_is_a_duplicate_too(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, CONF, "return function() error('no') end");
    offer(f, "s", "in/a", "{}", "idempotency-key", "b-1", NULL);
    run_dry(f);
    offer(f, "s", "in/a", "{}", "idempotency-key", "b-1", NULL);
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 2, .duplicates = 1, .retries = 1});
}

static void two_services_take_one_message_each(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(
        f,
        "service \"a\" { subscribe = {\"in\"} handler = \"h.lua\" idempotency = \"json:/id\" }\n"
        "service \"b\" { subscribe = {\"in\"} handler = \"h.lua\" idempotency = \"json:/id\" }\n",
        LUA(ECHO));
    offer(f, "a", "in", "{\"id\":1}", NULL);
    offer(f, "b", "in", "{\"id\":1}", NULL);
    run_dry(f);
    assert_books(f, "a", (struct books){.accepted = 1, .done = 1});
    assert_books(f, "b", (struct books){.accepted = 1, .done = 1});
}

/* The scope of an idempotency key is service, topic and key, wherever the keys' partitions lie. */
static void the_same_idempotency_key_under_another_key_is_another_event(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED, LUA(ECHO));
    for (int i = 0; i < 200; i++) {
        char payload[32];
        (void)snprintf(payload, sizeof payload, "{\"k\":%d}", i);
        offer(f, "s", "in/a", payload, "idempotency-key", "b-1", NULL);
    }
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 200, .done = 200});
}

/* --- keys --- */

static const char SHOW_KEY[] = "return function(e) zing.publish('out', e.key) end";

static void keys_are_read_by_rule(void **state) {
    struct engine_fixture *f = *state;
    char out[256];
    fixture_run(
        f,
        "service \"j\" { subscribe = {\"j\"} handler = \"h.lua\" key = \"json:/a/0\" }\n"
        "service \"t\" { subscribe = {\"t/#\"} handler = \"h.lua\" key = \"topic:2\" }\n"
        "service \"p\" { subscribe = {\"p\"} handler = \"h.lua\" key = \"property:tenant\" }\n",
        SHOW_KEY);
    offer(f, "j", "j", "{\"a\":[17]}", NULL);
    offer(f, "t", "t/x/y", "no json", NULL);
    offer(f, "p", "p", "", "tenant", "acme", NULL);
    run_dry(f);
    /* Services take turns in the order of topics.conf. */
    assert_string_equal(payloads(f, "out", out, sizeof out), "17 x acme");
}

static void a_key_given_by_the_publisher_wins_over_the_rule(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED, SHOW_KEY);
    offer(f, "s", "in/a", "{\"k\":\"rule\"}", "zingq-key", "given", NULL);
    run_dry(f);
    assert_string_equal(nth_published(f, "out", 0)->payload, "given");
}

static void assert_dead(struct engine_fixture *f, const char *payload, const char *reason) {
    char text[512];
    assert_int_equal(state_of(f, "s", payload), EVENT_DEAD);
    assert_string_equal(reason_of(f, "s", payload, text), reason);
}

static void a_message_without_its_key_is_a_dead_letter_that_says_so(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED, LUA(ECHO));
    deliver(f, "s", "in/a", "{\"x\":1}");
    deliver(f, "s", "in/a", "{\"k\":{}}");
    deliver(f, "s", "in/a", "{\"k\":\"fine\"}");
    assert_dead(f, "{\"x\":1}", "no value at /k in the payload");
    assert_dead(f, "{\"k\":{}}",
                "the value at /k is an object, a key must be a string or an integer");
    assert_books(f, "s", (struct books){.accepted = 3, .done = 1, .dead = 2});
    assert_int_equal(count_published(f, "zingq/dlq/s"), 2);
    char text[512];
    assert_string_equal(
        published_property(nth_published(f, "zingq/dlq/s", 0), "zingq-reason", text),
        "no value at /k in the payload");
    assert_string_equal(published_property(nth_published(f, "zingq/dlq/s", 0), "zingq-topic", text),
                        "in/a");
}

static void malformed_json_is_a_dead_letter_that_says_where(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, KEYED, LUA(ECHO));
    deliver(f, "s", "in/a", "{\"k\":");
    assert_non_null(strstr(reason_of(f, "s", "{\"k\":", text), "payload is not JSON"));
    assert_books(f, "s", (struct books){.accepted = 1, .dead = 1});
}

static void a_malformed_message_that_comes_twice_is_one_dead_letter(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED, LUA(ECHO));
    for (unsigned i = 0; i < 2; i++) { /* the broker's copy, after a PUBACK that was lost */
        offer(f, "s", "in/a", "{\"k\":", "zingq-id", "m-1", NULL);
        run_dry(f);
    }
    assert_books(f, "s", (struct books){.accepted = 2, .dead = 1, .duplicates = 1});
}

static void a_malformed_message_may_come_again_mended(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEYED, LUA(ECHO));
    offer(f, "s", "in/a", "{\"k\":", "zingq-id", "m-1", NULL);
    offer(f, "s", "in/a", "{\"k\":\"x\"}", "zingq-id", "m-1", NULL);
    run_dry(f);
    assert_books(f, "s", (struct books){.accepted = 2, .done = 1, .dead = 1});
}

static void json_that_only_the_handler_reads_is_a_dead_letter_not_a_retry(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, CONF, "return function(e) return e.json.x end");
    deliver(f, "s", "in/a", "{nonsense");
    assert_non_null(strstr(reason_of(f, "s", "{nonsense", text), "payload is not JSON"));
    assert_string_equal(history_of(f, "s", "{nonsense", text), "reject");
    assert_books(f, "s", (struct books){.accepted = 1, .dead = 1});
}

static void a_payload_over_the_limit_is_a_dead_letter(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f,
                "limits { payload = \"100\" }\n"
                "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" }",
                LUA(ECHO));
    char big[102];
    memset(big, 'x', 101);
    big[101] = '\0';
    deliver(f, "s", "in/a", big);
    assert_string_equal(reason_of(f, "s", big, text),
                        "the payload has 101 bytes, limits.payload is 100");
    big[100] = '\0';
    deliver(f, "s", "in/a", big);
    assert_books(f, "s", (struct books){.accepted = 2, .done = 1, .dead = 1});
}

static void a_missing_idempotency_value_is_a_dead_letter(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\""
                " idempotency = \"json:/id\" }",
                LUA(ECHO));
    deliver(f, "s", "in/a", "{}");
    assert_dead(f, "{}", "no value at /id in the payload");
}

static void a_topic_no_handler_is_for_is_a_dead_letter(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, CONF, "return { ['in/a'] = function() end }");
    deliver(f, "s", "in/b", "1");
    assert_non_null(strstr(reason_of(f, "s", "1", text), "in/b"));
}

/* Two services that listen to everything and can use none of it: one bad message must not breed. */
static void dead_letters_about_dead_letters_are_not_announced(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                "service \"a\" { subscribe = {\"#\"} handler = \"h.lua\" key = \"json:/k\" }\n"
                "service \"b\" { subscribe = {\"#\"} handler = \"h.lua\" key = \"json:/k\" }\n"
                "service \"c\" { subscribe = {\"#\"} handler = \"h.lua\" key = \"json:/k\" }\n",
                LUA(ECHO));
    deliver(f, "a", "in", "bad");
    assert_int_equal(f->published_count, 1);
    assert_books(f, "a", (struct books){.accepted = 2, .dead = 2});
    assert_books(f, "b", (struct books){.accepted = 1, .dead = 1});
}

/* --- the backlog --- */

static void a_full_backlog_stops_accepting_and_an_empty_one_goes_on(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                "limits { backlog = 5 }\n"
                "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" }",
                LUA(ECHO));
    command(f, (struct command){.kind = COMMAND_PAUSE, .service = slice_of("s")});
    assert_true(engine_accepts(f->engine));
    for (int i = 0; i < 5; i++) {
        deliver(f, "s", "in/a", "1");
    }
    assert_false(engine_accepts(f->engine));
    assert_int_equal(status(f).waiting, 5);
    crash(f);
    assert_false(engine_accepts(f->engine));
    command(f, (struct command){.kind = COMMAND_RESUME, .service = slice_of("s")});
    run_dry(f);
    assert_true(engine_accepts(f->engine));
}

static void a_draining_engine_starts_nothing_and_accepts_nothing(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, CONF, LUA(ECHO));
    engine_drain(f->engine);
    offer(f, "s", "in/a", "1", NULL);
    run_dry(f);
    assert_false(engine_accepts(f->engine));
    assert_int_equal(state_of(f, "s", "1"), EVENT_READY);
    restart(f);
    run_dry(f);
    assert_int_equal(state_of(f, "s", "1"), EVENT_DONE);
    assert_books(f, "s", (struct books){.accepted = 1, .done = 1});
}

/* --- one service alone --- */

static void a_host_that_runs_one_service_leaves_the_others_events_alone(void **state) {
    struct engine_fixture *f = *state;
    f->only = "a";
    fixture_run(f,
                "service \"a\" { subscribe = {\"a\"} handler = \"h.lua\" }\n"
                "service \"b\" { subscribe = {\"b\", \"out\"} handler = \"h.lua\" }\n",
                LUA(ECHO));
    deliver(f, "a", "a", "1");
    assert_books(f, "a", (struct books){.accepted = 1, .done = 1});
    assert_books(f, "b", (struct books){0});
    char text[512];
    assert_string_equal(published_property(nth_published(f, "out", 0), "zingq-handled", text), "");
    assert_false(service_status(f, "b").active);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(nothing_is_acknowledged_or_published_before_the_turn),
        ENGINE_TEST(an_event_is_accepted_run_and_published_in_one_turn),
        ENGINE_TEST(what_was_acknowledged_survives_a_crash),
        ENGINE_TEST(an_idle_engine_makes_no_commits),
        ENGINE_TEST(looking_for_old_events_makes_no_commits),
        ENGINE_TEST(duplicates_by_the_services_rule_are_dropped_and_counted),
        ENGINE_TEST(duplicates_within_one_turn_are_found),
        ENGINE_TEST(the_rule_wins_over_what_a_publisher_says),
        ENGINE_TEST(duplicates_by_zingq_id_are_found_whatever_its_form),
        ENGINE_TEST(a_uuid_that_came_as_zingq_id_names_the_event),
        ENGINE_TEST(duplicates_are_remembered_over_a_crash_for_the_configured_time),
        ENGINE_TEST(a_duplicate_is_one_for_as_long_as_the_first_has_not_ended),
        ENGINE_TEST(each_service_remembers_its_keys_for_its_own_time),
        ENGINE_TEST(a_duplicate_of_a_failing_event_is_a_duplicate_too),
        ENGINE_TEST(two_services_take_one_message_each),
        ENGINE_TEST(the_same_idempotency_key_under_another_key_is_another_event),
        ENGINE_TEST(keys_are_read_by_rule),
        ENGINE_TEST(a_key_given_by_the_publisher_wins_over_the_rule),
        ENGINE_TEST(a_message_without_its_key_is_a_dead_letter_that_says_so),
        ENGINE_TEST(malformed_json_is_a_dead_letter_that_says_where),
        ENGINE_TEST(a_malformed_message_that_comes_twice_is_one_dead_letter),
        ENGINE_TEST(a_malformed_message_may_come_again_mended),
        ENGINE_TEST(json_that_only_the_handler_reads_is_a_dead_letter_not_a_retry),
        ENGINE_TEST(a_payload_over_the_limit_is_a_dead_letter),
        ENGINE_TEST(a_missing_idempotency_value_is_a_dead_letter),
        ENGINE_TEST(a_topic_no_handler_is_for_is_a_dead_letter),
        ENGINE_TEST(dead_letters_about_dead_letters_are_not_announced),
        ENGINE_TEST(a_full_backlog_stops_accepting_and_an_empty_one_goes_on),
        ENGINE_TEST(a_draining_engine_starts_nothing_and_accepts_nothing),
        ENGINE_TEST(a_host_that_runs_one_service_leaves_the_others_events_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
