/*
 * result.c - what the database answered, as bytes of ours: io/pg/pg.h has the form.
 */
#include "io/pg/impl.h"

#include <stdio.h>
#include <stdlib.h>

static void add_head(struct buf *out, const PGresult *result) {
    int columns = PQnfields(result);
    buf_reset(out);
    buf_add_u64(out, strtoull(PQcmdTuples((PGresult *)result), NULL, 10));
    buf_add_u16(out, (uint16_t)columns); /* PostgreSQL has at most 1,664 */
    for (int c = 0; c < columns; c++) {
        buf_add_u32(out, PQftype(result, c));
        buf_add_lv(out, slice_of(PQfname(result, c)));
    }
}

static void add_row(struct buf *out, const PGresult *result, int row) {
    int columns = PQnfields(result);
    for (int c = 0; c < columns; c++) {
        bool null = PQgetisnull(result, row, c) != 0;
        buf_add_u8(out, null ? 0 : 1);
        if (!null) {
            buf_add_lv(out, (struct slice){PQgetvalue(result, row, c),
                                           (size_t)PQgetlength(result, row, c)});
        }
    }
}

/* Of a query, each row comes as a result of its own, and then one without rows that ends it. */
int pg_take_result(struct pg_call *call, const PGresult *result) {
    struct buf *head = &call->result.headers;
    struct buf *body = &call->result.body;
    int rows = PQntuples(result);
    for (int row = 0; row < rows && !body->failed; row++) {
        add_row(body, result, row);
    }
    if (PQresultStatus(result) != PGRES_SINGLE_TUPLE) {
        add_head(head, result);
    }
    return head->failed || body->failed ? ERR_LIMIT : 0;
}

void pg_take_text(char *out, size_t size, const char *text) {
    struct slice line = slice_of(text);
    while (line.len > 0 && line.data[line.len - 1] == '\n') {
        line.len--;
    }
    (void)snprintf(out, size, "%.*s", (int)line.len, line.data == NULL ? "" : line.data);
    for (char *at = out; *at != '\0'; at++) {
        *at = *at == '\n' || *at == '\t' ? ' ' : *at;
    }
}

void pg_take_error(struct call_result *to, const PGresult *result) {
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    char text[sizeof to->error];
    to->status = call_sqlstate(PQresultErrorField(result, PG_DIAG_SQLSTATE));
    if (message == NULL) { /* libpq's own, as when the connection broke */
        message = PQresultErrorMessage(result);
    }
    (void)snprintf(text, sizeof text, "%s%s%s", message, detail == NULL ? "" : ": ",
                   detail == NULL ? "" : detail);
    pg_take_text(to->error, sizeof to->error, text);
}
