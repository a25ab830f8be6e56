/* test_rerun.c - what has ended runs again because a person asked: `zingq replay`. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"
#include "base/limits.h"
#include "query/json.h"
#include "journal/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOUR = 3600 * 1000 };

#define SERVICE(options)                                                                           \
    "store { keep_done = \"7d\" }\n"                                                               \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\" retries = 0"     \
    " jitter = 0 " options " }\n"

static void mend(struct engine_fixture *f) {
    fixture_script(f, "h.lua", LUA(MENDED));
    fixture_reload(f);
}

/* The order to run the event again; its strings last. */
static struct command rerun_of(const struct event *event) {
    return (struct command){.kind = COMMAND_RERUN,
                            .service = slice_of("s"),
                            .partition = event->partition,
                            .id = event->id};
}

static struct command rerun_of_payload(struct engine_fixture *f, const char *payload) {
    struct event *event = event_with(f, "s", payload);
    struct command c = rerun_of(event);
    event_free(event);
    return c;
}

static int rerun(struct engine_fixture *f, const char *payload) {
    return command(f, rerun_of_payload(f, payload));
}

static int on_service(struct engine_fixture *f, enum command_kind kind) {
    return command(f, (struct command){.kind = kind, .service = slice_of("s")});
}

static int on_dead_letter(struct engine_fixture *f, enum command_kind kind, const char *payload) {
    struct command c = {.kind = kind, .id = id_of(f, "s", payload)};
    return command(f, c);
}

static void assert_out(struct engine_fixture *f, const char *expected) {
    char out[1024];
    assert_string_equal(payloads(f, "out", out, sizeof out), expected);
}

/* --- one event --- */

static void a_done_event_runs_again_as_the_same_event(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    deliver(f, "s", "in/a", "1");
    struct event *before = event_with(f, "s", "1");
    advance(f, HOUR);
    assert_int_equal(rerun(f, "1"), 0);
    assert_out(f, "1 1*");
    assert_string_equal(history_of(f, "s", "1", text), "replay");
    struct event *after = event_with(f, "s", "1");
    assert_true(uuid_equal(&after->id, &before->id));
    assert_true(after->replayed);
    assert_int_equal(after->state, EVENT_DONE);
    assert_int_equal(after->attempts, 1);
    assert_int_equal(after->accepted_ms, before->accepted_ms);
    assert_int_equal(after->ended_ms, before->ended_ms + HOUR);
    event_free(before);
    event_free(after);
}

static void its_calls_have_the_idempotency_keys_of_the_first_time(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), "return function() zing.http.post('http://peer/', {body='x'}) end");
    deliver(f, "s", "in/a", "1");
    answer(f, 0, 200, "");
    run_dry(f);
    assert_int_equal(rerun(f, "1"), 0);
    assert_int_equal(f->asked_count, 2);
    assert_non_null(strstr(f->asked[0].headers, "Idempotency-Key: "));
    assert_string_equal(f->asked[0].headers, f->asked[1].headers);
}

static void what_both_rounds_published_is_in_its_story(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    char id[UUID_TEXT_BYTES + 1];
    struct uuid published;
    struct slice topic;
    size_t at = 0;
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    deliver(f, "s", "in/a", "1");
    assert_int_equal(rerun(f, "1"), 0);
    struct event *event = event_with(f, "s", "1");
    for (size_t n = 0; n < 2; n++) {
        assert_true(look_next_publish(event, &at, &published, &topic));
        assert_string_equal(published_property(nth_published(f, "out", n), "zingq-id", text),
                            uuid_text(&published, id));
    }
    assert_false(look_next_publish(event, &at, &published, &topic));
    event_free(event);
}

static void what_rounds_published_is_kept_within_bounds(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(what_rounds_published_is_kept_within_bounds));
    f->offline = true;
    deliver(f, "s", "in/a", "1");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(rerun(f, "1"), 0);
    }
    struct event *event = event_with(f, "s", "1");
    assert_in_range(event->publishes.len, 1, 2 * ROUNDS_BYTES_MAX);
    event_free(event);
}

static void duplicates_are_not_looked_for_but_new_ones_are_still_dropped(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("idempotency = \"topic:2\""), LUA(HANDLER));
    deliver(f, "s", "in/a", "1");
    assert_int_equal(rerun(f, "1"), 0);
    deliver(f, "s", "in/a", "1");
    assert_out(f, "1 1*");
    assert_books(f, "s", (struct books){.accepted = 3, .done = 2, .duplicates = 1});
}

