/* test_fetch.c - HTTP calls to a real server, and what can go wrong with them. */
#include "fetch_world.h"
#include "test.h"
#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void an_answer_comes_with_status_headers_and_body(void **state) {
    struct world *w = *state;
    static const long statuses[] = {200, 402, 500, 302};
    for (uint64_t i = 0; i < 4; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "/status/%ld", statuses[i]);
        struct call_result *r = call(w, i, http_request("GET", w->http_port, path));
        assert_int_equal(r->code, 0);
        assert_int_equal(r->status, statuses[i]);
        assert_true(r->sent);
        assert_string_equal(r->error, "");
        assert_true(slice_is(buf_slice(&r->body), "hello"));
        assert_non_null(strstr(buf_str(&r->headers), "x-colour: Blue\n"));
    }
}

static void a_post_sends_what_was_asked_and_nothing_else(void **state) {
    struct world *w = *state;
    struct call_request *request = http_request("POST", w->http_port, "/echo");
    request->body = slice_dup(slice_of("a=1&b=2"));
    request->body_len = 7;
    assert_int_equal(call_request_header(request, slice_of("Idempotency-Key"), slice_of("k-1")), 0);
    assert_int_equal(call_request_header(request, slice_of("X-Empty"), slice_of("")), 0);
    const char *echoed = buf_str(&call(w, 1, request)->body);
    assert_non_null(strstr(echoed, "POST;"));
    assert_non_null(strstr(echoed, "Idempotency-Key=k-1;"));
    assert_non_null(strstr(echoed, "X-Empty=;"));
    assert_non_null(strstr(echoed, "User-Agent=zingq/"));
    assert_non_null(strstr(echoed, "|a=1&b=2"));
    assert_null(strstr(echoed, "Expect"));
    assert_null(strstr(echoed, "Content-Type"));
}

static void every_method_goes_out_by_its_name(void **state) {
    struct world *w = *state;
    static const char *const methods[] = {"GET", "PUT", "DELETE", "PATCH", "POST"};
    for (uint64_t i = 0; i < 5; i++) {
        struct call_result *r = call(w, i, http_request(methods[i], w->http_port, "/echo"));
        assert_memory_equal(buf_str(&r->body), methods[i], strlen(methods[i]));
    }
    assert_int_equal(call(w, 9, http_request("HEAD", w->http_port, "/status/200"))->status, 200);
}

static void a_large_body_is_sent_whole_without_asking_first(void **state) {
    struct world *w = *state;
    struct call_request *request = http_request("POST", w->http_port, "/echo");
    request->body_len = 900 << 10;
    request->body = malloc(request->body_len);
    memset(request->body, 'x', request->body_len);
    struct call_result *r = call(w, 1, request);
    assert_int_equal(r->status, 200);
    assert_true(r->body.len > 900 << 10);
}

static void a_silent_server_is_a_timeout_of_unknown_outcome(void **state) {
    struct world *w = *state;
    struct call_request *request = http_request("POST", w->http_port, "/silent");
    request->timeout_ms = 50;
    struct call_result *r = call(w, 1, request);
    assert_int_equal(r->code, ERR_TIMEOUT);
    assert_int_equal(r->status, 0);
    assert_true(r->sent);
    assert_true(strlen(r->error) > 0);
}

static void a_refused_connection_was_never_sent(void **state) {
    struct world *w = *state;
    uint16_t port;
    int fd = closed_port(&port);
    struct call_result *r = call(w, 1, http_request("POST", port, "/"));
    assert_int_equal(r->code, ERR_NETWORK);
    assert_false(r->sent);
    (void)close(fd);
}

static void an_address_that_egress_bars_is_not_asked(void **state) {
    struct world *w = *state;
    char *elsewhere[] = {"10.0.0.0/8", "*.example.org"};
    char *here[] = {"127.0.0.1"};
    struct call_request *request = http_request("GET", w->http_port, "/status/200");
    free(request->url);
    request->url = slice_dup(slice_of("http://169.254.169.254/latest/meta-data/"));
    struct call_result *r = call(w, 1, request);
    assert_int_equal(r->code, ERR_NETWORK);
    assert_false(r->sent);
    assert_non_null(strstr(r->error, "where clouds keep credentials"));
    fetch_egress(w->fetch, (struct egress){elsewhere, 2});
    r = call(w, 2, http_request("GET", w->http_port, "/status/200"));
    assert_int_equal(r->code, ERR_NETWORK);
    assert_non_null(strstr(r->error, "egress { allow }"));
    fetch_egress(w->fetch, (struct egress){here, 1});
    assert_int_equal(call(w, 3, http_request("GET", w->http_port, "/status/200"))->status, 200);
}

