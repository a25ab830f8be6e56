/*
 * test_hang.c - a handler that hangs where no hook looks: under a supervisor everything else goes
 * on, and the event that hangs ends as a dead letter.
 *
 * ctest: busy long label=torture timeout=240
 */
#include "stage.h"
#include "script.h"
#include "test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* A chain through a table with weak keys, in any order but its own: the collector, which no hook
 * sees, goes through all of it for every few links. */
#define HANG                                                                                       \
    "do\n"                                                                                         \
    "  local k, t, n = {}, setmetatable({}, {__mode = 'k'}), 90000\n"                              \
    "  for i = 1, n do k[i] = {} end\n"                                                            \
    "  for i = n, 2, -1 do local j = math.random(i) k[i], k[j] = k[j], k[i] end\n"                 \
    "  for i = 1, n - 1 do t[k[i]] = k[i + 1] end\n"                                               \
    "  k = k[1]\n"                                                                                 \
    "  while true do local x = {} end\n"                                                           \
    "end\n"

static const char conf[] =
    "service \"hang\" { subscribe = {\"in/hang\"} handler = \"hang.lua\" crashes = 1 }\n"
    "service \"good\" { subscribe = {\"in/good\"} handler = \"good.lua\" }\n";
static const char good[] = "return function(event) zing.publish('out', event.payload) end\n";

static void what_hangs_in_c_is_a_dead_letter_and_the_others_go_on(void **state) {
    struct stage *s = *state;
    static const char hang[] = "return function(event)\n"
                               "  if event.attempt == 1 then zing.retry('10ms') end\n" HANG "end\n";
    program_file(&s->host, "scripts/good.lua", good);
    stage_play(s, conf, "scripts/hang.lua", hang);
    stage_peers(s, "out");
    peer_publish(&s->publisher, "in/hang", "x", NULL);
    peer_flush(&s->publisher);
    assert_int_equal(program_wait(&s->host), 256 + SIGABRT);
    assert_int_equal(program_says(&s->host, "phase=run service_number="), 1);

    peer_publish(&s->publisher, "in/good", "still here", NULL);
    peer_flush(&s->publisher);
    program_start(&s->host);
    WAIT_FOR(s, peer_count(&s->observer) == 1);
    WAIT_FOR(s, program_service(&s->host, "hang", "dead") == 1);
    assert_int_equal(program_service(&s->host, "hang", "crashes"), 1);
    assert_int_equal(program_service(&s->host, "good", "crashes"), 0);
    assert_int_equal(program_says(&s->host, "this event ran service=hang"), 1);
}

/* Each call takes milliseconds, allocates nothing and is a handful of instructions. */
static void what_makes_many_dear_calls_into_c_ends_by_lua_time(void **state) {
    static const char *const calls[] = {
        "tonumber(text)",
        "tonumber(text, 36)",
        "utf8.len(text)",
        "utf8.offset(text, -#text)",
        "local less = text < other",
    };
    static const char dear[] =
        "service \"hang\" { subscribe = {\"in/hang\"} handler = \"hang.lua\" retries = 0 }\n";
    struct stage *s = *state;
    const char *hang = LUA(hang);
    stage_play(s, dear, "scripts/hang.lua", hang);
    stage_peers(s, "out");
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        peer_publish(&s->publisher, "in/hang", calls[i], NULL);
    }
    peer_flush(&s->publisher);
    WAIT_FOR(s, program_service(&s->host, "hang", "dead") == sizeof calls / sizeof calls[0]);
    assert_int_equal(program_service(&s->host, "hang", "crashes"), 0);
    assert_true(program_says(&s->host, "of CPU time (limits.lua_time)") >=
                (int)(sizeof calls / sizeof calls[0]));
}

static void a_script_that_hangs_while_it_is_loaded_stops_no_other(void **state) {
    struct stage *s = *state;
    char *said = NULL;
    program_file(&s->host, "scripts/good.lua", good);
    program_file(&s->host, "scripts/hang.lua", HANG "return function() end\n");
    stage_conf(s, &s->host, conf);
    for (int start = 0; start < 2; start++) { /* once may be a kill at the wrong moment */
        program_launch(&s->host);
        assert_int_equal(program_wait(&s->host), 256 + SIGABRT);
        assert_int_equal(program_says(&s->host, "phase=load"), 1);
    }

    program_start(&s->host);
    stage_peers(s, "out");
    peer_publish(&s->publisher, "in/hang", "x", NULL);
    peer_publish(&s->publisher, "in/good", "still here", NULL);
    WAIT_FOR(s, peer_count(&s->observer) == 1);
    WAIT_FOR(s, program_service(&s->host, "hang", "waiting") == 1);
    assert_int_equal(program_says(&s->host, "service \"hang\" does not run, its events wait"), 1);
    assert_int_not_equal(program_command(&s->host, &said, "check", NULL), 0);
    assert_non_null(strstr(said, "scripts/hang.lua: this version took the host down"));
    free(said);

    program_file(&s->host, "scripts/hang.lua", "return function() end\n");
    WAIT_FOR(s, program_service(&s->host, "hang", "done") == 1);
}

/* It dies at its admission, for want of a key, and the policy hangs: it would come for ever. */
static void a_policy_that_hangs_ends_too(void **state) {
    struct stage *s = *state;
    static const char keyed[] =
        "service \"hang\" { subscribe = {\"in/hang\"} handler = \"hang.lua\" key = \"json:/k\" }\n"
        "service \"good\" { subscribe = {\"in/good\"} handler = \"good.lua\" }\n";
    static const char hang[] =
        "return {['in/hang'] = function() end, on_dead = function()\n" HANG "end}\n";
    program_file(&s->host, "scripts/good.lua", good);
    stage_play(s, keyed, "scripts/hang.lua", hang);
    stage_peers(s, "out");
    peer_publish(&s->publisher, "in/hang", "{}", NULL);
    peer_flush(&s->publisher);
    assert_int_equal(program_wait(&s->host), 256 + SIGABRT);
    assert_int_equal(program_says(&s->host, "phase=policy service_number="), 1);

    program_start(&s->host);
    peer_publish(&s->publisher, "in/good", "still here", NULL);
    WAIT_FOR(s, peer_count(&s->observer) == 1);
    WAIT_FOR(s, program_service(&s->host, "hang", "dead") == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_STAGE(what_hangs_in_c_is_a_dead_letter_and_the_others_go_on),
        TEST_ON_STAGE(what_makes_many_dear_calls_into_c_ends_by_lua_time),
        TEST_ON_STAGE(a_policy_that_hangs_ends_too),
        TEST_ON_STAGE(a_script_that_hangs_while_it_is_loaded_stops_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
