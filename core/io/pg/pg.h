/*
 * pg.h - statements for PostgreSQL, through libpq on a libuv loop.
 *
 * Owns: the connections, a pool for each database, and their addresses, timeouts and results. Knows
 * nothing of events: the caller numbers its calls. on_done delivers a result from the loop, once for
 * each started call that was not cancelled.
 *
 * Nothing here blocks: names are resolved by libuv and handed to libpq as addresses, Kerberos is
 * off (its library blocks). Everything else is as the database's url says, TLS included.
 *
 * A result of code 0 is the database's answer. status 0: it did what the statement says. Then
 * `headers` is
 *     u64 rows concerned, u16 columns, for each: u32 type (its oid), lv name
 * and `body`, for each row and column: u8 1, lv text, or u8 0 for null. Another status is an
 * SQLSTATE (call_sqlstate): the statement did nothing. Any other code: the connection broke, the
 * time was up or the result was too large; `sent` tells whether the outcome is unknown.
 */
#ifndef ZINGQ_IO_PG_PG_H
#define ZINGQ_IO_PG_PG_H

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "conf/conf.h"
#include "event/call.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct pg;

/* The types that results are told apart by: oids that PostgreSQL has never changed. */
enum pg_type {
    PG_BOOL = 16,
    PG_BYTEA = 17,
    PG_INT8 = 20,
    PG_INT2 = 21,
    PG_INT4 = 23,
    PG_TEXT = 25,
    PG_OID = 26,
    PG_JSON = 114,
    PG_FLOAT4 = 700,
    PG_FLOAT8 = 701,
    PG_UUID = 2950,
    PG_JSONB = 3802
};

/* One database, for people. */
struct pg_state {
    const char *name;
    size_t open, busy; /* connections; of them with a statement under way */
    size_t waiting;    /* statements without a connection */
    const char *error; /* why the last connection failed, until one succeeds; or NULL */
};

/* libpq's version, "15.18". Returns `out`. */
enum { PG_VERSION_BYTES = 32 };
const char *pg_version(char out[PG_VERSION_BYTES]);
/* ERR_INVALID with place and sentence when libpq cannot read the url of one of them or of the store,
 * or would block because of it. One that was not read is not looked at. */
int pg_check(const struct conf *conf, struct report *r);
/* The same of one url, as a part of a sentence. */
int pg_check_url(const char *url, struct report *r);

/* The databases are borrowed for its life. on_done runs on the loop's thread; `result` is valid
 * during the callback; to keep its buffers, move them out. ERR_MEMORY. */
int pg_new(struct pg **out, uv_loop_t *loop, const struct database_conf *databases, size_t count,
           void *ctx, void (*on_done)(void *ctx, uint64_t id, struct call_result *result));
/* From now on, calls take memory from this budget, borrowed for its life. A long result that does
 * not fit is not read for now; at least one always is. */
void pg_use_memory(struct pg *pg, struct memory *memory);
/* Cancels every call and closes every connection. The loop must run once more before it ends. Must
 * not be called from on_done. NULL is allowed. */
void pg_free(struct pg *pg);
/* Starts a call of CALL_KIND_SQL; the request is borrowed until on_done or pg_cancel. ids are never
 * reused. Its time starts now, and includes waiting for a connection. ERR_LIMIT beyond CALLS_MAX,
 * ERR_MEMORY: then on_done is not called. */
int pg_start(struct pg *pg, uint64_t id, const struct call_request *request);
/* Ends the call; on_done is not called. The id of a session (SQL_BEGIN) ends that: what it did is
 * rolled back. A statement under way is cancelled by closing its
 * connection: the database notices within a second. An unknown id is not an error. */
void pg_cancel(struct pg *pg, uint64_t id);
size_t pg_running(const struct pg *pg);
/* Results that wait for memory. */
size_t pg_paused(const struct pg *pg);
/* Closes the connections that nobody uses; true: there were some. */
bool pg_close_idle(struct pg *pg);
/* The n-th database, from 0. */
struct pg_state pg_look(const struct pg *pg, size_t n);

/* --- written.c --- */

/* An answer that a person wrote, as a result: {rows = [{column: value}*], columns = [name*], count =}
 * or {sqlstate = "23505", message =}; all may be missing. Makes the buffers of `to` in every case.
 * ERR_INVALID, ERR_LIMIT or ERR_MEMORY, with a sentence. */
int pg_written_answer(struct call_result *to, const json_t *answer, struct report *r);

#endif
