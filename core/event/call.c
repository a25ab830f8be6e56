/*
 * call.c - requests and results of outgoing calls: building and freeing them.
 */
#include "event/call.h"

#include "base/error.h"
#include "base/limits.h"

#include <stdio.h>
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
    free_all(request->params, request->param_count);
    free(request);
}

size_t call_request_bytes(const struct call_request *request) {
    size_t bytes = sizeof *request + request->body_len + request->query_len;
    for (size_t i = 0; i < request->header_count; i++) {
        bytes += strlen(request->headers[i]);
    }
    for (size_t i = 0; i < request->param_count; i++) {
        bytes += request->params[i] == NULL ? 0 : strlen(request->params[i]);
    }
    return bytes;
}

/* Appends `text` (malloc'd or NULL, taken over in every case) to the array. */
static int append_any(char ***texts, size_t *count, char *text, size_t most) {
    if (*count >= most) {
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

static int append(char ***texts, size_t *count, char *text) {
    return text == NULL ? ERR_MEMORY : append_any(texts, count, text, CALL_HEADERS_MAX);
}

int call_request_param(struct call_request *request, char *text, bool null) {
    return text == NULL && !null
               ? ERR_MEMORY
               : append_any(&request->params, &request->param_count, text, SQL_PARAMS_MAX);
}

static bool header_ok(struct slice name, struct slice value) {
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return slice_is_plain(name, HTTP_TOKEN_OTHERS);
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

/* ---- SQLSTATE: five digits and letters, to the base of 36, all above any status of HTTP ---- */

enum { SQLSTATE_BASE = 36, SQLSTATE_LEN = 5, STATUS_MAX = 999 };

static const char sqlstate_digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

long call_sqlstate(const char *sqlstate) {
    long status = 0;
    for (size_t i = 0; i < SQLSTATE_LEN && sqlstate != NULL && sqlstate[i] != '\0'; i++) {
        const char *digit = strchr(sqlstate_digits, sqlstate[i]);
        status = status * SQLSTATE_BASE + (digit == NULL ? 0 : digit - sqlstate_digits);
    }
    return status;
}

bool call_is_sqlstate(long status) {
    return status > STATUS_MAX;
}

const char *call_status_text(long status, char out[CALL_STATUS_BYTES]) {
    if (!call_is_sqlstate(status)) {
        (void)snprintf(out, CALL_STATUS_BYTES, "%ld", status);
        return out;
    }
    out[SQLSTATE_LEN] = '\0';
    for (size_t i = SQLSTATE_LEN; i > 0; i--) {
        out[i - 1] = sqlstate_digits[status % SQLSTATE_BASE];
        status /= SQLSTATE_BASE;
    }
    return out;
}

/* The statement's outcome is open: statement_completion_unknown, transaction_resolution_unknown. */
static bool is_open_sqlstate(long status) {
    return status == call_sqlstate("40003") || status == call_sqlstate("08007");
}

/* ---- what the peer did ---- */

bool call_only_reads(const struct call_request *request) {
    if (request->kind == CALL_KIND_SQL) {
        return request->scope != SQL_ALONE && request->scope != SQL_COMMIT;
    }
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
    if (request->kind == CALL_KIND_SQL) {
        return is_open_sqlstate(result->status);
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
