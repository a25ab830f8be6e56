/* test_batch.c - services with `batch`: many events in one run, each with an end of its own. */
#include "batch_world.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what is in a batch --- */

static void what_waits_comes_as_one_list(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("batch = 4"), "return function(events)\n" TELL "end");
    offer_many(f, 6);
    run_dry(f);
    assert_string_equal(out_of(f), "4:1,2,3,4 2:5,6");
    assert_int_equal(count_events(f, "s", EVENT_DONE), 6);
}

static void a_single_event_comes_as_a_list_too(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("batch = 4"), "return function(events)\n" TELL "end");
    deliver(f, "s", "in", "x");
    assert_string_equal(out_of(f), "1:x");
    assert_int_equal(state_of(f, "s", "x"), EVENT_DONE);
}

static void a_batch_waits_for_more_until_it_is_full(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("batch = 3 linger = \"1s\""), "return function(events)\n" TELL "end");
    offer_many(f, 2);
    advance(f, 900);
    assert_string_equal(out_of(f), "");
    offer(f, "s", "in", "3", NULL);
    run_dry(f);
    assert_string_equal(out_of(f), "3:1,2,3");
}

static void linger_is_counted_from_its_oldest_event(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("batch = 10 linger = \"1s\""), "return function(events)\n" TELL "end");
    offer(f, "s", "in", "1", NULL);
    advance(f, 600);
    offer(f, "s", "in", "2", NULL);
    advance(f, 399);
    assert_string_equal(out_of(f), "");
    advance(f, 1);
    assert_string_equal(out_of(f), "2:1,2");
}

static void what_is_left_of_a_full_batch_lingers_on(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("batch = 2 linger = \"1s\""), "return function(events)\n" TELL "end");
    offer_many(f, 3);
    run_dry(f);
    assert_string_equal(out_of(f), "2:1,2");
    advance(f, 1000);
    assert_string_equal(out_of(f), "2:1,2 1:3");
}

static void each_key_gives_one_event_so_order_within_it_holds(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("batch = 10 key = \"property:k\""),
                "return function(events)\n" TELL "end");
    offer(f, "s", "in", "a1", "k", "a", NULL);
    offer(f, "s", "in", "a2", "k", "a", NULL);
    offer(f, "s", "in", "b1", "k", "b", NULL);
    run_dry(f);
    assert_string_equal(out_of(f), "2:a1,b1 1:a2");
}

static void a_key_with_a_backlog_does_not_linger_for_each_event(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("batch = 10 linger = \"1s\" key = \"property:k\""),
                "return function(events)\n" TELL "end");
    for (int i = 0; i < 5; i++) {
        offer(f, "s", "in", "x", "k", "a", NULL);
    }
    advance(f, 1000);
    assert_string_equal(out_of(f), "1:x 1:x 1:x 1:x 1:x");
}

static void a_batch_is_for_one_function(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("batch = 10"), LUA(a_batch_is_for_one_function));
    const char *const topics[] = {"in/a", "in/a", "in/b", "in/none", "in/b", "in/b", "in/a"};
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        offer(f, "s", topics[i], topics[i], NULL);
    }
    run_dry(f);
    assert_string_equal(out_of(f), "a2 b1 b2 a1");
    assert_int_equal(state_of(f, "s", "in/none"), EVENT_DEAD);
}

static void concurrency_counts_batches(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("batch = 2 concurrency = 1"),
                "return function(events)\n zing.http.get('http://x/')\n" TELL "end");
    offer_many(f, 4);
    run_dry(f);
    assert_int_equal(f->asked_count, 1);
    answer(f, 0, 200, "");
    run_dry(f);
    assert_int_equal(f->asked_count, 2);
    answer(f, 1, 200, "");
    run_dry(f);
    assert_string_equal(out_of(f), "2:1,2 2:3,4");
}

