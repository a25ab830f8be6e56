/*
 * test_replace.c - publishes that wait under a name: the last one is sent, once, and a row of them
 * is put off no longer than max_wait.
 */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include <string.h>

#define SERVICE                                                                                    \
    "service \"s\" { subscribe = {\"in\"} handler = \"h.lua\" key = \"property:k\" retries = 0 "   \
    "}\n"
#define WAITS(options)                                                                             \
    "return function(e) zing.publish('out', e.payload, {after = '5s', replace = 'cart'" options    \
    "}) end"

static const char *out_of(const struct engine_fixture *f) {
    static char text[1024];
    return payloads(f, "out", text, sizeof text);
}

static void offer_one(struct engine_fixture *f, const char *payload, const char *key) {
    offer(f, "s", "in", payload, "k", key, NULL);
    run_dry(f);
}

static void the_last_one_is_sent(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE, WAITS(""));
    offer_one(f, "one", "a");
    advance(f, 4000);
    offer_one(f, "two", "b"); /* the name is the service's, whatever the key */
    advance(f, 4000);
    offer_one(f, "three", "a");
    advance(f, 4000);
    assert_string_equal(out_of(f), "");
    assert_int_equal(count_rows(f, TABLE_DELAYED), 1);
    advance(f, 1500);
    assert_string_equal(out_of(f), "three");
    assert_int_equal(count_rows(f, TABLE_DELAYED), 0);
    assert_int_equal(count_rows(f, TABLE_TIMER), 0);
}

static void after_it_was_sent_a_new_row_begins_and_is_no_duplicate(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE, WAITS(", max_wait = '8s'"));
    offer_one(f, "one", "a");
    advance(f, 6000);
    offer_one(f, "two", "a");
    advance(f, 4000);
    assert_string_equal(out_of(f), "one");
    advance(f, 1500);
    assert_string_equal(out_of(f), "one two"); /* by their ids, each once */
}

static void a_row_is_put_off_no_longer_than_max_wait(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE, WAITS(", max_wait = '8s'"));
    offer_one(f, "one", "a");
    advance(f, 3000);
    offer_one(f, "two", "a");
    advance(f, 3000);
    offer_one(f, "three", "a"); /* due after 8 s, not 11 */
    advance(f, 1500);
    assert_string_equal(out_of(f), "");
    advance(f, 1000);
    assert_string_equal(out_of(f), "three");
}

static void it_survives_a_crash(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE, WAITS(", max_wait = '8s'"));
    offer_one(f, "one", "a");
    crash(f);
    advance(f, 4000);
    offer_one(f, "two", "a");
    crash(f);
    advance(f, 3500);
    assert_string_equal(out_of(f), "");
    advance(f, 1000); /* 8.5 s after the first */
    assert_string_equal(out_of(f), "two");
}

static void of_two_in_one_attempt_the_second_is_sent(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE, LUA(of_two_in_one_attempt_the_second_is_sent));
    offer_one(f, "x", "a");
    advance(f, 6000);
    assert_string_equal(out_of(f), "second");
}

static void its_id_takes_back_what_waits(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE, LUA(its_id_takes_back_what_waits));
    offer_one(f, "wait", "a");
    offer_one(f, "cancel", "a");
    offer_one(f, "both", "a"); /* publishes and cancels: nothing is left of either */
    offer_one(f, "wait", "a");
    offer_one(f, "both", "a");
    advance(f, 10000);
    assert_string_equal(out_of(f), "true true true");
    assert_int_equal(count_rows(f, TABLE_DELAYED), 0);
}

static void a_failed_attempt_replaces_nothing(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE, LUA(a_failed_attempt_replaces_nothing));
    offer_one(f, "good", "a");
    offer_one(f, "bad", "a");
    advance(f, 6000);
    assert_string_equal(out_of(f), "good");
}

static void a_step_and_what_is_around_it_do_not_share_a_name(void **state) {
    struct engine_fixture *f = *state;
    char reason[512];
    fixture_run(f, SERVICE, LUA(a_step_and_what_is_around_it_do_not_share_a_name));
    offer_one(f, "x", "a");
    assert_non_null(strstr(reason_of(f, "s", "x", reason), "changes \"cart\""));
}

static void a_renamed_service_replaces_what_it_published_before(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE, WAITS(""));
    offer_one(f, "one", "a");
    fixture_stop(f);
    fixture_conf(f, "service \"t\" { subscribe = {\"in\"} handler = \"h.lua\" key = "
                    "\"property:k\" retries = 0 was = {\"s\"} }\n");
    fixture_start(f);
    offer(f, "t", "in", "two", "k", "a", NULL);
    advance(f, 6000);
    assert_string_equal(out_of(f), "two");
}

static void options_that_make_no_sense_are_errors(void **state) {
    static const struct {
        const char *script, *error;
    } wrong[] = {
        {"return function() zing.publish('out', '', {replace = 'x'}) end", "add after or at"},
        {"return function() zing.publish('out', '', {after = 1, max_wait = 2}) end",
         "max_wait goes with replace and after"},
        {"return function() zing.publish('out', '', {at = zing.now() + 9, replace = 'x', max_wait "
         "= 2}) end",
         "max_wait goes with replace and after"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct engine_fixture *f = *state;
        char reason[512];
        fixture_free(f);
        f = *state = fixture_new();
        fixture_run(f, SERVICE, wrong[i].script);
        offer_one(f, "x", "a");
        assert_non_null(strstr(reason_of(f, "s", "x", reason), wrong[i].error));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(the_last_one_is_sent),
        ENGINE_TEST(after_it_was_sent_a_new_row_begins_and_is_no_duplicate),
        ENGINE_TEST(a_row_is_put_off_no_longer_than_max_wait),
        ENGINE_TEST(it_survives_a_crash),
        ENGINE_TEST(of_two_in_one_attempt_the_second_is_sent),
        ENGINE_TEST(its_id_takes_back_what_waits),
        ENGINE_TEST(a_failed_attempt_replaces_nothing),
        ENGINE_TEST(a_step_and_what_is_around_it_do_not_share_a_name),
        ENGINE_TEST(a_renamed_service_replaces_what_it_published_before),
        ENGINE_TEST(options_that_make_no_sense_are_errors),
    };
    return cmocka_run_group_tests_name("replace", tests, NULL, NULL);
}
