/*
 * line.c - see io/pg/line.h.
 *
 * Why a warning is a doubt: a server that gives up waiting for its standby, because it is told to or
 * ends, answers as if all were well, and only warns that the commit may not be anywhere else.
 */
#include "io/pg/line.h"

#include "base/clock.h"
#include "base/url.h"
#include "io/pg/impl.h"
#include "io/pg/opening.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LOOK_MS = 10,           /* TLS may hold back what the socket has given */
    STATEMENTS_MAX = 16,    /* prepared on a connection */
    BYTES_PER_MS = 1 << 10, /* of a long statement: more patience */
    BINARY = 1
};

struct pg_line {
    struct pg_line_options options;
    struct pg_opening *opening; /* NULL: none is under way */
    PGconn *conn;               /* NULL: none, or not yet */
    PGresult *result;           /* the row that was given out */
    bool busy;                  /* a statement is under way */
    bool failed;                /* with an error of the server's */
    bool fatal;                 /* which ends the connection */
    bool warned;                /* the server did */
    const struct pg_statement *prepared[STATEMENTS_MAX];
    size_t prepared_count;
    char error[256];
    char sqlstate[PG_SQLSTATE_BYTES];
};

/* Of every connection. A statement that nobody waits for any more ends on the server, too; a lock is
 * not waited for as long as for an answer. Rows come and go faster than the server counts them, so it
 * would at times rather read a whole table than the range of its key that was asked for. Where it has to,
 * as for a table of one row, that seems so dear to it that it compiles the plan: a tenth of a second and
 * more of each connection. Old servers know no jit. */
static const struct pg_statement settings = {
    .text = "SET statement_timeout = '10s'; SET lock_timeout = '1s';"
            "SET idle_in_transaction_session_timeout = '10s'; SET search_path = pg_catalog;"
            "SET enable_seqscan = off; SET enable_bitmapscan = off;"
            "SELECT set_config(name, 'off', false) FROM pg_settings WHERE name = 'jit';"
            "SELECT set_config('synchronous_commit', 'on', false)"
            " WHERE current_setting('synchronous_commit') = 'off'"};

/* --- what went wrong --- */

static void note(struct pg_line *line, const char *text) {
    pg_take_text(line->error, sizeof line->error, text);
    (void)url_cut_logins(line->error);
}

static void close_conn(struct pg_line *line) {
    PQclear(line->result);
    line->result = NULL;
    PQfinish(line->conn);
    line->conn = NULL;
    line->busy = false;
    line->prepared_count = 0;
}

/* The connection is of no use any more; text NULL: libpq knows why. */
static int lose(struct pg_line *line, int code, const char *text) {
    note(line, text != NULL ? text : PQerrorMessage(line->conn));
    close_conn(line);
    return code;
}

static void on_notice(void *arg, const PGresult *notice) {
    struct pg_line *line = arg;
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity != NULL && strcmp(severity, "WARNING") == 0) {
        line->warned = true;
        note(line, PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY));
    }
}

static void take_error(struct pg_line *line, const PGresult *result) {
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!line->failed) { /* the first one says why */
        (void)snprintf(line->sqlstate, sizeof line->sqlstate, "%s", state == NULL ? "" : state);
        note(line, message == NULL ? PQresultErrorMessage(result) : message);
    }
    line->failed = true;
    line->fatal =
        line->fatal || state == NULL || severity == NULL || strcmp(severity, "ERROR") != 0;
}

/* --- life --- */

