/* test_gateway.c - the HTTP door over real sockets, TCP and unix, with curl and raw clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "descriptors.h"
#include "gateway.h"
#include "limits.h"

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

enum { REQUESTS_MAX = 300, BODY_MAX = 4096 };

struct world {
    uv_loop_t loop;
    struct gateway *gateway;
    char listen[128]; /* for gateway_new */
    char target[128]; /* for gateway_ask */
    char dir[64], unix_path[96];
    bool at_once;    /* answer in the callback, else keep the request in `requests` */
    bool wants_none; /* of the bodies */
    bool has_room;   /* make_room finds a descriptor, once */
    struct gateway_request *requests[REQUESTS_MAX];
    size_t count;
    struct buf seen; /* what on_request saw of the last request */
};

/* A client in a thread of its own, because gateway_ask blocks. */
struct client {
    struct world *w;
    uv_thread_t thread;
    uv_async_t done;
    const char *method, *path;
    struct slice body;
    int timeout_ms, code;
    bool finished;
    long status;
    struct buf answer;
    struct report report;
};

static void note(struct buf *out, const char *name, const char *value) {
    buf_printf(out, "%s=%s;", name, value != NULL ? value : "(none)");
}

static void on_request(void *ctx, struct gateway_request *request) {
    struct world *w = ctx;
    buf_reset(&w->seen);
    note(&w->seen, "method", gateway_method(request));
    note(&w->seen, "path", gateway_path(request));
    note(&w->seen, "q", gateway_query(request, "q"));
    note(&w->seen, "type", gateway_header(request, "Content-Type"));
    buf_add_str(&w->seen, "body=");
    buf_add_slice(&w->seen, gateway_body(request));
    assert_true(w->count < REQUESTS_MAX);
    if (w->at_once) {
        gateway_answer(request, 201, NULL, "X-One: 1\nX-Two: 2\n", slice_of("{\"ok\":true}"));
    } else {
        w->requests[w->count] = request;
    }
    w->count++;
}

static bool wants_body(void *ctx, const struct gateway_request *request) {
    const struct world *w = ctx;
    assert_non_null(gateway_path(request));
    return !w->wants_none;
}

static bool make_room(void *ctx) {
    struct world *w = ctx;
    bool had = w->has_room;
    if (had) {
        descriptors_give_one();
    }
    w->has_room = false;
    return had;
}

/* ---- the world ---- */

static void open_gateway(struct world *w) {
    struct gateway_callbacks callbacks = {
        .ctx = w, .on_request = on_request, .wants_body = wants_body, .make_room = make_room};
    struct report r = {""};
    int code = gateway_new(&w->gateway, &w->loop, w->listen, BODY_MAX, &callbacks, &r);
    assert_string_equal(r.text, "");
    assert_int_equal(code, 0);
    if (gateway_port(w->gateway) > 0) {
        (void)snprintf(w->target, sizeof w->target, "127.0.0.1:%u", gateway_port(w->gateway));
    } else {
        (void)snprintf(w->target, sizeof w->target, "%s", w->listen);
    }
}

static struct world *world_new(const char *listen) {
    struct world *w = calloc(1, sizeof *w);
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    buf_init(&w->seen, 1 << 16);
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/test_gateway.XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    (void)snprintf(w->unix_path, sizeof w->unix_path, "%s/door.sock", w->dir);
    if (listen == NULL) {
        (void)snprintf(w->listen, sizeof w->listen, "unix:%s", w->unix_path);
    } else {
        (void)snprintf(w->listen, sizeof w->listen, "%s", listen);
    }
    return w;
}

static int set_up_tcp(void **state) {
    *state = world_new("127.0.0.1:0");
    open_gateway(*state);
    return 0;
}

static int set_up_unix(void **state) {
    *state = world_new(NULL);
    open_gateway(*state);
    return 0;
}

static int set_up_closed(void **state) {
    *state = world_new(NULL);
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    descriptors_give_all();
    gateway_free(w->gateway);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    buf_clear(&w->seen);
    (void)unlink(w->unix_path);
    assert_int_equal(rmdir(w->dir), 0);
    free(w);
    return 0;
}

static void run_until_requests(struct world *w, size_t count) {
    while (w->count < count) {
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    }
}

