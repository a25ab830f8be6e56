/* test_run.c - every outcome of an invocation, the event it sees, the policies. */
#include "lua_world.h"
#include "script.h"
#include "test.h"
#include "event/value.h"

#include <string.h>

/* --- outcomes --- */

static void run_is_done_when_the_handler_returns(void **state) {
    (void)state;
    world_holds("return 'anything'");
}

static void run_error_has_the_message_the_place_and_a_traceback(void **state) {
    (void)state;
    struct lua_world *w = world_ran(LUA(run_error_has_the_message_the_place_and_a_traceback), "{}");
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    assert_non_null(strstr(world_error(w), "scripts/handler.lua:3: attempt to index a nil value"));
    assert_non_null(strstr(world_error(w), "stack traceback"));
    world_free(w);
}

static void run_error_of_a_table_becomes_text(void **state) {
    (void)state;
    world_ends("error({code = 7, why = 'no'})", OUTCOME_ERROR, "{\"code\":7,\"why\":\"no\"}");
    world_ends("error(setmetatable({}, {__tostring = function() return 'I am it' end}))",
               OUTCOME_ERROR, "I am it");
    world_ends("error({f = print})", OUTCOME_ERROR, "error object is a table value");
    world_ends("error(nil)", OUTCOME_ERROR, "nil");
    world_ends("error(setmetatable({}, {__tostring = function() error('worse') end}))",
               OUTCOME_ERROR, "error object is a table value");
    world_ends("error(setmetatable({}, {__tostring = function() while true do end end}))",
               OUTCOME_ERROR, "error object is a table value");
}

static void run_error_is_bounded(void **state) {
    (void)state;
    struct lua_world *w = world_ran("error(string.rep('\xC3\xA4', 100000))", "{}");
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    assert_true(w->run->error.len <= 4096);
    assert_non_null(strstr(world_error(w), "stack traceback"));
    world_free(w);
}

static void run_calls_that_end_the_attempt_cannot_be_caught(void **state) {
    (void)state;
    struct lua_world *w = world_ran("pcall(zing.retry, '10m', 'busy') error('went on')", "{}");
    assert_int_equal(w->run->outcome, OUTCOME_RETRY);
    assert_int_equal(w->run->after_ms, 600000);
    assert_string_equal(world_error(w), "busy");
    world_free(w);
    world_ends("xpcall(zing.reject, print, 'bad seat') error('went on')", OUTCOME_REJECT,
               "bad seat");
}

static void run_retry_without_a_delay_leaves_it_to_the_policy(void **state) {
    (void)state;
    struct lua_world *w = world_ran("zing.retry()", "{}");
    assert_int_equal(w->run->outcome, OUTCOME_RETRY);
    assert_true(w->run->after_ms < 0);
    world_free(w);
}

static void run_snooze_and_throttle_carry_their_delay(void **state) {
    (void)state;
    struct lua_world *w = world_ran("zing.snooze(1.5)", "{}");
    assert_int_equal(w->run->outcome, OUTCOME_SNOOZE);
    assert_int_equal(w->run->after_ms, 1500);
    world_free(w);
    w = world_ran("zing.throttle('30s')", "{}");
    assert_int_equal(w->run->outcome, OUTCOME_THROTTLE);
    assert_int_equal(w->run->after_ms, 30000);
    world_free(w);
}

static void run_failed_attempts_leave_no_effects(void **state) {
    (void)state;
    static const char *const ways[] = {
        "zing.state.set('a', 1) error('x')",
        "zing.state.set('a', 1) zing.retry(1)",
        "zing.state.set('a', 1) zing.reject('x')",
        "zing.state.set('a', 1) zing.snooze(1)",
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct lua_world *w = world_ran(ways[i], "{}");
        assert_int_not_equal(w->run->outcome, OUTCOME_DONE);
        assert_int_equal(w->run->effects.count, 0);
        world_free(w);
    }
}

static void run_bad_json_rejects_even_inside_pcall(void **state) {
    (void)state;
    struct lua_world *w =
        world_ran("pcall(function() return event.json end) error('went on')", "{\"x\":");
    assert_int_equal(w->run->outcome, OUTCOME_REJECT);
    assert_non_null(strstr(world_error(w), "not JSON"));
    world_free(w);
}

