/*
 * link.c - a connection: watching its socket, and executing one call at a time on it.
 *
 * A session keeps what a statement leaves in it: settings, temporary tables, locks. So a link that
 * served another service, or a statement that is not plain reading or writing, is reset (DISCARD
 * ALL) before the next one; and a link whose transaction is still open after a call is closed.
 *
 * The outcome of a call is unknown from the moment when the statement, or the COMMIT that makes it
 * count, has left, until the server says that it is ready for the next one.
 */
#include "io/pg/impl.h"

#include "base/limits.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

enum { UNREAD_MAX = SQL_BYTES_MAX + (64 << 10) };

/* ---- its life ---- */

struct pg_link *pg_link_new(struct pg_database *d) {
    struct pg_link *link = calloc(1, sizeof *link);
    if (link == NULL) {
        return NULL;
    }
    link->database = d;
    link->state = LINK_RESOLVING;
    link->latest_ms = uv_now(d->pg->loop) + PG_CONNECT_MS;
    link->until_ms = link->latest_ms;
    TAILQ_INSERT_TAIL(&d->links, link, list);
    d->link_count++;
    d->opening++;
    pg_due(d->pg, link->until_ms);
    return link;
}

static void set_state(struct pg_link *link, enum pg_link_state state) {
    struct pg_database *d = link->database;
    d->idle -= link->state == LINK_IDLE ? 1 : 0;
    d->opening -= link->state <= LINK_CONNECTING ? 1 : 0;
    link->state = state;
    d->idle += state == LINK_IDLE ? 1 : 0;
    d->opening += state <= LINK_CONNECTING ? 1 : 0;
}

void pg_link_free(struct pg_link *link) {
    struct pg_database *d = link->database;
    assert(link->call == NULL);
    set_state(link, LINK_BUSY); /* and so counted as nothing else */
    pg_leave_paused(link);
    pg_link_unwatch(link);
    pg_forget_names(link);
    PQfinish(link->conn);
    TAILQ_REMOVE(&d->links, link, list);
    d->link_count--;
    free(link);
}

struct pg_link *pg_link_held(struct pg_database *d, uint64_t session) {
    struct pg_link *link;
    TAILQ_FOREACH(link, &d->links, list) {
        if (link->state == LINK_HELD && link->session == session) {
            return link;
        }
    }
    return NULL;
}

/* Until the next call of its transaction. */
static void hold(struct pg_link *link, uint64_t session) {
    link->session = session;
    set_state(link, LINK_HELD);
    if (!pg_link_watch(link, UV_READABLE)) {
        pg_link_free(link);
    }
}

static void go_idle(struct pg_link *link) {
    struct pg *pg = link->database->pg;
    set_state(link, LINK_IDLE);
    link->until_ms = uv_now(pg->loop) + PG_IDLE_MS;
    pg_due(pg, link->until_ms);
    if (!pg_link_watch(link, UV_READABLE)) {
        pg_link_free(link);
    }
}

static void on_socket(struct pg_link *link);

void pg_link_ready(struct pg_link *link) {
    struct pg_database *d = link->database;
    link->on_socket = on_socket;
    PQsetnonblocking(link->conn, 1);
    go_idle(link);
    d->pg->hooks.dispatch(d);
}

static void open_later(struct pg_database *d) {
    d->again_ms = uv_now(d->pg->loop) + PG_AGAIN_MS;
    pg_due(d->pg, d->again_ms);
}

void pg_link_put_off(struct pg_link *link) {
    struct pg_database *d = link->database;
    pg_link_free(link);
    open_later(d);
}

/* While others are open the waiting calls can wait for these. Without any, the one that could not
 * be opened speaks for all. */
void pg_link_failed(struct pg_link *link) {
    struct pg_database *d = link->database;
    pg_link_free(link);
    if (d->link_count > d->opening) {
        open_later(d);
        return;
    }
    struct pg_call *call;
    while ((call = TAILQ_FIRST(&d->waiting)) != NULL) {
        pg_finish(call, ERR_NETWORK, d->error);
    }
}