static void an_environments_proxy_is_not_used(void **state) {
    struct world *w = *state;
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    assert_int_equal(setenv("ALL_PROXY", "http://127.0.0.1:1", 1), 0);
    long status = call(w, 1, http_request("GET", w->http_port, "/status/200"))->status;
    assert_int_equal(unsetenv("http_proxy"), 0);
    assert_int_equal(unsetenv("ALL_PROXY"), 0);
    assert_int_equal(status, 200);
}

static void a_connection_lost_after_sending_is_of_unknown_outcome(void **state) {
    struct world *w = *state;
    struct call_result *r = call(w, 1, http_request("POST", w->http_port, "/drop"));
    assert_int_equal(r->code, ERR_NETWORK);
    assert_int_equal(r->status, 0);
    assert_true(r->sent);
}

static void an_answer_past_the_limit_is_refused(void **state) {
    struct world *w = *state;
    assert_int_equal(call(w, 1, http_request("GET", w->http_port, "/huge"))->code, ERR_LIMIT);
}

static void other_protocols_and_broken_requests_are_refused(void **state) {
    struct world *w = *state;
    static const char *const urls[] = {"file:///etc/passwd", "gopher://127.0.0.1/", "http://",
                                       "ht tp"};
    for (uint64_t i = 0; i < 4; i++) {
        struct call_request *request = http_request("GET", 1, "/");
        free(request->url);
        request->url = slice_dup(slice_of(urls[i]));
        assert_int_equal(call(w, i, request)->code, ERR_INVALID);
    }
    struct call_request *request = http_request("GET / HTTP/1.1\r\nX: y", w->http_port, "/");
    assert_int_equal(call(w, 9, request)->code, ERR_INVALID);
}

static void a_header_cannot_break_out_of_its_line(void **state) {
    (void)state;
    struct call_request *r = call_request_new();
    assert_int_equal(call_request_header(r, slice_of("X"), slice_of("a\r\nY: b")), ERR_INVALID);
    assert_int_equal(call_request_header(r, slice_of("X:"), slice_of("a")), ERR_INVALID);
    assert_int_equal(call_request_header(r, slice_of(""), slice_of("a")), ERR_INVALID);
    assert_int_equal(call_request_to(r, slice_of("a@b>\r\nRSET")), ERR_INVALID);
    assert_int_equal(r->header_count + r->mail_to_count, 0);
    call_request_free(r);
}

static void a_connection_serves_one_call_after_the_other(void **state) {
    struct world *w = *state;
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(call(w, i, http_request("GET", w->http_port, "/status/200"))->status, 200);
    }
    assert_int_equal(__atomic_load_n(&w->connections, __ATOMIC_SEQ_CST), 1);
}

static void a_thousand_calls_wait_at_once(void **state) {
    struct world *w = *state;
    struct call_request *requests[CROWD];
    for (uint64_t i = 0; i < CROWD; i++) {
        requests[i] = http_request("POST", w->http_port, "/status/200");
        requests[i]->timeout_ms = 60000;
        assert_int_equal(fetch_start(w->fetch, i, requests[i]), 0);
    }
    assert_int_equal(fetch_running(w->fetch), CROWD);
    run_until(w, CROWD);
    for (uint64_t i = 0; i < CROWD; i++) {
        assert_int_equal(w->done[i], 1);
        assert_int_equal(w->results[i].status, 200);
        call_request_free(requests[i]);
    }
    assert_int_equal(fetch_running(w->fetch), 0);
}

static void a_cancelled_call_is_heard_of_no_more(void **state) {
    struct world *w = *state;
    struct call_request *silent = http_request("GET", w->http_port, "/silent");
    assert_int_equal(fetch_start(w->fetch, 1, silent), 0);
    assert_int_equal(call(w, 2, http_request("GET", w->http_port, "/status/200"))->status, 200);
    fetch_cancel(w->fetch, 1);
    fetch_cancel(w->fetch, 77);
    call_request_free(silent);
    assert_int_equal(fetch_running(w->fetch), 0);
    assert_int_equal(call(w, 3, http_request("GET", w->http_port, "/status/200"))->status, 200);
    assert_int_equal(w->done[1], 0);
}

static void never(void *ctx, uint64_t id, struct call_result *result) {
    (void)ctx;
    (void)id;
    (void)result;
    fail();
}

static void calls_under_way_are_dropped_when_fetch_ends(void **state) {
    struct world *w = *state;
    struct fetch *second = NULL;
    assert_int_equal(fetch_new(&second, &w->loop, w, never), 0);
    struct call_request *silent = http_request("GET", w->http_port, "/silent");
    assert_int_equal(fetch_start(second, 1, silent), 0);
    assert_int_equal(call(w, 2, http_request("GET", w->http_port, "/status/200"))->status, 200);
    fetch_free(second);
    call_request_free(silent);
}

