/*
 * answer.c - what the HTTP door sends: whole answers, and streams that continue until the client
 * has seen enough.
 *
 * The bytes of a stream wait in a buffer until the connection asks for them; while the buffer is
 * empty, the connection is suspended. A client that reads too slowly fills the buffer and is
 * dropped: it misses the rest, and nothing waits for it.
 */
#include "io/httpd/impl.h"

#include "base/limits.h"
#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- whole answers ---- */

static bool add_header_line(struct MHD_Response *response, const char *line, size_t len) {
    char text[1024];
    const char *colon = memchr(line, ':', len);
    if (colon == NULL || len >= sizeof text) {
        return false;
    }
    memcpy(text, line, len);
    text[len] = '\0';
    size_t name_len = (size_t)(colon - line);
    text[name_len] = '\0';
    const char *value = text + name_len + 1;
    value += strspn(value, " ");
    return MHD_add_response_header(response, text, value) == MHD_YES;
}

static bool add_headers(struct MHD_Response *response, const char *headers) {
    bool ok = true;
    while (ok && headers != NULL && headers[0] != '\0') {
        size_t len = strcspn(headers, "\n");
        ok = add_header_line(response, headers, len);
        headers += len + (headers[len] == '\n' ? 1 : 0);
    }
    return ok;
}

static bool add_all_headers(const struct gateway *g, struct MHD_Response *response,
                            const char *content_type, const char *headers) {
    /* JSON describes the current state, so it must not be cached. */
    const char *type = content_type != NULL ? content_type : "application/json";
    const char *stored = content_type == NULL ? "Cache-Control: no-store\n" : NULL;
    const char *last = g->held || g->callbacks.once ? "Connection: close\n" : NULL;
    return add_headers(response, stored) && add_headers(response, last) &&
           MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES &&
           add_headers(response, g->callbacks.headers) && add_headers(response, headers);
}

enum MHD_Result gateway_queue(struct gateway *g, struct MHD_Connection *connection, int status,
                              const char *content_type, const char *headers, struct slice body) {
    void *data = (void *)(uintptr_t)body.data; /* copied, in spite of the missing const */
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body.len, data, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) {
        return MHD_NO;
    }
    enum MHD_Result queued = MHD_NO;
    if (add_all_headers(g, response, content_type, headers)) {
        queued = MHD_queue_response(connection, (unsigned)status, response);
    }
    MHD_destroy_response(response);
    return queued;
}

static void note_queued(struct gateway_request *request, enum MHD_Result queued, int status) {
    request->answered = true;
    if (queued != MHD_YES) {
        /* Without a response the daemon asks on_access again, which then closes the connection. */
        log_warn("http", "an answer could not be made, the connection is closed status=%d", status);
    }
    if (request->suspended) {
        struct gateway *g = request->gateway;
        TAILQ_REMOVE(&g->waiting, request, link);
        request->suspended = false;
        MHD_resume_connection(request->connection); /* takes effect in the next MHD_run */
        gateway_wake(g);
    }
}

void gateway_answer(struct gateway_request *request, int status, const char *content_type,
                    const char *headers, struct slice body) {
    if (request->on_answer != NULL) {
        request->on_answer(request->answer_ctx, request, status);
    }
    if (request->guest != NULL) {
        const char *type = content_type != NULL ? content_type : "application/json";
        gateway_guest_answer(request, &(struct gateway_reply){status, type, headers, body});
        return;
    }
    assert(request->handed_up && !request->answered);
    note_queued(
        request,
        gateway_queue(request->gateway, request->connection, status, content_type, headers, body),
        status);
}

/* ---- streams ---- */

static ssize_t on_wanted(void *ctx, uint64_t position, char *room, size_t max) {
    (void)position;
    struct gateway_stream *s = ctx;
    size_t left = s->waiting.len - s->sent;
    if (s->ended) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    if (left == 0) {
        s->suspended = true;
        MHD_suspend_connection(s->connection);
        return 0;
    }
    size_t len = left < max ? left : max;
    memcpy(room, s->waiting.data + s->sent, len);
    s->sent += len;
    if (s->sent == s->waiting.len) {
        buf_reset(&s->waiting);
        s->sent = 0;
    }
    return (ssize_t)len;
}

static void on_stream_freed(void *ctx) {
    struct gateway_stream *s = ctx;
    TAILQ_REMOVE(&s->gateway->streams, s, link);
    if (!s->ended) {
        s->on_gone(s->ctx, s);
    }
    buf_clear(&s->waiting);
    free(s);
}

static void resume_stream(struct gateway_stream *s) {
    if (s->suspended) {
        s->suspended = false;
        MHD_resume_connection(s->connection);
        gateway_wake(s->gateway);
    }
}

struct gateway_stream *gateway_stream_new(struct gateway_request *request, const char *content_type,
                                          void *ctx,
                                          void (*on_gone)(void *, struct gateway_stream *)) {
    if (request->guest != NULL) {
        gateway_answer(request, MHD_HTTP_NOT_IMPLEMENTED, NULL, NULL,
                       slice_of("{\"error\":\"a stream is had from its own host only\"}"));
        return NULL;
    }
    assert(request->handed_up && !request->answered);
    struct gateway *g = request->gateway;
    struct gateway_stream *s = calloc(1, sizeof *s);
    if (s == NULL) {
        note_queued(request, MHD_NO, MHD_HTTP_OK);
        return NULL;
    }
    *s = (struct gateway_stream){g, request->connection, .ctx = ctx, .on_gone = on_gone};
    buf_init(&s->waiting, GATEWAY_STREAM_BYTES_MAX);
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, GATEWAY_STREAM_BLOCK_BYTES, on_wanted, s, on_stream_freed);
    if (response == NULL) {
        free(s);
        note_queued(request, MHD_NO, MHD_HTTP_OK);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&g->streams, s, link);
    enum MHD_Result queued = MHD_NO;
    /* The second header is for nginx, which would buffer the stream. */
    if (add_all_headers(g, response, content_type,
                        "Cache-Control: no-store\nX-Accel-Buffering: no\n")) {
        queued = MHD_queue_response(request->connection, MHD_HTTP_OK, response);
    }
    s->ended = queued != MHD_YES;
    bool begun = !s->ended;
    note_queued(request, queued, MHD_HTTP_OK);
    MHD_destroy_response(response); /* also frees the stream if it was not queued */
    return begun ? s : NULL;
}

bool gateway_stream_add(struct gateway_stream *s, struct slice bytes) {
    assert(!s->ended);
    if (s->sent > 0) {
        memmove(s->waiting.data, s->waiting.data + s->sent, s->waiting.len - s->sent);
        s->waiting.len -= s->sent;
        s->sent = 0;
    }
    buf_add_slice(&s->waiting, bytes);
    if (s->waiting.failed) {
        gateway_stream_end(s);
        return false;
    }
    resume_stream(s);
    return true;
}

void gateway_stream_end(struct gateway_stream *s) {
    assert(!s->ended);
    s->ended = true;
    resume_stream(s);
}

void gateway_end_streams(struct gateway *g) {
    struct gateway_stream *s = NULL;
    TAILQ_FOREACH(s, &g->streams, link) {
        if (!s->ended) {
            s->on_gone(s->ctx, s);
            gateway_stream_end(s);
        }
    }
}
