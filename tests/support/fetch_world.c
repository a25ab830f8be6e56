/* fetch_world.c - see fetch_world.h. */
#include "fetch_world.h"

#include "test.h"

#include "base/limits.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the HTTP server ---- */

static enum MHD_Result put_header(void *ctx, enum MHD_ValueKind kind, const char *name,
                                  const char *value) {
    (void)kind;
    struct buf *text = ctx;
    buf_printf(text, "%s=%s;", name, value);
    return MHD_YES;
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *text,
                              size_t len) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, "X-Colour", "Blue");
    enum MHD_Result queued = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result echo(struct MHD_Connection *connection, const char *method,
                            const struct buf *body) {
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_printf(&text, "%s;", method);
    MHD_get_connection_values(connection, MHD_HEADER_KIND, put_header, &text);
    buf_add_str(&text, "|");
    buf_add_slice(&text, buf_slice(body));
    enum MHD_Result queued = answer(connection, 200, text.data, text.len);
    buf_clear(&text);
    return queued;
}

/* /status/N, /echo (method, headers and body), /huge, /large, /drop (closes unanswered), /silent */
static enum MHD_Result on_http(void *ctx, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *data,
                               size_t *len, void **own) {
    (void)version;
    struct world *w = ctx;
    struct buf *body = *own;
    if (body == NULL) {
        body = calloc(1, sizeof *body);
        buf_init(body, 1 << 20);
        *own = body;
        return MHD_YES;
    }
    if (*len > 0) {
        buf_add(body, data, *len);
        *len = 0;
        return MHD_YES;
    }
    if (strcmp(url, "/drop") == 0) {
        return MHD_NO;
    }
    if (strcmp(url, "/silent") == 0 && w->silent == NULL) {
        w->silent = connection;
        MHD_suspend_connection(connection);
        return MHD_YES;
    }
    if (strcmp(url, "/huge") == 0) {
        return answer(connection, 200, w->huge, (size_t)CALL_BYTES_MAX + 1);
    }
    if (strcmp(url, "/large") == 0) {
        return answer(connection, 200, w->huge, LARGE_BYTES);
    }
    if (strcmp(url, "/echo") == 0) {
        return echo(connection, method, body);
    }
    const char *number = strrchr(url, '/') + 1;
    return answer(connection, (unsigned)strtoul(number, NULL, 10), "hello", 5);
}

static void on_request_end(void *ctx, struct MHD_Connection *connection, void **own,
                           enum MHD_RequestTerminationCode why) {
    (void)ctx;
    (void)connection;
    (void)why;
    if (*own != NULL) {
        buf_clear(*own);
        free(*own);
    }
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **own,
                          enum MHD_ConnectionNotificationCode what) {
    (void)connection;
    (void)own;
    struct world *w = ctx;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        (void)__atomic_add_fetch(&w->connections, 1, __ATOMIC_SEQ_CST);
    }
}

static void http_up(struct world *w) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    /* Not epoll: with it, libmicrohttpd 0.9.75 now and then misses the call to stop and is joined
     * for ever. */
    w->http = MHD_start_daemon(
        MHD_USE_POLL | MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        on_http, w, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_CONNECTION_LIMIT, 4000,
        MHD_OPTION_LISTEN_BACKLOG_SIZE, 2048, MHD_OPTION_NOTIFY_COMPLETED, on_request_end, w,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, w, MHD_OPTION_END);
    assert_non_null(w->http);
    w->http_port = MHD_get_daemon_info(w->http, MHD_DAEMON_INFO_BIND_PORT)->port;
}

/* ---- the SMTP server ---- */

