/* test_event.c - the bytes of an event, its user properties. */
#include "event/event.h"

#include "base/json.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

static struct event *event_with(const char *payload) {
    struct event_bytes bytes = {.topic = slice_of("a/b"), .payload = slice_of(payload)};
    struct event *event = event_new(&bytes);
    assert_non_null(event);
    return event;
}

static void event_new_copies_every_field(void **state) {
    (void)state;
    char topic[] = "booking/request";
    struct event_bytes bytes = {
        .topic = {topic, 15},
        .key = slice_of("k1"),
        .payload = {"a\0b", 3},
        .content_type = slice_of("text/plain"),
        .response_topic = slice_of("answer/1"),
        .correlation = {"\x01\x02", 2},
        .properties = slice_of("pp"),
        .reason = slice_of("why"),
        .publishes = slice_of("pub"),
    };
    struct event *event = event_new(&bytes);
    assert_non_null(event);
    memset(topic, 'x', sizeof topic);
    assert_string_equal(event->topic.data, "booking/request");
    assert_true(slice_is(event->key, "k1"));
    assert_true(slice_equal(event->payload, bytes.payload));
    assert_true(slice_is(event->content_type, "text/plain"));
    assert_true(slice_is(event->response_topic, "answer/1"));
    assert_true(slice_equal(event->correlation, bytes.correlation));
    assert_true(slice_is(event->properties, "pp"));
    assert_true(slice_is(event->reason, "why"));
    assert_true(slice_is(event->publishes, "pub"));
    event_free(event);
}

static void event_new_starts_from_zero_and_empty_fields_are_safe_to_pass(void **state) {
    (void)state;
    struct event_bytes bytes = {.topic = {NULL, 0}};
    struct event *event = event_new(&bytes);
    assert_non_null(event);
    assert_int_equal(event->state, EVENT_READY);
    assert_int_equal(event->seq, 0);
    assert_true(uuid_is_zero(&event->id));
    assert_string_equal(event->topic.data, "");
    assert_int_equal(event->payload.len, 0);
    assert_non_null(event->payload.data);
    assert_null(STAILQ_NEXT(event, link));
    event_free(event);
    event_free(NULL);
}

static void event_set_reason_replaces_it_even_with_a_part_of_itself(void **state) {
    (void)state;
    struct event *event = event_with("{}");
    assert_int_equal(event_set_reason(event, slice_of("first reason")), 0);
    assert_true(slice_is(event->reason, "first reason"));
    struct slice part = {event->reason.data, 5};
    assert_int_equal(event_set_reason(event, part), 0);
    assert_true(slice_is(event->reason, "first"));
    assert_int_equal(event_set_publishes(event, slice_of("p")), 0);
    assert_true(slice_is(event->publishes, "p"));
    event_free(event);
}

static void event_state_names_are_read_back(void **state) {
    (void)state;
    for (unsigned i = 0; i < EVENT_STATE_COUNT; i++) {
        enum event_state back;
        assert_true(event_state_parse(event_state_name((enum event_state)i), &back));
        assert_int_equal(back, i);
    }
    enum event_state untouched = EVENT_DEAD;
    assert_false(event_state_parse("finished", &untouched));
    assert_int_equal(untouched, EVENT_DEAD);
}

static void event_state_ends_are_done_dead_needing_a_person_discarded_and_expired(void **state) {
    (void)state;
    unsigned ended = 0;
    for (unsigned i = 0; i < EVENT_STATE_COUNT; i++) {
        ended += event_state_ended((enum event_state)i);
    }
    assert_int_equal(ended, 5);
    assert_true(event_state_ended(EVENT_NEEDS_PERSON));
    assert_true(event_state_ended(EVENT_DONE));
    assert_true(event_state_ended(EVENT_DEAD));
    assert_true(event_state_ended(EVENT_DISCARDED));
    assert_true(event_state_ended(EVENT_EXPIRED));
    assert_false(event_state_dead(EVENT_EXPIRED));
}

static void properties_come_back_in_order_and_the_first_of_a_name_wins(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 1024);
    property_add(&b, slice_of("x"), slice_of("1"));
    property_add(&b, slice_of("tenant"), (struct slice){"a\0b", 3});
    property_add(&b, slice_of("x"), slice_of(""));
    assert_false(b.failed);

    size_t at = 0;
    size_t count = 0;
    struct slice name, value;
    while (property_next(buf_slice(&b), &at, &name, &value)) {
        count++;
    }
    assert_int_equal(count, 3);
    assert_true(property_find(buf_slice(&b), "x", &value));
    assert_true(slice_is(value, "1"));
    assert_true(property_find(buf_slice(&b), "tenant", &value));
    assert_int_equal(value.len, 3);
    assert_false(property_find(buf_slice(&b), "y", &value));
    buf_clear(&b);
}

static void properties_cut_short_end_without_reading_past_their_end(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 1024);
    property_add(&b, slice_of("name"), slice_of("value"));
    for (size_t len = 0; len < b.len; len++) {
        char *cut = malloc(len + 1); /* exact size: the sanitizer watches its end */
        assert_non_null(cut);
        memcpy(cut, b.data, len);
        size_t at = 0;
        struct slice name, value;
        assert_false(property_next((struct slice){cut, len}, &at, &name, &value));
        free(cut);
    }
    buf_clear(&b);
}

static void property_add_refuses_a_name_mqtt_could_not_carry(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    char *name = calloc(1, UINT16_MAX + 1);
    assert_non_null(name);
    property_add(&b, (struct slice){name, UINT16_MAX + 1}, slice_of("v"));
    assert_true(b.failed);
    free(name);
    buf_clear(&b);
}

static void an_event_with_another_payload_is_the_same_but_for_that(void **state) {
    (void)state;
    struct buf properties;
    buf_init(&properties, 256);
    property_add(&properties, slice_of("a"), slice_of("1"));
    property_add(&properties, slice_of("zingq-cut"), slice_of("9"));
    const struct event_bytes bytes = {.topic = slice_of("in/x"),
                                      .key = slice_of("k"),
                                      .payload = slice_of("cut"),
                                      .properties = buf_slice(&properties),
                                      .calls = slice_of("calls")};
    struct event *event = event_new(&bytes);
    struct slice found;
    assert_non_null(event);
    event->durable = true;
    event->round = 3;
    event->attempts = 7;
    struct event *copy = event_with_payload(event, slice_of("whole"));
    assert_non_null(copy);
    assert_true(slice_is(copy->payload, "whole") && slice_is(copy->key, "k"));
    assert_true(slice_is(copy->topic, "in/x") && slice_is(copy->calls, "calls"));
    assert_true(copy->durable && copy->round == 3 && copy->attempts == 7);
    assert_true(property_find(copy->properties, "a", &found));
    assert_false(property_find(copy->properties, "zingq-cut", &found));
    event_free(copy);
    event_free(event);
    buf_clear(&properties);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(event_new_copies_every_field),
        cmocka_unit_test(event_new_starts_from_zero_and_empty_fields_are_safe_to_pass),
        cmocka_unit_test(event_set_reason_replaces_it_even_with_a_part_of_itself),
        cmocka_unit_test(event_state_names_are_read_back),
        cmocka_unit_test(event_state_ends_are_done_dead_needing_a_person_discarded_and_expired),
        cmocka_unit_test(properties_come_back_in_order_and_the_first_of_a_name_wins),
        cmocka_unit_test(properties_cut_short_end_without_reading_past_their_end),
        cmocka_unit_test(property_add_refuses_a_name_mqtt_could_not_carry),
        cmocka_unit_test(an_event_with_another_payload_is_the_same_but_for_that),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
