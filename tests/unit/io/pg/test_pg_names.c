/*
 * test_pg_names.c - a name server that does not answer, and more statements than names may be looked up at
 * once: all of them wait, and an address needs no look-up.
 */
#include "test.h"

#include "base/limits.h"
#include "io/pg/pg.h"

#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_UPS = 64, MANY = LOOK_UPS + 6, BY_ADDRESS = MANY, CALLS };

static sem_t asked, answers, answered;

/* In the place of libc's; libpq asks it what address a text is. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **out) {
    if (node == NULL || strcmp(node, "hangs.example") != 0) {
        int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
        return real(node, service, hints, out);
    }
    (void)sem_post(&asked);
    (void)sem_wait(&answers);
    (void)sem_post(&answered);
    return EAI_AGAIN;
}

struct told {
    bool done[CALLS];
    int codes[CALLS];
    char why[CALLS][256];
};

static void on_done(void *ctx, uint64_t id, struct call_result *result) {
    struct told *t = ctx;
    t->done[id] = true;
    t->codes[id] = result->code;
    (void)snprintf(t->why[id], sizeof t->why[id], "%s", call_result_why(result));
}

static struct call_request *statement(const char *database) {
    struct call_request *request = call_request_new();
    request->kind = CALL_KIND_SQL;
    request->url = slice_dup(slice_of(database));
    request->method = slice_dup(slice_of("SQL"));
    request->body = slice_dup(slice_of("select 1"));
    request->body_len = strlen(request->body);
    request->timeout_ms = 60000;
    request->scope = SQL_READS;
    return request;
}

static void wait_for(sem_t *sem, unsigned times) {
    for (unsigned i = 0; i < times; i++) {
        assert_int_equal(sem_wait(sem), 0);
    }
}

/* GIVEN as many look-ups under way as may be WHEN more statements come THEN none of them ends for it. */
static void statements_wait_while_names_are_looked_up(void **state) {
    (void)state;
    const struct database_conf databases[] = {{.name = (char *)"named",
                                               .url = (char *)"postgres://hangs.example/x",
                                               .pool = DATABASE_POOL_MAX,
                                               .timeout_ms = 60000},
                                              {.name = (char *)"there",
                                               .url = (char *)"postgres://127.0.0.1:1/x",
                                               .pool = 1,
                                               .timeout_ms = 60000}};
    struct told t = {.done = {false}};
    struct call_request *requests[CALLS];
    struct pg *pg = NULL;
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(pg_new(&pg, &loop, databases, 2, &t, on_done), 0);
    for (uint64_t id = 0; id < CALLS; id++) {
        requests[id] = statement(id < MANY ? "named" : "there");
        assert_int_equal(pg_start(pg, id, requests[id]), 0);
    }
    wait_for(&asked, LOOK_UPS);
    while (!t.done[BY_ADDRESS]) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    assert_int_equal(t.codes[BY_ADDRESS], ERR_NETWORK);
    assert_non_null(strstr(t.why[BY_ADDRESS], "refused"));
    for (uint64_t id = 0; id < MANY; id++) {
        assert_false(t.done[id]);
    }
    pg_free(pg);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    for (unsigned i = 0; i < LOOK_UPS; i++) {
        assert_int_equal(sem_post(&answers), 0);
    }
    wait_for(&answered, LOOK_UPS);
    for (size_t i = 0; i < CALLS; i++) {
        call_request_free(requests[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_wait_while_names_are_looked_up),
    };
    int failed = sem_init(&asked, 0, 0) + sem_init(&answers, 0, 0) + sem_init(&answered, 0, 0);
    return failed != 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
