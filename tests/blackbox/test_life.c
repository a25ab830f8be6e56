/*
 * test_life.c - stopping, dying and starting again: what was accepted is handled, what was put off
 * comes at its time, and a host that leaves for good leaves nothing behind.
 */
#include "stage.h"
#include "script.h"
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char echo_conf[] = "service \"echo\" { subscribe = {\"in/#\"} handler = \"echo.lua\"\n"
                                "  key = \"json:/key\" retries = 5 }\n";
static void publish_keys(struct stage *s, const char *topic, int count) {
    for (int i = 0; i < count; i++) {
        char payload[32];
        (void)snprintf(payload, sizeof payload, "{\"key\":%d}", i);
        peer_publish(&s->publisher, topic, payload, NULL);
    }
    peer_flush(&s->publisher);
}

/* A handler that charges at a gateway which takes its time. */
static void play_charges(struct stage *s) {
    const char *script = LUA(play_charges);
    char conf[512];
    (void)snprintf(conf, sizeof conf, "vars { gateway_url = \"http://127.0.0.1:%u\" }\n%s",
                   s->gateway.port, echo_conf);
    stage_play(s, conf, "scripts/echo.lua", script);
    stage_peers(s, "out");
}

static void sigterm_lets_what_waits_for_a_call_end(void **state) {
    struct stage *s = *state;
    helper_gateway(&s->gateway, "--slow-ms", "1000", NULL);
    play_charges(s);

    publish_keys(s, "in/x", 5);
    WAIT_FOR(s, program_host(&s->host, "calls") == 5);
    assert_int_equal(program_stop(&s->host), 0);

    WAIT_FOR(s, peer_count(&s->observer) == 5);
    for (size_t i = 0; i < 5; i++) {
        assert_non_null(strstr(peer_note(&s->observer, i)->payload, "\"attempt\":1"));
        assert_non_null(strstr(peer_note(&s->observer, i)->payload, "\"status\":200"));
    }
}

/* A call nobody answers: the second SIGTERM does not wait for it, and it is no crash. */
static void a_second_sigterm_stops_at_once_and_counts_no_crash(void **state) {
    struct stage *s = *state;
    s->silent = silent_new(NULL, 0, &s->gateway.port);
    play_charges(s);
    publish_keys(s, "in/x", 1);
    WAIT_FOR(s, program_host(&s->host, "calls") == 1);

    assert_int_equal(kill(s->host.pid, SIGTERM), 0);
    WAIT_FOR(s,
             program_says(&s->host, "SIGTERM: stopping; a second signal stops immediately") == 1);
    int64_t before_ms = monotonic_ms();
    assert_int_equal(program_stop(&s->host), 0);
    assert_true(monotonic_ms() - before_ms < 8000);

    program_start(&s->host);
    WAIT_FOR(s, program_host(&s->host, "calls") == 1);
    assert_int_equal(program_service(&s->host, "echo", "crashes"), 0);
    assert_int_equal(program_service(&s->host, "echo", "waiting"), 1);
}

static void what_waits_for_a_call_at_a_kill_is_tried_again_and_counts_no_crash(void **state) {
    struct stage *s = *state;
    s->silent = silent_new(NULL, 0, &s->gateway.port);
    play_charges(s);
    publish_keys(s, "in/x", 1);
    WAIT_FOR(s, program_host(&s->host, "calls") == 1);

    program_kill(&s->host);
    silent_free(s->silent);
    s->silent = NULL;
    helper_gateway(&s->gateway, NULL); /* on the same port */
    program_start(&s->host);

    WAIT_FOR(s, peer_count(&s->observer) == 1);
    assert_string_equal(peer_note(&s->observer, 0)->payload,
                        "{\"attempt\":2,\"key\":\"0\",\"status\":200}");
    assert_int_equal(program_service(&s->host, "echo", "crashes"), 0);
    assert_int_equal(program_service(&s->host, "echo", "retries"), 0);
}

static void a_kill_in_mid_handler_is_counted_as_a_crash_and_tried_again(void **state) {
    struct stage *s = *state;
    const char *script = LUA(a_kill_in_mid_handler_is_counted_as_a_crash_and_tried_again);
    char conf[512];
    (void)snprintf(conf, sizeof conf, "limits { lua_time = \"1m\" }\n%s", echo_conf);
    stage_play(s, conf, "scripts/echo.lua", script);
    stage_peers(s, "out");
    publish_keys(s, "in/x", 1);
    WAIT_FOR(s, program_says(&s->host, "on the processor") == 1);

    program_kill(&s->host);
    program_file(&s->host, "scripts/echo.lua", LUA(echo_script));
    program_start(&s->host);

    WAIT_FOR(s, peer_count(&s->observer) == 1);
    assert_int_equal(program_service(&s->host, "echo", "crashes"), 1);
    assert_int_equal(program_service(&s->host, "echo", "retries"), 1); /* its own */
    assert_int_equal(program_service(&s->host, "echo", "done"), 1);
}

