/*
 * impl.h - shared by the files of io/pg; nobody else includes it.
 *
 * A call waits for a connection of its database, is executed by one, or is finished and waits to be
 * handed over. A link is a connection, from the first look-up of a name until it is closed; it has
 * at most one call.
 *
 * What a statement needs on its link is a list of tasks: link->todo has a bit for each, and the
 * lowest is done first.
 */
#ifndef ZINGQ_IO_PG_IMPL_H
#define ZINGQ_IO_PG_IMPL_H

#include "io/pg/pg.h"

#include <libpq-fe.h>
#include <sys/queue.h>

enum {
    PG_BUCKETS = 1024,     /* of the table of calls; a power of two */
    PG_IDLE_MS = 60000,    /* a connection that nobody used for so long is closed */
    PG_AGAIN_MS = 1000,    /* after one could not be opened, while others are open */
    PG_CONNECT_MS = 30000, /* at most, for one attempt to connect */
    PG_ADDRESS_MS = 5000   /* one of several addresses may be silent for so long */
};

enum pg_place { PG_WAITING, PG_EXECUTED, PG_FINISHED };

struct pg_call {
    struct pg *pg;
    struct pg_database *database;
    uint64_t id;
    const struct call_request *request; /* the caller's */
    struct call_result result;
    enum pg_place place;
    struct pg_link *link;       /* PG_EXECUTED */
    uint64_t deadline_ms;       /* loop time */
    size_t taken;               /* from the memory budget */
    TAILQ_ENTRY(pg_call) queue; /* PG_WAITING, PG_FINISHED */
    struct pg_call *bucket_next;
};
TAILQ_HEAD(pg_calls, pg_call);

enum pg_link_state {
    LINK_RESOLVING,
    LINK_CONNECTING,
    LINK_IDLE,
    LINK_BUSY, /* with the task of link->todo's lowest bit */
    LINK_HELD, /* by a transaction, between its calls */
};

enum pg_task {
    TASK_RESET = 1, /* forget what the last one left */
    TASK_WATCH = 2, /* make the server notice when we are gone; once a connection */
    TASK_BEGIN = 4, /* SQL_READS, SQL_BEGIN */
    TASK_STATEMENT = 8,
    TASK_COMMIT = 16
};

/* The names of one connection being resolved. */
struct pg_look_up;
/* A name that is looked up. */
struct pg_question;
struct addrinfo;
/* A libuv handle that watches a socket; libpq may take a new socket while it connects. */
struct pg_watch {
    uv_poll_t poll; /* first */
    struct pg *pg;
    struct pg_link *link; /* NULL: being closed */
};

struct pg_link {
    struct pg_database *database;
    enum pg_link_state state;
    void (*on_socket)(struct pg_link *link); /* its socket is ready */
    PGconn *conn;                            /* from LINK_CONNECTING on */
    struct pg_look_up *names;                /* LINK_RESOLVING */
    struct pg_watch *watch;                  /* NULL: no socket is watched */
    struct pg_call *call;                    /* LINK_BUSY */
    unsigned todo;                           /* enum pg_task */
    bool watched_there;                      /* TASK_WATCH is done */
    bool used;                               /* it has had a call before */
    bool dirty;           /* the last statement may have left something in the session */
    bool was_dirty;       /* an earlier one of its transaction may have */
    size_t user;          /* the service that used it last */
    uint64_t session;     /* the transaction that has it; 0 = none */
    size_t unread;        /* bytes received of a row that is not complete */
    bool paused;          /* the result waits for memory */
    bool failed;          /* the task's result is an error */
    bool committed;       /* the statement has committed, and may have begun another transaction */
    size_t first;         /* database->first when it began to connect */
    uint64_t patience_ms; /* with an address that is silent, if there are others; else 0 */
    uint64_t latest_ms;   /* loop time: by then it is connected */
    uint64_t until_ms;    /* loop time: connecting: its deadline; idle: when it is closed */
    TAILQ_ENTRY(pg_link) list;
};
TAILQ_HEAD(pg_links, pg_link);

struct pg_database {
    struct pg *pg;
    const struct database_conf *conf;
    struct pg_links links;
    size_t link_count, idle, opening; /* of them */
    struct pg_calls waiting;
    size_t waiting_count;
    size_t first; /* of the addresses, the one that is tried first; counts on beyond the last */
    uint64_t again_ms; /* loop time before which no connection is opened */
    char error[256];   /* of the last attempt to connect; "" = it succeeded */
};

