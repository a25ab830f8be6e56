/*
 * fuzz_fetch.c - any bytes as what an HTTP server or a mail server answers: curl, and what
 * io/fetch reads by itself.
 *
 * Input: a byte for the request, a script (mimic.h). Promises: a call ends once, with an answer or a
 * code; headers are lines of their form, in lower case; an answer keeps to its limit.
 */
#include "fuzz.h"

#include "mimic.h"

#include "base/limits.h"
#include "io/fetch/fetch.h"

#include <ctype.h>
#include <stdio.h>

struct seen {
    const struct call_request *request;
    int count;
};

static void check_headers(struct slice headers) {
    while (headers.len > 0) {
        struct slice line = fuzz_cut(&headers, '\n');
        const char *colon = memmem(line.data, line.len, ": ", 2);
        assert(colon != NULL && !slice_has_nul(line) && memchr(line.data, 0x0d, line.len) == NULL);
        for (const char *c = line.data; c < colon; c++) {
            assert(isupper((unsigned char)*c) == 0);
        }
    }
}

static void on_done(void *ctx, uint64_t id, struct call_result *result) {
    struct seen *seen = ctx;
    const bool known = result->code == 0 || result->code == ERR_TIMEOUT ||
                       result->code == ERR_NETWORK || result->code == ERR_LIMIT ||
                       result->code == ERR_INVALID || result->code == ERR_MEMORY;
    assert(id == 1 && known);
    assert(result->body.len <= CALL_BYTES_MAX && result->headers.len <= CALL_BYTES_MAX);
    assert(memchr(result->error, '\0', sizeof result->error) != NULL);
    assert(call_result_why(result) != NULL);
    assert(!call_is_unknown(seen->request, result) || call_may_have_acted(seen->request, result));
    if (seen->request->kind == CALL_KIND_HTTP) {
        check_headers(buf_slice(&result->headers));
    }
    seen->count++;
}

static struct call_request *make_request(uint8_t choice, uint16_t port) {
    static const char *const methods[] = {"GET", "POST", "HEAD", "DELETE", "PUT", "PATCH"};
    struct call_request *request = call_request_new();
    char url[64];
    assert(request != NULL);
    bool mail = choice >= 128;
    (void)snprintf(url, sizeof url, "%s://127.0.0.1:%u/", mail ? "smtp" : "http", (unsigned)port);
    request->kind = mail ? CALL_KIND_MAIL : CALL_KIND_HTTP;
    request->url = slice_dup(slice_of(url));
    request->timeout_ms = 3000;
    request->body = slice_dup(slice_of("Subject: a\r\n\r\n.b\r\n"));
    request->body_len = mail || choice % 2 == 1 ? strlen(request->body) : 0;
    if (mail) {
        bool utf8 = choice % 2 == 1;
        request->mail_from = slice_dup(slice_of("a@example.org"));
        assert(call_request_to(request, slice_of(utf8 ? "\u00fc@example.org" : "b@example.org")) ==
               0);
        assert(call_request_to(request, slice_of("c@example.org")) == 0);
    } else {
        request->method = slice_dup(slice_of(methods[choice % 6]));
    }
    return request;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice script = fuzz_slice(data, size);
    struct mimic *m = mimic_get();
    struct call_request *request = make_request(fuzz_byte(&script), m->port);
    struct seen seen = {.request = request};
    struct fetch *fetch = NULL;
    assert(fetch_new(&fetch, &m->loop, &seen, on_done) == 0);
    mimic_play(m, script);
    assert(fetch_start(fetch, 1, request) == 0);
    while (seen.count == 0) {
        mimic_turn(m);
    }
    assert(seen.count == 1 && fetch_running(fetch) == 0);
    mimic_end(m);
    fetch_free(fetch);
    (void)uv_run(&m->loop, UV_RUN_NOWAIT);
    assert(seen.count == 1);
    call_request_free(request);
    return 0;
}