static void a_discarded_event_runs_again_and_stays_counted(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    deliver(f, "s", "in/a", "bad");
    assert_int_equal(on_dead_letter(f, COMMAND_DISCARD, "bad"), 0);
    mend(f);
    assert_int_equal(rerun(f, "bad"), 0);
    assert_out(f, "bad*");
    assert_string_equal(history_of(f, "s", "bad", text), "error replay");
    assert_books(f, "s", (struct books){.accepted = 2, .done = 1, .discarded = 1});
}

static void a_discarded_event_that_never_had_a_key_is_refused_with_the_reason(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"json:/k\" }\n",
                LUA(HANDLER));
    deliver(f, "s", "in/a", "{}");
    assert_int_equal(on_dead_letter(f, COMMAND_DISCARD, "{}"), 0);
    assert_int_equal(rerun(f, "{}"), ERR_INVALID);
    assert_string_equal(f->report.text, "no value at /k in the payload");
    assert_int_equal(state_of(f, "s", "{}"), EVENT_DISCARDED);
    assert_books(f, "s", (struct books){.accepted = 1, .discarded = 1});
}

static void a_replay_that_fails_is_a_dead_letter_like_any_other(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE(""), LUA(MENDED));
    deliver(f, "s", "in/a", "bad");
    fixture_script(f, "h.lua", LUA(HANDLER));
    fixture_reload(f);
    assert_int_equal(rerun(f, "bad"), 0);
    assert_int_equal(state_of(f, "s", "bad"), EVENT_DEAD);
    assert_books(f, "s", (struct books){.accepted = 2, .done = 1, .dead = 1});
    mend(f);
    assert_int_equal(on_dead_letter(f, COMMAND_REPLAY, "bad"), 0);
    assert_string_equal(history_of(f, "s", "bad", text), "replay error replay");
    assert_books(f, "s", (struct books){.accepted = 2, .done = 2});
}

static void an_event_of_an_unordered_service_runs_again(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" }\n", LUA(HANDLER));
    deliver(f, "s", "in/a", "1");
    assert_int_equal(rerun(f, "1"), 0);
    assert_out(f, "1 1*");
}

static void how_long_it_took_counts_from_the_replay(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    deliver(f, "s", "in/a", "1");
    advance(f, HOUR);
    assert_int_equal(rerun(f, "1"), 0);
    assert_in_range(service_status(f, "s").lately.p99_us, 0, 1000 * 1000);
}

/* --- what is refused --- */

static void what_waits_is_refused(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    on_service(f, COMMAND_PAUSE);
    deliver(f, "s", "in/a", "1");
    assert_int_equal(rerun(f, "1"), ERR_EXISTS);
    assert_string_equal(f->report.text, "it is already waiting: it is ready");
    on_service(f, COMMAND_RESUME);
    assert_out(f, "1");
    assert_books(f, "s", (struct books){.accepted = 1, .done = 1});
}

static void a_dead_letter_is_refused_and_told_where_to_go(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    deliver(f, "s", "in/a", "bad");
    assert_int_equal(rerun(f, "bad"), ERR_INVALID);
    assert_non_null(strstr(f->report.text, "zingq dlq replay"));
    assert_books(f, "s", (struct books){.accepted = 1, .dead = 1});
}

static void what_is_not_there_is_refused(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    deliver(f, "s", "in/a", "1");
    struct command c = rerun_of_payload(f, "1");
    c.id.bytes[15] ^= 1;
    assert_int_equal(command(f, c), ERR_NOTFOUND);
    assert_non_null(strstr(f->report.text, "no event "));
    c = rerun_of_payload(f, "1");
    c.service = slice_of("x");
    assert_int_equal(command(f, c), ERR_NOTFOUND);
    assert_string_equal(f->report.text, "no service \"x\" in topics.conf");
    assert_out(f, "1");
}

static void the_expiry_of_a_lock_is_refused(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(the_expiry_of_a_lock_is_refused));
    deliver(f, "s", "in/a", "1");
    advance(f, 6000);
    assert_int_equal(count_published(f, "expired"), 1);
    struct event *first = event_with(f, "s", "1");
    struct event_place at = {0};
    struct event *expiry = NULL;
    assert_int_equal(store_begin(f->store), 0);
    while (expiry == NULL || expiry->kind != EVENT_LOCK_EXPIRED) {
        event_free(expiry);
        assert_int_equal(journal_event_scan(f->view, &at, &expiry), 0);
    }
    store_abort(f->store);
    assert_int_equal(command(f, rerun_of(expiry)), ERR_INVALID);
    assert_non_null(strstr(f->report.text, "replay the event that took it"));
    event_free(expiry);
    event_free(first);
}

