/*
 * impl.h - what the HTTP door's files share; nobody else includes it.
 */
#ifndef ZINGQ_IO_HTTPD_IMPL_H
#define ZINGQ_IO_HTTPD_IMPL_H

#include "base/limits.h"
#include "io/httpd/gateway.h"

#include <gnutls/abstract.h>
#include <microhttpd.h>
#include <sys/queue.h>

struct gateway_guest;

struct gateway_request {
    struct gateway *gateway; /* NULL, like connection, if it did not come over a socket */
    struct MHD_Connection *connection;
    struct gateway_guest *guest; /* then this is its origin; see io/httpd/guest.c */
    const char *method, *path;   /* libmicrohttpd's, valid as long as the request */
    char *set_path;              /* from gateway_set_path: in place of path; owned */
    const char *set_name;        /* from gateway_set_query: borrowed */
    char *set_value;             /* the same; owned */
    struct buf body;
    size_t body_max;  /* bytes of the body to keep; 0 = not wanted */
    size_t discarded; /* bytes of a body that is not kept */
    enum gateway_purse purse;
    char who[NAME_BYTES_MAX + 1];
    void *answer_ctx;
    void (*on_answer)(void *ctx, const struct gateway_request *request, int status); /* or NULL */
    bool crowded;     /* there was no room for its body next to others */
    bool handed_up;   /* passed to on_request */
    bool in_callback; /* on_request is running for it: an answer needs no resume */
    bool answered;
    bool suspended; /* in gateway->waiting */
    TAILQ_ENTRY(gateway_request) link;
};

/* In order of arrival. */
TAILQ_HEAD(request_list, gateway_request);

/* An endless answer; libmicrohttpd's response owns it. */
struct gateway_stream {
    struct gateway *gateway;
    struct MHD_Connection *connection;
    struct buf waiting; /* from `sent` on, not yet requested by the connection */
    size_t sent;
    bool suspended; /* nothing is waiting */
    bool ended;     /* the owner has finished it */
    void *ctx;
    void (*on_gone)(void *ctx, struct gateway_stream *stream);
    TAILQ_ENTRY(gateway_stream) link;
};

/* In order of their beginning. */
TAILQ_HEAD(stream_list, gateway_stream);

/* A connection: how long its client takes to send a request. */
struct gateway_client {
    struct gateway *gateway;
    int fd;
    uint64_t since_ms; /* the loop's clock: since when it has owed us a complete request */
    bool owes;         /* false while we owe it an answer */
    bool served;       /* it has had one */
    bool begun;        /* the head of its request has arrived */
    bool dropped;      /* its socket is shut down: it will be closed */
    bool spare;        /* it has one of the extra places, for vital requests */
    struct address from;
    TAILQ_ENTRY(gateway_client) link;
};

/* In the order in which they began to owe us a request. */
TAILQ_HEAD(client_list, gateway_client);

struct gateway {
    struct gateway_callbacks callbacks;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    size_t handles; /* libuv handles not yet closed; the last one frees the struct */
    bool closing;
    size_t body_max;
    size_t open_bytes; /* of bodies from strangers */
    bool tls;
    uint16_t port;               /* 0: a unix socket */
    char *unix_path;             /* removed at the end; owned, NULL for TCP */
    struct request_list waiting; /* suspended requests */
    struct stream_list streams;
    struct client_list clients;
    uv_timer_t slow_timer; /* finds clients that take too long */
    int listener;          /* the listening socket; -1 = there is none yet */
    uv_poll_t listen_poll; /* of it, stopped while `paused` or `held` */
    uv_timer_t accept_timer;
    bool paused;                              /* no connections are accepted */
    bool held;                                /* the same, because others accept them */
    void (*on_place_free)(struct gateway *g); /* a connection has ended: accepting continues */
    uint64_t pause_ms;                        /* the next pause */
    int reserve; /* a descriptor reserved for a shortage; -1 = used up by one */
    size_t connections, connections_max; /* now, and at most */
    int shortage;                        /* errno; 0 = none */
    uint64_t shortages, refused;         /* since the start */
    uint64_t said_short_ms;              /* when the shortage was logged */
    bool short_said;                     /* and its end has not been */
};

