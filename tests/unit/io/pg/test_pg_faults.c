/*
 * test_pg_faults.c - memory, libpq and libuv fail while statements go to a real PostgreSQL: each ends once; what is said to be done
 * is done, what is said not to have been sent is not, and a transaction is there wholly or not at all.
 *
 * The server is that of tests/blackbox/sql.sh, which runs this with its address in $ZINGQ_TEST_DATABASE; its application_name is
 * "faults".
 *
 * ctest: faults label=torture
 */
#include "fault.h"
#include "test.h"

#include "base/limits.h"
#include "io/pg/pg.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALONE = 1, FIRST, LAST, CALLS };

struct told {
    PGconn *conn; /* the test's own */
    struct database_conf database;
    uv_loop_t loop;
    uv_timer_t pulse;
    struct pg *pg;
    bool done[CALLS];
    struct call_result results[CALLS];
    struct call_request *requests[CALLS];
};

static void on_done(void *ctx, uint64_t id, struct call_result *result) {
    struct told *t = ctx;
    assert_in_range(id, ALONE, LAST);
    assert_false(t->done[id]);
    t->done[id] = true;
    t->results[id] = *result;
    buf_init(&result->headers, CALL_BYTES_MAX);
    buf_init(&result->body, CALL_BYTES_MAX);
}

static void on_pulse(uv_timer_t *timer) {
    (void)timer;
}

static struct call_request *statement(const char *text, enum sql_scope scope, uint64_t session) {
    struct call_request *request = call_request_new();
    request->kind = CALL_KIND_SQL;
    request->url = slice_dup(slice_of("shop"));
    request->method = slice_dup(slice_of("SQL"));
    request->body = slice_dup(slice_of(text));
    request->body_len = strlen(text);
    request->timeout_ms = 10000;
    request->scope = scope;
    request->session = session;
    assert_int_equal(call_request_param(request, slice_dup(slice_of("7")), false), 0);
    return request;
}

static void execute(PGconn *conn, const char *text) {
    PGresult *result = PQexec(conn, text);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        fail_msg("%s", PQerrorMessage(conn));
    }
    PQclear(result);
}

/* What a query of one value gives. */
static long look(PGconn *conn, const char *text) {
    PGresult *result = PQexec(conn, text);
    assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
    long value = strtol(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return value;
}

/* Whether it succeeded. */
static bool ask(struct told *t, uint64_t id) {
    int code = pg_start(t->pg, id, t->requests[id]);
    while (code == 0 && !t->done[id]) {
        (void)uv_run(&t->loop, UV_RUN_ONCE);
    }
    bool well = code == 0 && t->results[id].code == 0 && t->results[id].status == 0;
    if (!well) {
        (void)fault_named(code != 0 ? error_text(code) : call_result_why(&t->results[id]));
    }
    return well;
}

static void expect_effects(struct told *t, bool alone, bool first, bool last) {
    const struct call_result *r = t->results;
    long alones = look(t->conn, "select count(*) from faults where kind = 'alone'");
    long pairs = look(t->conn, "select count(*) from faults where kind = 'pair'");
    long ready = look(t->conn, "select count(*) from faults where kind = 'pair' and ready");
    assert_int_equal(pairs, ready);
    assert_in_range(alones, alone, alone || (t->done[ALONE] && r[ALONE].sent));
    assert_in_range(pairs, last, last || (first && t->done[LAST] && r[LAST].sent));
}

static bool statements_are_executed(void *ctx) {
    struct told *t = ctx;
    bool alone = false, first = false, last = false;
    execute(t->conn, "truncate faults");
    memset(t->done, 0, sizeof t->done);
    assert_int_equal(uv_loop_init(&t->loop), 0);
    assert_int_equal(uv_timer_init(&t->loop, &t->pulse), 0);
    assert_int_equal(uv_timer_start(&t->pulse, on_pulse, 5, 5), 0);
    fault_on();
    if (pg_new(&t->pg, &t->loop, &t->database, 1, t, on_done) == 0) {
        alone = ask(t, ALONE);
        first = ask(t, FIRST);
        last = first && ask(t, LAST);
        if (first && !last) {
            pg_cancel(t->pg, FIRST);
        }
    } else {
        (void)fault_named(error_text(ERR_MEMORY));
        t->pg = NULL;
    }
    pg_free(t->pg);
    uv_close((uv_handle_t *)&t->pulse, NULL);
    (void)uv_run(&t->loop, UV_RUN_DEFAULT);
    fault_off();
    assert_int_equal(uv_loop_close(&t->loop), 0);
    while (look(t->conn, "select count(*) from pg_stat_activity"
                         " where application_name = 'faults'") > 1) {
    } /* until the server knows that the connection is gone */
    expect_effects(t, alone, first, last);
    for (size_t i = ALONE; i < CALLS; i++) {
        call_result_clear(&t->results[i]);
    }
    return alone && first && last;
}

static void what_is_said_to_be_done_is_done(void **state) {
    (void)state;
    char *url = getenv("ZINGQ_TEST_DATABASE");
    if (url == NULL) {
        skip();
    }
    struct told t = {
        .database = {.name = (char *)"shop", .url = url, .pool = 2, .timeout_ms = 10000}};
    t.conn = PQconnectdb(url);
    assert_int_equal(PQstatus(t.conn), CONNECTION_OK);
    execute(t.conn,
            "create table if not exists faults (kind text, n int, ready bool default false)");
    t.requests[ALONE] = statement("insert into faults values ('alone', $1)", SQL_ALONE, 0);
    t.requests[FIRST] = statement("insert into faults values ('pair', $1)", SQL_BEGIN, 0);
    t.requests[LAST] = statement("update faults set ready = true where kind = 'pair' and n = $1",
                                 SQL_COMMIT, FIRST);
    fault_each("pg", FAULT_MEMORY | FAULT_LIBRARY, statements_are_executed, &t);
    for (size_t i = ALONE; i < CALLS; i++) {
        call_request_free(t.requests[i]);
    }
    PQfinish(t.conn);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_said_to_be_done_is_done)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
