/* mimic.c - see mimic.h. */
#include "mimic.h"

#include <arpa/inet.h>
#include <assert.h>
#include <signal.h>
#include <stdlib.h>

/* Waiting is counted in turns of the loop: a busy machine may leave us out for seconds. */
enum { WAIT_MS = 100, WAITS_MOST = 300, PACE_MS = 3 };

static const char separator[2] = {'\xff', '\xfe'};

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
    (void)size;
    struct mimic *m = handle->data;
    *buf = uv_buf_init(m->bytes, sizeof m->bytes);
}

static void on_shut(uv_shutdown_t *request, int status) {
    (void)status;
    free(request);
}

static void on_written(uv_write_t *request, int status) {
    (void)status;
    free(request);
}

static void say(struct mimic *m, struct slice words) {
    uv_write_t *request = malloc(sizeof *request);
    assert(request != NULL);
    uv_buf_t out = uv_buf_init((char *)(uintptr_t)words.data, (unsigned)words.len);
    if (uv_write(request, (uv_stream_t *)m->client, &out, 1, on_written) != 0) {
        free(request);
    }
}

static void hang_up(struct mimic *m) {
    uv_shutdown_t *request = malloc(sizeof *request);
    assert(request != NULL);
    if (uv_shutdown(request, (uv_stream_t *)m->client, on_shut) != 0) {
        free(request);
    }
}

static void say_next(struct mimic *m) {
    if (m->over) {
        return;
    }
    struct slice words = m->script;
    const char *at = words.len == 0 ? NULL : memmem(words.data, words.len, separator, 2);
    m->over = at == NULL;
    if (at != NULL) {
        words.len = (size_t)(at - words.data);
        m->script.data += words.len + sizeof separator;
        m->script.len -= words.len + sizeof separator;
    }
    if (words.len > 0) {
        say(m, words);
    }
    if (m->over) {
        hang_up(m);
        (void)uv_timer_stop(&m->pace);
    }
}

/* Nothing has come for a while: whoever asks may wait for the rest. */
static void on_pace(uv_timer_t *timer) {
    say_next(timer->data);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
    (void)buf;
    struct mimic *m = stream->data;
    if (n < 0) {
        (void)uv_read_stop(stream);
    } else if (n > 0) {
        (void)uv_timer_again(&m->pace);
        say_next(m);
    }
}

static void on_closed(uv_handle_t *handle) {
    struct mimic *m = handle->data;
    m->open--;
    free(handle);
}

static void drop_client(struct mimic *m) {
    if (m->client != NULL) {
        uv_close((uv_handle_t *)m->client, on_closed);
        m->client = NULL;
    }
    (void)uv_timer_stop(&m->pace);
}

static void on_connection(uv_stream_t *server, int status) {
    struct mimic *m = server->data;
    drop_client(m);
    m->client = malloc(sizeof *m->client);
    assert(status == 0 && m->client != NULL);
    assert(uv_tcp_init(&m->loop, m->client) == 0);
    m->client->data = m;
    m->open++;
    assert(uv_accept(server, (uv_stream_t *)m->client) == 0);
    assert(uv_read_start((uv_stream_t *)m->client, on_alloc, on_read) == 0);
    if (m->over) { /* whoever asks has come again */
        hang_up(m);
        return;
    }
    assert(uv_timer_start(&m->pace, on_pace, PACE_MS, PACE_MS) == 0);
    say_next(m);
}

static void on_guard(uv_timer_t *timer) {
    struct mimic *m = timer->data;
    m->waits++;
}

static void open_server(struct mimic *m) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int len = sizeof address;
    (void)signal(SIGPIPE, SIG_IGN);
    assert(uv_loop_init(&m->loop) == 0);
    assert(uv_timer_init(&m->loop, &m->guard) == 0);
    assert(uv_timer_init(&m->loop, &m->pace) == 0);
    assert(uv_tcp_init(&m->loop, &m->server) == 0);
    m->server.data = m->guard.data = m->pace.data = m;
    assert(uv_tcp_bind(&m->server, (const struct sockaddr *)&address, 0) == 0);
    assert(uv_listen((uv_stream_t *)&m->server, 8, on_connection) == 0);
    assert(uv_tcp_getsockname(&m->server, (struct sockaddr *)&address, &len) == 0);
    m->port = ntohs(address.sin_port);
}

struct mimic *mimic_get(void) {
    static struct mimic m;
    if (m.port == 0) {
        open_server(&m);
    }
    return &m;
}

void mimic_play(struct mimic *m, struct slice script) {
    mimic_end(m);
    m->script = script;
    m->over = false;
    m->waits = 0;
    assert(uv_timer_start(&m->guard, on_guard, WAIT_MS, WAIT_MS) == 0);
}

void mimic_turn(struct mimic *m) {
    (void)uv_run(&m->loop, UV_RUN_ONCE);
    assert(m->waits < WAITS_MOST); /* whoever asks has an answer, or its peer's end */
}

void mimic_end(struct mimic *m) {
    while (m->open > 0) {
        drop_client(m); /* it may come again meanwhile */
        (void)uv_run(&m->loop, UV_RUN_NOWAIT);
    }
}