static void a_full_store_refuses_it(void **state) {
    struct engine_fixture *f = *state;
    f->unchecked = true;
    fixture_run(f,
                "store { max_size = \"4MiB\" }\n"
                "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" }\n",
                "return function() end");
    deliver(f, "s", "in/a", "1");
    struct command c = rerun_of_payload(f, "1");
    char payload[20000];
    memset(payload, 'x', sizeof payload - 1);
    payload[sizeof payload - 1] = '\0';
    int code = 0;
    for (int i = 0; i < 10000 && code == 0; i++) {
        offer(f, "s", "in/a", payload, NULL);
        code = turn(f);
        f->now_ms++;
    }
    assert_int_equal(code, ERR_FULL);
    assert_int_equal(redeliver(f), 1);
    assert_int_equal(turn(f), ERR_FULL);
    assert_int_equal(command(f, c), ERR_FULL);
    engine_check(f);
}

/* --- once, however often it is asked for --- */

static void two_orders_of_one_turn_replay_an_event_once(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    deliver(f, "s", "in/a", "1");
    struct command first = rerun_of_payload(f, "1");
    struct command second = first;
    engine_submit(f->engine, &first);
    engine_submit(f->engine, &second);
    run_dry(f);
    assert_int_equal(first.code, 0);
    assert_int_equal(second.code, ERR_EXISTS);
    assert_out(f, "1 1*");
}

static void two_orders_of_one_turn_replay_a_dead_letter_once(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    deliver(f, "s", "in/a", "bad");
    mend(f);
    struct command first = {.kind = COMMAND_REPLAY, .id = id_of(f, "s", "bad")};
    struct command second = first;
    engine_submit(f->engine, &first);
    engine_submit(f->engine, &second);
    run_dry(f);
    assert_int_equal(first.code, 0);
    assert_int_equal(second.code, ERR_NOTFOUND);
    assert_out(f, "bad*");
    assert_books(f, "s", (struct books){.accepted = 1, .done = 1});
}

static void an_order_does_not_repeat_what_another_one_has_replayed(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    deliver(f, "s", "in/a", "1");
    struct command c = rerun_of_payload(f, "1");
    c.ended_by_ms = f->now_ms;
    advance(f, 1000);
    assert_int_equal(command(f, c), 0);
    assert_int_equal(command(f, c), ERR_EXISTS);
    assert_string_equal(f->report.text, "it has been replayed in the meantime");
    assert_out(f, "1 1*");
}

/* --- idempotency_window --- */

static void answer_the_call(struct engine_fixture *f) {
    answer(f, f->asked_count - 1, 200, "");
    run_dry(f);
}

static void past_idempotency_window_it_wants_to_be_forced(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("idempotency_window = \"2h\""), LUA(CALLING));
    deliver(f, "s", "in/a", "1");
    answer_the_call(f);
    advance(f, 2 * HOUR);
    assert_int_equal(rerun(f, "1"), 0);
    answer_the_call(f);
    advance(f, 1);
    assert_int_equal(rerun(f, "1"), ERR_INVALID);
    assert_non_null(strstr(f->report.text, "its first call 2 h ago"));
    assert_non_null(strstr(f->report.text, "--force"));
    struct command c = rerun_of_payload(f, "1");
    c.force = true;
    assert_int_equal(command(f, c), 0);
    answer_the_call(f);
    assert_out(f, "1 1* 1*");
    assert_books(f, "s", (struct books){.accepted = 3, .done = 3});
}

static void so_does_a_dead_letter(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(CALLING));
    deliver(f, "s", "in/a", "bad");
    answer_the_call(f);
    mend(f);
    advance(f, 25 * HOUR);
    struct command c = {.kind = COMMAND_REPLAY, .id = id_of(f, "s", "bad")};
    assert_int_equal(command(f, c), ERR_INVALID);
    assert_int_equal(state_of(f, "s", "bad"), EVENT_DEAD);
    c.force = true;
    assert_int_equal(command(f, c), 0);
    assert_out(f, "bad*");
}

static void and_a_parked_key(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("on_dead = park"), LUA(CALLING));
    deliver(f, "s", "in/a", "bad");
    answer_the_call(f);
    mend(f);
    advance(f, 25 * HOUR);
    struct command c = {.kind = COMMAND_KEY_RESUME, .service = slice_of("s"), .key = slice_of("a")};
    assert_int_equal(command(f, c), ERR_INVALID);
    c.force = true;
    assert_int_equal(command(f, c), 0);
    assert_out(f, "bad*");
}

