/*
 * fuzz_pg.c - any bytes as what a PostgreSQL answers: libpq, and what io/pg reads of its results.
 *
 * Input: a byte for the statement, a script (mimic.h). Promises: a call ends once, with an answer or a
 * code; an answer is written as io/pg/pg.h says, row by row, and keeps to its limit.
 */
#include "fuzz.h"

#include "mimic.h"

#include "base/limits.h"
#include "io/pg/pg.h"

#include <stdio.h>

/* Real time, which whoever says nothing more costs each time. */
enum { TIMEOUT_MS = 500 };

struct seen {
    const struct call_request *request;
    int count;
};

static void check_rows(const struct call_result *result) {
    struct reader head = reader_of(result->headers.data, result->headers.len);
    struct reader body = reader_of(result->body.data, result->body.len);
    (void)read_u64(&head);
    uint16_t columns = read_u16(&head);
    for (unsigned i = 0; i < columns; i++) {
        (void)read_u32(&head);
        (void)read_lv(&head);
    }
    assert(!head.failed && head.at == head.end);
    assert(columns > 0 || body.at == body.end);
    while (body.at < body.end) {
        for (unsigned i = 0; i < columns; i++) {
            if (read_u8(&body) == 1) {
                (void)read_lv(&body);
            }
            assert(!body.failed);
        }
    }
}

static void on_done(void *ctx, uint64_t id, struct call_result *result) {
    struct seen *seen = ctx;
    const bool known = result->code == 0 || result->code == ERR_REFUSED ||
                       result->code == ERR_TIMEOUT || result->code == ERR_NETWORK ||
                       result->code == ERR_LIMIT || result->code == ERR_INVALID ||
                       result->code == ERR_MEMORY;
    char status[CALL_STATUS_BYTES];
    assert(id == 1 && known);
    assert(result->body.len + result->headers.len <= 2 * (size_t)CALL_BYTES_MAX);
    assert(memchr(result->error, '\0', sizeof result->error) != NULL);
    assert(call_status_text(result->status, status)[0] != '\0');
    assert(!call_is_unknown(seen->request, result) || call_may_have_acted(seen->request, result));
    assert(result->code != 0 || result->status == 0 || call_is_sqlstate(result->status));
    if (result->code == 0 && result->status == 0) {
        check_rows(result);
    }
    seen->count++;
}

static struct call_request *make_request(uint8_t choice) {
    static const enum sql_scope scopes[] = {SQL_ALONE, SQL_READS, SQL_REPEATS, SQL_BEGIN};
    struct call_request *request = call_request_new();
    char *one = slice_dup(slice_of("1"));
    assert(request != NULL && one != NULL);
    request->kind = CALL_KIND_SQL;
    request->url = slice_dup(slice_of("shop"));
    request->body = slice_dup(slice_of("select $1"));
    request->body_len = strlen(request->body);
    request->scope = scopes[choice % 4];
    request->timeout_ms = TIMEOUT_MS;
    assert(call_request_param(request, one, false) == 0);
    return request;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice script = fuzz_slice(data, size);
    struct mimic *m = mimic_get();
    char url[128];
    struct database_conf conf = {
        .name = (char *)"shop", .url = url, .pool = 1, .timeout_ms = TIMEOUT_MS};
    struct call_request *request = make_request(fuzz_byte(&script));
    struct seen seen = {.request = request};
    struct pg *pg = NULL;
    (void)snprintf(url, sizeof url, "postgres://a:b@127.0.0.1:%u/c?sslmode=disable",
                   (unsigned)m->port);
    assert(pg_new(&pg, &m->loop, &conf, 1, &seen, on_done) == 0);
    mimic_play(m, script);
    assert(pg_start(pg, 1, request) == 0);
    while (seen.count == 0 && !(m->over && pg_look(pg, 0).open == 0)) {
        mimic_turn(m);
    }
    pg_cancel(pg, 1);
    assert(seen.count <= 1 && pg_running(pg) == 0);
    mimic_end(m);
    pg_free(pg);
    (void)uv_run(&m->loop, UV_RUN_NOWAIT);
    assert(seen.count <= 1);
    call_request_free(request);
    return 0;
}
