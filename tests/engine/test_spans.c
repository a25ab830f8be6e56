/* test_spans.c - the spans of what the engine does: each once, each with a parent that is told as well,
 * whatever happens to the event in between. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

#define TELEMETRY "telemetry { otlp = \"http://receiver:4318\" }\n"
#define SERVICE                                                                                    \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" jitter = 0 retries = 1 delay = "   \
    "\"1s\" }\n"
#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define ROOT "b7ad6b7169203331"
#define PARENT "00-" TRACE "-" ROOT "-01"

static json_t *spans_of(struct engine_fixture *f) {
    struct buf text;
    buf_init(&text, f->spans.max);
    buf_printf(&text, "[%s]", buf_str(&f->spans));
    json_t *spans = json_read(buf_slice(&text), "the spans", NULL);
    buf_clear(&text);
    assert_non_null(spans);
    assert_int_equal(json_array_size(spans), f->span_count);
    return spans;
}

static const char *text_of(const json_t *span, const char *name) {
    const char *text = json_string_value(json_object_get(span, name));
    return text == NULL ? "" : text;
}

/* The n-th span of that name, or NULL. */
static const json_t *span_named(const json_t *spans, const char *name, size_t n) {
    const json_t *span = NULL;
    size_t i;
    json_array_foreach(spans, i, span) {
        if (strcmp(text_of(span, "name"), name) == 0 && n-- == 0) {
            return span;
        }
    }
    return NULL;
}

/* Its attribute of that name, a text. */
static const char *attribute_of(const json_t *span, const char *name) {
    const json_t *attribute = NULL;
    size_t i;
    json_array_foreach(json_object_get(span, "attributes"), i, attribute) {
        if (strcmp(text_of(attribute, "key"), name) == 0) {
            return text_of(json_object_get(attribute, "value"), "stringValue");
        }
    }
    return "(none)";
}

static bool is_told(const json_t *spans, const char *id) {
    const json_t *span = NULL;
    size_t found = 0;
    size_t i;
    json_array_foreach(spans, i, span) {
        found += strcmp(text_of(span, "spanId"), id) == 0 ? 1 : 0;
    }
    assert_true(found <= 1);
    return found == 1;
}

/* All of them belong to the trace, each is told once, and its parent is, too, or is `root`. */
static void assert_tree(const json_t *spans, const char *trace, const char *root) {
    const json_t *span = NULL;
    size_t i;
    json_array_foreach(spans, i, span) {
        const char *parent = text_of(span, "parentSpanId");
        assert_string_equal(text_of(span, "traceId"), trace);
        assert_true(is_told(spans, text_of(span, "spanId")));
        assert_true(strcmp(parent, root) == 0 || is_told(spans, parent));
    }
}

static void assert_below(const json_t *spans, const json_t *span, const char *parent, size_t n) {
    assert_non_null(span);
    assert_string_equal(text_of(span, "parentSpanId"),
                        text_of(span_named(spans, parent, n), "spanId"));
}

/* --- */

static void a_retry_and_a_replay_tell_nothing_twice(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, TELEMETRY SERVICE, LUA(fails_until_mended));
    offer(f, "s", "in/a", "x", "traceparent", PARENT, NULL);
    for (size_t call = 0; call < 4; call++) {
        run_dry(f);
        answer(f, call, 200, "");
        advance(f, 2000);
        if (call == 1) {
            const struct uuid id = id_of(f, "s", "x");
            const struct command again = {.kind = COMMAND_REPLAY, .id = id};
            assert_int_equal(command(f, again), 0);
        }
    }
    json_t *spans = spans_of(f);
    assert_tree(spans, TRACE, ROOT);
    assert_int_equal(json_array_size(spans), 2 + 4 + 4); /* two rounds, their attempts, the calls */
    assert_below(spans, span_named(spans, "attempt s", 0), "process in/#", 0);
    assert_below(spans, span_named(spans, "attempt s", 3), "process in/#", 1);
    json_decref(spans);
}

static void an_attempt_that_a_crash_cut_off_leaves_no_orphan(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, TELEMETRY SERVICE, LUA(fails_until_mended));
    offer(f, "s", "in/a", "x", "traceparent", PARENT, NULL);
    run_dry(f);
    answer(f, 0, 200, "");
    advance(f, 1000); /* the second attempt waits for its call */
    assert_int_equal(f->asked_count, 2);
    crash(f);
    run_dry(f);
    answer(f, 2, 200, "");
    run_dry(f);
    json_t *spans = spans_of(f);
    assert_tree(spans, TRACE, ROOT);
    assert_non_null(span_named(spans, "process in/#", 0));
    json_decref(spans);
}