static void large_payloads_make_smaller_batches(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, "limits { payload = \"8MiB\" lua_memory = \"256MiB\" }\n" SERVICE("batch = 100"),
                "return function(events) zing.publish('out', #events) end");
    size_t size = 6 << 20;
    char *payload = malloc(size + 1);
    assert_non_null(payload);
    memset(payload, 'x', size);
    payload[size] = '\0';
    for (int i = 0; i < 4; i++) {
        offer(f, "s", "in", payload, NULL);
    }
    free(payload);
    run_dry(f);
    assert_string_equal(out_of(f), "3 1");
}

static void a_payload_as_large_as_a_batch_is_one(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, "limits { payload = \"16MiB\" lua_memory = \"256MiB\" }\n" SERVICE("batch = 10"),
                "return function(events) zing.publish('out', #events) end");
    size_t size = 16 << 20;
    char *payload = malloc(size + 1);
    assert_non_null(payload);
    memset(payload, 'x', size);
    payload[size] = '\0';
    offer(f, "s", "in", payload, NULL);
    offer(f, "s", "in", "y", NULL);
    free(payload);
    run_dry(f);
    assert_string_equal(out_of(f), "1 1");
}

/* --- its effects --- */

static void its_effects_happen_once(void **state) {
    struct engine_fixture *f = *state;
    char value[512];
    fixture_run(f, SERVICE("batch = 100"),
                "return function(events) zing.state.incr('seen', #events) end");
    offer_many(f, 100);
    run_dry(f);
    assert_string_equal(state_text(f, "s", "", "seen", value), "100");
}

static void every_event_knows_its_batch(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("batch = 3"),
                "return function(events)\n" TELL "return {[1] = 'no'} end");
    offer_many(f, 3);
    run_dry(f);
    struct event *lead = event_with(f, "s", "2");
    struct event *other = event_with(f, "s", "3");
    assert_int_equal(lead->batch_events, 3);
    assert_true(uuid_equal(&lead->batch, &lead->id));
    assert_true(uuid_equal(&other->batch, &lead->id));
    assert_true(lead->publishes.len > 0);
    assert_int_equal(other->publishes.len, 0);
    event_free(lead);
    event_free(other);
}

static void a_loop_through_batches_is_found(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("batch = 2"),
                "return function(events) zing.publish('in/again', 'x') end");
    offer_many(f, 2);
    advance(f, 1000);
    assert_int_equal(count_events(f, "s", EVENT_DEAD), 1);
}

/* --- what fails --- */

static void named_events_fail_alone_and_the_others_are_done(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("batch = 3"),
                "return function(events)\n" TELL "  local failed = {}\n"
                "  for i, e in ipairs(events) do\n"
                "    if e.payload == '2' then failed[i] = 'not today' end\n"
                "  end\n"
                "  return failed\n"
                "end");
    offer_many(f, 3);
    run_dry(f);
    assert_string_equal(out_of(f), "3:1,2,3");
    assert_int_equal(state_of(f, "s", "1"), EVENT_DONE);
    assert_int_equal(state_of(f, "s", "2"), EVENT_RETRYING);
    assert_int_equal(state_of(f, "s", "3"), EVENT_DONE);
    advance(f, 60000);
    assert_int_equal(state_of(f, "s", "2"), EVENT_DEAD);
    assert_string_equal(reason_of(f, "s", "2", text), "not today");
    assert_string_equal(history_of(f, "s", "2", text), "error error error error");
    assert_string_equal(out_of(f), "3:1,2,3"); /* alone it failed whole: nothing happened */
}

static void a_named_event_may_fail_for_good(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("batch = 2"),
                "return function(events) return {[2] = {dead = 'no such user'}} end");
    offer_many(f, 2);
    run_dry(f);
    assert_int_equal(state_of(f, "s", "1"), EVENT_DONE);
    assert_int_equal(state_of(f, "s", "2"), EVENT_DEAD);
    assert_string_equal(reason_of(f, "s", "2", text), "no such user");
}