static void run_without_a_route_rejects_with_the_topic(void **state) {
    (void)state;
    struct lua_world *w = world_new("return {['a/b'] = function() end}");
    (void)world_run(w, "{}");
    assert_int_equal(w->run->outcome, OUTCOME_REJECT);
    assert_non_null(strstr(world_error(w), "no handler in handler.lua for topic \"test/topic\""));
    world_free(w);
}

static void run_picks_the_most_specific_filter(void **state) {
    (void)state;
    struct lua_world *w = world_new(LUA(run_picks_the_most_specific_filter));
    static const char *const expected[][2] = {
        {"a/b/c", "exact"},     {"a/x/c", "plus"},  {"x/b/c", "first plus"},
        {"a/b/d", "under a/b"}, {"a/x", "under a"}, {"z", "all"},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        (void)world_event(w, expected[i][0], "{}");
        (void)world_run_event(w, RUN_EVENT, NULL);
        assert_string_equal(world_error(w), expected[i][1]);
    }
    world_free(w);
}

static void run_reuses_its_coroutines_after_every_kind_of_end(void **state) {
    (void)state;
    struct lua_world *w =
        world_new(world_handler(LUA(run_reuses_its_coroutines_after_every_kind_of_end)));
    static const struct {
        const char *payload;
        enum outcome outcome;
    } rounds[] = {{"{\"kind\":\"error\"}", OUTCOME_ERROR}, {"{}", OUTCOME_DONE},
                  {"{\"kind\":\"retry\"}", OUTCOME_RETRY}, {"{}", OUTCOME_DONE},
                  {"{\"kind\":\"call\"}", OUTCOME_CALL},   {"{}", OUTCOME_DONE},
                  {"{\"kind\":\"loop\"}", OUTCOME_ERROR},  {"{\"kind\":\"error\"}", OUTCOME_ERROR}};
    for (size_t i = 0; i < 3 * sizeof rounds / sizeof rounds[0]; i++) {
        size_t at = i % (sizeof rounds / sizeof rounds[0]);
        (void)world_run(w, rounds[at].payload);
        assert_int_equal(w->run->outcome, rounds[at].outcome);
    }
    world_free(w);
}

/* --- the event --- */

static void run_event_has_its_fields(void **state) {
    (void)state;
    world_holds(LUA(run_event_has_its_fields));
}

static void run_event_kept_too_long_is_an_error(void **state) {
    (void)state;
    struct lua_world *w = world_new(LUA(run_event_kept_too_long_is_an_error));
    (void)world_run(w, "{}");
    (void)world_run(w, "{}");
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    assert_non_null(strstr(world_error(w), "event.topic: the event's handler has ended"));
    world_free(w);
}

static void run_event_is_not_plain_data_to_encode(void **state) {
    (void)state;
    world_ends("zing.publish('a', {event = event})", OUTCOME_ERROR,
               "payload.event is not plain data");
}

static void run_that_is_long_gives_way_when_it_asks_whether_it_is_cancelled(void **state) {
    (void)state;
    struct lua_world *w =
        world_new(world_handler("zing.publish('a', tostring(event.cancelled()))"));
    (void)world_run(w, "{}");
    assert_int_equal(w->run->outcome, OUTCOME_DONE); /* a short one does not */
    w->is_long = true;
    (void)world_run(w, "{}");
    assert_int_equal(w->run->outcome, OUTCOME_YIELD);
    run_resume(w->run, NULL);
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    assert_true(slice_is(world_effect(w, 0)->value, "false"));
    world_free(w);
}

static void run_that_is_cancelled_is_told_from_then_on(void **state) {
    (void)state;
    struct lua_world *w = world_new(LUA(run_that_is_cancelled_is_told_from_then_on));
    w->is_long = true;
    (void)world_run(w, "{}");
    assert_int_equal(w->run->outcome, OUTCOME_YIELD);
    run_resume(w->run, NULL);
    assert_int_equal(w->run->outcome, OUTCOME_YIELD);
    w->run->cancelled = true;
    run_resume(w->run, NULL);
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    assert_true(slice_is(world_effect(w, 0)->value, "false true true"));
    (void)world_run(w, "{}");
    assert_non_null(strstr(world_error(w), "event.cancelled: the event's handler has ended"));
    world_free(w);
}