int pg_line_new(struct pg_line **out, const struct pg_line_options *options, struct report *r) {
    int code = pg_check_url(options->url, r);
    if (code != 0) {
        return code;
    }
    struct pg_line *line = calloc(1, sizeof *line);
    if (line == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    line->options = *options;
    *out = line;
    return 0;
}

void pg_line_close(struct pg_line *line) {
    pg_opening_abandon(line->opening);
    line->opening = NULL;
    close_conn(line);
}

void pg_line_free(struct pg_line *line) {
    if (line != NULL) {
        pg_line_close(line);
        free(line);
    }
}

bool pg_line_is_open(const struct pg_line *line) {
    return line->conn != NULL;
}

const char *pg_line_error(const struct pg_line *line) {
    return line->error;
}

const char *pg_line_sqlstate(const struct pg_line *line) {
    return line->sqlstate;
}

int pg_line_version(const struct pg_line *line) {
    return line->conn == NULL ? 0 : PQserverVersion(line->conn);
}

/* --- waiting --- */

/* Until the socket is ready, or a little later. False: it is later than until_ms, or the socket
 * cannot be waited for. */
static bool pause_for(struct pg_line *line, short events, int64_t until_ms) {
    struct pollfd socket = {.fd = PQsocket(line->conn), .events = events};
    int64_t left = until_ms - clock_monotonic_ms();
    if (socket.fd < 0 || left <= 0) {
        return false;
    }
    return poll(&socket, 1, left < LOOK_MS ? (int)left : LOOK_MS) >= 0 || errno == EINTR;
}

/* Waits for a result that PQgetResult gives without blocking. */
static bool await(struct pg_line *line, int64_t until_ms) {
    bool alive = true;
    while (PQisBusy(line->conn) != 0) {
        if (!alive || !pause_for(line, POLLIN, until_ms)) {
            return false;
        }
        alive = PQconsumeInput(line->conn) == 1; /* what came before the end may say why */
    }
    return true;
}

/* Until all is written. */
static bool flush(struct pg_line *line, int64_t until_ms) {
    int left;
    while ((left = PQflush(line->conn)) == 1) {
        if (!pause_for(line, POLLIN | POLLOUT, until_ms) || PQconsumeInput(line->conn) != 1) {
            return false;
        }
    }
    return left == 0;
}

static int64_t until_of(const struct pg_line *line, size_t bytes) {
    return clock_monotonic_ms() + line->options.patience_ms + (int64_t)(bytes / BYTES_PER_MS);
}

static const char *why_late(const struct pg_line *line) {
    return PQstatus(line->conn) == CONNECTION_BAD ? NULL : "the database does not answer";
}

/* --- connecting --- */

/* The settings of the session. */
static int set_up(struct pg_line *line) {
    struct pg_row row;
    PQsetNoticeReceiver(line->conn, on_notice, line);
    if (PQsetnonblocking(line->conn, 1) != 0) {
        return lose(line, ERR_NETWORK, NULL);
    }
    int code = pg_line_ask(line, &settings, NULL, NULL, &row);
    if (code == 0 || code == ERR_NOTFOUND) { /* it was off, or not */
        return 0;
    }
    close_conn(line);
    return ERR_NETWORK;
}

int pg_line_connect(struct pg_line *line, int64_t wait_ms) {
    if (line->conn != NULL) {
        return 0;
    }
    if (line->opening == NULL) {
        line->opening = pg_opening_begin(line->options.url);
        if (line->opening == NULL) {
            return ERR_MEMORY;
        }
    }
    PGconn *conn = NULL;
    if (!pg_opening_take(line->opening, wait_ms, &conn)) {
        if (line->error[0] == '\0') {
            note(line, "the database does not answer");
        }
        return ERR_NETWORK;
    }
    line->opening = NULL;
    line->conn = conn;
    if (conn == NULL) {
        return ERR_MEMORY;
    }
    return PQstatus(conn) == CONNECTION_OK ? set_up(line) : lose(line, ERR_NETWORK, NULL);
}

/* --- sending --- */

static size_t count_types(const struct pg_statement *s) {
    size_t count = 0;
    while (count < PG_PARAMS_MAX && s->types[count] != 0) {
        count++;
    }
    return count;
}

static void begin(struct pg_line *line) {
    assert(!line->busy);
    line->busy = true;
    line->failed = line->fatal = line->warned = false;
    line->error[0] = line->sqlstate[0] = '\0';
}

static bool is_prepared(const struct pg_line *line, const struct pg_statement *s) {
    for (size_t i = 0; i < line->prepared_count; i++) {
        if (line->prepared[i] == s) {
            return true;
        }
    }
    return false;
}

/* Nothing is carried out by it. */
static int prepare(struct pg_line *line, const struct pg_statement *s) {
    struct pg_row row;
    begin(line);
    if (PQsendPrepare(line->conn, s->name, s->text, (int)count_types(s), s->types) != 1 ||
        !flush(line, until_of(line, 0))) {
        return lose(line, ERR_NETWORK, why_late(line));
    }
    int code = pg_line_row(line, &row);
    if (code != ERR_NOTFOUND) {
        return code == ERR_DOUBT ? ERR_NETWORK : code;
    }
    assert(line->prepared_count < STATEMENTS_MAX);
    line->prepared[line->prepared_count++] = s;
    return 0;
}

static int send_now(struct pg_line *line, const struct pg_statement *s,
                    const struct pg_params *params) {
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX];
    int formats[PG_PARAMS_MAX];
    size_t count = count_types(s);
    for (size_t i = 0; i < count; i++) {
        values[i] = params->list[i].data;
        lengths[i] = (int)params->list[i].len;
        formats[i] = BINARY;
    }
    return s->name == NULL ? PQsendQuery(line->conn, s->text)
                           : PQsendQueryPrepared(line->conn, s->name, (int)count, values, lengths,
                                                 formats, BINARY);
}

int pg_line_send(struct pg_line *line, const struct pg_statement *s,
                 const struct pg_params *params) {
    static const struct pg_params none = {.count = 0};
    size_t bytes = 0;
    params = params == NULL ? &none : params;
    assert(params->count == count_types(s));
    for (size_t i = 0; i < count_types(s); i++) {
        bytes += params->list[i].len;
    }
    if (line->conn == NULL) {
        return ERR_NETWORK;
    }
    if (bytes > INT32_MAX) {
        return ERR_LIMIT;
    }
    int code = s->name == NULL || is_prepared(line, s) ? 0 : prepare(line, s);
    if (code != 0) {
        return code;
    }
    begin(line);
    if (send_now(line, s, params) != 1 || PQsetSingleRowMode(line->conn) != 1 ||
        !flush(line, until_of(line, bytes))) {
        return lose(line, ERR_DOUBT, why_late(line));
    }
    return 0;
}

