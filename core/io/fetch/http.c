/*
 * http.c - one HTTP call: sets up a curl easy handle for the request, and reads the answer from it.
 *
 * Whether a failed request was sent follows from curl's count of request bytes written: if it is
 * zero, the peer cannot have seen it; otherwise it may have.
 *
 * If the server closes a kept connection at that moment, before any byte of the answer, curl itself
 * sends the request again on a new one. It is the same request with the same Idempotency-Key, as in
 * a retry of the event.
 *
 * A call that could not start because no descriptor was free has not been sent: it is put off and
 * started again, within its timeout, so that a temporary shortage costs no attempt.
 */
#include "io/fetch/impl.h"

#include "base/limits.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* curl: bytes of the body. Taking fewer than offered makes curl fail with CURLE_WRITE_ERROR. */
static size_t on_body(char *data, size_t size, size_t count, void *ctx) {
    struct call *call = ctx;
    if (!fetch_may_read(call, size * count)) {
        return CURL_WRITEFUNC_PAUSE; /* the same bytes come again */
    }
    buf_add(&call->result.body, data, size * count);
    fetch_take_answer(call);
    return call->result.body.failed ? 0 : size * count;
}

/* curl: one header line, with its line end. A status line begins a new answer: whatever came before
 * it (100 Continue, a proxy's answer to CONNECT) is dropped. */
static size_t on_header(char *data, size_t size, size_t count, void *ctx) {
    struct call *call = ctx;
    struct buf *headers = &call->result.headers;
    size_t len = size * count;
    if (len >= 5 && memcmp(data, "HTTP/", 5) == 0) {
        buf_reset(headers);
        return len;
    }
    size_t end = len;
    while (end > 0 && isspace((unsigned char)data[end - 1])) {
        end--;
    }
    const char *colon = memchr(data, ':', end);
    size_t name_len = colon == NULL ? 0 : (size_t)(colon - data);
    if (!slice_is_plain((struct slice){data, name_len}, HTTP_TOKEN_OTHERS)) {
        return len; /* no header */
    }
    for (size_t i = 0; i < name_len; i++) {
        buf_add_u8(headers, (uint8_t)tolower((unsigned char)data[i]));
    }
    size_t value = name_len + 1;
    while (value < end && (data[value] == ' ' || data[value] == '\t')) {
        value++;
    }
    buf_add_str(headers, ": ");
    for (size_t i = value; i < end; i++) { /* RFC 9110, 5.5: NUL and CR count as SP */
        buf_add_u8(headers, data[i] == '\0' || data[i] == '\r' ? ' ' : (uint8_t)data[i]);
    }
    buf_add_u8(headers, '\n');
    return headers->failed ? 0 : len;
}

static bool has_header(const struct call_request *request, const char *name) {
    size_t len = strlen(name);
    for (size_t i = 0; i < request->header_count; i++) {
        const char *header = request->headers[i];
        if (strncasecmp(header, name, len) == 0 && header[len] == ':') {
            return true;
        }
    }
    return false;
}

static int add_header(struct call *call, const char *line) {
    struct curl_slist *grown = curl_slist_append(call->headers, line);
    if (grown == NULL) {
        return ERR_MEMORY;
    }
    call->headers = grown;
    return 0;
}

/* Adds the caller's headers, and removes those that curl would add by itself ("Name:" removes). */
static int build_headers(struct call *call) {
    const struct call_request *request = call->request;
    int code = 0;
    for (size_t i = 0; i < request->header_count && code == 0; i++) {
        /* To curl, "Name: " without a value means "remove"; "Name;" sends an empty header. */
        const char *line = request->headers[i];
        size_t len = strlen(line);
        assert(len >= 3); /* call_request_header made it */
        if (line[len - 1] == ' ' && line[len - 2] == ':') {
            char *empty = slice_dup(slice_of(line));
            if (empty == NULL) {
                return ERR_MEMORY;
            }
            empty[len - 2] = ';';
            empty[len - 1] = '\0';
            code = add_header(call, empty);
            free(empty);
        } else {
            code = add_header(call, line);
        }
    }
    if (code == 0 && !has_header(request, "Expect")) {
        code = add_header(call, "Expect:");
    }
    if (code == 0 && request->body_len > 0 && !has_header(request, "Content-Type")) {
        code = add_header(call, "Content-Type:");
    }
    if (code == 0 && !has_header(request, "User-Agent")) {
        code = add_header(call, "User-Agent: zingq/" ZINGQ_VERSION);
    }
    return code;
}

static CURLcode set_method(CURL *easy, const struct call_request *request) {
    const char *method = request->method;
    bool get = strcmp(method, "GET") == 0;
    bool head = strcmp(method, "HEAD") == 0;
    bool sends = request->body_len > 0 || strcmp(method, "POST") == 0 ||
                 strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
    CURLcode code;
    if (sends) { /* an empty body is sent as Content-Length: 0 */
        code =
            curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body_len > 0 ? request->body : "");
        code = code ? code
                    : curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                                       (curl_off_t)request->body_len);
    } else {
        code = curl_easy_setopt(easy, head ? CURLOPT_NOBODY : CURLOPT_HTTPGET, 1L);
    }
    if (code == CURLE_OK && (sends || (!get && !head))) {
        code = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    }
    return code;
}

