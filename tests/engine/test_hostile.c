/* test_hostile.c - what publishers, clients and handlers may send breaks nothing for others: names
 * used twice, texts too long for keys. */
#include "engine_fixture.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

#define SERVICE(options)                                                                           \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" retries = 0 " options " }\n"
#define ID "01890a5d-ac96-774b-bcce-b302099a8057"

static const char ECHO[] = "return function(e) zing.publish('out', e.payload) end";

static void assert_out(struct engine_fixture *f, const char *expected) {
    char out[1024];
    assert_string_equal(payloads(f, "out", out, sizeof out), expected);
}

static void pause_service(struct engine_fixture *f, bool paused) {
    struct command c = {.kind = paused ? COMMAND_PAUSE : COMMAND_RESUME, .service = slice_of("s")};
    assert_int_equal(command(f, c), 0);
}

/* --- zingq-id --- */

static void two_messages_of_one_turn_under_one_id_are_two_events(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("key = \"topic:2\""), ECHO);
    pause_service(f, true);
    offer(f, "s", "in/a", "one", "zingq-id", ID, "idempotency-key", "1", NULL);
    offer(f, "s", "in/a", "two", "zingq-id", ID, "idempotency-key", "2", NULL);
    run_dry(f);
    restart(f);
    pause_service(f, false);
    run_dry(f);
    assert_out(f, "one two");
    assert_books(f, "s", (struct books){.accepted = 2, .done = 2});
}

static void unordered_events_under_one_id_and_two_keys_are_two_events(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("key = \"topic:2\" order = none"), ECHO);
    pause_service(f, true);
    offer(f, "s", "in/a", "one", "zingq-id", ID, NULL);
    offer(f, "s", "in/b", "two", "zingq-id", ID, NULL);
    run_dry(f);
    restart(f);
    pause_service(f, false);
    run_dry(f);
    assert_int_equal(count_published(f, "out"), 2);
    assert_books(f, "s", (struct books){.accepted = 2, .done = 2});
}

static void a_replay_under_its_new_key_leaves_an_event_of_the_same_id_alone(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("key = \"json:/k\""), ECHO);
    pause_service(f, true);
    offer(f, "s", "in", "{\"k\":\"a\"}", "zingq-id", ID, NULL);
    offer(f, "s", "in", "{\"no\":\"key\"}", "zingq-id", ID, NULL);
    run_dry(f);
    struct command c = {.id = id_of(f, "s", "{\"no\":\"key\"}")};
    c.kind = COMMAND_EDIT;
    c.payload = slice_of("{\"k\":\"a\",\"n\":2}");
    assert_int_equal(command(f, c), 0);
    c.kind = COMMAND_REPLAY;
    assert_int_equal(command(f, c), ERR_INVALID);
    pause_service(f, false);
    run_dry(f);
    assert_out(f, "{\"k\":\"a\"}");
    assert_books(f, "s", (struct books){.accepted = 2, .done = 1, .dead = 1});
}

/* --- sizes --- */

static void of_a_payload_far_past_the_limit_the_beginning_is_kept(void **state) {
    struct engine_fixture *f = *state;
    enum { BYTES = 20 << 20 };
    char *large = malloc(BYTES + 1);
    assert_non_null(large);
    memset(large, 'x', BYTES);
    large[BYTES] = '\0';
    fixture_run(f,
                "store { max_size = \"16MiB\" }\nlimits { payload = \"1KiB\" }\n" SERVICE(
                    "key = \"topic:2\""),
                ECHO);
    deliver(f, "s", "in/a", large); /* more than the store has room for */
    deliver(f, "s", "in/a", "good");
    assert_out(f, "good");
    assert_books(f, "s", (struct books){.accepted = 2, .done = 1, .dead = 1});
    large[64 << 10] = '\0';
    struct command c = {.kind = COMMAND_REPLAY, .id = id_of(f, "s", large)};
    assert_int_equal(command(f, c), ERR_INVALID);
    assert_non_null(strstr(f->report.text, "20971520"));
    c.kind = COMMAND_EDIT;
    c.payload = slice_of("small");
    assert_int_equal(command(f, c), 0);
    c.kind = COMMAND_REPLAY;
    assert_int_equal(command(f, c), 0);
    assert_out(f, "good small");
    free(large);
}

