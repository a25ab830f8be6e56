/*
 * call.c - requests and results of outgoing calls: building and freeing them.
 */
#include "event/call.h"

#include "base/error.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct call_request *call_request_new(void) {
    return calloc(1, sizeof(struct call_request));
}

static void free_all(char **texts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(texts[i]);
    }
    free(texts);
}

void call_request_free(struct call_request *request) {
    if (request == NULL) {
        return;
    }
    free(request->url);
    free(request->query);
    free(request->method);
    free_all(request->headers, request->header_count);
    free(request->body);
    free(request->key);
    free(request->label);
    free(request->mail_from);
    free_all(request->mail_to, request->mail_to_count);
    free(request);
}

size_t call_request_bytes(const struct call_request *request) {
    size_t bytes = sizeof *request + request->body_len + request->query_len;
    for (size_t i = 0; i < request->header_count; i++) {
        bytes += strlen(request->headers[i]);
    }
    return bytes;
}

/* Appends `text` (malloc'd, taken over in every case) to the array. */
static int append(char ***texts, size_t *count, char *text) {
    if (text == NULL) {
        return ERR_MEMORY;
    }
    if (*count >= CALL_HEADERS_MAX) {
        free(text);
        return ERR_LIMIT;
    }
    char **grown = realloc(*texts, (*count + 1) * sizeof *grown);
    if (grown == NULL) {
        free(text);
        return ERR_MEMORY;
    }
    grown[(*count)++] = text;
    *texts = grown;
    return 0;
}

static bool token_char(char c) {
    return c > 0x20 && c < 0x7f && strchr("()<>@,;:\\\"/[]?={}", c) == NULL;
}

static bool header_ok(struct slice name, struct slice value) {
    for (size_t i = 0; i < name.len; i++) {
        if (!token_char(name.data[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return name.len > 0;
}

int call_request_header(struct call_request *request, struct slice name, struct slice value) {
    if (!header_ok(name, value)) {
        return ERR_INVALID;
    }
    struct buf line;
    buf_init(&line, CALL_BYTES_MAX);
    buf_add_slice(&line, name);
    buf_add_str(&line, ": ");
    buf_add_slice(&line, value);
    char *text = line.failed ? NULL : slice_dup(buf_slice(&line));
    buf_clear(&line);
    return append(&request->headers, &request->header_count, text);
}

bool call_only_reads(const struct call_request *request) {
    return request->kind != CALL_KIND_MAIL &&
           (strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0);
}

bool call_is_unknown(const struct call_request *request, const struct call_result *result) {
    if (call_only_reads(request)) {
        return false;
    }
    if (result->code != 0) {
        return result->sent;
    }
    return request->kind != CALL_KIND_MAIL &&
           (result->status >= 500 || result->status == 408 || result->status == 409);
}

bool call_may_have_acted(const struct call_request *request, const struct call_result *result) {
    bool accepted = result->code == 0 && result->status < 400;
    return (accepted && !call_only_reads(request)) || call_is_unknown(request, result);
}

/* Seconds since 1970 of an HTTP date, in one of its three forms (RFC 9110, 5.6.7). */
static bool read_date(const char *text, int64_t *out) {
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %e %H:%M:%S %Y"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm tm = {0};
        const char *end = strptime(text, forms[i], &tm);
        if (end != NULL && *end == '\0') {
            *out = timegm(&tm);
            return true;
        }
    }
    return false;
}

int64_t call_retry_after_ms(const char *text, int64_t wall_ms) {
    size_t digits = strspn(text, "0123456789");
    int64_t ms;
    if (digits > 0 && text[digits] == '\0') {
        ms = digits > 9 ? RETRY_AFTER_MS_MAX : strtoll(text, NULL, 10) * 1000;
    } else if (read_date(text, &ms)) {
        ms = ms * 1000 - wall_ms;
    } else {
        return -1;
    }
    return ms < 0 ? 0 : ms > RETRY_AFTER_MS_MAX ? RETRY_AFTER_MS_MAX : ms;
}

bool call_address_ok(const char *address, size_t len) {
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)address[i];
        if (c <= 0x20 || c == 0x7f || c == '<' || c == '>') {
            return false;
        }
    }
    return len > 0;
}

int call_request_to(struct call_request *request, struct slice address) {
    if (!call_address_ok(address.data, address.len)) {
        return ERR_INVALID;
    }
    return append(&request->mail_to, &request->mail_to_count, slice_dup(address));
}

void call_result_clear(struct call_result *result) {
    buf_clear(&result->headers);
    buf_clear(&result->body);
}

const char *call_result_why(const struct call_result *result) {
    return result->error[0] == '\0' ? error_text(result->code) : result->error;
}