static void nothing_happens_when_all_are_named(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("batch = 2"),
                "return function(events)\n" TELL "return {'no', 'no'} end");
    offer_many(f, 2);
    run_dry(f);
    assert_string_equal(out_of(f), "");
    assert_int_equal(count_events(f, "s", EVENT_RETRYING), 2);
}

static void after_an_error_each_runs_alone_so_the_poison_is_found(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("batch = 5"),
                "return function(events)\n"
                "  for _, e in ipairs(events) do\n"
                "    if e.payload == '3' then error('poison', 0) end\n"
                "  end\n" TELL "end");
    offer_many(f, 5);
    run_dry(f);
    assert_int_equal(count_events(f, "s", EVENT_RETRYING), 5);
    advance(f, 60000);
    assert_int_equal(count_published(f, "out"), 4);
    assert_int_equal(count_events(f, "s", EVENT_DONE), 4);
    assert_int_equal(state_of(f, "s", "3"), EVENT_DEAD);
    assert_non_null(strstr(reason_of(f, "s", "3", text), "poison"));
}

static void a_batch_that_fails_uses_up_no_try_of_its_events(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("batch = 3 retries = 0"),
                LUA(a_batch_that_fails_uses_up_no_try_of_its_events));
    offer_many(f, 3);
    advance(f, 10);
    assert_int_equal(state_of(f, "s", "1"), EVENT_DONE);
    assert_int_equal(state_of(f, "s", "2"), EVENT_DEAD);
    assert_int_equal(state_of(f, "s", "3"), EVENT_DONE);
    assert_string_equal(history_of(f, "s", "1", text), "error");
    assert_string_equal(history_of(f, "s", "2", text), "error error");
}

static void of_two_calls_of_a_batch_the_one_that_counts_is_kept(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("batch = 2 idempotency_window = \"1m\""),
                LUA(of_two_calls_of_a_batch_the_one_that_counts_is_kept));
    offer_many(f, 2);
    run_dry(f);
    answer(f, 0, 200, "");
    run_dry(f);
    answer(f, 1, 404, "");
    run_dry(f);
    f->now_ms += 120000;
    struct event *event = event_with(f, "s", "1");
    assert_true(engine_needs_force(f->engine, event));
    event_free(event);
}

static void a_call_of_a_batch_is_noted_with_each_event(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("batch = 2 idempotency_window = \"1m\""),
                "return function(events) zing.http.post('http://x/') end");
    offer_many(f, 2);
    run_dry(f);
    answer(f, 0, 200, "");
    run_dry(f);
    f->now_ms += 120000;
    struct event *event = event_with(f, "s", "2");
    assert_true(event->calls.len > 0);
    assert_true(engine_needs_force(f->engine, event));
    event_free(event);
}

static void after_a_retry_they_may_come_together_again(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("batch = 3"),
                "return function(events)\n"
                "  if events[1].attempt == 1 then zing.retry('5s', 'busy') end\n" TELL "end");
    offer_many(f, 3);
    run_dry(f);
    assert_int_equal(count_events(f, "s", EVENT_RETRYING), 3);
    advance(f, 5000);
    assert_string_equal(out_of(f), "3:1,2,3");
}

static void a_payload_that_is_no_json_costs_the_others_nothing(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("batch = 3 retries = 0"),
                LUA(a_payload_that_is_no_json_costs_the_others_nothing));
    offer(f, "s", "in", "1", NULL);
    offer(f, "s", "in", "{", NULL);
    offer(f, "s", "in", "3", NULL);
    advance(f, 10);
    assert_string_equal(out_of(f), "4");
    assert_int_equal(state_of(f, "s", "{"), EVENT_DEAD);
    assert_string_equal(history_of(f, "s", "1", text), "");
    assert_int_equal(service_status(f, "s").books.snoozes, 0);
    assert_non_null(strstr(reason_of(f, "s", "{", text), "payload is not JSON"));
}

