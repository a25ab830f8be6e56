/*
 * call.h - an outgoing call as data: the request of a handler, and its result.
 *
 * The Lua API describes the request, the engine passes it on, io/fetch/fetch.h or io/pg/pg.h
 * executes it.
 */
#ifndef ZINGQ_EVENT_CALL_H
#define ZINGQ_EVENT_CALL_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum call_kind {
    CALL_KIND_HTTP,
    CALL_KIND_MAIL,
    CALL_KIND_ASK, /* a request of the API, which may be for another host to answer */
    CALL_KIND_SQL, /* a statement for a database */
};

/* How a statement is executed. */
enum sql_scope {
    SQL_ALONE,   /* in a transaction of its own */
    SQL_READS,   /* the same, and the database refuses every change */
    SQL_REPEATS, /* as SQL_ALONE, and no harm if it is done again */
    SQL_BEGIN,   /* the first of a transaction, which goes on under this call's id: a session */
    SQL_WITHIN,  /* in that of request->session */
    SQL_COMMIT,  /* the same, and its last, which changes one row of the first one's: nothing has
                    taken effect before it is committed */
};

/* What to do. All slices and strings are owned by the request (one malloc each, or NULL). */
struct call_request {
    enum call_kind kind;
    char *url;   /* http(s)://...; mail: smtp(s)://[user:password@]host[:port]; ask: the path;
                    SQL: the database's name */
    char *query; /* ask: name, value... as in struct gateway_words */
    size_t query_len;
    char *method;   /* HTTP, ask: "GET", "POST"... */
    char **headers; /* "Name: value", `header_count` of them */
    size_t header_count;
    char *body; /* HTTP body, the whole RFC 5322 message, or the statement */
    size_t body_len;
    int64_t timeout_ms;
    char *key;       /* the same at every try, by which the peer knows it: Idempotency-Key,
                        Message-ID; NULL = none */
    char *label;     /* for people: "POST http://host/path", "mail to ann@example.org" */
    char *mail_from; /* envelope */
    char **mail_to;
    size_t mail_to_count;
    enum sql_scope scope;
    char **params; /* SQL: for $1, $2..., as text; NULL = null */
    size_t param_count;
    size_t service;   /* SQL: which one asks, its index in conf->services */
    uint64_t session; /* SQL_WITHIN, SQL_COMMIT */
};

struct call_result {
    int code;    /* 0: the peer answered, see status; ERR_TIMEOUT, ERR_NETWORK, ERR_LIMIT,
                    ERR_INVALID (the URL), ERR_MEMORY */
    long status; /* HTTP status or the last SMTP reply code; 0 = none came. SQL: 0, or the error's
                    SQLSTATE: see call_sqlstate */
    bool sent;   /* the request had left (wholly or in part): if code is not 0, outcome unknown.
                    Mail: the message itself was being sent */
    struct buf headers; /* "name: value\n"*, names in lower case; SQL: see io/pg/pg.h */
    struct buf body;    /* mail: the server's last line; SQL: the rows */
    char error[256];    /* curl's words, or the SMTP server's last line; "" when all went well */
};

/* An empty request, or NULL when out of memory. */
struct call_request *call_request_new(void);
void call_request_free(struct call_request *request);
/* What it says, in bytes. */
size_t call_request_bytes(const struct call_request *request);
/* Add one (copied). ERR_INVALID: a name, value or address that would break out of its line (control
 * characters, <, >); ERR_LIMIT past CALL_HEADERS_MAX; ERR_MEMORY. Then nothing was added. */
int call_request_header(struct call_request *request, struct slice name, struct slice value);
/* Adds a parameter of a statement, NULL = null; `text` is malloc'd and taken over in every case.
 * ERR_LIMIT past SQL_PARAMS_MAX; ERR_MEMORY. */
int call_request_param(struct call_request *request, char *text, bool null);
/* An SQLSTATE as a status, and a status as people read it: "402", "23505". Returns `out`. */
enum { CALL_STATUS_BYTES = 24 };
long call_sqlstate(const char *sqlstate);
bool call_is_sqlstate(long status);
const char *call_status_text(long status, char out[CALL_STATUS_BYTES]);
/* A request that changes nothing at the peer: GET, HEAD (RFC 9110, 9.2.1), and all of SQL but
 * SQL_ALONE and SQL_COMMIT. */
bool call_only_reads(const struct call_request *request);
/* Whether the peer executed the request, or may have: it was accepted, or the outcome is unknown. A
 * status of 5xx, 408 or 409 (another request under the same key is in progress) does not mean that
 * an HTTP server did nothing (RFC 9110, 15.6); a mail server's error does (RFC 5321, 4.2.1), and a
 * database's but for the two that say otherwise. */
bool call_may_have_acted(const struct call_request *request, const struct call_result *result);
/* Whether it may have, and the answer leaves that open. */
bool call_is_unknown(const struct call_request *request, const struct call_result *result);
/* The wait that a Retry-After header (RFC 9110, 10.2.3) asks for at that moment of the wall clock:
 * seconds or an HTTP date, at most RETRY_AFTER_MS_MAX; -1 = the text is neither. */
int64_t call_retry_after_ms(const char *text, int64_t wall_ms);
/* Whether SMTP can carry the address between its angle brackets. */
bool call_address_ok(const char *address, size_t len);
int call_request_to(struct call_request *request, struct slice address);
void call_result_clear(struct call_result *result);
/* Its error in words: the peer's or ours, else the text of its code. */
const char *call_result_why(const struct call_result *result);

#endif