static void idle_connections_are_closed_when_they_are_asked_to(void **state) {
    struct world *w = *state;
    assert_false(fetch_close_idle(w->fetch));
    (void)call(w, 1, http_request("GET", w->http_port, "/status/200"));
    assert_true(fetch_close_idle(w->fetch));
    assert_false(fetch_close_idle(w->fetch));
    assert_int_equal(call(w, 2, http_request("GET", w->http_port, "/status/200"))->status, 200);
    assert_int_equal(__atomic_load_n(&w->connections, __ATOMIC_SEQ_CST), 2);
}

static void idle_connections_are_closed_after_the_last_call_under_way(void **state) {
    struct world *w = *state;
    (void)call(w, 1, http_request("GET", w->http_port, "/status/200"));
    struct call_request *silent = http_request("GET", w->http_port, "/silent");
    silent->timeout_ms = 100;
    assert_int_equal(fetch_start(w->fetch, 2, silent), 0);
    assert_false(fetch_close_idle(w->fetch));
    run_until(w, 2);
    call_request_free(silent);
    int before = __atomic_load_n(&w->connections, __ATOMIC_SEQ_CST);
    (void)call(w, 3, http_request("GET", w->http_port, "/status/200"));
    assert_int_equal(__atomic_load_n(&w->connections, __ATOMIC_SEQ_CST), before + 1);
}

enum { MANY = 12 };

/* Others have used up all the budget but the calls' share, in which no large answer fits. */
static void start_many(struct world *w, struct memory *memory, struct call_request **requests) {
    *memory = (struct memory){.limit = 8 << 20, .used[MEMORY_BODIES] = 8 << 20};
    fetch_use_memory(w->fetch, memory);
    for (uint64_t i = 0; i < MANY; i++) {
        requests[i] = http_request("GET", w->http_port, "/large");
        requests[i]->timeout_ms = 60000;
        assert_int_equal(fetch_start(w->fetch, i, requests[i]), 0);
    }
    while (fetch_paused(w->fetch) == 0) {
        assert_true(w->done_count < MANY);
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    }
}

static void long_answers_that_do_not_fit_in_memory_wait_and_all_come(void **state) {
    struct world *w = *state;
    static struct memory memory; /* as long as fetch */
    struct call_request *requests[MANY];
    size_t most = 0;
    start_many(w, &memory, requests);
    while (w->done_count < MANY) {
        (void)uv_run(&w->loop, UV_RUN_ONCE);
        most = memory.used[MEMORY_CALLS] > most ? memory.used[MEMORY_CALLS] : most;
    }
    for (uint64_t i = 0; i < MANY; i++) {
        assert_int_equal(w->results[i].code, 0);
        assert_int_equal(w->results[i].body.len, LARGE_BYTES);
        call_request_free(requests[i]);
    }
    assert_true(most < 2 * (size_t)LARGE_BYTES); /* one at a time */
    assert_int_equal(memory.used[MEMORY_CALLS], 0);
}

static void a_call_whose_answer_waits_for_memory_can_be_cancelled(void **state) {
    struct world *w = *state;
    static struct memory memory;
    struct call_request *requests[MANY];
    start_many(w, &memory, requests);
    for (uint64_t i = 0; i < MANY; i++) {
        fetch_cancel(w->fetch, i);
        call_request_free(requests[i]);
    }
    assert_int_equal(fetch_paused(w->fetch), 0);
    assert_int_equal(memory.used[MEMORY_CALLS], 0);
    assert_int_equal(call(w, 99, http_request("GET", w->http_port, "/status/200"))->status, 200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fetch_world_open, fetch_world_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_answer_comes_with_status_headers_and_body),
        TEST(a_post_sends_what_was_asked_and_nothing_else),
        TEST(every_method_goes_out_by_its_name),
        TEST(a_large_body_is_sent_whole_without_asking_first),
        TEST(a_silent_server_is_a_timeout_of_unknown_outcome),
        TEST(a_refused_connection_was_never_sent),
        TEST(an_address_that_egress_bars_is_not_asked),
        TEST(an_environments_proxy_is_not_used),
        TEST(a_connection_lost_after_sending_is_of_unknown_outcome),
        TEST(an_answer_past_the_limit_is_refused),
        TEST(other_protocols_and_broken_requests_are_refused),
        TEST(a_header_cannot_break_out_of_its_line),
        TEST(a_connection_serves_one_call_after_the_other),
        TEST(idle_connections_are_closed_when_they_are_asked_to),
        TEST(idle_connections_are_closed_after_the_last_call_under_way),
        TEST(a_thousand_calls_wait_at_once),
        TEST(long_answers_that_do_not_fit_in_memory_wait_and_all_come),
        TEST(a_call_whose_answer_waits_for_memory_can_be_cancelled),
        TEST(a_cancelled_call_is_heard_of_no_more),
        TEST(calls_under_way_are_dropped_when_fetch_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