/* curl: open a socket for this address. The decision also uses the URL's host as curl parsed it. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address) {
    struct call *call = ctx;
    CURLU *url = curl_url();
    char *host = NULL;
    bool read = purpose == CURLSOCKTYPE_IPCXN && url != NULL &&
                curl_url_set(url, CURLUPART_URL, call->request->url, 0) == CURLUE_OK &&
                curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK;
    bool allowed = read && egress_allows(&call->fetch->egress, host, &address->addr);
    curl_free(host);
    curl_url_cleanup(url);
    if (!allowed) {
        call->barred = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int set_options(struct call *call) {
    CURL *easy = call->easy;
    uint64_t now = uv_now(call->fetch->loop);
    long left_ms = call->deadline_ms > now ? (long)(call->deadline_ms - now) : 1;
    const struct call_request *request = call->request;
    CURLcode code = set_method(easy, request);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_URL, request->url);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->result.error);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    /* Whatever the environment says. */
    code = code ? code : curl_easy_setopt(easy, CURLOPT_PROXY, "");
    code = code ? code : curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, left_ms);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, left_ms);
    code =
        code ? code : curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)CALL_BYTES_MAX);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    return code == CURLE_OK ? 0 : ERR_MEMORY;
}

/* Returns the handle, reset, so that nothing of this call can leak into the next one. */
static void release(struct call *call) {
    struct fetch *f = call->fetch;
    if (call->easy != NULL && f->spare_count < FETCH_SPARES_MAX && !f->closing) {
        curl_easy_reset(call->easy);
        f->spares[f->spare_count++] = call->easy;
    } else {
        curl_easy_cleanup(call->easy);
    }
    call->easy = NULL;
    curl_slist_free_all(call->headers);
    call->headers = NULL;
}

static void on_put_off_timer(uv_timer_t *timer);

/* Takes the call out of all lists; it starts again shortly. */
static void put_off(struct call *call) {
    struct fetch *f = call->fetch;
    assert(call->place == CALL_NOWHERE);
    call->place = CALL_PUT_OFF;
    TAILQ_INSERT_TAIL(&f->put_off, call, link);
    f->put_off_count++;
    f->renew = f->pooled;
    (void)mail_close_idle(f);
    if (!uv_is_active((uv_handle_t *)&f->put_off_timer)) {
        int started = uv_timer_start(&f->put_off_timer, on_put_off_timer, CALL_AGAIN_MS, 0);
        assert(started == 0);
    }
}

static void on_complete(struct transfer *transfer, CURLcode code) {
    struct call *call = (struct call *)transfer;
    struct call_result *result = &call->result;
    assert(call->place == CALL_HTTP);
    fetch_leave_paused(call);
    long request_bytes = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &result->status);
    (void)curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
    result->sent = request_bytes > 0;
    fetch_easy_remove(call->fetch, call->easy, transfer);
    call->fetch->http_running--;
    call->fetch->pooled = true;
    release(call);
    bool begun = code == CURLE_OK || code == CURLE_OPERATION_TIMEDOUT || result->sent;
    if (!begun && fetch_is_short()) {
        call->place = CALL_NOWHERE;
        result->error[0] = '\0';
        put_off(call);
        return;
    }
    const char *error = NULL; /* keep the text that curl wrote */
    if (code == CURLE_OK) {
        error = ""; /* curl may have noted an error before a second try */
    } else if (call->barred && !result->sent) {
        error = "the address is one where clouds keep credentials, or not among egress { allow } "
                "of topics.conf";
    } else if (result->error[0] == '\0') {
        error = curl_easy_strerror(code);
    }
    fetch_finish(call, fetch_code_of(code), error);
}

/* The method is written into the request line as it is: anything but a token would break out of
 * it. */
static bool method_ok(const char *method) {
    size_t len = strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-");
    return len > 0 && method[len] == '\0';
}

int http_start(struct call *call) {
    struct fetch *f = call->fetch;
    if (!method_ok(call->request->method)) {
        fetch_finish(call, ERR_INVALID, "the HTTP method must be a word in capital letters");
        return 0;
    }
    call->transfer.on_complete = on_complete;
    call->easy = f->spare_count > 0 ? f->spares[--f->spare_count] : curl_easy_init();
    int code = call->easy == NULL ? ERR_MEMORY : build_headers(call);
    code = code ? code : fetch_easy_setup(call->easy, &call->transfer, "http,https");
    code = code ? code : set_options(call);
    if (code == 0 && curl_multi_add_handle(f->multi, call->easy) != CURLM_OK) {
        code = ERR_MEMORY;
    }
    if (code != 0) {
        release(call);
        return code;
    }
    call->place = CALL_HTTP;
    f->http_running++;
    return 0;
}

static void begin_again(struct call *call, uint64_t now) {
    TAILQ_REMOVE(&call->fetch->put_off, call, link);
    call->fetch->put_off_count--;
    call->place = CALL_NOWHERE;
    if (call->deadline_ms <= now) {
        fetch_finish(call, ERR_TIMEOUT, "no file descriptor became free in time");
        return;
    }
    int code = http_start(call);
    if (code != 0) {
        fetch_finish(call, code, error_text(code));
    }
}

static void on_put_off_timer(uv_timer_t *timer) {
    struct fetch *f = timer->data;
    struct call *last = TAILQ_LAST(&f->put_off, call_list);
    struct call *call;
    bool through = last == NULL;
    while (!through) { /* calls put off in the meantime wait for the next pass */
        call = TAILQ_FIRST(&f->put_off);
        through = call == last;
        begin_again(call, uv_now(f->loop));
    }
    fetch_hand_over(f);
}

void http_stop(struct call *call) {
    struct fetch *f = call->fetch;
    if (call->place == CALL_PUT_OFF) {
        TAILQ_REMOVE(&f->put_off, call, link);
        f->put_off_count--;
    } else {
        assert(call->place == CALL_HTTP);
        fetch_leave_paused(call);
        fetch_easy_remove(f, call->easy, &call->transfer);
        f->http_running--;
        release(call);
    }
    call->place = CALL_NOWHERE;
}