static void run_gives_an_expired_lock_to_its_own_function(void **state) {
    (void)state;
    struct lua_world *w = world_new(LUA(run_gives_an_expired_lock_to_its_own_function));
    struct event *event =
        world_event(w, "zingq/lock",
                    "{\"name\":\"A1\",\"owner\":\"b1\",\"expires_ms\":1700000000500,"
                    "\"data\":{\"price\":10}}");
    event->kind = EVENT_LOCK_EXPIRED;
    (void)world_run_event(w, RUN_EVENT, NULL);
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    assert_true(slice_is(world_effect(w, 0)->value, "A1"));
    world_free(w);
}

/* --- waiting where it cannot be --- */

static void run_calls_that_wait_are_refused_in_own_coroutines(void **state) {
    (void)state;
    world_ends("coroutine.wrap(function() zing.http.get('http://h/') end)()", OUTCOME_ERROR,
               "zing.http cannot be called inside a coroutine");
    world_ends("coroutine.wrap(function() zing.retry(1) end)()", OUTCOME_ERROR,
               "zing.retry cannot be called inside a coroutine");
    world_ends("coroutine.wrap(function() zing.reject('x') end)()", OUTCOME_ERROR,
               "zing.reject cannot be called inside a coroutine");
    world_ends("coroutine.wrap(function() zing.mail{to = 'a@b.de'} end)()", OUTCOME_ERROR,
               "zing.mail cannot be called inside a coroutine");
    world_ends("table.sort({2, 1}, function(a, b) zing.retry(1) end)", OUTCOME_ERROR,
               "cannot be suspended inside");
    world_ends("local s = ('x'):gsub('x', function() zing.http.get('http://h/') end)",
               OUTCOME_ERROR, "cannot be suspended inside");
}

static void run_calls_wait_across_pcall_metamethods_and_iterators(void **state) {
    (void)state;
    struct lua_world *w =
        world_ran(LUA(run_calls_wait_across_pcall_metamethods_and_iterators), "{}");
    world_answer(w, 200, "", "one");
    assert_int_equal(w->run->outcome, OUTCOME_CALL);
    world_answer(w, 200, "", "two");
    assert_int_equal(w->run->outcome, OUTCOME_REJECT);
    assert_string_equal(world_error(w), "onetwo");
    world_free(w);
}

static void run_yield_of_the_handler_itself_is_an_error(void **state) {
    (void)state;
    world_ends("coroutine.yield(1)", OUTCOME_ERROR, "coroutine.yield outside a coroutine");
}

/* --- policies --- */

static struct lua_world *with_policy(const char *retry, const char *dead_letter) {
    struct lua_world *w = world_new_unloaded(LUA(with_policy));
    w->service.retry = retry == NULL ? NULL : "retry.lua";
    w->service.dead_letter = dead_letter == NULL ? NULL : "dlq.lua";
    world_write(w, "retry.lua", retry == NULL ? "" : retry);
    world_write(w, "dlq.lua", dead_letter == NULL ? "" : dead_letter);
    assert_int_equal(world_load(w), 0);
    (void)world_event(w, "a", "{}");
    return w;
}

static int ask_policy(struct lua_world *w, struct retry_verdict *verdict, struct report *r) {
    return run_retry_policy(w->host, 0, w->event, "it broke", &w->view, verdict, r);
}

static void run_retry_policy_says_when_or_gives_up(void **state) {
    (void)state;
    struct retry_verdict verdict;
    struct report r = {""};
    struct lua_world *w = with_policy(LUA(run_retry_policy_says_when_or_gives_up), NULL);
    assert_int_equal(ask_policy(w, &verdict, &r), 0);
    assert_false(verdict.dead);
    assert_int_equal(verdict.after_ms, 2000);
    w->event->attempts = 3;
    assert_int_equal(ask_policy(w, &verdict, &r), 0);
    assert_true(verdict.dead);
    assert_string_equal(verdict.reason, "enough: it broke");
    world_free(w);
}

