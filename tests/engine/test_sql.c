/* test_sql.c - statements as calls: what an attempt records of them, and who ends a transaction. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include "event/call.h"

#include <stdio.h>
#include <string.h>

static const char SHOP[] = "database shop { url = \"postgres://db/shop\" }\n"
                           "service s { subscribe = {\"in\"}  handler = \"h.lua\"  jitter = 0  "
                           "delay = \"2h\"  max_delay = \"2h\"  idempotency_window = \"1h\" }";

/* The database answers with one row of one column, a text; of NULL with null. */
static void answer_row(struct engine_fixture *f, size_t asked, const char *text) {
    struct call_result result = {.status = 0};
    assert_true(asked < f->asked_count && f->asked[asked].open);
    f->asked[asked].open = false;
    buf_init(&result.headers, 4096);
    buf_init(&result.body, 4096);
    buf_add_u64(&result.headers, 1);
    buf_add_u16(&result.headers, 1);
    buf_add_u32(&result.headers, 25);
    buf_add_lv(&result.headers, slice_of("x"));
    buf_add_u8(&result.body, text == NULL ? 0 : 1);
    if (text != NULL) {
        buf_add_lv(&result.body, slice_of(text));
    }
    engine_call_done(f->engine, f->asked[asked].id, &result);
    call_result_clear(&result);
    run_dry(f);
}

static void start(struct engine_fixture *f, const char *script) {
    fixture_run(f, SHOP, script);
    deliver(f, "s", "in", "x");
}

static void a_statement_ends_with_its_rows(void **state) {
    struct engine_fixture *f = *state;
    start(f, LUA(PLAIN));
    assert_string_equal(f->asked[0].url, "shop");
    assert_string_equal(f->asked[0].body, "update items set x = $1 returning x");
    answer_row(f, 0, "seven");
    assert_string_equal(nth_published(f, "out", 0)->payload, "seven");
}

static void an_error_of_the_data_is_the_end_and_any_other_is_not(void **state) {
    struct engine_fixture *f = *state;
    start(f, LUA(PLAIN));
    answer(f, 0, call_sqlstate("23505"), "");
    run_dry(f);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DEAD);
    deliver(f, "s", "in", "y");
    answer(f, 1, call_sqlstate("40001"), "");
    run_dry(f);
    assert_int_equal(state_of(f, "s", "y"), EVENT_RETRYING);
}

static void a_transaction_is_begun_gone_through_and_committed(void **state) {
    struct engine_fixture *f = *state;
    start(f, LUA(ONCE));
    assert_non_null(strstr(f->asked[0].body, "INSERT INTO zingq_done"));
    answer_row(f, 0, NULL);
    assert_non_null(strstr(f->asked[1].body, "update items"));
    answer_row(f, 1, "4");
    assert_non_null(strstr(f->asked[2].body, "UPDATE zingq_done SET result"));
    answer_row(f, 2, NULL);
    assert_string_equal(nth_published(f, "out", 0)->payload, "4");
    assert_int_equal(f->cancelled, 0);
}

static void what_was_done_before_is_not_done_again(void **state) {
    struct engine_fixture *f = *state;
    start(f, LUA(ONCE));
    answer_row(f, 0, "\\x7334"); /* "s4" */
    assert_string_equal(nth_published(f, "out", 0)->payload, "4");
    assert_int_equal(f->asked_count, 1);
    assert_int_equal(f->cancelled, f->asked[0].id); /* nothing was to be committed */
}

static void an_error_inside_ends_the_transaction_and_the_handler_goes_on(void **state) {
    struct engine_fixture *f = *state;
    start(f, LUA(FAILS_INSIDE));
    answer_row(f, 0, NULL);
    assert_int_equal(f->cancelled, f->asked[0].id);
    assert_string_equal(f->asked[1].body, "select x");
    answer_row(f, 1, "on");
    assert_string_equal(nth_published(f, "out", 0)->payload, "on");
}

static void an_attempt_that_is_given_up_ends_its_transaction(void **state) {
    struct engine_fixture *f = *state;
    start(f, LUA(ONCE));
    answer_row(f, 0, NULL);
    advance(f, 31000);
    run_dry(f);
    assert_false(f->asked[1].open);
    assert_int_equal(f->cancelled, f->asked[0].id);
}

static void a_commit_without_an_answer_is_looked_for_within_the_window(void **state) {
    struct engine_fixture *f = *state;
    start(f, LUA(ONCE));
    answer_row(f, 0, NULL);
    answer_row(f, 1, "4");
    crash(f);
    run_dry(f);
    size_t again = f->asked_count - 1;
    assert_non_null(strstr(f->asked[again].body, "INSERT INTO zingq_done"));
    answer_row(f, again, "\\x7334");
    assert_string_equal(nth_published(f, "out", 0)->payload, "4");
}