/* --- texts that are no keys --- */

static void a_publish_command_with_an_endless_key_does_no_harm(void **state) {
    struct engine_fixture *f = *state;
    char key[4096];
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    fixture_run(f, SERVICE("key = \"topic:2\""), ECHO);
    struct command c = {.kind = COMMAND_PUBLISH,
                        .topic = slice_of("in/a"),
                        .payload = slice_of("x"),
                        .qos = 1,
                        .service = slice_of(key),
                        .key = slice_of(key)};
    assert_int_equal(command(f, c), 0);
    assert_out(f, "x");
}

static void a_publish_command_that_no_broker_carries_is_refused(void **state) {
    struct engine_fixture *f = *state;
    struct buf properties;
    fixture_run(f, SERVICE("key = \"topic:2\""), ECHO);
    struct command c = {.kind = COMMAND_PUBLISH,
                        .topic = slice_of("elsewhere"),
                        .payload = slice_of("x"),
                        .content_type = slice_of("text/\xff")};
    assert_int_equal(command(f, c), ERR_INVALID);
    buf_init(&properties, 1024);
    property_add(&properties, slice_of("name"), slice_of("line\nbreak"));
    c.content_type = slice_of("text/plain");
    c.properties = buf_slice(&properties);
    assert_int_equal(command(f, c), ERR_INVALID);
    buf_clear(&properties);
    assert_int_equal(status(f).outbox, 0);
}

static void a_peek_at_an_endless_key_finds_nothing(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("key = \"topic:2\""),
                "return function(e) zing.publish('out', tostring(zing.peek('s', "
                "('k'):rep(300), 'n'))) end");
    deliver(f, "s", "in/a", "x");
    assert_out(f, "nil");
}

/* --- handlers that take the host down --- */

static void an_event_that_took_the_host_down_parks_its_key(void **state) {
    struct engine_fixture *f = *state;
    char reason[512];
    fixture_run(f, SERVICE("key = \"topic:2\" crashes = 2 on_dead = park"), ECHO);
    crash_in_new_event(f, "s"); /* from now on a turn stores an event, and the next one runs it */
    offer(f, "s", "in/a", "culprit", NULL);
    assert_int_equal(turn(f), 0);
    crash_in(f, "s", "culprit");
    crash_in(f, "s", "culprit");
    run_dry(f);
    deliver(f, "s", "in/a", "behind");
    assert_non_null(strstr(reason_of(f, "s", "culprit", reason), "went down 2 times"));
    assert_out(f, "");
    struct command c = {.kind = COMMAND_KEY_SKIP, .service = slice_of("s"), .key = slice_of("a")};
    assert_int_equal(command(f, c), 0);
    assert_out(f, "behind");
}

static void the_history_of_a_crash_goes_with_its_event(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("key = \"topic:2\"") "store { keep_done = \"1h\" }\n", ECHO);
    crash_in_new_event(f, "s");
    offer(f, "s", "in/a", "x", NULL);
    assert_int_equal(turn(f), 0);
    assert_out(f, "");
    crash_in(f, "s", "x");
    run_dry(f);
    advance(f, 5000);
    assert_out(f, "x");
    assert_int_equal(count_rows(f, TABLE_HISTORY), 1);
    for (int i = 0; i < 3; i++) {
        advance(f, 3600 * 1000);
    }
    assert_int_equal(count_rows(f, TABLE_EVENT), 0);
    assert_int_equal(count_rows(f, TABLE_HISTORY), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(two_messages_of_one_turn_under_one_id_are_two_events),
        ENGINE_TEST(unordered_events_under_one_id_and_two_keys_are_two_events),
        ENGINE_TEST(a_replay_under_its_new_key_leaves_an_event_of_the_same_id_alone),
        ENGINE_TEST(of_a_payload_far_past_the_limit_the_beginning_is_kept),
        ENGINE_TEST(a_publish_command_with_an_endless_key_does_no_harm),
        ENGINE_TEST(a_publish_command_that_no_broker_carries_is_refused),
        ENGINE_TEST(a_peek_at_an_endless_key_finds_nothing),
        ENGINE_TEST(an_event_that_took_the_host_down_parks_its_key),
        ENGINE_TEST(the_history_of_a_crash_goes_with_its_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