/* ---- the end of a call ---- */

static struct pg_call *take_call(struct pg_link *link) {
    struct pg_call *call = link->call;
    assert(call != NULL);
    pg_leave_paused(link);
    link->call = NULL;
    link->unread = 0;
    call->link = NULL;
    return call;
}

struct pg_call *pg_link_drop(struct pg_link *link) {
    struct pg_call *call = take_call(link);
    pg_link_free(link);
    return call;
}

/* The call is over, and the connection with it. */
static void end_broken(struct pg_link *link, int code, const char *why) {
    struct pg_database *d = link->database;
    pg_finish(pg_link_drop(link), code, why);
    d->pg->hooks.dispatch(d);
}

/* The connection turned out to be gone before the statement left: another one will do. */
static void begin_again(struct pg_link *link) {
    struct pg_database *d = link->database;
    struct pg_call *call = pg_link_drop(link);
    call->result.error[0] = '\0';
    call->result.status = 0;
    call->place = PG_WAITING;
    TAILQ_INSERT_HEAD(&d->waiting, call, queue);
    d->waiting_count++;
    d->pg->hooks.dispatch(d);
}

static void broken(struct pg_link *link) {
    struct pg_database *d = link->database;
    if (link->call == NULL) {
        pg_link_free(link);
        d->pg->hooks.dispatch(d);
        return;
    }
    struct call_result *result = &link->call->result;
    if (link->used && !result->sent && link->session == 0) {
        begin_again(link);
        return;
    }
    if (result->error[0] == '\0') {
        pg_take_text(result->error, sizeof result->error, PQerrorMessage(link->conn));
    }
    end_broken(link, ERR_NETWORK, NULL);
}

/* Whether the link's transaction goes on after this call. */
static bool goes_on(const struct pg_link *link) {
    enum sql_scope scope = link->call->request->scope;
    PGTransactionStatusType now = PQtransactionStatus(link->conn);
    return (scope == SQL_BEGIN && now == PQTRANS_INTRANS) ||
           (scope == SQL_WITHIN && !link->committed &&
            (now == PQTRANS_INTRANS || now == PQTRANS_INERROR));
}

/* What is wrong with a statement that leaves the session so, or NULL. */
static const char *flaw_of(const struct pg_link *link) {
    bool open = PQtransactionStatus(link->conn) != PQTRANS_IDLE;
    if (link->call->result.status != 0 || goes_on(link)) {
        return NULL;
    }
    return link->call->request->scope == SQL_WITHIN
               ? "it ends the transaction, which zing.sql.once does itself"
           : open ? "it leaves a transaction open, which was rolled back"
                  : NULL;
}

/* The server is ready for the next statement. */
static void end_answered(struct pg_link *link) {
    struct pg_database *d = link->database;
    const char *flaw = flaw_of(link);
    bool held = goes_on(link);
    bool closed = !held && PQtransactionStatus(link->conn) != PQTRANS_IDLE;
    uint64_t session = link->call->request->scope == SQL_BEGIN ? link->call->id : link->session;
    struct pg_call *call = take_call(link);
    call->result.sent = false;
    pg_finish(call, flaw == NULL ? 0 : ERR_REFUSED, flaw);
    link->used = true;
    link->todo = 0;
    link->session = 0;
    if (closed) {
        pg_link_free(link);
    } else if (held) {
        hold(link, session);
    } else {
        go_idle(link);
    }
    d->pg->hooks.dispatch(d);
}

/* ---- tasks ---- */

static enum pg_task task_of(const struct pg_link *link) {
    return (enum pg_task)(link->todo & -link->todo);
}

static int send_statement(struct pg_link *link) {
    const struct call_request *q = link->call->request;
    return PQsendQueryParams(link->conn, q->body, (int)q->param_count, NULL,
                             (const char *const *)q->params, NULL, NULL, 0);
}

