/* test_lock.c - keyed state and locks: what they hold, and what the clock does to them. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include "journal/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE(options)                                                                           \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\" " options " }\n"

static void assert_out(struct engine_fixture *f, size_t n, const char *expected) {
    assert_int_equal(count_published(f, "out"), n + 1);
    assert_string_equal(nth_published(f, "out", n)->payload, expected);
}

static void a_lock_is_held_refused_and_released(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(SEATS));
    deliver(f, "s", "in/rock", "A1 ann 600");
    assert_out(f, 0, "held by ann");
    deliver(f, "s", "in/rock", "A1 bob 600");
    assert_out(f, 1, "refused for ann");
    deliver(f, "s", "in/jazz", "A1 bob 600"); /* another key's lock */
    assert_out(f, 2, "held by bob");
    deliver(f, "s", "in/rock", "A1 bob");
    assert_out(f, 3, "unlock false");
    crash(f);
    deliver(f, "s", "in/rock", "A1 ann");
    advance(f, 10);
    assert_out(f, 4, "unlock true");
    deliver(f, "s", "in/rock", "A1 bob 600");
    advance(f, 10);
    assert_out(f, 5, "held by bob");
}

static void an_expired_lock_is_told_and_free(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(SEATS));
    deliver(f, "s", "in/rock", "A1 ann 600");
    advance(f, 599999);
    assert_int_equal(count_published(f, "out"), 1);
    advance(f, 1);
    assert_out(f, 1, "expired A1 ann ann");
    assert_int_equal(count_rows(f, TABLE_LOCK), 0);
    deliver(f, "s", "in/rock", "A1 bob 600");
    assert_out(f, 2, "held by bob");
    assert_books(f, "s", (struct books){.accepted = 3, .done = 3});
}

static void a_lock_expires_though_the_service_has_an_idempotency_rule(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("idempotency = \"property:once\""), LUA(SEATS));
    offer(f, "s", "in/rock", "A1 ann 600", "once", "1", NULL);
    run_dry(f);
    advance(f, 600000);
    assert_out(f, 1, "expired A1 ann ann");
    assert_books(f, "s", (struct books){.accepted = 2, .done = 2});
}

static void a_lock_expires_also_after_a_crash_and_a_long_stop(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(SEATS));
    deliver(f, "s", "in/rock", "A1 ann 600");
    advance(f, 1000);
    f->now_ms += 3600 * 1000;
    crash(f);
    advance(f, 10);
    assert_out(f, 1, "expired A1 ann ann");
}

static void a_lock_extended_by_its_owner_expires_at_the_new_time(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(SEATS));
    deliver(f, "s", "in/rock", "A1 ann 10");
    advance(f, 9000);
    deliver(f, "s", "in/rock", "A1 ann 10");
    assert_out(f, 1, "held by ann");
    advance(f, 9999);
    assert_int_equal(count_published(f, "out"), 2);
    advance(f, 1);
    assert_out(f, 2, "expired A1 ann ann");
    advance(f, 60000);
    assert_int_equal(count_published(f, "out"), 3);
}

static void a_released_lock_does_not_expire(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(SEATS));
    deliver(f, "s", "in/rock", "A1 ann 10");
    deliver(f, "s", "in/rock", "A1 ann");
    advance(f, 60000);
    assert_int_equal(count_published(f, "out"), 2);
    assert_books(f, "s", (struct books){.accepted = 2, .done = 2});
}

/* The expiry stands behind other events of its lane: until it has run the lock counts as held, and
 * an owner who extends it in time keeps it. */
