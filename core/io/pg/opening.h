/*
 * opening.h - a connection that another thread makes: looking up names blocks, and so does trying one
 * silent address after the other. Only io/pg/line.c includes it.
 */
#ifndef ZINGQ_IO_PG_OPENING_H
#define ZINGQ_IO_PG_OPENING_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

struct pg_opening;

/* Begins; NULL: out of memory, or of threads. */
struct pg_opening *pg_opening_begin(const char *url);
/* True: it is over, and *conn, now the caller's, is what came of it: perhaps a failed one, or NULL when
 * memory lacks. False: not within wait_ms; *conn is NULL. */
bool pg_opening_take(struct pg_opening *opening, int64_t wait_ms, PGconn **conn);
/* Leaves it to itself. NULL is allowed. */
void pg_opening_abandon(struct pg_opening *opening);

#endif