static void run_retry_policy_that_answers_nonsense_is_reported(void **state) {
    (void)state;
    static const char *const bad[][2] = {
        {"return function() end", "returns {after = seconds}"},
        {"return function() return {} end", "needs `after` or `dead`"},
        {"return function() return {after = 'x'} end", "after"},
        {"return function() error('oops') end", "oops"},
        {"return function() zing.publish('a', 'b') end", "not for a retry policy"},
        {"return function() zing.http.get('http://h/') end", "not for a retry policy"},
        {"return function() while true do end end", "CPU time"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct retry_verdict verdict;
        struct report r = {""};
        struct lua_world *w = with_policy(bad[i][0], NULL);
        assert_int_equal(ask_policy(w, &verdict, &r), ERR_SCRIPT);
        assert_non_null(strstr(r.text, bad[i][1]));
        world_free(w);
    }
}

static void run_retry_policy_may_be_absent(void **state) {
    (void)state;
    struct retry_verdict verdict;
    struct lua_world *w = with_policy(NULL, NULL);
    assert_int_equal(ask_policy(w, &verdict, NULL), ERR_NOTFOUND);
    world_free(w);
}

static void run_dead_policy_may_discard_and_publish(void **state) {
    (void)state;
    struct lua_world *w = with_policy(NULL, LUA(run_dead_policy_may_discard_and_publish));
    (void)world_run_event(w, RUN_DEAD_POLICY, "old");
    assert_int_equal(w->run->outcome, OUTCOME_DISCARD);
    (void)world_run_event(w, RUN_DEAD_POLICY, "broken");
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    assert_true(slice_is(world_effect(w, 0)->value, "broken"));
    world_free(w);
}

static void run_on_dead_gets_the_reason_and_must_not_wait(void **state) {
    (void)state;
    struct lua_world *w = with_policy(NULL, "return function() zing.http.get('http://h/') end");
    (void)world_run_event(w, RUN_ON_DEAD, "too late");
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    assert_true(slice_is(world_effect(w, 0)->value, "too late"));
    (void)world_run_event(w, RUN_DEAD_POLICY, "x");
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    assert_non_null(strstr(world_error(w), "must not do"));
    world_free(w);
}

/* --- batches --- */

/* A handler with this body has run on a list of one. */
static struct lua_world *with_list(const char *body, enum rule_kind key) {
    struct lua_world *w = world_new_unloaded(world_handler(body));
    w->service.batch = 10;
    w->service.key.kind = key;
    assert_int_equal(world_load(w), 0);
    (void)world_run(w, "{\"x\":5}");
    return w;
}

static void list_ends(const char *body, enum rule_kind key, enum outcome outcome,
                      const char *error) {
    struct lua_world *w = with_list(body, key);
    if (w->run->outcome != outcome || strstr(world_error(w), error) == NULL) {
        fail_msg("%s\n-> outcome %d: %s", body, (int)w->run->outcome, world_error(w));
    }
    world_free(w);
}

static void run_of_a_batch_gets_a_list(void **state) {
    (void)state;
    list_ends("assert(#event == 1 and event[1].json.x == 5 and event[1].attempt == 1)", RULE_NONE,
              OUTCOME_DONE, "");
}

static void run_of_a_batch_says_what_failed(void **state) {
    (void)state;
    list_ends("return {}", RULE_NONE, OUTCOME_DONE, "");
    list_ends("return {'no'}", RULE_NONE, OUTCOME_ERROR, "no");
    list_ends("return {{dead = 'never'}}", RULE_NONE, OUTCOME_REJECT, "never");
    list_ends("return true", RULE_NONE, OUTCOME_ERROR, "handler of a batch returned a boolean");
    list_ends("return {[2] = 'no'}", RULE_NONE, OUTCOME_ERROR,
              "failure of event [2], and was given 1");
    list_ends("return {['1'] = 'no'}", RULE_NONE, OUTCOME_ERROR,
              "failure of event [1], and was given 1");
    list_ends("return {true}", RULE_NONE, OUTCOME_ERROR, "[1] = a boolean: write {[1] =");
    list_ends("return {{}}", RULE_NONE, OUTCOME_ERROR, "[1] = a table without `dead`: write");
}

static void run_of_a_batch_and_of_an_event_are_not_taken_for_one_another(void **state) {
    (void)state;
    list_ends("zing.publish('out', event.payload)", RULE_NONE, OUTCOME_ERROR,
              "\"payload\" of a list of events");
    world_ends("for _, e in ipairs(event) do zing.publish('out', e.payload) end", OUTCOME_ERROR,
               "event[1]: this is one event");
}

static void run_of_a_batch_refuses_what_is_about_one_event(void **state) {
    (void)state;
    static const char *const calls[] = {"zing.step('a', print)", "zing.saga()",
                                        "zing.sleep(1)",         "zing.wait('paid')",
                                        "zing.reply('x')",       "zing.dead_letter('x')"};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        list_ends(calls[i], RULE_NONE, OUTCOME_ERROR, "is about one event");
    }
}

