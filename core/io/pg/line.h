/*
 * line.h - one connection to PostgreSQL, for one statement at a time whose rows the caller waits for.
 *
 * For what must be known before anything else goes on, as a commit. Parameters and fields are binary;
 * each statement is prepared once a connection.
 *
 * What comes of a statement is said by exactly one of these:
 *
 *   ERR_NETWORK   there was no connection: it was not sent
 *   ERR_REFUSED   the server's error (pg_line_sqlstate): the statement did nothing, and never will
 *   ERR_DOUBT     no answer within the patience, or the connection broke, or the server warned: the
 *                 statement may have been carried out, or still be. The connection is closed
 *   ERR_NOTFOUND  there are no further rows: it was carried out, and lasts as the server promises
 *
 * No text has a password or a url's login; the server's own may name its user.
 */
#ifndef ZINGQ_IO_PG_LINE_H
#define ZINGQ_IO_PG_LINE_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pg_line;

enum { PG_PARAMS_MAX = 8, PG_FIELDS_MAX = 8, PG_SQLSTATE_BYTES = 6 };

struct pg_line_options {
    const char *url; /* borrowed */
    int64_t patience_ms;
};

/* Nothing is done yet. ERR_INVALID with a sentence: libpq cannot read the url. ERR_MEMORY. */
int pg_line_new(struct pg_line **out, const struct pg_line_options *options, struct report *r);
/* NULL is allowed. */
void pg_line_free(struct pg_line *line);

/* Begins to connect, unless that is under way, and waits up to wait_ms for it: 0 is a look. Names are
 * looked up and servers tried by another thread, so nothing else waits for a network that is away.
 * 0: connected, to a server that accepts writes. ERR_NETWORK: not yet, or it failed: pg_line_error;
 * the next call begins again. ERR_MEMORY. */
int pg_line_connect(struct pg_line *line, int64_t wait_ms);
bool pg_line_is_open(const struct pg_line *line);
/* Drops the connection, with the statement under way. */
void pg_line_close(struct pg_line *line);
/* Why the last connection or statement failed; "" = it did not. */
const char *pg_line_error(const struct pg_line *line);
/* The error's SQLSTATE after ERR_REFUSED, else "". */
const char *pg_line_sqlstate(const struct pg_line *line);
/* What the server reports of itself: 150018 for 15.18. 0 = not connected. */
int pg_line_version(const struct pg_line *line);

/* A statement; its address is its identity. `text` with several commands has no parameters. */
struct pg_statement {
    const char *name; /* of the prepared statement; NULL = sent as text */
    const char *text;
    uint32_t types[PG_PARAMS_MAX]; /* oids of the parameters; 0 behind the last */
};

struct pg_row {
    size_t count;                       /* as the server says */
    struct slice fields[PG_FIELDS_MAX]; /* data NULL = null, or not sent */
};

/* Parameters, added in their order. */
struct pg_params {
    struct slice list[PG_PARAMS_MAX]; /* slices are borrowed; integers point into `numbers` */
    uint8_t numbers[PG_PARAMS_MAX][8];
    size_t count;
};

/* Begin with a count of 0. */
void pg_add(struct pg_params *params, struct slice value);
void pg_add_i16(struct pg_params *params, int16_t value);
void pg_add_i32(struct pg_params *params, int32_t value);
void pg_add_i64(struct pg_params *params, int64_t value);

/* Sends it, with as many parameters as it has types; NULL = none. A statement before it must have
 * ended. 0: pg_line_row says what comes of it; else one of the codes above, or ERR_LIMIT. */
int pg_line_send(struct pg_line *line, const struct pg_statement *statement,
                 const struct pg_params *params);
/* The next row, valid until the next call; or one of the codes above, which ends the statement. */
int pg_line_row(struct pg_line *line, struct pg_row *row);
/* Both, for a statement with at most one row that matters: 0 and the first row, copied to `to`, or
 * ERR_NOTFOUND if there was none, when it was carried out; else a code as above. */
int pg_line_ask(struct pg_line *line, const struct pg_statement *statement,
                const struct pg_params *params, struct buf *to, struct pg_row *row);

/* --- values in binary --- */

/* An integer or a truth value; 0 when the field is null or of another length. */
int64_t pg_get_int(struct slice field);
/* A timestamptz, in milliseconds since 1970, rounded down. */
int64_t pg_get_ms(struct slice field);

#endif
