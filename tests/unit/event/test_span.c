/* test_span.c - traceparents as they come, ids, and spans as OTLP wants them. */
#include "test.h"

#include "base/json.h"
#include "event/span.h"

#include <string.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN "b7ad6b7169203331"

static bool parses(const char *text) {
    struct span_context c;
    return span_context_parse(slice_of(text), &c);
}

static void a_traceparent_is_read_and_written(void **state) {
    (void)state;
    struct span_context c;
    char text[TRACEPARENT_BYTES + 1];
    assert_true(span_context_parse(slice_of("00-" TRACE "-" SPAN "-01"), &c));
    assert_int_equal(c.flags, TRACE_SAMPLED);
    assert_string_equal(span_context_text(&c, text), "00-" TRACE "-" SPAN "-01");
    assert_true(span_context_parse(slice_of("00-" TRACE "-" SPAN "-00"), &c));
    assert_int_equal(c.flags, 0);
}

static void flags_of_later_versions_are_not_passed_on(void **state) {
    (void)state;
    struct span_context c;
    assert_true(span_context_parse(slice_of("cc-" TRACE "-" SPAN "-ff-what-will-be"), &c));
    assert_int_equal(c.flags, 3);
    assert_true(parses("01-" TRACE "-" SPAN "-01"));
}

static void what_is_no_traceparent_is_ignored(void **state) {
    (void)state;
    assert_false(parses(""));
    assert_false(parses("00-" TRACE "-" SPAN));
    assert_false(parses("00-" TRACE "-" SPAN "-0g"));
    assert_false(parses("00-" TRACE "-" SPAN "-01-more"));
    assert_false(parses("cc-" TRACE "-" SPAN "-01more"));
    assert_false(parses("ff-" TRACE "-" SPAN "-01"));
    assert_false(parses("0x-" TRACE "-" SPAN "-01"));
    assert_false(parses("00-00000000000000000000000000000000-" SPAN "-01"));
    assert_false(parses("00-" TRACE "-0000000000000000-01"));
    assert_false(parses("00-0AF7651916CD43DD8448EB211C80319C-" SPAN "-01"));
    assert_false(parses("00_" TRACE "-" SPAN "-01"));
}

/* What goes on with a trace that came with this state. */
static const char *carried_state(struct slice state, struct buf *properties) {
    struct span_context c;
    struct slice value;
    assert_true(span_context_parse(slice_of("00-" TRACE "-" SPAN "-01"), &c));
    buf_reset(properties);
    span_carry(&c, state, properties);
    assert_true(property_find(buf_slice(properties), "traceparent", &value));
    assert_true(slice_is(value, "00-" TRACE "-" SPAN "-01"));
    return property_find(buf_slice(properties), "tracestate", &value) ? value.data : NULL;
}

static void a_state_goes_on_if_it_is_short_and_printable(void **state) {
    (void)state;
    struct buf properties;
    char text[513];
    memset(text, 'a', sizeof text);
    buf_init(&properties, 4096);
    assert_memory_equal(carried_state(slice_of("a=1, b=~"), &properties), "a=1, b=~", 8);
    assert_non_null(carried_state((struct slice){text, 512}, &properties));
    assert_null(carried_state((struct slice){text, 513}, &properties));
    assert_null(carried_state(slice_of("a=1\x7f"), &properties));
    assert_null(carried_state(slice_of("a=\t"), &properties));
    assert_null(carried_state(slice_of("a=\xc3\xa9"), &properties));
    assert_null(carried_state(slice_of(""), &properties));
    buf_clear(&properties);
}

static void ids_follow_from_their_bytes(void **state) {
    (void)state;
    struct span_id a = span_id_of(slice_of("one"));
    struct span_id again = span_id_of(slice_of("one"));
    struct span_id b = span_id_of(slice_of("two"));
    assert_memory_equal(&a, &again, sizeof a);
    assert_memory_not_equal(&a, &b, sizeof a);
}

