/*
 * ask_wire.c - encodes by appending; decoding checks each text for the place where it will be used.
 */
#include "peers/ask_wire.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

/* ---- writing ---- */

void ask_write_request(const struct gateway_words *words, struct buf *out) {
    buf_add_u8(out, ASK_VERSION);
    buf_add_lv(out, slice_of(words->method));
    buf_add_lv(out, slice_of(words->path));
    buf_add_lv(out, words->query);
    buf_add_lv(out, words->headers);
    buf_add_lv(out, words->body);
}

void ask_write_reply(const struct gateway_reply *reply, struct buf *out) {
    buf_add_u8(out, ASK_VERSION);
    buf_add_u16(out, (uint16_t)reply->status);
    buf_add_lv(out, slice_of(reply->content_type));
    buf_add_lv(out, slice_of(reply->headers));
    buf_add_lv(out, reply->body);
}

/* ---- reading ---- */

/* True if it fits on one header line. */
static bool is_line(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < 0x20 || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool is_method(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 'A' || text.data[i] > 'Z') {
            return false;
        }
    }
    return text.len > 0 && text.len < sizeof((struct ask_request *)NULL)->method;
}

static bool is_path(struct slice text) {
    return text.len > 0 && text.len <= TOPIC_BYTES_MAX && text.data[0] == '/' &&
           !slice_has_nul(text);
}

/* Pairs of texts, the first of which is not empty. */
static bool is_list(struct slice list, bool lines) {
    struct reader r = reader_of(list.data, list.len);
    for (size_t pairs = 0; r.at < r.end; pairs++) {
        struct slice name = read_lv(&r);
        struct slice value = read_lv(&r);
        if (r.failed || name.len == 0 || slice_has_nul(name) || slice_has_nul(value) ||
            pairs == ASK_PAIRS_MAX || (lines && (!is_line(name) || !is_line(value)))) {
            return false;
        }
    }
    return true;
}

/* "Name: value\n"* */
static bool are_headers(struct slice text) {
    size_t at = 0;
    while (at < text.len) {
        const char *end = memchr(text.data + at, '\n', text.len - at);
        size_t len = end == NULL ? 0 : (size_t)(end - text.data) - at;
        struct slice line = {text.data + at, len};
        const char *colon = len == 0 ? NULL : memchr(line.data, ':', len);
        if (colon == NULL || colon == line.data || !is_line(line)) {
            return false;
        }
        at += len + 1;
    }
    return true;
}

static int read_version(struct reader *r) {
    uint8_t version = read_u8(r);
    return r->failed || version == 0 ? ERR_INVALID : version == ASK_VERSION ? 0 : ERR_SCHEMA;
}

int ask_read_request(struct ask_request *out, struct slice payload) {
    struct reader r = reader_of(payload.data, payload.len);
    int code = read_version(&r);
    if (code != 0) {
        return code;
    }
    struct slice method = read_lv(&r);
    struct slice path = read_lv(&r);
    struct slice query = read_lv(&r);
    struct slice headers = read_lv(&r);
    struct slice body = read_lv(&r);
    if (r.failed || r.at != r.end || !is_method(method) || !is_path(path) ||
        !is_list(query, false) || !is_list(headers, true)) {
        return ERR_INVALID;
    }
    *out = (struct ask_request){.path = slice_dup(path)};
    if (out->path == NULL) {
        return ERR_MEMORY;
    }
    memcpy(out->method, method.data, method.len);
    out->words = (struct gateway_words){.method = out->method,
                                        .path = out->path,
                                        .query = query,
                                        .headers = headers,
                                        .body = body,
                                        .final = true};
    return 0;
}

void ask_request_clear(struct ask_request *request) {
    free(request->path);
    request->path = NULL;
}

int ask_read_reply(struct ask_reply *out, struct slice payload) {
    struct reader r = reader_of(payload.data, payload.len);
    int code = read_version(&r);
    if (code != 0) {
        return code;
    }
    uint16_t status = read_u16(&r);
    struct slice type = read_lv(&r);
    struct slice headers = read_lv(&r);
    struct slice body = read_lv(&r);
    if (r.failed || r.at != r.end || status < 200 || status > 599 || type.len == 0 ||
        !is_line(type) || !are_headers(headers)) {
        return ERR_INVALID;
    }
    *out = (struct ask_reply){
        .content_type = slice_dup(type), .headers = slice_dup(headers), .body = slice_dup(body)};
    if (out->content_type == NULL || out->headers == NULL || out->body == NULL) {
        ask_reply_clear(out);
        return ERR_MEMORY;
    }
    out->reply = (struct gateway_reply){.status = status,
                                        .content_type = out->content_type,
                                        .headers = out->headers,
                                        .body = {out->body, body.len}};
    return 0;
}

void ask_reply_clear(struct ask_reply *reply) {
    free(reply->content_type);
    free(reply->headers);
    free(reply->body);
    *reply = (struct ask_reply){.content_type = NULL};
}
