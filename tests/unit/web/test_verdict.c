/* test_verdict.c - what needs a look, and what does not. */

#include "web/admin/verdict.h"

#include "base/about.h"
#include "base/limits.h"
#include "test.h"

#include <math.h>

static const int64_t now_ms = 1764072000000;

/* The caller frees it. */
static json_t *of_service(const struct engine_service_status *s) {
    struct verdict v;
    verdict_begin(&v);
    verdict_of_service(&v, s, now_ms);
    return verdict_end(&v);
}

static void assert_says(json_t *verdict, const char *level, const char *code) {
    const json_t *sentences = json_object_get(verdict, "sentences");
    const json_t *first = json_array_get(sentences, 0);
    assert_string_equal(json_string_value(json_object_get(verdict, "level")), level);
    if (code == NULL) {
        assert_int_equal(json_array_size(sentences), 0);
    } else {
        assert_int_equal(json_array_size(sentences), 1);
        assert_string_equal(json_string_value(json_object_get(first, "code")), code);
    }
    json_decref(verdict);
}

static void a_quiet_service_is_well(void **state) {
    (void)state;
    assert_says(of_service(&(struct engine_service_status){.name = "s", .active = true}), "good",
                NULL);
}

static void one_dead_letter_needs_a_look(void **state) {
    (void)state;
    json_t *verdict = of_service(&(struct engine_service_status){
        .name = "s", .active = true, .books = {.accepted = 1, .dead = 1}});
    const json_t *one = json_array_get(json_object_get(verdict, "sentences"), 0);
    assert_string_equal(json_string_value(json_object_get(one, "text")),
                        "1 dead letter waits for a person");
    assert_string_equal(json_string_value(json_object_get(one, "link")), "#/dead?service=s");
    assert_string_equal(json_string_value(json_object_get(one, "command")),
                        "zingq dlq groups --service s");
    assert_says(verdict, "warn", "dead");
}

static void a_share_of_few_attempts_says_nothing(void **state) {
    (void)state;
    struct engine_service_status s = {.name = "s", .active = true};
    s.lately = (struct metrics_summary){
        .done_1min = VERDICT_ATTEMPTS - 3, .failures_1min = 2, .failure_rate = 0.22};
    assert_says(of_service(&s), "good", NULL);
    s.lately.done_1min++;
    assert_says(of_service(&s), "warn", "failing");
    s.lately.failure_rate = 0.5;
    assert_says(of_service(&s), "bad", "failing");
    s.lately.failure_rate = 0.05;
    assert_says(of_service(&s), "good", NULL);
}

static void waiting_is_no_fault_of_a_paused_service(void **state) {
    (void)state;
    struct engine_service_status s = {.name = "s", .active = true, .oldest_ms = 600000};
    assert_says(of_service(&s), "warn", "late");
    s.paused = true;
    assert_says(of_service(&s), "warn", "paused");
}

static void what_keeps_a_host_from_being_ready_is_bad_other_warnings_are_not(void **state) {
    (void)state;
    struct verdict v;
    json_t *host = json_read(
        slice_of("{\"warnings\": [\"slow\", \"down\"], \"blocking\": [\"down\"]}"), "text", NULL);
    verdict_begin(&v);
    verdict_of_host(&v, host);
    json_t *verdict = verdict_end(&v);
    const json_t *sentences = json_object_get(verdict, "sentences");
    assert_string_equal(json_string_value(json_object_get(verdict, "text")), "2 things to look at");
    assert_string_equal(json_string_value(json_object_get(json_array_get(sentences, 0), "text")),
                        "down"); /* the bad ones come first */
    json_decref(host);
    json_decref(verdict);
}

static void what_cannot_be_said_is_bad_all_the_same(void **state) {
    (void)state;
    json_t *verdict = of_service(&(struct engine_service_status){
        .name = "s", .active = true, .script_error = "h.lua:1: \xff"});
    assert_string_equal(json_string_value(json_object_get(verdict, "text")), "1 thing to look at");
    assert_says(verdict, "bad", NULL);
}

static json_t *of_engine(const struct engine_status *s, double full_s) {
    struct verdict v;
    verdict_begin(&v);
    verdict_of_engine(&v, s, full_s);
    return verdict_end(&v);
}

static void a_store_that_fills_up_is_told_before_it_is_full(void **state) {
    (void)state;
    struct engine_status s = {.accepts = true, .store_used = 50, .store_max = 100};
    assert_says(of_engine(&s, NAN), "good", NULL);
    assert_says(of_engine(&s, 3 * 86400), "good", NULL);
    assert_says(of_engine(&s, 7200), "warn", "store");
    assert_says(of_engine(&s, 1800), "bad", "store");
    s.store_used = 81;
    assert_says(of_engine(&s, NAN), "warn", "store");
    s.store_low = "low"; /* the host warns of it, with what helps */
    assert_says(of_engine(&s, NAN), "good", NULL);
}

static void a_host_that_accepts_nothing_is_bad(void **state) {
    (void)state;
    assert_says(of_engine(&(struct engine_status){.accepts = false}, NAN), "bad", "accepts");
    assert_says(of_engine(&(struct engine_status){.accepts = true, .outbox_refused = 1}, NAN),
                "bad", "refused");
}

static void a_duration_is_rounded_as_people_say_it(void **state) {
    (void)state;
    char out[ABOUT_BYTES];
    assert_string_equal(about_seconds(0, out), "0 s");
    assert_string_equal(about_seconds(99, out), "99 s");
    assert_string_equal(about_seconds(230, out), "4 min");
    assert_string_equal(about_seconds(3 * 3600, out), "3 h");
    assert_string_equal(about_seconds(2 * 86400, out), "2 days");
    assert_string_equal(about_seconds(1e18, out), "11574074074075 days");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quiet_service_is_well),
        cmocka_unit_test(one_dead_letter_needs_a_look),
        cmocka_unit_test(a_share_of_few_attempts_says_nothing),
        cmocka_unit_test(waiting_is_no_fault_of_a_paused_service),
        cmocka_unit_test(what_cannot_be_said_is_bad_all_the_same),
        cmocka_unit_test(what_keeps_a_host_from_being_ready_is_bad_other_warnings_are_not),
        cmocka_unit_test(a_store_that_fills_up_is_told_before_it_is_full),
        cmocka_unit_test(a_host_that_accepts_nothing_is_bad),
        cmocka_unit_test(a_duration_is_rounded_as_people_say_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