static void a_part_of_all_traces_is_sampled(void **state) {
    (void)state;
    struct uuid_source ids;
    size_t sampled = 0;
    uuid_source_init(&ids, 1);
    for (int i = 0; i < 10000; i++) {
        struct span_context c = {.flags = 0};
        struct uuid id = uuid_next(&ids, 1000);
        memcpy(c.trace, id.bytes, UUID_BYTES);
        sampled += span_is_sampled(&c, 0.25) ? 1 : 0;
        assert_true(span_is_sampled(&c, 1));
        assert_false(span_is_sampled(&c, 0));
    }
    assert_in_range(sampled, 2200, 2800);
}

static struct span some_span(void) {
    struct span span = {.kind = SPAN_CLIENT,
                        .name = {"GET", 3},
                        .start_us = 1700000000000001,
                        .end_us = 1700000000000002};
    assert_true(span_context_parse(slice_of("00-" TRACE "-" SPAN "-01"), &span.at));
    return span;
}

static void a_span_is_written_as_otlp(void **state) {
    (void)state;
    struct buf out;
    struct buf attributes;
    struct span span = some_span();
    buf_init(&out, 4096);
    buf_init(&attributes, 4096);
    span_add_text(&attributes, "a", slice_of("\"x\"\n"));
    span_add_number(&attributes, "n", INT64_MAX);
    span.attributes = &attributes;
    span.failed = true;
    span.error = slice_of("first\nsecond");
    assert_true(span_write(&out, &span));
    assert_string_equal(buf_str(&out),
                        "{\"traceId\":\"" TRACE "\",\"spanId\":\"" SPAN "\",\"flags\":1,\"kind\":3,"
                        "\"name\":\"GET\",\"startTimeUnixNano\":\"1700000000000001000\","
                        "\"endTimeUnixNano\":\"1700000000000002000\",\"attributes\":["
                        "{\"key\":\"a\",\"value\":{\"stringValue\":\"\\\"x\\\"\\n\"}},"
                        "{\"key\":\"n\",\"value\":{\"intValue\":\"9223372036854775807\"}}],"
                        "\"status\":{\"code\":2,\"message\":\"first\"}}");
    buf_clear(&out);
    buf_clear(&attributes);
}

static void any_bytes_become_json_and_long_texts_are_cut(void **state) {
    (void)state;
    struct buf out;
    struct buf attributes;
    struct span span = some_span();
    char text[5000];
    memset(text, 0xe2, sizeof text); /* the first byte of a character each time */
    buf_init(&out, 1 << 20);
    buf_init(&attributes, 1 << 20);
    span_add_text(&attributes, "a", (struct slice){text, sizeof text});
    span.attributes = &attributes;
    assert_true(span_write(&out, &span));
    assert_true(out.len < 4 * sizeof text);
    json_t *json = json_read(buf_slice(&out), "the span", NULL);
    assert_non_null(json);
    json_decref(json);
    buf_clear(&out);
    buf_clear(&attributes);
}

static void what_does_not_fit_is_left_out_whole(void **state) {
    (void)state;
    struct buf out;
    struct span span = some_span();
    buf_init(&out, 300);
    assert_true(span_write(&out, &span));
    size_t before = out.len;
    assert_false(span_write(&out, &span));
    assert_int_equal(out.len, before);
    assert_false(out.failed);
    buf_clear(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_traceparent_is_read_and_written),
        cmocka_unit_test(flags_of_later_versions_are_not_passed_on),
        cmocka_unit_test(what_is_no_traceparent_is_ignored),
        cmocka_unit_test(a_state_goes_on_if_it_is_short_and_printable),
        cmocka_unit_test(ids_follow_from_their_bytes),
        cmocka_unit_test(a_part_of_all_traces_is_sampled),
        cmocka_unit_test(a_span_is_written_as_otlp),
        cmocka_unit_test(any_bytes_become_json_and_long_texts_are_cut),
        cmocka_unit_test(what_does_not_fit_is_left_out_whole),
    };
    return cmocka_run_group_tests_name("event/span", tests, NULL, NULL);
}
