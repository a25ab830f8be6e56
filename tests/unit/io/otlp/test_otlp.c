/* test_otlp.c - spans for a receiver that is not there: a queue with a bound, and an end that comes. */
#include "io/otlp/otlp.h"

#include "base/limits.h"
#include "port.h"
#include "silent.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIB = 1 << 20 };

struct receiver {
    uv_loop_t loop;
    struct memory memory;
    struct telemetry_conf conf;
    char url[64], name[16];
    struct otlp *otlp;
};

static int set_up(void **state) {
    struct receiver *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    memory_init(&w->memory, 512 * (uint64_t)MIB);
    (void)snprintf(w->url, sizeof w->url, "http://127.0.0.1:%u", (unsigned)free_port());
    (void)snprintf(w->name, sizeof w->name, "zingq");
    w->conf = (struct telemetry_conf){.otlp = w->url, .service_name = w->name};
    const struct otlp_options options = {
        .loop = &w->loop, .conf = &w->conf, .instance = "test", .memory = &w->memory};
    assert_int_equal(otlp_new(&w->otlp, &options), 0);
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    struct receiver *w = *state;
    bool ended = w->otlp == NULL;
    otlp_end(w->otlp, &ended);
    while (!ended) {
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    }
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    assert_int_equal(w->memory.used[MEMORY_SPANS], 0);
    free(w);
    return 0;
}

/* Adds as much as `bytes`, in spans of 1 MiB; how many that are. */
static size_t add_spans(struct receiver *w, size_t bytes) {
    char *text = malloc(MIB);
    size_t count = bytes / MIB;
    assert_non_null(text);
    memset(text, ' ', MIB);
    for (size_t i = 0; i < count; i++) {
        otlp_add(w->otlp, (struct slice){text, MIB}, 1, 0);
    }
    free(text);
    return count;
}

static void what_does_not_fit_the_queue_is_dropped_and_counted(void **state) {
    struct receiver *w = *state;
    struct otlp_state s;
    size_t added = add_spans(w, 2 * (size_t)SPANS_QUEUE_BYTES_MAX);
    otlp_look(w->otlp, &s);
    assert_int_equal(s.sent, 0);
    assert_int_equal(s.waiting + s.dropped, added);
    assert_in_range(s.waiting, 1, SPANS_QUEUE_BYTES_MAX / MIB);
    assert_in_range(w->memory.used[MEMORY_SPANS], s.waiting * MIB, SPANS_QUEUE_BYTES_MAX);
}

static void memory_that_others_need_is_not_for_spans(void **state) {
    struct receiver *w = *state;
    struct otlp_state s;
    memory_take(&w->memory, MEMORY_LUA, w->memory.limit);
    size_t added = add_spans(w, 4 * (size_t)MIB);
    otlp_look(w->otlp, &s);
    assert_int_equal(s.dropped, added);
    memory_give(&w->memory, MEMORY_LUA, w->memory.limit);
}

static void what_was_dropped_before_counts(void **state) {
    struct receiver *w = *state;
    struct otlp_state s;
    otlp_add(w->otlp, (struct slice){NULL, 0}, 0, 7);
    otlp_look(w->otlp, &s);
    assert_int_equal(s.dropped, 7);
    assert_int_equal(s.waiting, 0);
}

static void a_receiver_that_is_away_is_told_and_spans_wait(void **state) {
    struct receiver *w = *state;
    struct otlp_state s = {.error = NULL};
    add_spans(w, 2 * (size_t)MIB);
    while (s.error == NULL) {
        (void)uv_run(&w->loop, UV_RUN_ONCE);
        otlp_look(w->otlp, &s);
    }
    assert_int_equal(s.waiting, 2);
    assert_int_equal(s.dropped, 0);
}

/* A receiver that answers so, whatever it is sent. */
static struct silent *receiver_that_says(struct receiver *w, const char *answer) {
    uint16_t port;
    struct silent *s = silent_new(answer, strlen(answer), &port);
    assert_non_null(s);
    (void)snprintf(w->url, sizeof w->url, "http://127.0.0.1:%u", (unsigned)port);
    return s;
}