static void an_expiry_that_came_too_late_is_ignored(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(SEATS));
    deliver(f, "s", "in/rock", "A1 ann 10");
    command(f, (struct command){.kind = COMMAND_PAUSE, .service = slice_of("s")});
    deliver(f, "s", "in/rock", "A1 bob 600");
    deliver(f, "s", "in/rock", "A1 ann 600");
    advance(f, 10000);
    assert_int_equal(status(f).waiting, 3);
    command(f, (struct command){.kind = COMMAND_RESUME, .service = slice_of("s")});
    assert_string_equal(nth_published(f, "out", 1)->payload, "refused for ann");
    assert_string_equal(nth_published(f, "out", 2)->payload, "held by ann");
    assert_int_equal(count_published(f, "out"), 3);
    assert_books(f, "s", (struct books){.accepted = 4, .done = 4});
    deliver(f, "s", "in/rock", "A1 bob 600");
    assert_string_equal(nth_published(f, "out", 3)->payload, "refused for ann");
}

/* What has the name by the time that the expiry runs may have run out, too. */
static void an_expiry_tells_of_its_own_lock_only(void **state) {
    struct engine_fixture *f = *state;
    char out[256];
    fixture_run(f, SERVICE(""), LUA(an_expiry_tells_of_its_own_lock_only));
    deliver(f, "s", "in/rock", "ann");
    command(f, (struct command){.kind = COMMAND_PAUSE, .service = slice_of("s")});
    deliver(f, "s", "in/rock", "free");
    deliver(f, "s", "in/rock", "bob");
    deliver(f, "s", "in/rock", "slow");
    advance(f, 6000); /* the expiry of ann's lock stands behind them */
    command(f, (struct command){.kind = COMMAND_RESUME, .service = slice_of("s")});
    advance(f, 6000); /* and bob's lock runs out before its turn */
    answer(f, 0, 200, "");
    run_dry(f);
    assert_string_equal(payloads(f, "out", out, sizeof out), "bob");
}

static void an_expiry_runs_in_its_lane_behind_what_was_there(void **state) {
    struct engine_fixture *f = *state;
    char out[256];
    fixture_run(f, SERVICE(""), LUA(an_expiry_runs_in_its_lane_behind_what_was_there));
    deliver(f, "s", "in/rock", "lock");
    deliver(f, "s", "in/rock", "slow");
    advance(f, 20000);
    answer(f, 0, 200, "");
    run_dry(f);
    assert_string_equal(payloads(f, "out", out, sizeof out), "slow expired");
}

static void an_expiry_handler_that_fails_is_retried_and_frees_the_lock_in_the_end(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("retries = 1 delay = \"1s\" jitter = 0"),
                LUA(an_expiry_handler_that_fails_is_retried_and_frees_the_lock_in_the_end));
    deliver(f, "s", "in/rock", "ann");
    advance(f, 10000);
    deliver(f, "s", "in/rock", "bob");
    assert_int_equal(count_published(f, "out"), 1); /* behind the retry */
    advance(f, 1000);
    assert_out(f, 1, "true");
    struct books b = service_status(f, "s").books;
    assert_int_equal(b.dead, 1);
    assert_int_equal(b.done, 2);
}

static void a_replay_of_a_dead_expiry_runs_the_mended_handler(void **state) {
    struct engine_fixture *f = *state;
    const char *lock = LUA(lock);
    char script[512];
    (void)snprintf(script, sizeof script,
                   "%sfunction s.on_lock_expired(l) error('a bug') end\nreturn s\n", lock);
    fixture_run(f, SERVICE("retries = 0"), script);
    deliver(f, "s", "in/rock", "x");
    advance(f, 10000);
    assert_int_equal(count_events(f, "s", EVENT_DEAD), 1);
    (void)snprintf(script, sizeof script,
                   "%sfunction s.on_lock_expired(l) zing.publish('out', l.name) end\nreturn s\n",
                   lock);
    fixture_script(f, "h.lua", script);
    fixture_reload(f);
    struct dead_row row = {.partition = 0};
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(journal_dead_next(f->view, &row), 0);
    store_abort(f->store);
    assert_int_equal(command(f, (struct command){.kind = COMMAND_REPLAY, .id = row.id}), 0);
    assert_out(f, 0, "A1");
    assert_books(f, "s", (struct books){.accepted = 2, .done = 2});
}

