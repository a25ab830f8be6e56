/* test_gateway_stream.c - answers without an end, and clients that are too slow for them. */

#include "io/httpd/gateway.h"
#include "base/limits.h"
#include "test.h"
#include "wait.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct world {
    uv_loop_t loop;
    struct gateway *gateway;
    struct gateway_stream *stream; /* NULL = not begun, or over */
    int gone;                      /* times on_gone was called */
    int client;
    struct buf seen; /* by the client */
};

static void on_gone(void *ctx, struct gateway_stream *stream) {
    struct world *w = ctx;
    assert_ptr_equal(stream, w->stream);
    w->stream = NULL;
    w->gone++;
}

static void on_request(void *ctx, struct gateway_request *request) {
    struct world *w = ctx;
    w->stream = gateway_stream_new(request, "text/event-stream", w, on_gone);
    assert_non_null(w->stream);
}

/* Lets the loop run, and the client read, until the condition holds. */
static void turn(struct world *w) {
    char bytes[65536];
    ssize_t got;
    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    while (w->client >= 0 && (got = recv(w->client, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        buf_add(&w->seen, bytes, (size_t)got);
    }
}

#define UNTIL(w, condition)                                                                        \
    for (struct wait wait_here = wait_of(20); turn(w), !(condition);) {                            \
        if (!wait_more(&wait_here)) {                                                              \
            wait_fail(#condition);                                                                 \
        }                                                                                          \
    }

static int set_up(void **state) {
    struct world *w = calloc(1, sizeof *w);
    struct gateway_callbacks callbacks = {
        .ctx = w, .on_request = on_request, .headers = "X-A: 1\n"};
    struct report r = {""};
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(gateway_new(&w->gateway, &w->loop, "127.0.0.1:0", 4096, &callbacks, &r), 0);
    buf_init(&w->seen, 64 << 20);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(gateway_port(w->gateway)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static const char ask[] = "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n";
    w->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(w->client, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(w->client, ask, sizeof ask - 1, 0), sizeof ask - 1);
    UNTIL(w, w->stream != NULL);
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    gateway_free(w->gateway);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    if (w->client >= 0) {
        (void)close(w->client);
    }
    buf_clear(&w->seen);
    free(w);
    return 0;
}

static bool has_seen(struct world *w, const char *text) {
    return w->seen.len > 0 && memmem(w->seen.data, w->seen.len, text, strlen(text)) != NULL;
}

static void bytes_leave_as_they_are_added(void **state) {
    struct world *w = *state;
    assert_true(gateway_stream_add(w->stream, slice_of("first")));
    UNTIL(w, has_seen(w, "first"));
    assert_true(has_seen(w, "X-A: 1"));
    assert_true(has_seen(w, "text/event-stream"));
    assert_true(gateway_stream_add(w->stream, slice_of("second")));
    UNTIL(w, has_seen(w, "second"));
}

static void an_ended_stream_is_whole(void **state) {
    struct world *w = *state;
    assert_true(gateway_stream_add(w->stream, slice_of("all")));
    UNTIL(w, has_seen(w, "all"));
    gateway_stream_end(w->stream);
    UNTIL(w, has_seen(w, "\r\n0\r\n\r\n")); /* the last chunk */
    assert_int_equal(w->gone, 0);
}

static void a_client_that_leaves_is_told_of(void **state) {
    struct world *w = *state;
    (void)close(w->client);
    w->client = -1;
    for (struct wait wait = wait_of(20); w->stream != NULL;) {
        (void)gateway_stream_add(w->stream, slice_of("still there?"));
        turn(w);
        if (!wait_more(&wait)) {
            wait_fail("the client has gone");
        }
    }
    assert_int_equal(w->gone, 1);
}

static void a_client_that_does_not_read_is_dropped(void **state) {
    struct world *w = *state;
    static char piece[65536];
    bool taken = true;
    memset(piece, 'x', sizeof piece);
    size_t sent = 0;
    for (; taken && sent < ((size_t)64 << 20); sent += sizeof piece) {
        taken = gateway_stream_add(w->stream, (struct slice){piece, sizeof piece});
        (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    }
    assert_false(taken);
    assert_int_equal(w->gone, 0); /* it was told by the answer */
    assert_true(sent > GATEWAY_STREAM_BYTES_MAX);
}

static void a_stream_ends_with_the_gateway(void **state) {
    struct world *w = *state;
    assert_true(gateway_stream_add(w->stream, slice_of("bye")));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(bytes_leave_as_they_are_added),   TEST(an_ended_stream_is_whole),
        TEST(a_client_that_leaves_is_told_of), TEST(a_client_that_does_not_read_is_dropped),
        TEST(a_stream_ends_with_the_gateway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