/* What a lower file needs of a higher one. */
struct pg_hooks {
    void (*dispatch)(struct pg_database *d);
    void (*ready)(struct pg_link *link);
    void (*failed)(struct pg_link *link);
    void (*put_off)(struct pg_link *link);
    void (*resume)(struct pg_link *link);
    void (*due)(struct pg *pg);
};

struct pg {
    struct pg_hooks hooks;
    uv_loop_t *loop;
    void *ctx;
    void (*on_done)(void *ctx, uint64_t id, struct call_result *result);
    struct memory *memory;    /* borrowed; NULL = no budget */
    struct pg_link *favoured; /* its result is read even without free memory; NULL = none */
    size_t paused;
    uv_timer_t timer;     /* the next deadline */
    uv_timer_t hand_over; /* zero delay: there are finished calls */
    uv_timer_t paused_timer;
    size_t handles; /* libuv handles not yet closed; the last one frees the struct */
    bool closing;
    struct pg_call *buckets[PG_BUCKETS];
    size_t running;
    struct pg_calls finished;
    size_t database_count;
    struct pg_database databases[];
};

/* io/pg/call.c */
/* A handle of libuv was closed. */
void pg_handle_closed(struct pg *pg);
/* NULL: there is no such call. */
struct pg_call *pg_find(struct pg *pg, uint64_t id);
/* NULL: out of memory. */
struct pg_call *pg_call_new(struct pg_database *d, uint64_t id, const struct call_request *request);
void pg_call_free(struct pg_call *call);
void pg_leave_waiting(struct pg_call *call);
/* Adds the call to the finished ones. `error` NULL keeps the text there. */
void pg_finish(struct pg_call *call, int code, const char *error);
/* The timer fires by then. */
void pg_due(struct pg *pg, uint64_t when_ms);

/* io/pg/watch.c */
/* Watches the socket for these events of libuv; 0 stops it for now. False: it cannot. */
bool pg_link_watch(struct pg_link *link, int events);
/* Lets go of the socket, which libpq is about to close. */
void pg_link_unwatch(struct pg_link *link);

/* io/pg/name.c */
/* Looks the name up; `wake` is sent when it is answered. ERR_MEMORY, ERR_SYSTEM, ERR_LIMIT: too many
 * are looked up. */
int pg_ask_name(struct pg_question **out, struct slice name, uv_async_t *wake);
/* False: not yet. *error is one of gai_strerror's, or 0; *list belongs to the question. */
bool pg_name_answered(struct pg_question *q, int *error, const struct addrinfo **list);
/* Ends it, answered or not: `wake` is not sent any more. */
void pg_forget_name(struct pg_question *q);

/* io/pg/connect.c */
/* Begins to connect. ERR_MEMORY. */
int pg_connect(struct pg_link *link);
void pg_forget_names(struct pg_link *link);

/* io/pg/link.c */
/* A new one that begins to connect; NULL: out of memory. */
struct pg_link *pg_link_new(struct pg_database *d);
/* Closes it. Its call must have been taken off. */
void pg_link_free(struct pg_link *link);
/* Closes it under its call, which is returned. */
struct pg_call *pg_link_drop(struct pg_link *link);
/* It is connected: it may have calls. */
void pg_link_ready(struct pg_link *link);
/* It could not connect, for the reason in database->error. */
void pg_link_failed(struct pg_link *link);
/* It could not be tried at all: the calls go on waiting, and it is tried again soon. */
void pg_link_put_off(struct pg_link *link);
/* Executes the call. */
void pg_link_run(struct pg_link *link, struct pg_call *call);
/* The one that the session has, between its calls; NULL: there is none any more. */
struct pg_link *pg_link_held(struct pg_database *d, uint64_t session);
/* Reads on after a pause. */
void pg_link_resume(struct pg_link *link);

/* io/pg/pool.c */
/* Gives waiting calls to idle connections, and opens further ones. */
void pg_dispatch(struct pg_database *d);
/* What is due: deadlines of calls and connections. */
void pg_expire(struct pg *pg);

/* io/pg/result.c */
/* Adds what the result has to the call's. ERR_LIMIT. */
int pg_take_result(struct pg_call *call, const PGresult *result);
/* Notes its error. */
void pg_take_error(struct call_result *to, const PGresult *result);
/* One line of libpq's text. */
void pg_take_text(char *out, size_t size, const char *text);

/* io/pg/room.c */
void pg_take_own(struct pg_call *call);
void pg_take_answer(struct pg_call *call);
void pg_give(struct pg_call *call);
/* True if more of the result may be read; if not, the link has been paused. */
bool pg_may_read(struct pg_link *link);
void pg_leave_paused(struct pg_link *link);

#endif