static void a_crash_in_the_handler_is_an_attempt_of_its_own(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, TELEMETRY SERVICE, LUA(fails_until_mended));
    offer(f, "s", "in/a", "x", "traceparent", PARENT, NULL);
    run_dry(f);
    answer(f, 0, 200, "");
    run_dry(f);
    crash_in(f, "s", "x");
    advance(f, 2000);
    answer(f, 1, 200, "");
    run_dry(f);
    json_t *spans = spans_of(f);
    assert_tree(spans, TRACE, ROOT);
    assert_non_null(span_named(spans, "attempt s", 2));
    json_decref(spans);
}

static void calls_belong_to_their_steps_and_a_sleep_divides_attempts(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, TELEMETRY SERVICE, LUA(steps));
    offer(f, "s", "in/a", "x", "traceparent", PARENT, NULL);
    run_dry(f);
    answer(f, 0, 200, "");
    run_dry(f);
    answer(f, 1, 200, "");
    advance(f, 60000);
    answer(f, 2, 200, "");
    run_dry(f);
    answer(f, 3, 200, "");
    run_dry(f);
    json_t *spans = spans_of(f);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DONE);
    assert_tree(spans, TRACE, ROOT);
    assert_below(spans, span_named(spans, "POST", 0), "pay", 0);
    assert_below(spans, span_named(spans, "POST", 1), "ship", 0);
    assert_null(json_object_get(span_named(spans, "pay", 0), "status"));
    assert_non_null(json_object_get(span_named(spans, "ship", 0), "status"));
    assert_below(spans, span_named(spans, "pay", 0), "attempt s", 0);
    assert_below(spans, span_named(spans, "GET", 0), "attempt s", 1);
    json_decref(spans);
}

static void a_trace_goes_on_with_calls_and_publishes(void **state) {
    struct engine_fixture *f = *state;
    char expected[128];
    char text[512];
    fixture_run(f, TELEMETRY SERVICE, LUA(calls_and_publishes));
    offer(f, "s", "in/a", "x", "traceparent", PARENT, "tracestate", "a=1", NULL);
    run_dry(f);
    const char *headers = f->asked[0].headers;
    answer(f, 0, 200, "");
    run_dry(f);
    json_t *spans = spans_of(f);
    (void)snprintf(expected, sizeof expected, "traceparent: 00-" TRACE "-%s-01\n",
                   text_of(span_named(spans, "GET", 0), "spanId"));
    assert_non_null(strstr(headers, expected));
    assert_non_null(strstr(headers, "tracestate: a=1\n"));
    (void)snprintf(expected, sizeof expected, "00-" TRACE "-%s-01",
                   text_of(span_named(spans, "send", 0), "spanId"));
    const struct published *p = nth_published(f, "out", 0);
    assert_string_equal(published_property(p, "traceparent", text), expected);
    assert_string_equal(published_property(p, "tracestate", text), "a=1");
    assert_null(strstr(buf_str(&f->spans), "token"));
    json_decref(spans);
}

static void a_header_of_the_handlers_own_stays(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, TELEMETRY SERVICE, LUA(own_header));
    offer(f, "s", "in/a", "x", "traceparent", PARENT, NULL);
    run_dry(f);
    assert_string_equal(f->asked[0].headers, "Traceparent: mine\n");
}

static void without_telemetry_the_trace_goes_on_as_it_came(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE, LUA(calls_and_publishes));
    offer(f, "s", "in/a", "x", "traceparent", PARENT, NULL);
    run_dry(f);
    assert_non_null(strstr(f->asked[0].headers, "traceparent: " PARENT "\n"));
    answer(f, 0, 200, "");
    run_dry(f);
    assert_string_equal(published_property(nth_published(f, "out", 0), "traceparent", text),
                        PARENT);
    assert_int_equal(f->span_count, 0);
}

