/*
 * test_fetch_faults.c - calls whose memory, libcurl or libuv fails: each ends once, with an answer or an error that says whether
 * it may have been sent, and the next one succeeds.
 *
 * ctest: faults label=torture
 */
#include "fault.h"
#include "fetch_world.h"
#include "test.h"
#include "base/limits.h"

#include <string.h>

static void on_done(void *ctx, uint64_t id, struct call_result *result) {
    struct call_result *got = ctx;
    assert_int_equal(id, got->status == 0 ? 1 : 2);
    *got = *result;
    got->status += got->status == 0; /* it has come */
    buf_init(&result->headers, CALL_BYTES_MAX);
    buf_init(&result->body, CALL_BYTES_MAX);
}

/* libuv runs timers before it waits: what one of them did is seen at the next. */
static void on_pulse(uv_timer_t *timer) {
    (void)timer;
}

/* One call from the first to the last handle, on a loop of its own. */
static bool one_call(const struct call_request *request) {
    uv_loop_t loop;
    uv_timer_t pulse;
    struct fetch *f = NULL;
    struct call_result got = {0};
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_timer_init(&loop, &pulse), 0);
    assert_int_equal(uv_timer_start(&pulse, on_pulse, 5, 5), 0);
    fault_on();
    int code = fetch_new(&f, &loop, &got, on_done);
    if (code == 0) {
        code = fetch_start(f, 1, request);
        while (code == 0 && got.status == 0) {
            (void)uv_run(&loop, UV_RUN_ONCE);
        }
        fault_off();
        assert_int_equal(fetch_running(f), 0);
        fault_on();
        fetch_free(f);
    }
    uv_close((uv_handle_t *)&pulse, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    fault_off();
    assert_int_equal(uv_loop_close(&loop), 0);
    if (code == 0 && got.code == 0 && request->kind == CALL_KIND_HTTP) {
        assert_int_equal(got.status, 200);
        assert_true(slice_is(buf_slice(&got.body), "hello"));
    }
    bool well = code == 0 && got.code == 0;
    if (!well) {
        (void)fault_named(code != 0 ? error_text(code) : got.error);
    }
    call_result_clear(&got);
    return well;
}

static bool a_request_is_answered(void *ctx) {
    struct world *w = ctx;
    struct call_request *request = http_request("POST", w->http_port, "/status/200");
    request->body = slice_dup(slice_of("{}"));
    request->body_len = 2;
    assert_int_equal(call_request_header(request, slice_of("X-A"), slice_of("1")), 0);
    bool well = one_call(request);
    call_request_free(request);
    return well;
}

static bool a_mail_is_sent(void *ctx) {
    struct world *w = ctx;
    struct call_request *request =
        mail_request(w, "ann@example.org", "Subject: x\r\n\r\nhello\r\n");
    bool well = one_call(request);
    call_request_free(request);
    return well;
}

static void an_http_call_ends_once_with_an_answer_or_an_error(void **state) {
    fault_each("fetch http", FAULT_MEMORY | FAULT_SYSTEM | FAULT_LIBRARY, a_request_is_answered,
               *state);
}

static void a_mail_ends_once_with_an_answer_or_an_error(void **state) {
    fault_each("fetch mail", FAULT_MEMORY | FAULT_LIBRARY, a_mail_is_sent, *state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_http_call_ends_once_with_an_answer_or_an_error,
                                        fetch_world_open, fetch_world_close),
        cmocka_unit_test_setup_teardown(a_mail_ends_once_with_an_answer_or_an_error,
                                        fetch_world_open_with_smtp, fetch_world_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