/* Lets the loop do all that is ready now. */
static void settle(struct world *w) {
    for (int i = 0; i < 20; i++) {
        (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    }
}

static void on_client_done(uv_async_t *async) {
    struct client *c = async->data;
    c->finished = true;
}

static void client_main(void *arg) {
    struct client *c = arg;
    c->code = gateway_ask(c->w->target, c->method, c->path, c->body, c->timeout_ms, &c->status,
                          &c->answer, &c->report);
    (void)uv_async_send(&c->done);
}

static void client_start(struct world *w, struct client *c) {
    c->w = w;
    c->done.data = c;
    c->timeout_ms = c->timeout_ms > 0 ? c->timeout_ms : 10000;
    assert_int_equal(uv_async_init(&w->loop, &c->done, on_client_done), 0);
    assert_int_equal(uv_thread_create(&c->thread, client_main, c), 0);
}

static void client_join(struct world *w, struct client *c) {
    while (!c->finished) {
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    }
    (void)uv_thread_join(&c->thread);
    uv_close((uv_handle_t *)&c->done, NULL);
    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
}

/* A raw connection that has sent `text`; the test closes it. */
static int raw_client(struct world *w, const char *text) {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_un un;
    } address = {0};
    socklen_t len;
    if (gateway_port(w->gateway) > 0) {
        address.in = (struct sockaddr_in){.sin_family = AF_INET,
                                          .sin_port = htons(gateway_port(w->gateway)),
                                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        len = sizeof address.in;
    } else {
        address.un.sun_family = AF_UNIX;
        (void)snprintf(address.un.sun_path, sizeof address.un.sun_path, "%s", w->unix_path);
        len = sizeof address.un;
    }
    int fd = socket(address.any.sa_family, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, &address.any, len), 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    return fd;
}

/* Runs the loop until `fd` has an answer, and gives its status. */
static int raw_status(struct world *w, int fd) {
    char text[4096];
    ssize_t got;
    do {
        (void)uv_run(&w->loop, UV_RUN_NOWAIT);
        got = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    } while (got < 0);
    text[got] = '\0';
    static const char version[] = "HTTP/1.1 ";
    assert_memory_equal(text, version, strlen(version));
    return (int)strtol(text + strlen(version), NULL, 10);
}

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
    settle(w);
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
    settle(w);
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
    settle(w);
    gateway_answer(w->requests[0], 200, NULL, NULL, slice_of("{}"));
    settle(w);
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
    settle(w);
    char *large = calloc(1, 1 << 20);
    gateway_answer(w->requests[0], 200, NULL, NULL, (struct slice){large, 1 << 20});
    free(large);
    settle(w);
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
    int fds[GATEWAY_BODIES_MAX + 1];
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_printf(&text, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", BODY_MAX);
    buf_printf(&text, "%0*d", BODY_MAX, 0);
    for (size_t i = 0; i <= GATEWAY_BODIES_MAX; i++) {
        fds[i] = raw_client(w, buf_str(&text));
        settle(w);
    }
    assert_int_equal(raw_status(w, fds[GATEWAY_BODIES_MAX]), 503);
    assert_int_equal(w->count, GATEWAY_BODIES_MAX);
    for (size_t i = 0; i < w->count; i++) {
        gateway_answer(w->requests[i], 200, NULL, NULL, slice_of("{}"));
        assert_int_equal(raw_status(w, fds[i]), 200);
        (void)close(fds[i]);
    }
    settle(w);
    int next = raw_client(w, buf_str(&text)); /* there is room again */
    w->at_once = true;
    assert_int_equal(raw_status(w, next), 201);
    (void)close(next);
    (void)close(fds[GATEWAY_BODIES_MAX]);
    buf_clear(&text);
}

static void a_body_that_nobody_wants_is_not_kept(void **state) {
    struct world *w = *state;
    gateway_free(w->gateway);
    settle(w);
    w->wants_none = true;
    w->at_once = true;
    open_gateway(w);
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
    settle(w);
    int whole = raw_client(w, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(raw_status(w, whole), 201);
    assert_int_equal(w->count, 1);
    (void)close(head);
    (void)close(body);
    (void)close(whole);
    settle(w);
}

static void nonsense_is_refused_before_it_is_a_request(void **state) {
    struct world *w = *state;
    int fd = raw_client(w, "\x16\x03\x01\x02 nonsense\r\n\r\n");
    settle(w);
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
    struct gateway_callbacks callbacks = {.ctx = w, .on_request = on_request};
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
    open_gateway(w);
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

/* ---- descriptors ---- */

static const char a_get[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

static int shortage_of(const struct world *w) {
    struct gateway_state state;
    gateway_look(w->gateway, &state);
    return state.shortage;
}

static void the_door_opens_by_itself_when_there_are_descriptors_again(void **state) {
    struct world *w = *state;
    w->at_once = true;
    int fd = raw_client(w, a_get);
    descriptors_take_all();
    settle(w);
    assert_int_equal(shortage_of(w), EMFILE);
    assert_int_equal(w->count, 0);
    descriptors_give_all();
    assert_int_equal(raw_status(w, fd), 201);
    assert_int_equal(shortage_of(w), 0);
    (void)close(fd);
}

static void idle_connections_elsewhere_make_room_for_a_client(void **state) {
    struct world *w = *state;
    w->at_once = true;
    int fd = raw_client(w, a_get);
    descriptors_take_all();
    w->has_room = true;
    assert_int_equal(raw_status(w, fd), 201);
    (void)close(fd);
}

static void an_idle_client_makes_room_for_one_with_a_request(void **state) {
    struct world *w = *state;
    w->at_once = true;
    int idle = raw_client(w, "");
    settle(w);
    int fd = raw_client(w, a_get);
    descriptors_take_all();
    assert_int_equal(raw_status(w, fd), 201);
    (void)close(fd);
    (void)close(idle);
}

static void who_waits_too_long_for_a_descriptor_is_told_503(void **state) {
    struct world *w = *state;
    int fd = raw_client(w, a_get);
    descriptors_take_all();
    assert_int_equal(raw_status(w, fd), 503);
    struct gateway_state look;
    gateway_look(w->gateway, &look);
    assert_int_equal(look.refused, 1);
    assert_int_equal(look.shortages, 1);
    (void)close(fd);
    descriptors_give_all();
    w->at_once = true;
    int next = raw_client(w, a_get);
    assert_int_equal(raw_status(w, next), 201);
    (void)close(next);
}

static void a_door_leaves_descriptors_to_others(void **state) {
    struct world *w = *state;
    struct gateway_state look;
    descriptors_leave(24);
    open_gateway(w);
    gateway_look(w->gateway, &look);
    assert_in_range(look.connections_max, 2, 12);
    descriptors_give_all();
    w->at_once = true;
    int idle[20];
    for (size_t i = 0; i < 20; i++) { /* more than there are places */
        idle[i] = raw_client(w, "");
    }
    settle(w);
    gateway_look(w->gateway, &look);
    assert_int_equal(look.connections, look.connections_max);
    int fd = raw_client(w, a_get);
    assert_int_equal(raw_status(w, fd), 201); /* an idle one made room */
    (void)close(fd);
    for (size_t i = 0; i < 20; i++) {
        (void)close(idle[i]);
    }
}

#define WITH(name, up) cmocka_unit_test_setup_teardown(name, up, tear_down)
#define BOTH(name)                                                                                 \
    {"tcp: " #name, name, set_up_tcp, tear_down, NULL}, {                                          \
        "unix: " #name, name, set_up_unix, tear_down, NULL                                         \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        BOTH(the_door_opens_by_itself_when_there_are_descriptors_again),
        BOTH(idle_connections_elsewhere_make_room_for_a_client),
        BOTH(an_idle_client_makes_room_for_one_with_a_request),
        BOTH(who_waits_too_long_for_a_descriptor_is_told_503),
        WITH(a_door_leaves_descriptors_to_others, set_up_closed),
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
        WITH(a_unix_socket_is_for_its_owner_only_and_goes_at_the_end, set_up_unix),
        WITH(a_stale_unix_socket_is_replaced, set_up_closed),
        WITH(a_file_in_the_sockets_place_is_left_alone, set_up_closed),
        WITH(an_address_that_is_none_is_refused, set_up_closed),
        WITH(asking_nobody_is_not_found, set_up_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
