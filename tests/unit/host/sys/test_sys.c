/*
 * test_sys.c - what sys makes of what a broker says of itself. The rest of sys is tested with a
 * real host, tests/blackbox/test_sys.c.
 */
#include "host/sys/impl.h"

#include "test.h"

#include <stdlib.h>
#include <string.h>

#define DROPPED "$SYS/broker/publish/messages/dropped"

static const struct conf no_services;

static int setup(void **state) {
    struct sys *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->conf = &no_services;
    sys_broker_init(s);
    *state = s;
    return 0;
}

static int teardown(void **state) {
    free(*state);
    return 0;
}

static void note(struct sys *s, const char *payload) {
    sys_note(s, slice_of(DROPPED), slice_of(payload));
}

/* What GET /api/status shows: -1 for null. */
static int64_t figure(const struct sys *s, const char *name) {
    json_t *host = json_object();
    sys_add_status(s, host);
    const json_t *value = json_object_get(host, name);
    assert_non_null(value);
    int64_t number = json_is_null(value) ? -1 : json_integer_value(value);
    json_decref(host);
    return number;
}

static void what_the_broker_never_told_is_null(void **state) {
    assert_int_equal(figure(*state, "broker_dropped"), -1);
    assert_int_equal(figure(*state, "broker_heap_bytes"), -1);
}

static void a_figure_is_the_one_told_last(void **state) {
    struct sys *s = *state;
    note(s, "4");
    note(s, "7");
    assert_int_equal(figure(s, "broker_dropped"), 7);
    note(s, "1"); /* the broker was started again */
    assert_int_equal(figure(s, "broker_dropped"), 1);
}

static void what_is_no_number_is_passed_over(void **state) {
    static const char *const payloads[] = {
        "", "x", "-3", "4.5", "4 messages", "1234567890123456789012345678901234567890"};
    struct sys *s = *state;
    note(s, "2");
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
        note(s, payloads[i]);
        assert_int_equal(figure(s, "broker_dropped"), 2);
    }
    sys_note(s, slice_of("$SYS/broker/uptime"), slice_of("9"));
    assert_int_equal(figure(s, "broker_dropped"), 2);
}

static void only_what_was_told_is_a_metric(void **state) {
    struct sys *s = *state;
    struct buf out;
    buf_init(&out, 10000);
    note(s, "3");

    sys_write_metrics(s, &out);

    assert_string_equal(buf_str(&out),
                        "# HELP zingq_broker_dropped messages the broker has dropped since it "
                        "started\n# TYPE zingq_broker_dropped gauge\nzingq_broker_dropped 3\n");
    buf_clear(&out);
}

static void a_broker_that_hangs_up_at_the_question_is_not_asked_a_third_time(void **state) {
    struct sys *s = *state;
    s->broker.unanswered = SYS_BROKER_FIGURES;
    sys_broker_down(s);
    assert_false(s->broker.given_up);
    s->broker.unanswered = SYS_BROKER_FIGURES;
    sys_broker_down(s);
    assert_true(s->broker.given_up);

    sys_broker_watch(s, NULL); /* would crash if it asked */
    assert_int_equal(s->broker.unanswered, 0);
}

static void a_broker_that_hangs_up_at_a_later_question_is_not_asked_a_third_time(void **state) {
    struct sys *s = *state;
    for (int i = 0; i < 2; i++) {
        assert_false(s->broker.given_up);
        s->broker.unanswered = SYS_BROKER_FIGURES;
        sys_answered(s, 0);
        sys_broker_down(s);
    }
    assert_true(s->broker.given_up);
}

static void a_broker_that_answers_may_go_away_at_any_time(void **state) {
    struct sys *s = *state;
    for (int i = 0; i < 3; i++) {
        s->broker.unanswered = 2;
        sys_answered(s, 0);
        sys_answered(s, 0x87);
        sys_broker_down(s);
    }
    assert_false(s->broker.given_up);
}

static void a_mid_is_ours_once(void **state) {
    struct sys *s = *state;
    mids_add(&s->under_way, 1000);
    assert_false(sys_published(s, 999, 0, 0));
    assert_true(sys_published(s, 1000, 0, 0));
    assert_false(sys_published(s, 1000, 0, 0));
    assert_false(sys_published(s, 0, 0, 0));
    assert_false(sys_published(s, 65536, 0, 0));
}