static void without_an_expiry_handler_a_lock_is_just_free(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(without_an_expiry_handler_a_lock_is_just_free));
    deliver(f, "s", "in/rock", "ann");
    advance(f, 9999);
    deliver(f, "s", "in/rock", "bob");
    assert_out(f, 1, "false");
    advance(f, 1);
    deliver(f, "s", "in/rock", "bob");
    assert_out(f, 2, "true");
    assert_books(f, "s", (struct books){.accepted = 3, .done = 3});
}

static void a_lock_of_a_service_that_was_not_run_for_a_while_expires_when_it_is(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("") "service \"t\" { subscribe = {\"t\"} handler = \"h.lua\" }\n",
                LUA(SEATS));
    deliver(f, "s", "in/rock", "A1 ann 10");
    f->only = "t";
    restart(f);
    advance(f, 200000);
    assert_int_equal(count_published(f, "out"), 1);
    f->only = NULL;
    restart(f);
    advance(f, 200000);
    assert_out(f, 1, "expired A1 ann ann");
    assert_int_equal(count_rows(f, TABLE_LOCK), 0);
}

static void a_lock_with_bytes_that_are_no_text_expires_like_any_other(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(a_lock_with_bytes_that_are_no_text_expires_like_any_other));
    deliver(f, "s", "in/rock", "x");
    advance(f, 10000);
    advance(f, 60000);
    struct books b = service_status(f, "s").books;
    assert_int_equal(books_waiting(&b), 0);
    assert_int_equal(count_rows(f, TABLE_LOCK), 0);
}

static void without_order_two_takers_of_one_lock_do_not_both_get_it(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("order = none delay = \"1s\" jitter = 0"),
                LUA(without_order_two_takers_of_one_lock_do_not_both_get_it));
    deliver(f, "s", "in/rock", "ann");
    deliver(f, "s", "in/rock", "bob");
    answer(f, 0, 200, "");
    answer(f, 1, 200, "");
    run_dry(f);
    assert_out(f, 0, "ann true");
    advance(f, 1000);
    answer(f, 2, 200, "");
    run_dry(f);
    assert_out(f, 1, "bob false");
}

/* --- state --- */

static void state_is_of_one_service_and_key(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(
        f,
        SERVICE(
            "") "service \"t\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\" }\n",
        LUA(state_is_of_one_service_and_key));
    for (int i = 0; i < 3; i++) {
        deliver(f, "s", "in/a", "x");
    }
    deliver(f, "s", "in/b", "y");
    deliver(f, "t", "in/a", "z");
    crash(f);
    assert_string_equal(state_text(f, "s", "a", "n", text), "3");
    assert_string_equal(state_text(f, "s", "b", "n", text), "1");
    assert_string_equal(state_text(f, "t", "a", "n", text), "1");
    assert_string_equal(state_text(f, "s", "b", "last", text), "{\"p\":\"y\"}");
    assert_string_equal(state_text(f, "s", "c", "n", text), "none");
}

static void state_with_a_ttl_is_gone_after_it_also_from_disk(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE(""),
                "return function(e) zing.state.set('v', e.payload, {ttl = 10}) end");
    deliver(f, "s", "in/a", "1");
    advance(f, 5000);
    deliver(f, "s", "in/a", "2"); /* lives until 15 s */
    advance(f, 9999);
    assert_string_equal(state_text(f, "s", "a", "v", text), "\"2\"");
    crash(f);
    advance(f, 1);
    assert_string_equal(state_text(f, "s", "a", "v", text), "none");
    assert_int_equal(count_rows(f, TABLE_STATE), 0);
}

static void state_set_again_without_a_ttl_stays(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE(""), LUA(state_set_again_without_a_ttl_stays));
    deliver(f, "s", "in/a", "1");
    deliver(f, "s", "in/a", "2");
    advance(f, 60000);
    assert_string_equal(state_text(f, "s", "a", "v", text), "\"2\"");
}

