/* test_input.c - what came in and is not decided yet. Without a store. */
#include "engine/input.h"
#include "engine/impl.h"
#include "engine/services.h"

#include "base/log.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

enum { ANSWERS_MAX = 4, TOPICS_NAMED = 64 };

static struct engine engine;
static const struct command *answers[ANSWERS_MAX];
static size_t answer_count;

static void command_done(void *ctx, struct command *command) {
    (void)ctx;
    answers[answer_count++] = command;
}

static int begin(void **state) {
    (void)state;
    memset(&engine, 0, sizeof engine);
    engine.doors.command_done = command_done;
    answer_count = 0;
    return engine_make_inputs(&engine);
}

static int end(void **state) {
    (void)state;
    engine_free_inputs(&engine);
    return 0;
}

static void add(const char *payload, enum event_kind kind) {
    const struct event_bytes bytes = {.topic = slice_of("t"), .payload = slice_of(payload)};
    struct event *event = event_new(&bytes);
    assert_non_null(event);
    event->kind = (uint8_t)kind;
    engine_add_input(&engine, event);
}

static void messages_come_out_in_the_order_in_which_they_came_in(void **state) {
    (void)state;
    add("1", EVENT_MESSAGE);
    add("2", EVENT_MESSAGE);
    assert_true(engine_has_inputs(&engine) && engine_has_messages(&engine));
    for (char n = '1'; n <= '2'; n++) {
        struct event *event = engine_next_message(&engine);
        assert_int_equal(event->payload.data[0], n);
        event_free(event);
    }
    assert_null(engine_next_message(&engine));
    assert_false(engine_has_inputs(&engine));
}

/* A service for messages, of a topics.conf without hosts. */
static struct engine_service service;
static struct service_conf service_conf;
static struct conf conf;

static void offer_qos0(const char *topic) {
    const struct event_bytes bytes = {.topic = slice_of(topic)};
    engine.conf = &conf;
    service.conf = &service_conf;
    engine.services = &service;
    engine.service_count = 1;
    assert_int_equal(engine_offer(&engine, 0, &bytes, (struct offer){.qos = 0}), 0);
}

static void note_line(void *ctx, struct slice line) {
    unsigned *lines = ctx;
    if (memmem(line.data, line.len, "QoS 0", 5) != NULL) {
        ++*lines;
    }
}

static void a_topic_that_is_published_with_qos_0_is_named_once(void **state) {
    (void)state;
    unsigned lines = 0;
    log_divert(note_line, &lines);
    offer_qos0("a");
    offer_qos0("a");
    assert_int_equal(lines, 1);
    for (unsigned i = 0; i < 2 * TOPICS_NAMED; i++) {
        char topic[16];
        (void)snprintf(topic, sizeof topic, "t%u", i);
        offer_qos0(topic);
    }
    log_divert(NULL, NULL);
    assert_int_equal(lines, TOPICS_NAMED);
    assert_int_equal(engine.status.qos0, 2 + 2 * TOPICS_NAMED);
}

static void bytes_of_other_hosts_count_while_they_wait(void **state) {
    (void)state;
    add("four", EVENT_FORWARD);
    add("ours", EVENT_MESSAGE);
    assert_int_equal(engine_forward_bytes(&engine), 4);
    event_free(engine_next_message(&engine));
    assert_int_equal(engine_forward_bytes(&engine), 0);
    engine_forget_inputs(&engine);
    assert_false(engine_has_messages(&engine));
}

static void a_command_is_answered_once_it_is_done(void **state) {
    (void)state;
    struct command one = {.kind = COMMAND_PAUSE};
    struct command two = {.kind = COMMAND_RESUME};
    engine_submit(&engine, &one);
    engine_submit(&engine, &two);
    assert_ptr_equal(engine_next_command(&engine), &one);
    assert_ptr_equal(engine_next_command(&engine), &one); /* until it is done */
    engine_command_done(&engine);
    assert_true(engine_has_answers(&engine));
    engine_answer_commands(&engine);
    assert_int_equal(answer_count, 1);
    assert_ptr_equal(answers[0], &one);
    assert_ptr_equal(engine_next_command(&engine), &two);
}

static void in_a_turn_that_is_dropped_every_command_is_refused(void **state) {
    (void)state;
    struct command done = {.kind = COMMAND_PAUSE};
    struct command waits = {.kind = COMMAND_RESUME};
    engine_submit(&engine, &done);
    engine_submit(&engine, &waits);
    engine_command_done(&engine);
    engine_refuse_commands(&engine, ERR_FULL);
    engine_answer_commands(&engine);
    assert_int_equal(answer_count, 2);
    assert_int_equal(done.code, ERR_FULL);
    assert_int_equal(waits.code, ERR_FULL);
    assert_null(engine_next_command(&engine));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_come_out_in_the_order_in_which_they_came_in, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_topic_that_is_published_with_qos_0_is_named_once, begin,
                                        end),
        cmocka_unit_test_setup_teardown(bytes_of_other_hosts_count_while_they_wait, begin, end),
        cmocka_unit_test_setup_teardown(a_command_is_answered_once_it_is_done, begin, end),
        cmocka_unit_test_setup_teardown(in_a_turn_that_is_dropped_every_command_is_refused, begin,
                                        end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
