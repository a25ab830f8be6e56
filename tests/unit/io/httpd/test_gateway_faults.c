/*
 * test_gateway_faults.c - memory, sockets, libmicrohttpd and libuv fail while the front door opens and is asked: the client has
 * the answer or none, the host goes on, and the next request is answered.
 *
 * ctest: faults label=torture
 */
#include "fault.h"
#include "gateway_world.h"
#include "test.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURNS = 200 };

static const char POST[] =
    "POST /api/x?q=1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    "Content-Length: 2\r\nConnection: close\r\n\r\n{}";

/* True: it has its answer. */
static bool ask(struct world *w) {
    int fd = raw_client(w, POST);
    char text[4096] = "";
    size_t len = 0;
    ssize_t got = -1;
    for (int turn = 0; turn < TURNS && got != 0 && len < sizeof text - 1; turn++) {
        fault_on();
        (void)uv_run(&w->loop, turn < TURNS / 2 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
        fault_off();
        got = recv(fd, text + len, sizeof text - 1 - len, MSG_DONTWAIT);
        len += got > 0 ? (size_t)got : 0;
    }
    (void)close(fd);
    gateway_world_settle(w);
    return strstr(text, "HTTP/1.1 201") != NULL && strstr(text, "{\"ok\":true}") != NULL;
}

static void on_pulse(uv_timer_t *timer) {
    (void)timer;
}

static bool a_door_opens_and_answers(void *ctx) {
    void *state = NULL;
    (void)ctx;
    assert_int_equal(gateway_world_closed(&state), 0);
    struct world *w = state;
    struct gateway_callbacks callbacks = {.ctx = w,
                                          .on_request = gateway_world_on_request,
                                          .welcome = gateway_world_welcome,
                                          .memory = &w->memory};
    struct report r = {""};
    uv_timer_t pulse;
    w->at_once = true;
    assert_int_equal(uv_timer_init(&w->loop, &pulse), 0);
    assert_int_equal(uv_timer_start(&pulse, on_pulse, 1, 1), 0);
    fault_on();
    int code = gateway_new(&w->gateway, &w->loop, w->listen, BODY_MAX, &callbacks, &r);
    fault_off();
    bool answered = false;
    if (code == 0) {
        answered = ask(w);
        assert_true(answered || ask(w));
        (void)fault_named("no answer");
    }
    fault_on();
    gateway_free(w->gateway);
    w->gateway = NULL;
    fault_off();
    uv_close((uv_handle_t *)&pulse, NULL);
    assert_int_equal(gateway_world_tear_down(&state), 0);
    return code == 0 ? answered : fault_named(r.text);
}

static void a_request_has_an_answer_or_none_and_the_next_one_has_it(void **state) {
    (void)state;
    fault_each("front door", FAULT_MEMORY | FAULT_SYSTEM | FAULT_INTERRUPT | FAULT_LIBRARY,
               a_door_opens_and_answers, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_has_an_answer_or_none_and_the_next_one_has_it)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