static struct otlp_state run_until_answered(struct receiver *w) {
    struct otlp_state s = {.error = NULL};
    while (s.sent + s.dropped == 0 && s.error == NULL) {
        (void)uv_run(&w->loop, UV_RUN_ONCE);
        otlp_look(w->otlp, &s);
    }
    return s;
}

static void an_answer_that_is_too_long_to_be_one_is_not_read(void **state) {
    struct receiver *w = *state;
    enum { LONG = 100 << 10 };
    char *answer = malloc(2 * LONG);
    assert_non_null(answer);
    (void)snprintf(answer, 2 * LONG, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%-*s", LONG,
                   LONG, "{\"partialSuccess\":{\"rejectedSpans\":\"1\"}}");
    struct silent *long_winded = receiver_that_says(w, answer);
    otlp_add(w->otlp, slice_of("{}"), 1, 0);
    struct otlp_state s = run_until_answered(w);
    assert_int_equal(s.sent, 1);
    assert_int_equal(s.dropped, 0);
    silent_free(long_winded);
    free(answer);
}

static const char come_back_tomorrow[] = "HTTP/1.1 503 Service Unavailable\r\n"
                                         "Retry-After: 86400\r\nContent-Length: 0\r\n\r\n";

static void a_receiver_is_asked_again_the_same_day_whatever_it_says(void **state) {
    struct receiver *w = *state;
    struct silent *busy = receiver_that_says(w, come_back_tomorrow);
    otlp_add(w->otlp, slice_of("{}"), 1, 0);
    assert_int_equal(run_until_answered(w).waiting, 1);
    silent_free(busy);
    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_in_range(uv_backend_timeout(&w->loop), 0, OTLP_RETRY_AFTER_MS_MAX);
}

static void another_receiver_is_asked_at_once(void **state) {
    struct receiver *w = *state;
    struct silent *busy = receiver_that_says(w, come_back_tomorrow);
    otlp_add(w->otlp, slice_of("{}"), 1, 0);
    assert_int_equal(run_until_answered(w).waiting, 1);
    silent_free(busy);
    struct silent *other = receiver_that_says(w, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    struct otlp_state s = {.sent = 0};
    otlp_again(w->otlp);
    while (s.sent == 0) {
        (void)uv_run(&w->loop, UV_RUN_ONCE);
        otlp_look(w->otlp, &s);
    }
    assert_null(s.error);
    silent_free(other);
}

static void telemetry_that_is_turned_off_ends_with_what_waits(void **state) {
    struct receiver *w = *state;
    bool ended = false;
    add_spans(w, 2 * (size_t)MIB);
    w->url[0] = '\0';
    otlp_end(w->otlp, &ended);
    w->otlp = NULL;
    while (!ended) {
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    }
}

static void a_probe_says_that_nobody_is_there(void **state) {
    struct receiver *w = *state;
    struct report r = {""};
    assert_int_equal(otlp_probe(&w->conf, &r), ERR_NETWORK);
    assert_non_null(strstr(r.text, "no answer: "));
}

#define OTLP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        OTLP_TEST(what_does_not_fit_the_queue_is_dropped_and_counted),
        OTLP_TEST(memory_that_others_need_is_not_for_spans),
        OTLP_TEST(what_was_dropped_before_counts),
        OTLP_TEST(a_receiver_that_is_away_is_told_and_spans_wait),
        OTLP_TEST(an_answer_that_is_too_long_to_be_one_is_not_read),
        OTLP_TEST(a_receiver_is_asked_again_the_same_day_whatever_it_says),
        OTLP_TEST(another_receiver_is_asked_at_once),
        OTLP_TEST(telemetry_that_is_turned_off_ends_with_what_waits),
        OTLP_TEST(a_probe_says_that_nobody_is_there),
    };
    return cmocka_run_group_tests_name("io/otlp", tests, NULL, NULL);
}