static int send_task(struct pg_link *link) {
    switch (task_of(link)) {
    case TASK_RESET:
        return PQsendQuery(link->conn, "DISCARD ALL");
    case TASK_WATCH: /* before PostgreSQL 14 there is no such setting, and nothing to do */
        return PQsendQuery(link->conn,
                           "SELECT set_config(name, '1s', false) FROM pg_settings "
                           "WHERE name = 'client_connection_check_interval' AND setting = '0'");
    case TASK_BEGIN:
        return PQsendQuery(link->conn,
                           link->call->request->scope == SQL_READS ? "BEGIN READ ONLY" : "BEGIN");
    case TASK_STATEMENT:
        return send_statement(link);
    case TASK_COMMIT:
        return PQsendQuery(link->conn, "COMMIT");
    }
    return 0;
}

/* Writes what there is to write. `again`: on_socket is due once more whatever comes. */
static void flush(struct pg_link *link, bool again) {
    int left = PQflush(link->conn);
    int events = UV_READABLE | (left == 1 || again ? UV_WRITABLE : 0);
    if (left < 0 || !pg_link_watch(link, events)) {
        broken(link);
    }
}

/* Whether the outcome is open from when the task is sent. */
static bool counts(const struct pg_link *link) {
    enum sql_scope scope = link->call->request->scope;
    enum pg_task task = task_of(link);
    return (task == TASK_STATEMENT && (scope == SQL_ALONE || scope == SQL_REPEATS)) ||
           (task == TASK_COMMIT && scope == SQL_COMMIT);
}

static void next_task(struct pg_link *link) {
    link->failed = false;
    link->committed = false;
    if (send_task(link) != 1) {
        broken(link);
        return;
    }
    link->call->result.sent = counts(link); /* libpq may have written it already */
    if (task_of(link) == TASK_STATEMENT && PQsetSingleRowMode(link->conn) != 1) {
        broken(link);
        return;
    }
    flush(link, false);
}

/* What the call needs on this link. */
static unsigned tasks_of(const struct pg_link *link, const struct call_request *q) {
    bool begun = q->scope == SQL_WITHIN || q->scope == SQL_COMMIT;
    bool reset = !begun && link->used && (link->dirty || link->user != q->service);
    bool watch = !begun && (!link->watched_there || reset);
    bool begin = q->scope == SQL_READS || q->scope == SQL_BEGIN;
    bool commit = q->scope == SQL_READS || q->scope == SQL_COMMIT;
    return TASK_STATEMENT | (reset ? TASK_RESET : 0) | (watch ? TASK_WATCH : 0) |
           (begin ? TASK_BEGIN : 0) | (commit ? TASK_COMMIT : 0);
}

void pg_link_run(struct pg_link *link, struct pg_call *call) {
    assert(link->state == LINK_IDLE || link->state == LINK_HELD);
    assert(link->call == NULL);
    set_state(link, LINK_BUSY);
    link->call = call;
    call->link = link;
    call->place = PG_EXECUTED;
    link->todo = tasks_of(link, call->request);
    link->user = call->request->service;
    link->was_dirty = link->dirty && link->session != 0;
    link->dirty = true; /* until it is known not to be */
    next_task(link);
}

/* ---- results ---- */

/* Statements that leave nothing in the session. (A SELECT can: set_config, advisory locks. They are
 * its service's own, which is the only one to see them.) */