static void a_batch_that_takes_too_long_fails_whole(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("batch = 2 timeout = \"5s\""),
                "return function(events)\n"
                "  local last <close> = setmetatable({}, {__close = function()\n"
                "    zing.log.info('closing ' .. events[2].id) end})\n"
                "  if #events > 1 then zing.http.get('http://slow/') end\n" TELL "end");
    offer_many(f, 2);
    advance(f, 5000);
    assert_string_equal(history_of(f, "s", "2", text), "timeout");
    assert_int_equal(service_status(f, "s").books.timeouts, 2);
    advance(f, 1000);
    assert_string_equal(out_of(f), "");
}

static void an_answer_that_makes_no_sense_is_an_error(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE("batch = 2"), "return function(events) return {[7] = 'x'} end");
    offer_many(f, 2);
    run_dry(f);
    assert_int_equal(count_events(f, "s", EVENT_RETRYING), 2);
    advance(f, 60000);
    assert_non_null(strstr(reason_of(f, "s", "1", text), "failure of event [7], and was given 1"));
}

static void a_replayed_event_may_share_a_batch_again(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("batch = 2 retries = 0"),
                "return function(events)\n"
                "  if not events[1].replayed then error('down') end\n" TELL "end");
    offer_many(f, 2);
    advance(f, 10);
    assert_int_equal(count_events(f, "s", EVENT_DEAD), 2);
    struct command c = {.kind = COMMAND_PAUSE, .service = slice_of("s")};
    assert_int_equal(command(f, c), 0);
    c = (struct command){.kind = COMMAND_REPLAY, .id = id_of(f, "s", "1")};
    assert_int_equal(command(f, c), 0);
    c.id = id_of(f, "s", "2");
    assert_int_equal(command(f, c), 0);
    c = (struct command){.kind = COMMAND_RESUME, .service = slice_of("s")};
    assert_int_equal(command(f, c), 0);
    assert_string_equal(out_of(f), "2:1,2");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(what_waits_comes_as_one_list),
        ENGINE_TEST(a_single_event_comes_as_a_list_too),
        ENGINE_TEST(a_batch_waits_for_more_until_it_is_full),
        ENGINE_TEST(linger_is_counted_from_its_oldest_event),
        ENGINE_TEST(what_is_left_of_a_full_batch_lingers_on),
        ENGINE_TEST(each_key_gives_one_event_so_order_within_it_holds),
        ENGINE_TEST(a_key_with_a_backlog_does_not_linger_for_each_event),
        ENGINE_TEST(a_batch_is_for_one_function),
        ENGINE_TEST(concurrency_counts_batches),
        ENGINE_TEST(large_payloads_make_smaller_batches),
        ENGINE_TEST(a_payload_as_large_as_a_batch_is_one),
        ENGINE_TEST(its_effects_happen_once),
        ENGINE_TEST(every_event_knows_its_batch),
        ENGINE_TEST(a_loop_through_batches_is_found),
        ENGINE_TEST(named_events_fail_alone_and_the_others_are_done),
        ENGINE_TEST(a_named_event_may_fail_for_good),
        ENGINE_TEST(nothing_happens_when_all_are_named),
        ENGINE_TEST(after_an_error_each_runs_alone_so_the_poison_is_found),
        ENGINE_TEST(a_batch_that_fails_uses_up_no_try_of_its_events),
        ENGINE_TEST(of_two_calls_of_a_batch_the_one_that_counts_is_kept),
        ENGINE_TEST(a_call_of_a_batch_is_noted_with_each_event),
        ENGINE_TEST(after_a_retry_they_may_come_together_again),
        ENGINE_TEST(a_payload_that_is_no_json_costs_the_others_nothing),
        ENGINE_TEST(a_batch_that_takes_too_long_fails_whole),
        ENGINE_TEST(an_answer_that_makes_no_sense_is_an_error),
        ENGINE_TEST(a_replayed_event_may_share_a_batch_again),
    };
    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