static void what_comes_while_the_host_is_away_waits_for_it(void **state) {
    struct stage *s = *state;
    stage_play(s, echo_conf, "scripts/echo.lua", LUA(echo_script));
    stage_peers(s, "out");
    assert_int_equal(program_stop(&s->host), 0);

    publish_keys(s, "in/x", 500);
    program_start(&s->host);

    WAIT_FOR(s, peer_distinct(&s->observer) == 500);
    assert_int_equal(program_says(&s->host, "session=kept"), 1);
    assert_int_equal(program_service(&s->host, "echo", "done"), 500);
}

/* The time of the first message on the topic, as its payload tells it in seconds; 0 = none yet. */
static double time_told(struct stage *s, const char *topic) {
    const struct note *n = peer_find(&s->observer, topic);
    return n == NULL ? 0 : strtod(n->payload, NULL);
}

static void what_is_put_off_comes_at_its_time_after_a_kill(void **state) {
    struct stage *s = *state;
    static const char conf[] =
        "service \"later\" { subscribe = {\"in/+\"} handler = \"later.lua\"\n"
        "  key = \"topic:2\" }\n";
    const char *script = LUA(what_is_put_off_comes_at_its_time_after_a_kill);
    static const char *const kinds[] = {"retry", "snooze", "publish", "lock"};
    stage_play(s, conf, "scripts/later.lua", script);
    stage_peers(s, "out/#");

    for (size_t i = 0; i < 4; i++) {
        char topic[32];
        (void)snprintf(topic, sizeof topic, "in/%s", kinds[i]);
        peer_publish(&s->publisher, topic, "x", NULL);
    }
    WAIT_FOR(s, program_service(&s->host, "later", "retries") == 1 &&
                    program_service(&s->host, "later", "snoozes") == 1 &&
                    program_service(&s->host, "later", "done") == 2);
    peer_publish(&s->publisher, "in/start", "x", NULL);
    WAIT_FOR(s, time_told(s, "out/start") > 0);
    program_kill(&s->host);
    program_start(&s->host);

    WAIT_FOR(s, peer_distinct(&s->observer) == 5);
    for (size_t i = 0; i < 4; i++) {
        char topic[32];
        (void)snprintf(topic, sizeof topic, "out/%s", kinds[i]);
        double late = time_told(s, topic) - time_told(s, "out/start");
        print_message("%s came %.3f s after the others were put off for 2 s\n", kinds[i], late);
        assert_true(late > 1 && late < 30);
    }
}

static void leaving_works_off_what_is_stored_and_ends_the_session(void **state) {
    struct stage *s = *state;
    const char *script = LUA(leaving_works_off_what_is_stored_and_ends_the_session);
    stage_play(s, echo_conf, "scripts/echo.lua", script);
    stage_peers(s, "out");
    publish_keys(s, "in/x", 20);
    WAIT_FOR(s, program_service(&s->host, "echo", "retries") == 20);

    assert_int_equal(program_command(&s->host, NULL, "leave", "--yes", NULL), 0);
    assert_int_equal(program_wait(&s->host), 0);
    WAIT_FOR(s, peer_distinct(&s->observer) == 20);

    publish_keys(s, "in/nobody", 3);
    program_start(&s->host);
    assert_int_equal(program_says(&s->host, "session=new"), 1);
    publish_keys(s, "in/again", 1);
    WAIT_FOR(s, program_service(&s->host, "echo", "accepted") == 21);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_STAGE(sigterm_lets_what_waits_for_a_call_end),
        TEST_ON_STAGE(a_second_sigterm_stops_at_once_and_counts_no_crash),
        TEST_ON_STAGE(what_waits_for_a_call_at_a_kill_is_tried_again_and_counts_no_crash),
        TEST_ON_STAGE(a_kill_in_mid_handler_is_counted_as_a_crash_and_tried_again),
        TEST_ON_STAGE(what_comes_while_the_host_is_away_waits_for_it),
        TEST_ON_STAGE(what_is_put_off_comes_at_its_time_after_a_kill),
        TEST_ON_STAGE(leaving_works_off_what_is_stored_and_ends_the_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
