/* gateway_world.c - an HTTP door on a loop of its own, and clients for it. */

#include "descriptors.h"
#include "test.h"
#include "gateway_world.h"

#include "temp_dir.h"

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

static void note(struct buf *out, const char *name, const char *value) {
    buf_printf(out, "%s=%s;", name, value != NULL ? value : "(none)");
}

void gateway_world_on_request(void *ctx, struct gateway_request *request) {
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

struct gateway_welcome gateway_world_welcome(void *ctx, const struct gateway_request *request) {
    const struct world *w = ctx;
    assert_non_null(gateway_path(request));
    bool vital = strcmp(gateway_path(request), "/healthz") == 0;
    return (struct gateway_welcome){w->wants_none ? 0 : BODY_MAX, w->purse, vital};
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

void gateway_world_open(struct world *w) {
    struct gateway_callbacks callbacks = {.ctx = w,
                                          .on_request = gateway_world_on_request,
                                          .welcome = gateway_world_welcome,
                                          .make_room = make_room,
                                          .memory = &w->memory};
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
    memory_init(&w->memory, 1 << 30);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    buf_init(&w->seen, 1 << 16);
    temp_dir_make("gateway", w->dir, sizeof w->dir);
    (void)snprintf(w->unix_path, sizeof w->unix_path, "%s/door.sock", w->dir);
    if (listen == NULL) {
        (void)snprintf(w->listen, sizeof w->listen, "unix:%s", w->unix_path);
    } else {
        (void)snprintf(w->listen, sizeof w->listen, "%s", listen);
    }
    return w;
}

int gateway_world_tcp(void **state) {
    *state = world_new("127.0.0.1:0");
    gateway_world_open(*state);
    return 0;
}

int gateway_world_unix(void **state) {
    *state = world_new(NULL);
    gateway_world_open(*state);
    return 0;
}

int gateway_world_closed(void **state) {
    *state = world_new(NULL);
    return 0;
}

int gateway_world_tear_down(void **state) {
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

void run_until_requests(struct world *w, size_t count) {
    while (w->count < count) {
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    }
}

/* Lets the loop do all that is ready now. */
void gateway_world_settle(struct world *w) {
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

void client_start(struct world *w, struct client *c) {
    c->w = w;
    c->done.data = c;
    c->timeout_ms = c->timeout_ms > 0 ? c->timeout_ms : 10000;
    assert_int_equal(uv_async_init(&w->loop, &c->done, on_client_done), 0);
    assert_int_equal(uv_thread_create(&c->thread, client_main, c), 0);
}

void client_join(struct world *w, struct client *c) {
    while (!c->finished) {
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    }
    (void)uv_thread_join(&c->thread);
    uv_close((uv_handle_t *)&c->done, NULL);
    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
}

/* A raw connection that has sent `text`; the test closes it. */
int raw_client(struct world *w, const char *text) {
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
int raw_status(struct world *w, int fd) {
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
