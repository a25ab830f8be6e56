/*
 * gateway.h - the HTTP door: libmicrohttpd on a libuv loop, over TCP or a unix socket.
 *
 * Owns: listening sockets, connections, request bytes up to a limit, response bytes. Knows nothing
 * of events: a complete request goes to on_request. Its receiver answers with gateway_answer,
 * immediately or many turns later (the connection is suspended in between), so that an answer can
 * wait for the commit it reports.
 */
#ifndef ZINGQ_IO_HTTPD_GATEWAY_H
#define ZINGQ_IO_HTTPD_GATEWAY_H

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "io/httpd/address.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct gateway;
struct gateway_request; /* one request in progress; the gateway's memory, valid until answered */

/* Which budget the body of a request counts against. */
enum gateway_purse {
    PURSE_KNOWN, /* known clients: everything the memory budget has for them */
    PURSE_OPEN,  /* strangers: at most a quarter of the budget */
    PURSE_SMALL, /* a few bytes that must be accepted however full it is; not counted */
};

/* What may follow the head of a request. */
struct gateway_welcome {
    size_t body_max; /* a larger body is answered 413; 0: everything is read and dropped */
    enum gateway_purse purse;
    bool vital; /* it is answered even when all places are taken */
};

struct gateway_callbacks {
    void *ctx;
    void (*on_request)(void *ctx, struct gateway_request *request);
    /* Called when the head has arrived. NULL = accept as much as the gateway does. */
    struct gateway_welcome (*welcome)(void *ctx, const struct gateway_request *request);
    /* The process is short of descriptors: closes idle ones elsewhere; true if there were any. May
     * be NULL. */
    bool (*make_room)(void *ctx);
    struct memory *memory; /* the budget for bodies; borrowed, NULL = unlimited */
    const char *headers;   /* on every answer, "Name: value\n"*; borrowed, NULL = none */
    /* Networks ("10.0.0.0/8") of proxies whose X-Forwarded-For is trusted; borrowed. */
    const char *const *proxies;
    size_t proxy_count;
    int listener; /* of another process, which holds it, too: accepts there, and `listen` is ignored; it
                     is the gateway's from then on, also after an error. 0 = its own */
    bool once; /* a connection gets one answer */
    const char *cert_file,
        *key_file; /* of the door, for TLS; borrowed, NULL or "" = it speaks none.
                                         One door of a process may. */
};

/* `listen` is "127.0.0.1:8080", "[::1]:8080" or "unix:/path" (created with mode 0600; replaces a
 * stale socket, a live one is ERR_BUSY). ERR_BUSY, ERR_INVALID, ERR_SYSTEM with a sentence in r.
 * body_max: larger requests are answered 413 here, and 503 if there is no room for their bodies
 * next to others. */
int gateway_new(struct gateway **out, uv_loop_t *loop, const char *listen, size_t body_max,
                const struct gateway_callbacks *callbacks, struct report *r);
/* The listening socket, for a process that is to accept there, too (it is closed on exec). */
int gateway_listener(const struct gateway *g);
/* While held, it leaves new connections to the other doors of its socket, where they wait until one of
 * those takes them. Those that it has are served, each answer being the last. */
void gateway_hold(struct gateway *g, bool held);
/* Whether a client has not had all of its answer yet, or has had none since it connected: until
 * gateway_free comes, it gets one. */
bool gateway_owes(const struct gateway *g);
/* Closes every connection; removes a unix socket's file. Requests not yet answered are dropped and
 * must not be answered afterwards. The loop must run once more before it ends. */
void gateway_free(struct gateway *g);
/* Reads the certificate and the key again, for new connections. ERR_INVALID with a sentence: the
 * old ones stay. */
int gateway_reload_tls(const struct gateway *g, struct report *r);
bool gateway_is_tls(const struct gateway *g);
/* The TCP port in use (that of "127.0.0.1:0" is chosen by the system); 0 for a unix socket. */
uint16_t gateway_port(const struct gateway *g);

struct gateway_state {
    size_t connections, connections_max;
    int shortage;       /* errno of the last accept if a descriptor or memory was missing; or 0 */
    uint64_t shortages; /* how often a shortage began */
    uint64_t refused;   /* clients that got a 503 because of it */
};

/* The state of the door, for status and metrics. */
void gateway_look(const struct gateway *g, struct gateway_state *out);

const char *gateway_method(const struct gateway_request *request);
const char *gateway_path(const struct gateway_request *request); /* decoded, without the query */
const char *gateway_query(const struct gateway_request *request, const char *name);  /* or NULL */
const char *gateway_header(const struct gateway_request *request, const char *name); /* or NULL */
/* The client, even behind our proxies. All zero if the request did not come over a socket. */
struct address gateway_from(const struct gateway_request *request);
/* True if it came encrypted, here or according to one of our proxies. */
bool gateway_is_secure(const struct gateway_request *request);
struct slice gateway_body(const struct gateway_request *request);

/* Puts this path in place of the request's; what is put in place of the value that its query has
 * under the name, which is borrowed. False: out of memory. */
