/*
 * fetch.h - the outgoing calls: HTTP and SMTP through one curl multi handle on a libuv loop.
 *
 * Owns: sockets, timeouts, redirects (none are followed), the bytes of answers.
 * Knows nothing of events: a call is named by the caller's number. A result is handed over in
 * on_done from the loop, once for each started call that was not cancelled.
 */
#ifndef ZINGQ_FETCH_H
#define ZINGQ_FETCH_H

#include "buf.h"
#include "error.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct fetch;

enum fetch_kind { FETCH_HTTP, FETCH_MAIL };

/* What to do. All slices and strings are owned by the request (one malloc each, or NULL). */
struct fetch_request {
    enum fetch_kind kind;
    char *url;      /* http(s)://...; mail: smtp(s)://[user:password@]host[:port] */
    char *method;   /* HTTP: "GET", "POST"... */
    char **headers; /* "Name: value", `header_count` of them */
    size_t header_count;
    char *body; /* HTTP body, or the whole RFC 5322 message */
    size_t body_len;
    int64_t timeout_ms;
    char *mail_from; /* envelope */
    char **mail_to;
    size_t mail_to_count;
};

struct fetch_result {
    int code;    /* 0: the peer answered, see status; ERR_TIMEOUT, ERR_NETWORK, ERR_LIMIT,
                    ERR_INVALID (the URL), ERR_MEMORY */
    long status; /* HTTP status or the last SMTP reply code; 0 = none came */
    bool sent;   /* the request had left (wholly or in part): if code is not 0, outcome unknown.
                    Mail: the message itself was being sent */
    struct buf headers; /* "name: value\n"*, names in lower case */
    struct buf body;    /* mail: the server's last line */
    char error[256];    /* curl's words, or the SMTP server's last line; "" when all went well */
};

struct fetch_request *fetch_request_new(void);
void fetch_request_free(struct fetch_request *request);
/* Add one (copied). ERR_INVALID: a name, value or address that would break out of its line (control
 * characters, <, >); ERR_LIMIT past CALL_HEADERS_MAX; ERR_MEMORY. Then nothing was added. */
int fetch_request_header(struct fetch_request *request, struct slice name, struct slice value);
int fetch_request_to(struct fetch_request *request, struct slice address);
void fetch_result_clear(struct fetch_result *result);

/* on_done runs on the loop's thread; `result` is valid during the callback; to keep its buffers,
 * move them out (copy the struct buf and buf_init the original). */
int fetch_new(struct fetch **out, uv_loop_t *loop, void *ctx,
              void (*on_done)(void *ctx, uint64_t id, struct fetch_result *result));
/* Cancels every call and closes every connection. The loop must run once more before it ends. Not
 * to be called from on_done. */
void fetch_free(struct fetch *f);
/* Starts a call; the request is borrowed until on_done or fetch_cancel. ids are never reused.
 * timeout_ms counts from here, the wait for a free SMTP connection included.
 * ERR_LIMIT past CALLS_MAX, ERR_MEMORY: then on_done is not called. */
int fetch_start(struct fetch *f, uint64_t id, const struct fetch_request *request);
/* Ends the call; on_done will not come. An unknown id is no error. */
void fetch_cancel(struct fetch *f, uint64_t id);
size_t fetch_running(const struct fetch *f);

#endif
