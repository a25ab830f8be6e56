/* test_gateway.c - the HTTP door over real sockets, TCP and unix, with curl and raw clients. */

#include "gateway_world.h"
#include "test.h"
#include "base/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- requests and answers ---- */

static void a_request_arrives_whole_and_is_answered(void **state) {
    struct world *w = *state;
    w->at_once = true;
    struct client c = {.method = "POST", .path = "/api/a%20b?q=x%26y", .body = slice_of("hello")};
    client_start(w, &c);
    client_join(w, &c);
    assert_int_equal(c.code, 0);
    assert_int_equal(c.status, 201);
    assert_true(slice_is(buf_slice(&c.answer), "{\"ok\":true}"));
    assert_string_equal(buf_str(&w->seen),
                        "method=POST;path=/api/a b;q=x&y;type=application/json;body=hello");
    buf_clear(&c.answer);
}

static void an_answer_may_come_many_turns_later(void **state) {
    struct world *w = *state;
    struct client c = {.method = "GET", .path = "/later"};
    client_start(w, &c);
    run_until_requests(w, 1);
    gateway_world_settle(w);
    assert_false(c.finished);
    gateway_answer(w->requests[0], 200, "text/plain", NULL, slice_of("at last"));
    client_join(w, &c);
    assert_int_equal(c.status, 200);
    assert_true(slice_is(buf_slice(&c.answer), "at last"));
    buf_clear(&c.answer);
}