static void run_of_a_batch_has_state_when_its_events_have_one_key(void **state) {
    (void)state;
    list_ends("zing.state.incr('n') zing.lock('l')", RULE_NONE, OUTCOME_DONE, "");
    list_ends("zing.state.incr('n')", RULE_JSON, OUTCOME_ERROR, "what belongs to one key");
    list_ends("zing.lock('l')", RULE_JSON, OUTCOME_ERROR, "what belongs to one key");
    list_ends("zing.publish('a', 1)", RULE_JSON, OUTCOME_DONE, "");
}

static const char *header_of(const struct run *run, const char *name) {
    for (size_t i = 0; i < run->request->header_count; i++) {
        const char *header = run->request->headers[i];
        if (strncmp(header, name, strlen(name)) == 0) {
            return header;
        }
    }
    return NULL;
}

static void run_of_a_batch_sends_no_idempotency_key_but_the_handlers_own(void **state) {
    (void)state;
    struct lua_world *w = with_list("zing.http.post('http://h/', {body = 'x'})", RULE_NONE);
    assert_int_equal(w->run->outcome, OUTCOME_CALL);
    assert_null(header_of(w->run, "Idempotency-Key"));
    world_free(w);
    w = with_list("zing.http.post('http://h/', {headers = {['Idempotency-Key'] = 'mine'}})",
                  RULE_NONE);
    assert_string_equal(header_of(w->run, "Idempotency-Key"), "Idempotency-Key: mine");
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_is_done_when_the_handler_returns),
        cmocka_unit_test(run_error_has_the_message_the_place_and_a_traceback),
        cmocka_unit_test(run_error_of_a_table_becomes_text),
        cmocka_unit_test(run_error_is_bounded),
        cmocka_unit_test(run_calls_that_end_the_attempt_cannot_be_caught),
        cmocka_unit_test(run_retry_without_a_delay_leaves_it_to_the_policy),
        cmocka_unit_test(run_snooze_and_throttle_carry_their_delay),
        cmocka_unit_test(run_failed_attempts_leave_no_effects),
        cmocka_unit_test(run_bad_json_rejects_even_inside_pcall),
        cmocka_unit_test(run_without_a_route_rejects_with_the_topic),
        cmocka_unit_test(run_picks_the_most_specific_filter),
        cmocka_unit_test(run_reuses_its_coroutines_after_every_kind_of_end),
        cmocka_unit_test(run_event_has_its_fields),
        cmocka_unit_test(run_event_kept_too_long_is_an_error),
        cmocka_unit_test(run_event_is_not_plain_data_to_encode),
        cmocka_unit_test(run_that_is_long_gives_way_when_it_asks_whether_it_is_cancelled),
        cmocka_unit_test(run_that_is_cancelled_is_told_from_then_on),
        cmocka_unit_test(run_gives_an_expired_lock_to_its_own_function),
        cmocka_unit_test(run_calls_that_wait_are_refused_in_own_coroutines),
        cmocka_unit_test(run_calls_wait_across_pcall_metamethods_and_iterators),
        cmocka_unit_test(run_yield_of_the_handler_itself_is_an_error),
        cmocka_unit_test(run_retry_policy_says_when_or_gives_up),
        cmocka_unit_test(run_retry_policy_that_answers_nonsense_is_reported),
        cmocka_unit_test(run_retry_policy_may_be_absent),
        cmocka_unit_test(run_dead_policy_may_discard_and_publish),
        cmocka_unit_test(run_on_dead_gets_the_reason_and_must_not_wait),
        cmocka_unit_test(run_of_a_batch_gets_a_list),
        cmocka_unit_test(run_of_a_batch_says_what_failed),
        cmocka_unit_test(run_of_a_batch_and_of_an_event_are_not_taken_for_one_another),
        cmocka_unit_test(run_of_a_batch_refuses_what_is_about_one_event),
        cmocka_unit_test(run_of_a_batch_has_state_when_its_events_have_one_key),
        cmocka_unit_test(run_of_a_batch_sends_no_idempotency_key_but_the_handlers_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