bool gateway_set_path(struct gateway_request *request, const char *path);
bool gateway_set_query(struct gateway_request *request, const char *name, const char *value);

/* The name of the token it came with, for later: "" = none. */
void gateway_set_who(struct gateway_request *request, const char *name);
const char *gateway_who(const struct gateway_request *request);
/* Calls `fn` once, when the request is answered, while it still can be read. */
void gateway_on_answer(struct gateway_request *request, void *ctx,
                       void (*fn)(void *ctx, const struct gateway_request *request, int status));

/* Answers; the body is copied. content_type NULL = "application/json". Extra headers may be NULL:
 * "Name: value\n"*. The request is invalid afterwards. If the client has gone in the meantime, the
 * answer is dropped, which is not an error. */
void gateway_answer(struct gateway_request *request, int status, const char *content_type,
                    const char *headers, struct slice body);
/* The same with a JSON document, which is taken over; NULL, or one that cannot be written, is a
 * 500. A 503 without headers says when to retry. */
void gateway_answer_json(struct gateway_request *request, int status, const char *headers,
                         json_t *body);
/* The same with {"error": text}. */
void gateway_answer_error(struct gateway_request *request, int status, const char *headers,
                          const char *text);

/* Answers 200 with an endless body, such as server-sent events: bytes are sent as they are added,
 * until gateway_stream_end. The request is invalid afterwards. NULL: it could not begin, and the
 * connection is closed. */
struct gateway_stream;
struct gateway_stream *gateway_stream_new(struct gateway_request *request, const char *content_type,
                                          void *ctx,
                                          void (*on_gone)(void *, struct gateway_stream *));
/* False: the client reads too slowly, and more than GATEWAY_STREAM_BYTES_MAX are waiting; the
 * stream has ended. */
bool gateway_stream_add(struct gateway_stream *stream, struct slice bytes);
/* The stream is invalid afterwards, and also after on_gone, which reports that the client has
 * gone. */
void gateway_stream_end(struct gateway_stream *stream);

/* --- requests that did not come over a socket: another host's, a handler's --- */

/* The contents of a request. */
struct gateway_words {
    const char *method, *path;   /* decoded, without the query */
    struct slice query, headers; /* name, value, name, value...: each as buf_add_lv writes it */
    struct slice body;
    bool final; /* it was passed on once: the receiver must answer it itself */
};

/* The answer. */
struct gateway_reply {
    int status;
    const char *content_type; /* never NULL */
    const char *headers;      /* "Name: value\n"*, or NULL */
    struct slice body;
};

/* Creates a request from the words (copied), to be passed to whatever answers requests;
 * gateway_answer calls on_answer once, and the reply is valid during that call. ERR_MEMORY;
 * ERR_INVALID: a list does not consist of pairs, or a text contains a NUL. */
int gateway_guest_new(struct gateway_request **out, const struct gateway_words *words, void *ctx,
                      void (*on_answer)(void *ctx, const struct gateway_reply *reply));
/* Frees one that was not answered and will not be. */
void gateway_guest_free(struct gateway_request *request);
/* True if it must not be passed on. False if it came over a socket. */
bool gateway_is_final(const struct gateway_request *request);
/* Appends the request's query as a list of words, without the pairs named `without` and without
 * texts that have no value. */
void gateway_add_query(const struct gateway_request *request, const char *without, struct buf *out);

enum {
    GATEWAY_NEXT_BYTES = 4352,    /* of the header Zingq-Next: a place in the list of each host */
    GATEWAY_MISSING_BYTES = 9216, /* of the header Zingq-Missing: the hosts that a list lacks */
};

/* The client side: one request over a unix socket or TCP, blocking; for the commands. `path` is
 * sent as it is, so its parts must be percent-encoded. A body is sent as application/json.
 * ERR_NOTFOUND when nobody listens, ERR_REFUSED when the socket belongs to somebody else,
 * ERR_TIMEOUT, ERR_LIMIT (an answer beyond CALL_BYTES_MAX), ERR_NETWORK, ERR_INVALID, ERR_MEMORY.
 * *answer is initialized here, in every case; the caller clears it. */
int gateway_ask(const char *listen, const char *method, const char *path, struct slice body,
                int timeout_ms, long *status, struct buf *answer, struct report *r);
/* The same in full. */
struct gateway_asked {
    const char *listen, *method, *path;
    const char *once; /* the Idempotency-Key, of at most ONCE_BYTES_MAX bytes; NULL = none */
    struct slice body;
    int timeout_ms;
};
struct gateway_answered {
    long status;
    struct buf body;               /* cleared by the caller, also after an error */
    char next[GATEWAY_NEXT_BYTES]; /* of a list: where its next page begins; "" = it is complete */
    char missing[GATEWAY_MISSING_BYTES]; /* the hosts that it lacks, as JSON; "" = none */
};
int gateway_ask_full(const struct gateway_asked *asked, struct gateway_answered *out,
                     struct report *r);

#endif