/* The n-th call and publish have the trace, and nothing of its state. */
static void assert_goes_on_without_state(struct engine_fixture *f, size_t n) {
    char text[512];
    run_dry(f);
    assert_non_null(strstr(f->asked[n].headers, "traceparent: 00-" TRACE "-"));
    assert_null(strstr(f->asked[n].headers, "tracestate"));
    answer(f, n, 200, "");
    run_dry(f);
    const struct published *p = nth_published(f, "out", n);
    assert_non_null(strstr(published_property(p, "traceparent", text), TRACE));
    assert_string_equal(published_property(p, "tracestate", text), "");
}

static void a_state_that_is_long_or_no_ascii_stays_behind(void **state) {
    struct engine_fixture *f = *state;
    static const char *const telemetry[] = {SERVICE, TELEMETRY SERVICE};
    char text[514];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    fixture_run(f, SERVICE, LUA(calls_and_publishes));
    for (size_t i = 0; i < 2; i++) {
        fixture_conf(f, telemetry[i]);
        assert_int_equal(fixture_reconfigure(f), 0);
        offer(f, "s", "in/a", "x", "traceparent", PARENT, "tracestate", text, NULL);
        assert_goes_on_without_state(f, 2 * i);
        offer(f, "s", "in/a", "y", "traceparent", PARENT, "tracestate", "a=\xc3\xa9", NULL);
        assert_goes_on_without_state(f, 2 * i + 1);
    }
}

static void a_trace_that_is_not_sampled_goes_on_and_is_not_told(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, TELEMETRY SERVICE, LUA(calls_and_publishes));
    offer(f, "s", "in/a", "x", "traceparent", "00-" TRACE "-" ROOT "-00", NULL);
    run_dry(f);
    assert_non_null(strstr(f->asked[0].headers, "traceparent: 00-" TRACE "-"));
    assert_non_null(strstr(f->asked[0].headers, "-00\n"));
    answer(f, 0, 200, "");
    run_dry(f);
    assert_int_equal(f->span_count, 0);
}

static void an_event_without_a_trace_begins_one_unless_none_are_sampled(void **state) {
    struct engine_fixture *f = *state;
    char trace[64];
    char id[UUID_TEXT_BYTES + 1];
    char text[512];
    fixture_run(f, TELEMETRY SERVICE, LUA(calls_and_publishes));
    offer(f, "s", "in/a", "x", "traceparent", "00-nonsense", "tracestate", "a=1", NULL);
    run_dry(f);
    answer(f, 0, 200, "");
    run_dry(f);
    const struct uuid made = id_of(f, "s", "x");
    (void)uuid_text(&made, id);
    (void)snprintf(trace, sizeof trace, "%.8s%.4s%.4s%.4s%.12s", id, id + 9, id + 14, id + 19,
                   id + 24);
    json_t *spans = spans_of(f);
    assert_tree(spans, trace, "");
    json_decref(spans);
    assert_string_equal(published_property(nth_published(f, "out", 0), "tracestate", text), "");
    size_t before = f->span_count;
    fixture_conf(f, "telemetry { otlp = \"http://receiver:4318\" sample = 0 }\n" SERVICE);
    assert_int_equal(fixture_reconfigure(f), 0);
    deliver(f, "s", "in/a", "y");
    answer(f, 1, 200, "");
    run_dry(f);
    assert_int_equal(f->span_count, before);
}

static void a_statement_is_told_as_the_handler_wrote_it(void **state) {
    struct engine_fixture *f = *state;
    static const char own[] = "/*traceparent='mine'*/ select $1";
    fixture_run(f, TELEMETRY "database shop { url = \"postgres://db/shop\" }\n" SERVICE,
                LUA(statements));
    offer(f, "s", "in/a", "x", "traceparent", PARENT, NULL);
    run_dry(f);
    for (size_t call = 0; call < 4; call++) {
        assert_non_null(strstr(f->asked[call].body, " /*traceparent='00-" TRACE "-"));
        answer(f, call, call_sqlstate("42601"), "");
        run_dry(f);
    }
    json_t *spans = spans_of(f);
    assert_string_equal(attribute_of(span_named(spans, "postgresql", 0), "db.query.text"), "");
    assert_string_equal(attribute_of(span_named(spans, "postgresql", 1), "db.query.text"), "");
    assert_string_equal(attribute_of(span_named(spans, "postgresql", 2), "db.query.text"), own);
    assert_string_equal(attribute_of(span_named(spans, "SELECT", 0), "db.query.text"), "select $1");
    json_decref(spans);
}