static void past_the_window_a_person_must_look(void **state) {
    struct engine_fixture *f = *state;
    start(f, LUA(ONCE));
    answer_row(f, 0, NULL);
    answer_row(f, 1, "4");
    answer_code(f, 2, ERR_NETWORK);
    run_dry(f);
    assert_int_equal(state_of(f, "s", "x"), EVENT_RETRYING);
    advance(f, 2 * 3600 * 1000);
    run_dry(f);
    assert_int_equal(f->asked_count, 3);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DEAD);
}

/* A window of an hour was over before it was made a day. */
static void raise_window(struct engine_fixture *f, const char *service) {
    const char *options = strstr(SHOP, "subscribe");
    char conf[sizeof SHOP + 64];
    start(f, LUA(ONCE));
    answer_row(f, 0, NULL);
    answer_row(f, 1, "4");
    answer_code(f, 2, ERR_NETWORK);
    run_dry(f);
    advance(f, 7000 * 1000);
    (void)snprintf(conf, sizeof conf,
                   "database shop { url = \"postgres://db/shop\" }\n"
                   "service %s %.*s idempotency_window = \"1d\" }",
                   service, (int)(strstr(options, "idempotency_window") - options), options);
    fixture_conf(f, conf);
    restart(f);
    advance(f, 1000 * 1000);
}

static void a_window_that_was_raised_does_not_bring_back_what_was_trimmed(void **state) {
    struct engine_fixture *f = *state;
    raise_window(f, "s {");
    assert_int_equal(f->asked_count, 3);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DEAD);
    deliver(f, "s", "in", "later");
    answer_row(f, 3, NULL);
    answer_row(f, 4, "4");
    answer_code(f, 5, ERR_NETWORK);
    restart(f);
    advance(f, 2 * 3600 * 1000);
    assert_int_equal(f->asked_count, 7);
}

static void a_window_that_is_raised_with_a_new_name_brings_nothing_back_either(void **state) {
    struct engine_fixture *f = *state;
    raise_window(f, "t { was = {\"s\"}");
    assert_int_equal(f->asked_count, 3);
    assert_int_equal(state_of(f, "t", "x"), EVENT_DEAD);
}

static void a_table_that_cannot_be_made_for_now_is_no_death(void **state) {
    struct engine_fixture *f = *state;
    start(f, LUA(ONCE));
    answer(f, 0, call_sqlstate("42P01"), "");
    run_dry(f);
    assert_non_null(strstr(f->asked[1].body, "CREATE TABLE"));
    answer(f, 1, call_sqlstate("57P01"), "");
    run_dry(f);
    assert_int_equal(state_of(f, "s", "x"), EVENT_RETRYING);
}

static void a_table_that_another_host_has_just_made_is_found(void **state) {
    struct engine_fixture *f = *state;
    start(f, LUA(ONCE));
    answer(f, 0, call_sqlstate("42P01"), "");
    run_dry(f);
    answer(f, 1, call_sqlstate("23505"), "");
    run_dry(f);
    answer_row(f, 2, NULL);
    assert_non_null(strstr(f->asked[3].body, "update items"));
}

static void an_undo_that_cannot_look_for_now_is_tried_again(void **state) {
    struct engine_fixture *f = *state;
    start(f, LUA(UNDONE));
    answer_row(f, 0, NULL);
    answer_row(f, 1, NULL);
    advance(f, 10);
    run_dry(f);
    assert_non_null(strstr(f->asked[2].body, "SELECT result"));
    answer(f, 2, call_sqlstate("57P01"), "");
    run_dry(f);
    assert_int_equal(state_of(f, "s", "x"), EVENT_COMPENSATING);
    advance(f, 2 * 3600 * 1000);
    run_dry(f);
    answer_row(f, 3, "\\x");
    assert_string_equal(nth_published(f, "undone", 0)->payload, "yes");
    assert_int_equal(state_of(f, "s", "x"), EVENT_DEAD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_statement_ends_with_its_rows),
        ENGINE_TEST(an_error_of_the_data_is_the_end_and_any_other_is_not),
        ENGINE_TEST(a_transaction_is_begun_gone_through_and_committed),
        ENGINE_TEST(what_was_done_before_is_not_done_again),
        ENGINE_TEST(an_error_inside_ends_the_transaction_and_the_handler_goes_on),
        ENGINE_TEST(an_attempt_that_is_given_up_ends_its_transaction),
        ENGINE_TEST(a_commit_without_an_answer_is_looked_for_within_the_window),
        ENGINE_TEST(past_the_window_a_person_must_look),
        ENGINE_TEST(a_window_that_was_raised_does_not_bring_back_what_was_trimmed),
        ENGINE_TEST(a_window_that_is_raised_with_a_new_name_brings_nothing_back_either),
        ENGINE_TEST(a_table_that_cannot_be_made_for_now_is_no_death),
        ENGINE_TEST(a_table_that_another_host_has_just_made_is_found),
        ENGINE_TEST(an_undo_that_cannot_look_for_now_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