static void headers_and_content_type_go_out(void **state) {
    struct world *w = *state;
    w->at_once = true;
    int fd = raw_client(w, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    run_until_requests(w, 1);
    gateway_world_settle(w);
    char text[4096] = "";
    assert_true(recv(fd, text, sizeof text - 1, 0) > 0);
    assert_non_null(strstr(text, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(text, "X-One: 1\r\n"));
    assert_non_null(strstr(text, "X-Two: 2\r\n"));
    (void)close(fd);
}

static void an_answer_to_a_client_that_has_gone_is_dropped(void **state) {
    struct world *w = *state;
    int fd = raw_client(w, "GET /gone HTTP/1.1\r\nHost: x\r\n\r\n");
    run_until_requests(w, 1);
    (void)close(fd);
    gateway_world_settle(w);
    gateway_answer(w->requests[0], 200, NULL, NULL, slice_of("{}"));
    gateway_world_settle(w);
    w->at_once = true;
    int next = raw_client(w, "GET /next HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(raw_status(w, next), 201);
    (void)close(next);
}

static void a_client_that_was_reset_is_no_harm_either(void **state) {
    struct world *w = *state;
    int fd = raw_client(w, "GET /gone HTTP/1.1\r\nHost: x\r\n\r\n");
    run_until_requests(w, 1);
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    (void)close(fd);
    gateway_world_settle(w);
    char *large = calloc(1, 1 << 20);
    gateway_answer(w->requests[0], 200, NULL, NULL, (struct slice){large, 1 << 20});
    free(large);
    gateway_world_settle(w);
    assert_int_equal(w->count, 1);
}

static void many_requests_wait_at_once(void **state) {
    struct world *w = *state;
    int fds[REQUESTS_MAX];
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        fds[i] = raw_client(w, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
        (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    }
    run_until_requests(w, REQUESTS_MAX);
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        gateway_answer(w->requests[i], 202, NULL, NULL, slice_of("{}"));
    }
    for (size_t i = 0; i < REQUESTS_MAX; i++) {
        assert_int_equal(raw_status(w, fds[i]), 202);
        (void)close(fds[i]);
    }
}

static void a_connection_carries_several_requests(void **state) {
    struct world *w = *state;
    w->at_once = true;
    int fd = raw_client(w, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(raw_status(w, fd), 201);
    assert_true(write(fd, "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n", 28) == 28);
    assert_int_equal(raw_status(w, fd), 201);
    assert_int_equal(w->count, 2);
    (void)close(fd);
}

/* ---- hostile clients ---- */

static void a_body_past_the_limit_is_answered_413(void **state) {
    struct world *w = *state;
    char *large = calloc(1, 4 << 20);
    struct client c = {.method = "POST", .path = "/", .body = {large, 4 << 20}};
    client_start(w, &c);
    client_join(w, &c);
    assert_int_equal(c.code, 0);
    assert_int_equal(c.status, 413);
    assert_int_equal(w->count, 0);
    buf_clear(&c.answer);
    free(large);
}

static void a_body_without_a_length_cannot_grow_past_the_limit(void **state) {
    struct world *w = *state;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_add_str(&text, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 6; i++) { /* 6 KiB, the limit is 4 */
        buf_printf(&text, "400\r\n%01024d\r\n", 0);
    }
    buf_add_str(&text, "0\r\n\r\n");
    int fd = raw_client(w, buf_str(&text));
    assert_int_equal(raw_status(w, fd), 413);
    assert_int_equal(w->count, 0);
    (void)close(fd);
    buf_clear(&text);
}

static void bodies_that_do_not_fit_beside_the_others_are_refused(void **state) {
    struct world *w = *state;
    int fds[BODIES_MAX + 1];
    struct buf text;
    w->memory.limit = BODIES_MEMORY;
    buf_init(&text, 1 << 20);
    buf_printf(&text, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", BODY_MAX);
    buf_printf(&text, "%0*d", BODY_MAX, 0);
    for (size_t i = 0; i <= BODIES_MAX; i++) {
        fds[i] = raw_client(w, buf_str(&text));
        gateway_world_settle(w);
    }
    assert_int_equal(raw_status(w, fds[BODIES_MAX]), 503);
    assert_int_equal(w->count, BODIES_MAX);
    for (size_t i = 0; i < w->count; i++) {
        gateway_answer(w->requests[i], 200, NULL, NULL, slice_of("{}"));
        assert_int_equal(raw_status(w, fds[i]), 200);
        (void)close(fds[i]);
    }
    gateway_world_settle(w);
    int next = raw_client(w, buf_str(&text)); /* there is room again */
    w->at_once = true;
    assert_int_equal(raw_status(w, next), 201);
    (void)close(next);
    (void)close(fds[BODIES_MAX]);
    buf_clear(&text);
}

static void a_body_that_nobody_wants_is_not_kept(void **state) {
    struct world *w = *state;
    gateway_free(w->gateway);
    gateway_world_settle(w);
    w->wants_none = true;
    w->at_once = true;
    gateway_world_open(w);
    int fd = raw_client(w, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    assert_int_equal(raw_status(w, fd), 201);
    buf_add_u8(&w->seen, 0);
    assert_null(strstr(w->seen.data, "hello"));
    (void)close(fd);
}

static void a_client_that_asks_first_is_refused_at_once(void **state) {
    struct world *w = *state;
    int fd = raw_client(w, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n"
                           "Expect: 100-continue\r\n\r\n");
    assert_int_equal(raw_status(w, fd), 413);
    (void)close(fd);
}

static void half_a_request_holds_up_nobody(void **state) {
    struct world *w = *state;
    w->at_once = true;
    int head = raw_client(w, "GET / HT");
    int body = raw_client(w, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    gateway_world_settle(w);
    int whole = raw_client(w, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(raw_status(w, whole), 201);
    assert_int_equal(w->count, 1);
    (void)close(head);
    (void)close(body);
    (void)close(whole);
    gateway_world_settle(w);
}

static void nonsense_is_refused_before_it_is_a_request(void **state) {
    struct world *w = *state;
    int fd = raw_client(w, "\x16\x03\x01\x02 nonsense\r\n\r\n");
    gateway_world_settle(w);
    assert_int_equal(w->count, 0);
    (void)close(fd);
}

static void requests_that_wait_end_with_the_gateway(void **state) {
    struct world *w = *state;
    int fd = raw_client(w, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    run_until_requests(w, 1);
    gateway_free(w->gateway);
    w->gateway = NULL;
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    (void)close(fd);
}

/* ---- sockets ---- */

static int try_gateway(struct world *w, const char *listen, struct report *r) {
    struct gateway_callbacks callbacks = {.ctx = w, .on_request = gateway_world_on_request};
    struct gateway *second = NULL;
    int code = gateway_new(&second, &w->loop, listen, BODY_MAX, &callbacks, r);
    assert_null(second);
    return code;
}

static void a_unix_socket_is_for_its_owner_only_and_goes_at_the_end(void **state) {
    struct world *w = *state;
    struct stat info;
    assert_int_equal(stat(w->unix_path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    gateway_free(w->gateway);
    w->gateway = NULL;
    assert_int_equal(stat(w->unix_path, &info), -1);
}

static void an_address_in_use_is_busy(void **state) {
    struct world *w = *state;
    struct report r = {""};
    assert_int_equal(try_gateway(w, w->target, &r), ERR_BUSY);
    assert_non_null(strstr(r.text, "in use"));
}

static void a_stale_unix_socket_is_replaced(void **state) {
    struct world *w = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", w->unix_path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    (void)close(fd);
    gateway_world_open(w);
    assert_non_null(w->gateway);
}

static void a_file_in_the_sockets_place_is_left_alone(void **state) {
    struct world *w = *state;
    FILE *file = fopen(w->unix_path, "w");
    assert_non_null(file);
    (void)fclose(file);
    struct report r = {""};
    assert_int_equal(try_gateway(w, w->listen, &r), ERR_INVALID);
    assert_non_null(strstr(r.text, "not a socket"));
    assert_int_equal(access(w->unix_path, F_OK), 0);
}

static void an_address_that_is_none_is_refused(void **state) {
    struct world *w = *state;
    static const char *const rows[] = {"",       "8080", ":8080", "127.0.0.1", "127.0.0.1:http",
                                       "::1:80", "unix:"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct report r = {""};
        assert_int_equal(try_gateway(w, rows[i], &r), ERR_INVALID);
        assert_true(strlen(r.text) > 0);
    }
    struct report r = {""};
    char longest[200] = "unix:/";
    memset(longest + 6, 'x', 150);
    assert_int_equal(try_gateway(w, longest, &r), ERR_INVALID);
    assert_int_equal(try_gateway(w, "unix:/nonexistent/door.sock", &r), ERR_SYSTEM);
}

/* ---- asking ---- */

static int ask(const char *target, struct report *r) {
    struct buf answer;
    long status = 0;
    int code = gateway_ask(target, "GET", "/", (struct slice){NULL, 0}, 50, &status, &answer, r);
    buf_clear(&answer);
    return code;
}

static void asking_nobody_is_not_found(void **state) {
    struct world *w = *state;
    struct report r = {""};
    assert_int_equal(ask(w->listen, &r), ERR_NOTFOUND);
    assert_non_null(strstr(r.text, "is the host running"));
    assert_int_equal(ask("no address:x", &r), ERR_INVALID);
}

static void asking_somebody_silent_times_out(void **state) {
    struct world *w = *state;
    struct client c = {.method = "GET", .path = "/", .timeout_ms = 50};
    client_start(w, &c);
    client_join(w, &c);
    assert_int_equal(c.code, ERR_TIMEOUT);
    buf_clear(&c.answer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(a_request_arrives_whole_and_is_answered),
        BOTH(an_answer_may_come_many_turns_later),
        BOTH(headers_and_content_type_go_out),
        BOTH(an_answer_to_a_client_that_has_gone_is_dropped),
        BOTH(a_client_that_was_reset_is_no_harm_either),
        BOTH(many_requests_wait_at_once),
        BOTH(a_connection_carries_several_requests),
        BOTH(a_body_past_the_limit_is_answered_413),
        BOTH(bodies_that_do_not_fit_beside_the_others_are_refused),
        BOTH(a_body_that_nobody_wants_is_not_kept),
        BOTH(a_body_without_a_length_cannot_grow_past_the_limit),
        BOTH(a_client_that_asks_first_is_refused_at_once),
        BOTH(half_a_request_holds_up_nobody),
        BOTH(nonsense_is_refused_before_it_is_a_request),
        BOTH(requests_that_wait_end_with_the_gateway),
        BOTH(an_address_in_use_is_busy),
        BOTH(asking_somebody_silent_times_out),
        WITH(a_unix_socket_is_for_its_owner_only_and_goes_at_the_end, gateway_world_unix),
        WITH(a_stale_unix_socket_is_replaced, gateway_world_closed),
        WITH(a_file_in_the_sockets_place_is_left_alone, gateway_world_closed),
        WITH(an_address_that_is_none_is_refused, gateway_world_closed),
        WITH(asking_nobody_is_not_found, gateway_world_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