static void what_made_no_calls_needs_no_force(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    deliver(f, "s", "in/a", "1");
    advance(f, 48 * HOUR);
    assert_int_equal(rerun(f, "1"), 0);
    assert_out(f, "1 1*");
}

static void what_never_ran_has_made_no_calls_and_needs_no_force(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"json:/k\" }\n",
                LUA(HANDLER));
    deliver(f, "s", "in/a", "{}");
    advance(f, 48 * HOUR);
    struct command edit = {
        .kind = COMMAND_EDIT, .id = id_of(f, "s", "{}"), .payload = slice_of("{\"k\":\"1\"}")};
    assert_int_equal(command(f, edit), 0);
    assert_int_equal(on_dead_letter(f, COMMAND_REPLAY, "{\"k\":\"1\"}"), 0);
    assert_out(f, "{\"k\":\"1\"}*");
}

/* --- where it stands --- */

static void it_joins_its_lane_behind_what_waits(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    deliver(f, "s", "in/a", "1");
    on_service(f, COMMAND_PAUSE);
    deliver(f, "s", "in/a", "2");
    assert_int_equal(rerun(f, "1"), 0);
    deliver(f, "s", "in/a", "3");
    crash(f);
    on_service(f, COMMAND_RESUME);
    advance(f, 10);
    assert_out(f, "1 2 1* 3");
}

static void it_waits_behind_what_parked_its_key(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("on_dead = park"), LUA(HANDLER));
    deliver(f, "s", "in/a", "1");
    deliver(f, "s", "in/a", "bad");
    assert_int_equal(rerun(f, "1"), 0);
    crash(f);
    advance(f, 10);
    assert_out(f, "1");
    mend(f);
    struct command c = {.kind = COMMAND_KEY_RESUME, .service = slice_of("s"), .key = slice_of("a")};
    assert_int_equal(command(f, c), 0);
    assert_out(f, "1 bad* 1*");
}

static void retention_counts_from_its_new_end(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                "store { keep_done = \"1h\" }\n"
                "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\" }\n",
                LUA(HANDLER));
    deliver(f, "s", "in/a", "1");
    advance(f, HOUR / 2);
    assert_int_equal(rerun(f, "1"), 0);
    advance(f, HOUR * 3 / 4);
    assert_int_equal(count_rows(f, TABLE_EVENT), 1);
    advance(f, HOUR / 2);
    assert_int_equal(count_rows(f, TABLE_EVENT), 0);
    assert_int_equal(count_rows(f, TABLE_HISTORY), 0);
    assert_books(f, "s", (struct books){.accepted = 2, .done = 2});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_done_event_runs_again_as_the_same_event),
        ENGINE_TEST(its_calls_have_the_idempotency_keys_of_the_first_time),
        ENGINE_TEST(what_both_rounds_published_is_in_its_story),
        ENGINE_TEST(what_rounds_published_is_kept_within_bounds),
        ENGINE_TEST(duplicates_are_not_looked_for_but_new_ones_are_still_dropped),
        ENGINE_TEST(a_discarded_event_runs_again_and_stays_counted),
        ENGINE_TEST(a_discarded_event_that_never_had_a_key_is_refused_with_the_reason),
        ENGINE_TEST(a_replay_that_fails_is_a_dead_letter_like_any_other),
        ENGINE_TEST(an_event_of_an_unordered_service_runs_again),
        ENGINE_TEST(how_long_it_took_counts_from_the_replay),
        ENGINE_TEST(what_waits_is_refused),
        ENGINE_TEST(a_dead_letter_is_refused_and_told_where_to_go),
        ENGINE_TEST(what_is_not_there_is_refused),
        ENGINE_TEST(the_expiry_of_a_lock_is_refused),
        ENGINE_TEST(a_full_store_refuses_it),
        ENGINE_TEST(two_orders_of_one_turn_replay_an_event_once),
        ENGINE_TEST(two_orders_of_one_turn_replay_a_dead_letter_once),
        ENGINE_TEST(an_order_does_not_repeat_what_another_one_has_replayed),
        ENGINE_TEST(past_idempotency_window_it_wants_to_be_forced),
        ENGINE_TEST(so_does_a_dead_letter),
        ENGINE_TEST(and_a_parked_key),
        ENGINE_TEST(what_made_no_calls_needs_no_force),
        ENGINE_TEST(what_never_ran_has_made_no_calls_and_needs_no_force),
        ENGINE_TEST(it_joins_its_lane_behind_what_waits),
        ENGINE_TEST(it_waits_behind_what_parked_its_key),
        ENGINE_TEST(retention_counts_from_its_new_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