static void what_was_sent_is_proven_by_the_answer_to_the_last_of_it(void **state) {
    struct sys *s = *state;
    mids_add(&s->under_way, 1000);
    mids_add(&s->under_way, 1001);
    s->unproven = true;
    s->proof_mid = 1001;
    s->pause.leave = LEAVE_GIVEN;
    sys_stay_alone(s, 0);

    assert_true(sys_published(s, 1000, 0, 0));
    assert_false(sys_is_proven(s));
    assert_true(sys_wants_to_be_alone(s, 0));
    assert_true(sys_published(s, 1001, 0, 0));
    assert_true(sys_is_proven(s));
    assert_false(sys_wants_to_be_alone(s, 0));
}

static void the_last_answer_to_a_subscription_is_a_proof_if_nothing_followed(void **state) {
    struct sys *s = *state;
    s->unproven = true;
    s->proof_mid = PROOF_SUBACK;
    s->broker.unanswered = 2;
    sys_answered(s, 0x87);
    assert_false(sys_is_proven(s));
    s->proof_mid = 0;
    sys_answered(s, 0);
    assert_false(sys_is_proven(s));
    s->proof_mid = PROOF_SUBACK;
    sys_answered(s, 0);
    assert_true(sys_is_proven(s));
}

static void status_topics_that_were_refused_are_tried_on_the_next_connection(void **state) {
    static const struct conf conf = {.sys_interval_ms = 1000};
    struct sys *s = *state;
    s->conf = &conf;
    for (uint64_t now_ms = 1000; now_ms < 20000; now_ms += 10000) {
        assert_true(sys_may_ask(s, now_ms));
        sys_asked(s, 7, now_ms);
        sys_pause_answered(s, 7, 0x87, now_ms);
        assert_false(sys_may_ask(s, now_ms + 1000));
        sys_pause_down(s, now_ms + 9000);
        sys_pause_up(s, now_ms + 10000);
    }
}

/* As Mosquitto 2.0.11 does with set_tcp_nodelay: asked on each connection, it would end each. */
static void a_broker_that_refuses_status_topics_and_hangs_up_has_its_rest(void **state) {
    static const struct conf conf = {.sys_interval_ms = 1000};
    struct sys *s = *state;
    s->conf = &conf;
    sys_asked(s, 7, 1000);
    sys_pause_answered(s, 7, 0x87, 1000);
    sys_pause_down(s, 1001);
    sys_pause_up(s, 1100);
    assert_false(sys_may_ask(s, 2000));
    sys_pause_down(s, 300000); /* for other reasons */
    sys_pause_up(s, 300100);
    assert_false(sys_may_ask(s, 300200));
    assert_true(sys_may_ask(s, 1000 + 600000));
}

static void a_broker_that_hangs_up_at_status_topics_has_its_rest(void **state) {
    static const struct conf conf = {.sys_interval_ms = 1000};
    struct sys *s = *state;
    s->conf = &conf;
    for (int i = 0; i < 2; i++) {
        assert_true(sys_may_ask(s, 1000));
        sys_asked(s, 7, 1000);
        sys_pause_down(s, 1000);
        sys_pause_up(s, 1000);
    }
    assert_false(sys_may_ask(s, 2000));
    assert_true(sys_may_ask(s, 1000 + 600000));
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(what_the_broker_never_told_is_null),
        T(a_figure_is_the_one_told_last),
        T(what_is_no_number_is_passed_over),
        T(only_what_was_told_is_a_metric),
        T(a_broker_that_hangs_up_at_the_question_is_not_asked_a_third_time),
        T(a_broker_that_hangs_up_at_a_later_question_is_not_asked_a_third_time),
        T(a_broker_that_answers_may_go_away_at_any_time),
        T(a_mid_is_ours_once),
        T(status_topics_that_were_refused_are_tried_on_the_next_connection),
        T(a_broker_that_refuses_status_topics_and_hangs_up_has_its_rest),
        T(a_broker_that_hangs_up_at_status_topics_has_its_rest),
        T(what_was_sent_is_proven_by_the_answer_to_the_last_of_it),
        T(the_last_answer_to_a_subscription_is_a_proof_if_nothing_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