static void smtp_up(struct world *w) {
    int out[2];
    (void)snprintf(w->smtp_log, sizeof w->smtp_log, "/tmp/test_fetch.XXXXXX");
    int log = mkstemp(w->smtp_log);
    assert_true(log >= 0);
    (void)close(log);
    assert_int_equal(pipe(out), 0);
    w->smtp = fork();
    assert_true(w->smtp >= 0);
    if (w->smtp == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(out[1], STDOUT_FILENO);
        (void)close(out[0]);
        (void)execl(TESTS_DIR "/demo/smtp_sink.py", "smtp_sink.py", "--log", w->smtp_log,
                    (char *)NULL);
        _exit(127);
    }
    (void)close(out[1]);
    FILE *lines = fdopen(out[0], "r");
    char line[32] = "";
    assert_non_null(fgets(line, sizeof line, lines));
    (void)fclose(lines);
    w->smtp_port = (uint16_t)strtoul(line, NULL, 10);
    assert_true(w->smtp_port > 0);
}

/* ---- the world ---- */

static void on_done(void *ctx, uint64_t id, struct call_result *result) {
    struct world *w = ctx;
    assert_true(id < RESULTS_MAX);
    w->done[id]++;
    w->done_count++;
    call_result_clear(&w->results[id]);
    w->results[id] = *result;
    buf_init(&result->headers, CALL_BYTES_MAX);
    buf_init(&result->body, CALL_BYTES_MAX);
}

static void ignore_proxies(void) {
    static const char *const names[] = {"http_proxy", "https_proxy", "all_proxy", "ALL_PROXY"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)unsetenv(names[i]);
    }
}

int fetch_world_open(void **state) {
    ignore_proxies();
    struct world *w = calloc(1, sizeof *w);
    w->huge = calloc(1, (size_t)CALL_BYTES_MAX + 1);
    struct rlimit files;
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    (void)signal(SIGPIPE, SIG_IGN);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(fetch_new(&w->fetch, &w->loop, w, on_done), 0);
    http_up(w);
    *state = w;
    return 0;
}

int fetch_world_open_with_smtp(void **state) {
    (void)fetch_world_open(state);
    smtp_up(*state);
    return 0;
}

int fetch_world_close(void **state) {
    struct world *w = *state;
    fetch_free(w->fetch);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    for (size_t i = 0; i < RESULTS_MAX; i++) {
        call_result_clear(&w->results[i]);
    }
    if (w->silent != NULL) {
        MHD_resume_connection(w->silent);
    }
    MHD_stop_daemon(w->http);
    if (w->smtp > 0) {
        (void)kill(w->smtp, SIGKILL);
        (void)waitpid(w->smtp, NULL, 0);
        (void)unlink(w->smtp_log);
    }
    free(w->huge);
    free(w);
    return 0;
}

void run_until(struct world *w, size_t done_count) {
    while (w->done_count < done_count) {
        assert_true(uv_run(&w->loop, UV_RUN_ONCE) != 0 || w->done_count >= done_count);
    }
}

struct call_request *http_request(const char *method, uint16_t port, const char *path) {
    struct call_request *request = call_request_new();
    char url[128];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
    request->kind = CALL_KIND_HTTP;
    request->url = slice_dup(slice_of(url));
    request->method = slice_dup(slice_of(method));
    request->timeout_ms = 10000;
    return request;
}

struct call_request *mail_request(struct world *w, const char *to, const char *message) {
    struct call_request *request = call_request_new();
    char url[64];
    (void)snprintf(url, sizeof url, "smtp://127.0.0.1:%u", w->smtp_port);
    request->kind = CALL_KIND_MAIL;
    request->url = slice_dup(slice_of(url));
    request->mail_from = slice_dup(slice_of("shop@example.com"));
    assert_int_equal(call_request_to(request, slice_of(to)), 0);
    request->body = slice_dup(slice_of(message));
    request->body_len = strlen(message);
    request->timeout_ms = 10000;
    return request;
}

struct call_result *call(struct world *w, uint64_t id, struct call_request *request) {
    assert_int_equal(fetch_start(w->fetch, id, request), 0);
    while (w->done[id] == 0) {
        run_until(w, w->done_count + 1);
    }
    assert_int_equal(w->done[id], 1);
    call_request_free(request);
    return &w->results[id];
}

int closed_port(uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}