static void each_event_of_a_batch_has_its_attempt(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                TELEMETRY "service \"s\" { subscribe = {\"in\"} handler = \"h.lua\" order = none "
                          "batch = 2 retries = 0 }\n",
                LUA(batch));
    offer(f, "s", "in", "x", "traceparent", PARENT, NULL);
    offer(f, "s", "in", "y", "traceparent", PARENT, NULL);
    run_dry(f);
    json_t *spans = spans_of(f);
    assert_tree(spans, TRACE, ROOT);
    const json_t *first = span_named(spans, "attempt s", 0);
    const json_t *second = span_named(spans, "attempt s", 1);
    assert_int_not_equal(json_object_get(first, "status") == NULL,
                         json_object_get(second, "status") == NULL);
    assert_non_null(span_named(spans, "process in", 1));
    json_decref(spans);
}

static void a_dead_letter_is_told_and_announced_within_its_trace(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, TELEMETRY SERVICE, LUA(fails_until_mended));
    offer(f, "s", "in/a", "x", "traceparent", PARENT, NULL);
    run_dry(f);
    answer(f, 0, 200, "");
    advance(f, 1000);
    answer(f, 1, 200, "");
    run_dry(f);
    json_t *spans = spans_of(f);
    const json_t *event = span_named(spans, "process in/#", 0);
    assert_non_null(json_object_get(event, "status"));
    const struct published *p = nth_published(f, "zingq/dlq/s", 0);
    assert_non_null(strstr(published_property(p, "traceparent", text), text_of(event, "spanId")));
    json_decref(spans);
}

static void each_way_to_end_an_attempt_has_its_name(void **state) {
    struct engine_fixture *f = *state;
    /* In the order in which they end; the service that is throttled begins nothing more. */
    static const char *const ends[] = {"retry", "snooze",   "reject",
                                       "sleep", "throttle", "cancelled"};
    static const size_t begun[] = {0, 1, 2, 3, 5, 4};
    fixture_run(f,
                TELEMETRY
                "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\""
                " jitter = 0 retries = 1 }\n",
                LUA(ends));
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char topic[32];
        const char *end = ends[begun[i]];
        (void)snprintf(topic, sizeof topic, "in/%s", end);
        offer(f, "s", topic, end, "traceparent", PARENT, NULL);
        run_dry(f);
    }
    struct command cancel = {.kind = COMMAND_CANCEL, .id = id_of(f, "s", "cancelled")};
    assert_int_equal(command(f, cancel), 0);
    json_t *spans = spans_of(f);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const json_t *attempt = span_named(spans, "attempt s", i);
        assert_string_equal(attribute_of(attempt, "zingq.outcome"), ends[i]);
        bool failed = strcmp(ends[i], "retry") == 0 || strcmp(ends[i], "reject") == 0;
        assert_int_equal(json_object_get(attempt, "status") != NULL, failed);
    }
    const json_t *call = span_named(spans, "GET", 0);
    assert_string_equal(attribute_of(call, "server.address"), "::1");
    assert_string_equal(attribute_of(call, "error.type"), "cancelled");
    json_decref(spans);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_retry_and_a_replay_tell_nothing_twice),
        ENGINE_TEST(an_attempt_that_a_crash_cut_off_leaves_no_orphan),
        ENGINE_TEST(a_crash_in_the_handler_is_an_attempt_of_its_own),
        ENGINE_TEST(calls_belong_to_their_steps_and_a_sleep_divides_attempts),
        ENGINE_TEST(a_trace_goes_on_with_calls_and_publishes),
        ENGINE_TEST(a_header_of_the_handlers_own_stays),
        ENGINE_TEST(without_telemetry_the_trace_goes_on_as_it_came),
        ENGINE_TEST(a_state_that_is_long_or_no_ascii_stays_behind),
        ENGINE_TEST(a_trace_that_is_not_sampled_goes_on_and_is_not_told),
        ENGINE_TEST(an_event_without_a_trace_begins_one_unless_none_are_sampled),
        ENGINE_TEST(a_statement_is_told_as_the_handler_wrote_it),
        ENGINE_TEST(each_event_of_a_batch_has_its_attempt),
        ENGINE_TEST(a_dead_letter_is_told_and_announced_within_its_trace),
        ENGINE_TEST(each_way_to_end_an_attempt_has_its_name),
    };
    return cmocka_run_group_tests_name("engine/spans", tests, NULL, NULL);
}
