/* test_fetch.c - calls to a real HTTP server (libmicrohttpd, in a thread of this program) and a
 * real SMTP server (aiosmtpd, a child process; tests/demo/smtp_sink.py names what each recipient
 * does). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fetch.h"
#include "limits.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RESULTS_MAX = 1100, CROWD = 1000 };

struct world {
    uv_loop_t loop;
    struct fetch *fetch;
    struct call_result results[RESULTS_MAX]; /* by id */
    int done[RESULTS_MAX];                    /* times on_done came */
    size_t done_count;
    struct MHD_Daemon *http;
    uint16_t http_port;
    int connections;               /* accepted by the HTTP server since the start */
    struct MHD_Connection *silent; /* suspended until the end of the test */
    char *huge;                    /* the body of /huge */
    pid_t smtp;
    uint16_t smtp_port;
    char smtp_log[64]; /* what the SMTP server accepted, a JSON line a mail */
};

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

/* /status/N, /echo (method, headers and body), /huge, /drop (closes unanswered), /silent */
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
    w->http = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
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

static int set_up(void **state) {
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

static int set_up_smtp(void **state) {
    (void)set_up(state);
    smtp_up(*state);
    return 0;
}

static int tear_down(void **state) {
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

static void run_until(struct world *w, size_t done_count) {
    while (w->done_count < done_count) {
        assert_true(uv_run(&w->loop, UV_RUN_ONCE) != 0 || w->done_count >= done_count);
    }
}

static struct call_request *http_request(const char *method, uint16_t port, const char *path) {
    struct call_request *request = call_request_new();
    char url[128];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
    request->kind = CALL_KIND_HTTP;
    request->url = slice_dup(slice_of(url));
    request->method = slice_dup(slice_of(method));
    request->timeout_ms = 10000;
    return request;
}

static struct call_request *mail_request(struct world *w, const char *to, const char *message) {
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

/* Runs one call to its end and frees the request. */
static struct call_result *call(struct world *w, uint64_t id, struct call_request *request) {
    assert_int_equal(fetch_start(w->fetch, id, request), 0);
    while (w->done[id] == 0) {
        run_until(w, w->done_count + 1);
    }
    assert_int_equal(w->done[id], 1);
    call_request_free(request);
    return &w->results[id];
}

/* A port of this machine that nobody listens on: bound, never listened. */
static int closed_port(uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* ---- HTTP ---- */

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
    assert_int_equal(call_request_header(request, slice_of("Idempotency-Key"), slice_of("k-1")),
                     0);
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

static void calls_under_way_are_dropped_when_fetch_ends(void **state) {
    struct world *w = *state;
    struct fetch *second = NULL;
    assert_int_equal(fetch_new(&second, &w->loop, w, on_done), 0);
    struct call_request *silent = http_request("GET", w->http_port, "/silent");
    assert_int_equal(fetch_start(second, 1, silent), 0);
    assert_int_equal(call(w, 2, http_request("GET", w->http_port, "/status/200"))->status, 200);
    fetch_free(second);
    call_request_free(silent);
    assert_int_equal(w->done[1], 0);
}

/* ---- SMTP ---- */

static const char plain_mail[] = "Subject: Hello\nMessage-ID: <1@test>\n\n.dot\nline\n";

static void a_mail_is_accepted_with_the_servers_words(void **state) {
    struct world *w = *state;
    struct call_result *r = call(w, 1, mail_request(w, "ann@example.com", plain_mail));
    assert_int_equal(r->code, 0);
    assert_int_equal(r->status, 250);
    assert_string_equal(r->error, "");
    assert_non_null(strstr(buf_str(&r->body), "250 2.0.0 queued"));
}

static void a_message_arrives_line_by_line_as_it_was_written(void **state) {
    struct world *w = *state;
    const char *mail = "Subject: Dots\r\n\r\n.\n..two\r\nlone\rCR\nno line end";
    assert_int_equal(call(w, 1, mail_request(w, "ann@example.com", mail))->status, 250);
    char line[1024] = "";
    FILE *log = fopen(w->smtp_log, "r");
    assert_non_null(log);
    assert_non_null(fgets(line, sizeof line, log));
    (void)fclose(log);
    assert_non_null(strstr(line, "\"body\": \".\\r\\n..two\\r\\nloneCR\\r\\nno line end\\r\\n\""));
    assert_non_null(strstr(line, "\"subject\": \"Dots\""));
}

static void a_refusal_carries_status_and_last_line(void **state) {
    struct world *w = *state;
    static const struct {
        const char *to;
        long status;
        const char *words;
        bool sent;
    } rows[] = {
        {"nobody@example.com", 550, "no such mailbox", false},
        {"busy@example.com", 451, "mailbox busy", false},
        {"reject@example.com", 550, "refused by policy", true},
        {"fail@example.com", 451, "try again", true},
        {"ann@example.com", 250, "", true},
    };
    for (uint64_t i = 0; i < 5; i++) {
        struct call_result *r = call(w, i, mail_request(w, rows[i].to, plain_mail));
        assert_int_equal(r->code, 0);
        assert_int_equal(r->status, rows[i].status);
        assert_int_equal(r->sent, rows[i].sent);
        assert_non_null(strstr(r->error, rows[i].words));
    }
}

static void a_mail_with_one_refused_recipient_goes_to_nobody(void **state) {
    struct world *w = *state;
    struct call_request *request = mail_request(w, "ann@example.com", plain_mail);
    assert_int_equal(call_request_to(request, slice_of("nobody@example.com")), 0);
    struct call_result *r = call(w, 1, request);
    assert_int_equal(r->status, 550);
    assert_false(r->sent);
}

static void a_connection_lost_after_the_message_is_of_unknown_outcome(void **state) {
    struct world *w = *state;
    struct call_result *r = call(w, 1, mail_request(w, "drop@example.com", plain_mail));
    assert_int_equal(r->code, ERR_NETWORK);
    assert_true(r->sent);
}

static void a_server_silent_after_the_message_stops_nobody_else(void **state) {
    struct world *w = *state;
    struct call_request *silent = mail_request(w, "silent@example.com", plain_mail);
    silent->timeout_ms = 400;
    assert_int_equal(fetch_start(w->fetch, 1, silent), 0);
    assert_int_equal(call(w, 2, mail_request(w, "ann@example.com", plain_mail))->status, 250);
    assert_int_equal(call(w, 3, http_request("GET", w->http_port, "/status/200"))->status, 200);
    assert_int_equal(w->done[1], 0);
    run_until(w, 3);
    assert_int_equal(w->results[1].code, ERR_TIMEOUT);
    assert_true(w->results[1].sent);
    call_request_free(silent);
}

static void an_smtp_server_that_is_down_was_sent_nothing(void **state) {
    struct world *w = *state;
    int fd = closed_port(&w->smtp_port);
    struct call_result *r = call(w, 1, mail_request(w, "ann@example.com", plain_mail));
    assert_int_equal(r->code, ERR_NETWORK);
    assert_false(r->sent);
    (void)close(fd);
}

static void a_kept_session_that_the_server_closes_is_replaced(void **state) {
    struct world *w = *state;
    for (uint64_t i = 0; i < 30; i++) {
        struct call_result *r = call(w, i, mail_request(w, "bye@example.com", plain_mail));
        assert_int_equal(r->code, 0);
        assert_int_equal(r->status, 250);
    }
}

static void a_thousand_mails_share_a_few_sessions(void **state) {
    struct world *w = *state;
    struct call_request *requests[CROWD];
    for (uint64_t i = 0; i < CROWD; i++) {
        requests[i] = mail_request(w, "ann@example.com", plain_mail);
        requests[i]->timeout_ms = 60000;
        assert_int_equal(fetch_start(w->fetch, i, requests[i]), 0);
    }
    fetch_cancel(w->fetch, 0);
    fetch_cancel(w->fetch, CROWD - 1);
    run_until(w, CROWD - 2);
    for (uint64_t i = 1; i < CROWD - 1; i++) {
        assert_int_equal(w->results[i].status, 250);
    }
    assert_int_equal(fetch_running(w->fetch), 0);
    for (uint64_t i = 0; i < CROWD; i++) {
        call_request_free(requests[i]);
    }
}

static void a_mail_without_sender_or_recipient_is_refused(void **state) {
    struct world *w = *state;
    struct call_request *request = mail_request(w, "ann@example.com", plain_mail);
    free(request->mail_from);
    request->mail_from = slice_dup(slice_of("a@b\r\nRCPT TO:<c@d>"));
    assert_int_equal(call(w, 1, request)->code, ERR_INVALID);
    request = mail_request(w, "ann@example.com", plain_mail);
    free(request->mail_to[0]);
    request->mail_to_count = 0;
    assert_int_equal(call(w, 2, request)->code, ERR_INVALID);
}

#define HTTP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define SMTP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_smtp, tear_down)

int main(void) {
    static const char *const proxies[] = {"http_proxy", "https_proxy", "all_proxy", "ALL_PROXY"};
    for (size_t i = 0; i < sizeof proxies / sizeof *proxies; i++) {
        (void)unsetenv(proxies[i]);
    }
    const struct CMUnitTest tests[] = {
        HTTP_TEST(an_answer_comes_with_status_headers_and_body),
        HTTP_TEST(a_post_sends_what_was_asked_and_nothing_else),
        HTTP_TEST(every_method_goes_out_by_its_name),
        HTTP_TEST(a_large_body_is_sent_whole_without_asking_first),
        HTTP_TEST(a_silent_server_is_a_timeout_of_unknown_outcome),
        HTTP_TEST(a_refused_connection_was_never_sent),
        HTTP_TEST(a_connection_lost_after_sending_is_of_unknown_outcome),
        HTTP_TEST(an_answer_past_the_limit_is_refused),
        HTTP_TEST(other_protocols_and_broken_requests_are_refused),
        HTTP_TEST(a_header_cannot_break_out_of_its_line),
        HTTP_TEST(a_connection_serves_one_call_after_the_other),
        HTTP_TEST(a_thousand_calls_wait_at_once),
        HTTP_TEST(a_cancelled_call_is_heard_of_no_more),
        HTTP_TEST(calls_under_way_are_dropped_when_fetch_ends),
        SMTP_TEST(a_mail_is_accepted_with_the_servers_words),
        SMTP_TEST(a_message_arrives_line_by_line_as_it_was_written),
        SMTP_TEST(a_refusal_carries_status_and_last_line),
        SMTP_TEST(a_mail_with_one_refused_recipient_goes_to_nobody),
        SMTP_TEST(a_connection_lost_after_the_message_is_of_unknown_outcome),
        SMTP_TEST(a_server_silent_after_the_message_stops_nobody_else),
        SMTP_TEST(an_smtp_server_that_is_down_was_sent_nothing),
        SMTP_TEST(a_kept_session_that_the_server_closes_is_replaced),
        SMTP_TEST(a_thousand_mails_share_a_few_sessions),
        SMTP_TEST(a_mail_without_sender_or_recipient_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