/* --- what comes back --- */

/* Fields that the server has not sent are null. */
static void take_row(struct pg_line *line, PGresult *result, struct pg_row *row) {
    line->result = result;
    *row = (struct pg_row){.count = (size_t)PQnfields(result)};
    for (int i = 0; i < (int)row->count; i++) {
        if (!PQgetisnull(result, 0, i)) {
            row->fields[i] =
                (struct slice){PQgetvalue(result, 0, i), (size_t)PQgetlength(result, 0, i)};
        }
    }
}

/* The server is ready for the next statement, or the connection is gone. */
static int end(struct pg_line *line) {
    bool idle =
        PQstatus(line->conn) == CONNECTION_OK && PQtransactionStatus(line->conn) == PQTRANS_IDLE;
    line->busy = false;
    if (line->fatal || line->warned) { /* the server has said why */
        close_conn(line);
        return ERR_DOUBT;
    }
    if (!idle) {
        return lose(line, ERR_DOUBT, NULL);
    }
    return line->failed ? ERR_REFUSED : ERR_NOTFOUND;
}

int pg_line_row(struct pg_line *line, struct pg_row *row) {
    assert(line->busy);
    int64_t until_ms = until_of(line, 0);
    PQclear(line->result);
    line->result = NULL;
    for (;;) {
        if (!await(line, until_ms)) {
            return lose(line, ERR_DOUBT, why_late(line));
        }
        PGresult *result = PQgetResult(line->conn);
        if (result == NULL) {
            return end(line);
        }
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_SINGLE_TUPLE && PQnfields(result) > PG_FIELDS_MAX) {
            PQclear(result);
            return lose(line, ERR_DOUBT, "the database sends what it was not asked for");
        }
        if (status == PGRES_SINGLE_TUPLE) {
            take_row(line, result, row);
            return 0;
        }
        if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
            take_error(line, result);
        }
        PQclear(result);
    }
}

static void keep_row(struct buf *to, const struct pg_row *row) {
    buf_reset(to);
    for (size_t i = 0; i < row->count; i++) {
        buf_add_slice(to, row->fields[i]);
    }
}

/* The fields of the row are in the buffer, one behind the other. */
static void point_at_kept(const struct buf *kept, struct pg_row *row) {
    size_t at = 0;
    for (size_t i = 0; i < row->count; i++) {
        if (row->fields[i].data != NULL) {
            row->fields[i].data = kept->data == NULL ? "" : kept->data + at;
            at += row->fields[i].len;
        }
    }
}

int pg_line_ask(struct pg_line *line, const struct pg_statement *s, const struct pg_params *params,
                struct buf *to, struct pg_row *row) {
    struct pg_row next;
    int code = pg_line_send(line, s, params);
    code = code == 0 ? pg_line_row(line, row) : code;
    bool found = code == 0;
    if (found && to != NULL) {
        keep_row(to, row);
        point_at_kept(to, row);
    }
    while (code == 0) {
        code = pg_line_row(line, &next);
    }
    if (code != ERR_NOTFOUND || !found) {
        return code;
    }
    return to != NULL && to->failed ? ERR_MEMORY : 0;
}

/* --- values in binary --- */

void pg_add(struct pg_params *params, struct slice value) {
    assert(params->count < PG_PARAMS_MAX);
    params->list[params->count++] = value.data == NULL ? slice_of("") : value; /* not null */
}

static void add_number(struct pg_params *params, const void *big, size_t len) {
    uint8_t *at = params->numbers[params->count];
    memcpy(at, big, len);
    pg_add(params, (struct slice){(const char *)at, len});
}

void pg_add_i16(struct pg_params *params, int16_t value) {
    uint16_t big = htobe16((uint16_t)value);
    add_number(params, &big, sizeof big);
}

void pg_add_i32(struct pg_params *params, int32_t value) {
    uint32_t big = htobe32((uint32_t)value);
    add_number(params, &big, sizeof big);
}

void pg_add_i64(struct pg_params *params, int64_t value) {
    uint64_t big = htobe64((uint64_t)value);
    add_number(params, &big, sizeof big);
}

int64_t pg_get_int(struct slice field) {
    uint64_t value = 0;
    if (field.data == NULL ||
        (field.len != 1 && field.len != 2 && field.len != 4 && field.len != 8)) {
        return 0;
    }
    for (size_t i = 0; i < field.len; i++) {
        value = value << 8 | (uint8_t)field.data[i];
    }
    switch (field.len) {
    case 2:
        return (int16_t)value;
    case 4:
        return (int32_t)value;
    default:
        return (int64_t)value;
    }
}

int64_t pg_get_ms(struct slice field) {
    int64_t us = pg_get_int(field); /* since 2000 */
    return us / 1000 - (us % 1000 < 0 ? 1 : 0) + INT64_C(946684800000);
}
