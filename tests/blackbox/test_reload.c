/*
 * test_reload.c - a saved script is live within a second; one that does not compile changes
 * nothing.
 */
#include "stage.h"
#include "script.h"
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WITHIN_MS = 1000, SLACK_MS = 2000 }; /* the promise, and what a busy test machine adds */

static const char conf[] = "service \"work\" { subscribe = {\"in/#\"} handler = \"work.lua\"\n"
                           "  retries = 0 key = \"topic:2\" }\n";
static const char one[] = "return function() zing.publish('out', 'one') end\n";
static const char two[] = "return function() zing.publish('out', 'two') end\n";
static void play(struct stage *s, const char *script) {
    stage_play(s, conf, "scripts/work.lua", script);
    stage_peers(s, "out");
}

/* What the handler answers now. */
static const char *answer(struct stage *s) {
    size_t before = peer_count(&s->observer);
    peer_publish(&s->publisher, "in/x", "x", NULL);
    WAIT_FOR(s, peer_count(&s->observer) > before);
    return peer_note(&s->observer, before)->payload;
}

static void assert_in_time(int64_t since_ms) {
    int64_t took_ms = monotonic_ms() - since_ms;
    print_message("live after %lld ms\n", (long long)took_ms);
    assert_true(took_ms < WITHIN_MS + SLACK_MS);
}

static void a_saved_script_is_live_within_a_second(void **state) {
    struct stage *s = *state;
    play(s, one);
    assert_string_equal(answer(s), "one");

    int64_t saved_ms = monotonic_ms();
    program_file(&s->host, "scripts/work.lua", two);
    WAIT_FOR(s, program_says(&s->host, "service \"work\" runs its new scripts") == 1);

    assert_in_time(saved_ms);
    assert_string_equal(answer(s), "two");
}

static void a_script_written_in_place_is_live_too(void **state) {
    struct stage *s = *state;
    char path[256];
    play(s, one);
    (void)snprintf(path, sizeof path, "%s/scripts/work.lua", s->host.dir);

    int64_t saved_ms = monotonic_ms();
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(two, f) >= 0 && fclose(f) == 0);
    WAIT_FOR(s, program_says(&s->host, "service \"work\" runs its new scripts") == 1);

    assert_in_time(saved_ms);
    assert_string_equal(answer(s), "two");
}

static void a_script_that_does_not_compile_is_refused_and_the_last_good_one_stays(void **state) {
    struct stage *s = *state;
    static const char sentence[] = "keeps its last good scripts: scripts/work.lua:2: unexpected "
                                   "symbol near 'then'";
    char *status = NULL;
    play(s, one);

    program_file(&s->host, "scripts/work.lua", LUA(broken));
    WAIT_FOR(s, program_says(&s->host, sentence) == 1);
    assert_string_equal(answer(s), "one");
    assert_int_equal(program_command(&s->host, &status, "status", "--json", NULL), 0);
    assert_non_null(strstr(status, "unexpected symbol"));
    free(status);

    program_file(&s->host, "scripts/work.lua", two);
    WAIT_FOR(s, program_says(&s->host, "service \"work\" runs its new scripts") == 1);
    assert_string_equal(answer(s), "two");
    assert_int_equal(program_command(&s->host, &status, "status", "--json", NULL), 0);
    assert_null(strstr(status, "unexpected symbol"));
    free(status);
}

static void a_script_that_others_require_reloads_them(void **state) {
    struct stage *s = *state;
    program_file(&s->host, "scripts/words.lua", "return {word = 'one'}\n");
    play(s, LUA(a_script_that_others_require_reloads_them));
    assert_string_equal(answer(s), "one");

    program_file(&s->host, "scripts/words.lua", "return {word = 'two'}\n");

    WAIT_FOR(s, program_says(&s->host, "service \"work\" runs its new scripts") == 1);
    assert_string_equal(answer(s), "two");
}

static void what_is_under_way_ends_with_the_script_it_began_with(void **state) {
    struct stage *s = *state;
    char script[512];
    helper_gateway(&s->gateway, "--slow-ms", "1500", NULL);
    (void)snprintf(script, sizeof script,
                   "return function()\n"
                   "  zing.http.post('http://127.0.0.1:%u/v1/charges',\n"
                   "    {form = {amount = 1, currency = 'eur', source = 'tok'}})\n"
                   "  zing.publish('out', 'one')\n"
                   "end\n",
                   s->gateway.port);
    play(s, script);

    peer_publish(&s->publisher, "in/a", "x", NULL);
    WAIT_FOR(s, program_host(&s->host, "calls") == 1);
    program_file(&s->host, "scripts/work.lua", two);
    WAIT_FOR(s, program_says(&s->host, "service \"work\" runs its new scripts") == 1);
    peer_publish(&s->publisher, "in/b", "x", NULL);

    WAIT_FOR(s, peer_count(&s->observer) == 2);
    assert_string_equal(peer_note(&s->observer, 0)->payload, "two");
    assert_string_equal(peer_note(&s->observer, 1)->payload, "one");
}

static void sighup_and_a_missing_script_change_nothing(void **state) {
    struct stage *s = *state;
    char path[256];
    play(s, one);
    (void)snprintf(path, sizeof path, "%s/scripts/work.lua", s->host.dir);

    assert_int_equal(remove(path), 0);
    WAIT_FOR(s, program_says(&s->host, "keeps its last good scripts: scripts/work.lua") == 1);
    assert_int_equal(kill(s->host.pid, SIGHUP), 0);
    assert_string_equal(answer(s), "one");
    assert_true(program_ready(&s->host));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_STAGE(a_saved_script_is_live_within_a_second),
        TEST_ON_STAGE(a_script_written_in_place_is_live_too),
        TEST_ON_STAGE(a_script_that_does_not_compile_is_refused_and_the_last_good_one_stays),
        TEST_ON_STAGE(a_script_that_others_require_reloads_them),
        TEST_ON_STAGE(what_is_under_way_ends_with_the_script_it_began_with),
        TEST_ON_STAGE(sighup_and_a_missing_script_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