static bool leaves_nothing(const char *tag) {
    static const char *const plain[] = {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (strncmp(tag, plain[i], strlen(plain[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void take_failure(struct pg_link *link, const PGresult *result) {
    if (!link->failed) { /* the first one says why */
        pg_take_error(&link->call->result, result);
    }
    link->failed = true;
}

static void refuse(struct pg_link *link, const char *sentence) {
    link->call->result.sent = false;
    end_broken(link, ERR_REFUSED, sentence);
}

/* False: the call is over. */
static bool take_result(struct pg_link *link, PGresult *result) {
    bool statement = task_of(link) == TASK_STATEMENT;
    switch (PQresultStatus(result)) {
    case PGRES_SINGLE_TUPLE:
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
        if (statement && pg_take_result(link->call, result) != 0) {
            end_broken(link, ERR_LIMIT,
                       "the result is larger than 8 MiB: select less, or in parts");
            return false;
        }
        if (statement) {
            link->dirty = link->was_dirty || !leaves_nothing(PQcmdStatus(result));
            link->committed = strcmp(PQcmdStatus(result), "COMMIT") == 0;
        }
        return true;
    case PGRES_EMPTY_QUERY:
        refuse(link, "the statement is empty");
        return false;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        refuse(link, "COPY is not possible here");
        return false;
    default:
        take_failure(link, result);
        return true;
    }
}

/* The transaction is no longer the one that its first statement began: what that wrote is gone. */
static bool is_lost(const struct pg_link *link) {
    const struct buf *head = &link->call->result.headers;
    struct reader rows = reader_of(head->data, head->len);
    return task_of(link) == TASK_STATEMENT && link->call->request->scope == SQL_COMMIT &&
           !link->failed && read_u64(&rows) != 1;
}

/* The server has done the task. */
static void end_task(struct pg_link *link) {
    enum pg_task task = task_of(link);
    /* libpq could not make sense of the server's answer if an error has no SQLSTATE, or if the
     * statement has no end. */
    const struct call_result *result = &link->call->result;
    bool answered = link->failed ? call_is_sqlstate(result->status)
                                 : task != TASK_STATEMENT || result->headers.len > 0;
    if (PQstatus(link->conn) == CONNECTION_BAD || !answered) {
        broken(link);
        return;
    }
    if (is_lost(link)) {
        refuse(link,
               "a statement of it has ended the transaction, which zing.sql.once does itself");
        return;
    }
    link->watched_there = link->watched_there || task == TASK_WATCH;
    link->todo &= ~(unsigned)task;
    bool own = task != TASK_STATEMENT;
    if (link->failed && own && task != TASK_COMMIT) { /* a session that cannot be used */
        end_broken(link, ERR_NETWORK, NULL);
    } else if (link->failed || link->todo == 0) {
        end_answered(link);
    } else {
        next_task(link);
    }
}

/* Takes all results that are complete. False: the link is gone, or has a new task. */
static bool take_results(struct pg_link *link) {
    while (PQisBusy(link->conn) == 0) {
        PGresult *result = PQgetResult(link->conn);
        if (result == NULL) {
            end_task(link);
            return false;
        }
        link->unread = 0;
        bool goes_on = take_result(link, result);
        PQclear(result);
        if (!goes_on) {
            return false;
        }
        pg_take_answer(link->call);
    }
    pg_take_answer(link->call);
    return true;
}

static void on_socket(struct pg_link *link) {
    int waiting = 0;
    if (!pg_may_read(link)) {
        (void)pg_link_watch(link, 0);
        return;
    }
    /* libpq keeps a row until it is complete; how much that is must be counted here. */
    if (link->call != NULL && ioctl(PQsocket(link->conn), FIONREAD, &waiting) == 0) {
        link->unread += waiting > 0 ? (size_t)waiting : 0;
    }
    if (PQconsumeInput(link->conn) != 1) {
        /* What came before the end may say why. */
        if (link->call == NULL || take_results(link)) {
            broken(link);
        }
        return;
    }
    if (link->call == NULL) { /* a notice; the end of the connection is an error above */
        return;
    }
    if (link->unread > UNREAD_MAX) {
        end_broken(link, ERR_LIMIT, "a row of the result is larger than 8 MiB: select less");
        return;
    }
    if (take_results(link)) {
        /* OpenSSL may hold the rest of a record, which the socket does not tell: read until the
         * socket has given nothing more. */
        flush(link, waiting > 0 && PQsslInUse(link->conn) != 0);
    }
}

void pg_link_resume(struct pg_link *link) {
    on_socket(link);
}