/* io/httpd/daemon.c */
/* A handle of the door has closed. */
void gateway_on_closed(uv_handle_t *handle);
/* Lets the daemon do what is due. */
void gateway_run(struct gateway *g);
/* Lets the daemon run soon: a connection was resumed. */
void gateway_wake(struct gateway *g);
/* Lets the loop do that from now on. ERR_SYSTEM. */
int gateway_watch_daemon(struct gateway *g, uv_loop_t *loop);

/* io/httpd/answer.c */
enum MHD_Result gateway_queue(struct gateway *g, struct MHD_Connection *connection, int status,
                              const char *content_type, const char *headers, struct slice body);
/* Resumes every stream, which then ends: for the end of the daemon. */
void gateway_end_streams(struct gateway *g);

/* io/httpd/rewrite.c */
/* Frees what was put in place of its own. */
void gateway_forget_set(struct gateway_request *request);

/* io/httpd/guest.c */
const char *gateway_guest_query(const struct gateway_guest *guest, const char *name);
const char *gateway_guest_header(const struct gateway_guest *guest, const char *name);
/* Passes the answer on; the request is freed. */
void gateway_guest_answer(struct gateway_request *request, const struct gateway_reply *reply);

/* io/httpd/slow.c */
/* libmicrohttpd: a connection begins or ends. */
void gateway_on_connection(void *ctx, struct MHD_Connection *connection, void **own,
                           enum MHD_ConnectionNotificationCode what);
struct address gateway_client_from(struct MHD_Connection *connection);
/* Whether the client of this connection owes us a request from now on. */
void gateway_client_owes(struct MHD_Connection *connection, bool owes);
/* The head of its request has arrived. */
void gateway_client_begins(struct MHD_Connection *connection);
bool gateway_client_is_spare(struct MHD_Connection *connection);
/* Closes the client that has been idle longest: it has sent no head since it connected, or since
 * its last answer. False: none has been idle for GATEWAY_SPARE_MS. */
bool gateway_drop_idle(struct gateway *g);
/* Closes the client that has owed us the rest of a request longest, of that address, or of any if
 * it is NULL. False: none does. */
bool gateway_drop_oldest(struct gateway *g, const struct address *of);
/* How many connections the client has. */
size_t gateway_count_of(const struct gateway *g, const struct address *from);
int gateway_watch_slow(struct gateway *g, uv_loop_t *loop);

/* io/httpd/accept.c */
int gateway_watch_listener(struct gateway *g, uv_loop_t *loop);
void gateway_close_listener(struct gateway *g);

/* io/httpd/tls.c */
/* The certificate for handshakes from now on. ERR_INVALID with a sentence: nothing has changed. */
int gateway_tls_load(const char *cert_file, const char *key_file, struct report *r);
/* Call it when no door with TLS is open. */
void gateway_tls_forget(void);
/* A new run of the daemon begins, with a new budget for handshakes. */
void gateway_tls_run_begins(void);
/* libmicrohttpd's, for a handshake. */
int gateway_tls_certificate(gnutls_session_t session, const gnutls_datum_t *authorities, int count,
                            const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
                            gnutls_pcert_st **chain, unsigned *chain_count, gnutls_privkey_t *key);

/* io/httpd/request.c */
bool gateway_is_proxy(const struct gateway *g, const struct address *a);

/* io/httpd/head.c */
/* What is wrong with the head of a request: a sentence, or NULL. */
const char *gateway_check_head(struct MHD_Connection *connection, const char *path);
/* libmicrohttpd: decodes %XX in place, of a path or a query; a NUL becomes a byte that
 * gateway_check_head refuses. */
size_t gateway_unescape(void *ctx, struct MHD_Connection *connection, char *text);

/* io/httpd/listen.c */
/* g->listener; on failure it may be one to close. */
int gateway_open_socket(struct gateway *g, const char *listen_on, struct report *r);

#endif