static void a_handler_sees_committed_state_of_its_key_and_peeks_at_others(void **state) {
    struct engine_fixture *f = *state;
    char out[256];
    fixture_run(f, SERVICE(""), LUA(a_handler_sees_committed_state_of_its_key_and_peeks_at_others));
    offer(f, "s", "in/a", "", NULL);
    offer(f, "s", "in/b", "", NULL);
    assert_int_equal(turn(f), 0);
    deliver(f, "s", "in/a", "");
    assert_string_equal(payloads(f, "out", out, sizeof out), "0/0 0/0 1/1");
}

/* --- lines for files --- */

static void read_file(const struct engine_fixture *f, const char *name, char out[512]) {
    char path[256];
    (void)snprintf(path, sizeof path, "%s/data/files/%s", f->folder.path, name);
    FILE *fp = fopen(path, "r");
    assert_non_null(fp);
    out[fread(out, 1, 511, fp)] = '\0';
    assert_int_equal(fclose(fp), 0);
}

static void appended_lines_are_written_once_over_crashes(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE(""), "return function(e) zing.append('sales.csv', e.payload) end");
    deliver(f, "s", "in/a", "1");
    crash(f);
    deliver(f, "s", "in/a", "2");
    advance(f, 10);
    deliver(f, "s", "in/a", "3");
    crash(f);
    advance(f, 10);
    restart(f);
    advance(f, 10);
    read_file(f, "sales.csv", text);
    assert_string_equal(text, "1\n2\n3\n");
    assert_int_equal(count_rows(f, TABLE_APPEND), 0);
}

static void a_file_belongs_to_the_service_that_wrote_it_first(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f,
                "service \"s\" { subscribe = {\"in/a\"} handler = \"h.lua\" retries = 0 }\n"
                "service \"t\" { subscribe = {\"in/b\"} handler = \"h.lua\" retries = 0 }\n",
                "return function(e) zing.append('sales.csv', e.payload) end");
    deliver(f, "s", "in/a", "1");
    advance(f, 10);
    deliver(f, "t", "in/b", "2");
    advance(f, 10);
    crash(f);
    deliver(f, "t", "in/b", "3");
    deliver(f, "s", "in/a", "4");
    advance(f, 10);
    read_file(f, "sales.csv", text);
    assert_string_equal(text, "1\n4\n");
    assert_int_equal(state_of(f, "t", "2"), EVENT_DEAD);
    assert_int_equal(state_of(f, "t", "3"), EVENT_DEAD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_lock_is_held_refused_and_released),
        ENGINE_TEST(an_expired_lock_is_told_and_free),
        ENGINE_TEST(a_lock_expires_though_the_service_has_an_idempotency_rule),
        ENGINE_TEST(a_lock_expires_also_after_a_crash_and_a_long_stop),
        ENGINE_TEST(a_lock_extended_by_its_owner_expires_at_the_new_time),
        ENGINE_TEST(a_released_lock_does_not_expire),
        ENGINE_TEST(an_expiry_that_came_too_late_is_ignored),
        ENGINE_TEST(an_expiry_tells_of_its_own_lock_only),
        ENGINE_TEST(an_expiry_runs_in_its_lane_behind_what_was_there),
        ENGINE_TEST(an_expiry_handler_that_fails_is_retried_and_frees_the_lock_in_the_end),
        ENGINE_TEST(a_replay_of_a_dead_expiry_runs_the_mended_handler),
        ENGINE_TEST(without_an_expiry_handler_a_lock_is_just_free),
        ENGINE_TEST(a_lock_of_a_service_that_was_not_run_for_a_while_expires_when_it_is),
        ENGINE_TEST(a_lock_with_bytes_that_are_no_text_expires_like_any_other),
        ENGINE_TEST(without_order_two_takers_of_one_lock_do_not_both_get_it),
        ENGINE_TEST(state_is_of_one_service_and_key),
        ENGINE_TEST(state_with_a_ttl_is_gone_after_it_also_from_disk),
        ENGINE_TEST(state_set_again_without_a_ttl_stays),
        ENGINE_TEST(a_handler_sees_committed_state_of_its_key_and_peeks_at_others),
        ENGINE_TEST(appended_lines_are_written_once_over_crashes),
        ENGINE_TEST(a_file_belongs_to_the_service_that_wrote_it_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
