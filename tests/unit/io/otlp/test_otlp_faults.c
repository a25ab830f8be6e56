/*
 * test_otlp_faults.c - calls fail while spans are sent: they arrive, or they count as dropped, or the error of the receiver is
 * named and they wait; and a host that ends waits for them no longer than it says.
 *
 * ctest: faults label=torture
 */
#include "fault.h"
#include "silent.h"
#include "test.h"

#include "base/limits.h"
#include "io/otlp/otlp.h"

#include <stdio.h>
#include <string.h>

static const char taken[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

/* What does not fit into its batch any more sends a span on its way. */
static int open_and_add(struct otlp **o, const struct otlp_options *options) {
    static char large[SPANS_BATCH_BYTES];
    memset(large, ' ', sizeof large);
    int code = otlp_new(o, options);
    if (code == 0) {
        otlp_add(*o, slice_of("{}"), 1, 0);
        otlp_add(*o, (struct slice){large, sizeof large}, 1, 0);
    }
    return code;
}

/* A host has turns for other reasons, too. */
static void on_pulse(uv_timer_t *timer) {
    (void)timer;
}

/* Until there is something to say of the first span. */
static void run(struct otlp *o, uv_loop_t *loop, struct otlp_state *s) {
    do {
        (void)uv_run(loop, UV_RUN_ONCE);
        otlp_look(o, s);
    } while (s->sent + s->dropped == 0 && s->error == NULL);
}

/* The receiver is gone from topics.conf in the end, so that nothing is waited for. */
static bool a_span_is_sent(void *ctx) {
    struct telemetry_conf conf = {.service_name = (char[]){"zingq"}, .otlp = ctx};
    struct otlp_state s = {.error = NULL};
    struct memory memory;
    uv_loop_t loop;
    uv_timer_t pulse;
    struct otlp *o = NULL;
    const struct otlp_options options = {
        .loop = &loop, .conf = &conf, .instance = "test", .memory = &memory};
    char why[256] = "out of memory";
    bool ended = false;
    memory_init(&memory, 64 << 20);
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_timer_init(&loop, &pulse), 0);
    assert_int_equal(uv_timer_start(&pulse, on_pulse, 5, 5), 0);
    fault_on();
    int code = open_and_add(&o, &options);
    if (code == 0) {
        run(o, &loop, &s);
        (void)snprintf(why, sizeof why, "%s", s.error != NULL ? s.error : "dropped");
        static char nobody[] = "";
        conf.otlp = nobody;
        otlp_end(o, &ended);
        while (!ended) {
            (void)uv_run(&loop, UV_RUN_ONCE);
        }
    }
    uv_close((uv_handle_t *)&pulse, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    fault_off();
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(memory.used[MEMORY_SPANS], 0);
    assert_in_range(s.sent + s.dropped, 0, 2);
    return s.sent == 1 || fault_named(why);
}

static void a_span_arrives_or_is_missed_by_name(void **state) {
    char url[64];
    uint16_t port;
    struct silent *receiver = silent_new(taken, strlen(taken), &port);
    (void)state;
    assert_non_null(receiver);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", (unsigned)port);
    fault_each("otlp", FAULT_MEMORY | FAULT_SYSTEM | FAULT_LIBRARY, a_span_is_sent, url);
    silent_free(receiver);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_span_arrives_or_is_missed_by_name)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
