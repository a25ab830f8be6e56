/*
 * ask.c - the client side of the HTTP door: one blocking request, for the commands.
 *
 * It connects only to this program, so it needs no proxies and no redirects.
 */
#include "io/httpd/gateway.h"

#include "base/limits.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static size_t on_body(char *data, size_t size, size_t count, void *ctx) {
    struct buf *answer = ctx;
    buf_add(answer, data, size * count);
    return answer->failed ? 0 : size * count;
}

static CURLcode set_target(CURL *easy, const char *listen, const char *path) {
    struct buf url;
    buf_init(&url, TOPIC_BYTES_MAX * 4);
    CURLcode code = CURLE_OK;
    if (strncmp(listen, "unix:", 5) == 0) {
        code = curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, listen + 5);
        buf_printf(&url, "http://localhost%s", path);
    } else {
        buf_printf(&url, "http://%s%s", listen, path);
    }
    if (code == CURLE_OK) {
        code =
            url.failed ? CURLE_URL_MALFORMAT : curl_easy_setopt(easy, CURLOPT_URL, buf_str(&url));
    }
    buf_clear(&url);
    return code;
}

static CURLcode set_options(CURL *easy, const char *method, struct slice body, int timeout_ms,
                            struct buf *answer) {
    CURLcode code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
    code = code ? code : curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_PROXY, "");
    code = code ? code : curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
    if (strcmp(method, "GET") == 0) {
        return code;
    }
    code = code ? code : curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    code = code ? code : curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.len > 0 ? body.data : "");
    return code ? code : curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static int explain(CURL *easy, CURLcode code, const char *listen, struct report *r) {
    long error = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &error);
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        if (error == EACCES || error == EPERM) {
            return report(r, ERR_REFUSED, "%s belongs to another user: run this as that user",
                          listen);
        }
        return report(r, ERR_NOTFOUND, "nothing listens on %s: is the host running?", listen);
    case CURLE_OPERATION_TIMEDOUT:
        return report(r, ERR_TIMEOUT, "no answer from %s in time", listen);
    case CURLE_OUT_OF_MEMORY:
        return report(r, ERR_MEMORY, "%s", error_text(ERR_MEMORY));
    case CURLE_WRITE_ERROR:
        return report(r, ERR_LIMIT, "the answer from %s is larger than %d bytes", listen,
                      CALL_BYTES_MAX);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return report(r, ERR_INVALID, "\"%s\" is not an address to connect to", listen);
    default:
        return report(r, ERR_NETWORK, "the request to %s failed: %s", listen,
                      curl_easy_strerror(code));
    }
}

/* NULL when out of memory. */
static struct curl_slist *make_headers(const char *once) {
    struct curl_slist *headers = NULL;
    char line[ONCE_BYTES_MAX + 32];
    (void)snprintf(line, sizeof line, "Idempotency-Key: %s", once == NULL ? "" : once);
    const char *const lines[] = {"Content-Type: application/json", "Expect:", line};
    for (size_t i = 0; i < (once == NULL ? 2u : 3u); i++) {
        struct curl_slist *longer = curl_slist_append(headers, lines[i]);
        if (longer == NULL) {
            curl_slist_free_all(headers);
            return NULL;
        }
        headers = longer;
    }
    return headers;
}

/* What the answer has in that header; "" = it has none. */
static void take_header(CURL *easy, const char *name, char *out, size_t size) {
    struct curl_header *header = NULL;
    out[0] = '\0';
    if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK) {
        (void)snprintf(out, size, "%s", header->value);
    }
}

int gateway_ask(const char *listen, const char *method, const char *path, struct slice body,
                int timeout_ms, long *status, struct buf *answer, struct report *r) {
    const struct gateway_asked asked = {
        .listen = listen, .method = method, .path = path, .body = body, .timeout_ms = timeout_ms};
    struct gateway_answered got;
    int code = gateway_ask_full(&asked, &got, r);
    *status = code == 0 ? got.status : *status;
    *answer = got.body;
    return code;
}

int gateway_ask_full(const struct gateway_asked *asked, struct gateway_answered *out,
                     struct report *r) {
    assert(asked->once == NULL || strlen(asked->once) <= ONCE_BYTES_MAX);
    buf_init(&out->body, CALL_BYTES_MAX);
    CURL *easy = curl_easy_init();
    struct curl_slist *headers = make_headers(asked->once);
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (easy != NULL && headers != NULL) {
        code = set_target(easy, asked->listen, asked->path);
        code = code ? code
                    : set_options(easy, asked->method, asked->body, asked->timeout_ms, &out->body);
        code = code ? code : curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
        code = code ? code : curl_easy_perform(easy);
        code = code ? code : curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &out->status);
    }
    if (code == CURLE_OK) {
        take_header(easy, "Zingq-Next", out->next, sizeof out->next);
        take_header(easy, "Zingq-Missing", out->missing, sizeof out->missing);
    }
    int result = code == CURLE_OK ? 0 : explain(easy, code, asked->listen, r);
    curl_slist_free_all(headers);
    curl_easy_cleanup(easy);
    return result;
}
